//! Values that a text format has no form of its own for, as maps of one entry. The page
//! of the crate lists them.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::scalar::Scalar;
use crate::wire::{Decimal, LongStr, Timestamp, Value};

/// How the names of spelled forms begin.
pub(super) const MARK: char = '$';

/// The spelled form that holds more than one scalar.
pub(super) const TABLE: &str = "$table";

pub(super) const HEX: &str = "$hex";

/// All of them, for errors.
pub(super) const KINDS: &str = "$i8, $u8, $i16, $u16, $i32, $u32, $i64, $f32, $f64, $decimal, \
                                $timestamp, $hex, $string_hex, $void and $table";

/// What a spelled form holds, as it is written.
pub(super) enum Spelling {
    Integer(i64),
    Text(String),
    True,
}

/// How a value is spelled, if it is.
pub(super) fn spell(value: Value<'_>) -> Option<(&'static str, Spelling)> {
    let integer = |number: i64| Spelling::Integer(number);
    Some(match value {
        Value::I8(number) => ("$i8", integer(number.into())),
        Value::U8(number) => ("$u8", integer(number.into())),
        Value::I16(number) => ("$i16", integer(number.into())),
        Value::U16(number) => ("$u16", integer(number.into())),
        Value::I32(number) => ("$i32", integer(number.into())),
        Value::U32(number) => ("$u32", integer(number.into())),
        Value::F32(number) => ("$f32", Spelling::Text(single(number))),
        Value::F64(number) if !is_exact(number) => ("$f64", Spelling::Text(double(number))),
        Value::Decimal(number) => ("$decimal", Spelling::Text(number.to_string())),
        Value::Timestamp(time) => ("$timestamp", seconds(time)),
        Value::Bytes(octets) => (HEX, Spelling::Text(to_hex(octets))),
        Value::LongString(text) if text.as_str().is_err() => {
            ("$string_hex", Spelling::Text(to_hex(text.as_bytes())))
        }
        Value::Void => ("$void", Spelling::True),
        Value::Bool(_)
        | Value::I64(_)
        | Value::F64(_)
        | Value::LongString(_)
        | Value::Array(_)
        | Value::Table(_) => return None,
    })
}

/// Appends the value that is spelled so; `None` if there is no such form, and what the form can
/// hold if it cannot hold this.
pub(super) fn encode(
    kind: &str,
    scalar: &Scalar,
    buf: &mut Vec<u8>,
) -> Option<Result<(), &'static str>> {
    let octets = hex(scalar);
    let value = match kind {
        "$i8" => integer(scalar, Value::I8).ok_or("an integer from -128 to 127"),
        "$u8" => integer(scalar, Value::U8).ok_or("an integer from 0 to 255"),
        "$i16" => integer(scalar, Value::I16).ok_or("an integer from -32768 to 32767"),
        "$u16" => integer(scalar, Value::U16).ok_or("an integer from 0 to 65535"),
        "$i32" => integer(scalar, Value::I32).ok_or("an integer from -2147483648 to 2147483647"),
        "$u32" => integer(scalar, Value::U32).ok_or("an integer from 0 to 4294967295"),
        "$i64" => integer(scalar, Value::I64).ok_or(ANY_INTEGER),
        "$f32" => read_single(scalar).map(Value::F32).ok_or(FLOAT),
        "$f64" => read_double(scalar).map(Value::F64).ok_or(FLOAT),
        "$decimal" => read_decimal(scalar).ok_or(DECIMAL),
        "$timestamp" => read_timestamp(scalar).ok_or(SECONDS),
        "$void" => matches!(scalar, Scalar::Bool(true))
            .then_some(Value::Void)
            .ok_or("true"),
        HEX => octets.as_deref().map(Value::Bytes).ok_or(DIGITS),
        "$string_hex" => {
            let text = octets.as_deref().map(LongStr::from_octets);
            text.map(Value::LongString).ok_or(DIGITS)
        }
        _ => return None,
    };
    Some(value.map(|value| value.encode(buf)))
}

