//! What every handle of a connection shares with the core.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_spec::wire::ShortString;

use super::consumer_tags;
use super::logins::Logins;
use super::place::Place;
use super::reading::Reading;
use super::renames::Renames;
use super::state::StateWatch;
use super::timers::Timers;
use crate::error::{ChannelError, ConnectionError};
use crate::message::{Incoming, ReturnedMessage};
use crate::proto::channel_use::ChannelUse;
use crate::proto::config::Limits;
use crate::proto::observe::{Event, Listeners, Source, Totals, Trace};
use crate::proto::recovery::Recovery;
use crate::proto::send::outbox::Outbox;
use crate::proto::shutdown::ShutdownWatch;
use crate::proto::time::clock::Clock;
use crate::proto::wait::sync::lock;
use crate::proto::wait::{self, LockedLatch};

/// The shared state of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionShared {
    outbox: Mutex<Outbox>,
    /// What consumers hold, and who waits for what has to be read.
    pub(crate) reading: Reading,
    next_consumer_tag: AtomicU64,
    /// How many streams it has been open on.
    n_streams: AtomicU32,
    pub(crate) consumer_tag_seed: u64,
    /// How long a request may wait for its reply.
    pub(crate) request_timeout: Duration,
    /// How long a publish waits for the connection to come back.
    pub(crate) patience: Duration,
    /// The adapter's clock.
    pub(crate) clock: Clock,
    limits: Mutex<Limits>,
    place: Mutex<Place>,
    renames: Mutex<Renames>,
    /// Why the connection ended.
    pub(crate) end: LockedLatch<ConnectionError>,
    /// Where it stands.
    pub(crate) standing: StateWatch,
    /// Whether it is shut down, and what that leaves.
    pub(crate) shutdown: ShutdownWatch,
    /// With what it has logged in.
    pub(crate) logins: Logins,
    pub(crate) listeners: Listeners,
    pub(crate) totals: Totals,
    /// Who waits for a time.
    pub(crate) timers: Timers,
    pub(crate) trace: Trace,
}

impl ConnectionShared {
    pub(crate) fn new(
        outbox: Outbox,
        request_timeout: Duration,
        clock: Clock,
        trace: Trace,
    ) -> Self {
        Self {
            outbox: Mutex::new(outbox),
            reading: Reading::default(),
            next_consumer_tag: AtomicU64::new(1),
            n_streams: AtomicU32::new(0),
            consumer_tag_seed: 0,
            request_timeout,
            patience: Recovery::new().patience_limit(),
            clock,
            limits: Mutex::new(Limits {
                channel_max: 0,
                frame_max: 0,
                heartbeat: Duration::ZERO,
            }),
            place: Mutex::default(),
            renames: Mutex::default(),
            end: LockedLatch::default(),
            standing: StateWatch::default(),
            shutdown: ShutdownWatch::default(),
            logins: Logins::default(),
            listeners: Listeners::default(),
            totals: Totals::default(),
            timers: Timers::default(),
            trace,
        }
    }

