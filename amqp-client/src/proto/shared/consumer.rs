//! Where the core leaves deliveries and a consumer picks them up.
//!
//! One lock on each side per batch: the core appends everything that one read brought, the consumer
//! takes what has come since, up to 1 MiB at a time. The core never waits for a consumer: one with
//! acknowledgements is bounded by its prefetch, and by `inbound_limit`; one without holds up the
//! reading of the socket (see `reading`), or, if that was asked for, is ended when it holds too
//! much.
//!
//! Which consumers a channel has, and which of them are being cancelled, stands in the outbox.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use amqp_spec::wire::ShortString;

use super::batches::Batches;
use super::connection::ConnectionShared;
use super::resubscription::Resubscription;
use crate::error::{ChannelError, ConnectionError, OversizedMessage};
use crate::message::{Incoming, RawDelivery, Settlement};
use crate::proto::wait::sync::{lock, touch};
use crate::proto::wait::{Latch, Sleeper};

/// What becomes of messages that are too large.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum OnOversized {
    /// The consumer ends.
    #[default]
    Cancel,
    /// They are rejected.
    Reject,
    /// They are yielded without their bodies, which [`RawDelivery::oversized_size`] tells.
    Mark,
}

/// Why a consumer receives nothing more.
#[derive(Clone, Debug)]
pub(crate) enum ConsumerEnd {
    /// The application cancelled it.
    Cancelled,
    /// The broker cancelled it: its queue was deleted, its node is gone, or its ack timeout passed.
    CancelledByBroker,
    /// It held more than it was allowed to, or most of what was too much for the connection; so it
    /// was cancelled.
    TooSlow,
    /// A message was too large; so it was cancelled.
    TooLarge(Arc<OversizedMessage>),
    /// The channel ended.
    Channel(ChannelError),
    /// The connection was lost and has come back, or the broker had cancelled it, and it could not be
    /// started once more.
    NotRestored(ChannelError),
}

impl ConsumerEnd {
    /// Whether the broker has closed the channel.
    fn is_close_by_broker(&self) -> bool {
        matches!(self, Self::Channel(ChannelError::ClosedByBroker(_)))
    }

    /// The channel ended, or its connection. What a consumer settles is its own doing, and so is
    /// what the broker says unasked; all else was another operation.
    pub(crate) fn of_channel(cause: &ChannelError) -> Self {
        let is_its_own = cause
            .broker_close()
            .is_some_and(|close| close.method.is_none() || close.is_about_a_settlement());
        Self::Channel(if is_its_own {
            cause.clone()
        } else {
            cause.for_bystander()
        })
    }
}

/// A stream that was lost while a consumer's channel goes on on another.
#[derive(Clone, Debug)]
pub(crate) struct LostStream {
    /// The number of the last publish of the channel that cannot have an answer any more.
    pub(crate) upto: u64,
    pub(crate) cause: ConnectionError,
}

/// The bit of [`ConsumerQueue::returned`] which says that offsets are noted.
const NOTES_OFFSETS: u64 = 1 << 63;

/// What core and consumer share.
#[derive(Debug)]
pub(crate) struct ConsumerQueue {
    pub(crate) tag: ShortString,
    /// The name of the queue that it consumes from.
    pub(crate) source: String,
    pub(crate) no_ack: bool,
    /// It was started with an offset, as consumers of streams are.
    pub(crate) with_offset: bool,
    /// More octets than these end it.
    limit: usize,
    pub(crate) on_oversized: OnOversized,
    /// How many deliveries the broker may have it hold; zero: any number.
    prefetch: AtomicU16,
    /// Deliveries up to this number have gone back to the broker. [`NOTES_OFFSETS`] besides, if it
    /// was started with an offset. Zero for most, and one look tells that there is nothing to do
    /// with a delivery but to yield it.
    returned: AtomicU64,
    /// The number of the last delivery that was yielded; zero: none was.
    yielded: AtomicU64,
    /// One more than the offset of the last message of a stream that was yielded; zero: none was.
    resume_offset: AtomicU64,
    /// It subscribes again when the broker has cancelled it.
    resubscription: Option<Box<Resubscription>>,
    connection: Arc<ConnectionShared>,
    state: Mutex<QueueState>,
}

