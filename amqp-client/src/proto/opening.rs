//! Where the caller of `open` waits for the handshake.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use amqp_spec::wire::FieldTable;

use crate::error::{ConnectCause, Stage};

/// The outcome of the handshake.
#[derive(Debug, Default)]
pub(crate) struct Opening(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<(), (Stage, ConnectCause)>>,
    waker: Option<Waker>,
    server_properties: FieldTable,
}

impl Opening {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn conclude(&self, outcome: Result<(), (Stage, ConnectCause)>) {
        let mut state = self.state();
        // The first word counts: what follows a failure is only its consequence.
        state.outcome.get_or_insert(outcome);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn succeed(&self) {
        self.conclude(Ok(()));
    }

    pub(crate) fn fail(&self, stage: Stage, cause: ConnectCause) {
        self.conclude(Err((stage, cause)));
    }

    pub(crate) fn set_server_properties(&self, properties: FieldTable) {
        self.state().server_properties = properties;
    }

    pub(crate) fn server_properties(&self) -> FieldTable {
        self.state().server_properties.clone()
    }

    /// Waits for the outcome; a failure is given once.
    pub(crate) fn poll(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), (Stage, ConnectCause)>> {
        let mut state = self.state();
        match state.outcome.take() {
            Some(Ok(())) => {
                state.outcome = Some(Ok(()));
                Poll::Ready(Ok(()))
            }
            Some(failure) => Poll::Ready(failure),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}
