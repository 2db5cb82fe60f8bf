//! What is being written: the outbox's last batch, and some frames of a large body behind it.

use std::io::IoSlice;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::frame;

use super::outbox::Lane;
use super::rope::Rope;
use super::unwritten::Unwritten;
use crate::proto::shared::connection::ConnectionShared;

/// Memory kept for the next batch; more is given back.
const KEEP: usize = 1024 * 1024;

/// What waits to be written, and how far it is.
#[derive(Debug, Default)]
pub struct Transmit {
    rope: Rope,
    written: usize,
    /// As far as octets have been offered to a write that failed: any of them may have been sent.
    offered: usize,
    /// The stream did not take all of it at once.
    in_pieces: bool,
    /// Octets that have been written since the connection began.
    position: u64,
    /// Where the first request ends that is not known to be written.
    next_request: u64,
    /// See [`is_alone`](Self::is_alone).
    alone: bool,
    /// Our `connection.close` is in it, or was.
    farewell: bool,
}

impl Transmit {
    /// The octets to be written, in order, as far as `slices` reaches; returns how many slices were
    /// set.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.slices_within(usize::MAX, slices)
    }

    /// The same, of no more than `limit` octets.
    pub(crate) fn slices_within<'a>(&'a self, limit: usize, slices: &mut [IoSlice<'a>]) -> usize {
        self.rope.slices(self.written, limit, slices)
    }

    /// The octets to be written, if they lie in one piece, as they usually do. `None` does not mean
    /// that there are none: [`slices`](Self::slices) has them then, those of a login for instance.
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.rope.contiguous(self.written)
    }

    /// Whether it is a large piece of a large body, as there are while nothing else is sent.
    /// Another one may follow before the stream is read again: no task waits for a reply.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    pub(crate) fn has_farewell(&self) -> bool {
        self.farewell
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rope.is_empty()
    }

    /// Shows what is certainly not written, or not as far as a broker needs it: all but its end
    /// octet.
    pub(crate) fn unwritten(&self, unsent: &mut Unwritten) {
        let sent = self.written.max(self.offered);
        let frames = self.rope.frames();
        for frame in frames.filter(|frame| frame.end > sent + 1) {
            unsent.frame(&frame);
        }
    }

    /// A write of the next `n` octets has failed.
    pub(crate) fn may_have_written(&mut self, n: usize) {
        self.offered = self.written + n;
    }

    pub(crate) fn clear(&mut self) {
        self.rope.clear(KEEP);
        self.written = 0;
        self.offered = 0;
    }

    /// Whether it is nothing but a heartbeat: no other frame is as short.
    pub(crate) fn is_heartbeat(&self) -> bool {
        self.rope.len() == frame::HEARTBEAT.len()
    }

    /// Octets that are not written.
    pub(crate) fn n_unwritten(&self) -> usize {
        self.rope.len().saturating_sub(self.written)
    }

    /// Octets that have been written since the connection began.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// `n` octets have been written. True if the end of a request was among them.
    pub(crate) fn advance(&mut self, n: usize) -> bool {
        self.written += n;
        self.position += n as u64;
        if self.written >= self.rope.len() {
            self.clear();
        } else {
            self.in_pieces = true;
        }
        self.position >= self.next_request
    }

    /// Where the first request ends that is not known to be written.
    pub(crate) fn set_next_request(&mut self, end: u64) {
        self.next_request = end;
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        self.rope.rest();
    }

    /// Takes the next batch from the outbox. `wakers` are to be called afterwards, the driver among
    /// them if it is to look again. True if publishers have been called that may not have come.
    pub(crate) fn refill(
        &mut self,
        connection: &ConnectionShared,
        driver: Option<&Waker>,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let mut outbox = connection.outbox();
        let lane = outbox.swap(&mut self.rope, now, wakers);
        self.farewell = outbox.order().has_said_goodbye();
        // A large body has its turn behind every batch, so that neither waits for the other.
        let willing = !std::mem::take(&mut self.in_pieces);
        self.alone = outbox.order_mut().take_large(&mut self.rope, willing);
        self.next_request = outbox.order().next_unwritten();
        let unclaimed = outbox.room().has_unclaimed();
        if matches!(lane, Lane::Again) && self.rope.is_empty() {
            // Publishers have been woken and will queue something: look again, later.
            drop(outbox);
            wakers.extend(driver.cloned());
        }
        unclaimed
    }
}
