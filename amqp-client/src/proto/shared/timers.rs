//! Who wants to be called at which time, on the adapter's clock: the handles have no timers of
//! their own, so that they work with any executor.
//!
//! ```text
//! Timer (polled) ──watch──▶ Timers ──deadline──▶ adapter sleeps ──expire──▶ waker
//! ```
//!
//! A timer enters the list when it is polled for the first time, and leaves it when it is dropped:
//! what is ready at once costs nothing. It has come when the adapter has called it, not when the
//! clock says so: the adapter reads first. When the connection has ended the clock is not watched
//! any more; all are called then, and each task finds the end in what it waits for.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::connection::ConnectionShared;
use crate::proto::time::after;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters};

/// The list that the adapter watches.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Waiters<Instant>>);

impl Timers {
    fn list(&self) -> MutexGuard<'_, Waiters<Instant>> {
        lock(&self.0)
    }

    /// Calls the task at the deadline.
    fn wait(
        &self,
        deadline: Instant,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Listed {
        let mut list = self.list();
        let n_before = list.len();
        list.wait_at(deadline, (), ticket, sleeper);
        if list.len() == n_before {
            return Listed::NotNow;
        }
        let first = list.first().map(|(_, ticket, ())| ticket);
        Listed::Now {
            first: first == *ticket,
        }
    }

    /// Whether the adapter has still to call this one.
    fn holds(&self, deadline: Instant, ticket: u64) -> bool {
        self.list().contains(deadline, ticket)
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

/// What has become of an attempt to get on the list.
enum Listed {
    /// It has been added, perhaps in front of all others.
    Now { first: bool },
    /// It was there before, or could not be added for want of a waker.
    NotNow,
}

/// A point in time that can be waited for.
///
/// Whether it has come is for the adapter to say: a process that was suspended finds that it has
/// passed before it has read what came in the meantime.
#[derive(Debug)]
pub(crate) struct Timer {
    connection: Arc<ConnectionShared>,
    deadline: Instant,
    ticket: Option<u64>,
    /// It is on the list, unless the adapter has called it.
    listed: bool,
    /// There was nothing to wait for from the start.
    at_once: bool,
}

impl Timer {
    /// So much time from now.
    pub(crate) fn new(connection: &Arc<ConnectionShared>, duration: Duration) -> Self {
        let now = connection.clock.now();
        Self::starting(connection, now, after(now, duration))
    }

    pub(crate) fn at(connection: &Arc<ConnectionShared>, deadline: Instant) -> Self {
        Self::starting(connection, connection.clock.now(), deadline)
    }

    fn starting(connection: &Arc<ConnectionShared>, now: Instant, deadline: Instant) -> Self {
        Self {
            connection: Arc::clone(connection),
            deadline,
            ticket: None,
            listed: false,
            at_once: deadline <= now,
        }
    }

    /// Ready when the time has come.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if self.has_come() {
            return Poll::Ready(());
        }
        let mut sooner = false;
        let polled = Sleeper::poll(context, |sleeper| {
            let timers = &self.connection.timers;
            if let Listed::Now { first } = timers.wait(self.deadline, &mut self.ticket, sleeper) {
                self.listed = true;
                sooner |= first;
            }
            Poll::Pending
        });
        if sooner {
            // An adapter that sleeps until later has to hear of it.
            let wake = self.connection.outbox().order_mut().wake_always();
            wake.now();
        }
        polled
    }

    fn has_come(&self) -> bool {
        if self.at_once {
            return true;
        }
        if self.connection.clock.now() < self.deadline {
            return false;
        }
        let was_called = self.listed
            && self
                .ticket
                .is_some_and(|ticket| !self.connection.timers.holds(self.deadline, ticket));
        was_called || self.has_stopped()
    }

    /// Whether the clock is not watched any more.
    pub(crate) fn has_stopped(&self) -> bool {
        self.connection.ended().is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.connection.timers.forget(self.deadline, ticket);
        }
    }
}
