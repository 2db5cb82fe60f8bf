//! Field tables: names with values (AMQP 0-9-1 §4.2.5.5).
//!
//! A table is its encoded octets. Entries are decoded one by one when they are asked for and
//! appended encoded when they are added, so order, duplicates and everything else that was in a
//! table survive, and there is no tree to allocate, to free or to recurse into.

use alloc::vec::Vec;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Range;

use super::page::page;
use super::strings::encode_counted;
use super::value::{MAX_SHOWN_DEPTH, MAX_SHOWN_ENTRIES};
use super::{
    DEFAULT_MAX_DEPTH, DecodeError, DecodeErrorKind, NotRepresentable, Reader, ShortStr, ToValue,
    Value,
};

const NAME: &str = "field-table name";
const VALUE: &str = "field-table value";

/// A field table, borrowed and not yet decoded.
///
/// Two tables are equal if their octets are: order and types count.
#[derive(Clone, Copy)]
pub struct TableRef<'a> {
    /// The entries, without the length in front of them.
    bytes: &'a [u8],
    /// How deep tables and arrays may be nested in this one.
    max_depth: u16,
}

impl<'a> TableRef<'a> {
    /// The table without entries.
    pub const EMPTY: TableRef<'static> = TableRef::new(&[]);

    /// Takes encoded entries, without the length in front of them. They are not looked at.
    #[inline]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            max_depth: DEFAULT_MAX_DEPTH,
        }
    }

    /// Sets how deep tables and arrays may be nested in this one; 32 if not set.
    ///
    /// An entry that is nested deeper cannot be read. Its octets stay as they are and are passed
    /// on with the table.
    #[inline]
    #[must_use]
    pub const fn with_max_depth(self, max_depth: u16) -> Self {
        Self { max_depth, ..self }
    }

    /// The encoded entries, without the length in front of them.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// The number of entries, as [`iter`](Self::iter) yields them: in a malformed table, those in
    /// front of the fault, and one more for the fault.
    ///
    /// Decodes all of them to count them.
    pub fn len(self) -> usize {
        self.iter().count()
    }

    /// The number of octets of the encoded entries, without the four that hold that number.
    #[inline]
    pub const fn byte_len(self) -> usize {
        self.bytes.len()
    }

    /// The number of octets that [`encode`](Self::encode) appends: the entries and their length.
    #[inline]
    pub const fn encoded_len(self) -> usize {
        4 + self.bytes.len()
    }

    /// Whether there are no entries.
    #[inline]
    pub const fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }

    /// Decodes the entries one after the other, up to the first that is malformed.
    #[inline]
    pub const fn iter(self) -> TableIter<'a> {
        TableIter {
            reader: Reader::new(self.bytes),
            max_depth: self.max_depth,
        }
    }

    /// The first value with this name.
    ///
    /// # Errors
    ///
    /// An entry in front of it, or the entry itself, is malformed.
    pub fn get(self, name: impl AsRef<[u8]>) -> Result<Option<Value<'a>>, DecodeError> {
        let name = name.as_ref();
        for entry in self.iter() {
            let (found, value) = entry?;
            if found.as_bytes() == name {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The first value with this name, if it is there and can be read: what [`get`](Self::get)
    /// finds, with nothing in the place of an error.
    ///
    /// ```
    /// use amqp_spec::field_table;
    ///
    /// let headers = field_table! { "origin" => field_table! { "region" => "eu" } };
    /// let origin = headers.value("origin").and_then(|origin| origin.as_table());
    /// let region = origin.and_then(|origin| origin.value("region"));
    /// assert!(region.is_some_and(|region| region == "eu"));
    /// ```
    pub fn value(self, name: impl AsRef<[u8]>) -> Option<Value<'a>> {
        self.get(name).ok().flatten()
    }

    /// Checks all entries, those of nested tables and arrays included.
    ///
    /// # Errors
    ///
    /// One of them is malformed or nested too deep.
    pub fn validate(self) -> Result<(), DecodeError> {
        super::array::validate(Value::Table(self))
    }

    /// The first entry whose value AMQP cannot carry, and why, if nothing in front of it is
    /// malformed: see [`ToValue`]. What is nested is not looked into.
    pub fn not_representable(self) -> Option<(ShortStr<'a>, NotRepresentable)> {
        let mut entries = self.iter();
        loop {
            let at = entries.reader.clone();
            if let Err(error) = entries.next()? {
                return entries.pass_unrepresentable(at, error.kind());
            }
        }
    }

    /// Copies the octets.
    pub fn to_owned(self) -> FieldTable {
        FieldTable(self.bytes.into())
    }

    /// Appends the length and the entries.
    #[inline]
    pub fn encode(self, buf: &mut Vec<u8>) {
        encode_counted(self.bytes, buf);
    }

    pub(super) fn fmt_nested(self, depth: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(depth) = depth.checked_sub(1) else {
            return write!(f, "{{… {} octets}}", self.byte_len());
        };
        let mut map = f.debug_map();
        let mut entries = self.iter();
        for _ in 0..MAX_SHOWN_ENTRIES {
            let at = entries.reader.clone();
            match entries.next() {
                None => return map.finish(),
                Some(Ok((name, value))) => map.entry(&name, &value.shown(depth)),
                Some(Err(error)) => match entries.pass_unrepresentable(at, error.kind()) {
                    Some((name, why)) => map.entry(&name, &format_args!("<{}>", why.as_str())),
                    None => map.entry(&"malformed", &format_args!("{error}")),
                },
            };
        }
        match entries.reader.rest() {
            [] => map.finish(),
            _ => map.finish_non_exhaustive(),
        }
    }
}

