//! Requests whose time is up.
//!
//! ```text
//! sent, not answered   its caller is told; a reply that comes late is consumed
//! parked               its caller is told, and it is not sent: a purge must not happen minutes later.
//!                      Those that only say how the channel is to behave keep their place
//! ```
//!
//! A request whose caller has gone keeps its place for as long as if the caller waited. A channel that
//! is to be closed behind a request that a close must not pass is given up with that request's time.

use std::time::Instant;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{basic, channel, confirm, tx};

use super::{OutState, Outbox, Parked, Progress};
use crate::error::ChannelError;
use crate::proto::send::request::{Barrier, Effect, Slot};
use crate::proto::send::unwritten::Unwritten;

/// What became of requests whose time is up, besides that their callers are told.
#[derive(Debug, Default)]
pub(crate) struct Overdue {
    /// Those that were parked and are never sent.
    pub(crate) dropped: Vec<Slot>,
    pub(crate) given_up: Vec<GivenUp>,
}

/// A channel that is closed without a word to the broker.
#[derive(Debug)]
pub(crate) struct GivenUp {
    pub(crate) id: u16,
    /// The requests that will have no reply.
    pub(crate) slots: Vec<Slot>,
    /// The number of the last publish that is sent.
    pub(crate) sent: u64,
    pub(crate) cause: ChannelError,
}

/// The earliest of several times.
#[derive(Debug, Default)]
struct Earliest(Option<Instant>);

impl Earliest {
    fn note(&mut self, at: Instant) {
        self.0 = Some(self.0.map_or(at, |earliest| earliest.min(at)));
    }
}

