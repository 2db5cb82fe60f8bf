//! Parsing what one read brought, and handing it over.
//!
//! Deliveries and confirms, the bulk of all traffic, are gathered while parsing and handed over
//! once per read: one lock and at most one wake-up for each consumer, one lock for each channel's
//! run of confirms. Everything else is rare and handled at once, in [`super::methods`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_spec::basic;
use amqp_spec::frame::{self, Frame, FrameError, FrameKind};
use amqp_spec::wire::{MethodId, Reader, TypedMethod};

use super::channel::ChannelShared;
use super::consumer::{ConsumerQueue, Delivered, End, RawDelivery};
use super::content::{self, Complete, Content, Target};
use super::core::Core;
use super::incoming::Incoming;
use super::outbox::{At, Settlement};
use super::tags;
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
    /// The highest tag of any delivery handed over, or fetched.
    pub(super) highest: u64,
    /// What an earlier use of the id has left, if it may still be heard of.
    strays: Option<Box<Strays>>,
}

/// Deliveries of an earlier use of a channel id that may still come. RabbitMQ sends them up to 12 ms
/// behind the `open-ok` of the next use when it has closed the channel itself, none when we have.
///
/// A tag that was made up here tells by its number which use it is for; one that the program has
/// chosen does not, if it chooses it again.
#[derive(Debug)]
pub(super) struct Strays {
    /// The tags that the program chose for consumers of earlier uses.
    tags: BTreeSet<Box<[u8]>>,
    until: Instant,
    /// Consumers of this use that have such a tag, sorted by it. Their deliveries are those that
    /// continue the numbers of this use.
    suspects: Vec<InConsumer>,
}

