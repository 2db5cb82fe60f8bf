//! Whether the stream is read, given what consumers have not taken and what is waited for.
//!
//! | octets that consumers have not taken | the stream is read |
//! |---|---|
//! | without acknowledgements 64 MiB or more | not at all |
//! | without acknowledgements 16 MiB or more, or with them 64 MiB or more | on demand: while anything that has to be read is waited for |
//! | less | always |
//!
//! What waits for a reply, a confirm, room, or a delivery where none is at hand holds a [`Demand`],
//! or is counted as one: so deliveries that fill one consumer stop neither another consumer nor a
//! confirm behind them. Deliveries with acknowledgements are bounded by their prefetch, and beyond
//! that by `inbound_limit`; those without by nothing but the stream, which is why it stands still
//! for them at last, whatever waits. That is told ([`ChannelError::ReadingStopped`]), and ends the
//! waits.
//!
//! A stream that follows another is read whatever is held until the gates open: what comes by then
//! is bounded, and everything waits for it.
//!
//! Watching for the end of a channel or connection, or for events, is no demand: it lasts as long
//! as the program does, and would leave nothing of the first mark.

use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use super::connection::ConnectionShared;
use super::timers::Timer;
use crate::error::{ChannelError, SlowConsumer};
use crate::proto::wait::sync::{lock, touch};

/// Octets without acknowledgements above which the stream is read on demand only.
pub(crate) const AUTOMATIC_HIGH: usize = 16 * 1024 * 1024;
/// The same with acknowledgements; and without, octets above which it is not read at all.
pub(crate) const HIGH: usize = 64 * 1024 * 1024;

/// What consumers hold, what is waited for, and whether the core has stopped reading.
///
/// One side writes one of these and then reads the others, the other side the other way round: only
/// sequential consistency keeps both from missing it.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Octets of deliveries with acknowledgements that consumers have not taken.
    manual: AtomicUsize,
    /// The same without.
    automatic: AtomicUsize,
    /// Twice how many wait for something that has to be read, and [`PAUSED`] if the core has
    /// stopped reading and is to be woken when it may go on: one access changes the one and tells
    /// the other. A wait that ends is sometimes counted a moment before it is counted that it
    /// began.
    demands: AtomicIsize,
    /// Nothing is read though something waits.
    stands_still: AtomicBool,
    standstill: Mutex<Option<Arc<SlowConsumer>>>,
    /// How often that has begun.
    standstills: AtomicU64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Level {
    Always,
    OnDemand,
    Never,
}

/// The core has stopped reading.
const PAUSED: isize = 1;
/// One that waits.
const ONE: isize = 2;

fn is_demanded(demands: isize) -> bool {
    demands >= ONE
}

impl Reading {
    fn octets(&self, no_ack: bool) -> &AtomicUsize {
        if no_ack {
            &self.automatic
        } else {
            &self.manual
        }
    }

    /// Octets of deliveries that consumers have not taken.
    pub(crate) fn buffered(&self) -> usize {
        self.manual.load(Ordering::Relaxed) + self.automatic.load(Ordering::Relaxed)
    }

    /// The same of those with acknowledgements.
    pub(crate) fn manual(&self) -> usize {
        self.octets(false).load(Ordering::SeqCst)
    }

    /// Deliveries have been queued for a consumer.
    pub(crate) fn add(&self, octets: usize, no_ack: bool) {
        self.octets(no_ack).fetch_add(octets, Ordering::SeqCst);
    }

    fn level(&self) -> Level {
        let automatic = self.octets(true).load(Ordering::SeqCst);
        if automatic >= HIGH {
            Level::Never
        } else if automatic >= AUTOMATIC_HIGH || self.manual() >= HIGH {
            Level::OnDemand
        } else {
            Level::Always
        }
    }

    fn may_read(&self, demands: isize) -> bool {
        match self.level() {
            Level::Always => true,
            Level::OnDemand => is_demanded(demands),
            Level::Never => false,
        }
    }

    /// Whether the core is to read. If not, it is woken when it may, once.
    pub(crate) fn look(&self) -> bool {
        if self.may_read(self.demands.load(Ordering::SeqCst)) {
            return true;
        }
        // Announced before the second look, so that whatever changes in between wakes us.
        let demands = touch(&self.demands).fetch_or(PAUSED, Ordering::SeqCst);
        touch(&self.automatic);
        touch(&self.manual);
        let may_read = self.may_read(demands);
        if may_read {
            touch(&self.demands).fetch_and(!PAUSED, Ordering::SeqCst);
        }
        may_read
    }

