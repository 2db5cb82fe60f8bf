//! What of one channel's deliveries is settled: whether two acks may become one, how many a
//! settlement settles, and what of it a rollback makes undone.
//!
//! A rollback makes settlements undone, but the deliveries are gone: to settle them again, the
//! program needs their numbers. So these are remembered up to the commit, or handed back by the
//! rollback. What is queued behind either of them is of the next transaction, answered or not.
//!
//! What the program settles has the program's number; here it gets the one that it has on the wire
//! (see [`numbered`](crate::message::numbered)).

use std::collections::BTreeSet;
use std::mem;

use super::line::Line;
use super::refused::Refused;
use super::sending::Sending;
use super::settled::SettledTags;
use super::transactions::Transactions;
use crate::proto::send::request::{Effect, Slot};

/// The deliveries of one life of a channel that are settled. Tags are those on the wire, numbers
/// those that the program sees.
#[derive(Debug, Default)]
pub(super) struct Settling {
    /// Deliveries of earlier lives have numbers up to this one.
    base: u64,
    /// Deliveries up to this number have gone back to the broker: with their life, or for
    /// `basic.recover`. All that there are while the channel is not open.
    gone_back: u64,
    /// How many were, and the highest tag of them. Equal means that everything up to that tag is
    /// settled, since tags start at 1 and have no gaps.
    count: u64,
    highest: u64,
    /// For channels on which the count means nothing. Most have none.
    known: Option<Box<Known>>,
}

/// What is known where deliveries are settled by number, or in transactions.
#[derive(Debug)]
struct Known {
    settled: SettledTags,
    /// If the channel has transactions.
    transactions: Option<Box<Transactions>>,
    /// What went back while its consumer may have been yielding it.
    given_back: BTreeSet<u64>,
}

/// What may be part of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Message,
    /// The settlement of one delivery, by its number.
    Settlement(u64),
    /// One that may be of several.
    Settlements,
}

/// What is to be sent for a delivery that is acknowledged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ack {
    /// An ack that may widen the one before it, if everything up to the higher tag is settled.
    Mergeable { contiguous: bool },
    /// One that stands alone.
    Alone,
}

/// What a settlement by number says on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByNumber {
    pub(super) tag: u64,
    /// The delivery that it settles, and all before it if it is `multiple`.
    pub(super) upto: u64,
}

impl Settling {
    /// The life is over: nothing that was delivered can be settled any more.
    pub(super) fn end_life(&mut self) {
        *self = Self {
            gone_back: u64::MAX,
            ..Self::default()
        };
    }

    /// The same, of a channel that is to be opened once more: gives its transactions, to be put
    /// [back](Self::begin_again).
    pub(super) fn disconnect(&mut self) -> Option<Box<Transactions>> {
        let transactions = self.known.take().and_then(|known| known.transactions);
        self.end_life();
        transactions
    }

    /// It is to have transactions as before.
    pub(super) fn begin_again(&mut self, transactions: Option<Box<Transactions>>) {
        if transactions.is_some() {
            self.begin_transactions();
        }
        if let Some(known) = &mut self.known {
            known.transactions = transactions;
        }
    }

    /// A life begins, behind deliveries with numbers up to this one.
    pub(super) fn begin_life(&mut self, delivered: u64) {
        self.base = delivered;
    }

    /// What the broker calls this delivery; `None` if it has gone back, or has no number: an ack of
    /// 0 is one of all there are.
    #[inline]
    pub(super) fn on_wire(&self, number: u64) -> Option<u64> {
        if number <= self.gone_back {
            return None;
        }
        number.checked_sub(self.base)
    }

    /// Whether this delivery can be settled.
    pub(super) fn is_current(&self, number: u64) -> bool {
        let tag = self.on_wire(number);
        tag.is_some_and(|tag| !self.has_given_back(tag))
    }

