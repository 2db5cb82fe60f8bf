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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::link::Link;
use super::request::after;
use super::sync::lock;

/// The list that the adapter watches.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<List>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    /// By time; the number tells equal times apart.
    wakers: BTreeMap<(Instant, u64), Waker>,
}

impl Timers {
    fn list(&self) -> MutexGuard<'_, List> {
        lock(&self.0)
    }

    /// Calls the waker of `context` at the deadline. True if that is earlier than all others.
    fn watch(&self, deadline: Instant, place: &mut Option<u64>, context: &Context<'_>) -> bool {
        let mut list = self.list();
        let place = *place.get_or_insert_with(|| {
            list.next += 1;
            list.next
        });
        let key = (deadline, place);
        match list.wakers.get_mut(&key) {
            Some(waker) => {
                waker.clone_from(context.waker());
                false
            }
            None => {
                list.wakers.insert(key, context.waker().clone());
                list.wakers.first_key_value().map(|(first, _)| *first) == Some(key)
            }
        }
    }

    fn forget(&self, deadline: Instant, place: u64) {
        self.list().wakers.remove(&(deadline, place));
    }

    /// The earliest time that anybody waits for.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let list = self.list();
        let ((deadline, _), _) = list.wakers.first_key_value()?;
        Some(*deadline)
    }

    /// Takes all whose time has come.
    pub(crate) fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut list = self.list();
        while let Some(first) = list.wakers.first_entry() {
            if first.key().0 > now {
                return;
            }
            wakers.push(first.remove());
        }
    }

    /// Takes everybody: the connection has ended.
    pub(crate) fn take_all(&self, wakers: &mut Vec<Waker>) {
        wakers.extend(std::mem::take(&mut self.list().wakers).into_values());
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.list().wakers.len()
    }
}

/// A point in time that can be waited for.
#[derive(Debug)]
pub(crate) struct Timer {
    link: Arc<Link>,
    deadline: Instant,
    place: Option<u64>,
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
            place: None,
        }
    }

    /// Ready when the time has come.
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        if (self.link.clock)() >= self.deadline {
            return Poll::Ready(());
        }
        let sooner = self
            .link
            .timers
            .watch(self.deadline, &mut self.place, context);
        if sooner {
            // An adapter that sleeps until later has to hear of it.
            let wake = self.link.outbox().wake_always();
            wake.now();
        }
        Poll::Pending
    }

    /// Whether nobody watches the clock any more.
    pub(crate) fn has_stopped(&self) -> bool {
        self.link.ended().is_some()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.link.timers.forget(self.deadline, place);
        }
    }
}
