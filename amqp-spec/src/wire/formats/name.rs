//! The names of entries, and of types.

use alloc::format;
use alloc::string::String;
use core::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, Visitor};

use super::fault::{refuses_scalars, shown};
use super::scalar::Scalar;
use super::spelled::{self, HEX, MARK};
use crate::wire::{ShortStr, ShortString};

/// The name of an entry: text, or octets if it is none.
pub(super) struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = ShortString;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<ShortString, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = ShortString;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text of at most 255 octets")
    }

    refuses_scalars! { "text": visit_bool(bool), visit_i64(i64), visit_u64(u64),
    visit_i128(i128), visit_u128(u128), visit_f64(f64) }

    fn visit_str<E: Error>(self, text: &str) -> Result<ShortString, E> {
        short(text.as_bytes())
    }

    fn visit_bytes<E: Error>(self, octets: &[u8]) -> Result<ShortString, E> {
        short(octets)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ShortString, A::Error> {
        let kind = map.next_key_seed(Self)?.unwrap_or_default();
        let octets = match map.next_value()? {
            Scalar::Text(digits) if kind == HEX => spelled::from_hex(&digits),
            _ => None,
        };
        alone(HEX, &mut map)?;
        match octets {
            Some(octets) => short(&octets),
            None => Err(A::Error::custom(
                "what is no text is written {\"$hex\": \"00ff\"}",
            )),
        }
    }
}

/// Octets whose number is known to fit a short string, or an error with the beginning of the name.
pub(super) fn short<E: Error>(octets: &[u8]) -> Result<ShortString, E> {
    let name = ShortStr::new(octets).map_err(|error| {
        let text = String::from_utf8_lossy(octets);
        E::custom(format!("{}: {error}", shown(&text)))
    })?;
    Ok(name.to_owned())
}

/// What is spelled has one entry.
pub(super) fn alone<'de, A: MapAccess<'de>>(kind: &str, map: &mut A) -> Result<(), A::Error> {
    match map.next_key_seed(Name)? {
        None => Ok(()),
        Some(_) => Err(not_alone(kind)),
    }
}

#[cold]
pub(super) fn not_alone<E: Error>(kind: &str) -> E {
    E::custom(format!(
        "{} stands beside other names: one that begins with {MARK} is a type and stands alone",
        shown(kind)
    ))
}
