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
pub(crate) struct Heartbeat {
    /// Zero: none are sent and none expected.
    interval: Duration,
    last_read: Instant,
    last_write: Instant,
}

impl Heartbeat {
    pub(crate) fn off(now: Instant) -> Self {
        Self {
            interval: Duration::ZERO,
            last_read: now,
            last_write: now,
        }
    }

    pub(crate) fn start(&mut self, interval: Duration, now: Instant) {
        *self = Self {
            interval,
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
        (!self.interval.is_zero()).then(|| self.send_at().min(self.dead_at()))
    }

    fn send_at(&self) -> Instant {
        self.last_write + self.interval / 2
    }

    fn dead_at(&self) -> Instant {
        self.last_read + self.interval * 2
    }

    pub(crate) fn due(&mut self, now: Instant) -> Due {
        if self.interval.is_zero() {
            Due::Nothing
        } else if now >= self.dead_at() {
            Due::PeerDead {
                silence: self.interval * 2,
            }
        } else if now >= self.send_at() {
            self.last_write = now;
            Due::Send
        } else {
            Due::Nothing
        }
    }
}