impl Default for TableRef<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for TableRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for TableRef<'_> {}

impl Hash for TableRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// A map of the entries, bounded in depth and number, and cut at a page of 4096 octets.
impl fmt::Debug for TableRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        page(f, &Value::Table(*self).shown(MAX_SHOWN_DEPTH))
    }
}

impl<'a> IntoIterator for TableRef<'a> {
    type Item = Result<(ShortStr<'a>, Value<'a>), DecodeError>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &TableRef<'a> {
    type Item = Result<(ShortStr<'a>, Value<'a>), DecodeError>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

impl<'a> From<&'a FieldTable> for TableRef<'a> {
    fn from(table: &'a FieldTable) -> Self {
        table.as_ref()
    }
}

/// The entries of a table, decoded one by one. Ends after the first error.
#[derive(Clone, Debug)]
pub struct TableIter<'a> {
    reader: Reader<'a>,
    max_depth: u16,
}

impl<'a> TableIter<'a> {
    #[inline]
    fn decode_entry(&mut self) -> Result<(ShortStr<'a>, Value<'a>), DecodeError> {
        let name = self.reader.short_str(NAME)?;
        let value = Value::decode(&mut self.reader, self.max_depth, VALUE)?;
        Ok((name, value))
    }

    /// The name of an entry that could not be read, and why, if its value did not fit. What
    /// follows it comes next; `at` is where it begins.
    fn pass_unrepresentable(
        &mut self,
        mut at: Reader<'a>,
        kind: DecodeErrorKind,
    ) -> Option<(ShortStr<'a>, NotRepresentable)> {
        let DecodeErrorKind::NotRepresentable(why) = kind else {
            return None;
        };
        let name = at.short_str(NAME).ok()?;
        Value::skip(&mut at, VALUE).ok()?;
        self.reader = at;
        Some((name, why))
    }
}

impl<'a> Iterator for TableIter<'a> {
    type Item = Result<(ShortStr<'a>, Value<'a>), DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest().is_empty() {
            return None;
        }
        let entry = self.decode_entry();
        if entry.is_err() {
            self.reader.exhaust();
        }
        Some(entry)
    }
}

impl core::iter::FusedIterator for TableIter<'_> {}

impl<'a> Reader<'a> {
    /// Reads a field table. Its contents are not looked at.
    ///
    /// # Errors
    ///
    /// The octets end inside the table.
    #[inline]
    pub fn table(&mut self, what: &'static str) -> Result<TableRef<'a>, DecodeError> {
        self.counted(what).map(TableRef::new)
    }
}

/// A field table, owned.
///
/// Entries keep their order. [`insert`](Self::insert) sets the value of a name, as maps do;
/// [`push`](Self::push) appends an entry whatever is there. A table that was copied keeps all of
/// its entries, names that stand there twice included: readers that follow the specification take
/// the first of them, many others the last.
///
/// ```
/// use amqp_spec::field_table;
///
/// let arguments = field_table! {
///     "x-queue-type" => "quorum",
///     "x-delivery-limit" => 20,
/// };
/// assert_eq!(arguments.get("x-delivery-limit")?.and_then(|limit| limit.as_i64()), Some(20));
/// # Ok::<(), amqp_spec::wire::DecodeError>(())
/// ```
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct FieldTable(Vec<u8>);

impl FieldTable {
    /// A table without entries. Does not allocate.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the value of this name: in the place of the first entry that has it, removing any
    /// others, or else at the end.
    ///
    /// Looks through the entries that there are; [`push`](Self::push) does not. A value that does
    /// not fit, and a name of more than 255 octets, are kept as what they are: reading the entry
    /// fails with [`DecodeErrorKind::NotRepresentable`], and clients refuse to send it.
    /// [`try_insert`](Self::try_insert) tells at once.
    ///
    /// ```
    /// use amqp_spec::field_table;
    ///
    /// let mut headers = field_table! { "attempts" => 1, "job" => "invoice" };
    /// headers.insert("attempts", 2);
    /// assert_eq!(headers, field_table! { "attempts" => 2, "job" => "invoice" });
    /// ```
    pub fn insert(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) {
        self.set(name.as_ref(), value.to_value());
    }

    /// Appends an entry, whether or not there is one of this name. What does not fit is kept as
    /// [`insert`](Self::insert) does.
    ///
    /// RabbitMQ from 4.0 on keeps the first of several entries with one name in the headers of a
    /// message, and drops the others.
    pub fn push(&mut self, name: impl AsRef<[u8]>, value: impl ToValue) {
        self.append(name.as_ref(), value.to_value());
    }

