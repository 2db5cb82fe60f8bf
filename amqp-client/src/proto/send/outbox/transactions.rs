//! The transactions of a channel: what is settled in the present one, and whether a loss has cut it
//! in two.
//!
//! ```text
//! Empty ──publish, settlement──▶ Begun ──commit, rollback──▶ Empty
//!   │                              │
//!   └──a commit has no answer──────┴──the stream is gone──▶ Lost ──rollback──▶ Empty
//! ```
//!
//! On another stream the channel has transactions again, but what stood in the last one has gone:
//! what follows would be committed without it. So nothing more enters it until the program has
//! rolled it back. What is queued behind a commit or a rollback is of the next transaction,
//! answered or not.

use std::mem;

use super::refused::Refused;
use super::restoring::LostRequests;
use crate::proto::send::request::{Effect, Slot, Transaction};

/// The present transaction of a channel.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    /// The deliveries that were settled in it; once it is lost, those of the present stream that
    /// were to be.
    settled: Vec<u64>,
    /// Something stands in it.
    is_begun: bool,
    /// What stood in it went with its stream.
    is_lost: bool,
}

impl Transactions {
    /// Something is to be published or settled.
    pub(super) fn check(&self) -> Result<(), Refused> {
        if self.is_lost {
            Err(Refused::TransactionLost)
        } else {
            Ok(())
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// Something stands in it.
    pub(super) fn begin(&mut self) {
        self.is_begun = true;
    }

    /// How many deliveries are settled in it.
    pub(super) fn n_settled(&self) -> usize {
        self.settled.len()
    }

    /// This delivery is settled in it, or was to be.
    pub(super) fn note_settled(&mut self, delivery_tag: u64) {
        self.settled.push(delivery_tag);
        self.is_begun = true;
    }

    /// Its end has a place in line.
    pub(super) fn end(&mut self, ended: &mut Transaction) {
        ended.settled = mem::take(&mut self.settled);
        ended.is_begun = mem::take(&mut self.is_begun);
    }

    /// Its end is never sent: it goes on.
    pub(super) fn resume(&mut self, resumed: &mut Transaction) {
        self.settled.append(&mut resumed.settled);
        self.is_begun |= resumed.is_begun;
    }

    /// The stream is gone, and with it what stood in the transaction. These commits and rollbacks of
    /// the channel, in their order, have no reply any more. What was to be rolled back has been, for
    /// the broker forgets a transaction with its channel; a commit that was sent may have come about,
    /// and one of nothing that was not sent has.
    pub(super) fn lose(&mut self, ends: Vec<Slot>, lost: &mut LostRequests) {
        let mut is_lost = self.is_lost;
        for slot in ends {
            let Effect::EndTransaction(ended) = &slot.effect else {
                continue;
            };
            let is_commit = ended.rolled_back.is_none();
            is_lost = is_commit && (is_lost || slot.asked || ended.is_begun);
            let answered = match (is_commit, slot.asked) {
                (true, true) => &mut lost.failed,
                (true, false) if is_lost => &mut lost.cut,
                (true, false) | (false, _) => &mut lost.done,
            };
            answered.push(slot);
        }
        self.is_lost = is_lost || self.is_begun;
        self.settled.clear();
        self.is_begun = false;
    }

    /// What is lost is to end. A rollback has come about, and needs no broker; `None` if nothing is
    /// lost.
    pub(super) fn end_lost(&mut self, ended: &mut Transaction) -> Option<Result<(), Refused>> {
        if !self.is_lost {
            return None;
        }
        let Some(rolled_back) = &ended.rolled_back else {
            return Some(Err(Refused::TransactionLost));
        };
        (self.is_lost, self.is_begun) = (false, false);
        let _ = rolled_back.set(mem::take(&mut self.settled));
        Some(Ok(()))
    }
}
