//! What is being written: the outbox's last batch, or some frames of a large body.

use std::io::IoSlice;
use std::task::Waker;

use bytes::Bytes;

use super::link::Link;
use super::outbox::Lane;

/// Frames of one large body that are written at once, if nothing else waits: enough to make the
/// system call cheap, few enough that others wait for less than a millisecond.
const LARGE_FRAMES: usize = 8;

/// Memory kept for the next batch; more is given back.
const KEEP: usize = 1024 * 1024;

/// What waits to be written, and how far it is.
#[derive(Debug, Default)]
pub struct Transmit {
    /// The batch of small frames; swapped with the outbox.
    batch: Vec<u8>,
    /// The frames of a large body: head, payload and end of each.
    large: Vec<Bytes>,
    heads: Vec<[u8; HEAD]>,
    /// How much of either has been written.
    written: usize,
    /// A batch has just been written: it is the turn of the large bodies.
    large_next: bool,
}

const HEAD: usize = 7;
const END: [u8; 1] = [amqp_spec::constants::FRAME_END];

impl Transmit {
    /// The octets to be written, in order, at most `slices.len()` pieces of them; returns how many
    /// pieces were filled in. One piece is the usual case.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut skip = self.written;
        let batch = std::iter::once(self.batch.as_slice());
        let frames = self.heads.iter().zip(&self.large);
        let large =
            frames.flat_map(|(head, body)| [head.as_slice(), body.as_ref(), END.as_slice()]);
        let mut n = 0;
        let mut slots = slices.iter_mut();
        for piece in batch.chain(large) {
            let rest = piece.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(piece.len());
            if rest.is_empty() {
                continue;
            }
            let Some(slot) = slots.next() else { break };
            *slot = IoSlice::new(rest);
            n += 1;
        }
        n
    }

    /// The batch, if that is all there is.
    pub fn contiguous(&self) -> Option<&[u8]> {
        if self.large.is_empty() {
            self.batch.get(self.written..)
        } else {
            None
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.large.is_empty()
    }

    fn len(&self) -> usize {
        let large = self.large.iter().map(|body| HEAD + body.len() + END.len());
        self.batch.len() + large.sum::<usize>()
    }

    pub(crate) fn clear(&mut self) {
        self.large_next = !self.batch.is_empty();
        self.batch.clear();
        self.large.clear();
        self.heads.clear();
        self.written = 0;
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.written += n;
        let len = if self.large.is_empty() {
            self.batch.len()
        } else {
            self.len()
        };
        if self.written >= len {
            if self.batch.capacity() > KEEP {
                self.batch = Vec::new();
            }
            self.clear();
        }
    }

    /// Takes the next batch from the outbox. `wakers` are to be called afterwards.
    pub(crate) fn refill(&mut self, link: &Link, waker: &Waker, wakers: &mut Vec<Waker>) {
        let mut outbox = link.outbox();
        if self.large_next {
            self.large_next = false;
            if self.take_large(&mut outbox) {
                return;
            }
        }
        match outbox.swap(&mut self.batch, waker, wakers) {
            Lane::Small | Lane::Empty => {}
            Lane::Again => {
                if !self.take_large(&mut outbox) {
                    // Publishers have been woken and will queue something: look again, later.
                    drop(outbox);
                    wakers.push(waker.clone());
                }
            }
        }
    }

    fn take_large(&mut self, outbox: &mut super::outbox::Outbox) -> bool {
        // Others in line get their turn sooner if there are others.
        let n_frames = if outbox.is_contended() {
            1
        } else {
            LARGE_FRAMES
        };
        let Some(channel) = outbox.take_large(n_frames, &mut self.large) else {
            return false;
        };
        let [c1, c0] = channel.to_be_bytes();
        for body in &self.large {
            let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
            let [s3, s2, s1, s0] = len.to_be_bytes();
            self.heads
                .push([amqp_spec::constants::FRAME_BODY, c1, c0, s3, s2, s1, s0]);
        }
        true
    }
}
