//! Field arrays: values without names (AMQP 0-9-1 §4.2.5.5).
//!
//! An array is its encoded octets, just as a [table](super::table) is. The number in front of it
//! counts octets, not values; the specification leaves it open and the brokers decided so.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};

use super::page::page;
use super::strings::encode_counted;
use super::value::{MAX_SHOWN_DEPTH, MAX_SHOWN_ENTRIES};
use super::{DEFAULT_MAX_DEPTH, DecodeError, Reader, TableIter, ToValue, Value};

const VALUE: &str = "field-array value";

/// A field array, borrowed and not yet decoded.
///
/// Two arrays are equal if their octets are.
#[derive(Clone, Copy)]
pub struct ArrayRef<'a> {
    /// The values, without the length in front of them.
    bytes: &'a [u8],
    /// How deep tables and arrays may be nested in this one.
    max_depth: u16,
}

impl<'a> ArrayRef<'a> {
    /// The array without values.
    pub const EMPTY: ArrayRef<'static> = ArrayRef::new(&[]);

    /// Takes encoded values, without the length in front of them. They are not looked at.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            max_depth: DEFAULT_MAX_DEPTH,
        }
    }

    /// Sets how deep tables and arrays may be nested in this one; 32 if not set.
    #[inline]
    #[must_use]
    pub const fn with_max_depth(self, max_depth: u16) -> Self {
        Self { max_depth, ..self }
    }

    /// The encoded values, without the length in front of them.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The number of values, as [`iter`](Self::iter) yields them: in a malformed array, those in
    /// front of the fault, and one more for the fault.
    ///
    /// Decodes all of them to count them.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// The number of octets of the encoded values, without the four that hold that number.
    #[inline]
    pub const fn byte_len(self) -> usize {
        self.bytes.len()
    }

    /// Whether there are no values.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Decodes the values one after the other, up to the first that is malformed.
    #[inline]
    pub const fn iter(self) -> ArrayIter<'a> {
        ArrayIter {
            reader: Reader::new(self.bytes),
            max_depth: self.max_depth,
        }
    }

    /// Checks all values, those of nested tables and arrays included.
    ///
    /// # Errors
    ///
    /// One of them is malformed or nested too deep.
    pub fn validate(self) -> Result<(), DecodeError> {
        validate(Value::Array(self))
    }

    /// Copies the octets.
    pub fn to_owned(self) -> FieldArray {
        FieldArray(self.bytes.into())
    }

    /// Appends the length and the values.
    #[inline]
    pub fn encode(self, buf: &mut Vec<u8>) {
        encode_counted(self.bytes, buf);
    }

    pub(super) fn fmt_nested(self, depth: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(depth) = depth.checked_sub(1) else {
            return write!(f, "[… {} octets]", self.byte_len());
        };
        let mut list = f.debug_list();
        for (n_shown, value) in self.iter().enumerate() {
            if n_shown == MAX_SHOWN_ENTRIES {
                return list.finish_non_exhaustive();
            }
            match value {
                Ok(value) => list.entry(&value.shown(depth)),
                Err(error) => list.entry(&format_args!("malformed: {error}")),
            };
        }
        list.finish()
    }
}

/// Checks a value with everything nested in it.
///
/// The nesting is kept in a list rather than on the call stack: what is nested deeper than the
/// limit is refused before it is entered, and a caller may set the limit as high as it likes.
pub(super) fn validate(value: Value<'_>) -> Result<(), DecodeError> {
    let mut open = Vec::new();
    let mut next = Some(value);
    loop {
        match next {
            Some(Value::Table(table)) => open.push(Open::Table(table.iter())),
            Some(Value::Array(array)) => open.push(Open::Array(array.iter())),
            _ => {}
        }
        let Some(innermost) = open.last_mut() else {
            return Ok(());
        };
        next = innermost.next().transpose()?;
        if next.is_none() {
            open.pop();
        }
    }
}

/// A table or array that is being validated.
enum Open<'a> {
    Table(TableIter<'a>),
    Array(ArrayIter<'a>),
}

impl<'a> Iterator for Open<'a> {
    type Item = Result<Value<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Table(entries) => entries.next().map(|entry| entry.map(|(_, value)| value)),
            Self::Array(values) => values.next(),
        }
    }
}

