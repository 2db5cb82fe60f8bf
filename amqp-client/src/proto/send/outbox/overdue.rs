//! Requests whose time is up.
//!
//! ```text
//! sent, not answered   its caller is told; a reply that comes late is consumed
//! parked               its caller is told, and it is not sent: a purge must not happen minutes later.
//!                      Those that only say how the channel is to behave keep their place
//! ```
//!
//! A request whose caller has gone keeps its place for as long as if the caller waited. A channel
//! that is to be closed behind a request that a close must not pass is given up with that request's
//! time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::earliest::Earliest;
use crate::error::{ChannelError, ConnectionError};
use crate::proto::send::progress::Progress;
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::ConsumerQueue;

/// What became of requests whose time is up, besides that their callers are told.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    /// Those that were parked and are never sent.
    pub(crate) dropped: Vec<Slot>,
    /// Those whose purpose is fulfilled without the broker.
    pub(crate) done: Vec<Slot>,
    pub(crate) given_up: Vec<GivenUp>,
}

/// What waits for a stream that was lost to be replaced, and for what was on it.
#[derive(Debug)]
pub(crate) struct HeldBack {
    pub(super) lost: ConnectionError,
    pub(super) since: Instant,
    /// `None`: everything.
    pub(super) channels: Option<BTreeSet<u16>>,
}

impl HeldBack {
    /// What is said of this request if its time is up: nothing of it has been sent, since it was
    /// held back until now.
    pub(crate) fn explain(&self, id: u16, slot: &Slot, now: Instant) -> Option<ChannelError> {
        let holds = self.channels.as_ref().is_none_or(|all| all.contains(&id));
        (holds && slot.is_never_sent()).then(|| ChannelError::Recovering {
            after: now.saturating_duration_since(self.since),
            lost: Box::new(self.lost.clone()),
        })
    }
}

/// A channel that is closed without a word to the broker.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) id: u16,
    /// The requests that will have no reply.
    pub(crate) slots: Vec<Slot>,
    /// The consumers that waited for another stream.
    pub(crate) consumers: Vec<Arc<ConsumerQueue>>,
    /// The number of the last publish that is sent.
    pub(crate) sent: u64,
    pub(crate) cause: ChannelError,
}

/// Looks at requests one after the other, at one point in time.
#[derive(Debug)]
pub(super) struct Judge<F> {
    pub(super) now: Instant,
    pub(super) progress: Progress,
    /// The deadlines that have not come.
    pub(super) next: Earliest,
    expired: F,
}

impl<F: FnMut(u16, &Slot)> Judge<F> {
    /// `expired` is shown each request whose time is up and that has a caller who waits, and its
    /// channel.
    pub(super) fn new(now: Instant, progress: Progress, expired: F) -> Self {
        Self {
            now,
            progress,
            next: Earliest::default(),
            expired,
        }
    }

    /// Marks a request whose time is up. The deadline of one that nothing `waits` for is not noted.
    pub(super) fn judge(&mut self, id: u16, slot: &mut Slot, leaving: bool, waits: bool) {
        let deadline = slot.deadline(leaving, self.progress);
        if deadline <= self.now {
            slot.overdue = true;
            if !slot.answer.is_settled() {
                (self.expired)(id, slot);
            }
        } else if waits {
            self.next.note(deadline);
        }
    }

    /// Our `connection.close`: it may wait as long as octets leave, but not longer than `by`.
    pub(super) fn judge_farewell(&mut self, slot: &Slot, leaving: bool, by: Option<Instant>) {
        if slot.answer.is_settled() {
            return;
        }
        let mut deadline = slot.deadline(leaving, self.progress);
        if let Some(by) = by.filter(|_| leaving) {
            deadline = deadline.min(by);
        }
        if deadline <= self.now {
            (self.expired)(0, slot);
        } else {
            self.next.note(deadline);
        }
    }
}