#[derive(Debug, Default)]
struct QueueState {
    deliveries: Batches,
    /// What the batch occupies that the consumer works on.
    taken: usize,
    /// The same batch: what is in it.
    batch: Taken,
    waker: Option<Waker>,
    /// Why nothing more comes; besides the consumer itself, others wait for it.
    end: Latch<ConsumerEnd>,
    /// Why, once the broker has heard of the end.
    end_to_come: Option<ConsumerEnd>,
    /// What it holds counts no more, and nothing is added: its channel is being closed, or it has
    /// ended.
    let_go: bool,
    /// Nobody will pick anything up any more.
    handle_gone: bool,
    /// The broker has sent more than the prefetch allows, which has been told.
    exceeded: bool,
    /// The program does not want it any more.
    is_unwanted: bool,
    /// The broker is about to close its channel, and it outlives that.
    outlives: bool,
    /// Its channel has ended, and is opened again for it.
    rests: bool,
    /// It is asked for again when the program has taken everything, and the driver waits for that.
    drain_is_awaited: bool,
    /// How often its channel has been opened again behind its end.
    n_begun_again: u32,
    /// How many went back to the broker with the channel without having been taken.
    n_returned: usize,
    /// The last stream that was lost, for one without acknowledgements.
    lost_stream: Option<Box<LostStream>>,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Delivered {
    /// The consumer has it, or does not want it; then it is still in the batch.
    Fine,
    /// That is more than the prefetch allows; told once.
    Exceeded,
    /// That was too much: the consumer has ended and is to be cancelled.
    TooMuch,
}

impl ConsumerQueue {
    pub(crate) fn new(
        tag: ShortString,
        source: &str,
        no_ack: bool,
        limit: usize,
        connection: Arc<ConnectionShared>,
    ) -> Self {
        Self {
            tag,
            source: source.to_owned(),
            no_ack,
            with_offset: false,
            limit,
            on_oversized: OnOversized::Cancel,
            prefetch: AtomicU16::new(0),
            returned: AtomicU64::new(0),
            yielded: AtomicU64::new(0),
            resume_offset: AtomicU64::new(0),
            resubscription: None,
            connection,
            state: Mutex::default(),
        }
    }

    pub(crate) fn on_oversized(mut self, then: OnOversized) -> Self {
        self.on_oversized = then;
        self
    }

    pub(crate) fn with_offset(mut self, with_offset: bool) -> Self {
        self.with_offset = with_offset;
        if with_offset {
            self.returned = AtomicU64::new(NOTES_OFFSETS);
        }
        self
    }

    pub(crate) fn resubscribing(mut self, resubscription: Option<Resubscription>) -> Self {
        self.resubscription = resubscription.map(Box::new);
        self
    }

    /// How far it is, if it subscribes again when the broker has cancelled it.
    pub(crate) fn resubscription(&self) -> Option<&Resubscription> {
        self.resubscription.as_deref()
    }

    /// Whether the broker has cancelled it, and it waits to subscribe again.
    pub(crate) fn waits_to_subscribe(&self) -> bool {
        self.resubscription().is_some_and(Resubscription::waits)
    }

    /// What settles this message, where that is meant.
    pub(crate) fn settled_by(&self, message: &Incoming, settlement: Settlement) -> Settlement {
        settlement.of(self.with_offset && message.has_offset())
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        lock(&self.state)
    }

    /// `basic.consume` has been queued behind this limit.
    pub(crate) fn started_under(&self, prefetch: u16) {
        self.prefetch.store(prefetch, Ordering::Relaxed);
    }

    /// How many deliveries the broker may have it hold; zero: any number.
    pub(crate) fn prefetch(&self) -> u16 {
        self.prefetch.load(Ordering::Relaxed)
    }

    /// Hands over a batch that occupies `octets`. It comes back empty, or with what the consumer
    /// does not want.
    pub(crate) fn deliver(
        &self,
        batch: &mut Vec<RawDelivery>,
        octets: usize,
        wakers: &mut Vec<Waker>,
    ) -> Delivered {
        let mut state = self.state();
        if state.handle_gone || state.let_go || state.end.is_set() {
            return Delivered::Fine;
        }
        if state.deliveries.octets() + state.taken > self.limit {
            self.finish(&mut state, ConsumerEnd::TooSlow, wakers);
            return Delivered::TooMuch;
        }
        self.connection.reading.add(octets, self.no_ack);
        if self.with_offset {
            batch.iter_mut().for_each(RawDelivery::set_with_offset);
        }
        state.deliveries.push(batch, octets);
        self.call(&mut state, wakers);
        let prefetch = usize::from(self.prefetch());
        if prefetch > 0 && state.deliveries.len() > prefetch && !state.exceeded {
            state.exceeded = true;
            return Delivered::Exceeded;
        }
        Delivered::Fine
    }

