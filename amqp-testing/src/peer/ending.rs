//! The end of a script, as one can await it on any runtime.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

/// Whether a script has ended.
#[derive(Debug, Default)]
pub(super) struct Ending(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// Nothing waits for its end.
    #[default]
    Running,
    AwaitedBy(Waker),
    Ended,
}

impl Ending {
    /// Tells the end when it is dropped, by a panic too.
    pub(super) fn told_when_dropped(self: &Arc<Self>) -> ToldWhenDropped {
        ToldWhenDropped(Arc::clone(self))
    }

    pub(super) fn is_told(&self) -> bool {
        matches!(*self.state(), State::Ended)
    }

    pub(super) fn poll(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if matches!(*state, State::Ended) {
            return Poll::Ready(());
        }
        *state = State::AwaitedBy(context.waker().clone());
        Poll::Pending
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Ending::told_when_dropped`].
#[derive(Debug)]
pub(super) struct ToldWhenDropped(Arc<Ending>);

impl Drop for ToldWhenDropped {
    fn drop(&mut self) {
        let before = mem::replace(&mut *self.0.state(), State::Ended);
        if let State::AwaitedBy(waker) = before {
            waker.wake();
        }
    }
}
