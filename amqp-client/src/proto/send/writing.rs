//! What is being written, and how far that is: what requests count their time from, and what a
//! close leaves behind.

use std::task::Waker;
use std::time::Instant;

use super::progress::Progress;
use super::transmit::Transmit;
use super::unwritten::Unwritten;
use crate::error::ConnectionError;
use crate::proto::outside::Outside;
use crate::proto::shared::connection::ConnectionShared;

/// The writing side of a connection.
pub(crate) struct Writing {
    transmit: Transmit,
    /// When octets were last written, heartbeats apart.
    progressed: Instant,
}

impl Writing {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            transmit: Transmit::default(),
            progressed: now,
        }
    }

    /// Whether nothing is left of what was taken from the outbox.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.transmit.is_empty()
    }

    /// What is to be written.
    #[inline]
    pub(crate) fn transmit(&self) -> &Transmit {
        &self.transmit
    }

    /// Takes the next batch from the outbox. True if publishers have been called that may not have
    /// come.
    #[inline]
    pub(crate) fn refill(&mut self, driver: Option<&Waker>, outside: &mut Outside) -> bool {
        let now = outside.now();
        let (shared, wakers) = outside.split();
        self.transmit.refill(shared, driver, now, wakers)
    }

    /// `n` octets have been written.
    #[inline]
    pub(crate) fn written(&mut self, n: usize, now: Instant, connection: &ConnectionShared) {
        let before = self.progressed;
        if !self.transmit.is_heartbeat() {
            self.progressed = now;
        }
        if self.transmit.advance(n) {
            self.request_written(before, connection);
        }
    }

    /// The end of a request has been written: its time begins to run. Other octets were, `before`.
    #[cold]
    fn request_written(&mut self, before: Instant, connection: &ConnectionShared) {
        let progress = self.progress();
        let mut outbox = connection.outbox();
        outbox.order_mut().wrote(progress, before);
        self.transmit
            .set_next_request(outbox.order().next_unwritten());
    }

    /// How far the writing is.
    pub(crate) fn progress(&self) -> Progress {
        Progress {
            written: self.transmit.position(),
            at: self.progressed,
        }
    }

    /// Whether our `connection.close` has been written.
    #[inline]
    pub(crate) fn has_written_farewell(&self) -> bool {
        self.transmit.is_empty() && self.transmit.has_farewell()
    }

    /// A write of the next `n` octets has failed.
    pub(crate) fn may_have_written(&mut self, n: usize) {
        self.transmit.may_have_written(n);
    }

    /// Whether the broker, which has not taken what it was shown, has had us queue more than it may
    /// behind that: to read on would have us queue without bound.
    ///
    /// If each side waited for the other to read, neither would move. Only what answers the broker
    /// counts, and what settles its deliveries, not what publishers and callers queue, so that it
    /// has written a lot and read nothing while we read whatever came: a broker that reads between
    /// its writes, or publishers that send on what they receive, do not come here. It goes on with
    /// the next batch that is taken; that it is not is what `write_timeout` counts, and heartbeats
    /// leave in that batch.
    pub(crate) fn owes_too_much(&self, connection: &ConnectionShared) -> bool {
        !self.is_empty() && connection.outbox().order().owes_too_much()
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        self.transmit.rest();
    }

    /// Nothing more is written.
    pub(crate) fn clear(&mut self) {
        self.transmit.clear();
    }

    /// The publishes in what is not written.
    pub(crate) fn unwritten(&self) -> Unwritten {
        let mut unsent = Unwritten::default();
        self.transmit.unwritten(&mut unsent);
        unsent
    }

    /// The time of our `connection.close` is up: what the broker has not taken of what stood before
    /// it.
    pub(crate) fn close_timeout(&self, connection: &ConnectionShared) -> ConnectionError {
        let mut unsent = self.unwritten();
        let outbox = connection.outbox();
        outbox.order().count_unsent(&mut unsent);
        let octets = self.transmit.n_unwritten() + outbox.order().queued();
        let farewell = outbox.order().unwritten_farewell(self.progress());
        ConnectionError::CloseTimeout {
            unwritten_bytes: octets.saturating_sub(farewell),
            unwritten_messages: unsent.total(),
        }
    }
}