    /// Takes the waker of the task that waits for a delivery, if one does, and ends its demand.
    fn call(&self, state: &mut QueueState, wakers: &mut Vec<Waker>) {
        if let Some(waker) = state.waker.take() {
            self.connection.end_demand();
            wakers.push(waker);
        }
    }

    /// The end, unless there has been one.
    fn finish(&self, state: &mut QueueState, end: ConsumerEnd, wakers: &mut Vec<Waker>) {
        state.rests = false;
        state.end.set(end, wakers);
        self.call(state, wakers);
    }

    /// Octets that it holds: not taken, or taken and not yielded.
    pub(crate) fn held(&self) -> usize {
        let state = self.state();
        if state.let_go {
            return 0;
        }
        state.deliveries.octets() + state.taken
    }

    /// Octets that have not been taken, unless it has ended.
    pub(crate) fn untaken(&self) -> usize {
        let state = self.state();
        if state.let_go || state.end.is_set() {
            return 0;
        }
        state.deliveries.octets()
    }

    /// Whether this library has ended it, or is about to.
    pub(crate) fn is_ended_here(&self) -> bool {
        let state = self.state();
        let ended = matches!(
            state.end.get(),
            Some(ConsumerEnd::TooSlow | ConsumerEnd::TooLarge(_))
        );
        ended || state.end_to_come.is_some()
    }

    /// Whether what is delivered is for nothing.
    pub(crate) fn wants_nothing(&self) -> bool {
        let state = self.state();
        state.handle_gone || state.let_go || state.end.is_set()
    }

    /// Ends a consumer over a message that is too large. One without acknowledgements ends when the
    /// broker has heard of it, lest it loses what comes until then.
    pub(crate) fn end_oversized(&self, end: ConsumerEnd, wakers: &mut Vec<Waker>) {
        if self.no_ack {
            self.state().end_to_come.get_or_insert(end);
        } else {
            self.end(end, wakers);
        }
    }

    /// The number of the message that it has ended over.
    pub(crate) fn oversized(&self) -> Option<u64> {
        match self.state().end.get() {
            Some(ConsumerEnd::TooLarge(message)) => Some(message.delivery_tag),
            _ => None,
        }
    }

    /// Nothing more will come.
    pub(crate) fn end(&self, end: ConsumerEnd, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        let unseen = if matches!(end, ConsumerEnd::Channel(_)) && !self.no_ack {
            // The broker has taken these back and delivers them again.
            self.take_back(&mut state, u64::MAX)
        } else {
            Unseen::default()
        };
        state.n_returned += unseen.deliveries.len();
        let outlives = std::mem::take(&mut state.outlives) && end.is_close_by_broker();
        let end_to_come = state.end_to_come.take();
        if outlives && state.may_rest() && end_to_come.is_none() {
            state.rests = true;
        } else {
            self.finish(&mut state, end_to_come.unwrap_or(end), wakers);
        }
        // Nothing is added any more, so that what is left needs no bound.
        let octets = unseen.octets + state.let_go();
        drop(state);
        self.connection.release_buffered(octets, self.no_ack);
    }

    /// The channel that it ended with is opened again, behind deliveries with numbers up to this
    /// one. False if it did not end so, or its handle is gone.
    pub(crate) fn begin_again(&self, delivered: u64) -> bool {
        let mut state = self.state();
        let has_ended = matches!(state.end.get(), Some(ConsumerEnd::Channel(_)));
        let rested = std::mem::take(&mut state.rests);
        if !(has_ended || rested) || state.handle_gone {
            return false;
        }
        let before = state.end.clear();
        state.n_begun_again = state.n_begun_again.wrapping_add(1);
        state.n_returned = 0;
        state.exceeded = false;
        let mut octets = 0;
        if std::mem::take(&mut state.let_go) {
            // One without acknowledgements keeps what has come.
            octets = state.deliveries.octets() + state.taken;
        }
        if !self.no_ack {
            let notes = if self.with_offset { NOTES_OFFSETS } else { 0 };
            touch(&self.returned).store(delivered | notes, Ordering::SeqCst);
        }
        drop(state);
        drop(before);
        self.connection.reading.add(octets, self.no_ack);
        true
    }

