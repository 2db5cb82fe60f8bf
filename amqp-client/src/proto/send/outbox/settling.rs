//! What of one channel's deliveries is settled: whether two acks may become one, how many a
//! settlement settles, and what of it a rollback makes undone.
//!
//! A rollback makes settlements undone, but the deliveries are gone: to settle them again, the
//! program needs their numbers. So these are remembered up to the commit, or handed back by the
//! rollback. What is queued behind either of them is of the next transaction, answered or not.

use std::mem;

use super::line::Line;
use super::settled::Settled;
use crate::message::Life;
use crate::proto::send::request::{Effect, Slot};

/// The deliveries of one life of a channel that are settled.
#[derive(Debug, Default)]
pub(super) struct Settling {
    life: Life,
    /// How many were, and the highest tag of them. Equal means that everything up to that tag is
    /// settled, since tags start at 1 and have no gaps.
    count: u64,
    highest: u64,
    /// Deliveries up to this number have gone back to the broker (`basic.recover`).
    recovered: u64,
    /// For channels on which the count means nothing. Most have none.
    known: Option<Box<Known>>,
}

/// What is known where deliveries are settled by number, or in transactions.
#[derive(Debug)]
struct Known {
    settled: Settled,
    /// The deliveries that were settled in the present transaction, if the channel has
    /// transactions.
    transaction: Option<Vec<u64>>,
}

/// What is to be sent for a delivery that is acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ack {
    /// An ack that may widen the one before it, if everything up to the higher tag is settled.
    Mergeable { contiguous: bool },
    /// One that stands alone.
    Alone,
}

impl Settling {
    /// What the next life of the channel begins with.
    pub(super) fn of_next_life(&self) -> Self {
        Self {
            life: self.life.next(),
            ..Self::default()
        }
    }

    /// The life in which what is delivered now can be settled.
    #[inline]
    pub(super) fn life(&self) -> Life {
        self.life
    }

    /// Whether a delivery of this life cannot be settled any more, or never could.
    #[inline]
    pub(super) fn is_stale(&self, life: Life, tag: u64) -> bool {
        // One without a number is none: an ack of 0 is one of all there are.
        tag == 0 || life != self.life || self.has_gone_back(tag)
    }

    /// Whether this delivery, or all if it is 0, has gone back to the broker.
    #[inline]
    pub(super) fn has_gone_back(&self, tag: u64) -> bool {
        // Tag 0 is all there are, which is known once `basic.recover` has been answered.
        tag <= self.recovered && (tag > 0 || self.recovered == u64::MAX)
    }

    /// One delivery is settled that was handed out exactly once.
    #[inline]
    pub(super) fn count(&mut self, tag: u64) -> Ack {
        self.count += 1;
        self.highest = self.highest.max(tag);
        // There are more than can be where acks are never merged.
        if self.count > self.highest {
            return Ack::Alone;
        }
        Ack::Mergeable {
            contiguous: self.count == self.highest,
        }
    }

    /// What is settled is not known to stay settled from here on, so no two acks may become one: a
    /// count above any tag never equals one.
    pub(super) fn never_merge(&mut self) {
        let before = mem::replace(&mut self.count, u64::MAX / 2);
        let highest = self.highest;
        self.known.get_or_insert_with(|| {
            Box::new(Known {
                settled: Settled::after(before, highest),
                transaction: None,
            })
        });
    }

    /// One delivery is settled, or all up to it; how many that are.
    pub(super) fn count_settled(&mut self, tag: u64, multiple: bool) -> u64 {
        match self.known.as_mut() {
            Some(known) if multiple => known.settled.all_up_to(tag),
            Some(known) => known.settled.one(tag),
            None => 1,
        }
    }

    /// `tx.select` has its place in line.
    pub(super) fn begin_transactions(&mut self) {
        // What is rolled back is unacknowledged again: a `multiple` would settle it as well.
        self.never_merge();
        if let Some(known) = &mut self.known {
            known.transaction.get_or_insert_default();
        }
    }

    fn transaction(&mut self) -> Option<&mut Vec<u64>> {
        self.known.as_mut()?.transaction.as_mut()
    }

    /// A delivery is settled in the present transaction, if there is one.
    pub(super) fn note_settled(&mut self, delivery_tag: u64) {
        if let Some(settled) = self.transaction() {
            settled.push(delivery_tag);
        }
    }

    /// A request has its place in line: it may be the end of the transaction.
    pub(super) fn end_transaction(&mut self, slot: &mut Slot) {
        if let (Effect::EndTransaction(ended), Some(settled)) =
            (&mut slot.effect, self.transaction())
        {
            ended.settled = mem::take(settled);
        }
    }

    /// The request is never sent: the transaction goes on, up to the next one in line that ends it.
    pub(super) fn resume_transaction(&mut self, dropped: &mut Slot, line: &mut Line) {
        let Effect::EndTransaction(resumed) = &mut dropped.effect else {
            return;
        };
        let next = line.requests_mut().find_map(|slot| match &mut slot.effect {
            Effect::EndTransaction(next) => Some(&mut next.settled),
            _ => None,
        });
        if let Some(settled) = next.or_else(|| self.transaction()) {
            settled.append(&mut resumed.settled);
        }
    }

    /// Up to which number deliveries have gone back.
    pub(super) fn recovered(&self) -> u64 {
        self.recovered
    }

    /// Nothing that was delivered before can be settled from here on.
    pub(super) fn recover_all(&mut self) {
        self.recovered = u64::MAX;
    }

    /// Deliveries up to this number have gone back.
    pub(super) fn set_recovered(&mut self, delivery_tag: u64) {
        self.recovered = delivery_tag;
    }

    /// Everything up to this tag is settled or gone.
    pub(super) fn skip_to(&mut self, delivery_tag: u64) {
        if let Some(known) = &mut self.known {
            known.settled.skip_to(delivery_tag);
        }
    }
}
