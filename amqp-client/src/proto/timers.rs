//! Who wants to be called at which time, on the adapter's clock: the handles have no timers of
//! their own, so that they work with any executor.
//!
//! ```text
//! Timer (polled) ──watch──▶ Timers ──deadline──▶ adapter sleeps ──expire──▶ waker
//! ```
//!
//! A timer enters the list when it is polled for the first time, and leaves it when it is dropped:
//! what is ready at once costs nothing. When the connection has ended nobody watches the clock any
//! more; all are called then, and whoever waits finds the end in what he waits for.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::link::Link;
use super::request::after;
use super::sync::lock;
use super::wait::{Sleeper, Waiters};

/// The list that the adapter watches.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Waiters<Instant>>);

impl Timers {
    fn list(&self) -> MutexGuard<'_, Waiters<Instant>> {
        lock(&self.0)
    }

    /// Calls the task at the deadline. True if it is on the list and that is earlier than all others.
    fn wait(&self, deadline: Instant, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) -> bool {
        let mut list = self.list();
        let n_before = list.len();
        list.wait_at(deadline, (), ticket, sleeper);
        let first = list.first().map(|(_, ticket, ())| ticket);
        list.len() > n_before && first == *ticket
    }

    fn forget(&self, deadline: Instant, ticket: u64) {
        let waker = self.list().remove(deadline, ticket);
        drop(waker);
    }

    /// The earliest time that anybody waits for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let (deadline, _, ()) = self.list().first()?;
        Some(deadline)
    }

    /// Takes all whose time has come.
    pub(crate) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut list = self.list();
        while list.first().is_some_and(|(deadline, ..)| deadline <= now) {
            list.call_first(wakers);
        }
    }

    /// Takes all: the connection has ended.
    pub(crate) fn take_all(&self, wakers: &mut Vec<Waker>) {
        self.list().call_all(wakers);
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.list().len()
    }
}

/// A point in time that can be waited for.
#[derive(Debug)]
pub(crate) struct Timer {
    link: Arc<Link>,
    deadline: Instant,
    ticket: Option<u64>,
}

impl Timer {
    /// So much time from now.
    pub(crate) fn new(link: &Arc<Link>, duration: Duration) -> Self {
        Self::at(link, after((link.clock)(), duration))
    }

    pub(crate) fn at(link: &Arc<Link>, deadline: Instant) -> Self {
        Self {
            link: Arc::clone(link),
            deadline,
            ticket: None,
        }
    }

    /// Ready when the time has come.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if (self.link.clock)() >= self.deadline {
            return Poll::Ready(());
        }
        let mut sooner = false;
        let polled = Sleeper::poll(context, |sleeper| {
            let timers = &self.link.timers;
            sooner |= timers.wait(self.deadline, &mut self.ticket, sleeper);
            Poll::Pending
        });
        if sooner {
            // An adapter that sleeps until later has to hear of it.
            let wake = self.link.outbox().wake_always();
            wake.now();
        }
        polled
    }

    /// Whether nobody watches the clock any more.
    pub(crate) fn has_stopped(&self) -> bool {
        self.link.ended().is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.link.timers.forget(self.deadline, ticket);
        }
    }
}