/// What a number without a type can be.
pub(super) const ANY_INTEGER: &str = "an integer from -9223372036854775808 to 9223372036854775807";

const FLOAT: &str = "a number, or text such as \"0.1\", \"inf\", \"-inf\", \"NaN\"";
const DIGITS: &str = "an even number of hexadecimal digits, as text";

/// What a timestamp can be.
pub(super) const SECONDS: &str = "a number of seconds since 1970, from 0 to 18446744073709551615";

/// What a decimal number can be.
pub(super) const DECIMAL: &str =
    "text such as \"9.95\", whose digits are a number from -2147483648 to 2147483647";

fn integer<'v, N: TryFrom<i128>>(
    scalar: &Scalar,
    variant: fn(N) -> Value<'v>,
) -> Option<Value<'v>> {
    match scalar {
        Scalar::Integer(number) => N::try_from(*number).ok().map(variant),
        _ => None,
    }
}

// Floating-point numbers

/// Whether every reader of decimal digits finds this very number again: fast ones are exact only
/// for few digits.
fn is_exact(number: f64) -> bool {
    let is_moderate = number == 0.0 || (1e-5..1e15).contains(&number.abs());
    let digits = format!("{number:e}");
    let digits = digits.split('e').next().unwrap_or_default();
    is_moderate && digits.bytes().filter(u8::is_ascii_digit).count() <= 15
}

fn single(number: f32) -> String {
    match number.is_nan() && number.to_bits() != f32::NAN.to_bits() {
        true => format!("NaN({:08x})", number.to_bits()),
        false => number.to_string(),
    }
}

fn double(number: f64) -> String {
    match number.is_nan() && number.to_bits() != f64::NAN.to_bits() {
        true => format!("NaN({:016x})", number.to_bits()),
        false => number.to_string(),
    }
}

/// The octets of an unusual NaN.
fn nan_bits(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("NaN(")?.strip_suffix(')')?;
    u64::from_str_radix(digits, 16).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "to the nearest, as any reader does"
)]
fn read_single(scalar: &Scalar) -> Option<f32> {
    match scalar {
        Scalar::Text(text) => match nan_bits(text) {
            Some(bits) => Some(f32::from_bits(u32::try_from(bits).ok()?)),
            None => text.parse().ok(),
        },
        Scalar::Bool(_) => None,
        number => {
            let number = read_double(number)?;
            let single = number as f32;
            (single.is_finite() || !number.is_finite()).then_some(single)
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "only integers that a double can hold"
)]
fn read_double(scalar: &Scalar) -> Option<f64> {
    const EXACT: u128 = 1 << 53;
    match scalar {
        Scalar::Text(text) => match nan_bits(text) {
            Some(bits) => Some(f64::from_bits(bits)),
            None => text.parse().ok(),
        },
        Scalar::Float(number) => Some(*number),
        Scalar::Integer(number) => (number.unsigned_abs() <= EXACT).then_some(*number as f64),
        Scalar::Bool(_) => None,
    }
}

// Decimal numbers and times

/// With as many digits behind the point as are written there.
pub(super) fn decimal_from(text: &str) -> Option<Decimal> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|octet| octet.is_ascii_digit());
    let magnitude = whole.strip_prefix('-').unwrap_or(whole);
    let has_part = part.is_empty() != text.contains('.');
    if magnitude.is_empty() || !is_digits(magnitude) || !is_digits(part) || !has_part {
        return None;
    }
    Some(Decimal {
        scale: u8::try_from(part.len()).ok()?,
        value: format!("{whole}{part}").parse().ok()?,
    })
}

fn read_decimal(scalar: &Scalar) -> Option<Value<'static>> {
    match scalar {
        Scalar::Text(text) => decimal_from(text).map(Value::Decimal),
        _ => None,
    }
}