    fn append(&mut self, name: &[u8], value: Result<Value<'_>, NotRepresentable>) {
        let (name, value) = match ShortStr::new(name) {
            Ok(name) => (name, value),
            Err(_) => (cut(name), Err(NotRepresentable::Name)),
        };
        name.encode(&mut self.0);
        match value {
            Ok(value) => value.encode(&mut self.0),
            Err(why) => why.encode(&mut self.0),
        }
    }

    fn set(&mut self, name: &[u8], value: Result<Value<'_>, NotRepresentable>) {
        let end = self.0.len();
        self.append(name, value);
        let is_cut = name.len() > ShortStr::MAX_LEN || is_cut(cut(name), value.err());
        let name = (cut(name), is_cut);
        let Some(replaced) = self.find(name, 0..end) else {
            return;
        };
        let end = self.remove_from(name, replaced.end, end);
        let n_added = self.0.len() - end;
        if let Some(tail) = self.0.get_mut(replaced.start..) {
            tail.rotate_right(n_added);
        }
        self.0
            .drain(replaced.start + n_added..replaced.end + n_added);
    }

    /// Where the first entry of this name stands, among those in `within`. The beginning of a name
    /// that is too long is not the name that is as long as that.
    fn find(&self, name: (ShortStr<'_>, bool), within: Range<usize>) -> Option<Range<usize>> {
        let start = within.start;
        let mut reader = Reader::new(self.0.get(within)?);
        while !reader.rest().is_empty() {
            let from = reader.offset();
            let found = reader.short_str(NAME).ok()?;
            let why = Value::skip(&mut reader, VALUE).ok()?;
            if (found, is_cut(found, why)) == name {
                return Some(start + from..start + reader.offset());
            }
        }
        None
    }

    /// As [`insert`](Self::insert), and tells at once what does not fit.
    ///
    /// # Errors
    ///
    /// The name has more than 255 octets, or the value does not fit. The table is unchanged.
    pub fn try_insert(
        &mut self,
        name: impl AsRef<[u8]>,
        value: impl ToValue,
    ) -> Result<(), NotRepresentable> {
        let name = ShortStr::new(name.as_ref()).map_err(|_| NotRepresentable::Name)?;
        self.set(name.as_bytes(), Ok(value.to_value()?));
        Ok(())
    }

    /// Removes all entries of this name; says whether there was one.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) -> bool {
        let n_octets = self.0.len();
        let Ok(name) = ShortStr::new(name.as_ref()) else {
            return false;
        };
        self.remove_from((name, false), 0, n_octets);
        self.0.len() < n_octets
    }

    /// Removes the entries of this name that stand between two places; gives the new place of
    /// `end`.
    fn remove_from(
        &mut self,
        name: (ShortStr<'_>, bool),
        mut from: usize,
        mut end: usize,
    ) -> usize {
        while let Some(found) = self.find(name, from..end) {
            (from, end) = (found.start, end - found.len());
            self.0.drain(found);
        }
        end
    }

    /// Removes all entries and keeps the memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Borrows it.
    #[inline]
    pub fn as_ref(&self) -> TableRef<'_> {
        TableRef::new(&self.0)
    }

    /// The encoded entries, without the length in front of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The number of entries. Decodes all of them to count them.
    pub fn len(&self) -> usize {
        self.as_ref().len()
    }

    /// The number of octets of the encoded entries, without the four that hold that number.
    pub fn byte_len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Decodes the entries one after the other.
    pub fn iter(&self) -> TableIter<'_> {
        self.as_ref().iter()
    }

    /// The first value with this name.
    ///
    /// # Errors
    ///
    /// The table was copied from octets that are malformed.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Result<Option<Value<'_>>, DecodeError> {
        self.as_ref().get(name)
    }

    /// The first value with this name, if it is there and can be read.
    pub fn value(&self, name: impl AsRef<[u8]>) -> Option<Value<'_>> {
        self.as_ref().value(name)
    }
}

impl fmt::Debug for FieldTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl From<TableRef<'_>> for FieldTable {
    fn from(table: TableRef<'_>) -> Self {
        table.to_owned()
    }
}

/// Copies the octets.
impl From<&Self> for FieldTable {
    fn from(table: &Self) -> Self {
        table.clone()
    }
}

impl<'a> IntoIterator for &'a FieldTable {
    type Item = Result<(ShortStr<'a>, Value<'a>), DecodeError>;
    type IntoIter = TableIter<'a>;

    fn into_iter(self) -> TableIter<'a> {
        self.iter()
    }
}

/// As much of a name as a short string holds.
fn cut(name: &[u8]) -> ShortStr<'_> {
    ShortStr::from_octets(name.get(..ShortStr::MAX_LEN).unwrap_or(name))
}

/// Whether this is the beginning of a name that is too long.
fn is_cut(name: ShortStr<'_>, why: Option<NotRepresentable>) -> bool {
    name.as_bytes().len() == ShortStr::MAX_LEN && why == Some(NotRepresentable::Name)
}
