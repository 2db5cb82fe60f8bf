//! Content properties as they are on the wire (AMQP 0-9-1 §4.2.6.1).
//!
//! A list of properties begins with flag words of 16 bits. Bit 15 of the first word stands for the
//! first property of the class, bit 1 for the fifteenth; bit 0 says that another word follows, which
//! goes on with the sixteenth. Behind the words are the values of the properties whose flag is set,
//! in order. A property of type `bit` is its flag and has no value.

use core::fmt;

use super::{DecodeError, LongStr, Reader, ShortStr, TableRef, Timestamp};

/// The type on the wire of a property, and of a method's field.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum PropertyKind {
    /// One bit. Fields share an octet with their neighbours; a property is its flag.
    Bit,
    /// An integer of 8 bits.
    Octet,
    /// An integer of 16 bits.
    Short,
    /// An integer of 32 bits.
    Long,
    /// An integer of 64 bits.
    LongLong,
    /// A string of at most 255 octets.
    ShortStr,
    /// A string of at most 2³² - 1 octets.
    LongStr,
    /// Seconds since 1970, in 64 bits.
    Timestamp,
    /// A field table.
    Table,
}

/// How many properties one flag word stands for.
const PER_WORD: usize = 15;

/// The bit of a flag word that says that another word follows.
pub(super) const CONTINUED: u16 = 1;

/// A list of properties, borrowed: flag words and values.
///
/// The structure was checked when the list was decoded, with the `kinds` of the class it belongs
/// to. Readers take the same `kinds` again; given others they return nonsense or nothing, but do
/// not fail. Flags that stand for no property of the class are ignored and kept, as RabbitMQ does.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct PropertyList<'a>(&'a [u8]);

impl<'a> PropertyList<'a> {
    /// The list without properties: one flag word without a flag.
    pub const EMPTY: PropertyList<'static> = PropertyList(&[0, 0]);

    /// Checks the structure of a list. The contents of field tables are not looked at.
    ///
    /// # Errors
    ///
    /// The octets end inside the list, or octets are left.
    #[inline]
    pub fn decode(
        bytes: &'a [u8],
        kinds: &'static [PropertyKind],
        what: &'static str,
    ) -> Result<Self, DecodeError> {
        // No property at all is the most frequent list.
        if bytes != [0, 0] {
            check(bytes, kinds, what)?;
        }
        Ok(Self(bytes))
    }

