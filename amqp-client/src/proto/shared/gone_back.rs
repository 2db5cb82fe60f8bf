//! Which deliveries of a channel have gone back to the broker, for those who hold one and wait to be
//! told.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use crate::proto::wait::sync::lock;
use crate::proto::wait::{Sleeper, Waiters};

/// Those up to a number, which grows within a life of the channel. No waker is called, cloned or dropped under its lock.
#[derive(Debug, Default)]
pub(crate) struct LockedGoneBack(Mutex<GoneBack>);

#[derive(Debug, Default)]
struct GoneBack {
    upto: u64,
    waiters: Waiters<(), u64>,
}

impl LockedGoneBack {
    /// Deliveries up to this number have.
    pub(crate) fn raise(&self, upto: u64, wakers: &mut Vec<Waker>) {
        let mut this = lock(&self.0);
        this.upto = this.upto.max(upto);
        this.waiters.call_if(|_, &tag| tag <= upto, wakers);
    }

    /// A life begins behind this one: of those that come now none has.
    pub(crate) fn begin_again(&self, upto: u64) {
        lock(&self.0).upto = upto;
    }

    /// Waits until this one has.
    pub(crate) fn poll(
        &self,
        delivery_tag: u64,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        Sleeper::poll(context, |sleeper| {
            let mut this = lock(&self.0);
            if delivery_tag <= this.upto {
                return Poll::Ready(());
            }
            this.waiters.wait_at((), delivery_tag, ticket, sleeper);
            Poll::Pending
        })
    }

    /// A task waits no longer.
    pub(crate) fn forget(&self, ticket: u64) {
        let waker = lock(&self.0).waiters.remove((), ticket);
        drop(waker);
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn n_waiting(&self) -> usize {
        lock(&self.0).waiters.len()
    }
}
