//! The large lane: bodies that leave frame by frame, so that others may pass between two of them.

use std::collections::VecDeque;

use amqp_spec::frame;
use bytes::Bytes;

use super::small_lane::append_body_frame;
use crate::proto::send::rope::Rope;

/// What of a large body leaves in one turn while others send: half a frame of the usual size. They
/// wait for one on its way out and for one before their answer is read, and the broker keeps up.
const QUANTUM_BESIDE: usize = 64 * 1024;

/// Others no longer send once this many octets of large bodies have left since.
const BESIDE: usize = 1024 * 1024;

/// What leaves then: a frame of the usual size, or several smaller ones.
const QUANTUM: usize = 128 * 1024;

/// What leaves while nothing but large bodies is sent. The reader at the other end is woken less
/// often, which costs more than everything else there is to do.
const QUANTUM_ALONE: usize = 1024 * 1024;

/// That begins after this many octets. A caller that waits for the outcome of one small message
/// before sending the next is heard of far more often.
const ALONE: usize = 4 * 1024 * 1024;

/// Large bodies under way, at most one per channel; the front is served next.
#[derive(Debug, Default)]
pub(super) struct LargeLane {
    bodies: VecDeque<QueuedBody>,
    /// Octets of all of them.
    octets: usize,
    /// Octets that have been taken since something else was sent.
    alone: usize,
    /// Frames that have been taken since the connection began.
    frames: u64,
}

#[derive(Debug)]
struct QueuedBody {
    channel: u16,
    /// What is still to be sent.
    body: Bytes,
    /// Its method and header have been taken by the adapter.
    headed: bool,
}

/// Some frames of one body, on their way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) channel: u16,
    /// With their frames.
    pub(super) octets: usize,
    /// The body has left.
    pub(super) is_last: bool,
    /// It is large, since nothing else is sent.
    pub(super) is_alone: bool,
}

impl LargeLane {
    pub(super) fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Octets of all bodies.
    #[inline]
    pub(super) fn octets(&self) -> usize {
        self.octets
    }

    pub(super) fn n_frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn push(&mut self, channel: u16, body: Bytes) {
        self.octets += body.len();
        self.bodies.push_back(QueuedBody {
            channel,
            body,
            headed: false,
        });
    }

    /// The channels whose bodies are not complete.
    pub(super) fn channels(&self) -> impl Iterator<Item = u16> {
        self.bodies.iter().map(|large| large.channel)
    }

    /// What is in the small lane is taken, and with it the methods and headers of all bodies.
    pub(super) fn heads_are_taken(&mut self) {
        for large in &mut self.bodies {
            large.headed = true;
        }
    }

    /// Something else is sent.
    pub(super) fn is_not_alone(&mut self) {
        self.alone = 0;
    }

    /// Appends the next frames of the body whose turn it is, with payloads up to `max_payload`:
    /// few, for others that have something to send wait until they are written. They are more if
    /// for a while nothing else was sent and the stream is `willing` to take what it is shown.
    pub(super) fn take(
        &mut self,
        rope: &mut Rope,
        willing: bool,
        max_payload: usize,
    ) -> Option<Piece> {
        if !willing {
            self.alone /= 2;
        }
        // The most in one turn, and in one frame.
        let (quantum, most) = match self.alone {
            ..BESIDE => (QUANTUM_BESIDE, QUANTUM_BESIDE - frame::OVERHEAD),
            BESIDE..ALONE => (QUANTUM, usize::MAX),
            ALONE.. => (QUANTUM_ALONE, usize::MAX),
        };
        let most = most.min(max_payload);
        let next = self.bodies.iter().position(|large| large.headed)?;
        let mut large = self.bodies.remove(next)?;
        let (mut taken, mut frames) = (0, 0);
        loop {
            let len = most.min(large.body.len());
            // A frame larger than the quantum leaves all the same, alone.
            if len == 0 || (taken > 0 && taken + len > quantum) {
                break;
            }
            let chunk = large.body.split_to(len);
            taken += len;
            frames += 1;
            append_body_frame(rope, large.channel, chunk);
        }
        self.octets -= taken;
        self.frames += frames as u64;
        self.alone = (self.alone + taken).min(2 * ALONE);
        let piece = Piece {
            channel: large.channel,
            octets: taken + frames * frame::OVERHEAD,
            is_last: large.body.is_empty(),
            is_alone: quantum > QUANTUM && taken > QUANTUM,
        };
        if !piece.is_last {
            self.bodies.push_back(large);
        }
        Some(piece)
    }

    /// Takes out the body of a channel whose method and header are still in the small lane.
    pub(super) fn remove_unbegun(&mut self, channel: u16) -> Option<Bytes> {
        let unbegun = |large: &QueuedBody| large.channel == channel && !large.headed;
        let at = self.bodies.iter().position(unbegun)?;
        let large = self.bodies.remove(at)?;
        self.octets -= large.body.len();
        Some(large.body)
    }

    /// Drops all.
    pub(super) fn discard(&mut self, dropped: &mut Vec<Bytes>) {
        dropped.extend(self.bodies.drain(..).map(|large| large.body));
        self.octets = 0;
    }
}
