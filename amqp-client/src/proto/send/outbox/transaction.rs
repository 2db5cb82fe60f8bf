//! What is settled on a transactional channel, until the transaction is over.
//!
//! A rollback makes settlements undone, but the deliveries are gone: to settle them again, the program
//! needs their numbers. So these are remembered up to the commit, or handed back by the rollback. What
//! is queued behind either of them is of the next transaction, answered or not.

use std::mem;

use super::{OutChannel, Parked};
use crate::proto::send::request::{Effect, Slot};

impl OutChannel {
    /// `tx.select` has its place in line.
    pub(super) fn begin_transactions(&mut self) {
        // What is rolled back is unacknowledged again: a `multiple` would settle it as well.
        self.never_merge();
        self.transaction.get_or_insert_default();
    }

    /// A delivery is settled.
    pub(super) fn note_settled(&mut self, delivery_tag: u64) {
        if let Some(settled) = &mut self.transaction {
            settled.push(delivery_tag);
        }
    }

    /// A request has its place in line: it may be the end of the transaction.
    pub(super) fn end_transaction(&mut self, slot: &mut Slot) {
        if let (Effect::EndTransaction(ended), Some(settled)) =
            (&mut slot.effect, &mut self.transaction)
        {
            ended.settled = mem::take(settled);
        }
    }

    /// The request is never sent: the transaction goes on, up to the next one that ends it.
    pub(super) fn resume_transaction(&mut self, dropped: &mut Slot) {
        let Effect::EndTransaction(resumed) = &mut dropped.effect else {
            return;
        };
        let next = self.parked.iter_mut().find_map(|parked| match parked {
            Parked::Request(_, slot) => match &mut slot.effect {
                Effect::EndTransaction(next) => Some(&mut next.settled),
                _ => None,
            },
            Parked::Frames(_) | Parked::Large { .. } => None,
        });
        let settled = next.or(self.transaction.as_mut());
        if let Some(settled) = settled {
            settled.append(&mut resumed.settled);
        }
    }
}