    /// The broker closes its channel: whether it outlives that.
    pub(crate) fn channel_closes(&self, now: Instant) {
        let Some(resubscription) = self.resubscription() else {
            return;
        };
        let mut state = self.state();
        state.outlives = state.may_rest()
            && resubscription.outlives_the_channel()
            && resubscription.cancelled(now);
    }

    /// Whether its channel has ended, and is to be opened again for it.
    pub(crate) fn rests(&self) -> bool {
        let state = self.state();
        state.rests && !state.handle_gone
    }

    /// Ends it if it rests.
    pub(crate) fn end_rest(&self, end: ConsumerEnd, wakers: &mut Vec<Waker>) {
        let mut state = self.state();
        if state.rests {
            self.finish(&mut state, end, wakers);
        }
    }

    /// The program does not want it any more. True if it has ended with that, for it has no channel.
    pub(crate) fn unwanted(&self, wakers: &mut Vec<Waker>) -> bool {
        let mut state = self.state();
        state.is_unwanted = true;
        let rests = state.rests;
        if rests {
            self.finish(&mut state, ConsumerEnd::Cancelled, wakers);
        }
        rests
    }

    /// How often it has begun again.
    pub(crate) fn n_begun_again(&self) -> u32 {
        self.state().n_begun_again
    }

    /// Ends a consumer with acknowledgements that holds too much, and gives what it has not taken.
    pub(crate) fn end_too_slow(&self, wakers: &mut Vec<Waker>) -> Batches {
        let mut state = self.state();
        if state.let_go {
            // Its channel has been closed a moment ago.
            return Batches::default();
        }
        let deliveries = state.deliveries.take_all();
        let octets = deliveries.octets();
        self.finish(&mut state, ConsumerEnd::TooSlow, wakers);
        drop(state);
        self.connection.release_buffered(octets, self.no_ack);
        deliveries
    }

    /// The connection is being shut down: nothing more is yielded. Gives what is to go back for
    /// that; of a consumer without acknowledgements nothing can, and what has come is yielded.
    pub(crate) fn stop(&self, wakers: &mut Vec<Waker>) -> Unyielded {
        let mut state = self.state();
        if self.no_ack || state.handle_gone {
            return Unyielded::default();
        }
        let unseen = self.take_back(&mut state, u64::MAX);
        state.n_returned += unseen.deliveries.len();
        self.finish(&mut state, ConsumerEnd::Cancelled, wakers);
        let taken = std::mem::take(&mut state.batch);
        drop(state);
        self.connection.release_buffered(unseen.octets, self.no_ack);
        Unyielded {
            untaken: unseen.deliveries,
            taken,
        }
    }

    /// Whether it receives the replies to calls: it brings no work.
    pub(crate) fn is_of_replies(&self) -> bool {
        self.no_ack && DIRECT_REPLIES.contains(&self.source.as_str())
    }

    /// Deliveries up to this tag have gone back to the broker, with the stream perhaps: those that
    /// were not yielded come again, with other numbers, and are dropped. Without acknowledgements
    /// they would not come again, and stay.
    pub(crate) fn recovered(&self, delivery_tag: u64) {
        if self.no_ack {
            return;
        }
        let mut state = self.state();
        let unseen = self.take_back(&mut state, delivery_tag);
        drop(state);
        self.connection.release_buffered(unseen.octets, self.no_ack);
    }

    /// The stream is lost, and the consumer is started again on another. One without
    /// acknowledgements is called to look: it may be one of replies, of which none comes any more.
    pub(crate) fn lose_stream(&self, lost: LostStream, wakers: &mut Vec<Waker>) {
        if !self.no_ack {
            return;
        }
        let mut state = self.state();
        let before = state.lost_stream.replace(Box::new(lost));
        self.call(&mut state, wakers);
        drop(state);
        drop(before);
    }

    /// The last stream that was lost, if it is one without acknowledgements.
    pub(crate) fn lost_stream(&self) -> Option<LostStream> {
        self.state().lost_stream.as_deref().cloned()
    }

    fn take_back(&self, state: &mut QueueState, delivery_tag: u64) -> Unseen {
        touch(&self.returned).fetch_max(delivery_tag, Ordering::SeqCst);
        let before = state.deliveries.octets();
        let mut unseen = Unseen {
            deliveries: state.deliveries.take_up_to(delivery_tag),
            octets: 0,
        };
        let octets = before - state.deliveries.octets();
        if !state.let_go {
            unseen.octets = octets;
        }
        unseen
    }

