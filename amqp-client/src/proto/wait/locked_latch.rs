//! A latch with a lock of its own.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::sync::lock;
use super::{Latch, Sleeper};

/// A value that is set once, for which tasks wait. No waker is called, cloned or dropped under its
/// lock.
#[derive(Debug)]
pub(crate) struct LockedLatch<T>(Mutex<Latch<T>>);

impl<T> Default for LockedLatch<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> LockedLatch<T> {
    /// The value, once it is set.
    pub(crate) fn get(&self) -> Option<T> {
        lock(&self.0).get().cloned()
    }

    /// As [`Latch::set`].
    pub(crate) fn set(&self, value: T, wakers: &mut Vec<Waker>) {
        lock(&self.0).set(value, wakers);
    }

    /// As [`Latch::set_quietly`].
    pub(crate) fn set_quietly(&self, value: T) {
        lock(&self.0).set_quietly(value);
    }

    /// As [`Latch::clear`].
    pub(crate) fn clear(&self) {
        let before = lock(&self.0).clear();
        drop(before);
    }

    /// Gives the value, or has the task wait for it.
    pub(crate) fn poll(&self, ticket: &mut Option<u64>, context: &mut Context<'_>) -> Poll<T> {
        Sleeper::poll(context, |sleeper| lock(&self.0).poll(ticket, sleeper))
    }

    /// A task waits no longer.
    pub(crate) fn forget(&self, ticket: u64) {
        let waker = lock(&self.0).forget(ticket);
        drop(waker);
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        lock(&self.0).n_waiting()
    }
}
