//! Parsing what one read brought, and handing it over.
//!
//! Deliveries and confirms, the bulk of all traffic, are gathered while parsing and handed over
//! once per read: one lock and at most one wake-up for each consumer, one lock for each channel's
//! run of confirms. Everything else is rare and handled at once, in [`super::methods`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::basic;
use amqp_spec::frame::{self, Frame, FrameError, FrameKind};
use amqp_spec::wire::{MethodId, Reader, ShortStr, TypedMethod};

use super::channel::ChannelShared;
use super::consumer::{ConsumerQueue, End, RawDelivery};
use super::content::{self, Complete, Content, Target};
use super::core::Core;
use super::incoming::Incoming;
use super::whole::Whole;
use crate::error::{ChannelError, Stage, Violation};

/// The receiving side of one channel.
#[derive(Debug)]
pub(crate) struct InChannel {
    pub(crate) shared: Arc<ChannelShared>,
    pub(crate) content: Content,
    /// Sorted by tag.
    consumers: Vec<InConsumer>,
    /// The consumer that the last delivery was for; the next is likely for the same.
    last: usize,
    /// The consumers that ended last, the latest at the end. Most channels have none.
    #[expect(clippy::box_collection, reason = "thousands of channels may be open")]
    ended: Option<Box<VecDeque<EndedConsumer>>>,
    /// There has been a consumer whose deliveries need no acknowledgement.
    automatic: bool,
}

/// A consumer that has ended; some deliveries for it may still come.
#[derive(Debug)]
struct EndedConsumer {
    tag: Box<[u8]>,
    no_ack: bool,
}

#[derive(Debug)]
struct InConsumer {
    tag: Box<[u8]>,
    queue: Arc<ConsumerQueue>,
    /// Gathered during this read.
    batch: Vec<RawDelivery>,
    footprint: usize,
}

/// How many consumers that have ended a channel remembers.
const REMEMBERED: usize = 64;

impl InChannel {
    pub(crate) fn new(shared: Arc<ChannelShared>) -> Self {
        Self {
            shared,
            content: Content::Idle,
            consumers: Vec::new(),
            last: 0,
            ended: None,
            automatic: false,
        }
    }

    #[inline]
    fn find(&mut self, tag: &[u8]) -> Option<usize> {
        if self
            .consumers
            .get(self.last)
            .is_some_and(|consumer| *consumer.tag == *tag)
        {
            return Some(self.last);
        }
        self.last = self
            .consumers
            .binary_search_by(|consumer| (*consumer.tag).cmp(tag))
            .ok()?;
        Some(self.last)
    }

