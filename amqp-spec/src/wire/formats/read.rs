//! Reading the public types.

use alloc::vec::Vec;
use core::fmt;

use serde::de::{DeserializeSeed as _, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::fault::{must_be, refuses_scalars};
use super::name::Name;
use super::scalar::Scalar;
use super::spelled;
use super::value::{ValueSeed, entries, values};
use crate::wire::{
    ArrayRef, DEFAULT_MAX_DEPTH, Decimal, FieldArray, FieldTable, FieldValue, Reader, ShortString,
    TableRef, Timestamp, Value,
};

/// A map, or a table that is spelled; in binary formats the encoded entries, which are checked.
impl<'de> Deserialize<'de> for FieldTable {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(TableVisitor),
            false => deserializer.deserialize_bytes(TableVisitor),
        }
    }
}

struct TableVisitor;

impl<'de> Visitor<'de> for TableVisitor {
    type Value = FieldTable;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    refuses_scalars!("a table");

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FieldTable, A::Error> {
        let mut octets = Vec::new();
        entries(map, &mut octets, DEFAULT_MAX_DEPTH, "")?;
        Ok(TableRef::new(&octets).to_owned())
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<FieldTable, E> {
        let table = TableRef::new(octets);
        table.validate().map_err(E::custom)?;
        Ok(table.to_owned())
    }
}

/// A list; in binary formats the encoded values, which are checked.
impl<'de> Deserialize<'de> for FieldArray {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(ArrayVisitor),
            false => deserializer.deserialize_bytes(ArrayVisitor),
        }
    }
}

struct ArrayVisitor;

impl<'de> Visitor<'de> for ArrayVisitor {
    type Value = FieldArray;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    refuses_scalars!("an array");

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FieldArray, A::Error> {
        let mut octets = Vec::new();
        values(list, &mut octets, DEFAULT_MAX_DEPTH, "")?;
        Ok(ArrayRef::new(&octets).to_owned())
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<FieldArray, E> {
        let array = ArrayRef::new(octets);
        array.validate().map_err(E::custom)?;
        Ok(array.to_owned())
    }
}

/// What it is, or spelled; in binary formats the tag and the encoded value, which are checked.
impl<'de> Deserialize<'de> for FieldValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_bytes(Encoded);
        }
        let mut octets = Vec::new();
        let seed = ValueSeed {
            buf: &mut octets,
            // The outermost table or array is one more.
            depth: DEFAULT_MAX_DEPTH + 1,
            name: "",
        };
        seed.deserialize(deserializer)?;
        whole(&octets)
    }
}

/// A value of a binary format.
struct Encoded;

impl Visitor<'_> for Encoded {
    type Value = FieldValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the octets of a value")
    }

    refuses_scalars!("the octets of a value");

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<FieldValue, E> {
        whole(octets)
    }
}

/// The value that these octets are.
fn whole<E: Error>(octets: &[u8]) -> Result<FieldValue, E> {
    const WHAT: &str = "field value";
    let mut reader = Reader::new(octets);
    let read = Value::decode(&mut reader, DEFAULT_MAX_DEPTH + 1, WHAT).and_then(|value| {
        reader.finish(WHAT)?;
        match value {
            Value::Table(table) => table.validate()?,
            Value::Array(array) => array.validate()?,
            _ => {}
        }
        Ok(value.to_owned())
    });
    read.map_err(E::custom)
}

/// Text, or `{"$hex": "00ff"}`; in binary formats the octets.
impl<'de> Deserialize<'de> for ShortString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.is_human_readable() {
            true => deserializer.deserialize_any(Name),
            false => deserializer.deserialize_bytes(Name),
        }
    }
}

/// A number of seconds; in text formats also as text.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return u64::deserialize(deserializer).map(Self);
        }
        let scalar = Scalar::deserialize(deserializer)?;
        spelled::timestamp(&scalar).ok_or_else(|| must_be("", "a timestamp", spelled::SECONDS))
    }
}

/// Text: `9.95`; in binary formats the five octets.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_bytes(FiveOctets);
        }
        let number = match Scalar::deserialize(deserializer)? {
            Scalar::Text(text) => spelled::decimal_from(&text),
            _ => None,
        };
        number.ok_or_else(|| must_be("", "a decimal number", spelled::DECIMAL))
    }
}

struct FiveOctets;

impl Visitor<'_> for FiveOctets {
    type Value = Decimal;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the five octets of a decimal number")
    }

    refuses_scalars!("the five octets of a decimal number");

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<Decimal, E> {
        match *octets {
            [scale, a, b, c, d] => Ok(Decimal {
                scale,
                value: i32::from_be_bytes([a, b, c, d]),
            }),
            _ => Err(E::invalid_length(octets.len(), &self)),
        }
    }
}
