//! All times that the core itself watches.
//!
//! The times of requests stand in the outbox, those of the handles in the list of timers.

use std::time::{Duration, Instant};

use super::after;
use super::deadlines::{DeadlineOf, Deadlines};
use super::heartbeat::{Due, HeartbeatClock};
use super::write_timeout::WriteTimeout;

/// How long room is kept for a publisher that has been called, at least. Usually it comes at once;
/// one whose future is not polled any more, and was not dropped, never does.
const ROOM_IS_KEPT: Duration = Duration::from_millis(100);

/// How long a peer that reads nothing more may keep us from ending. RabbitMQ waits as long for us.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The deadlines of one connection, and what they are computed from.
#[derive(Debug)]
pub(crate) struct Clocks {
    deadlines: Deadlines,
    heartbeat: HeartbeatClock,
    write_timeout: WriteTimeout,
    /// How long the connection may be blocked.
    blocked_timeout: Option<Duration>,
}

impl Clocks {
    /// Those of a connection that is being opened, for which there is `handshake_timeout`.
    pub(crate) fn new(
        handshake_timeout: Duration,
        write_timeout: Option<Duration>,
        blocked_timeout: Option<Duration>,
        now: Instant,
    ) -> Self {
        let mut deadlines = Deadlines::default();
        deadlines.set(DeadlineOf::Handshake, after(now, handshake_timeout));
        Self {
            deadlines,
            heartbeat: HeartbeatClock::off(now),
            write_timeout: WriteTimeout::new(write_timeout),
            blocked_timeout,
        }
    }

    /// The earliest of all.
    pub(crate) fn earliest(&self) -> Option<Instant> {
        let computed = [self.heartbeat.deadline(), self.write_timeout.deadline()];
        let computed = computed.into_iter().flatten();
        computed.chain(self.deadlines.earliest()).min()
    }

    /// Whether a deadline has come; it is cleared then.
    pub(crate) fn take_expired(&mut self, of: DeadlineOf, now: Instant) -> bool {
        self.deadlines.take_expired(of, now)
    }

    /// Both sides have agreed on an interval of heartbeats.
    pub(crate) fn start_heartbeat(&mut self, interval: Duration, now: Instant) {
        self.heartbeat.start(interval, now);
    }

    /// The connection is open.
    pub(crate) fn opened(&mut self) {
        self.deadlines.clear(DeadlineOf::Handshake);
    }

    /// The connection has ended: only its last words have a time.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.deadlines.clear_all();
        self.heartbeat = HeartbeatClock::off(now);
        self.write_timeout = WriteTimeout::new(None);
        self.deadlines
            .set(DeadlineOf::LastWords, after(now, LAST_WORDS));
    }

    /// The peer has sent something, or its silence does not count.
    #[inline]
    pub(crate) fn on_read(&mut self, now: Instant) {
        self.heartbeat.on_read(now);
    }

    /// Octets have been taken; `left` tells whether some of the batch remain.
    #[inline]
    pub(crate) fn on_write(&mut self, left: bool, now: Instant) {
        self.heartbeat.on_write(now);
        self.write_timeout.on_write(left, now);
    }

    /// The driver has tried to write, or is about to; `left` tells whether something remains.
    #[inline]
    pub(crate) fn on_attempt(&mut self, left: bool, now: Instant) {
        self.write_timeout.on_attempt(left, now);
    }

    /// What the heartbeats call for.
    pub(crate) fn heartbeat_due(&mut self, now: Instant) -> Due {
        self.heartbeat.due(now)
    }

    /// The time in which the peer took nothing, and said so, does not count.
    pub(crate) fn forgive_stall(&mut self, now: Instant) {
        self.write_timeout.forgive(now);
    }

    /// How long the peer has taken nothing, if that is too long.
    pub(crate) fn stalled(&self, now: Instant) -> Option<Duration> {
        self.write_timeout.overdue(now)
    }

    /// An alarm has begun at the broker.
    pub(crate) fn alarm(&mut self, now: Instant) {
        if let Some(timeout) = self.blocked_timeout {
            self.deadlines.set(DeadlineOf::Alarm, after(now, timeout));
        }
    }

    /// The alarm has ended, and with it what the broker did not read.
    pub(crate) fn all_clear(&mut self, now: Instant) {
        self.deadlines.clear(DeadlineOf::Alarm);
        self.forgive_stall(now);
    }

    /// How long an alarm has lasted, if that is too long.
    pub(crate) fn blocked_for_too_long(&mut self, now: Instant) -> Option<Duration> {
        let expired = self.take_expired(DeadlineOf::Alarm, now);
        self.blocked_timeout.filter(|_| expired)
    }

    /// The connection is shut down, and closed by then.
    pub(crate) fn wind_up_until(&mut self, at: Instant) {
        self.deadlines.set_by(DeadlineOf::Grace, at);
    }

    /// A message is being fetched, and is looked for by then.
    pub(crate) fn look_for_fetched(&mut self, by: Instant) {
        self.deadlines.set_by(DeadlineOf::Fetching, by);
    }

    /// The same, however early it was to be looked for before.
    pub(crate) fn look_for_fetched_at(&mut self, at: Instant) {
        self.deadlines.set(DeadlineOf::Fetching, at);
    }

    /// Publishers have been called that may not come.
    pub(crate) fn look_for_called(&mut self, now: Instant) {
        let at = after(now, ROOM_IS_KEPT);
        self.deadlines.set_if_none(DeadlineOf::Unclaimed, at);
    }
}
