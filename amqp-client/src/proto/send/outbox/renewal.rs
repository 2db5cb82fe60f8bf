//! A channel that its publisher owns: when the broker closes it, it is opened anew in its place.
//!
//! ```text
//! Open ──closed by the broker──▶ Resting ──the next message──▶ Opening ──open-ok──▶ Open
//!   └──in the middle of a large body──▶ Finishing ──the rest is sent──▶ ┘
//! ```
//!
//! The channel keeps its number, its handles and its numbers of publishes. What had not been written
//! when the close was read stays in line, and is sent on the new channel before everything else. While
//! it rests messages are taken as always, and wait there. `channel.open` and `confirm.select` leave with
//! the first of them, no sooner than the [`Pace`] allows.
//!
//! It is opened anew only if it was in use: one that the broker closes before it has opened it ends for
//! good. So does one that has been used to consume or to fetch messages, whose deliveries would be
//! those of another channel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::frame;
use amqp_spec::wire::{Request, TypedMethod};
use amqp_spec::{basic, channel, confirm};

use super::overdue::GivenUp;
use super::{OutChannel, OutState, Outbox, Parked, Wake};
use crate::error::ChannelError;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Answer, Barrier, Effect, Slot, after};
use crate::proto::time::pace::Pace;

/// How one channel is opened anew.
#[derive(Debug)]
pub(super) struct Renewal {
    pace: Pace,
    /// When it is to be opened, if it rests and that is wanted.
    due: Option<Instant>,
    /// It is not to be opened anew any more.
    over: bool,
    /// The program closes it.
    closing: bool,
    request_timeout: Duration,
}

impl OutChannel {
    /// Whether the channel that is meant waits to be opened anew.
    pub(super) fn is_renewed(&self, at: ChannelUse) -> bool {
        let rests = matches!(self.state, OutState::Resting | OutState::Finishing);
        let goes_on = |renewal: &Renewal| !renewal.closing;
        rests && self.incarnation == at.incarnation && self.renewal.as_deref().is_some_and(goes_on)
    }

    /// What this request makes of a channel that a publisher owns.
    pub(super) fn note_use(&mut self, request: amqp_spec::wire::MethodId) {
        let Some(renewal) = &mut self.renewal else {
            return;
        };
        renewal.over |= matches!(request, basic::Consume::ID | basic::Get::ID);
        renewal.closing |= request == channel::Close::ID;
    }

    /// The program closes it, which waits until it is opened anew.
    pub(super) fn is_closing_for_renewal(&self) -> bool {
        let rests = matches!(self.state, OutState::Resting | OutState::Finishing);
        rests
            && self
                .renewal
                .as_deref()
                .is_some_and(|renewal| renewal.closing)
    }

    /// The program closes it while it rests.
    fn is_closing_at_rest(&self) -> bool {
        let closing = |renewal: &Renewal| renewal.closing;
        self.state == OutState::Resting && self.renewal.as_deref().is_some_and(closing)
    }

    fn has_messages(&self) -> bool {
        self.parked.iter().any(Parked::is_message)
    }

    /// What opens it anew has not been answered in time; which of it.
    fn overdue_opening(&self) -> Option<&'static str> {
        let is_opening = self.state == OutState::Opening && self.renewal.is_some();
        let mut sent = self.in_flight.iter().filter(|_| is_opening);
        let opens = |slot: &&Slot| {
            slot.expects.contains(&channel::OpenOk::ID)
                || matches!(slot.effect, Effect::RenewChannel)
        };
        sent.find(|slot| slot.overdue && opens(slot))
            .map(|slot| slot.name)
    }
}

impl Outbox {
    /// The channel belongs to a publisher: from here on it is opened anew when the broker closes it.
    pub(crate) fn renew_when_closed(
        &mut self,
        at: ChannelUse,
        now: Instant,
        request_timeout: Duration,
    ) {
        if let Ok(channel) = self.channel(at) {
            channel.renewal = Some(Box::new(Renewal {
                pace: Pace::new(now),
                due: None,
                over: false,
                closing: false,
                request_timeout,
            }));
        }
    }

    /// The channel ends when the broker closes it, as others do.
    pub(crate) fn end_when_closed(&mut self, at: ChannelUse) {
        if let Some(renewal) = self
            .channel(at)
            .ok()
            .and_then(|channel| channel.renewal.as_mut())
        {
            renewal.over = true;
        }
    }

    /// The broker has closed the channel. If it is to be opened anew, queues `channel.close-ok` and keeps
    /// what has not been written; returns the requests that will have no reply, and the number of the
    /// last publish that is sent.
    pub(crate) fn channel_rests(&mut self, id: u16) -> Option<(Vec<Slot>, u64, Wake)> {
        let can_be_renewed = self.closed.is_none();
        let channel = self.channels.get_mut(usize::from(id))?;
        let renewal = channel.renewal.as_deref()?;
        let is_in_use = channel.state == OutState::Open && !renewal.over && !renewal.closing;
        if !can_be_renewed || !is_in_use {
            return None;
        }
        let (sent, parked) = self.keep_publishes(id);
        let channel = self.channels.get_mut(usize::from(id))?;
        let mut slots: Vec<Slot> = std::mem::take(&mut channel.in_flight).into();
        slots.extend(parked);
        (channel.consumers, channel.transaction) = (None, None);
        (channel.settled, channel.max_settled, channel.recovered) = (0, 0, 0);
        channel.state = OutState::Finishing;
        let stopped = std::mem::take(&mut channel.stopped);
        let is_held = channel.held;
        self.answers.dropped(channel);
        if stopped {
            self.open_gate();
        }
        if !is_held {
            self.come_to_rest(id);
        }
        Some((slots, sent, self.wake_always()))
    }

