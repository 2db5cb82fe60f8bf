//! How much time opening a connection has: for each step, and in all.

use std::time::{Duration, Instant};

use crate::proto::time::after;

/// How much time there is in all.
#[derive(Debug)]
pub(super) struct Budget {
    /// The limit, and when it is reached.
    total: Option<(Duration, Instant)>,
    look: Duration,
}

impl Budget {
    /// Begins to count. A deadline that has passed waits for `look` before it counts.
    pub(super) fn new(total: Option<Duration>, look: Duration, now: Instant) -> Self {
        Self {
            total: total.map(|limit| (limit, after(now, limit))),
            look,
        }
    }

    /// The time for a step that may take this long.
    pub(super) fn step(&self, limit: Duration, now: Instant) -> Deadline {
        let at = after(now, limit);
        let (limit, at) = match self.total {
            Some((total, end)) if end < at => (total, end),
            _ => (limit, at),
        };
        Deadline {
            at,
            limit,
            look: self.look,
            looks_until: None,
        }
    }

    pub(super) fn is_over_at(&self, time: Instant) -> bool {
        self.total.is_some_and(|(_, end)| end <= time)
    }
}

/// Until when a step has to be done.
///
/// A process that was suspended or busy finds that the time has passed before it has looked at its
/// sockets. So a deadline counts only when it has been found to have passed, and the adapter has
/// had some time to look for reports since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    /// The limit that applies, for people.
    pub(super) limit: Duration,
    look: Duration,
    /// It has passed, and reports are looked for until then.
    looks_until: Option<Instant>,
}

impl Deadline {
    /// Until when to wait for reports; `None` if it is over.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Instant> {
        if now < self.at {
            return Some(self.at);
        }
        let until = *self.looks_until.get_or_insert(now + self.look);
        (now < until).then_some(until)
    }

    /// Whether it was found to have passed.
    pub(super) fn has_passed(&self) -> bool {
        self.looks_until.is_some()
    }

    /// The same for another action of the same step, which is looked for as well.
    pub(super) fn again(self) -> Self {
        Self {
            looks_until: None,
            ..self
        }
    }

    /// How much of it is left.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.at.saturating_duration_since(now)
    }
}
