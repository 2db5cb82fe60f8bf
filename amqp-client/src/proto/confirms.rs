//! Publisher confirms of one channel.
//!
//! A publish costs nothing here: its number is assigned in the outbox. This side knows that
//! everything below `base` is resolved, and keeps a slot only for numbers that somebody asked
//! about or that were answered out of order.
//!
//! ```text
//! number:   … base-1 │ base  base+1 …  base+slots.len()  …  last published
//!           resolved │ Unknown · Acked · Waiting · Abandoned   │ no slot: unresolved, nobody asks
//! ```
//!
//! A `multiple` acknowledgement costs the slots it resolves: amortised, constant work per message.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use super::incoming::Incoming;
use crate::error::ChannelError;

/// Slots whose memory is kept when none is needed.
const KEEP: usize = 4096;

/// What the broker said of one message.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// `basic.ack`.
    Acked,
    /// `basic.nack`.
    Nacked,
    /// `basic.return`, then `basic.ack`.
    Returned(Box<Incoming>),
    /// It was not written, and will not be.
    NotSent(ChannelError),
}

/// The state of one number from `base` on.
#[derive(Debug)]
enum Slot {
    /// Not answered, and nobody waits.
    Unknown,
    /// Not answered; call this when it is.
    Waiting(Waker),
    /// Not answered, and nobody will ask.
    Abandoned,
    /// Answered ahead of `base`.
    Resolved,
}

/// The confirms of one channel.
#[derive(Debug, Default)]
pub(crate) struct Confirms {
    /// Every number up to this one is resolved; numbers start at 1.
    resolved: u64,
    /// Slots for the numbers right above `resolved`; the first is never `Resolved`.
    slots: VecDeque<Slot>,
    /// Outcomes that are not plain acks, until they are asked for.
    notable: BTreeMap<u64, Outcome>,
    /// How many slots are `Resolved`.
    ahead: u64,
    /// How many numbers were refused.
    nacked: u64,
    /// Why nothing more will be answered, and the last number that was sent.
    ended: Option<Box<(ChannelError, u64)>>,
}

impl Confirms {
    /// An answer from the broker. Answers for numbers never published, or already answered, change
    /// nothing that anybody can see.
    pub(crate) fn settle(
        &mut self,
        number: u64,
        multiple: bool,
        nack: bool,
        published: u64,
        wakers: &mut Vec<Waker>,
    ) {
        // With `multiple`, 0 means everything so far.
        let number = if multiple && number == 0 {
            published
        } else {
            number
        };
        if number > published || number <= self.resolved {
            return;
        }
        let offset = number - self.resolved - 1;
        if multiple {
            for step in 0..=offset {
                self.resolve_front(nack, wakers);
                if self.slots.is_empty() && !nack {
                    // No slot beyond: nobody asked about the rest.
                    self.resolved += offset - step;
                    break;
                }
            }
        } else if offset == 0 {
            self.resolve_front(nack, wakers);
        } else if let Some(slot) = self.slot(offset) {
            let before = std::mem::replace(slot, Slot::Resolved);
            self.ahead += u64::from(!matches!(before, Slot::Resolved));
            self.conclude(number, before, nack, wakers);
        }
        // The front is never resolved: what was answered ahead of it moves below the line.
        while let Some(Slot::Resolved) = self.slots.front() {
            self.slots.pop_front();
            self.ahead -= 1;
            self.resolved += 1;
        }
        if self.slots.is_empty() && self.slots.capacity() > KEEP {
            self.slots = VecDeque::new();
        }
    }

    /// Resolves the number right above `resolved`.
    fn resolve_front(&mut self, nack: bool, wakers: &mut Vec<Waker>) {
        let before = self.slots.pop_front().unwrap_or(Slot::Unknown);
        self.resolved += 1;
        self.ahead -= u64::from(matches!(before, Slot::Resolved));
        self.conclude(self.resolved, before, nack, wakers);
    }

    fn conclude(&mut self, number: u64, before: Slot, nack: bool, wakers: &mut Vec<Waker>) {
        if matches!(before, Slot::Resolved) {
            return;
        }
        self.nacked += u64::from(nack);
        match before {
            Slot::Abandoned => {
                self.notable.remove(&number);
                return;
            }
            // One task that waits for many is called once.
            Slot::Waiting(waker) => {
                if !wakers.last().is_some_and(|last| last.will_wake(&waker)) {
                    wakers.push(waker);
                }
            }
            Slot::Unknown | Slot::Resolved => {}
        }
        if nack {
            self.notable.insert(number, Outcome::Nacked);
        }
    }

