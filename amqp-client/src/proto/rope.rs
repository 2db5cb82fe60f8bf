//! Octets on their way out: a buffer, and large pieces that stand between its octets without having
//! been copied into it.

use std::fmt;
use std::io::IoSlice;

use bytes::Bytes;

/// Invariant: the positions of `inserts` do not decrease and do not exceed `buf.len()`.
#[derive(Default)]
pub(crate) struct Rope {
    buf: Vec<u8>,
    /// Pieces, and the position in `buf` that each stands in front of.
    inserts: Vec<(usize, Bytes)>,
    /// Octets of `inserts`.
    inserted: usize,
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

    /// Empties it. The memory is kept, unless it is more than `keep`.
    pub(crate) fn clear(&mut self, keep: usize) {
        if self.buf.capacity() > keep {
            self.buf = Vec::new();
        }
        self.buf.clear();
        self.inserts.clear();
        self.inserted = 0;
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

    /// Everything from position `from` on, as far as `slices` reaches; returns how many were set.
    pub(crate) fn slices<'a>(&'a self, from: usize, slices: &mut [IoSlice<'a>]) -> usize {
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
        let mut n = 0;
        let mut slots = slices.iter_mut();
        for piece in in_order.flatten() {
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
        let n = rope.slices(position, &mut slices);
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
    fn too_few_slices_show_the_beginning() {
        assert_eq!(from(&rope(), 0, 2), b"abCDE");
        assert_eq!(from(&rope(), 3, 2), b"DEf");
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
