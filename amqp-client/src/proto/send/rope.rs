//! Octets on their way out: a buffer, and large pieces that stand between its octets without having
//! been copied into it.

use std::fmt;
use std::io::IoSlice;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, constants, frame};
use bytes::Bytes;
use zeroize::Zeroizing;

/// Invariant: the positions of `inserts` do not decrease and do not exceed `buf.len()`.
#[derive(Default)]
pub(crate) struct Rope {
    buf: Vec<u8>,
    /// Pieces, and the position in `buf` that each stands in front of.
    inserts: Vec<(usize, Bytes)>,
    /// Octets of `inserts`.
    inserted: usize,
}

/// What a queued frame is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FrameRole {
    /// The method `basic.publish`.
    Publish,
    /// A header or a body.
    Content,
    Other,
}

/// One frame in a rope.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct QueuedFrame {
    pub(crate) kind: FrameRole,
    pub(crate) channel: u16,
    /// The position behind its last octet.
    pub(crate) end: usize,
    /// Where its octets in `buf` start and end; a payload among `inserts` is not among them.
    buf: (usize, usize),
    /// Whether its payload is an insert.
    inserted: bool,
}

impl QueuedFrame {
    /// Whether it belongs to a message of this channel.
    pub(crate) fn is_of_message(&self, channel: u16) -> bool {
        self.channel == channel && self.kind != FrameRole::Other
    }
}

/// How much it is; the octets may hold credentials.
impl fmt::Debug for Rope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} octets>", self.len())
    }
}

impl Rope {
    pub(crate) fn len(&self) -> usize {
        self.buf.len() + self.inserted
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// The buffer, to append to.
    #[inline]
    pub(crate) fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Appends octets that are not copied. Something must follow in the buffer.
    pub(crate) fn insert(&mut self, octets: Bytes) {
        self.inserted += octets.len();
        self.inserts.push((self.buf.len(), octets));
    }

    /// Appends a frame of which no copy stays behind: its payload is not copied into the buffer,
    /// which may grow and leave one, and is overwritten when it leaves the rope in whatever way.
    pub(crate) fn push_secret(&mut self, frame: Zeroizing<Vec<u8>>) {
        let end = frame.len().saturating_sub(1);
        let (Some(head), true) = (frame.get(..HEAD), end > HEAD) else {
            return;
        };
        self.buf.extend_from_slice(head);
        self.insert(Bytes::from_owner(frame).slice(HEAD..end));
        self.buf.push(constants::FRAME_END);
    }

    /// Empties it. The memory is kept, unless it is more than `keep`.
    pub(crate) fn clear(&mut self, keep: usize) {
        if self.buf.capacity() > keep {
            self.buf = Vec::new();
        }
        self.buf.clear();
        self.inserts.clear();
        self.inserted = 0;
    }

    /// Moves out the pieces that were not copied, as what they are in is about to be cleared.
    pub(crate) fn let_go(&mut self, pieces: &mut Vec<Bytes>) {
        pieces.extend(self.inserts.drain(..).map(|(_, octets)| octets));
    }

    /// Gives its memory back, if there is nothing in it.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    /// Everything from position `from` on, if it lies in one piece.
    pub(crate) fn contiguous(&self, from: usize) -> Option<&[u8]> {
        if self.inserts.is_empty() {
            self.buf.get(from..)
        } else {
            None
        }
    }

    /// What stands from position `from` on, at most `limit` octets and as far as `slices` reaches;
    /// returns how many were set.
    pub(crate) fn slices<'a>(
        &'a self,
        from: usize,
        limit: usize,
        slices: &mut [IoSlice<'a>],
    ) -> usize {
        let starts = std::iter::once(0).chain(self.inserts.iter().map(|&(at, _)| at));
        let ends = self
            .inserts
            .iter()
            .map(|&(at, _)| at)
            .chain([self.buf.len()]);
        let pieces = starts
            .zip(ends)
            .map(|(start, end)| self.buf.get(start..end));
        let inserts = self
            .inserts
            .iter()
            .map(|(_, octets)| Some(octets.as_ref()))
            .chain([None]);
        let in_order = pieces
            .zip(inserts)
            .flat_map(|(piece, insert)| [piece, insert]);
        let mut skip = from;
        let mut left = limit;
        let mut n = 0;
        let mut slots = slices.iter_mut();
        for piece in in_order.flatten() {
            let rest = piece.get(skip..).unwrap_or_default();
            skip = skip.saturating_sub(piece.len());
            let rest = rest.get(..left).unwrap_or(rest);
            if rest.is_empty() {
                continue;
            }
            left -= rest.len();
            let Some(slot) = slots.next() else { break };
            *slot = IoSlice::new(rest);
            n += 1;
        }
        n
    }
}

impl From<Vec<u8>> for Rope {
    fn from(buf: Vec<u8>) -> Self {
        Self {
            buf,
            ..Self::default()
        }
    }
}

impl Rope {
    /// The frames in it, in order. It must hold whole frames, with inserts for whole payloads only;
    /// the protocol header is passed over. For rare occasions.
    pub(crate) fn frames(&self) -> impl Iterator<Item = QueuedFrame> {
        let mut at = 0;
        let mut end = 0;
        let mut inserts = self.inserts.iter().peekable();
        std::iter::from_fn(move || {
            if self.buf.get(at..)?.starts_with(&frame::PROTOCOL_HEADER) {
                at += frame::PROTOCOL_HEADER.len();
                end += frame::PROTOCOL_HEADER.len();
            }
            let (&[kind, c1, c0, s3, s2, s1, s0], payload) =
                self.buf.get(at..)?.split_first_chunk::<HEAD>()?;
            let start = at;
            let size = u32::from_be_bytes([s3, s2, s1, s0]) as usize;
            let inserted = inserts.next_if(|insert| insert.0 == at + HEAD).is_some();
            at += frame::OVERHEAD + if inserted { 0 } else { size };
            end += frame::OVERHEAD + size;
            let kind = match kind {
                constants::FRAME_HEADER | constants::FRAME_BODY => FrameRole::Content,
                constants::FRAME_METHOD if is_publish(payload) => FrameRole::Publish,
                _ => FrameRole::Other,
            };
            Some(QueuedFrame {
                kind,
                channel: u16::from_be_bytes([c1, c0]),
                end,
                buf: (start, at),
                inserted,
            })
        })
    }