    /// Whether nothing is read at present, be there something that waits or not.
    pub(crate) fn is_paused(&self) -> bool {
        !self.may_read(self.demands.load(Ordering::SeqCst))
    }

    /// Whether nothing would be read if something waited.
    pub(crate) fn is_full(&self) -> bool {
        self.level() == Level::Never
    }

    /// Whether nothing is read though something waits.
    pub(crate) fn is_stuck(&self) -> bool {
        self.level() == Level::Never && is_demanded(self.demands.load(Ordering::SeqCst))
    }

    /// Why nothing is read though something waits; what waits has to look again. `None`: that is
    /// over.
    pub(crate) fn set_standstill(&self, by: Option<Arc<SlowConsumer>>) {
        if by.is_some() {
            self.standstills.fetch_add(1, Ordering::SeqCst);
        }
        self.stands_still.store(by.is_some(), Ordering::SeqCst);
        *lock(&self.standstill) = by;
    }

    pub(crate) fn stands_still(&self) -> bool {
        self.stands_still.load(Ordering::SeqCst)
    }

    /// Why nothing is read though something waits, while that is so.
    pub(crate) fn standstill(&self) -> Option<Arc<SlowConsumer>> {
        if !self.stands_still() {
            return None;
        }
        lock(&self.standstill).clone()
    }

    /// Time is up for a reply to this method; what that is to be put down to is known while reading
    /// stands still.
    pub(crate) fn no_reply(&self, method: &'static str) -> ChannelError {
        match self.standstill() {
            Some(by) => ChannelError::ReadingStopped { method, by },
            None => ChannelError::Timeout { method },
        }
    }

    /// Consumers have taken deliveries, or will not. True if the core is to be woken: it has
    /// stopped reading, and may go on.
    #[must_use = "the core waits to be woken"]
    pub(crate) fn release(&self, octets: usize, no_ack: bool) -> bool {
        touch(self.octets(no_ack)).fetch_sub(octets, Ordering::SeqCst);
        self.is_to_resume(touch(&self.demands).load(Ordering::SeqCst))
    }

    /// One more waits for something that has to be read. True if the core is to be woken.
    #[must_use = "the core waits to be woken"]
    pub(crate) fn demand(&self) -> bool {
        let before = touch(&self.demands).fetch_add(ONE, Ordering::SeqCst);
        self.is_to_resume(before + ONE)
    }

    /// One less does. Nothing waits for that, so that it matters to nothing when it is seen.
    pub(crate) fn end_demand(&self) {
        self.demands.fetch_sub(ONE, Ordering::SeqCst);
    }

    /// Whether the core has stopped and is to look again; true once.
    fn is_to_resume(&self, demands: isize) -> bool {
        demands & PAUSED != 0
            && (self.may_read(demands) || (self.is_stuck() && !self.stands_still()))
            && touch(&self.demands).fetch_and(!PAUSED, Ordering::SeqCst) & PAUSED != 0
    }
}

/// Held by what waits for something that has to be read.
#[derive(Debug)]
pub(crate) struct Demand(Arc<ConnectionShared>);

impl Demand {
    /// If reading has stopped for lack of demand, it goes on.
    pub(crate) fn new(connection: &Arc<ConnectionShared>) -> Self {
        connection.demand();
        Self(Arc::clone(connection))
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        self.0.end_demand();
    }
}

/// Ends a wait that has no time of its own when nothing has been read for the time of a request.
#[derive(Debug, Default)]
pub(crate) struct Patience(Option<Box<Waits>>);

/// Since when nothing has been read.
#[derive(Debug)]
struct Waits {
    /// Which standstill that is.
    standstill: u64,
    timer: Timer,
}

impl Patience {
    /// To be polled by what waits; it is woken when reading comes to a standstill.
    pub(crate) fn poll(
        &mut self,
        method: &'static str,
        connection: &Arc<ConnectionShared>,
        context: &Context<'_>,
    ) -> Poll<ChannelError> {
        if !connection.reading.stands_still() {
            self.0 = None;
            return Poll::Pending;
        }
        // What waits need not have looked between one standstill and the next.
        let standstill = connection.reading.standstills.load(Ordering::SeqCst);
        let waits = self.0.take_if(|waits| waits.standstill == standstill);
        let waits = self.0.insert(waits.unwrap_or_else(|| {
            let timer = Timer::new(connection, connection.request_timeout);
            Box::new(Waits { standstill, timer })
        }));
        let timer = &mut waits.timer;
        timer
            .poll(context)
            .map(|()| connection.reading.no_reply(method))
    }
}

#[cfg(test)]
impl Reading {
    pub(crate) fn n_demands(&self) -> isize {
        self.demands.load(Ordering::SeqCst) / ONE
    }
}
