//! When to dial, and when to give up. Pure: the time comes in, and so does a seed for chance.
//!
//! ```text
//!            lost ─▶ Redial ─ (dialling, restoring) ─ opened ──▶ lives ≥ 10 s, then lost: count 1
//!  GiveUp ◀─┴──────────▲  └── failed ──┐                └──▶ lives < 10 s, then lost: count + 1
//!     ▲                └───────────────┤
//!     └────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use super::Recovery;
use super::chance::Chance;
use crate::error::{ConnectError, ConnectionError};
use crate::proto::time::after;

/// A connection that lived for less has come back in vain: what was counted counts on.
pub(crate) const YOUNG: Duration = Duration::from_secs(10);

/// The attempts to bring a connection back.
#[derive(Debug)]
pub(crate) struct Attempts {
    policy: Recovery,
    chance: Chance,
    /// When the present stream was open, and everything restored on it; `None` while there is none.
    opened: Option<Instant>,
    /// Of this outage, the one that is under way or comes next included.
    count: u32,
    /// How often this outage has waited for its next attempt.
    waits: u32,
    /// When this outage began.
    began: Option<Instant>,
    /// Since when the broker has done nothing but refuse us.
    refused: Option<Instant>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Another attempt.
    Redial {
        /// When it begins.
        at: Instant,
        /// How long that is from now, for the event.
        delay: Duration,
    },
    /// Nothing: the connection has ended.
    GiveUp,
}

impl Attempts {
    pub(crate) fn new(policy: Recovery, seed: u64) -> Self {
        Self {
            policy,
            chance: Chance::new(seed),
            opened: None,
            count: 0,
            waits: 0,
            began: None,
            refused: None,
        }
    }

    /// The first connection is opened as after a loss: its first attempt begins at once.
    #[allow(dead_code, reason = "only adapters that dial by themselves begin so")]
    pub(crate) fn starting(&mut self, now: Instant) {
        self.count = 1;
        self.began = Some(now);
    }

    /// A stream is open, and everything that there was before has been restored on it.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.opened = Some(now);
        self.refused = None;
    }

    /// A connection that was open is lost.
    pub(crate) fn lost(&mut self, cause: &ConnectionError, now: Instant) -> Verdict {
        let opened = self.opened.take();
        // It was logged in.
        self.refused = None;
        let lived = opened.is_some_and(|opened| now.saturating_duration_since(opened) >= YOUNG);
        let mut longest = self.policy.slowed_delay();
        if lived || self.began.is_none() {
            (self.count, self.waits) = (0, 0);
            self.began = Some(now);
            longest = self.policy.longest_delay();
        }
        if !self.policy.is_on() || !is_recovered_from(cause) {
            return Verdict::GiveUp;
        }
        self.next(longest, now)
    }

    /// An attempt has failed: to dial, or to restore.
    pub(crate) fn failed(&mut self, last: &ConnectError, now: Instant) -> Verdict {
        self.opened = None;
        self.count = self.count.max(1);
        self.began.get_or_insert(now);
        if !self.policy.is_on() || last.is_of_options() {
            return Verdict::GiveUp;
        }
        match last.is_refusal() {
            false => self.refused = None,
            true => {
                let refused = *self.refused.get_or_insert(now);
                if now.saturating_duration_since(refused) >= self.policy.refusal_limit() {
                    return Verdict::GiveUp;
                }
            }
        }
        self.next(self.policy.longest_delay(), now)
    }

    /// Attempts of this outage so far, the one that is under way or comes next included.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// When this outage began; of a connection that lives, the last one.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Another attempt, after so long at most, unless there were enough, or the time for them is
    /// over.
    fn next(&mut self, longest: Duration, now: Instant) -> Verdict {
        if self
            .policy
            .attempt_limit()
            .is_some_and(|limit| self.count >= limit)
        {
            return Verdict::GiveUp;
        }
        let mut at = after(now, self.delay(longest));
        for (since, limit) in [
            (self.began, self.policy.outage_limit()),
            (self.refused, Some(self.policy.refusal_limit())),
        ] {
            let (Some(since), Some(limit)) = (since, limit) else {
                continue;
            };
            let end = after(since, limit);
            if now >= end {
                return Verdict::GiveUp;
            }
            // The last one begins when the time is over, rather than not at all.
            at = at.min(end);
        }
        self.count = self.count.saturating_add(1);
        self.waits = self.waits.saturating_add(1);
        let delay = at.saturating_duration_since(now);
        Verdict::Redial { at, delay }
    }

    /// How long to wait before the attempt that comes next.
    fn delay(&mut self, longest: Duration) -> Duration {
        let delays = (self.policy.shortest_delay(), longest);
        self.chance.delay(delays, self.waits)
    }
}

/// Whether a connection comes back that was lost like this: not if it is the program that ended it.
fn is_recovered_from(cause: &ConnectionError) -> bool {
    !matches!(
        cause,
        ConnectionError::Closed
            | ConnectionError::CloseTimeout { .. }
            | ConnectionError::DriverGone
            | ConnectionError::NotRecovered { .. }
    )
}
