//! Parsing what one read brought, and handing it over.
//!
//! Deliveries and confirms, the bulk of all traffic, are gathered while parsing and handed over
//! once per read: one lock and at most one wake-up for each consumer, one lock for each channel's
//! run of confirms. Everything else is rare and handled at once, in [`crate::proto::dispatch::methods`].

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::basic;
use amqp_spec::frame::{self, Frame, FrameError, FrameKind};
use amqp_spec::wire::{MethodId, Reader, TypedMethod};

use super::channel::{InChannel, Left};
use super::content;
use super::content::{Complete, Target};
use super::whole_delivery::WholeDelivery;
use crate::error::{Stage, Violation};
use crate::message::{Incoming, RawDelivery, Settlement};
use crate::proto::core::Core;
use crate::proto::phase::Phase;

/// What is parsed in one turn of the driver, in frames. What one read brings of deliveries and confirms
/// is less, however small they are.
const MOST_WORK: usize = 32 * 1024;

/// More answers at once than this have the outbox forget their messages; of fewer it does so at the next
/// publish.
const MANY: u64 = 4096;

/// What a frame costs, in frames: a rare method wakes tasks, tells listeners and subscribers, and may
/// have to be answered.
fn cost(frame: &Frame<'_>) -> usize {
    const RARE: usize = 64;
    match (frame.kind, MethodId::peek(frame.payload)) {
        (FrameKind::Method, Some(basic::Deliver::ID | basic::Ack::ID | basic::Nack::ID)) => 1,
        (FrameKind::Method, _) => RARE,
        _ => 1,
    }
}

/// Confirms of one channel that came one after the other.
#[derive(Debug, Default)]
pub(crate) struct AckRun {
    /// One that is open, and not amid a content.
    channel: Option<u16>,
    /// Number, multiple, nack.
    answers: Vec<(u64, bool, bool)>,
}

/// Whether these octets tell another protocol: a protocol header, or an alert of TLS, which is
/// shorter.
fn is_enough(octets: &[u8]) -> bool {
    const ALERT: u8 = 0x15;
    const ALERT_LEN: usize = 7;
    let enough = match octets.first() {
        Some(&ALERT) => ALERT_LEN,
        _ => frame::PROTOCOL_HEADER.len(),
    };
    octets.len() >= enough
}

