//! A number, a text or a boolean, as a file has it.

use alloc::string::String;
use core::fmt;

use serde::de::{Error, IgnoredAny, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// What a file says in one word.
pub(super) enum Scalar {
    Bool(bool),
    Integer(i128),
    Float(f64),
    Text(String),
}

/// A scalar, whatever it is; errors show nothing of it.
impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor)
    }
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, a text or a boolean")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value.into()))
    }

    fn visit_i128<E: Error>(self, value: i128) -> Result<Scalar, E> {
        Ok(Scalar::Integer(value))
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<Scalar, E> {
        // What is larger fits nothing either.
        Ok(Scalar::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
        match map.next_key()? {
            Some(Scalar::Text(name)) if name == NUMBER => number(&mut map),
            _ => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Scalar, D::Error> {
        Scalar::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Scalar, D::Error> {
        Scalar::deserialize(deserializer)
    }
}

/// The name under which `serde_json` gives the digits of a number, if a crate of the program has it
/// keep them all (its feature `arbitrary_precision`).
pub(super) const NUMBER: &str = "$serde_json::private::Number";

/// Reads the digits that stand under [`NUMBER`], as `serde_json` does without that feature.
pub(super) fn number<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Scalar, A::Error> {
    let read = match map.next_value()? {
        Scalar::Text(digits) => from_digits(&digits),
        _ => None,
    };
    let is_alone = map.next_key::<IgnoredAny>()?.is_none();
    let read = read.filter(|_| is_alone);
    read.ok_or_else(|| A::Error::custom("a number that is out of range"))
}

fn from_digits(digits: &str) -> Option<Scalar> {
    let integer = digits.parse::<i64>().map(i128::from);
    match integer.or_else(|_| digits.parse::<u64>().map(i128::from)) {
        Ok(number) => Some(Scalar::Integer(number)),
        Err(_) => {
            let number = digits.parse::<f64>().ok()?;
            number.is_finite().then_some(Scalar::Float(number))
        }
    }
}