impl Outbox {
    /// Visits every request whose time is up and has a caller that waits, and sets the next deadline.
    /// While the connection is blocked, only the time of its close runs.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        progress: Progress,
        mut expired: impl FnMut(u16, &Slot),
    ) -> Overdue {
        self.now = now;
        let mut overdue = Overdue::default();
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return overdue;
        }
        self.deadline = None;
        let mut next = Earliest::default();
        self.expire_farewell(now, progress, &mut next, &mut expired);
        for id in self.ids() {
            overdue.given_up.extend(self.close_at_rest(id));
        }
        if self.gate.blocked.is_none() {
            for id in self.ids() {
                self.expire_sent(id, now, progress, &mut next, &mut expired);
                // First, so that a close whose time is up as well is no failure.
                overdue.given_up.extend(self.close_stuck(id));
                let parked = self.expire_parked(id, now, progress, &mut next, &mut expired);
                overdue.dropped.extend(parked);
                self.forget_crossed(id);
                let (due, given_up) = self.renew_in_time(id, now);
                due.into_iter().for_each(|due| next.note(due));
                overdue.given_up.extend(given_up);
                // Opening a channel has set a deadline of its own.
                self.deadline
                    .take()
                    .into_iter()
                    .for_each(|due| next.note(due));
            }
        }
        self.deadline = next.0;
        // What waited for one of them may go now.
        self.idle = false;
        overdue
    }

    /// The close may wait as long as octets leave, but not for ever.
    fn expire_farewell(
        &self,
        now: Instant,
        progress: Progress,
        next: &mut Earliest,
        expired: &mut impl FnMut(u16, &Slot),
    ) {
        let waiting = self.farewell.iter().map(|(_, slot)| (slot, true));
        let sent = self.channels.iter().take(1);
        let sent = sent.flat_map(|channel| &channel.in_flight);
        let sent = sent.filter(|slot| slot.is_farewell());
        let sent = sent.map(|slot| (slot, slot.is_leaving(progress)));
        for (slot, leaves) in waiting.chain(sent) {
            if slot.answer.is_settled() {
                continue;
            }
            let deadline = if leaves {
                let deadline = slot.deadline_behind(progress);
                self.close_by.map_or(deadline, |by| by.min(deadline))
            } else {
                slot.deadline
            };
            if deadline <= now {
                expired(0, slot);
            } else {
                next.note(deadline);
            }
        }
    }

    fn expire_sent(
        &mut self,
        id: u16,
        now: Instant,
        progress: Progress,
        next: &mut Earliest,
        expired: &mut impl FnMut(u16, &Slot),
    ) {
        let channel = self.channels.get_mut(usize::from(id));
        for slot in channel
            .into_iter()
            .flat_map(|channel| &mut channel.in_flight)
        {
            if slot.is_farewell() || slot.overdue {
                continue;
            }
            // What others wait behind counts although its own caller has gone.
            let waits = slot.barrier != Barrier::Nothing || !slot.answer.is_settled();
            let deadline = if slot.is_leaving(progress) {
                slot.deadline_behind(progress)
            } else {
                slot.deadline
            };
            if deadline > now {
                if waits {
                    next.note(deadline);
                }
                continue;
            }
            slot.overdue = true;
            if !slot.answer.is_settled() {
                expired(id, slot);
            }
        }
    }

    fn expire_parked(
        &mut self,
        id: u16,
        now: Instant,
        progress: Progress,
        next: &mut Earliest,
        expired: &mut impl FnMut(u16, &Slot),
    ) -> Vec<Slot> {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return Vec::new();
        };
        let leaving = channel.is_leaving(progress);
        let mut drops = false;
        for parked in &mut channel.parked {
            let Parked::Request(_, slot) = parked else {
                continue;
            };
            if slot.overdue || !slot.has_reply() {
                continue;
            }
            let deadline = if leaving {
                slot.deadline_behind(progress)
            } else {
                slot.deadline
            };
            if deadline > now {
                next.note(deadline);
                continue;
            }
            slot.overdue = true;
            drops |= !slot.keeps_its_place();
            if !slot.answer.is_settled() {
                expired(id, slot);
            }
        }
        if !drops {
            return Vec::new();
        }
        let is_dropped = |slot: &Slot| slot.overdue && !slot.keeps_its_place();
        let (octets, mut dropped) = channel.take_parked_requests(is_dropped);
        for slot in &mut dropped {
            channel.resume_transaction(slot);
            channel.undo(slot);
        }
        self.aside -= octets;
        self.release(id);
        dropped
    }

    /// Our close waits behind a request whose time is up: sends it if it may pass that, otherwise gives
    /// the channel up.
    fn close_stuck(&mut self, id: u16) -> Option<GivenUp> {
        let channel = self.channels.get_mut(usize::from(id))?;
        let close_is_parked = channel.state == OutState::Closing
            && !channel.in_flight.iter().any(Slot::is_close)
            && !channel.parked.is_empty();
        // What is behind a large body is looked at when that has left.
        if !close_is_parked || !channel.is_stuck() || channel.held {
            return None;
        }
        // The others will never be sent. Messages between them may be, unless it is behind a commit.
        let (octets, requests) = channel.take_parked_requests(|slot| !slot.is_close());
        self.aside -= octets;
        self.release(id);
        let channel = self.channels.get_mut(usize::from(id))?;
        for slot in requests {
            channel.parked.push_back(Parked::Request(Vec::new(), slot));
        }
        let sends_more = channel.held || channel.waits_for_consume();
        if sends_more || channel.in_flight.iter().any(Slot::is_close) {
            return None;
        }
        let mut unsent = Unwritten::default();
        self.count_parked(id, &mut unsent);
        let slots = self.clear_channel(id);
        let channel = self.channels.get_mut(usize::from(id))?;
        channel.state = OutState::GivenUp;
        let sent = channel.published.saturating_sub(unsent.of(id));
        let cause = ChannelError::Closed;
        Some(GivenUp {
            id,
            slots,
            sent,
            cause,
        })
    }

    /// The broker does not answer a close that its own has crossed: it is not waited for any longer.
    fn forget_crossed(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        if channel.state == OutState::Crossed && channel.in_flight.iter().all(|slot| slot.overdue) {
            channel.in_flight.clear();
            channel.close_ok_owed = true;
            self.free_id(id);
        }
    }
}

impl Slot {
    /// Whether it is sent although its time is up while it is parked: others may rely on how it has the
    /// channel behave, and to be late does no harm.
    fn keeps_its_place(&self) -> bool {
        const SETTINGS: [amqp_spec::wire::MethodId; 4] = [
            basic::QosOk::ID,
            confirm::SelectOk::ID,
            tx::SelectOk::ID,
            channel::FlowOk::ID,
        ];
        self.is_close()
            || matches!(self.effect, Effect::Cancel(_))
            || SETTINGS.iter().any(|reply| self.expects.contains(reply))
    }
}
