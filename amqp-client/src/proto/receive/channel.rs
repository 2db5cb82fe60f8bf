//! The receiving side of one channel: who its deliveries are for.
//!
//! A delivery finds its consumer by tag, in a list that only the core touches. Which consumers a
//! channel has is decided in the outbox; this is where their deliveries are gathered during a read,
//! and where the ones that ended are remembered, for some deliveries for them may still come.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::automatic::Automatic;
use super::content::{Announced, Content};
use crate::error::{ChannelError, Violation};
use crate::message::numbered::Numbering;
use crate::message::{Layout, RawDelivery, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::Slot;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue, Delivered};
use crate::proto::shared::consumer_tags;
use crate::proto::shared::lost::Loss;

/// The receiving side of one channel.
#[derive(Debug)]
pub(crate) struct InChannel {
    pub(super) shared: Arc<ChannelShared>,
    /// Of what is delivered in this life of the channel.
    numbering: Numbering,
    pub(super) content: Content,
    /// Sorted by tag.
    consumers: Vec<InConsumer>,
    /// The consumer that the last delivery was for; the next is likely for the same.
    last: usize,
    /// The consumers that ended last, the latest at the end. Most channels have none.
    #[expect(clippy::box_collection, reason = "thousands of channels may be open")]
    ended: Option<Box<VecDeque<EndedConsumer>>>,
    /// There has been a consumer whose deliveries need no acknowledgement.
    automatic: bool,
    /// The highest number of any delivery handed over, or fetched, in this life or before.
    highest: u64,
    /// Something was handed over, or fetched, in this life that is the program's to settle.
    is_manual: bool,
    /// What is not, as far as the outbox does not know of it: nothing if there is both.
    needless: Automatic,
    /// All publishes up to this one have been answered.
    pub(super) answered: u64,
    /// What an earlier use of the id has left, if it may still be heard of.
    strays: Option<Box<Strays>>,
}

