//! A cursor over received octets.

use core::fmt;

use super::{DecodeError, DecodeErrorKind, LongStr, ShortStr, Timestamp};

/// Reads values from the front of a slice.
///
/// Each read takes the full name of what is read (`queue.declare-ok.message-count`) for the error
/// message, and checks bounds once. After an error the reader stands where the faulty value
/// begins; what is read from it then is of no use. `Debug` tells where it stands, and shows no
/// octets, which may be a password.
#[derive(Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// The length of the whole slice; the position is what `rest` is shorter by, so that reading
    /// moves one pointer and nothing else.
    total: usize,
}

impl fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("offset", &self.offset())
            .field("rest", &format_args!("<{} octets>", self.rest.len()))
            .finish()
    }
}

impl<'a> Reader<'a> {
    /// A reader at the start of `bytes`.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            total: bytes.len(),
        }
    }

    /// The octets that have not been read yet.
    #[inline]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The number of octets that have been read.
    #[inline]
    pub const fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    /// Reads an octet, or the octet that packs up to eight bits.
    ///
    /// # Errors
    ///
    /// No octet is left.
    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(u8::from_be_bytes)
    }

    /// Reads a short integer.
    ///
    /// # Errors
    ///
    /// Fewer than two octets are left.
    #[inline]
    pub fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(u16::from_be_bytes)
    }

    /// Reads a long integer.
    ///
    /// # Errors
    ///
    /// Fewer than four octets are left.
    #[inline]
    pub fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(u32::from_be_bytes)
    }

    /// Reads a long long integer.
    ///
    /// # Errors
    ///
    /// Fewer than eight octets are left.
    #[inline]
    pub fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(u64::from_be_bytes)
    }

    /// Reads a short string: one octet of length and as many octets of text.
    ///
    /// # Errors
    ///
    /// The octets end inside the string.
    #[inline]
    pub fn short_str(&mut self, what: &'static str) -> Result<ShortStr<'a>, DecodeError> {
        let Some((&len, rest)) = self.rest.split_first() else {
            return Err(ended(1, self.rest.len(), self.offset(), what));
        };
        let Some((bytes, rest)) = rest.split_at_checked(usize::from(len)) else {
            return Err(ended(
                1 + usize::from(len),
                self.rest.len(),
                self.offset(),
                what,
            ));
        };
        self.rest = rest;
        Ok(ShortStr::from_octets(bytes))
    }

    /// Reads a long string: four octets of length and as many octets of text.
    ///
    /// # Errors
    ///
    /// The octets end inside the string.
    #[inline]
    pub fn long_str(&mut self, what: &'static str) -> Result<LongStr<'a>, DecodeError> {
        self.counted(what).map(LongStr::from_octets)
    }

    /// Reads a timestamp.
    ///
    /// # Errors
    ///
    /// Fewer than eight octets are left.
    #[inline]
    pub fn timestamp(&mut self, what: &'static str) -> Result<Timestamp, DecodeError> {
        self.u64(what).map(Timestamp)
    }

    /// Reads `N` octets.
    #[inline]
    pub(crate) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let Some((array, rest)) = self.rest.split_first_chunk() else {
            return Err(ended(N, self.rest.len(), self.offset(), what));
        };
        self.rest = rest;
        Ok(*array)
    }

    /// Reads four octets of length and as many octets.
    #[inline]
    pub(super) fn counted(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((len, rest)) = self.rest.split_first_chunk() else {
            return Err(ended(4, self.rest.len(), self.offset(), what));
        };
        // On a machine with addresses of 16 bits no slice can be that long: the read fails below.
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        let Some((bytes, rest)) = rest.split_at_checked(len) else {
            return Err(ended(
                len.saturating_add(4),
                self.rest.len(),
                self.offset(),
                what,
            ));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// Goes to the end, so that nothing more is read.
    pub(super) fn exhaust(&mut self) {
        self.rest = &[];
    }
}

/// Takes numbers rather than the reader, so that the reader can live in registers.
#[cold]
fn ended(needed: usize, left: usize, offset: usize, what: &'static str) -> DecodeError {
    DecodeError::new(
        what,
        offset,
        DecodeErrorKind::UnexpectedEnd { needed, left },
    )
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    #[test]
    fn error_names_what_was_read_and_where() {
        let mut reader = Reader::new(&[1, b'q', 0, 0]);
        reader.short_str("queue.declare-ok.queue").unwrap();
        let error = reader.u32("queue.declare-ok.message-count").unwrap_err();
        assert_eq!(
            error.to_string(),
            "queue.declare-ok.message-count at octet 2: 4 octets needed, 2 left"
        );
    }

    #[test]
    fn failed_read_does_not_move() {
        let mut reader = Reader::new(&[5, b'a', b'b']);
        reader.short_str("x").unwrap_err();
        assert_eq!(reader.offset(), 0);
        reader.long_str("x").unwrap_err();
        assert_eq!(reader.rest(), [5, b'a', b'b']);
    }

    #[test]
    fn length_beyond_the_octets_is_refused() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0]);
        let error = reader.table("x").unwrap_err();
        let kind = DecodeErrorKind::UnexpectedEnd {
            needed: 0xffff_ffff + 4,
            left: 5,
        };
        assert_eq!(error.kind(), kind);
    }

    #[test]
    fn octets_left_over_are_counted() {
        let mut reader = Reader::new(&[1, 2, 3]);
        reader.u8("x").unwrap();
        assert_eq!(
            reader.finish("x").unwrap_err().to_string(),
            "x at octet 1: 2 octets too many"
        );
    }
}
