//! Content properties as they are on the wire (AMQP 0-9-1 §4.2.6.1).
//!
//! A list of properties begins with flag words of 16 bits. Bit 15 of the first word stands for the
//! first property of the class, bit 1 for the fifteenth; bit 0 says that another word follows,
//! which goes on with the sixteenth. Behind the words are the values of the properties whose flag
//! is set, in order. A property of type `bit` is its flag and has no value.

use core::fmt;

use super::{DecodeError, DecodeErrorKind, LongStr, Reader, ShortStr, TableRef, Timestamp, method};

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
pub(super) const PER_WORD: usize = 15;

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
        if let (Some((word, _)), true) = (single_word(self.0), index < PER_WORD) {
            return word & flag_bit(index) != 0;
        }
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
    #[inline]
    pub(super) fn values_from(self, kinds: &[PropertyKind], index: usize) -> &'a [u8] {
        match single_word(self.0) {
            Some((word, values)) if index < PER_WORD => {
                skip_flagged(flags_before(word, index), 0, kinds, values).unwrap_or_default()
            }
            _ => self.values_from_any(kinds, index),
        }
    }

    #[cold]
    fn values_from_any(self, kinds: &[PropertyKind], index: usize) -> &'a [u8] {
        let mut values = values(self.0);
        for (i, word) in Words(self.0).enumerate() {
            let first = i * PER_WORD;
            let before = flags_before(word, index.saturating_sub(first));
            values = skip_flagged(before, first, kinds, values).unwrap_or_default();
            if index < first + PER_WORD {
                break;
            }
        }
        values
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

/// The one flag word of a list that has no more, and the values behind it.
#[inline]
fn single_word(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (word, values) = bytes.split_first_chunk()?;
    let word = u16::from_be_bytes(*word);
    (word & CONTINUED == 0).then_some((word, values))
}

/// Of the flags in a word, those of its first `n` properties.
#[inline]
fn flags_before(word: u16, n: usize) -> u16 {
    word & !(u16::MAX >> n.min(PER_WORD))
}

#[inline]
fn check(
    bytes: &[u8],
    kinds: &'static [PropertyKind],
    what: &'static str,
) -> Result<(), DecodeError> {
    let Some((word, values)) = single_word(bytes) else {
        return check_words(bytes, kinds, what);
    };
    match skip_flagged(word, 0, kinds, values) {
        Ok([]) => Ok(()),
        Ok(behind) => Err(trailing(bytes, behind, what)),
        Err(cut) => Err(cut.error(bytes, kinds, what)),
    }
}

/// Checks a list of any number of flag words. No class of the specification needs more than one.
#[cold]
fn check_words(
    bytes: &[u8],
    kinds: &'static [PropertyKind],
    what: &'static str,
) -> Result<(), DecodeError> {
    let mut reader = Reader::new(bytes);
    while reader.u16(what)? & CONTINUED != 0 {}
    let mut values = reader.rest();
    for (i, word) in Words(bytes).enumerate() {
        let skipped = skip_flagged(word & !CONTINUED, i * PER_WORD, kinds, values);
        values = skipped.map_err(|cut| cut.error(bytes, kinds, what))?;
    }
    if values.is_empty() {
        Ok(())
    } else {
        Err(trailing(bytes, values, what))
    }
}

#[cold]
fn trailing(bytes: &[u8], behind: &[u8], what: &'static str) -> DecodeError {
    method::trailing(behind.len(), bytes.len() - behind.len(), what)
}

/// A list that ends inside the value of the property at `index`, which begins with `left`.
struct Cut<'a> {
    index: usize,
    left: &'a [u8],
}

impl Cut<'_> {
    #[cold]
    fn error(self, bytes: &[u8], kinds: &[PropertyKind], what: &'static str) -> DecodeError {
        let needed = match (kinds.get(self.index), self.left.split_first_chunk()) {
            (Some(PropertyKind::LongStr | PropertyKind::Table), Some((len, _))) => {
                usize::try_from(u32::from_be_bytes(*len))
                    .unwrap_or(usize::MAX)
                    .saturating_add(4)
            }
            (Some(PropertyKind::ShortStr), _) => {
                1 + self.left.first().map_or(0, |len| usize::from(*len))
            }
            (Some(kind), _) => kind.min_len(),
            (None, _) => 0,
        };
        let kind = DecodeErrorKind::UnexpectedEnd {
            needed,
            left: self.left.len(),
        };
        let error = DecodeError::new(what, bytes.len() - self.left.len(), kind);
        error.in_property(u16::try_from(self.index).unwrap_or(u16::MAX))
    }
}

/// Skips the values of the properties whose flags are set in `flags`, of which the highest bit
/// stands for the property at `first`.
#[inline]
fn skip_flagged<'a>(
    mut flags: u16,
    first: usize,
    kinds: &[PropertyKind],
    mut values: &'a [u8],
) -> Result<&'a [u8], Cut<'a>> {
    while flags != 0 {
        let n_clear = flags.leading_zeros() as usize;
        flags &= !(0x8000 >> n_clear);
        let index = first + n_clear;
        let Some(kind) = kinds.get(index) else {
            // A flag that stands for no property has no value either.
            break;
        };
        let Some(behind) = kind.skip(values) else {
            return Err(Cut {
                index,
                left: values,
            });
        };
        values = behind;
    }
    Ok(values)
}

impl PropertyKind {
    /// What is behind a value of this type at the front of `values`.
    #[inline]
    fn skip(self, values: &[u8]) -> Option<&[u8]> {
        match self {
            Self::ShortStr => {
                let (len, rest) = values.split_first()?;
                rest.get(usize::from(*len)..)
            }
            Self::LongStr | Self::Table => {
                let (len, rest) = values.split_first_chunk()?;
                rest.get(usize::try_from(u32::from_be_bytes(*len)).ok()?..)
            }
            fixed => values.get(fixed.min_len()..),
        }
    }

    /// The number of octets of a value, or of its length if it has one.
    #[inline]
    const fn min_len(self) -> usize {
        match self {
            Self::Bit => 0,
            Self::Octet | Self::ShortStr => 1,
            Self::Short => 2,
            Self::Long | Self::LongStr | Self::Table => 4,
            Self::LongLong | Self::Timestamp => 8,
        }
    }
}
