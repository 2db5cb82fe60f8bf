//! The small lane: whole frames in the order in which they leave, in one buffer.
//!
//! Whatever is appended is counted, and comes behind the ack that a following one might have been
//! merged with: [`SmallLane`] alone appends, so that neither is forgotten.

use amqp_spec::{basic, constants, frame};
use bytes::Bytes;
use zeroize::Zeroizing;

use crate::proto::send::rope::{QueuedFrame, Rope};
use crate::proto::send::unwritten::Unwritten;

/// The length of an ack's frame.
const ACK_LEN: usize = 21;

#[derive(Clone, Copy, Debug)]
struct TailAck {
    channel: u16,
    tag: u64,
}

/// Whole frames that the adapter takes all at once.
#[derive(Debug, Default)]
pub(super) struct SmallLane {
    rope: Rope,
    /// The last 21 octets are an ack that a following one may be merged with.
    tail_ack: Option<TailAck>,
    /// Octets that are methods and headers of large bodies.
    heads: usize,
    /// Octets that the broker has made us say (see [`owed`](super::owed)).
    owed: usize,
    /// Octets that have left through here, and through the large lane, since the stream began.
    taken: u64,
    /// Frames that have been appended since the connection began.
    frames: u64,
    /// `connection.close` has been appended: nothing of any channel may follow.
    sealed: bool,
}

/// What the adapter has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct TakenFrames {
    pub(super) anything: bool,
    /// More than what begins large bodies.
    pub(super) others: bool,
}

impl SmallLane {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.rope.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rope.is_empty()
    }

    /// The position behind its last octet, among all that leave.
    pub(super) fn end(&self) -> u64 {
        self.taken + self.rope.len() as u64
    }

    pub(super) fn n_frames(&self) -> u64 {
        self.frames
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Appends `n` frames that are encoded in place: all of them, or on an error nothing.
    #[inline]
    pub(super) fn append<E>(
        &mut self,
        n: u64,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        encode(self.rope.buf())?;
        self.tail_ack = None;
        self.frames += n;
        Ok(())
    }

    /// Appends octets as they are, which are one frame, or the protocol header.
    pub(super) fn append_raw(&mut self, octets: &[u8]) {
        self.tail_ack = None;
        self.frames += 1;
        self.rope.buf().extend_from_slice(octets);
    }

    /// Appends the body of the message that was appended last, without copying it; its frame has
    /// been counted.
    pub(super) fn append_body(&mut self, channel: u16, payload: Bytes) {
        append_body_frame(&mut self.rope, channel, payload);
    }

    /// Appends a frame of which no copy stays behind.
    pub(super) fn append_secret(&mut self, frame: Zeroizing<Vec<u8>>) {
        self.tail_ack = None;
        self.frames += 1;
        self.rope.push_secret(frame);
    }

    /// Appends what was parked.
    pub(super) fn append_parked(&mut self, frames: Vec<u8>) {
        self.tail_ack = None;
        let parked = Rope::from(frames);
        self.frames += parked.frames().count() as u64;
        let octets = parked.contiguous(0).unwrap_or_default();
        self.rope.buf().extend_from_slice(octets);
    }

    /// Appends method and header of a large body.
    pub(super) fn append_head(&mut self, head: Vec<u8>) {
        self.heads += head.len();
        self.append_parked(head);
    }

    /// Appends `connection.close`.
    pub(super) fn seal(&mut self, close: &[u8]) {
        self.append_raw(close);
        self.sealed = true;
    }

    /// Appends an ack, or widens the last one: if nothing stands behind that and it is of the same
    /// channel, and `contiguous` says that everything up to the higher tag is settled.
    #[inline]
    pub(super) fn append_ack(&mut self, channel: u16, delivery_tag: u64, contiguous: bool) {
        let tail = self
            .tail_ack
            .filter(|tail| contiguous && tail.channel == channel);
        let ack = match tail {
            Some(tail) => {
                let buf = self.rope.buf();
                buf.truncate(buf.len().saturating_sub(ACK_LEN));
                basic::Ack {
                    delivery_tag: tail.tag.max(delivery_tag),
                    multiple: true,
                }
            }
            None => {
                self.frames += 1;
                self.owed += ACK_LEN;
                basic::Ack {
                    delivery_tag,
                    multiple: false,
                }
            }
        };
        self.rope.buf().extend_from_slice(&ack.to_frame(channel));
        self.tail_ack = Some(TailAck {
            channel,
            tag: ack.delivery_tag,
        });
    }

    /// Octets that the broker has made us say.
    pub(super) fn owed(&self) -> usize {
        self.owed
    }

    /// Counts octets that were appended as owed to the broker.
    #[inline]
    pub(super) fn add_owed(&mut self, octets: usize) {
        self.owed += octets;
    }

    /// Counts what was appended since there were `len` octets, of which `owed` were owed, as owed.
    pub(super) fn owe_all_since(&mut self, len: usize, owed: usize) {
        self.owed = owed + self.len().saturating_sub(len);
    }

    /// Exchanges what is queued for the empty `spare`.
    pub(super) fn take(&mut self, spare: &mut Rope) -> TakenFrames {
        let others = self.len() > std::mem::take(&mut self.heads);
        let anything = !self.is_empty();
        if anything {
            self.taken += self.len() as u64;
            std::mem::swap(&mut self.rope, spare);
            self.owed = 0;
            self.tail_ack = None;
        }
        TakenFrames { anything, others }
    }

    /// Octets of a large body leave behind what was taken.
    pub(super) fn add_taken(&mut self, octets: usize) {
        self.taken += octets as u64;
    }

    /// The frames in it. For rare occasions.
    pub(super) fn frames(&self) -> impl Iterator<Item = QueuedFrame> {
        self.rope.frames()
    }

    /// Copies the messages of a channel.
    pub(super) fn copy_messages(&self, channel: u16) -> Vec<u8> {
        self.rope.copy(|frame| frame.is_of_message(channel))
    }

    /// Takes the messages of a channel out, and shows them to `unsent`. What stood behind them ends
    /// sooner.
    pub(super) fn drop_messages(
        &mut self,
        channel: u16,
        unsent: &mut Unwritten,
        dropped: &mut Vec<Bytes>,
    ) {
        let mut found = false;
        for frame in self.frames().filter(|frame| frame.is_of_message(channel)) {
            unsent.frame(&frame);
            found = true;
        }
        if found {
            // Not the last any more, or not there.
            self.tail_ack = None;
            self.rope
                .retain(dropped, |frame| !frame.is_of_message(channel));
        }
    }

    /// Drops everything.
    pub(super) fn discard(&mut self, dropped: &mut Vec<Bytes>) {
        self.rope.let_go(dropped);
        self.rope.clear(0);
        self.owed = 0;
        self.tail_ack = None;
    }

    /// A stream has been connected, on which nothing has left.
    pub(super) fn begin_stream(&mut self) {
        *self = Self {
            frames: self.frames,
            ..Self::default()
        };
    }

    /// Gives memory back that is not in use.
    pub(super) fn rest(&mut self) {
        self.rope.rest();
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
