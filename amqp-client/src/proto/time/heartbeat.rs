//! Heartbeats: when to send one, and when to give up on the peer.
//!
//! Any octet counts, in both directions (AMQP 0-9-1 §4.2.7). A heartbeat is due when nothing was
//! sent for half the negotiated time; the peer is dead when nothing came for twice the time.
//! Deadlines are computed when asked for, so that traffic costs no timer.

use std::time::{Duration, Instant};

/// What a look at the clock calls for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    Nothing,
    Send,
    PeerDead { silence: Duration },
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HeartbeatClock {
    /// One is due after so long. Zero: none are sent and none expected.
    pace: Duration,
    /// The peer is dead after so long.
    patience: Duration,
    last_read: Instant,
    last_write: Instant,
}

impl HeartbeatClock {
    pub(crate) fn off(now: Instant) -> Self {
        Self {
            pace: Duration::ZERO,
            patience: Duration::ZERO,
            last_read: now,
            last_write: now,
        }
    }

    pub(crate) fn start(&mut self, interval: Duration, now: Instant) {
        *self = Self {
            pace: interval / 2,
            patience: interval * 2,
            last_read: now,
            last_write: now,
        };
    }

    pub(crate) fn on_read(&mut self, now: Instant) {
        self.last_read = now;
    }

    pub(crate) fn on_write(&mut self, now: Instant) {
        self.last_write = now;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        (!self.pace.is_zero()).then(|| self.send_at().min(self.dead_at()))
    }

    fn send_at(&self) -> Instant {
        self.last_write + self.pace
    }

    fn dead_at(&self) -> Instant {
        self.last_read + self.patience
    }

    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if self.pace.is_zero() {
            Due::Nothing
        } else if now >= self.dead_at() {
            Due::PeerDead {
                silence: now.saturating_duration_since(self.last_read),
            }
        } else if now >= self.send_at() {
            self.last_write = now;
            Due::Send
        } else {
            Due::Nothing
        }
    }
}
