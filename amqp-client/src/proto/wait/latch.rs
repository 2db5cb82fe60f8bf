//! A value that is set once, and the tasks that wait for it.

use std::task::{Poll, Waker};

use super::{Sleeper, Waiters};

/// The value, to be kept under a lock.
///
/// ```text
/// empty ──set──▶ set: those who waited are called, all later ones need not wait
/// ```
#[derive(Debug)]
pub(crate) struct Latch<T> {
    value: Option<T>,
    waiters: Waiters,
}

impl<T> Default for Latch<T> {
    fn default() -> Self {
        Self {
            value: None,
            waiters: Waiters::default(),
        }
    }
}

impl<T> Latch<T> {
    /// The value, once it is set.
    pub(crate) fn get(&self) -> Option<&T> {
        self.value.as_ref()
    }

    pub(crate) fn is_set(&self) -> bool {
        self.value.is_some()
    }

    /// Sets the value, unless there is one: the first word counts. Calls those who wait.
    pub(crate) fn set(&mut self, value: T, wakers: &mut Vec<Waker>) {
        self.set_quietly(value);
        self.waiters.call_all(wakers);
    }

    /// Sets the value for those who look. Those who wait hear of it at the next
    /// [`set`](Self::set), which must follow.
    pub(crate) fn set_quietly(&mut self, value: T) {
        if self.value.is_none() {
            self.value = Some(value);
        }
    }

    /// Takes the value out: there will be another one.
    pub(crate) fn clear(&mut self) -> Option<T> {
        self.value.take()
    }

    /// Gives a clone of the value, or has the task wait for it.
    pub(crate) fn poll(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) -> Poll<T>
    where
        T: Clone,
    {
        match &self.value {
            Some(value) => Poll::Ready(value.clone()),
            None => {
                self.waiters.wait(ticket, sleeper);
                Poll::Pending
            }
        }
    }

    /// A task waits no longer; its waker is to be dropped once the lock is released.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget(&mut self, ticket: u64) -> Option<Waker> {
        self.waiters.forget(ticket)
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        self.waiters.len()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Context;

    use super::*;
    use crate::tests::support::task::Flag;

    #[test]
    fn first_value_counts_and_reaches_those_who_wait_and_those_who_come_later() {
        let mut latch = Latch::default();
        let flag = Arc::new(Flag::default());
        let waker = Waker::from(Arc::clone(&flag));
        let context = Context::from_waker(&waker);
        let mut ticket = None;
        let mut poll = |latch: &mut Latch<u8>| {
            Sleeper::poll(&context, |sleeper| latch.poll(&mut ticket, sleeper))
        };
        assert_eq!(poll(&mut latch), Poll::Pending);
        let mut wakers = Vec::new();
        latch.set(1, &mut wakers);
        latch.set(2, &mut wakers);
        crate::proto::wait::wake_all(&mut wakers);
        assert!(flag.take());
        assert_eq!(poll(&mut latch), Poll::Ready(1));
        assert_eq!(latch.get(), Some(&1));
        assert_eq!(latch.n_waiting(), 0);
    }
}
