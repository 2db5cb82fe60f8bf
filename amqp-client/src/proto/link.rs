//! What every handle of a connection shares with the core.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::events::{Listeners, Source};
use super::expecting::Expectations;
use super::incoming::Incoming;
use super::outbox::{At, Outbox, Wake};
use super::sync::{lock, touch};
use super::tags;
use super::tally::Tally;
use super::timers::Timers;
use super::wait::{Latch, Sleeper};
use crate::delivery::ReturnedMessage;
use crate::error::ConnectionError;
use crate::events::Event;
use crate::trace::Trace;

/// Inbound octets above which the socket is not read, unless somebody waits for an answer.
const INBOUND_HIGH: usize = 16 * 1024 * 1024;

/// The shared state of one connection.
#[derive(Debug)]
pub(crate) struct Link {
    outbox: Mutex<Outbox>,
    /// Octets of deliveries that consumers have not finished with.
    buffered: AtomicUsize,
    /// The core has stopped reading because of them. One side writes this and then reads `buffered`,
    /// the other the other way round: only sequential consistency keeps both from missing it.
    paused: AtomicBool,
    next_consumer_tag: AtomicU64,
    pub(super) consumer_tag_seed: u64,
    /// How long a request may wait for its reply.
    pub(crate) request_timeout: Duration,
    /// The adapter's clock.
    pub(crate) clock: fn() -> Instant,
    limits: Mutex<Limits>,
    /// Why the connection ended.
    end: Mutex<Latch<ConnectionError>>,
    pub(crate) listeners: Listeners,
    pub(crate) tally: Tally,
    /// Who waits for a time.
    pub(crate) timers: Timers,
    /// Who waits for a message.
    pub(super) expectations: Expectations,
    pub(crate) trace: Trace,
}

/// What both sides agreed on when the connection was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The most channels that may be open at once.
    pub channel_max: u16,
    /// The largest frame that may be sent, in octets.
    pub frame_max: u32,
    /// After how much silence the connection counts as dead; zero: never.
    pub heartbeat: Duration,
}

impl Link {
    pub(crate) fn new(
        outbox: Outbox,
        request_timeout: Duration,
        clock: fn() -> Instant,
        trace: Trace,
    ) -> Self {
        Self {
            outbox: Mutex::new(outbox),
            buffered: AtomicUsize::new(0),
            paused: AtomicBool::new(false),
            next_consumer_tag: AtomicU64::new(1),
            consumer_tag_seed: 0,
            request_timeout,
            clock,
            limits: Mutex::new(Limits {
                channel_max: 0,
                frame_max: 0,
                heartbeat: Duration::ZERO,
            }),
            end: Mutex::default(),
            listeners: Listeners::default(),
            tally: Tally::default(),
            timers: Timers::default(),
            expectations: Expectations::default(),
            trace,
        }
    }

    /// The outbox. Held for nanoseconds; nobody wakes, waits or allocates much under it.
    #[inline]
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        lock(&self.outbox)
    }

    pub(crate) fn limits(&self) -> Limits {
        *lock(&self.limits)
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        *lock(&self.limits) = limits;
        self.outbox()
            .set_frame_max(usize::try_from(limits.frame_max).unwrap_or(usize::MAX));
    }

    /// The connection is over.
    pub(crate) fn end(&self, cause: &ConnectionError, wakers: &mut Vec<Waker>) {
        lock(&self.end).set(cause.clone(), wakers);
    }

    /// Tells whoever listens; returns how many they were.
    pub(crate) fn emit(&self, from: Source, event: &Event, wakers: &mut Vec<Waker>) -> usize {
        let (listeners, missed) = self.listeners.emit(from, event, wakers);
        self.tally.events_missed.add_u64(missed);
        listeners
    }

    /// A message has come back that nobody waits for.
    pub(crate) fn returned(&self, at: At, message: Incoming, wakers: &mut Vec<Waker>) {
        let event = Event::Returned {
            channel: at.channel,
            message: Arc::new(ReturnedMessage::new(message)),
        };
        let listeners = self.emit(Source::Channel(at), &event, wakers);
        if let (Event::Returned { message, .. }, 0) = (&event, listeners) {
            self.trace.returned(at.channel, message);
        }
    }

    /// Why the connection ended, if it has.
    pub(crate) fn ended(&self) -> Option<ConnectionError> {
        lock(&self.end).get().cloned()
    }

    /// Waits for the end of the connection.
    pub(crate) fn poll_end(
        &self,
        ticket: &mut Option<u64>,
        context: &mut Context<'_>,
    ) -> Poll<ConnectionError> {
        Sleeper::poll(context, |sleeper| lock(&self.end).poll(ticket, sleeper))
    }

    /// Whoever waited for the end does so no longer.
    pub(crate) fn forget_watcher(&self, ticket: u64) {
        let waker = lock(&self.end).forget(ticket);
        drop(waker);
    }

    /// How many wait for the end.
    #[cfg(test)]
    pub(crate) fn n_watchers(&self) -> usize {
        lock(&self.end).n_waiting()
    }

    /// A consumer tag that this connection has not made up before, and others do not either. Short:
    /// it comes with every delivery.
    pub(crate) fn next_consumer_tag(&self) -> String {
        let number = self.next_consumer_tag.fetch_add(1, Ordering::Relaxed);
        tags::make_up(number, self.consumer_tag_seed)
    }

    /// Octets of deliveries that consumers have not taken.
    pub(crate) fn buffered(&self) -> usize {
        self.buffered.load(Ordering::Relaxed)
    }

    /// Deliveries have been queued for consumers.
    pub(crate) fn add_buffered(&self, octets: usize) {
        touch(&self.buffered).fetch_add(octets, Ordering::SeqCst);
    }

    /// Consumers are done with deliveries: reading may go on.
    pub(crate) fn release_buffered(&self, octets: usize) {
        if octets == 0 {
            return;
        }
        let before = touch(&self.buffered).fetch_sub(octets, Ordering::SeqCst);
        if before.saturating_sub(octets) < INBOUND_HIGH {
            self.resume();
        }
    }

    /// Somebody waits for something that has to be read.
    pub(crate) fn resume(&self) {
        if touch(&self.paused).load(Ordering::SeqCst) {
            let wake = self.outbox().wake_always();
            wake.now();
        }
    }

    /// A request has been queued: the adapter is to write it, and to read the answer even if it has
    /// stopped reading because of slow consumers. One that waits for the stream to take more is not
    /// woken by what is queued.
    pub(crate) fn requested(&self, wake: Wake) {
        wake.now();
        self.resume();
    }

    /// How full the consumers are.
    pub(crate) fn pressure(&self) -> Pressure {
        match touch(&self.buffered).load(Ordering::SeqCst) {
            octets if octets < INBOUND_HIGH => Pressure::Low,
            octets if octets < 4 * INBOUND_HIGH => Pressure::High,
            _ => Pressure::Limit,
        }
    }

    pub(crate) fn set_paused(&self, paused: bool) {
        touch(&self.paused).store(paused, Ordering::SeqCst);
    }
}

/// How much has been received and not consumed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pressure {
    /// Read on.
    Low,
    /// Read only if somebody waits for an answer.
    High,
    /// Do not read.
    Limit,
}
