//! The logins of a connection, one on each of its streams: for how long what they were made with is
//! valid, for those who see to its renewal.

use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters};

/// A login that the broker has taken.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Login {
    /// Which, from 1 on; 0 before the first.
    pub(crate) number: u64,
    /// For how long its credentials are valid; `None`: they last.
    pub(crate) validity: Option<Duration>,
}

/// The last login, and the tasks that wait for the next.
#[derive(Debug, Default)]
pub(crate) struct Logins(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Of the login that is under way.
    validity: Option<Duration>,
    last: Login,
    waiting: Waiters,
}

impl Logins {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    /// One is about to be made.
    pub(crate) fn begin(&self, validity: Option<Duration>) {
        self.inner().validity = validity;
    }

    /// The broker has taken it.
    pub(crate) fn taken(&self, wakers: &mut Vec<Waker>) {
        let mut inner = self.inner();
        inner.last = Login {
            number: inner.last.number + 1,
            validity: inner.validity,
        };
        inner.waiting.call_all(wakers);
    }

    /// The last.
    pub(crate) fn last(&self) -> Login {
        self.inner().last
    }

    /// Waits for another than this.
    pub(crate) fn poll_next(
        &self,
        number: u64,
        ticket: &mut Option<u64>,
        context: &Context<'_>,
    ) -> Poll<Login> {
        Sleeper::poll(context, |sleeper| {
            let mut inner = self.inner();
            if inner.last.number != number {
                return Poll::Ready(inner.last);
            }
            inner.waiting.wait(ticket, sleeper);
            Poll::Pending
        })
    }

    /// A task waits no longer.
    pub(crate) fn forget(&self, ticket: u64) {
        let waker = self.inner().waiting.forget(ticket);
        drop(waker);
    }

    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        self.inner().waiting.len()
    }
}
