//! Writing.

use alloc::collections::BTreeSet;

use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _, SerializeTuple as _};
use serde::{Serialize, Serializer};

use super::spelled::{self, HEX, MARK, Spelling, TABLE};
use crate::wire::{
    ArrayRef, DEFAULT_MAX_DEPTH, Decimal, FieldArray, FieldTable, FieldValue, ShortStr,
    ShortString, TableRef, Timestamp, Value,
};

/// A map; in binary formats the encoded entries. Fails if an entry is malformed, or nested more
/// than 32 deep.
impl Serialize for TableRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => InText(self.with_max_depth(DEFAULT_MAX_DEPTH)).serialize(serializer),
            false => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

/// A list; in binary formats the encoded values. Fails if a value is malformed, or nested more
/// than 32 deep.
impl Serialize for ArrayRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => InText(self.with_max_depth(DEFAULT_MAX_DEPTH)).serialize(serializer),
            false => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

/// What it is, or spelled; in binary formats the tag and the encoded value.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            let mut octets = alloc::vec::Vec::new();
            self.encode(&mut octets);
            return serializer.serialize_bytes(&octets);
        }
        match *self {
            Value::Table(table) => table.serialize(serializer),
            Value::Array(array) => array.serialize(serializer),
            other => InText(other).serialize(serializer),
        }
    }
}

/// Text, or `{"$hex": "00ff"}` if it is not UTF-8; in binary formats the octets.
impl Serialize for ShortStr<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => InText(*self).serialize(serializer),
            false => serializer.serialize_bytes(self.as_bytes()),
        }
    }
}

macro_rules! as_borrowed {
    ($($type:ty),*) => {$(
        /// As what it borrows to.
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.as_ref().serialize(serializer)
            }
        }
    )*};
}

as_borrowed!(FieldArray, FieldTable, FieldValue, ShortString);

/// The number of seconds; in text formats those above 2⁶³ - 1 are text, as TOML has no such number.
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() {
            true => spelled::seconds(*self).serialize(serializer),
            false => serializer.serialize_u64(self.0),
        }
    }
}

/// Text: `9.95`; in binary formats the five octets.
impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        let [a, b, c, d] = self.value.to_be_bytes();
        serializer.serialize_bytes(&[self.scale, a, b, c, d])
    }
}

/// As it is written in text, tables and arrays no deeper than their readers go.
struct InText<T>(T);

impl Serialize for InText<TableRef<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !is_map(self.0) {
            return one_entry(serializer, TABLE, &Pairs(self.0));
        }
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for entry in self.0 {
            let (name, value) = entry.map_err(S::Error::custom)?;
            map.serialize_entry(name.as_str().unwrap_or_default(), &InText(value))?;
        }
        map.end()
    }
}

/// Whether the names can be those of a map.
fn is_map(table: TableRef<'_>) -> bool {
    let mut names = BTreeSet::new();
    table.iter().flatten().all(|(name, _)| {
        let is_plain = name.as_str().is_ok_and(|name| !name.starts_with(MARK));
        is_plain && names.insert(name)
    })
}

/// A table as a list of names and values.
struct Pairs<'a>(TableRef<'a>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for entry in self.0 {
            let (name, value) = entry.map_err(S::Error::custom)?;
            list.serialize_element(&Pair(name, value))?;
        }
        list.end()
    }
}

struct Pair<'a>(ShortStr<'a>, Value<'a>);

impl Serialize for Pair<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&InText(self.0))?;
        pair.serialize_element(&InText(self.1))?;
        pair.end()
    }
}

impl Serialize for InText<ArrayRef<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for value in self.0 {
            list.serialize_element(&InText(value.map_err(S::Error::custom)?))?;
        }
        list.end()
    }
}

impl Serialize for InText<ShortStr<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_str() {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => one_entry(serializer, HEX, &spelled::to_hex(self.0.as_bytes())),
        }
    }
}

impl Serialize for InText<Value<'_>> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some((kind, spelling)) = spelled::spell(self.0) {
            return one_entry(serializer, kind, &spelling);
        }
        match self.0 {
            Value::Bool(value) => serializer.serialize_bool(value),
            Value::F64(value) => serializer.serialize_f64(value),
            Value::Array(value) => InText(value).serialize(serializer),
            Value::Table(value) => InText(value).serialize(serializer),
            text @ Value::LongString(_) => {
                serializer.serialize_str(text.as_str().unwrap_or_default())
            }
            integer => serializer.serialize_i64(integer.as_i64().unwrap_or_default()),
        }
    }
}

impl Serialize for Spelling {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::True => serializer.serialize_bool(true),
        }
    }
}

fn one_entry<S: Serializer>(
    serializer: S,
    name: &str,
    value: &impl Serialize,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}
