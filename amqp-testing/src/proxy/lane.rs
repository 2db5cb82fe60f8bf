//! One direction of the proxy, and what is done to the octets that travel in it.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::Direction;
use super::link::Link;

/// How long a thread waits at most before it looks whether its connection is over.
const LOOK: Duration = Duration::from_millis(50);

/// One direction of a [`Proxy`](super::Proxy). What is set here holds for all connections, those
/// that exist and those to come, until it is set otherwise or [healed](Self::heal).
///
/// Offsets count the octets of each connection in this direction, from 0, without those that were
/// [lost](Self::lose).
#[derive(Debug)]
pub struct Lane {
    direction: Direction,
    settings: Mutex<Settings>,
    changed: Condvar,
    n_forwarded: AtomicU64,
    n_lost: AtomicU64,
}

#[derive(Clone, Debug, Default)]
struct Settings {
    passage: Passage,
    delay: Duration,
    octets_per_second: Option<u64>,
    piece: Option<usize>,
    /// Offsets and the bits to turn over there.
    flips: Vec<(u64, u8)>,
    end: Option<(u64, End)>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Passage {
    #[default]
    Open,
    Stalled,
    Lossy,
}

/// How a connection ends at an exact place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Cut,
    Reset,
}

impl Lane {
    pub(super) fn new(direction: Direction) -> Self {
        Self {
            direction,
            settings: Mutex::default(),
            changed: Condvar::new(),
            n_forwarded: AtomicU64::new(0),
            n_lost: AtomicU64::new(0),
        }
    }

    /// The direction.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// How many octets were passed on so far, over all connections.
    #[must_use]
    pub fn n_forwarded(&self) -> u64 {
        self.n_forwarded.load(Ordering::SeqCst)
    }

    /// How many octets were [lost](Self::lose) so far, over all connections.
    #[must_use]
    pub fn n_lost(&self) -> u64 {
        self.n_lost.load(Ordering::SeqCst)
    }

    /// Holds everything back, without losing it: as soon as the buffers on the way are full, the
    /// sender cannot send any more.
    pub fn stall(&self) {
        self.set(|settings| settings.passage = Passage::Stalled);
    }

    /// Loses everything, and goes on accepting it: the sender notices nothing.
    pub fn lose(&self) {
        self.set(|settings| settings.passage = Passage::Lossy);
    }

    /// Lets every octet travel for so long. How many can travel at a time is hardly limited.
    pub fn delay(&self, delay: Duration) {
        self.set(|settings| settings.delay = delay);
    }

    /// Lets through this many octets per second and connection, at least 1.
    pub fn throttle(&self, octets_per_second: u64) {
        self.set(|settings| settings.octets_per_second = Some(octets_per_second.max(1)));
    }

    /// Passes octets on in pieces of at most this size, at least 1, each with a write of its own. A
    /// receiver that is slow may find several at once.
    pub fn split(&self, piece: usize) {
        self.set(|settings| settings.piece = Some(piece.max(1)));
    }

    /// Turns over the bits of `mask` in the octet at this offset of each connection.
    pub fn flip(&self, offset: u64, mask: u8) {
        self.set(|settings| settings.flips.push((offset, mask)));
    }

    /// Ends each connection in good order when `n_octets` of it have passed.
    pub fn cut_after(&self, n_octets: u64) {
        self.set(|settings| settings.end = Some((n_octets, End::Cut)));
    }

    /// Ends each connection with a reset when `n_octets` of it have passed.
    pub fn reset_after(&self, n_octets: u64) {
        self.set(|settings| settings.end = Some((n_octets, End::Reset)));
    }

    /// Passes everything on again as it comes.
    pub fn heal(&self) {
        self.set(|settings| *settings = Settings::default());
    }

    /// The delay for what comes in now.
    pub(super) fn current_delay(&self) -> Duration {
        self.settings().delay
    }

    /// Waits while the lane is stalled; tells whether the connection still lives.
    pub(super) fn wait_until_open(&self, link: &Link) -> bool {
        let mut settings = self.settings();
        while settings.passage == Passage::Stalled && !link.is_over() {
            settings = self.wait(settings, LOOK);
        }
        !link.is_over()
    }

    /// Waits for this moment; tells whether the connection still lives.
    pub(super) fn wait_until(&self, moment: Instant, link: &Link) -> bool {
        let mut settings = self.settings();
        while !link.is_over() {
            let rest = moment.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return true;
            }
            settings = self.wait(settings, rest.min(LOOK));
        }
        false
    }

    /// Spoils the octets that begin at this offset as it is set. Returns how many of them pass and
    /// what comes then.
    pub(super) fn spoil(&self, offset: u64, octets: &mut [u8]) -> (usize, Option<End>) {
        let settings = self.settings();
        if settings.passage == Passage::Lossy {
            let n_lost = u64::try_from(octets.len()).unwrap_or(0);
            self.n_lost.fetch_add(n_lost, Ordering::SeqCst);
            return (0, None);
        }
        for (place, mask) in &settings.flips {
            let index = place
                .checked_sub(offset)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(octet) = index.and_then(|index| octets.get_mut(index)) {
                *octet ^= mask;
            }
        }
        if let Some((place, end)) = settings.end {
            let n_left = usize::try_from(place.saturating_sub(offset)).unwrap_or(usize::MAX);
            if n_left <= octets.len() {
                return (n_left, Some(end));
            }
        }
        (octets.len(), None)
    }

    /// The largest piece to write now, and the pause behind it for each of its octets.
    pub(super) fn pace(&self) -> (usize, Option<Duration>) {
        let settings = self.settings();
        let Some(rate) = settings.octets_per_second else {
            return (settings.piece.unwrap_or(usize::MAX), None);
        };
        // Fifty writes a second, or one for each octet if it is slower than that.
        let piece = usize::try_from(rate / 50).unwrap_or(usize::MAX).max(1);
        let pause =
            Duration::from_secs_f64(1.0).div_f64(u32::try_from(rate).unwrap_or(u32::MAX).into());
        (piece.min(settings.piece.unwrap_or(usize::MAX)), Some(pause))
    }

    pub(super) fn count(&self, n_octets: usize) {
        self.n_forwarded
            .fetch_add(u64::try_from(n_octets).unwrap_or(0), Ordering::SeqCst);
    }

    pub(super) fn discount(&self, n_octets: usize) {
        self.n_forwarded
            .fetch_sub(u64::try_from(n_octets).unwrap_or(0), Ordering::SeqCst);
    }

    /// Lets threads that wait look at their connection again.
    pub(super) fn wake(&self) {
        self.changed.notify_all();
    }

    fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings());
        self.changed.notify_all();
    }

    fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &'a self,
        settings: MutexGuard<'a, Settings>,
        time: Duration,
    ) -> MutexGuard<'a, Settings> {
        let waited = self.changed.wait_timeout(settings, time);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}
