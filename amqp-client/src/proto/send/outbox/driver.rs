//! The adapter as the outbox sees it: a waker, and whether it is asleep.

use std::mem;
use std::sync::Arc;
use std::task::Waker;

use crate::proto::wait;

/// What to do once the lock is released: wakers are never called under it.
#[derive(Debug, Default)]
#[must_use = "a task waits to be woken"]
pub(crate) struct Wake(Option<Arc<Waker>>);

impl Wake {
    /// Wakes the adapter, if it sleeps.
    #[inline]
    pub(crate) fn now(self) {
        if let Some(waker) = self.0 {
            wait::wake_by_ref(&waker);
        }
    }

    /// The adapter is in the middle of a turn of its own, and writes at the end of it. A task that
    /// woke itself in each of its turns would keep tokio from running those that wait for the
    /// reactor.
    pub(crate) fn not_amid_a_turn(self) {}
}

/// Who writes what is queued.
#[derive(Debug, Default)]
pub(super) struct DriverWaker {
    waker: Option<Arc<Waker>>,
    /// It has found nothing to write, and is to be woken at the next entry.
    idle: bool,
}

impl DriverWaker {
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.idle
    }

    /// It has looked: whether there is nothing to do.
    pub(super) fn has_looked(&mut self, idle: bool) {
        self.idle = idle;
    }

    /// There is something to do, and it looks by itself.
    pub(super) fn looks_again(&mut self) {
        self.idle = false;
    }

    /// Wakes it if it sleeps.
    #[inline]
    pub(super) fn wake(&mut self) -> Wake {
        if !mem::take(&mut self.idle) {
            return Wake(None);
        }
        Wake(self.waker.clone())
    }

    /// Wakes it even if it is busy: it has to look at its deadline, or at the stream.
    pub(super) fn wake_always(&mut self) -> Wake {
        self.idle = false;
        Wake(self.waker.clone())
    }

    /// Registers its waker. Drop the one returned once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(super) fn register(&mut self, waker: Arc<Waker>) -> Option<Arc<Waker>> {
        self.waker.replace(waker)
    }

    /// It is gone. Drop its waker once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(super) fn forget(&mut self) -> Option<Arc<Waker>> {
        self.waker.take()
    }
}