impl Core {
    /// Takes every complete frame off the front; returns how many octets they were.
    pub(crate) fn parse(&mut self, buf: &[u8], now: Instant) -> (usize, Result<(), Violation>) {
        self.bulk = false;
        let mut at = match self.continue_piecewise(buf) {
            Ok(used) => used,
            Err(violation) => return (0, Err(violation)),
        };
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            let whole = WholeDelivery::recognise(rest, self.max_payload, self.max_message_size);
            if let Some(whole) = whole.filter(|whole| self.take_whole(whole)) {
                at += whole.used;
                continue;
            }
            let (frame, used) = match frame::decode(rest, self.max_payload) {
                Ok(Some(decoded)) => decoded,
                Ok(None) => {
                    return match self.begin_piecewise(rest) {
                        Ok(used) => (at + used, Ok(())),
                        Err(violation) => (at, Err(violation)),
                    };
                }
                // Another protocol is told by its first octets, however they are split.
                Err(_) if self.is_first() && !is_enough(rest) => return (at, Ok(())),
                Err(error) => return (at, Err(self.no_frame(rest, error))),
            };
            self.work += cost(&frame);
            let handled = match frame.kind {
                FrameKind::Method => self.method_frame(&frame, now),
                FrameKind::Header => self.header_frame(&frame),
                FrameKind::Body => self.body_frame(&frame),
                FrameKind::Heartbeat => Ok(()),
            };
            at += used;
            self.frames += 1;
            if handled.is_err() {
                return (at, handled);
            }
            if self.phase == Phase::Ended {
                return (at, Ok(()));
            }
            if self.work >= MOST_WORK {
                self.more = true;
                return (at, Ok(()));
            }
        }
    }

    /// What is no frame is another protocol, if nothing came before it.
    #[cold]
    fn no_frame(&self, octets: &[u8], error: FrameError) -> Violation {
        match error {
            FrameError::ProtocolHeader | FrameError::UnknownKind(_) if self.is_first() => {
                Violation::protocol_header(octets)
            }
            // Amid a conversation it is an octet like any other that begins no frame.
            FrameError::ProtocolHeader => Violation::Frame(FrameError::UnknownKind(b'A')),
            error => Violation::Frame(error),
        }
    }

    /// Whether nothing has come but what is looked at.
    fn is_first(&self) -> bool {
        matches!(self.stage(), Stage::Start)
    }

    /// The beginning of another protocol, of which nothing more will come.
    #[cold]
    pub(crate) fn cut_short(&mut self) -> Option<Violation> {
        if !self.is_first() || self.input.is_empty() {
            return None;
        }
        let (memory, range) = self.input.take();
        let octets = memory.get(range).unwrap_or_default();
        let violation = match frame::decode(octets, self.max_payload) {
            Ok(_) => None,
            Err(error) => Some(self.no_frame(octets, error)),
        };
        self.input.put_back(memory, 0);
        violation
    }

    #[inline]
    fn method_frame(&mut self, frame: &Frame<'_>, now: Instant) -> Result<(), Violation> {
        match MethodId::peek(frame.payload) {
            Some(basic::Deliver::ID) => self.deliver(frame),
            Some(basic::Ack::ID) => {
                let ack = basic::Ack::decode(frame.payload).map_err(Violation::Decode)?;
                self.confirmed(frame.channel, ack.delivery_tag, ack.multiple, false)
            }
            Some(basic::Nack::ID) => {
                let nack = basic::Nack::decode(frame.payload).map_err(Violation::Decode)?;
                self.confirmed(frame.channel, nack.delivery_tag, nack.multiple, true)
            }
            _ => self.method(frame, now),
        }
    }

    /// Takes a delivery that is at hand as a whole; false if it has to be looked at frame by frame.
    #[inline]
    fn take_whole(&mut self, whole: &WholeDelivery<'_>) -> bool {
        let Some(Some(channel)) = self.channels.get_mut(usize::from(whole.channel)) else {
            return false;
        };
        if !channel.content.is_idle() {
            return false;
        }
        let Some(consumer) = channel.find(whole.consumer_tag) else {
            return false;
        };
        let incarnation = channel.shared.at.incarnation;
        if channel.gather(consumer, whole.copy(incarnation)) {
            self.dirty.push((whole.channel, consumer));
        }
        self.frames += whole.frames;
        true
    }

    /// A delivery begins whose frames are not all at hand.
    fn deliver(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        let arguments = frame.payload.get(4..).unwrap_or_default();
        let mut reader = Reader::new(arguments);
        let deliver = basic::Deliver::decode_arguments(&mut reader).map_err(Violation::Decode)?;
        let Some(channel) = self.in_channel(frame.channel)? else {
            return Ok(());
        };
        if !channel.content.is_idle() {
            let expected = channel.content.expected();
            let found = basic::Deliver::NAME;
            return Err(Violation::content(frame.channel, found, expected));
        }
        let target = Target::Delivery {
            consumer_tag: deliver.consumer_tag.as_bytes().into(),
            delivery_tag: deliver.delivery_tag,
            redelivered: deliver.redelivered,
        };
        let at = content::layout_of_deliver(&deliver);
        channel.content.announce(target, arguments, at);
        // Confirms that follow are looked at anew: they may not stand within the content.
        self.hand_over_confirms();
        Ok(())
    }

    fn header_frame(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        if self.in_channel(frame.channel)?.is_none() {
            return Ok(());
        }
        let header = content::check_header(frame.channel, frame.payload)?;
        if self.is_oversized(frame.channel, header.body_size)? {
            return self.skip(frame.channel, &header);
        }
        let Some(channel) = self.in_channel(frame.channel)? else {
            return Ok(());
        };
        let complete = channel.content.header(frame.channel, &header)?;
        self.complete(frame.channel, complete)
    }

    fn body_frame(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        let Some(channel) = self.in_channel(frame.channel)? else {
            return Ok(());
        };
        let complete = channel.content.body(frame.channel, frame.payload)?;
        self.complete(frame.channel, complete)
    }

    pub(crate) fn complete(
        &mut self,
        id: u16,
        complete: Option<Complete>,
    ) -> Result<(), Violation> {
        let Some(Complete { target, message }) = complete else {
            return Ok(());
        };
        match target {
            Target::Delivery {
                consumer_tag,
                delivery_tag,
                redelivered,
            } => {
                let Some(channel) = self.in_channel(id)? else {
                    return Ok(());
                };
                if channel.find(&consumer_tag).is_none() {
                    self.deliver_to_nobody(id, &consumer_tag, message, delivery_tag, redelivered);
                } else if let Some(at) =
                    channel.gather_for(&consumer_tag, message, delivery_tag, redelivered)
                {
                    self.dirty.push((id, at));
                }
            }
            Target::Get {
                slot,
                payload,
                no_ack,
            } => self.got(id, &slot, payload, message, no_ack),
            Target::Return => self.returned(id, message),
        }
        Ok(())
    }

    /// The channel of a frame; `None` if its frames are to be discarded.
    pub(crate) fn in_channel(&mut self, id: u16) -> Result<Option<&mut InChannel>, Violation> {
        match self.channels.get_mut(usize::from(id)) {
            Some(Some(channel)) => Ok(Some(channel)),
            // Frames for a channel that has just been closed may still be under way.
            Some(None) if id != 0 && self.shared.outbox().was_used(id) => Ok(None),
            _ => Err(Violation::UnknownChannel { channel: id }),
        }
    }

    fn confirmed(
        &mut self,
        channel: u16,
        number: u64,
        multiple: bool,
        nack: bool,
    ) -> Result<(), Violation> {
        if self.acks.channel != Some(channel) {
            self.hand_over_confirms();
            let method = if nack {
                basic::Nack::NAME
            } else {
                basic::Ack::NAME
            };
            self.in_channel(channel)?;
            self.check_not_amid_content(channel, method)?;
            self.acks.channel = Some(channel);
        }
        self.acks.answers.push((number, multiple, nack));
        Ok(())
    }

    /// Hands over what has been gathered. Wakers are left to be called.
    pub(crate) fn hand_over(&mut self) {
        self.hand_over_confirms();
        self.hand_over_deliveries();
    }

    pub(crate) fn hand_over_confirms(&mut self) {
        let Some(id) = self.acks.channel.take() else {
            return;
        };
        if let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) {
            // What these answers concern cannot come back either, but to say so takes the lock once more:
            // the next ones do.
            let published = self.shared.outbox().answered(id, channel.answered);
            let mut confirms = channel.shared.confirms();
            let (acked, nacked) = confirms.answered();
            for (number, multiple, nack) in self.acks.answers.drain(..) {
                confirms.settle(number, multiple, nack, published, &mut self.wakers);
            }
            if confirms.call_room(published, &mut self.wakers) {
                self.shared.outbox().note_called();
            }
            let (acked_now, nacked_now) = confirms.answered();
            let before = std::mem::replace(&mut channel.answered, confirms.resolved());
            drop(confirms);
            if channel.answered.saturating_sub(before) > MANY {
                self.shared.outbox().answered(id, channel.answered);
            }
            self.shared.totals.confirmed.add_u64(acked_now - acked);
            self.shared.totals.nacked.add_u64(nacked_now - nacked);
        }
        self.acks.answers.clear();
    }

    pub(crate) fn hand_over_deliveries(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let mut left = Left::default();
        for (id, at) in self.dirty.drain(..) {
            let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
                continue;
            };
            let last = channel.consumers.get(at).and_then(|one| one.batch.last());
            if let Some(last) = last.map(|last| last.delivery_tag) {
                channel.note_delivered(last);
            }
            let Some(consumer) = channel.consumers.get_mut(at) else {
                continue;
            };
            if self.said_goodbye {
                // What is not settled goes back when the connection closes.
                consumer.discard();
                continue;
            }
            consumer.hand_over(&channel.shared, &mut left, &mut self.wakers);
        }
        self.see_to(left);
    }

    /// Hands a delivery to the suspect with this tag, if it is one of this use of the channel; all that
    /// came before it has been handed over.
    #[cold]
    pub(crate) fn deliver_to_suspect(
        &mut self,
        id: u16,
        tag: &[u8],
        message: Incoming,
        delivery_tag: u64,
        redelivered: bool,
    ) {
        let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        let shared = Arc::clone(&channel.shared);
        let Some(suspect) = channel.suspect(tag, delivery_tag) else {
            return;
        };
        if self.said_goodbye {
            return;
        }
        let incarnation = shared.at.incarnation;
        let delivery = RawDelivery::new(message, delivery_tag, redelivered, incarnation);
        suspect.footprint += delivery.message.footprint();
        suspect.batch.push(delivery);
        let mut left = Left::default();
        suspect.hand_over(&shared, &mut left, &mut self.wakers);
        self.see_to(left);
    }

    /// Gives back what nothing takes, and cancels what holds too much.
    fn see_to(&mut self, left: Left) {
        for (id, delivery_tag) in left.unwanted {
            self.requeue(id, delivery_tag);
        }
        for (at, queue) in left.overflown {
            self.cancel_for_nobody(at, &queue);
        }
        if self.inbound_limit > 0 && self.shared.reading.manual() > self.inbound_limit {
            self.shed();
        }
    }

    /// Consumers with acknowledgements hold more than the connection may: those that hold most are
    /// cancelled, and what they have not taken goes back to the broker.
    #[cold]
    fn shed(&mut self) {
        while self.shared.reading.manual() > self.inbound_limit {
            let channels = self.channels.iter().flatten();
            let queues = channels.flat_map(|channel| {
                let at = channel.shared.at;
                channel.queues().map(move |queue| (at, queue))
            });
            let manual = queues.filter(|(_, queue)| !queue.no_ack);
            let most = manual.max_by_key(|(_, queue)| queue.untaken());
            let Some((at, queue)) = most.filter(|(_, queue)| queue.untaken() > 0) else {
                // They work on it.
                return;
            };
            let queue = Arc::clone(queue);
            let limit = self.inbound_limit;
            self.shared
                .trace
                .consumer_too_slow(at.channel, queue.tag.as_ref(), limit);
            let untaken = queue.end_too_slow(&mut self.wakers);
            // Before the deliveries go back, lest they come here again.
            self.cancel_for_nobody(at, &queue);
            for delivery in untaken {
                let requeue = Settlement::Nack { requeue: true };
                let settled = self
                    .shared
                    .outbox()
                    .settle(at, delivery.delivery_tag, requeue);
                settled.unwrap_or_default().not_amid_a_turn();
            }
        }
    }
}