impl Default for ArrayRef<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for ArrayRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for ArrayRef<'_> {}

impl Hash for ArrayRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// A list of the values, bounded in depth and number, and cut at a page of 4096 octets.
impl fmt::Debug for ArrayRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        page(f, &Value::Array(*self).shown(MAX_SHOWN_DEPTH))
    }
}

impl<'a> IntoIterator for ArrayRef<'a> {
    type Item = Result<Value<'a>, DecodeError>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &ArrayRef<'a> {
    type Item = Result<Value<'a>, DecodeError>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

impl<'a> From<&'a FieldArray> for ArrayRef<'a> {
    fn from(array: &'a FieldArray) -> Self {
        array.as_ref()
    }
}

/// The values of an array, decoded one by one. Ends after the first error.
#[derive(Clone, Debug)]
pub struct ArrayIter<'a> {
    reader: Reader<'a>,
    max_depth: u16,
}

impl<'a> Iterator for ArrayIter<'a> {
    type Item = Result<Value<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest().is_empty() {
            return None;
        }
        let value = Value::decode(&mut self.reader, self.max_depth, VALUE);
        if value.is_err() {
            self.reader.exhaust();
        }
        Some(value)
    }
}

impl core::iter::FusedIterator for ArrayIter<'_> {}

impl<'a> Reader<'a> {
    /// Reads a field array. Its contents are not looked at.
    ///
    /// # Errors
    ///
    /// The octets end inside the array.
    #[inline]
    pub fn field_array(&mut self, what: &'static str) -> Result<ArrayRef<'a>, DecodeError> {
        self.counted(what).map(ArrayRef::new)
    }
}

/// A field array, owned.
///
/// ```
/// use amqp_spec::wire::{FieldArray, Value};
///
/// let array = FieldArray::from_iter([1, 2]);
/// assert!(array.iter().eq([Ok(Value::I32(1)), Ok(Value::I32(2))]));
/// ```
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct FieldArray(Vec<u8>);

impl FieldArray {
    /// An array without values. Does not allocate.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a value. One that does not fit is kept as what it is: reading it fails with
    /// [`DecodeErrorKind::NotRepresentable`](super::DecodeErrorKind::NotRepresentable), and clients
    /// refuse to send it.
    pub fn push(&mut self, value: impl ToValue) {
        match value.to_value() {
            Ok(value) => value.encode(&mut self.0),
            Err(why) => why.encode(&mut self.0),
        }
    }

    /// Borrows it.
    #[inline]
    pub fn as_ref(&self) -> ArrayRef<'_> {
        ArrayRef::new(&self.0)
    }

    /// The encoded values, without the length in front of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of values. Decodes all of them to count them.
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// The number of octets of the encoded values, without the four that hold that number.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decodes the values one after the other.
    pub fn iter(&self) -> ArrayIter<'_> {
        self.as_ref().iter()
    }
}

impl fmt::Debug for FieldArray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl From<ArrayRef<'_>> for FieldArray {
    fn from(array: ArrayRef<'_>) -> Self {
        array.to_owned()
    }
}

impl<'a> IntoIterator for &'a FieldArray {
    type Item = Result<Value<'a>, DecodeError>;
    type IntoIter = ArrayIter<'a>;

    fn into_iter(self) -> ArrayIter<'a> {
        self.iter()
    }
}

impl<V: ToValue> Extend<V> for FieldArray {
    fn extend<I: IntoIterator<Item = V>>(&mut self, values: I) {
        for value in values {
            self.push(value);
        }
    }
}

impl<V: ToValue> FromIterator<V> for FieldArray {
    fn from_iter<I: IntoIterator<Item = V>>(values: I) -> Self {
        let mut array = Self::new();
        array.extend(values);
        array
    }
}

impl<V: ToValue> From<Vec<V>> for FieldArray {
    fn from(values: Vec<V>) -> Self {
        values.into_iter().collect()
    }
}

impl<V: ToValue, const LEN: usize> From<[V; LEN]> for FieldArray {
    fn from(values: [V; LEN]) -> Self {
        values.into_iter().collect()
    }
}
