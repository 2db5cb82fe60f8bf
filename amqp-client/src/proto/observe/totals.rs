//! What the core counts: totals that the handles may read at any time.
//!
//! Added to once per read, per write or per batch of messages, never per message. What is counted
//! per message is counted in the outbox, under the lock that a message takes anyway.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Total(AtomicU64);

impl Total {
    #[inline]
    pub(crate) fn add(&self, n: usize) {
        self.add_u64(n as u64);
    }

    #[inline]
    pub(crate) fn add_u64(&self, n: u64) {
        if n > 0 {
            self.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The totals of one connection.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) octets_sent: Total,
    pub(crate) octets_received: Total,
    pub(crate) frames_received: Total,
    pub(crate) confirmed: Total,
    pub(crate) nacked: Total,
    /// Publishes that will not be answered, of channels that were opened anew.
    pub(crate) lost: Total,
    /// Publishes that were sent again.
    pub(crate) resent: Total,
    pub(crate) returned: Total,
    pub(crate) delivered: Total,
    pub(crate) fetched: Total,
    pub(crate) events_missed: Total,
    /// Losses of the connection that it has come back from.
    pub(crate) recoveries: Total,
    /// Consumers that have subscribed again after a cancel by the broker.
    pub(crate) resubscriptions: Total,
    /// What `confirmed`, `nacked` and `lost` include of channels that have ended.
    pub(crate) answered_before: Total,
    /// Consumers that receive at present.
    pub(crate) consumers: AtomicUsize,
}

/// What the outbox counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Queued {
    pub(crate) frames: u64,
    pub(crate) published: u64,
    pub(crate) acked: u64,
    pub(crate) refused: u64,
    pub(crate) stale: u64,
}

/// What the outbox holds at present.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Held {
    pub(crate) totals: Queued,
    pub(crate) octets: usize,
    /// Numbered publishes on channels that are open.
    pub(crate) numbered: u64,
    pub(crate) requests: usize,
    pub(crate) waiting: usize,
    pub(crate) channels: usize,
}
