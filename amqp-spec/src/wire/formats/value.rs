//! Reading values, tables and what is spelled.
//!
//! Values are encoded as they are read, each behind the one before it: there is no tree in between.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::fault::{must_be, refuses_scalars, shown};
use super::name::{Name, alone, not_alone};
use super::scalar::{NUMBER, Scalar, number};
use super::spelled::{self, KINDS, MARK, TABLE};
use crate::wire::{DEFAULT_MAX_DEPTH, ShortString, Value};

/// Reads a value and appends it, encoded.
pub(super) struct ValueSeed<'b> {
    pub(super) buf: &'b mut Vec<u8>,
    /// How deep tables and arrays may be nested, this one included.
    pub(super) depth: u16,
    /// The innermost name, for errors.
    pub(super) name: &'b str,
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl ValueSeed<'_> {
    fn push<E>(self, value: Value<'_>) -> Result<(), E> {
        value.encode(self.buf);
        Ok(())
    }

    fn not_an_integer<E: Error>(self) -> E {
        must_be(self.name, "the value", spelled::ANY_INTEGER)
    }

    /// What tables and arrays in this one may be nested.
    fn deeper<E: Error>(&self) -> Result<u16, E> {
        let deeper = self.depth.checked_sub(1);
        deeper.ok_or_else(|| {
            let most = format!("nested at most {DEFAULT_MAX_DEPTH} deep");
            must_be(self.name, "the value", &most)
        })
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a table")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.push(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.push(Value::I64(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.push(Value::I64(value)),
            Err(_) => Err(self.not_an_integer()),
        }
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.push(Value::I64(value)),
            Err(_) => Err(self.not_an_integer()),
        }
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<(), E> {
        match i64::try_from(value) {
            Ok(value) => self.push(Value::I64(value)),
            Err(_) => Err(self.not_an_integer()),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.push(Value::F64(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.push(Value::from(text))
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<(), E> {
        self.push(Value::Bytes(octets))
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.push(Value::Void)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.push(Value::Void)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        let depth = self.deeper()?;
        let Self { buf, name, .. } = self;
        let start = begin(buf, b'A');
        values(list, buf, depth, name)?;
        end(buf, start)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        value(map, self)
    }
}

impl<'b> ValueSeed<'b> {
    /// Reads a table, whose entries `read` appends.
    pub(super) fn table<E: Error>(
        self,
        read: impl FnOnce(&mut Vec<u8>, u16, &str) -> Result<(), E>,
    ) -> Result<(), E> {
        let depth = self.deeper()?;
        let start = begin(self.buf, b'F');
        read(self.buf, depth, self.name)?;
        end(self.buf, start)
    }
}

/// Reads the values of a list.
pub(super) fn values<'de, A: SeqAccess<'de>>(
    mut list: A,
    buf: &mut Vec<u8>,
    depth: u16,
    name: &str,
) -> Result<(), A::Error> {
    while list
        .next_element_seed(ValueSeed { buf, depth, name })?
        .is_some()
    {}
    Ok(())
}

/// Appends a tag and leaves room for a length; gives the place behind it.
fn begin(buf: &mut Vec<u8>, tag: u8) -> usize {
    buf.extend_from_slice(&[tag, 0, 0, 0, 0]);
    buf.len()
}

/// Fills in the length of what was appended since.
fn end<E: Error>(buf: &mut [u8], start: usize) -> Result<(), E> {
    let length = buf.len().saturating_sub(start);
    let length = u32::try_from(length).map_err(|_| E::custom("longer than 4 GiB"))?;
    if let Some(place) = buf.get_mut(start.saturating_sub(4)..start) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    Ok(())
}

/// How the name begins under which TOML gives a date.
const TOML_DATE: &str = "$__toml";

/// Reads a map that is a value: a table, or what is spelled.
pub(super) fn value<'de, A: MapAccess<'de>>(
    mut map: A,
    seed: ValueSeed<'_>,
) -> Result<(), A::Error> {
    match map.next_key_seed(Name)? {
        Some(kind) if kind == NUMBER => match number(&mut map)? {
            Scalar::Float(number) => seed.visit_f64(number),
            Scalar::Integer(number) => seed.visit_i128(number),
            Scalar::Bool(_) | Scalar::Text(_) => Err(seed.not_an_integer()),
        },
        Some(kind) if is_spelled(&kind) && kind != TABLE => {
            scalar(text(&kind), &map.next_value()?, seed.buf, seed.name)?;
            alone(text(&kind), &mut map)
        }
        first => seed.table(|buf, depth, name| rest(first, map, buf, depth, name)),
    }
}

/// Reads the entries of a map that has to be a table, spelled or not.
pub(super) fn entries<'de, A: MapAccess<'de>>(
    mut map: A,
    buf: &mut Vec<u8>,
    depth: u16,
    name: &str,
) -> Result<(), A::Error> {
    match map.next_key_seed(Name)? {
        Some(kind) if is_spelled(&kind) && kind != TABLE => {
            Err(must_be(name, "it", "a table, not a value"))
        }
        first => rest(first, map, buf, depth, name),
    }
}

/// Reads the entries of a table, whose first name has been read.
fn rest<'de, A: MapAccess<'de>>(
    first: Option<ShortString>,
    mut map: A,
    buf: &mut Vec<u8>,
    depth: u16,
    name: &str,
) -> Result<(), A::Error> {
    if first.as_ref().is_some_and(|first| *first == TABLE) {
        map.next_value_seed(Pairs { buf, depth, name })?;
        return alone(TABLE, &mut map);
    }
    let mut seen = BTreeSet::new();
    let mut next = first;
    while let Some(name) = next {
        if is_spelled(&name) {
            return Err(not_alone(text(&name)));
        }
        name.as_ref().encode(buf);
        let value = ValueSeed {
            buf,
            depth,
            name: text(&name),
        };
        map.next_value_seed(value)?;
        if let Some(again) = seen.replace(name) {
            let message = format!("{} stands there twice", shown(text(&again)));
            return Err(A::Error::custom(message));
        }
        next = map.next_key_seed(Name)?;
    }
    Ok(())
}

/// Whether this is the name of a type, not that of an entry.
fn is_spelled(name: &ShortString) -> bool {
    text(name).starts_with(MARK)
}

/// A name as it is shown in errors.
fn text(name: &ShortString) -> &str {
    name.as_str().unwrap_or_default()
}

/// Appends the value that is spelled so.
fn scalar<E: Error>(kind: &str, scalar: &Scalar, buf: &mut Vec<u8>, name: &str) -> Result<(), E> {
    let at = |what: &str| match name {
        "" => what.into(),
        name => format!("{}: {what}", shown(name)),
    };
    match spelled::encode(kind, scalar, buf) {
        Some(Ok(())) => Ok(()),
        Some(Err(expected)) => Err(E::custom(at(&format!("{kind} must be {expected}")))),
        None if kind.starts_with(TOML_DATE) => Err(E::custom(at(
            "a date is written { \"$timestamp\" = seconds since 1970 }",
        ))),
        None => {
            let kind = shown(kind);
            Err(E::custom(at(&format!(
                "{kind} is no type; those are {KINDS}"
            ))))
        }
    }
}

/// The entries of a table as a list of names and values.
struct Pairs<'b> {
    buf: &'b mut Vec<u8>,
    depth: u16,
    name: &'b str,
}

impl<'de> DeserializeSeed<'de> for Pairs<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pairs<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names and values, [[\"name\", 1]]")
    }

    refuses_scalars!("a list of names and values, [[\"name\", 1]],");

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { buf, depth, name } = self;
        while list
            .next_element_seed(Pair(Pairs { buf, depth, name }))?
            .is_some()
        {}
        Ok(())
    }
}

/// One of them.
struct Pair<'b>(Pairs<'b>);

impl<'de> DeserializeSeed<'de> for Pair<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pair<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name and a value, [\"name\", 1]")
    }

    refuses_scalars!("a name and a value, [\"name\", 1],");

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<(), A::Error> {
        let Pairs { buf, depth, .. } = self.0;
        let name = pair.next_element_seed(Name)?;
        let name = name.ok_or_else(|| A::Error::invalid_length(0, &"a name and a value"))?;
        name.as_ref().encode(buf);
        let value = ValueSeed {
            buf,
            depth,
            name: text(&name),
        };
        let read = pair.next_element_seed(value)?;
        read.ok_or_else(|| A::Error::invalid_length(1, &"a name and a value"))?;
        match pair.next_element::<IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::invalid_length(3, &"a name and a value")),
        }
    }
}
