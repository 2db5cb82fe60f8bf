//! Calling wakers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Calls a waker; to be done when no lock is held.
///
/// A panic of the waker ends here. It is an executor's, or comes from a task that the call ran, and
/// the panic hook has told of it; the caller has nothing to do with it: it is the task that drives
/// the connection, or one whose publish has been queued. Nothing of ours can be left half done by
/// it (so the assertion of unwind safety), for no state is borrowed while a waker runs.
pub(crate) fn wake(waker: Waker) {
    call(|| waker.wake());
}

/// Calls a waker that others hold too; the same goes for it.
pub(crate) fn wake_by_ref(waker: &Waker) {
    call(|| waker.wake_by_ref());
}

fn call(wake: impl FnOnce()) {
    let called = catch_unwind(AssertUnwindSafe(wake));
    if let Err(payload) = called {
        // What was thrown is foreign too, and may throw when it is dropped. Leaking that one is the
        // end of it.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(payload)));
        if let Err(payload) = dropped {
            std::mem::forget(payload);
        }
    }
}

/// Calls all wakers, in order, whatever comes of each. The list is empty then and keeps its memory.
pub(crate) fn wake_all(wakers: &mut Vec<Waker>) {
    for waker in wakers.drain(..) {
        wake(waker);
    }
}