    /// The number up to which deliveries have gone back to the broker; zero: none has.
    pub(crate) fn returned(&self) -> u64 {
        self.returned.load(Ordering::Acquire) & !NOTES_OFFSETS
    }

    /// Whether all have, for good: nothing more is yielded.
    pub(crate) fn has_all_gone_back(&self) -> bool {
        self.returned.load(Ordering::Acquire) == u64::MAX
    }

    /// Whether what was taken is more than to be yielded: some of it may have gone back, or its
    /// offsets are noted.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.returned.load(Ordering::Acquire) > 0
    }

    /// The delivery of this number is yielded to the program.
    #[inline]
    pub(crate) fn note_yielded(&self, delivery_tag: u64) {
        // One task yields, so that the last is the highest.
        self.yielded.store(delivery_tag, Ordering::Relaxed);
    }

    /// This delivery is yielded to the program, for a consumer that was started with an offset: to
    /// go on behind it.
    #[cold]
    pub(crate) fn note_offset(&self, delivery: &RawDelivery) {
        if let Some(offset) = delivery.message.stream_offset() {
            let next = offset.saturating_add(1);
            self.resume_offset.store(next, Ordering::Relaxed);
        }
    }

    /// The number of the last delivery that was yielded; zero: none was.
    pub(crate) fn yielded(&self) -> u64 {
        self.yielded.load(Ordering::Relaxed)
    }

    /// Where a consumer of a stream goes on: behind the last message that was yielded. `None` if
    /// that is where it was to begin.
    pub(crate) fn resume_offset(&self) -> Option<u64> {
        let next = self.resume_offset.load(Ordering::Relaxed);
        (next > 0).then_some(next)
    }

    /// Its channel is being closed: what it holds counts no more, and nothing is added.
    pub(crate) fn let_go(&self) {
        let octets = self.state().let_go();
        self.connection.release_buffered(octets, self.no_ack);
    }

