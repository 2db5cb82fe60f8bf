//! Where the caller of `open` waits for the handshake.

use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};

use amqp_spec::wire::FieldTable;

use super::sync::lock;
use super::watchers::Watchers;
use crate::error::{ConnectCause, Stage};

/// The outcome of the handshake.
#[derive(Debug, Default)]
pub(crate) struct Opening(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    outcome: Option<Result<(), (Stage, ConnectCause)>>,
    watchers: Watchers,
    server_properties: FieldTable,
}

impl Opening {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    fn conclude(&self, outcome: Result<(), (Stage, ConnectCause)>) {
        let mut state = self.state();
        // The first word counts: what follows a failure is only its consequence.
        state.outcome.get_or_insert(outcome);
        let wakers = state.watchers.take();
        drop(state);
        for waker in wakers {
            waker.wake();
        }
    }

    pub(crate) fn succeed(&self) {
        self.conclude(Ok(()));
    }

    pub(crate) fn fail(&self, stage: Stage, cause: ConnectCause) {
        self.conclude(Err((stage, cause)));
    }

    pub(crate) fn has_succeeded(&self) -> bool {
        matches!(self.state().outcome, Some(Ok(())))
    }

    pub(crate) fn set_server_properties(&self, properties: FieldTable) {
        self.state().server_properties = properties;
    }

    pub(crate) fn server_properties(&self) -> FieldTable {
        self.state().server_properties.clone()
    }

    /// Waits for the outcome.
    pub(crate) fn poll(
        &self,
        place: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), (Stage, ConnectCause)>> {
        let mut state = self.state();
        match &state.outcome {
            Some(outcome) => Poll::Ready(outcome.clone()),
            None => {
                state.watchers.watch(place, context);
                Poll::Pending
            }
        }
    }

    /// Whoever waited for the outcome does so no longer.
    pub(crate) fn forget(&self, place: u64) {
        self.state().watchers.forget(place);
    }
}
