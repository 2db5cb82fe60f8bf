//! What callers send: messages, methods, requests, settlements. Each is queued whole or not at all.

use std::cmp::Ordering;
use std::time::Instant;

use amqp_spec::frame::{self, FrameTooLarge};
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel, confirm, connection, tx};

use zeroize::Zeroizing;

use super::lanes::append_body_frame;
use super::{Head, OutState, Outbox, Parked, Refused, TailAck, Wake};
use crate::message::{Body, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::Slot;

/// Bodies from this size on are not copied, if they were handed over.
pub(crate) const ZERO_COPY: usize = 16 * 1024;

/// Bodies from this size on travel in the large lane, if they take more than one frame.
pub(crate) const LARGE: usize = 64 * 1024;

/// The length of an ack's frame.
const ACK_LEN: usize = 21;

impl Outbox {
    /// Queues a small message if nothing is in its way, and returns its number on the channel (0
    /// without `confirm.select`). Otherwise nothing has changed: it has to wait, or to be refused, or
    /// takes more than appending it; [`admit`](Self::admit) and [`publish`](Self::publish) tell.
    #[inline]
    pub(crate) fn publish_at_once(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &[u8],
    ) -> Option<(u64, Wake)> {
        let room = self.small.len() < self.mark && self.accepts_anything();
        if !room || body.len() >= ZERO_COPY {
            return None;
        }
        let channel = self.channels.get(usize::from(at.channel))?;
        if !channel.accepts(at) || !channel.is_direct() {
            return None;
        }
        self.publish_copied(at, head, body).ok()
    }

    /// Queues one message whole and returns its number on the channel (0 without
    /// `confirm.select`), or queues nothing.
    pub(crate) fn publish(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(u64, Wake), Refused> {
        let octets = body.as_slice();
        let direct = self.channel(at)?.is_direct();
        if direct && octets.len() < ZERO_COPY {
            return Ok(self.publish_copied(at, head, octets)?);
        }
        if direct && octets.len() <= self.max_payload() {
            self.publish_uncopied(at, head, body)?;
        } else {
            self.publish_aside(at, head, body)?;
        }
        Ok(self.number(at, head))
    }

    /// Appends a message to the small lane. Its channel must be open, with nothing in front of it.
    ///
    /// A function of its own: inlined into its callers it would leave the encoding in it to calls.
    #[inline(never)]
    fn publish_copied(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &[u8],
    ) -> Result<(u64, Wake), FrameTooLarge> {
        head.encode_with_body(self.small.buf(), at.channel, body, self.frame_max)?;
        self.tail_ack = None;
        self.counts.frames += self.n_frames(body.len());
        Ok(self.number(at, head))
    }

    /// Counts a message that has been queued.
    #[inline]
    fn number(&mut self, at: ChannelUse, head: &impl Head) -> (u64, Wake) {
        self.counts.published += 1;
        let channel = self.channels.get_mut(usize::from(at.channel));
        let number = channel.map_or(0, |channel| channel.number_publish(head));
        (number, self.wake())
    }

    /// How many frames a message takes.
    #[inline]
    fn n_frames(&self, body: usize) -> u64 {
        if body <= self.max_payload() {
            return 2 + u64::from(body > 0);
        }
        2 + body.div_ceil(self.max_payload()) as u64
    }

    /// Queues a message whose body is one frame, which need not be copied if it was handed over.
    fn publish_uncopied(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(), Refused> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        self.tail_ack = None;
        head.encode(self.small.buf(), at.channel, octets.len(), frame_max)?;
        self.counts.frames += self.n_frames(octets.len());
        match body.shared() {
            Some(body) => append_body_frame(&mut self.small, at.channel, body),
            None => frame::encode_body(self.small.buf(), at.channel, octets, frame_max),
        }
        Ok(())
    }

    /// Queues a message that is large, or that must wait behind something of its channel.
    #[cold]
    fn publish_aside(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &Body<'_>,
    ) -> Result<(), Refused> {
        let frame_max = self.frame_max;
        let octets = body.as_slice();
        let mut frames = Vec::new();
        head.encode(&mut frames, at.channel, octets.len(), frame_max)?;
        let parked = if octets.len() >= LARGE {
            // The others when they are taken.
            self.counts.frames += 2;
            Parked::Large {
                head: frames,
                body: body.to_shared(),
            }
        } else {
            self.counts.frames += self.n_frames(octets.len());
            frame::encode_body(&mut frames, at.channel, octets, frame_max);
            Parked::Frames(frames)
        };
        self.park(at.channel, parked);
        self.release(at.channel);
        Ok(())
    }

    /// Queues a method that expects no reply.
    pub(crate) fn send<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        method: &M,
    ) -> Result<Wake, Refused> {
        let frame_max = self.frame_max;
        if self.channel(at)?.is_direct() {
            self.tail_ack = None;
            frame::encode_method(self.small.buf(), at.channel, method, frame_max)?;
        } else {
            let mut frames = Vec::new();
            frame::encode_method(&mut frames, at.channel, method, frame_max)?;
            self.park(at.channel, Parked::Frames(frames));
        }
        self.counts.frames += 1;
        Ok(self.wake())
    }

    /// Whether a method fits the negotiated frame size.
    pub(crate) fn check_fits<'m, M: TypedMethod<'m>>(
        &self,
        method: &M,
    ) -> Result<(), FrameTooLarge> {
        let size = method.encoded_len() + frame::OVERHEAD;
        if size <= self.frame_max {
            Ok(())
        } else {
            Err(FrameTooLarge {
                size,
                frame_max: self.frame_max,
            })
        }
    }

    /// Queues a method that expects a reply. On a refusal the slot comes back unanswered.
    pub(crate) fn request<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        method: &M,
        mut slot: Slot,
    ) -> Result<Wake, (Refused, Box<Slot>)> {
        let frame_max = self.frame_max;
        let channel = match self.channel(at) {
            Ok(channel) => channel,
            Err(refused) => return Err((refused, Box::new(slot))),
        };
        let closes = M::ID == channel::Close::ID;
        let direct =
            channel.takes_request() || closes && channel.lets_a_close_pass(channel.parked.len());
        // With the request that it must not pass, the channel is given up.
        let mut soonest = slot.deadline;
        let is_held_back = closes && !direct;
        if let Some(last) = channel.in_flight.back().filter(|_| is_held_back) {
            soonest = soonest.min(last.deadline);
        }
        let mut parked = Vec::new();
        let buf = if direct {
            self.small.buf()
        } else {
            &mut parked
        };
        if let Err(error) = frame::encode_method(buf, at.channel, method, frame_max) {
            return Err((error.into(), Box::new(slot)));
        }
        self.counts.frames += 1;
        let sooner = self.deadline.is_none_or(|deadline| soonest < deadline);
        if sooner {
            self.deadline = Some(soonest);
        }
        self.note_request(at, M::ID, &mut slot);
        if direct {
            self.tail_ack = None;
            self.await_reply(at.channel, slot);
        } else {
            self.park(at.channel, Parked::Request(parked, slot));
        }
        // An adapter that is busy writing still has to hear of an earlier deadline.
        Ok(if sooner {
            self.wake_always()
        } else {
            self.wake()
        })
    }

    /// Some requests change the channel as soon as they have a place in line.
    fn note_request(&mut self, at: ChannelUse, id: MethodId, slot: &mut Slot) {
        let Ok(channel) = self.channel(at) else {
            return;
        };
        channel.end_transaction(slot);
        slot.after = channel.published;
        channel.note_use(id);
        if id == channel::Close::ID {
            // One that is opened anew first still has to say what it has accepted.
            if !matches!(channel.state, OutState::Resting | OutState::Finishing) {
                channel.state = OutState::Closing;
            }
        } else if id == confirm::Select::ID {
            // Publishes behind it on the wire are numbered, whenever the reply comes.
            channel.confirming = true;
        } else if id == tx::Select::ID {
            channel.begin_transactions();
        }
    }

    /// Settles one delivery that was handed out exactly once, so that no tag is counted twice.
    ///
    /// Consecutive acks at the very end of the outbox are merged into one `multiple` when everything
    /// up to the highest tag is settled: what the broker sees means the same, and nothing overtakes
    /// anything, for the merged frame is the last one queued.
    #[inline]
    pub(crate) fn settle(
        &mut self,
        at: ChannelUse,
        tag: u64,
        settlement: Settlement,
    ) -> Result<Wake, Refused> {
        let tail = self.tail_ack;
        let channel = self.channel(at)?;
        if tag <= channel.recovered {
            return Err(Refused::Stale);
        }
        channel.settled += 1;
        channel.max_settled = channel.max_settled.max(tag);
        let order = channel.settled.cmp(&channel.max_settled);
        let contiguous = order == Ordering::Equal;
        let direct = channel.is_direct();
        // There are more than can be where acks are never merged.
        if settlement != Settlement::Ack || !direct || order == Ordering::Greater {
            return self.settle_plainly(at, tag, settlement);
        }
        let merged = tail.filter(|tail| contiguous && tail.channel == at.channel);
        let ack = match merged {
            Some(tail) => {
                let buf = self.small.buf();
                buf.truncate(buf.len().saturating_sub(ACK_LEN));
                basic::Ack {
                    delivery_tag: tail.tag.max(tag),
                    multiple: true,
                }
            }
            None => {
                self.counts.frames += 1;
                self.answers.settled(ACK_LEN);
                basic::Ack {
                    delivery_tag: tag,
                    multiple: false,
                }
            }
        };
        self.counts.acked += 1;
        self.small
            .buf()
            .extend_from_slice(&ack.to_frame(at.channel));
        self.tail_ack = Some(TailAck {
            channel: at.channel,
            tag: ack.delivery_tag,
        });
        Ok(self.wake())
    }

    #[cold]
    fn settle_plainly(
        &mut self,
        at: ChannelUse,
        delivery_tag: u64,
        settlement: Settlement,
    ) -> Result<Wake, Refused> {
        let channel = self.channel(at)?;
        channel.note_settled(delivery_tag);
        let n = channel.count_settled(delivery_tag, false);
        match settlement {
            Settlement::Ack => self.send_settlement(
                at,
                n,
                &basic::Ack {
                    delivery_tag,
                    multiple: false,
                },
            ),
            Settlement::Nack { requeue } => self.send_settlement(
                at,
                n,
                &basic::Nack {
                    delivery_tag,
                    multiple: false,
                    requeue,
                },
            ),
            Settlement::Reject { requeue } => self.send_settlement(
                at,
                n,
                &basic::Reject {
                    delivery_tag,
                    requeue,
                },
            ),
        }
    }

    /// Settles by number, which may settle many or none, and at most this `single` one: the count of
    /// settled ones means nothing from here on. Tag 0 is all up to the `highest` that was delivered.
    pub(crate) fn settle_by_number<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        tag: u64,
        method: &M,
        single: Option<u64>,
        highest: u64,
    ) -> Result<Wake, Refused> {
        let channel = self.channel(at)?;
        // Tag 0 is all there are, which is known once `basic.recover` has been answered.
        if tag <= channel.recovered && (tag > 0 || channel.recovered == u64::MAX) {
            return Err(Refused::Stale);
        }
        channel.never_merge();
        if let Some(tag) = single {
            channel.note_settled(tag);
        }
        let upto = match (tag, highest) {
            (0, highest) => highest,
            (tag, 0) => tag,
            (tag, highest) if single.is_none() => tag.min(highest),
            (tag, _) => tag,
        };
        let n = channel.count_settled(upto, single.is_none());
        self.send_settlement(at, n, method)
    }

    /// Queues a settlement of `n` deliveries.
    fn send_settlement<'m, M: TypedMethod<'m>>(
        &mut self,
        at: ChannelUse,
        n: u64,
        method: &M,
    ) -> Result<Wake, Refused> {
        let before = self.small.len();
        let wake = self.send(at, method)?;
        if M::ID == basic::Ack::ID {
            self.counts.acked += n;
        } else {
            self.counts.refused += n;
        }
        self.answers
            .settled(self.small.len().saturating_sub(before));
        Ok(wake)
    }

    /// Queues a method on channel 0 that expects a reply, and leaves no copy of it behind.
    pub(crate) fn request_of_connection<'m, M: TypedMethod<'m>>(
        &mut self,
        method: &M,
        slot: Slot,
    ) -> Result<Wake, (Refused, Box<Slot>)> {
        if let Err(refused) = self.check_open() {
            return Err((refused, Box::new(slot)));
        }
        let frame_max = self.frame_max;
        // All at once: growing would leave copies behind.
        let size = method.encoded_len() + frame::OVERHEAD;
        let mut octets = Zeroizing::new(Vec::with_capacity(size));
        if let Err(error) = frame::encode_method(&mut octets, 0, method, frame_max) {
            return Err((error.into(), Box::new(slot)));
        }
        self.small.push_secret(octets);
        self.deadline = Some(
            self.deadline
                .map_or(slot.deadline, |soonest| soonest.min(slot.deadline)),
        );
        self.tail_ack = None;
        self.counts.frames += 1;
        self.await_reply(0, slot);
        Ok(self.wake_always())
    }

    /// Queues `connection.close` behind everything accepted so far; nothing is accepted after it.
    /// It has to be written `by` then, however well that goes on.
    pub(crate) fn close_connection(
        &mut self,
        method: &connection::Close<'_>,
        slot: Slot,
        by: Option<Instant>,
    ) -> Result<Wake, (Refused, Box<Slot>)> {
        if let Err(refused) = self.check_open() {
            return Err((refused, Box::new(slot)));
        }
        let mut frames = Vec::new();
        if let Err(error) = frame::encode_method(&mut frames, 0, method, self.frame_max) {
            return Err((error.into(), Box::new(slot)));
        }
        let soonest = self.deadline.into_iter().chain(by).min();
        self.deadline = Some(soonest.map_or(slot.deadline, |soonest| soonest.min(slot.deadline)));
        self.counts.frames += 1;
        self.closing = true;
        self.close_by = by;
        self.farewell_len = frames.len();
        self.farewell = Some((frames, slot));
        Ok(self.wake_always())
    }
}
