//! The requests of one channel that have been sent, the oldest first.

use std::collections::VecDeque;
use std::time::Instant;

use amqp_spec::wire::{MethodId, TypedMethod as _};
use amqp_spec::{channel, connection};

use super::overdue::Judge;
use crate::proto::send::progress::Progress;
use crate::proto::send::request::{Barrier, Effect, Slot};

/// How many requests without a reply are remembered per channel.
const MOST_UNANSWERED: usize = 16;

/// Requests on the wire.
#[derive(Debug, Default)]
pub(super) struct Requests {
    in_flight: VecDeque<Slot>,
    /// Some without a reply are not among them any more.
    forgot: bool,
}

impl Requests {
    /// For a channel that is opened. Most have one request under way at a time, and there may be
    /// many channels.
    pub(super) fn with_room_for_one() -> Self {
        Self {
            in_flight: VecDeque::with_capacity(1),
            forgot: false,
        }
    }

    /// A request is on its way.
    /// One without a reply that is not remembered any more leaves its payload in `quiet`.
    pub(super) fn push(&mut self, slot: Slot, quiet: &mut Vec<Box<[u8]>>) {
        self.in_flight.push_back(slot);
        // Those without a reply serve to explain errors only; a program that never waits for one
        // must not fill the memory with them.
        let unanswered = self
            .in_flight
            .iter()
            .rev()
            .take_while(|slot| !slot.has_reply());
        let n_unanswered = unanswered.count();
        if n_unanswered > MOST_UNANSWERED {
            let forgotten = self.in_flight.remove(self.in_flight.len() - n_unanswered);
            quiet.extend(forgotten.and_then(|slot| slot.sent));
            self.forgot = true;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.in_flight.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.in_flight.iter_mut()
    }

    /// Whether some without a reply are not among them any more.
    pub(super) fn forgot(&self) -> bool {
        self.forgot
    }

    /// The last one that was sent.
    pub(super) fn last(&self) -> Option<&Slot> {
        self.in_flight.back()
    }

    /// What the last one keeps back until it is answered.
    #[inline]
    pub(super) fn barrier(&self) -> Barrier {
        let last = self.in_flight.back();
        last.map_or(Barrier::Nothing, |slot| slot.barrier)
    }

    /// Whether our `channel.close` is among them.
    pub(super) fn has_close(&self) -> bool {
        self.in_flight.iter().any(Slot::is_close)
    }

    /// Whether the last one is a `basic.consume`.
    pub(super) fn waits_for_consume(&self) -> bool {
        let last = self.in_flight.back();
        last.is_some_and(|slot| matches!(slot.effect, Effect::Consume(_) | Effect::ConsumeAgain(_)))
    }

    /// Whether the one that keeps others back is not answered, and its time is up.
    pub(super) fn is_stuck(&self) -> bool {
        let last = self.in_flight.back();
        last.is_some_and(|slot| slot.barrier != Barrier::Nothing && slot.overdue)
    }

    /// The name of what opens the channel anew, if it is not answered in time.
    pub(super) fn overdue_opening(&self) -> Option<&'static str> {
        let opens = |slot: &Slot| {
            slot.expects.contains(&channel::OpenOk::ID)
                || matches!(slot.effect, Effect::RenewChannel)
        };
        let mut overdue = self.in_flight.iter().filter(|slot| slot.overdue);
        overdue.find(|slot| opens(slot)).map(|slot| slot.name)
    }

    /// Takes the one that waits longest, if the reply is one of its.
    /// Those without a reply that it answers as well leave their payloads in `quiet`.
    pub(super) fn take_answered_by(
        &mut self,
        reply: MethodId,
        quiet: &mut Vec<Box<[u8]>>,
    ) -> Option<Slot> {
        if reply == channel::CloseOk::ID {
            // It ends whatever was not answered before it.
            let close = self.in_flight.iter().position(Slot::is_close)?;
            return self.in_flight.remove(close);
        }
        if reply == connection::CloseOk::ID {
            let close = self.in_flight.iter().position(Slot::is_farewell)?;
            return self.in_flight.remove(close);
        }
        let waiting = self.in_flight.iter().position(Slot::has_reply)?;
        if !self.in_flight.get(waiting)?.expects.contains(&reply) {
            return None;
        }
        // What was sent before it without waiting has been done as well.
        self.forgot = false;
        let mut answered = self.in_flight.drain(..=waiting);
        let slot = answered.next_back();
        quiet.extend(answered.filter_map(|slot| slot.sent));
        slot
    }

    /// Takes all.
    pub(super) fn take_all(&mut self) -> Vec<Slot> {
        std::mem::take(&mut self.in_flight).into()
    }

    /// Records how much has been written. If nothing had left since one of them was queued, the
    /// last octets `before`, its time has run already. True if what is behind them waits no more
    /// for octets to leave, but for a reply.
    pub(super) fn wrote(&mut self, progress: Progress, before: Instant) -> bool {
        let mut holds_back = false;
        for slot in &mut self.in_flight {
            if slot.end.is_none_or(|end| end > progress.written) {
                continue;
            }
            if before > slot.since {
                slot.stood_still_until(progress.at);
            }
            slot.end = None;
            holds_back |= slot.barrier != Barrier::Nothing;
        }
        holds_back
    }

    /// Octets in front of them have been taken out: none ends behind `last`.
    pub(super) fn move_up(&mut self, last: u64) {
        for slot in &mut self.in_flight {
            slot.end = slot.end.map(|end| last.min(end));
        }
    }

    /// Visits those whose time is up.
    pub(super) fn expire(&mut self, id: u16, judge: &mut Judge<impl FnMut(u16, &Slot)>) {
        for slot in &mut self.in_flight {
            if slot.is_farewell() || slot.overdue {
                continue;
            }
            let leaving = slot.is_leaving(judge.progress);
            // What others wait behind counts although its own caller has gone.
            let waits = slot.barrier != Barrier::Nothing || !slot.answer.is_settled();
            judge.judge(id, slot, leaving, waits);
        }
    }
}
