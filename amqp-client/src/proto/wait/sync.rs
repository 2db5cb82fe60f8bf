//! The core's locks and counters, in one place so that tests may decide who gets them in which
//! order.
//!
//! What several threads share is under a mutex or an atomic in sequentially consistent order. The
//! order in which those are touched is then everything that can differ between two runs, and the
//! tests of wake-ups (`tests/races/wakeups*.rs`) try every one of them: without these two functions
//! being called each time, they would overlook some. `cargo xtask tidy` refuses what is locked or
//! touched otherwise, in the core and in the handles, unless its table says why.

#[cfg(not(test))]
use std::sync::PoisonError;
use std::sync::{Mutex, MutexGuard};

/// Locks. Nothing panics while holding a lock of the core, so that there is no poison to care for.
#[inline]
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    #[cfg(test)]
    return crate::tests::support::schedule::lock(mutex);
    #[cfg(not(test))]
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called before an atomic is read or written that others look at.
#[inline]
pub(crate) fn touch<T>(atomic: &T) -> &T {
    #[cfg(test)]
    crate::tests::support::schedule::touch(atomic);
    atomic
}