    /// Copies the frames that are wanted, on the same terms.
    pub(crate) fn copy(&self, mut wanted: impl FnMut(&QueuedFrame) -> bool) -> Vec<u8> {
        let mut copied = Vec::new();
        let mut inserts = self.inserts.iter();
        for frame in self.frames() {
            let (start, end) = frame.buf;
            let octets = self.buf.get(start..end).unwrap_or_default();
            let payload = if frame.inserted { inserts.next() } else { None };
            if !wanted(&frame) {
                continue;
            }
            match (payload, octets.split_at_checked(HEAD)) {
                (Some((_, payload)), Some((head, tail))) => {
                    copied.extend_from_slice(head);
                    copied.extend_from_slice(payload);
                    copied.extend_from_slice(tail);
                }
                _ => copied.extend_from_slice(octets),
            }
        }
        copied
    }

    /// Takes out the frames that are not to be kept, on the same terms.
    pub(crate) fn retain(
        &mut self,
        pieces: &mut Vec<Bytes>,
        mut keep: impl FnMut(&QueuedFrame) -> bool,
    ) {
        let frames: Vec<QueuedFrame> = self.frames().collect();
        let before = std::mem::take(self);
        let mut inserts = before.inserts.into_iter();
        let mut done = 0;
        for frame in &frames {
            let (start, end) = frame.buf;
            let octets = before.buf.get(start..end).unwrap_or_default();
            // The protocol header stands in front of the first frame.
            let between = before.buf.get(done..start).unwrap_or_default();
            self.buf.extend_from_slice(between);
            done = end;
            let payload = if frame.inserted {
                inserts.next().map(|(_, octets)| octets)
            } else {
                None
            };
            if !keep(frame) {
                pieces.extend(payload);
                continue;
            }
            match (payload, octets.split_at_checked(HEAD)) {
                (Some(payload), Some((head, tail))) => {
                    self.buf.extend_from_slice(head);
                    self.insert(payload);
                    self.buf.extend_from_slice(tail);
                }
                _ => self.buf.extend_from_slice(octets),
            }
        }
        let rest = before.buf.get(done..).unwrap_or_default();
        self.buf.extend_from_slice(rest);
    }
}

/// Type, channel and size, in front of every payload.
const HEAD: usize = 7;

fn is_publish(payload: &[u8]) -> bool {
    MethodId::peek(payload) == Some(basic::Publish::ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rope() -> Rope {
        let mut rope = Rope::default();
        rope.buf().extend_from_slice(b"ab");
        rope.insert(Bytes::from_static(b"CDE"));
        rope.buf().extend_from_slice(b"f");
        rope.insert(Bytes::from_static(b"GH"));
        rope.insert(Bytes::from_static(b"I"));
        rope.buf().extend_from_slice(b"jk");
        rope
    }

    fn from(rope: &Rope, position: usize, n_slices: usize) -> Vec<u8> {
        let mut slices = vec![IoSlice::new(&[]); n_slices];
        let n = rope.slices(position, usize::MAX, &mut slices);
        slices[..n]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect()
    }

    #[test]
    fn pieces_come_in_order_from_any_position() {
        let rope = rope();
        assert_eq!(rope.len(), 11);
        for position in 0..=11 {
            assert_eq!(
                from(&rope, position, 9),
                b"abCDEfGHIjk"[position..],
                "{position}"
            );
        }
    }

    #[test]
    fn no_more_is_shown_than_the_limit() {
        let rope = rope();
        for limit in 0..=12 {
            for position in 0..=11 {
                let mut slices = [IoSlice::new(&[]); 9];
                let n = rope.slices(position, limit, &mut slices);
                let shown: Vec<u8> = slices[..n].iter().flat_map(|s| s.to_vec()).collect();
                let end = (position + limit).min(11);
                assert_eq!(shown, b"abCDEfGHIjk"[position..end], "{position} {limit}");
            }
        }
    }

    #[test]
    fn too_few_slices_show_the_beginning() {
        assert_eq!(from(&rope(), 0, 2), b"abCDE");
        assert_eq!(from(&rope(), 3, 2), b"DEf");
    }

    #[test]
    fn secret_frame_is_whole_and_no_part_of_the_buffer() {
        let mut frame = vec![constants::FRAME_METHOD, 0, 0, 0, 0, 0, 6];
        frame.extend_from_slice(b"secret");
        frame.push(constants::FRAME_END);
        let mut rope = Rope::default();
        rope.buf().extend_from_slice(&frame::HEARTBEAT);
        rope.push_secret(Zeroizing::new(frame.clone()));
        rope.buf().extend_from_slice(&frame::HEARTBEAT);
        let whole = [&frame::HEARTBEAT, frame.as_slice(), &frame::HEARTBEAT].concat();
        assert_eq!(from(&rope, 0, 9), whole);
        assert_eq!(rope.frames().count(), 3);
        assert!(!rope.buf().windows(6).any(|octets| octets == b"secret"));
        rope.retain(&mut Vec::new(), |_| true);
        assert_eq!(from(&rope, 0, 9), whole);
        assert!(!rope.buf().windows(6).any(|octets| octets == b"secret"));
    }

    #[test]
    fn without_inserts_it_is_one_piece() {
        let mut rope = Rope::default();
        rope.buf().extend_from_slice(b"abc");
        assert_eq!(rope.contiguous(1), Some(b"bc".as_slice()));
        assert_eq!(from(&rope, 1, 4), b"bc");
        rope.insert(Bytes::from_static(b"x"));
        assert_eq!(rope.contiguous(1), None);
        rope.clear(0);
        assert!(rope.is_empty());
        assert_eq!(rope.inserted, 0);
    }
}