    /// Waits for the end: of what was sent to it, not of what it has yielded.
    pub(crate) fn poll_end(
        &self,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<ConsumerEnd> {
        // Until the broker has answered, more may come.
        Sleeper::poll(context, |sleeper| self.state().end.poll(ticket, sleeper))
    }

    /// Whoever waited for the end does so no longer.
    pub(crate) fn forget_watcher(&self, ticket: u64) {
        let waker = self.state().end.forget(ticket);
        drop(waker);
    }

    /// Whether the program has taken everything that has come. If not, the driver is called when it
    /// has.
    pub(crate) fn is_drained(&self) -> bool {
        let mut state = self.state();
        let is_drained = state.deliveries.is_empty() && state.taken == 0;
        state.drain_is_awaited = !is_drained;
        is_drained
    }

    /// How many deliveries wait to be taken.
    pub(crate) fn len(&self) -> usize {
        self.state().deliveries.len()
    }

    /// How many have not been taken: those that wait to be, and those that went back to the broker.
    pub(crate) fn n_untaken(&self) -> usize {
        let state = self.state();
        state.deliveries.len() + state.n_returned
    }

    /// Takes what has come, into the empty `into`, when what was taken before has been yielded. Or
    /// says why nothing more comes.
    pub(crate) fn poll_take(
        &self,
        into: &mut VecDeque<RawDelivery>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), ConsumerEnd>> {
        Sleeper::poll(context, |sleeper| self.take_or_wait(into, sleeper))
    }

    fn take_or_wait(
        &self,
        into: &mut VecDeque<RawDelivery>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<(), ConsumerEnd>> {
        let mut state = self.state();
        let done = state.release();
        let waits = state.waker.is_some();
        let taken = self.take(&mut state, into, sleeper);
        let begins_to_wait = !waits && state.waker.is_some();
        let is_drained = taken.is_pending() && std::mem::take(&mut state.drain_is_awaited);
        drop(state);
        self.connection.release_buffered(done, self.no_ack);
        if begins_to_wait {
            self.connection.demand();
        }
        if is_drained {
            self.connection.call_driver();
        }
        taken
    }

    fn take(
        &self,
        state: &mut QueueState,
        into: &mut VecDeque<RawDelivery>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<(), ConsumerEnd>> {
        if !state.deliveries.is_empty() {
            state.taken = state.deliveries.take(into);
            state.batch.begin(into);
            return Poll::Ready(Ok(()));
        }
        if let Some(end) = state.end.get() {
            return Poll::Ready(Err(end.clone()));
        }
        sleeper.wait_in(&mut state.waker);
        Poll::Pending
    }

    /// The handle goes away: gives back what it has not seen.
    pub(crate) fn abandon(&self) -> Batches {
        let mut state = self.state();
        state.handle_gone = true;
        let unseen = state.deliveries.take_all();
        let octets = state.release() + if state.let_go { 0 } else { unseen.octets() };
        let waker = state.waker.take();
        drop(state);
        if waker.is_some() {
            self.connection.end_demand();
        }
        self.connection.release_buffered(octets, self.no_ack);
        unseen
    }
}

/// The pseudo-queue of direct replies, as RabbitMQ and LavinMQ call it.
const DIRECT_REPLIES: [&str; 2] = ["amq.rabbitmq.reply-to", "amq.direct.reply-to"];

/// The deliveries of a batch that a consumer has taken: it yields them without a lock, one by one,
/// and says up to which number it has.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    first: u64,
    last: u64,
    /// All of them, if other consumers of the channel have numbers in between.
    scattered: Vec<u64>,
    from_stream: bool,
}

impl Taken {
    /// The consumer takes this batch, and has yielded the one before.
    fn begin(&mut self, batch: &VecDeque<RawDelivery>) {
        let (Some(first), Some(last)) = (batch.front(), batch.back()) else {
            return;
        };
        (self.first, self.last) = (first.delivery_tag, last.delivery_tag);
        self.from_stream = first.is_from_stream();
        self.scattered.clear();
        // The broker may number them as it likes.
        if self.last.wrapping_sub(self.first) != batch.len() as u64 - 1 {
            let tags = batch.iter().map(|raw| raw.delivery_tag);
            self.scattered.extend(tags);
        }
    }

    /// The numbers above this one.
    pub(crate) fn above(&self, yielded: u64) -> impl Iterator<Item = u64> {
        let (first, last) = match self.scattered.is_empty() {
            true => (self.first.max(yielded.saturating_add(1)).max(1), self.last),
            false => (1, 0),
        };
        let scattered = self.scattered.iter().copied();
        (first..=last).chain(scattered.filter(move |&tag| tag > yielded))
    }

    /// What settles each of them, where this is meant.
    pub(crate) fn settled_by(&self, settlement: Settlement) -> Settlement {
        settlement.of(self.from_stream)
    }
}

/// What a consumer has not yielded when it is stopped.
#[derive(Debug, Default)]
pub(crate) struct Unyielded {
    pub(crate) untaken: Vec<RawDelivery>,
    /// The batch that it works on, of which it may have yielded some.
    pub(crate) taken: Taken,
}

/// What has gone back to the broker; to be dropped without a lock.
#[derive(Debug, Default)]
struct Unseen {
    deliveries: Vec<RawDelivery>,
    /// What counted.
    octets: usize,
}

impl QueueState {
    /// Whether it may wait for its channel to be opened again.
    fn may_rest(&self) -> bool {
        !self.handle_gone && !self.is_unwanted && !self.end.is_set()
    }

    /// What it holds counts no more. Says how many octets did.
    fn let_go(&mut self) -> usize {
        if std::mem::replace(&mut self.let_go, true) {
            return 0;
        }
        self.deliveries.octets() + self.taken
    }

    /// What was taken has been yielded. Says how many octets count no more.
    fn release(&mut self) -> usize {
        let taken = std::mem::take(&mut self.taken);
        if self.let_go { 0 } else { taken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::numbered::Numbered;
    use crate::message::{Incoming, Layout};
    use crate::tests::support::pair::Pair;
    use crate::tests::support::schedule::{Model, explore};

    #[test]
    fn delivery_that_goes_back_while_it_is_counted_is_counted_once() {
        explore(|| {
            let connection = Arc::clone(Pair::open().core.shared());
            let queue = ConsumerQueue::new(ShortString::default(), "q", false, 1, connection);
            let queue = Arc::new(queue);
            let message = Incoming::new(Box::default(), Layout::default());
            let mut batch = vec![RawDelivery::new(message, Numbered::first(1), false)];
            queue.deliver(&mut batch, 0, &mut Vec::new());
            let ending = Arc::clone(&queue);
            Model::new()
                .actor("adapter", move || {
                    ending.end(ConsumerEnd::Channel(ChannelError::Closed), &mut Vec::new());
                })
                .actor("count", move || assert_eq!(queue.n_untaken(), 1))
        });
    }
}