    /// Adds a consumer; one of the same tag gives way, as it does at the broker.
    pub(crate) fn add_consumer(&mut self, tag: &[u8], queue: Arc<ConsumerQueue>) {
        self.shared.add_consumer(tag, &queue);
        self.automatic |= queue.no_ack;
        let consumer = InConsumer {
            tag: tag.into(),
            queue,
            batch: Vec::new(),
            footprint: 0,
        };
        match self
            .consumers
            .binary_search_by(|consumer| (*consumer.tag).cmp(tag))
        {
            Ok(_) => {}
            Err(at) => {
                self.consumers.insert(at, consumer);
                let n_consumers = &self.shared.link.tally.consumers;
                n_consumers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The queue of a consumer.
    pub(crate) fn queue(&self, tag: ShortStr<'_>) -> Option<Arc<ConsumerQueue>> {
        let tag = tag.as_bytes();
        let at = self
            .consumers
            .binary_search_by(|consumer| (*consumer.tag).cmp(tag))
            .ok()?;
        self.consumers
            .get(at)
            .map(|consumer| Arc::clone(&consumer.queue))
    }

    /// Adds to the batch of the consumer with this tag; its position, if it is the first of this
    /// read.
    pub(crate) fn gather_for(
        &mut self,
        tag: &[u8],
        message: Incoming,
        delivery_tag: u64,
        redelivered: bool,
    ) -> Option<usize> {
        let at = self.find(tag)?;
        let incarnation = self.shared.at.incarnation;
        let delivery = RawDelivery::new(message, delivery_tag, redelivered, incarnation);
        self.gather(at, delivery).then_some(at)
    }

    /// The tags of all consumers.
    #[cfg(test)]
    pub(crate) fn tags(&self) -> Vec<String> {
        let tag = |consumer: &InConsumer| String::from_utf8_lossy(&consumer.tag).into_owned();
        self.consumers.iter().map(tag).collect()
    }

    /// Takes a consumer away, if it is there.
    pub(crate) fn remove_consumer(&mut self, tag: &[u8]) -> Option<Arc<ConsumerQueue>> {
        self.shared.remove_consumer(tag);
        let at = self
            .consumers
            .binary_search_by(|consumer| (*consumer.tag).cmp(tag))
            .ok()?;
        let n_consumers = &self.shared.link.tally.consumers;
        n_consumers.fetch_sub(1, Ordering::Relaxed);
        let consumer = self.consumers.remove(at);
        let ended = self.ended.get_or_insert_default();
        if ended.len() == REMEMBERED {
            ended.pop_front();
        }
        ended.push_back(EndedConsumer {
            tag: consumer.tag,
            no_ack: consumer.queue.no_ack,
        });
        Some(consumer.queue)
    }

    /// Whether deliveries with the tag of a consumer that is not there any more have to be
    /// acknowledged; `None` if that is not known.
    pub(crate) fn was_manual(&self, tag: &[u8]) -> Option<bool> {
        let mut latest = self.ended.iter().flat_map(|ended| ended.iter().rev());
        match latest.find(|ended| *ended.tag == *tag) {
            Some(ended) => Some(!ended.no_ack),
            None => self.automatic.then_some(false),
        }
    }

    /// The channel is over, for everybody who has to do with it; `sent` is the number of the last
    /// publish that was sent.
    pub(crate) fn end(&mut self, cause: &ChannelError, sent: u64, wakers: &mut Vec<Waker>) {
        self.shared.end(cause, sent, wakers);
        let (acked, nacked) = self.shared.confirms().answered();
        let tally = &self.shared.link.tally;
        tally.answered_before.add_u64(acked + nacked);
        let n_consumers = self.consumers.len();
        tally.consumers.fetch_sub(n_consumers, Ordering::Relaxed);
        for consumer in self.consumers.drain(..) {
            consumer.queue.end(End::Channel(cause.clone()), wakers);
        }
        if let Content::Header {
            target: Target::Get { slot, .. },
            ..
        }
        | Content::Body {
            target: Target::Get { slot, .. },
            ..
        } = std::mem::take(&mut self.content)
        {
            let _ = slot.answer.settle(Err(cause.clone()), wakers);
        }
    }
}

/// What is parsed in one turn of the driver, in frames. What one read brings of deliveries and confirms
/// is less, however small they are.
const MOST_WORK: usize = 32 * 1024;

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
    channel: u16,
    /// Number, multiple, nack.
    answers: Vec<(u64, bool, bool)>,
}

impl Core {
    /// Takes every complete frame off the front; returns how many octets they were.
    pub(super) fn parse(&mut self, buf: &[u8], now: Instant) -> (usize, Result<(), Violation>) {
        self.bulk = false;
        let mut at = match self.continue_piecewise(buf) {
            Ok(used) => used,
            Err(violation) => return (0, Err(violation)),
        };
        loop {
            let rest = buf.get(at..).unwrap_or_default();
            let whole = Whole::recognise(rest, self.max_payload, self.max_message_size);
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
            if matches!(self.phase, super::core::Phase::Ended) {
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
        let first = matches!(self.stage(), Stage::Start);
        match error {
            FrameError::ProtocolHeader => Violation::protocol_header(octets),
            FrameError::UnknownKind(_) if first => Violation::protocol_header(octets),
            error => Violation::Frame(error),
        }
    }

    #[inline]
    fn method_frame(&mut self, frame: &Frame<'_>, now: Instant) -> Result<(), Violation> {
        match MethodId::peek(frame.payload) {
            Some(basic::Deliver::ID) => self.deliver(frame),
            Some(basic::Ack::ID) => {
                let ack = basic::Ack::decode(frame.payload).map_err(Violation::Decode)?;
                self.confirmed(frame.channel, ack.delivery_tag, ack.multiple, false);
                Ok(())
            }
            Some(basic::Nack::ID) => {
                let nack = basic::Nack::decode(frame.payload).map_err(Violation::Decode)?;
                self.confirmed(frame.channel, nack.delivery_tag, nack.multiple, true);
                Ok(())
            }
            _ => self.method(frame, now),
        }
    }

    /// Takes a delivery that is at hand as a whole; false if it has to be looked at frame by frame.
    #[inline]
    fn take_whole(&mut self, whole: &Whole<'_>) -> bool {
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
            return Err(Violation::UnexpectedContent {
                channel: frame.channel,
            });
        }
        let target = Target::Delivery {
            consumer_tag: deliver.consumer_tag.as_bytes().into(),
            delivery_tag: deliver.delivery_tag,
            redelivered: deliver.redelivered,
        };
        let at = content::layout_of_deliver(&deliver);
        channel.content.announce(target, arguments, at);
        Ok(())
    }

    fn header_frame(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        let max_message_size = self.max_message_size;
        let Some(channel) = self.in_channel(frame.channel)? else {
            return Ok(());
        };
        let complete = channel
            .content
            .header(frame.channel, frame.payload, max_message_size)?;
        self.complete(frame.channel, complete)
    }

    fn body_frame(&mut self, frame: &Frame<'_>) -> Result<(), Violation> {
        let Some(channel) = self.in_channel(frame.channel)? else {
            return Ok(());
        };
        let complete = channel.content.body(frame.channel, frame.payload)?;
        self.complete(frame.channel, complete)
    }

    pub(super) fn complete(
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
    pub(super) fn in_channel(&mut self, id: u16) -> Result<Option<&mut InChannel>, Violation> {
        match self.channels.get_mut(usize::from(id)) {
            Some(Some(channel)) => Ok(Some(channel)),
            // Frames for a channel that has just been closed may still be under way.
            Some(None) if id != 0 => Ok(None),
            _ => Err(Violation::UnknownChannel { channel: id }),
        }
    }

    fn confirmed(&mut self, channel: u16, number: u64, multiple: bool, nack: bool) {
        if self.acks.channel != channel {
            self.hand_over_confirms();
            self.acks.channel = channel;
        }
        self.acks.answers.push((number, multiple, nack));
    }

    /// Hands over what has been gathered. Wakers are left to be called.
    pub(super) fn hand_over(&mut self) {
        self.hand_over_confirms();
        self.hand_over_deliveries();
    }

    pub(super) fn hand_over_confirms(&mut self) {
        if self.acks.answers.is_empty() {
            return;
        }
        let id = self.acks.channel;
        if let Some(Some(channel)) = self.channels.get(usize::from(id)) {
            let published = self.link.outbox().published(id);
            let mut confirms = channel.shared.confirms();
            let (acked, nacked) = confirms.answered();
            for (number, multiple, nack) in self.acks.answers.drain(..) {
                confirms.settle(number, multiple, nack, published, &mut self.wakers);
            }
            if confirms.call_room(published, &mut self.wakers) {
                self.link.outbox().note_called();
            }
            let (acked_now, nacked_now) = confirms.answered();
            self.link.tally.confirmed.add_u64(acked_now - acked);
            self.link.tally.nacked.add_u64(nacked_now - nacked);
        }
        self.acks.answers.clear();
    }

    pub(super) fn hand_over_deliveries(&mut self) {
        if self.dirty.is_empty() {
            return;
        }
        let mut unwanted = Vec::new();
        let mut overflown = Vec::new();
        for (id, at) in self.dirty.drain(..) {
            let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
                continue;
            };
            let Some(consumer) = channel.consumers.get_mut(at) else {
                continue;
            };
            let octets = std::mem::take(&mut consumer.footprint);
            self.link.tally.delivered.add(consumer.batch.len());
            let too_much = consumer
                .queue
                .deliver(&mut consumer.batch, octets, &mut self.wakers);
            if too_much {
                overflown.push((channel.shared.at, Arc::clone(&consumer.queue)));
            }
            for delivery in consumer.batch.drain(..) {
                if !consumer.queue.no_ack {
                    unwanted.push((id, delivery.delivery_tag));
                }
            }
        }
        for (id, delivery_tag) in unwanted {
            self.requeue(id, delivery_tag);
        }
        for (at, queue) in overflown {
            self.cancel_for_nobody(at, &queue);
        }
    }
}

impl InChannel {
    /// Adds to a consumer's batch; true if it is the first of this read.
    #[inline]
    fn gather(&mut self, at: usize, delivery: RawDelivery) -> bool {
        let Some(consumer) = self.consumers.get_mut(at) else {
            return false;
        };
        let first = consumer.batch.is_empty();
        consumer.footprint += delivery.message.footprint();
        consumer.batch.push(delivery);
        first
    }
}
