//! Channels and their requests: which ids are in use, which replies are awaited, until when.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use std::time::Instant;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{channel, connection};

use crate::proto::channel_use::ChannelUse;

use super::{OutChannel, OutState, Outbox, Parked, Refused, Wake};
use crate::error::{Provoker, method_name};
use crate::message::fingerprint::Fingerprint;
use crate::proto::observe::Held;
use crate::proto::send::request::{Answer, Slot};

impl Outbox {
    /// Takes this channel id, or the one that has been unused the longest, and queues `channel.open` for it.
    ///
    /// `None` if it is in use, or `channel_max` channels are open. `slot` is told which id it is.
    pub(crate) fn open_channel(
        &mut self,
        channel_max: u16,
        number: Option<u16>,
        slot: impl FnOnce(ChannelUse) -> Slot,
    ) -> Result<Option<Wake>, Refused> {
        self.check_open()?;
        let Some(id) = self.take_id(channel_max, number) else {
            return Ok(None);
        };
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return Ok(None);
        };
        let incarnation = channel.incarnation.wrapping_add(1);
        *channel = OutChannel {
            incarnation,
            state: OutState::Opening,
            close_ok_owed: channel.close_ok_owed,
            // Most channels have one request under way at a time, and there may be many channels.
            in_flight: VecDeque::with_capacity(1),
            ..OutChannel::default()
        };
        let at = ChannelUse {
            channel: id,
            incarnation,
        };
        let wake = self
            .request(at, &channel::Open {}, slot(at))
            .map_err(|(refused, _)| refused)?;
        Ok(Some(wake))
    }

    /// Whether the channel takes anything.
    pub(crate) fn is_open(&mut self, at: ChannelUse) -> bool {
        self.channel(at).is_ok()
    }

    /// Waits for the reply to a `channel.close` that somebody else has asked for. Gives the slot back
    /// if there is none.
    pub(crate) fn join_close(&mut self, at: ChannelUse, slot: Slot) -> Result<Wake, Slot> {
        let closing = self.check_open().is_ok()
            && self
                .channels
                .get(usize::from(at.channel))
                .is_some_and(|channel| {
                    channel.incarnation == at.incarnation
                        && (channel.state == OutState::Closing || channel.is_closing_for_renewal())
                });
        if !closing {
            return Err(slot);
        }
        self.deadline = Some(
            self.deadline
                .map_or(slot.deadline, |soonest| soonest.min(slot.deadline)),
        );
        let channel = self.channels.get(usize::from(at.channel));
        if channel.is_some_and(OutChannel::takes_request) {
            self.await_reply(at.channel, slot);
        } else {
            // In line behind the close, with nothing to send.
            self.park(at.channel, Parked::Request(Vec::new(), slot));
        }
        Ok(self.wake_always())
    }

    /// `channel.open-ok` has come.
    pub(crate) fn channel_opened(&mut self, id: u16) {
        match self.channels.get_mut(usize::from(id)) {
            Some(channel) if channel.state == OutState::Opening => channel.state = OutState::Open,
            _ => {}
        }
    }

    /// The broker has closed the channel: queues `channel.close-ok`, behind the rest of a large body
    /// if one is under way. After that the id is free. Returns the requests that will have no reply,
    /// and the number of the last publish that is sent.
    pub(crate) fn channel_closed_by_broker(&mut self, id: u16) -> (Vec<Slot>, u64, Wake) {
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.renewal = None;
        }
        let close_sent = self
            .channels
            .get(usize::from(id))
            .is_some_and(|channel| channel.in_flight.iter().any(Slot::is_close));
        let sent = self.drop_publishes(id);
        let slots = self.clear_channel(id);
        let close = slots.iter().find(|slot| close_sent && slot.is_close());
        if close.is_some() {
            self.answer_close(id);
        }
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.state = OutState::Finishing;
            if let Some(close) = close {
                // Who asked for it knows enough with the broker's.
                channel.in_flight.push_back(close.for_nobody());
                channel.state = OutState::Crossed;
            } else if !channel.held {
                self.finish(id);
            }
        }
        (slots, sent, self.wake())
    }

    /// Queues the `channel.close-ok` that has been owed until now: the id is free.
    fn finish(&mut self, id: u16) {
        self.answer_close(id);
        if !self.rest_for_renewal(id) {
            self.free_id(id);
        }
    }

    pub(super) fn answer_close(&mut self, id: u16) {
        self.tail_ack = None;
        self.counts.frames += 1;
        let close_ok = channel::CloseOk {}.to_frame(id);
        self.small.buf().extend_from_slice(&close_ok);
    }

    /// The last frame of a channel's large body is on its way: what waited for it may follow.
    pub(super) fn large_sent(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        channel.held = false;
        channel.parked_stood_still_until(self.now);
        if channel.state == OutState::Finishing {
            self.finish(id);
            return;
        }
        if channel.state == OutState::Closing && channel.is_stuck() {
            // Our close is behind it, and may have to give the channel up.
            self.deadline = Some(self.now);
        }
        self.release(id);
    }

    /// `channel.close-ok` has come: the id is free. Returns the requests that will have no reply.
    pub(crate) fn channel_closed(&mut self, id: u16) -> Vec<Slot> {
        let slots = self.clear_channel(id);
        self.free_id(id);
        slots
    }

    /// Drops what was to be sent on the channel, but for the rest of a large body, and hands back
    /// the requests.
    pub(super) fn clear_channel(&mut self, id: u16) -> Vec<Slot> {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return Vec::new();
        };
        let mut slots: Vec<Slot> = mem::take(&mut channel.in_flight).into();
        let stopped = mem::take(&mut channel.stopped);
        // The core, or a request, holds each of them as well.
        channel.consumers = None;
        channel.renewal = None;
        self.answers.dropped(channel);
        for parked in mem::take(&mut channel.parked) {
            self.aside -= parked.len();
            match parked {
                Parked::Request(_, slot) => slots.push(slot),
                Parked::Large { body, .. } => self.bodies.push(body),
                Parked::Frames(_) => {}
            }
        }
        if stopped {
            self.set_gate();
        }
        slots
    }

    /// Takes the request that waits longest on the channel, if the reply is one of its.
    pub(crate) fn take_request(&mut self, id: u16, reply: MethodId, now: Instant) -> Option<Slot> {
        self.now = now;
        let channel = self.channels.get_mut(usize::from(id))?;
        if reply == channel::CloseOk::ID {
            // It ends whatever was not answered before it.
            let close = channel.in_flight.iter().position(Slot::is_close)?;
            return channel.in_flight.remove(close);
        }
        if reply == connection::CloseOk::ID {
            let close = channel.in_flight.iter().position(Slot::is_farewell)?;
            return channel.in_flight.remove(close);
        }
        let waiting = channel.in_flight.iter().position(Slot::has_reply)?;
        if !channel.in_flight.get(waiting)?.expects.contains(&reply) {
            return None;
        }
        // What was sent before it without waiting has been done as well.
        for _ in 0..waiting {
            channel.in_flight.pop_front();
        }
        let slot = channel.in_flight.pop_front();
        channel.forgot = false;
        self.release(id);
        slot
    }

    /// Whether a `channel.close-ok` that answers nothing of the present is the answer to a close that
    /// was overdue when the id became free; it comes once. RabbitMQ's channels answer each for itself,
    /// so that it may even come behind the next `open-ok`. While a close of the present use waits for
    /// its answer the two cannot be told apart, and the other one is left over.
    pub(crate) fn forgive_close_ok(&mut self, id: u16) -> bool {
        let channel = self.channels.get_mut(usize::from(id));
        channel.is_some_and(|channel| mem::take(&mut channel.close_ok_owed))
    }

    /// Whether the id is in use, at least until a close is complete.
    pub(crate) fn is_in_use(&self, id: u16) -> bool {
        self.channels
            .get(usize::from(id))
            .is_some_and(|channel| !channel.is_free())
    }

    /// Whether the broker has not closed the channel yet: it does so once. To answer each of many
    /// would cost a look at all that is queued.
    pub(crate) fn is_open_at_broker(&self, id: u16) -> bool {
        let channel = self.channels.get(usize::from(id));
        channel.is_some_and(|channel| match channel.state {
            OutState::Opening | OutState::Open | OutState::Closing | OutState::GivenUp => true,
            OutState::Free | OutState::Crossed | OutState::Finishing | OutState::Resting => false,
        })
    }

    /// The number of the last publish on the channel.
    pub(crate) fn published(&self, id: u16) -> u64 {
        self.channels
            .get(usize::from(id))
            .map_or(0, |channel| channel.published)
    }

    /// The number of the last publish of this use of a channel; `None` when its id has been taken by
    /// another.
    pub(crate) fn published_by(&self, at: ChannelUse) -> Option<u64> {
        let channel = self.channels.get(usize::from(at.channel))?;
        (channel.incarnation == at.incarnation).then_some(channel.published)
    }

    /// Remembers that the last publish of a channel may come back.
    #[inline]
    pub(crate) fn expect_return(&mut self, at: ChannelUse, fingerprint: Fingerprint, size: usize) {
        let Some(channel) = self.channels.get_mut(usize::from(at.channel)) else {
            return;
        };
        channel.largest_mandatory = channel.largest_mandatory.max(size);
        if channel.confirming && channel.incarnation == at.incarnation {
            let mandatory = channel.mandatory.get_or_insert_default();
            mandatory.expect(channel.published, fingerprint);
        }
    }

    /// Whether there has been a channel with this id.
    pub(crate) fn was_used(&self, id: u16) -> bool {
        let channel = self.channels.get(usize::from(id));
        channel.is_some_and(|channel| channel.incarnation > 0)
    }

    /// The number of the last publish on the channel. All up to `resolved` have been answered, and do
    /// not come back any more.
    pub(crate) fn answered(&mut self, id: u16, resolved: u64) -> u64 {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return 0;
        };
        if let Some(mandatory) = &mut channel.mandatory {
            mandatory.forget_up_to(resolved);
        }
        channel.published
    }

    /// The size of the largest message of the channel that may come, or have come, back.
    pub(crate) fn largest_mandatory(&self, id: u16) -> u64 {
        let channel = self.channels.get(usize::from(id));
        channel.map_or(0, |channel| channel.largest_mandatory as u64)
    }

    /// Finds the publish that a returned message belongs to.
    pub(crate) fn claim_returned(
        &mut self,
        id: u16,
        fingerprint: Fingerprint,
        is_unanswered: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let channel = self.channels.get_mut(usize::from(id))?;
        channel
            .mandatory
            .as_mut()?
            .claim(fingerprint, is_unanswered)
    }

    /// How many publishes have been looked at to find returned ones.
    #[cfg(test)]
    pub(crate) fn n_looks(&self, id: u16) -> u64 {
        let mandatory = &self.channels[usize::from(id)].mandatory;
        mandatory.as_ref().map_or(0, |mandatory| mandatory.looks)
    }

    /// How many publishes may come back, and for how many there is memory.
    #[cfg(test)]
    pub(crate) fn n_expected(&self, id: u16) -> (usize, usize) {
        let mandatory = &self.channels[usize::from(id)].mandatory;
        mandatory
            .as_ref()
            .map_or((0, 0), |mandatory| mandatory.n_expected())
    }

    /// What has been counted, and what is held now.
    pub(crate) fn held_now(&self) -> Held {
        let parked = |channel: &OutChannel| {
            let parked = channel.parked.iter();
            parked
                .filter(|parked| matches!(parked, Parked::Request(..)))
                .count()
        };
        let mut held = Held {
            totals: self.counts,
            octets: self.queued(),
            waiting: self.lines.iter().map(|line| line.waiting.len()).sum(),
            requests: usize::from(self.farewell.is_some()),
            ..Held::default()
        };
        for (id, channel) in self.channels.iter().enumerate() {
            held.requests += channel.in_flight.len() + parked(channel);
            let open = matches!(channel.state, OutState::Open | OutState::Opening);
            held.channels += usize::from(open && id > 0 && self.closed.is_none());
            let answers = matches!(channel.state, OutState::Open | OutState::Closing)
                || channel.renewal.is_some();
            if answers && self.closed.is_none() {
                held.numbered += channel.published;
            }
        }
        held
    }

    /// Looks at the requests of a channel that have been sent and not been answered.
    pub(crate) fn requests(&self, id: u16) -> impl Iterator<Item = &Slot> {
        self.channels
            .get(usize::from(id))
            .into_iter()
            .flat_map(|channel| &channel.in_flight)
    }

    /// What the request was about that the broker closes this channel for (0: the connection, of
    /// which it does not say on which channel). It is of this method and one of the oldest, since
    /// everything before it has been answered; of several the broker's text must tell which. Also gives
    /// where those wait that have asked for them.
    pub(crate) fn provoker(&self, id: u16, method: MethodId) -> (Provoker, Vec<Arc<Answer>>) {
        let name = method_name(method);
        let mut provoker = Provoker::default();
        let mut answers = Vec::new();
        for id in self
            .ids()
            .filter(|&other| other != 0 && (id == 0 || other == id))
        {
            if self
                .channels
                .get(usize::from(id))
                .is_some_and(|channel| channel.forgot)
            {
                provoker.add_unknown();
            }
            for slot in self.requests(id) {
                if Some(slot.name) == name {
                    provoker.add(&slot.answer.about);
                    answers.push(Arc::clone(&slot.answer));
                }
                if slot.has_reply() {
                    break;
                }
            }
        }
        (provoker, answers)
    }
}