/// Deliveries of an earlier use of a channel id that may still come. RabbitMQ sends them up to 12
/// ms behind the `open-ok` of the next use when it has closed the channel itself, none when we
/// have.
///
/// A tag that was made up here tells by its number which use it is for. One that the program has
/// chosen does not, if it chooses it again; nor does any, if the channel is opened again.
#[derive(Debug)]
pub(super) struct Strays {
    /// The tags of consumers of earlier uses.
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
        let highest = shared.delivered();
        Self {
            numbering: Numbering::after(highest, shared.connection.generation()),
            shared,
            content: Content::Idle,
            consumers: Vec::new(),
            last: 0,
            ended: None,
            automatic: false,
            highest,
            is_manual: false,
            needless: Automatic::default(),
            answered: 0,
            strays,
        }
    }

    /// Which use of which id it is.
    #[inline]
    pub(crate) fn at(&self) -> ChannelUse {
        self.shared.at
    }

    /// How what is delivered is numbered.
    #[inline]
    pub(crate) fn numbering(&self) -> Numbering {
        self.numbering
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<ChannelShared> {
        &self.shared
    }

    /// A method has come that content follows.
    pub(crate) fn announce(&mut self, by: Announced, arguments: &[u8], layout: Layout) {
        self.content.announce(by, arguments, layout);
    }

    /// Whether a method may come: the frames of a content follow each other.
    pub(super) fn check_not_amid_content(&self, method: &'static str) -> Result<(), Violation> {
        if self.content.is_idle() {
            return Ok(());
        }
        let expected = self.content.expected();
        Err(Violation::content(self.at().channel, method, expected))
    }

    /// The request whose message is under way.
    pub(crate) fn fetching(&self) -> Option<&Slot> {
        self.content.fetching()
    }

    pub(crate) fn fetching_mut(&mut self) -> Option<&mut Slot> {
        self.content.fetching_mut()
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
        let n_consumers = &self.shared.connection.totals.consumers;
        n_consumers.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether deliveries with this tag may be for an earlier use of the id.
    pub(super) fn may_be_stray(&self, tag: &[u8], now: Instant) -> bool {
        let strays = self.strays.as_ref();
        strays.is_some_and(|strays| now < strays.until && strays.tags.contains(tag))
    }

    /// Whether a consumer has this tag that an earlier use of the id had as well. Once that cannot
    /// be heard of any more, it becomes one like all others.
    pub(super) fn is_suspect(&mut self, tag: &[u8], now: Instant) -> bool {
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

    /// The suspect with this tag, if a delivery continues the numbers of this use; all that came
    /// before it has been handed over.
    fn suspect(&mut self, tag: &[u8], delivery_tag: u64) -> Option<&mut InConsumer> {
        if !self.continues(delivery_tag) {
            return None;
        }
        self.note_delivered(delivery_tag);
        let strays = self.strays.as_mut()?;
        let at = strays.find(tag).ok()?;
        strays.suspects.get_mut(at)
    }

    /// The queue of the same.
    pub(super) fn suspect_queue(
        &mut self,
        tag: &[u8],
        delivery_tag: u64,
    ) -> Option<Arc<ConsumerQueue>> {
        let suspect = self.suspect(tag, delivery_tag)?;
        let queue = Arc::clone(&suspect.queue);
        self.note_kind(delivery_tag, queue.no_ack);
        Some(queue)
    }

    /// The queue of the consumer with this tag, unless it may be heard of from an earlier use.
    pub(super) fn queue_of(&mut self, tag: &[u8]) -> Option<Arc<ConsumerQueue>> {
        let at = self.find(tag)?;
        let consumer = self.consumers.get(at)?;
        Some(Arc::clone(&consumer.queue))
    }

    /// A delivery with this tag has come.
    pub(crate) fn note_delivered(&mut self, delivery_tag: u64) {
        self.highest = self.highest.max(delivery_tag);
        self.shared.set_delivered(self.highest);
    }

    /// A delivery that has come is the program's to settle, or not if it is `automatic`.
    pub(crate) fn note_kind(&mut self, delivery_tag: u64, automatic: bool) {
        self.is_manual |= !automatic;
        if automatic {
            self.needless.add(delivery_tag);
        }
        if self.is_manual {
            self.needless.tell(&self.shared);
        }
    }

    /// The highest number of what was delivered, and how many of it are not the program's to
    /// settle, as far as the outbox does not know.
    pub(crate) fn delivered(&self) -> (u64, u64) {
        (self.highest, self.needless.len())
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
        // One that was made up here comes again if the channel is opened again.
        tags.extend(all.chain(ended.map(|ended| &ended.tag)).cloned());
        (!tags.is_empty()).then(|| {
            Box::new(Strays {
                tags,
                until: now + STRAYS,
                suspects: Vec::new(),
            })
        })
    }

    /// Everything delivered so far has gone back to its queues: up to which number that is.
    pub(crate) fn recovered(&mut self, wakers: &mut Vec<Waker>) -> u64 {
        for consumer in self.all_consumers() {
            consumer.queue.recovered(self.highest);
        }
        // What those hold comes again as well that wait to subscribe.
        let handles = self.shared.consumers();
        for queue in handles.iter().filter(|queue| queue.waits_to_subscribe()) {
            queue.recovered(self.highest);
        }
        self.shared.gone_back(self.highest, wakers);
        // Nothing of it is to be settled any more, whatever it was.
        self.needless.clear();
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

    /// Adds to a consumer's batch; true if it is the first of this read.
    #[inline]
    pub(super) fn gather(&mut self, at: usize, delivery: RawDelivery) -> bool {
        let Some(consumer) = self.consumers.get_mut(at) else {
            return false;
        };
        let first = consumer.batch.is_empty();
        consumer.footprint += delivery.message.footprint();
        consumer.batch.push(delivery);
        first
    }

    /// Hands over what was gathered for the consumer at this position, or drops it if it is not
    /// `wanted`: what is not settled goes back when the connection closes.
    pub(super) fn hand_over(
        &mut self,
        at: usize,
        wanted: bool,
        left: &mut Left,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(consumer) = self.consumers.get_mut(at) else {
            return;
        };
        if let Some(last) = consumer.batch.last() {
            self.highest = self.highest.max(last.delivery_tag);
            self.shared.set_delivered(self.highest);
        }
        let automatic = consumer.queue.no_ack;
        self.is_manual |= !automatic && !consumer.batch.is_empty();
        if automatic {
            for delivery in &consumer.batch {
                self.needless.add(delivery.delivery_tag);
            }
        }
        if self.is_manual {
            self.needless.tell(&self.shared);
        }
        if wanted {
            consumer.hand_over(&self.shared, left, wakers);
        } else {
            consumer.discard();
        }
    }

    /// Hands a delivery to the suspect with this tag, if it is one of this use of the channel and
    /// is `wanted`; says whether that was so.
    pub(super) fn hand_to_suspect(
        &mut self,
        tag: &[u8],
        delivery: RawDelivery,
        wanted: bool,
        left: &mut Left,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let shared = Arc::clone(&self.shared);
        let suspect = self.suspect(tag, delivery.delivery_tag);
        let Some(suspect) = suspect.filter(|_| wanted) else {
            return false;
        };
        let (number, automatic) = (delivery.delivery_tag, suspect.queue.no_ack);
        suspect.footprint += delivery.message.footprint();
        suspect.batch.push(delivery);
        suspect.hand_over(&shared, left, wakers);
        self.note_kind(number, automatic);
        true
    }

    /// The tags of all consumers.
    #[cfg(test)]
    pub(crate) fn tags(&self) -> Vec<String> {
        let tag = |consumer: &InConsumer| String::from_utf8_lossy(&consumer.tag).into_owned();
        self.all_consumers().map(tag).collect()
    }

    /// Whether a delivery for a consumer without acknowledgements has come in part.
    pub(crate) fn is_amid_no_ack_delivery(&self) -> bool {
        let tag = self.content.consumer_tag();
        tag.is_some_and(|tag| {
            let mut consumers = self.all_consumers();
            consumers.any(|consumer| *consumer.tag == *tag && consumer.queue.no_ack)
        })
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
        let n_consumers = &self.shared.connection.totals.consumers;
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
    pub(super) fn was_manual(&self, tag: &[u8]) -> Option<bool> {
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
    pub(super) fn is_ours(&self, tag: &[u8]) -> bool {
        let mut ended = self.ended.iter().flat_map(|ended| ended.iter());
        self.has_made_up(tag) || ended.any(|ended| *ended.tag == *tag)
    }

    /// Whether the tag was made up for this use of the id, or may have been.
    fn has_made_up(&self, tag: &[u8]) -> bool {
        consumer_tags::number(tag).is_some_and(|number| number >= self.shared.consumer_tags_from)
    }

    /// The channel is over, for all that have to do with it.
    pub(crate) fn end(&mut self, loss: Loss, published: u64, wakers: &mut Vec<Waker>) {
        let cause = &loss.cause.clone();
        self.shared.end(loss, published, wakers);
        self.end_deliveries(cause, wakers);
    }

    /// The channel is opened anew: nothing that was sent on it has an answer any more.
    pub(crate) fn rest(&mut self, loss: Loss, wakers: &mut Vec<Waker>) {
        let (cause, sent) = (&loss.cause.clone(), loss.sent);
        self.shared.renew(loss, sent, wakers);
        self.shared.gone_back(self.highest, wakers);
        self.end_deliveries(cause, wakers);
    }

    /// The stream is gone, and the channel is to be opened on another: what was delivered comes
    /// again there. Gives the consumers that were active.
    pub(crate) fn disconnect(
        &mut self,
        cause: &ChannelError,
        wakers: &mut Vec<Waker>,
    ) -> Vec<Arc<ConsumerQueue>> {
        self.recovered(wakers);
        self.end_fetching(cause, wakers);
        self.take_consumers()
    }

    fn end_deliveries(&mut self, cause: &ChannelError, wakers: &mut Vec<Waker>) {
        for queue in self.take_consumers() {
            queue.end(ConsumerEnd::of_channel(cause), wakers);
        }
        self.end_fetching(cause, wakers);
    }

    fn take_consumers(&mut self) -> Vec<Arc<ConsumerQueue>> {
        let suspects = self
            .strays
            .iter_mut()
            .flat_map(|all| all.suspects.drain(..));
        let consumers = self.consumers.drain(..).chain(suspects);
        let queues: Vec<_> = consumers.map(|consumer| consumer.queue).collect();
        let totals = &self.shared.connection.totals;
        totals.consumers.fetch_sub(queues.len(), Ordering::Relaxed);
        queues
    }

    /// A message that is being fetched does not come any more.
    fn end_fetching(&mut self, cause: &ChannelError, wakers: &mut Vec<Waker>) {
        let content = std::mem::take(&mut self.content);
        if let Some(slot) = content.fetching() {
            let _ = slot.answer.settle(Err(cause.for_bystander()), wakers);
        }
    }
}

/// What is left to be done when batches have been handed over.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Deliveries that nothing takes, by number, and what settles them.
    pub(super) unwanted: Vec<(ChannelUse, u64, Settlement)>,
    /// Consumers that have ended for holding too much.
    pub(super) overflown: Vec<(ChannelUse, Arc<ConsumerQueue>)>,
}

impl InConsumer {
    /// Hands over what was gathered.
    #[inline]
    fn hand_over(&mut self, channel: &ChannelShared, left: &mut Left, wakers: &mut Vec<Waker>) {
        let octets = std::mem::take(&mut self.footprint);
        let (at, connection, queue) = (channel.at, &channel.connection, &self.queue);
        connection.totals.delivered.add(self.batch.len());
        match queue.deliver(&mut self.batch, octets, wakers) {
            Delivered::Fine => {}
            Delivered::Exceeded => {
                let (tag, prefetch) = (queue.tag.as_ref(), queue.prefetch());
                connection
                    .trace
                    .prefetch_exceeded(at.channel, tag, prefetch);
            }
            Delivered::TooMuch => left.overflown.push((at, Arc::clone(queue))),
        }
        for delivery in self.batch.drain(..) {
            if !queue.no_ack {
                let requeue =
                    queue.settled_by(&delivery.message, Settlement::Nack { requeue: true });
                left.unwanted.push((at, delivery.delivery_tag, requeue));
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
