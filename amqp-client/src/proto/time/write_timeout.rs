//! A peer that does not read: nothing of what is to be written leaves for a while.
//!
//! ```text
//! Flowing ──something to write, nothing taken──▶ Stalled since T ──octets taken──▶ Flowing
//! ```
//!
//! A broker that is alive may still refuse to read: its heartbeats come, and ours wait in the
//! kernel. RabbitMQ does that to connections that publish during an alarm, and says so; that time
//! does not count. Nor does the time in which we do not read because consumers hold too much, since
//! the announcement may lie there. If we do not read because the broker takes no answers, it
//! counts: nothing else would end that, and an announcement came before most of what had to be
//! answered.

use std::time::{Duration, Instant};

use super::after;

/// How long nothing could be written.
#[derive(Debug)]
pub(crate) struct WriteTimeout {
    /// `None`: for as long as it takes.
    limit: Option<Duration>,
    /// Something waits to be written, and nothing was since then.
    since: Option<Instant>,
}

impl WriteTimeout {
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        // No time at all would be over before anything can be written.
        let limit = limit.filter(|limit| !limit.is_zero());
        Self { limit, since: None }
    }

    /// Octets have been taken; `left` tells whether some of the batch remain.
    pub(crate) fn on_write(&mut self, left: bool, now: Instant) {
        self.since = left.then_some(now);
    }

    /// The adapter has tried to write; `left` tells whether something remains.
    pub(crate) fn on_attempt(&mut self, left: bool, now: Instant) {
        if left {
            self.since.get_or_insert(now);
        } else {
            self.since = None;
        }
    }

    /// The time until now does not count.
    pub(crate) fn forgive(&mut self, now: Instant) {
        if self.since.is_some() {
            self.since = Some(now);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(after(self.since?, self.limit?))
    }

    /// How long nothing was taken, if that has reached the limit.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Duration> {
        let deadline = self.deadline()?;
        let stalled = now.saturating_duration_since(self.since?);
        (now >= deadline).then_some(stalled)
    }
}