/// As text only where TOML has no such number.
pub(super) fn seconds(time: Timestamp) -> Spelling {
    match i64::try_from(time.0) {
        Ok(seconds) => Spelling::Integer(seconds),
        Err(_) => Spelling::Text(time.0.to_string()),
    }
}

pub(super) fn timestamp(scalar: &Scalar) -> Option<Timestamp> {
    match scalar {
        Scalar::Integer(seconds) => u64::try_from(*seconds).ok().map(Timestamp),
        Scalar::Text(text) if text.bytes().all(|octet| octet.is_ascii_digit()) => {
            text.parse().ok().map(Timestamp)
        }
        _ => None,
    }
}

fn read_timestamp(scalar: &Scalar) -> Option<Value<'static>> {
    timestamp(scalar).map(Value::Timestamp)
}

// Octets

pub(super) fn to_hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(octets.len() * 2);
    for octet in octets {
        // A string takes whatever is written to it.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

fn hex(scalar: &Scalar) -> Option<Vec<u8>> {
    match scalar {
        Scalar::Text(digits) => from_hex(digits),
        _ => None,
    }
}

pub(super) fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let octets = digits.as_bytes().chunks(2).map(|pair| match *pair {
        [high, low] => u8::try_from(digit(high)? << 4 | digit(low)?).ok(),
        _ => None,
    });
    octets.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_numbers_are_written_as_they_are_and_read_back() {
        for (scale, value, text) in [
            (0, 0, "0"),
            (0, -7, "-7"),
            (2, 995, "9.95"),
            (2, 950, "9.50"),
            (2, -5, "-0.05"),
            (3, 0, "0.000"),
            (1, i32::MIN, "-214748364.8"),
            (0, i32::MAX, "2147483647"),
        ] {
            let number = Decimal { scale, value };
            assert_eq!(number.to_string(), text);
            assert_eq!(decimal_from(text), Some(number));
        }
        let smallest = Decimal {
            scale: 255,
            value: 1,
        };
        assert_eq!(decimal_from(&smallest.to_string()), Some(smallest));
        let one_digit_more = format!("{smallest}0");
        let many = "1".repeat(100_000);
        for text in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "--1",
            "+1",
            "1.2.3",
            "1e3",
            "1.-2",
            "2147483648",
            " 1",
            &one_digit_more,
            &many,
        ] {
            assert_eq!(decimal_from(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_of_few_digits_stay_numbers() {
        for number in [
            0.0,
            -0.0,
            1.0,
            0.5,
            -1.25,
            0.1,
            123_456_789_012_345.0,
            1e-5,
            1e14,
        ] {
            assert!(is_exact(number), "{number}");
        }
        for number in [
            1e15,
            1e300,
            1e-6,
            0.1 + 0.2,
            f64::NAN,
            f64::INFINITY,
            f64::MIN_POSITIVE,
        ] {
            assert!(!is_exact(number), "{number}");
            let text = Scalar::Text(double(number));
            assert_eq!(read_double(&text).map(f64::to_bits), Some(number.to_bits()));
        }
        for bits in [
            0x7ff8_0000_0000_0001,
            0xfff8_0000_0000_0000,
            0x7ff0_0000_0000_0001,
        ] {
            let text = Scalar::Text(double(f64::from_bits(bits)));
            assert_eq!(read_double(&text).map(f64::to_bits), Some(bits));
        }
        for bits in [0x7fc0_0001, 0xffc0_0000, 1, 0x3dcc_cccd] {
            let text = Scalar::Text(single(f32::from_bits(bits)));
            assert_eq!(read_single(&text).map(f32::to_bits), Some(bits));
        }
    }

    #[test]
    fn octets_are_pairs_of_digits() {
        assert_eq!(to_hex(b"\0\xffA"), "00ff41");
        assert_eq!(from_hex("00FF41"), Some(b"\0\xffA".to_vec()));
        assert_eq!(from_hex(""), Some(Vec::new()));
        for text in ["0", "000", "0x", "é", "+1"] {
            assert_eq!(from_hex(text), None, "{text}");
        }
    }
}