    /// What settles all there are in the first life, of which the highest that was `delivered` is
    /// told: what the broker takes 0 for. `None` while `basic.recover` is not answered.
    pub(super) fn all_of_first_life(&self, delivered: u64) -> Option<ByNumber> {
        (self.gone_back < u64::MAX).then_some(ByNumber {
            tag: 0,
            upto: delivered,
        })
    }

    /// What settles a delivery, or all up to it if it is `multiple`, of which some may have gone
    /// back; `None` if all have.
    pub(super) fn by_number(
        &self,
        number: u64,
        multiple: bool,
        delivered: u64,
    ) -> Option<ByNumber> {
        let tag = self.on_wire(number)?;
        let upto = match delivered.saturating_sub(self.base) {
            highest @ 1.. if multiple => tag.min(highest),
            _ => tag,
        };
        Some(ByNumber { tag, upto })
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
                settled: SettledTags::after(before, highest),
                transactions: None,
                given_back: BTreeSet::new(),
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

    /// This delivery has gone back, while its consumer may have been yielding it: what the program
    /// settles from here on is looked up.
    pub(super) fn give_back(&mut self, number: u64) {
        self.never_merge();
        let tag = self.on_wire(number);
        if let (Some(known), Some(tag)) = (&mut self.known, tag) {
            known.given_back.insert(tag);
        }
    }

    /// Whether that is so.
    pub(super) fn has_given_back(&self, tag: u64) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|known| known.given_back.contains(&tag))
    }

    /// The same settlement, if what it names has not been given back; of several, those before that.
    /// The broker knows no delivery of that tag any more, and would close the channel.
    pub(super) fn not_given_back(&self, by: ByNumber, multiple: bool) -> Option<ByNumber> {
        if !self.has_given_back(by.tag) {
            return Some(by);
        }
        let known = self.known.as_ref().filter(|_| multiple)?;
        let tag = known.settled.highest_open_below(by.tag)?;
        Some(ByNumber { tag, upto: tag })
    }

    /// Deliveries with these numbers need no acknowledgement, and others do: they are as good as
    /// settled, whatever covers them later.
    pub(super) fn note_automatic(&mut self, (from, to): (u64, u64)) {
        self.never_merge();
        let (from, to) = (from.checked_sub(self.base), to.checked_sub(self.base));
        if let (Some(known), Some(from), Some(to)) = (&mut self.known, from, to) {
            known.settled.run(from, to);
        }
    }

    /// How many deliveries, of those with numbers up to this one, are the program's to settle.
    /// `automatic` of them, that were not noted here, need not be.
    pub(super) fn n_unsettled(&self, delivered: u64, automatic: u64) -> u64 {
        let delivered = delivered.saturating_sub(self.base);
        if self.gone_back >= self.base.saturating_add(delivered) {
            return 0;
        }
        let (settled, uncommitted) = match &self.known {
            None => (self.count, 0),
            Some(known) => {
                let transactions = known.transactions.as_ref();
                let uncommitted = transactions.map_or(0, |one| one.n_settled());
                (known.settled.total(), uncommitted as u64)
            }
        };
        delivered.saturating_sub(settled + automatic) + uncommitted
    }

    /// `tx.select` has its place in line.
    pub(super) fn begin_transactions(&mut self) {
        // What is rolled back is unacknowledged again: a `multiple` would settle it as well.
        self.never_merge();
        if let Some(known) = &mut self.known {
            known.transactions.get_or_insert_default();
        }
    }

    /// Whether the channel has transactions.
    pub(super) fn has_transactions(&self) -> bool {
        let known = self.known.as_ref();
        known.is_some_and(|known| known.transactions.is_some())
    }

    fn transactions(&mut self) -> Option<&mut Transactions> {
        self.known.as_mut()?.transactions.as_deref_mut()
    }

    /// Whether what stood in the present transaction was lost, and has not been rolled back.
    pub(super) fn has_lost_transaction(&self) -> bool {
        let transactions = self
            .known
            .as_ref()
            .and_then(|known| known.transactions.as_ref());
        transactions.is_some_and(|transactions| transactions.is_lost())
    }

    /// Something is to be published, or settled. If there are transactions, a message is part of the
    /// present one from here on, whether it fits its frame or not.
    pub(super) fn check(&mut self, part: Part) -> Result<(), Refused> {
        let refused = match (self.transactions(), part) {
            (None, _) => return Ok(()),
            (Some(transactions), Part::Message) => {
                transactions.check()?;
                transactions.begin();
                return Ok(());
            }
            (Some(transactions), _) => transactions.check(),
        };
        if let (Err(_), Part::Settlement(number)) = (&refused, part) {
            // Its handle is gone, and only a number is left of it: for the rollback to tell.
            if self.is_current(number) {
                self.note_settled(number);
            }
        }
        refused
    }

    /// A delivery is settled in the present transaction, if there is one, or was to be.
    pub(super) fn note_settled(&mut self, delivery_tag: u64) {
        if let Some(transactions) = self.transactions() {
            transactions.note_settled(delivery_tag);
        }
    }

    /// The same of all up to one, of which it is not known which they are.
    pub(super) fn note_several_settled(&mut self) {
        if let Some(transactions) = self.transactions() {
            transactions.begin();
        }
    }

    /// A request has its place in line: it may be the end of the transaction.
    pub(super) fn end_transaction(&mut self, slot: &mut Slot) {
        if let (Effect::EndTransaction(ended), Some(transactions)) =
            (&mut slot.effect, self.transactions())
        {
            transactions.end(ended);
        }
    }

    /// A request is to end a transaction: what becomes of it if that is lost, which needs no broker.
    pub(super) fn end_lost_transaction(&mut self, slot: &mut Slot) -> Option<Result<(), Refused>> {
        match &mut slot.effect {
            Effect::EndTransaction(ended) => self.transactions()?.end_lost(ended),
            _ => None,
        }
    }

    /// The request is never sent: the transaction goes on, up to the next one in line that ends it.
    pub(super) fn resume_transaction(&mut self, dropped: &mut Slot, line: &mut Line) {
        let Effect::EndTransaction(resumed) = &mut dropped.effect else {
            return;
        };
        let next = line.requests_mut().find_map(|slot| match &mut slot.effect {
            Effect::EndTransaction(next) => Some(next),
            _ => None,
        });
        if let Some(next) = next {
            next.settled.append(&mut resumed.settled);
            next.is_begun |= resumed.is_begun;
        } else if let Some(transactions) = self.transactions() {
            transactions.resume(resumed);
        }
    }

    /// Up to which number deliveries have gone back.
    pub(super) fn gone_back(&self) -> u64 {
        self.gone_back
    }

    /// Nothing that was delivered before can be settled from here on.
    pub(super) fn recover_all(&mut self) {
        self.gone_back = u64::MAX;
    }

    /// Deliveries up to this number have gone back, and no others but those of earlier lives.
    pub(super) fn set_gone_back(&mut self, number: u64) {
        self.gone_back = number.max(self.base);
    }

    /// Up to which number deliveries have gone back, if a further `basic.recover` is never sent.
    pub(super) fn recovered_before(&self, sending: &mut Sending) -> u64 {
        let before = sending.recoveries().next();
        before.map_or_else(|| self.gone_back(), |before| *before)
    }

    /// Deliveries up to this number have gone back, and all others will if there is another
    /// `basic.recover` under way.
    pub(super) fn gone_back_to(&mut self, delivery_tag: u64, sending: &mut Sending) {
        let mut another = false;
        for before in sending.recoveries() {
            *before = delivery_tag;
            another = true;
        }
        if !another {
            self.set_gone_back(delivery_tag);
        }
    }

    /// Everything up to this number is settled or gone.
    pub(super) fn skip_to(&mut self, number: u64) {
        let tag = number.saturating_sub(self.base);
        match &mut self.known {
            Some(known) => known.settled.skip_to(tag),
            None => (self.count, self.highest) = (tag, tag),
        }
    }
}
