//! The adapter's side: what is to be written next, and who wakes whom.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

use amqp_spec::{constants, frame};
use bytes::Bytes;

use super::{Lane, Outbox, Wake};
use crate::proto::send::rope::Rope;

/// So much of a large body leaves in one turn while others send: half a frame of the usual size. They
/// wait for one on its way out and for one before their answer is read, and the broker keeps up.
const QUANTUM_BESIDE: usize = 64 * 1024;

/// Others no longer send once so many octets of large bodies have left since.
const BESIDE: usize = 1024 * 1024;

/// So much leaves then: a frame of the usual size, or several smaller ones.
const QUANTUM: usize = 128 * 1024;

/// So much, while nothing but large bodies is sent. The reader at the other end is woken less often,
/// which costs more than everything else there is to do.
const QUANTUM_ALONE: usize = 1024 * 1024;

/// That begins after so many octets. Whoever waits for the outcome of one small message before he sends
/// the next is heard of far more often.
const ALONE: usize = 4 * 1024 * 1024;

impl Outbox {
    /// Exchanges the queued octets for the empty `spare`.
    ///
    /// With nothing to send the adapter is woken at the next entry. `wakers` receives the publishers
    /// that may go on; call them once the lock is released.
    pub(crate) fn swap(&mut self, spare: &mut Rope, now: Instant, wakers: &mut Vec<Waker>) -> Lane {
        self.now = now;
        if self.rests() {
            return Lane::Empty;
        }
        self.say_farewell();
        for large in &mut self.large {
            large.headed = true;
        }
        if self.small.len() > mem::take(&mut self.heads) {
            self.large_alone = 0;
        }
        let empty = self.small.is_empty();
        if !empty {
            self.handed += self.small.len() as u64;
            mem::swap(&mut self.small, spare);
            self.answers.taken();
            self.tail_ack = None;
        }
        let more = self.call_waiters(wakers);
        if !empty {
            self.idle = false;
            Lane::Small
        } else if more || !self.large.is_empty() {
            self.idle = false;
            Lane::Again
        } else {
            self.idle = true;
            Lane::Empty
        }
    }

    /// Whether nothing has changed since the last look, which found nothing: whoever queues something
    /// wakes the adapter, and it looks several times in each of its turns.
    #[inline]
    fn rests(&self) -> bool {
        self.idle && self.small.is_empty() && self.lines.iter().all(|line| line.waiting.is_empty())
    }

    /// Appends the next frames of the large body whose turn it is: few, for others that have something
    /// to send wait until they are written. If for a while nobody has, and the stream is
    /// `willing` to take what it is shown, they are more; then it returns true.
    ///
    /// Only to be called behind [`swap`](Self::swap), with the rope that it filled: the body's method
    /// and header are in there.
    pub(crate) fn take_large(&mut self, rope: &mut Rope, willing: bool) -> bool {
        if !willing {
            self.large_alone /= 2;
        }
        // The most in one turn, and in one frame.
        let (quantum, most) = match self.large_alone {
            ..BESIDE => (QUANTUM_BESIDE, QUANTUM_BESIDE - frame::OVERHEAD),
            BESIDE..ALONE => (QUANTUM, usize::MAX),
            ALONE.. => (QUANTUM_ALONE, usize::MAX),
        };
        let most = most.min(self.max_payload());
        let Some(next) = self.large.iter().position(|large| large.headed) else {
            return false;
        };
        let Some(mut large) = self.large.remove(next) else {
            return false;
        };
        let mut taken = 0;
        loop {
            let len = most.min(large.body.len());
            // A frame larger than the quantum leaves all the same, alone.
            if len == 0 || (taken > 0 && taken + len > quantum) {
                break;
            }
            let chunk = large.body.split_to(len);
            taken += len;
            self.aside -= len;
            self.handed += (len + frame::OVERHEAD) as u64;
            append_body_frame(rope, large.channel, chunk);
            self.counts.frames += 1;
        }
        self.large_alone = (self.large_alone + taken).min(2 * ALONE);
        let id = large.channel;
        if !large.body.is_empty() {
            self.large.push_back(large);
        } else {
            self.large_sent(id);
        }
        quantum > QUANTUM && taken > QUANTUM
    }

    /// The most that one body frame can carry.
    #[inline]
    pub(super) fn max_payload(&self) -> usize {
        self.frame_max.saturating_sub(frame::OVERHEAD).max(1)
    }

    /// Whether `connection.close` was asked for.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether `connection.close` has been taken by the adapter.
    pub(crate) fn has_said_goodbye(&self) -> bool {
        self.closing && self.farewell.is_none()
    }

    /// Gives memory back that is not in use.
    pub(crate) fn rest(&mut self) {
        self.small.rest();
        if self.unwritten.is_empty() {
            self.unwritten = VecDeque::new();
        }
    }

    /// Nothing more will be written.
    pub(crate) fn discard(&mut self) {
        self.clear_small();
        self.answers.taken();
    }

    /// Registers the adapter's waker. Drop the one returned once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(crate) fn set_driver(&mut self, waker: Arc<Waker>) -> Option<Arc<Waker>> {
        self.driver.replace(waker)
    }

    /// The adapter is gone. Drop its waker once the lock is released.
    #[must_use = "dropping a waker may run foreign code"]
    pub(crate) fn forget_driver(&mut self) -> Option<Arc<Waker>> {
        self.driver.take()
    }

    #[inline]
    pub(super) fn wake(&mut self) -> Wake {
        if !mem::take(&mut self.idle) {
            return Wake(None);
        }
        Wake(self.driver.clone())
    }

    /// Wakes the adapter even if it is busy.
    pub(crate) fn wake_always(&mut self) -> Wake {
        self.idle = false;
        Wake(self.driver.clone())
    }

    /// Everything that is queued or waits, in words.
    #[cfg(test)]
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut leftovers = Vec::new();
        let mut note = |what: &str, n: usize| {
            if n > 0 {
                leftovers.push(format!("{what}: {n}"));
            }
        };
        note("octets in the small lane", self.small.len());
        note("octets aside", self.aside);
        note("octets of answers", self.answers.counted());
        note("large bodies", self.large.len());
        note(
            "publishers that wait",
            self.lines.iter().map(|line| line.waiting.len()).sum(),
        );
        note(
            "lines with publishers that were called",
            self.lines.iter().filter(|line| line.has_called()).count(),
        );
        note("connection.close", usize::from(self.farewell.is_some()));
        for (id, channel) in self.channels.iter().enumerate() {
            note(
                &format!("requests on channel {id}"),
                channel
                    .in_flight
                    .iter()
                    .filter(|slot| slot.has_reply())
                    .count(),
            );
            note(&format!("parked on channel {id}"), channel.parked.len());
        }
        leftovers
    }

    /// How many channel ids are in use.
    #[cfg(test)]
    pub(crate) fn channels_in_use(&self) -> usize {
        let channels = self.channels.iter().skip(1);
        channels.filter(|channel| !channel.is_free()).count()
    }
}

/// Appends one body frame without copying its payload.
pub(super) fn append_body_frame(rope: &mut Rope, channel: u16, payload: Bytes) {
    // A frame's payload is limited by `frame_max`, which has 32 bits.
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    rope.buf()
        .extend_from_slice(&frame::body_head(channel, size));
    rope.insert(payload);
    rope.buf().push(constants::FRAME_END);
}
