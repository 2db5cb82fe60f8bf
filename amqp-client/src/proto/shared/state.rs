//! Where a connection stands, for those who look and those who wait.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::error::ConnectionError;
use crate::proto::recovery::State;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters};

/// The state, and the tasks that wait until the connection is open.
#[derive(Debug, Default)]
pub(crate) struct StateWatch(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// `None` until the first stream is open.
    state: Option<State>,
    waiting: Waiters,
}

impl StateWatch {
    /// The state; `None` until the first stream is open.
    pub(crate) fn get(&self) -> Option<State> {
        lock(&self.0).state.clone()
    }

    /// It is this from now on. Nothing follows the end.
    pub(crate) fn set(&self, state: State, wakers: &mut Vec<Waker>) {
        let mut inner = lock(&self.0);
        if matches!(inner.state, Some(State::Closed(_))) {
            return;
        }
        if matches!(state, State::Open { .. } | State::Closed(_)) {
            inner.waiting.call_all(wakers);
        }
        inner.state = Some(state);
    }

    /// Waits until the connection is open, or has ended.
    pub(crate) fn poll_ready(
        &self,
        ticket: &mut Option<u64>,
        context: &Context<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        Sleeper::poll(context, |sleeper| {
            let mut inner = lock(&self.0);
            match &inner.state {
                Some(State::Open { .. }) => Poll::Ready(Ok(())),
                Some(State::Closed(cause)) => Poll::Ready(Err(cause.clone())),
                _ => {
                    inner.waiting.wait(ticket, sleeper);
                    Poll::Pending
                }
            }
        })
    }

    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        lock(&self.0).waiting.len()
    }

    /// A task waits no longer.
    pub(crate) fn forget(&self, ticket: u64) {
        let waker = lock(&self.0).waiting.forget(ticket);
        drop(waker);
    }
}