    fn come_to_rest(&mut self, id: u16) {
        self.answer_close(id);
        self.rest_for_renewal(id);
    }

    /// Our `channel.close-ok` is queued. False if the channel is not opened anew.
    pub(super) fn rest_for_renewal(&mut self, id: u16) -> bool {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return false;
        };
        if channel.renewal.is_none() {
            return false;
        }
        channel.state = OutState::Resting;
        channel.held = true;
        if !channel.parked.is_empty() {
            self.want(id);
        }
        true
    }

    /// Something waits in the line of a channel: one that rests is opened for it.
    #[inline]
    pub(super) fn want(&mut self, id: u16) {
        let rests = |channel: &&mut OutChannel| channel.state == OutState::Resting;
        if let Some(channel) = self.channels.get_mut(usize::from(id)).filter(rests) {
            let Some(renewal) = &mut channel.renewal else {
                return;
            };
            let now = self.now;
            let due = match renewal.due {
                Some(due) => due,
                // There is nothing to open it for.
                None if renewal.closing && !channel.parked.iter().any(Parked::is_message) => {
                    *renewal.due.insert(now)
                }
                None => *renewal.due.insert(renewal.pace.wanted(now)),
            };
            self.deadline = Some(self.deadline.map_or(due, |soonest| soonest.min(due)));
        }
    }

    /// When channels that rest are to be opened.
    pub(super) fn renewals(&self) -> impl Iterator<Item = Instant> {
        let rest = self.channels.iter();
        rest.filter(|channel| channel.state == OutState::Resting)
            .filter_map(|channel| channel.renewal.as_deref()?.due)
    }

    /// Opens a channel that rests, if it is time; or the time when it is. One that is to be closed, or
    /// that the broker does not open, is given up.
    pub(super) fn renew_in_time(
        &mut self,
        id: u16,
        now: Instant,
    ) -> (Option<Instant>, Option<GivenUp>) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return (None, None);
        };
        if let Some(method) = channel.overdue_opening() {
            let cause = ChannelError::Timeout { method };
            return (None, self.give_up(id, OutState::GivenUp, cause));
        }
        if channel.state != OutState::Resting || self.said_farewell {
            return (None, None);
        }
        match channel.renewal.as_deref().and_then(|renewal| renewal.due) {
            Some(due) if due <= now => {
                self.open_anew(id, now);
                (None, None)
            }
            due => (due, None),
        }
    }

    /// The program closes a channel that rests, with nothing to be sent before: there is nothing that
    /// the broker has to hear.
    pub(super) fn close_at_rest(&mut self, id: u16) -> Option<GivenUp> {
        let channel = self.channels.get(usize::from(id))?;
        if !channel.is_closing_at_rest() || channel.has_messages() {
            return None;
        }
        self.give_up(id, OutState::Free, ChannelError::Closed)
    }

    fn give_up(&mut self, id: u16, state: OutState, cause: ChannelError) -> Option<GivenUp> {
        let mut unsent = crate::proto::send::unwritten::Unwritten::default();
        self.count_parked(id, &mut unsent);
        let slots = self.clear_channel(id);
        let channel = self.channels.get_mut(usize::from(id))?;
        channel.renewal = None;
        channel.held = false;
        let sent = channel.published.saturating_sub(unsent.of(id));
        channel.state = state;
        if state == OutState::Free {
            self.free_id(id);
        }
        Some(GivenUp {
            id,
            slots,
            sent,
            cause,
        })
    }

    /// Queues `channel.open` and `confirm.select`, and what waits behind them.
    fn open_anew(&mut self, id: u16, now: Instant) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        let Some(renewal) = &mut channel.renewal else {
            return;
        };
        renewal.due = None;
        renewal.pace.opened(now);
        let deadline = after(now, renewal.request_timeout);
        channel.state = OutState::Opening;
        channel.held = false;
        // What comes before `select-ok` is of the channel before.
        let open = slot_of::<channel::Open>(now, deadline, Effect::Nothing);
        let select = slot_of::<confirm::Select>(now, deadline, Effect::RenewChannel);
        self.tail_ack = None;
        self.counts.frames += 2;
        for (method, slot) in [
            (encode(id, &channel::Open {}), open),
            (encode(id, &confirm::Select { no_wait: false }), select),
        ] {
            self.small.buf().extend_from_slice(&method);
            self.await_reply(id, slot);
        }
        self.deadline = Some(
            self.deadline
                .map_or(deadline, |soonest| soonest.min(deadline)),
        );
        self.release(id);
        // The program may have closed it meanwhile: that is behind what was to be sent.
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            if channel
                .renewal
                .as_deref()
                .is_some_and(|renewal| renewal.closing)
            {
                channel.state = OutState::Closing;
            }
        }
    }
}

fn encode<'m, M: TypedMethod<'m>>(id: u16, method: &M) -> Vec<u8> {
    let mut octets = Vec::new();
    // Both have a fixed length, far below any frame size.
    let _ = frame::encode_method(&mut octets, id, method, usize::MAX);
    octets
}

fn slot_of<M>(now: Instant, deadline: Instant, effect: Effect) -> Slot
where
    M: TypedMethod<'static> + Request,
{
    Slot {
        expects: <M::Reply<'static> as amqp_spec::wire::Reply<'static>>::IDS,
        name: M::NAME,
        barrier: Barrier::Nothing,
        deadline,
        overdue: false,
        since: now,
        end: None,
        after: 0,
        effect,
        answer: Arc::new(Answer::default()),
    }
}