    /// The outbox. Held for nanoseconds; nobody wakes, waits or allocates much under it.
    #[inline]
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        lock(&self.outbox)
    }

    /// Whether the outbox is locked.
    #[cfg(test)]
    pub(crate) fn is_locked(&self) -> bool {
        // In a race that is over, a thread may have been thrown out while it held it.
        matches!(
            self.outbox.try_lock(),
            Err(std::sync::TryLockError::WouldBlock)
        )
    }

    /// Consumers have taken deliveries, or will not: reading may go on.
    pub(crate) fn release_buffered(&self, octets: usize, no_ack: bool) {
        if octets > 0 && self.reading.release(octets, no_ack) {
            self.wake_reader();
        }
    }

    /// One more waits for something that has to be read; to be called without a lock.
    pub(crate) fn demand(&self) {
        if self.reading.demand() {
            self.wake_reader();
        }
    }

    /// One less does.
    pub(crate) fn end_demand(&self) {
        self.reading.end_demand();
    }

    /// Something has come about that the driver waits for.
    #[cold]
    pub(crate) fn call_driver(&self) {
        let wake = self.outbox().order_mut().call_driver();
        wake.now();
    }

    #[cold]
    fn wake_reader(&self) {
        let wake = self.outbox().order_mut().wake_always();
        wake.now();
    }

    pub(crate) fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
        self.outbox()
            .order_mut()
            .set_frame_max(usize::try_from(limits.frame_max).unwrap_or(usize::MAX));
    }

    /// Where the present stream leads, or the one that is lost, until there is another.
    pub(crate) fn place(&self) -> Place {
        lock(&self.place).clone()
    }

    pub(crate) fn set_place(&self, place: Place) {
        *lock(&self.place) = place;
    }

    /// Another stream leads here.
    pub(crate) fn moved(&self, place: Place) {
        self.trace.moved(&place.address, place.peer);
        self.set_place(place);
    }

    /// The present name of the queue that has or had this one.
    pub(crate) fn current_name<'n>(&self, queue: Cow<'n, str>) -> Cow<'n, str> {
        if !Renames::may_concern(&queue) {
            return queue;
        }
        let renames = lock(&self.renames);
        match renames.present(&queue) {
            Some(present) => Cow::Owned(present.to_owned()),
            None => queue,
        }
    }

    #[cfg(test)]
    pub(crate) fn n_renames(&self) -> usize {
        lock(&self.renames).len()
    }

    /// Queues have new names, or have gone with those that they had.
    pub(crate) fn set_renames(&self, renames: Renames) {
        *lock(&self.renames) = renames;
    }

    /// The stream is lost, and what this channel had on it is not back: since when.
    pub(crate) fn recovering_since(&self, at: ChannelUse) -> Option<Instant> {
        let outbox = self.outbox();
        outbox.recovering(at).map(|&(_, since)| since)
    }

    /// What is said of a channel whose stream was lost to this, then.
    pub(crate) fn recovering_from(
        &self,
        (lost, since): (ConnectionError, Instant),
    ) -> ChannelError {
        let now = self.clock.now();
        let after = now - since;
        let lost = Box::new(lost);
        ChannelError::Recovering { after, lost }
    }

    /// What is said when time is up for an answer that a loss or an alarm may have kept back.
    pub(crate) fn no_answer(&self, at: ChannelUse, method: &'static str) -> ChannelError {
        let lost = self.outbox().recovering(at).cloned();
        if let Some(lost) = lost {
            return self.recovering_from(lost);
        }
        match self.outbox().room().blocked() {
            Some(reason) => ChannelError::BlockedTimeout { reason },
            None => self.reading.no_reply(method),
        }
    }

    /// The connection is over.
    pub(crate) fn end(&self, cause: &ConnectionError, wakers: &mut Vec<Waker>) {
        self.end.set(cause.clone(), wakers);
    }

    /// Tells whoever listens; returns how many they were.
    pub(crate) fn emit(&self, from: Source, event: &Event, wakers: &mut Vec<Waker>) -> usize {
        let (listeners, missed) = self.listeners.emit(from, event, wakers);
        self.totals.events_missed.add_u64(missed);
        listeners
    }

    /// A message has come back that nobody waits for.
    pub(crate) fn returned(&self, at: ChannelUse, message: Incoming, wakers: &mut Vec<Waker>) {
        let event = Event::Returned {
            channel: at.channel,
            message: Arc::new(ReturnedMessage::read(message)),
        };
        let listeners = self.emit(Source::Channel(at), &event, wakers);
        if let (Event::Returned { message, .. }, 0) = (&event, listeners) {
            self.trace.returned(at.channel, message);
        }
    }

    /// It is open on another stream; only the core says so, and holds no lock.
    pub(crate) fn opened(&self) {
        self.n_streams.fetch_add(1, Ordering::Relaxed);
        let mut wakers = Vec::new();
        self.logins.taken(&mut wakers);
        wait::wake_all(&mut wakers);
    }

    /// How many streams it has been open on before the present one.
    pub(crate) fn generation(&self) -> u32 {
        self.n_streams.load(Ordering::Relaxed).saturating_sub(1)
    }

    /// Why the connection ended, if it has.
    pub(crate) fn ended(&self) -> Option<ConnectionError> {
        self.end.get()
    }

    /// Chance for a consumer, other than for all others, on whichever connection.
    pub(crate) fn chance_of(&self, tag: &ShortString) -> u64 {
        let octets = tag.as_bytes().iter();
        octets.fold(self.consumer_tag_seed, |seed, &octet| {
            seed.rotate_left(8) ^ u64::from(octet)
        })
    }

    /// A consumer tag that this connection has not made up before, and others do not either. Short:
    /// it comes with every delivery.
    pub(crate) fn next_consumer_tag(&self) -> String {
        let number = self.next_consumer_tag.fetch_add(1, Ordering::Relaxed);
        consumer_tags::make_up(number, self.consumer_tag_seed)
    }

    /// The number that the next tag made up will have at the least.
    pub(crate) fn consumer_tags_from(&self) -> u64 {
        self.next_consumer_tag.load(Ordering::Relaxed)
    }
}
