//! A consumer that subscribes again when the broker has cancelled it: how far that is.
//!
//! ```text
//! subscribed ──cancelled by the broker, or closed with its channel──▶ waits ──tried──▶ subscribed
//!                                                                      ▲        │
//!                                                                      └─refused┘
//! ```

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::proto::recovery::{Chance, Resubscribe, YOUNG};
use crate::proto::wait::sync::lock;

/// What is known of it. Only the core changes that.
#[derive(Debug)]
pub(crate) struct Resubscription {
    policy: Resubscribe,
    stand: Mutex<Stand>,
}

#[derive(Debug)]
struct Stand {
    chance: Chance,
    /// How often it has been tried since it last lived for long enough.
    tries: u32,
    /// Since when it has been subscribed again; `None` if it never has.
    since: Option<Instant>,
    waits: bool,
    /// Its channel has just been opened again for it, which counts as a try that it is part of.
    at_once: bool,
}

impl Resubscription {
    pub(crate) fn new(policy: Resubscribe, seed: u64) -> Self {
        Self {
            policy,
            stand: Mutex::new(Stand {
                chance: Chance::new(seed),
                tries: 0,
                since: None,
                waits: false,
                at_once: false,
            }),
        }
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        lock(&self.stand)
    }

    /// Whether it also comes back when the broker closes its channel.
    pub(crate) fn outlives_the_channel(&self) -> bool {
        self.policy.outlives_the_channel()
    }

    /// The broker has cancelled it, or closed its channel, which may happen while it waits. False if
    /// it is not tried any more.
    pub(crate) fn cancelled(&self, now: Instant) -> bool {
        let mut stand = self.stand();
        let lived = |since: Instant| now.saturating_duration_since(since) >= YOUNG;
        if !stand.waits && stand.since.take().is_none_or(lived) {
            stand.tries = 0;
        }
        stand.at_once = false;
        stand.waits = !self.is_spent(stand.tries);
        stand.waits
    }

    fn is_spent(&self, tries: u32) -> bool {
        let limit = self.policy.attempt_limit();
        limit.is_some_and(|limit| tries >= limit)
    }

    /// Whether it waits to subscribe.
    pub(crate) fn waits(&self) -> bool {
        self.stand().waits
    }

    /// It is tried.
    pub(crate) fn tried(&self) {
        let mut stand = self.stand();
        if !std::mem::take(&mut stand.at_once) {
            stand.tries = stand.tries.saturating_add(1);
        }
    }

    /// Its channel is opened again for it: it is tried.
    pub(crate) fn channel_opened(&self) {
        self.tried();
        self.stand().at_once = true;
    }

    /// How long to wait before it is tried.
    pub(crate) fn delay(&self) -> Duration {
        let mut stand = self.stand();
        let tries = stand.tries;
        if stand.at_once {
            return Duration::ZERO;
        }
        stand.chance.delay(self.policy.delay_range(), tries)
    }

    /// It has been refused: how long to wait before it is tried once more; `None` if that has been
    /// done often enough.
    pub(crate) fn refused(&self) -> Option<Duration> {
        let tries = self.stand().tries;
        (!self.is_spent(tries)).then(|| self.delay())
    }

    /// It is asked for with its channel.
    pub(crate) fn asked_for(&self) {
        self.stand().waits = false;
    }

    /// The broker has started it. False if it did not wait for that: it had not been cancelled.
    pub(crate) fn subscribed(&self, now: Instant) -> bool {
        let mut stand = self.stand();
        let waited = std::mem::take(&mut stand.waits);
        if waited {
            stand.since = Some(now);
        }
        waited
    }
}
