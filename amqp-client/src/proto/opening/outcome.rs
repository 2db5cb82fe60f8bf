//! Where the caller of `open` waits for the handshake.

use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};

use amqp_spec::wire::FieldTable;

use crate::error::{ConnectCause, Stage};
use crate::proto::broker_version::{LIMITS_PER_CONSUMER, rabbitmq_version};
use crate::proto::wait;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{Latch, Sleeper};

/// The outcome of the handshake.
#[derive(Debug, Default)]
pub(crate) struct Opening(Mutex<OpeningState>);

#[derive(Debug, Default)]
struct OpeningState {
    outcome: Latch<Result<(), (Stage, ConnectCause)>>,
    server_properties: FieldTable,
}

impl Opening {
    fn state(&self) -> MutexGuard<'_, OpeningState> {
        lock(&self.0)
    }

    fn conclude(&self, outcome: Result<(), (Stage, ConnectCause)>) {
        let mut wakers = Vec::new();
        // The first word counts: what follows a failure is only its consequence.
        self.state().outcome.set(outcome, &mut wakers);
        wait::wake_all(&mut wakers);
    }

    pub(crate) fn succeed(&self) {
        self.conclude(Ok(()));
    }

    pub(crate) fn fail(&self, stage: Stage, cause: ConnectCause) {
        self.conclude(Err((stage, cause)));
    }

    /// The outcome, once it is known.
    pub(crate) fn get(&self) -> Option<Result<(), (Stage, ConnectCause)>> {
        self.state().outcome.get().cloned()
    }

    pub(crate) fn has_succeeded(&self) -> bool {
        matches!(self.state().outcome.get(), Some(Ok(())))
    }

    pub(crate) fn set_server_properties(&self, properties: FieldTable) {
        self.state().server_properties = properties;
    }

    pub(crate) fn server_properties(&self) -> FieldTable {
        self.state().server_properties.clone()
    }

    /// Whether the broker is known to take a limit of the whole channel for one of each consumer.
    pub(crate) fn limits_per_consumer(&self) -> bool {
        let state = self.state();
        rabbitmq_version(state.server_properties.as_ref()) >= Some(LIMITS_PER_CONSUMER)
    }

    /// Waits for the outcome.
    pub(crate) fn poll(
        &self,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), (Stage, ConnectCause)>> {
        Sleeper::poll(context, |sleeper| {
            self.state().outcome.poll(ticket, sleeper)
        })
    }

    /// The task that held this ticket does not wait for the outcome any more.
    pub(crate) fn forget(&self, ticket: u64) {
        let waker = self.state().outcome.forget(ticket);
        drop(waker);
    }
}