    /// The slot at this offset above `resolved`, made if it is not there yet.
    fn slot(&mut self, offset: u64) -> Option<&mut Slot> {
        let index = usize::try_from(offset).ok()?;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || Slot::Unknown);
        }
        self.slots.get_mut(index)
    }

    /// The broker returned this message; its ack is still to come. It comes back from here if nobody
    /// is going to ask for it.
    pub(crate) fn returned(
        &mut self,
        number: u64,
        message: Box<Incoming>,
    ) -> Option<Box<Incoming>> {
        let abandoned = number
            .checked_sub(self.resolved + 1)
            .and_then(|offset| usize::try_from(offset).ok())
            .is_some_and(|index| matches!(self.slots.get(index), Some(Slot::Abandoned)));
        if number > self.resolved && !abandoned {
            self.notable.insert(number, Outcome::Returned(message));
            return None;
        }
        Some(message)
    }

    /// Nothing more will be answered; what has a number above `sent` was not even sent.
    pub(crate) fn end(&mut self, cause: &ChannelError, sent: u64, wakers: &mut Vec<Waker>) {
        if self.ended.is_none() {
            self.ended = Some(Box::new((cause.clone(), sent)));
        }
        for slot in &mut self.slots {
            if let Slot::Waiting(waker) = slot {
                wakers.push(waker.clone());
                *slot = Slot::Unknown;
            }
        }
    }

    /// Asks about one number.
    pub(crate) fn poll(
        &mut self,
        number: u64,
        context: &mut Context<'_>,
    ) -> Poll<Result<Outcome, ChannelError>> {
        if self.is_resolved(number) {
            return Poll::Ready(Ok(self.notable.remove(&number).unwrap_or(Outcome::Acked)));
        }
        if let Some(ended) = &self.ended {
            let (cause, sent) = &**ended;
            let cause = cause.clone();
            let unsent = number > *sent;
            // What has come back is in no queue, whatever followed.
            return Poll::Ready(match self.notable.remove(&number) {
                Some(outcome) => Ok(outcome),
                None if unsent => Ok(Outcome::NotSent(cause)),
                None => Err(cause),
            });
        }
        let offset = number - self.resolved - 1;
        match self.slot(offset) {
            Some(Slot::Waiting(waker)) => waker.clone_from(context.waker()),
            Some(slot) => *slot = Slot::Waiting(context.waker().clone()),
            None => {}
        }
        Poll::Pending
    }

    /// Nobody will ask about this number any more. Gives the message if it has come back.
    pub(crate) fn abandon(&mut self, number: u64) -> Option<Box<Incoming>> {
        let returned = match self.notable.remove(&number) {
            Some(Outcome::Returned(message)) => Some(message),
            Some(Outcome::Acked | Outcome::Nacked | Outcome::NotSent(_)) | None => None,
        };
        let Some(offset) = number.checked_sub(self.resolved + 1) else {
            return returned;
        };
        match self.slot(offset) {
            Some(slot @ (Slot::Unknown | Slot::Waiting(_))) => *slot = Slot::Abandoned,
            Some(Slot::Abandoned | Slot::Resolved) | None => {}
        }
        returned
    }

    /// Whether anybody waits for an answer.
    pub(crate) fn has_waiter(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| matches!(slot, Slot::Waiting(_)))
    }

    /// How many slots and notable outcomes are kept.
    #[cfg(test)]
    pub(crate) fn leftovers(&self) -> (usize, usize) {
        (self.slots.len(), self.notable.len())
    }

    /// Whether this number has been answered.
    pub(crate) fn is_resolved(&self, number: u64) -> bool {
        match number.checked_sub(self.resolved + 1) {
            None => true,
            Some(offset) => usize::try_from(offset)
                .is_ok_and(|index| matches!(self.slots.get(index), Some(Slot::Resolved))),
        }
    }

    /// How many numbers were acknowledged, and how many refused.
    pub(crate) fn answered(&self) -> (u64, u64) {
        let answered = self.resolved + self.ahead;
        (answered - self.nacked, self.nacked)
    }

    /// Every number up to this one is resolved.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved
    }
}