/// How long deliveries of an earlier use are reckoned with.
const STRAYS: Duration = Duration::from_secs(10);

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
    pub(super) fn new(shared: Arc<ChannelShared>, strays: Option<Box<Strays>>) -> Self {
        Self {
            shared,
            content: Content::Idle,
            consumers: Vec::new(),
            last: 0,
            ended: None,
            automatic: false,
            highest: 0,
            strays,
        }
    }

    #[inline]
    pub(super) fn find(&mut self, tag: &[u8]) -> Option<usize> {
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

    /// Adds a consumer, unless it is there already.
    pub(crate) fn add_consumer(&mut self, queue: Arc<ConsumerQueue>, now: Instant) {
        let tag: Box<[u8]> = queue.tag.as_bytes().into();
        self.automatic |= queue.no_ack;
        let at = self
            .consumers
            .binary_search_by(|consumer| (*consumer.tag).cmp(&tag));
        let Err(at) = at else { return };
        let is_suspect = self.may_be_stray(&tag, now);
        let consumer = InConsumer {
            tag,
            queue,
            batch: Vec::new(),
            footprint: 0,
        };
        match self.strays.as_mut().filter(|_| is_suspect) {
            Some(strays) => match strays.find(&consumer.tag) {
                Ok(_) => return,
                Err(at) => strays.suspects.insert(at, consumer),
            },
            None => self.consumers.insert(at, consumer),
        }
        let n_consumers = &self.shared.link.tally.consumers;
        n_consumers.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether deliveries with this tag may be for an earlier use of the id.
    pub(crate) fn may_be_stray(&self, tag: &[u8], now: Instant) -> bool {
        let strays = self.strays.as_ref();
        strays.is_some_and(|strays| now < strays.until && strays.tags.contains(tag))
    }

    /// Whether a consumer has this tag that an earlier use of the id had as well. Once that cannot be
    /// heard of any more, it becomes one like all others.
    pub(crate) fn is_suspect(&mut self, tag: &[u8], now: Instant) -> bool {
        let Some(strays) = &mut self.strays else {
            return false;
        };
        if now < strays.until {
            return strays.find(tag).is_ok();
        }
        let suspects = std::mem::take(&mut strays.suspects);
        self.strays = None;
        for consumer in suspects {
            let by_tag = |known: &InConsumer| known.tag.cmp(&consumer.tag);
            if let Err(at) = self.consumers.binary_search_by(by_tag) {
                self.consumers.insert(at, consumer);
            }
        }
        false
    }

    /// The suspect with this tag, if a delivery continues the numbers of this use; all that came before
    /// it has been handed over.
    fn suspect(&mut self, tag: &[u8], delivery_tag: u64) -> Option<&mut InConsumer> {
        if !self.continues(delivery_tag) {
            return None;
        }
        self.highest = delivery_tag;
        let strays = self.strays.as_mut()?;
        let at = strays.find(tag).ok()?;
        strays.suspects.get_mut(at)
    }

    /// Whether this is the number of the next delivery of this use.
    pub(super) fn continues(&self, delivery_tag: u64) -> bool {
        self.highest.checked_add(1) == Some(delivery_tag)
    }

    /// What this use leaves to the next one of its id, if the broker has closed it.
    pub(super) fn leave(&mut self, now: Instant) -> Option<Box<Strays>> {
        let mut tags = BTreeSet::new();
        if let Some(strays) = self.strays.as_mut().filter(|strays| now < strays.until) {
            tags = std::mem::take(&mut strays.tags);
        }
        let ended = self.ended.iter().flat_map(|ended| ended.iter());
        let all = self.all_consumers().map(|consumer| &consumer.tag);
        for tag in all.chain(ended.map(|ended| &ended.tag)) {
            if tags::number(tag).is_none() {
                tags.insert(tag.clone());
            }
        }
        (!tags.is_empty()).then(|| {
            Box::new(Strays {
                tags,
                until: now + STRAYS,
                suspects: Vec::new(),
            })
        })
    }

    /// Everything delivered so far has gone back to its queues.
    pub(crate) fn recovered(&mut self) -> u64 {
        for consumer in self.all_consumers() {
            consumer.queue.recovered(self.highest);
        }
        self.highest
    }

    fn all_consumers(&self) -> impl Iterator<Item = &InConsumer> {
        let suspects = self.strays.iter().flat_map(|strays| &strays.suspects);
        self.consumers.iter().chain(suspects)
    }

    /// The queues of all consumers.
    pub(crate) fn queues(&self) -> impl Iterator<Item = &Arc<ConsumerQueue>> {
        self.all_consumers().map(|consumer| &consumer.queue)
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
        self.all_consumers().map(tag).collect()
    }

    /// Takes the consumer of this tag away, if there is one.
    pub(crate) fn remove_consumer(&mut self, tag: &[u8]) -> Option<Arc<ConsumerQueue>> {
        let by_tag = |consumer: &InConsumer| (*consumer.tag).cmp(tag);
        let consumer = match self.consumers.binary_search_by(by_tag) {
            Ok(at) => self.consumers.remove(at),
            Err(_) => {
                let strays = self.strays.as_mut()?;
                let at = strays.find(tag).ok()?;
                strays.suspects.remove(at)
            }
        };
        let n_consumers = &self.shared.link.tally.consumers;
        n_consumers.fetch_sub(1, Ordering::Relaxed);
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
            // What another use of the id has asked for is not ours to settle.
            None if !self.has_made_up(tag) => Some(false),
            None => self.automatic.then_some(false),
        }
    }

    /// Whether deliveries with the tag of a consumer that is not there any more are of this use for
    /// certain, unless an earlier one had the tag as well.
    pub(crate) fn is_ours(&self, tag: &[u8]) -> bool {
        let mut ended = self.ended.iter().flat_map(|ended| ended.iter());
        self.has_made_up(tag) || ended.any(|ended| *ended.tag == *tag)
    }

    /// Whether the tag was made up for this use of the id, or may have been.
    pub(crate) fn has_made_up(&self, tag: &[u8]) -> bool {
        tags::number(tag).is_some_and(|number| number >= self.shared.consumer_tags_from)
    }

    /// The channel is over, for everybody who has to do with it; `sent` is the number of the last
    /// publish that was sent.
    pub(crate) fn end(&mut self, cause: &ChannelError, sent: u64, wakers: &mut Vec<Waker>) {
        self.shared.end(cause, sent, wakers);
        let (acked, nacked) = self.shared.confirms().answered();
        let tally = &self.shared.link.tally;
        tally.answered_before.add_u64(acked + nacked);
        let suspects = self
            .strays
            .iter_mut()
            .flat_map(|all| all.suspects.drain(..));
        for consumer in self.consumers.drain(..).chain(suspects) {
            tally.consumers.fetch_sub(1, Ordering::Relaxed);
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
        let mut left = Left::default();
        for (id, at) in self.dirty.drain(..) {
            let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
                continue;
            };
            let Some(consumer) = channel.consumers.get_mut(at) else {
                continue;
            };
            if let Some(last) = consumer.batch.last() {
                channel.highest = channel.highest.max(last.delivery_tag);
            }
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
    pub(super) fn deliver_to_suspect(
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
        if self.inbound_limit > 0 && self.link.reading.manual() > self.inbound_limit {
            self.shed();
        }
    }

    /// Consumers with acknowledgements hold more than the connection may: those that hold most are
    /// cancelled, and what they have not taken goes back to the broker.
    #[cold]
    fn shed(&mut self) {
        while self.link.reading.manual() > self.inbound_limit {
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
            self.link
                .trace
                .consumer_too_slow(at.channel, queue.tag.as_ref(), limit);
            let untaken = queue.end_too_slow(&mut self.wakers);
            // Before the deliveries go back, lest they come here again.
            self.cancel_for_nobody(at, &queue);
            for delivery in untaken {
                let requeue = Settlement::Nack { requeue: true };
                let settled = self
                    .link
                    .outbox()
                    .settle(at, delivery.delivery_tag, requeue);
                settled.unwrap_or_default().not_amid_a_turn();
            }
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

/// What is left to be done when batches have been handed over.
#[derive(Debug, Default)]
struct Left {
    /// Deliveries that nothing takes: channel and number.
    unwanted: Vec<(u16, u64)>,
    /// Consumers that have ended for holding too much.
    overflown: Vec<(At, Arc<ConsumerQueue>)>,
}

impl InConsumer {
    /// Hands over what was gathered.
    #[inline]
    fn hand_over(&mut self, channel: &ChannelShared, left: &mut Left, wakers: &mut Vec<Waker>) {
        let octets = std::mem::take(&mut self.footprint);
        let (at, link, queue) = (channel.at, &channel.link, &self.queue);
        link.tally.delivered.add(self.batch.len());
        match queue.deliver(&mut self.batch, octets, wakers) {
            Delivered::Fine => {}
            Delivered::Exceeded => {
                let (tag, prefetch) = (queue.tag.as_ref(), queue.prefetch());
                link.trace.prefetch_exceeded(at.channel, tag, prefetch);
            }
            Delivered::TooMuch => left.overflown.push((at, Arc::clone(queue))),
        }
        for delivery in self.batch.drain(..) {
            if !queue.no_ack {
                left.unwanted.push((at.channel, delivery.delivery_tag));
            }
        }
    }

    fn discard(&mut self) {
        self.footprint = 0;
        self.batch.clear();
    }
}

impl Strays {
    /// The suspect with this tag, or where one would stand.
    fn find(&self, tag: &[u8]) -> Result<usize, usize> {
        self.suspects
            .binary_search_by(|suspect| (*suspect.tag).cmp(tag))
    }
}