    /// Takes octets that were put together by [`super::PropertyBuf`].
    #[inline]
    pub(super) const fn from_checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded list.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether the flag of the property at `index` is set.
    #[inline]
    pub fn flag(self, index: usize) -> bool {
        let mut words = Words(self.0);
        let word = words.nth(index / PER_WORD);
        word.is_some_and(|word| word & flag_bit(index) != 0)
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn octet(self, kinds: &'static [PropertyKind], index: usize) -> Option<u8> {
        self.reader(kinds, index, PropertyKind::Octet)?.u8("").ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn short(self, kinds: &'static [PropertyKind], index: usize) -> Option<u16> {
        self.reader(kinds, index, PropertyKind::Short)?.u16("").ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn long(self, kinds: &'static [PropertyKind], index: usize) -> Option<u32> {
        self.reader(kinds, index, PropertyKind::Long)?.u32("").ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn long_long(self, kinds: &'static [PropertyKind], index: usize) -> Option<u64> {
        self.reader(kinds, index, PropertyKind::LongLong)?
            .u64("")
            .ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn short_str(self, kinds: &'static [PropertyKind], index: usize) -> Option<ShortStr<'a>> {
        self.reader(kinds, index, PropertyKind::ShortStr)?
            .short_str("")
            .ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn long_str(self, kinds: &'static [PropertyKind], index: usize) -> Option<LongStr<'a>> {
        self.reader(kinds, index, PropertyKind::LongStr)?
            .long_str("")
            .ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn timestamp(self, kinds: &'static [PropertyKind], index: usize) -> Option<Timestamp> {
        self.reader(kinds, index, PropertyKind::Timestamp)?
            .timestamp("")
            .ok()
    }

    /// The value of the property at `index`, if it is there and of this type.
    #[inline]
    pub fn table(self, kinds: &'static [PropertyKind], index: usize) -> Option<TableRef<'a>> {
        self.reader(kinds, index, PropertyKind::Table)?
            .table("")
            .ok()
    }

    /// A reader at the value of the property at `index`, if it is there and of this type.
    #[inline]
    fn reader(
        self,
        kinds: &'static [PropertyKind],
        index: usize,
        kind: PropertyKind,
    ) -> Option<Reader<'a>> {
        if !self.flag(index) || kinds.get(index) != Some(&kind) {
            return None;
        }
        Some(Reader::new(self.values_from(kinds, index)))
    }

    /// The values of the property at `index` and of all behind it.
    pub(super) fn values_from(self, kinds: &[PropertyKind], index: usize) -> &'a [u8] {
        let mut reader = Reader::new(values(self.0));
        let mut first = 0;
        for word in Words(self.0) {
            // Of the flags in this word, those of the properties before `index`.
            let n_before = index.saturating_sub(first).min(PER_WORD);
            let before = word & !(u16::MAX >> n_before);
            if skip_flagged(before, first, kinds, &mut reader, "").is_err() {
                break;
            }
            if n_before < PER_WORD {
                break;
            }
            first += PER_WORD;
        }
        reader.rest()
    }
}

impl Default for PropertyList<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// The flags and the number of octets; the names are known to the class.
impl fmt::Debug for PropertyList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PropertyList(")?;
        for word in Words(self.0) {
            write!(f, "{word:016b}, ")?;
        }
        write!(f, "{} octets)", self.0.len())
    }
}

/// The flag of the property at `index` in its word.
pub(super) const fn flag_bit(index: usize) -> u16 {
    0x8000 >> (index % PER_WORD)
}

/// The position in a list of the word that holds the flag of the property at `index`.
pub(super) const fn word_offset(index: usize) -> usize {
    index / PER_WORD * 2
}

/// The flag words at the start of a list.
pub(super) struct Words<'a>(pub(super) &'a [u8]);

impl Iterator for Words<'_> {
    type Item = u16;

    #[inline]
    fn next(&mut self) -> Option<u16> {
        let (word, rest) = self.0.split_first_chunk()?;
        let word = u16::from_be_bytes(*word);
        self.0 = if word & CONTINUED == 0 { &[] } else { rest };
        Some(word)
    }
}

/// What is behind the flag words.
fn values(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        rest = after;
        if u16::from_be_bytes(*word) & CONTINUED == 0 {
            break;
        }
    }
    rest
}

fn check(
    bytes: &[u8],
    kinds: &'static [PropertyKind],
    what: &'static str,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while reader.u16(what)? & CONTINUED != 0 {}
    let mut first = 0;
    for word in Words(bytes) {
        skip_flagged(word & !CONTINUED, first, kinds, &mut reader, what)?;
        first += PER_WORD;
    }
    reader.finish(what)
}

/// Skips the values of the properties whose flags are set in `flags`, of which the highest bit
/// stands for the property at `first`.
#[inline]
fn skip_flagged(
    mut flags: u16,
    first: usize,
    kinds: &[PropertyKind],
    reader: &mut Reader<'_>,
    what: &'static str,
) -> Result<(), DecodeError> {
    while flags != 0 {
        let n_clear = flags.leading_zeros() as usize;
        flags &= !(0x8000 >> n_clear);
        let index = first + n_clear;
        let Some(kind) = kinds.get(index) else {
            // A flag that stands for no property has no value either.
            break;
        };
        if let Err(error) = skip(*kind, reader, what) {
            return Err(error.in_property(u16::try_from(index).unwrap_or(u16::MAX)));
        }
    }
    Ok(())
}

#[inline]
fn skip(
    kind: PropertyKind,
    reader: &mut Reader<'_>,
    what: &'static str,
) -> Result<(), DecodeError> {
    match kind {
        PropertyKind::Bit => Ok(()),
        PropertyKind::Octet => reader.u8(what).map(drop),
        PropertyKind::Short => reader.u16(what).map(drop),
        PropertyKind::Long => reader.u32(what).map(drop),
        PropertyKind::LongLong | PropertyKind::Timestamp => reader.u64(what).map(drop),
        PropertyKind::ShortStr => reader.short_str(what).map(drop),
        PropertyKind::LongStr | PropertyKind::Table => reader.counted(what).map(drop),
    }
}
