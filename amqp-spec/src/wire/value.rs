//! The values of field tables and arrays (AMQP 0-9-1 §4.2.5.5, and its errata).
//!
//! The specification and the brokers disagree about the tags. Written are only those that RabbitMQ
//! and Qpid understand: `t b B s u I i l f d D S A T F V x`. Read are these, and `U` and `L`, which
//! the text of the specification has for `s` and `l`. A short string as the specification has it
//! under `s` exists nowhere: everyone takes `s` for a short integer.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use std::time::SystemTime;

use super::lossy::Lossy;
use super::page::page;
use super::strings::encode_counted;
use super::{
    ArrayRef, Decimal, DecodeError, DecodeErrorKind, FieldArray, FieldTable, LongStr,
    NotRepresentable, Reader, ShortStr, TableRef, Timestamp,
};

/// How deep tables and arrays may be nested in a table or array that was not given another limit.
pub const DEFAULT_MAX_DEPTH: u16 = 32;

/// One value of a field table or a field array.
///
/// The variant is the type on the wire and is kept as it is: an `i32` is sent as a 32-bit integer
/// even if it would fit into 8 bits. There is no unsigned 64-bit integer, as no broker has one:
/// [`ToValue`](super::ToValue) makes an `i64` of those that fit.
///
/// Two values are equal if their types are, too: numbers compare as numbers, tables and arrays
/// octet by octet, so that order and types count. With a plain text, number or truth value on the
/// right, only what it says counts: `value == "warn"` whether it is a string or octets, `value == 3`
/// whatever integer type it has.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// `t`, a boolean.
    Bool(bool),
    /// `b`, an integer of 8 bits.
    I8(i8),
    /// `B`, an integer of 8 bits without sign.
    U8(u8),
    /// `s`, an integer of 16 bits. Also read from `U`.
    I16(i16),
    /// `u`, an integer of 16 bits without sign.
    U16(u16),
    /// `I`, an integer of 32 bits.
    I32(i32),
    /// `i`, an integer of 32 bits without sign.
    U32(u32),
    /// `l`, an integer of 64 bits. Also read from `L`.
    I64(i64),
    /// `f`, a floating-point number of 32 bits.
    F32(f32),
    /// `d`, a floating-point number of 64 bits.
    F64(f64),
    /// `D`, a decimal number.
    Decimal(Decimal),
    /// `S`, a string. Most clients put text here, but the octets may be anything.
    LongString(LongStr<'a>),
    /// `A`, an array of values.
    Array(ArrayRef<'a>),
    /// `T`, a point in time.
    Timestamp(Timestamp),
    /// `F`, a table of values.
    Table(TableRef<'a>),
    /// `V`, no value.
    Void,
    /// `x`, octets that are not text.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The tag that says on the wire what type the value has.
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Bool(_) => b't',
            Self::I8(_) => b'b',
            Self::U8(_) => b'B',
            Self::I16(_) => b's',
            Self::U16(_) => b'u',
            Self::I32(_) => b'I',
            Self::U32(_) => b'i',
            Self::I64(_) => b'l',
            Self::F32(_) => b'f',
            Self::F64(_) => b'd',
            Self::Decimal(_) => b'D',
            Self::LongString(_) => b'S',
            Self::Array(_) => b'A',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Void => b'V',
            Self::Bytes(_) => b'x',
        }
    }

    /// The number, if the value is an integer of whatever width.
    ///
    /// RabbitMQ takes any of the integer types for its arguments, and so should a reader of them.
    pub fn as_i64(&self) -> Option<i64> {
        match *self {
            Self::I8(value) => Some(value.into()),
            Self::U8(value) => Some(value.into()),
            Self::I16(value) => Some(value.into()),
            Self::U16(value) => Some(value.into()),
            Self::I32(value) => Some(value.into()),
            Self::U32(value) => Some(value.into()),
            Self::I64(value) => Some(value),
            _ => None,
        }
    }

    /// The number, if the value is an integer of whatever width and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        u64::try_from(self.as_i64()?).ok()
    }

    /// The number, if the value is a floating-point number of either width.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::F32(value) => Some(value.into()),
            Self::F64(value) => Some(value),
            _ => None,
        }
    }

    /// The truth value, if the value is one.
    pub const fn as_bool(&self) -> Option<bool> {
        match *self {
            Self::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The octets, if the value is a string or octets. Clients do not agree on which of the two
    /// holds text.
    pub const fn as_bytes(&self) -> Option<&'a [u8]> {
        match *self {
            Self::LongString(value) => Some(value.as_bytes()),
            Self::Bytes(value) => Some(value),
            _ => None,
        }
    }

    /// The text, if the value is a string or octets and these are UTF-8.
    pub fn as_str(&self) -> Option<&'a str> {
        self.as_bytes()
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The point in time, if the value is one.
    pub const fn as_timestamp(&self) -> Option<Timestamp> {
        match *self {
            Self::Timestamp(value) => Some(value),
            _ => None,
        }
    }

    /// The point in time, if the value is one and the system has it.
    #[cfg(feature = "std")]
    pub fn as_system_time(&self) -> Option<SystemTime> {
        self.as_timestamp()?.to_system_time()
    }

    /// The table, if the value is one.
    pub const fn as_table(&self) -> Option<TableRef<'a>> {
        match *self {
            Self::Table(value) => Some(value),
            _ => None,
        }
    }

    /// The array, if the value is one.
    pub const fn as_array(&self) -> Option<ArrayRef<'a>> {
        match *self {
            Self::Array(value) => Some(value),
            _ => None,
        }
    }

    /// Appends the tag and the value.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        let tag = self.tag();
        match *self {
            Self::Bool(value) => buf.extend_from_slice(&[tag, u8::from(value)]),
            Self::I8(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::U8(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::I16(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::U16(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::I32(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::U32(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::I64(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::F32(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::F64(value) => tagged(tag, value.to_be_bytes(), buf),
            Self::Decimal(Decimal { scale, value }) => {
                buf.extend_from_slice(&[tag, scale]);
                buf.extend_from_slice(&value.to_be_bytes());
            }
            Self::LongString(value) => tagged_counted(tag, value.as_bytes(), buf),
            Self::Array(value) => tagged_counted(tag, value.as_bytes(), buf),
            Self::Timestamp(value) => tagged(tag, value.0.to_be_bytes(), buf),
            Self::Table(value) => tagged_counted(tag, value.as_bytes(), buf),
            Self::Void => buf.push(tag),
            Self::Bytes(value) => tagged_counted(tag, value, buf),
        }
    }

    /// Reads a tag and a value. Tables and arrays are not looked into; they may be nested
    /// `depth` deep, of which this value uses up one.
    #[inline]
    pub(super) fn decode(
        reader: &mut Reader<'a>,
        depth: u16,
        what: &'static str,
    ) -> Result<Self, DecodeError> {
        let offset = reader.offset();
        let value = match reader.u8(what)? {
            b't' => Self::Bool(reader.u8(what)? != 0),
            b'b' => Self::I8(i8::from_be_bytes(reader.array(what)?)),
            b'B' => Self::U8(reader.u8(what)?),
            b's' | b'U' => Self::I16(i16::from_be_bytes(reader.array(what)?)),
            b'u' => Self::U16(reader.u16(what)?),
            b'I' => Self::I32(i32::from_be_bytes(reader.array(what)?)),
            b'i' => Self::U32(reader.u32(what)?),
            b'l' | b'L' => Self::I64(i64::from_be_bytes(reader.array(what)?)),
            b'f' => Self::F32(f32::from_be_bytes(reader.array(what)?)),
            b'd' => Self::F64(f64::from_be_bytes(reader.array(what)?)),
            b'D' => Self::Decimal(Decimal {
                scale: reader.u8(what)?,
                value: i32::from_be_bytes(reader.array(what)?),
            }),
            b'S' => Self::LongString(reader.long_str(what)?),
            b'A' => {
                let depth = deeper(depth, offset, what)?;
                Self::Array(reader.field_array(what)?.with_max_depth(depth))
            }
            b'T' => Self::Timestamp(reader.timestamp(what)?),
            b'F' => {
                let depth = deeper(depth, offset, what)?;
                Self::Table(reader.table(what)?.with_max_depth(depth))
            }
            b'V' => Self::Void,
            b'x' => Self::Bytes(reader.counted(what)?),
            tag => return Err(unknown_tag(tag, offset, reader, what)),
        };
        Ok(value)
    }

    /// Reads past a tag and a value, or past what stands in the place of one, which it gives.
    pub(super) fn skip(
        reader: &mut Reader<'a>,
        what: &'static str,
    ) -> Result<Option<NotRepresentable>, DecodeError> {
        let read = Self::decode(reader, DEFAULT_MAX_DEPTH, what);
        match read.as_ref().map_err(DecodeError::kind) {
            Err(DecodeErrorKind::NotRepresentable(why)) => Ok(Some(why)),
            _ => read.map(|_| None),
        }
    }
}

#[inline]
fn tagged<const N: usize>(tag: u8, octets: [u8; N], buf: &mut Vec<u8>) {
    buf.push(tag);
    buf.extend_from_slice(&octets);
}

#[inline]
fn tagged_counted(tag: u8, octets: &[u8], buf: &mut Vec<u8>) {
    buf.push(tag);
    encode_counted(octets, buf);
}

#[inline]
fn deeper(depth: u16, offset: usize, what: &'static str) -> Result<u16, DecodeError> {
    let too_deep = || DecodeError::new(what, offset, DecodeErrorKind::TooDeep);
    depth.checked_sub(1).ok_or_else(too_deep)
}

#[cold]
fn unknown_tag(tag: u8, offset: usize, reader: &mut Reader<'_>, what: &'static str) -> DecodeError {
    let code = match tag {
        NotRepresentable::TAG => reader.u8(what).ok(),
        _ => None,
    };
    let kind = match code.and_then(NotRepresentable::from_code) {
        Some(why) => DecodeErrorKind::NotRepresentable(why),
        None => DecodeErrorKind::UnknownTag { tag },
    };
    DecodeError::new(what, offset, kind)
}

/// Shows the type only where the value does not show it. Nested tables and arrays are shown four
/// levels deep, and cut at a page of 4096 octets.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        page(f, &self.shown(MAX_SHOWN_DEPTH))
    }
}

/// The bare value: texts and octets without quotes, with U+FFFD for what is not UTF-8; numbers as
/// they are written; points in time in seconds since 1970; nothing for [`Value::Void`]. Tables and
/// arrays as `Debug` shows them. Width, fill and alignment of the format hold.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => fmt::Display::fmt(value, f),
            Self::I8(value) => fmt::Display::fmt(value, f),
            Self::U8(value) => fmt::Display::fmt(value, f),
            Self::I16(value) => fmt::Display::fmt(value, f),
            Self::U16(value) => fmt::Display::fmt(value, f),
            Self::I32(value) => fmt::Display::fmt(value, f),
            Self::U32(value) => fmt::Display::fmt(value, f),
            Self::I64(value) => fmt::Display::fmt(value, f),
            Self::F32(value) => fmt::Display::fmt(value, f),
            Self::F64(value) => fmt::Display::fmt(value, f),
            Self::Decimal(value) => fmt::Display::fmt(value, f),
            Self::LongString(value) => fmt::Display::fmt(value, f),
            Self::Timestamp(Timestamp(seconds)) => fmt::Display::fmt(seconds, f),
            Self::Void => f.pad(""),
            Self::Bytes(value) => fmt::Display::fmt(&Lossy(value), f),
            Self::Array(_) | Self::Table(_) => self.fmt_padded(f),
        }
    }
}

/// How many levels of nested tables and arrays `Debug` shows.
pub(super) const MAX_SHOWN_DEPTH: u16 = 4;

/// How many entries of one table or array `Debug` shows.
pub(super) const MAX_SHOWN_ENTRIES: usize = 64;

impl<'a> Value<'a> {
    fn fmt_padded(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_none() && f.precision().is_none() {
            return fmt::Debug::fmt(self, f);
        }
        let shown = match f.alternate() {
            true => format!("{self:#?}"),
            false => format!("{self:?}"),
        };
        f.pad(&shown)
    }

    fn fmt_nested(&self, depth: u16, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => fmt::Debug::fmt(value, f),
            Self::I8(value) => write!(f, "{value}i8"),
            Self::U8(value) => write!(f, "{value}u8"),
            Self::I16(value) => write!(f, "{value}i16"),
            Self::U16(value) => write!(f, "{value}u16"),
            Self::I32(value) => write!(f, "{value}i32"),
            Self::U32(value) => write!(f, "{value}u32"),
            Self::I64(value) => write!(f, "{value}i64"),
            Self::F32(value) => write!(f, "{value:?}f32"),
            Self::F64(value) => write!(f, "{value:?}f64"),
            Self::Decimal(value) => fmt::Debug::fmt(value, f),
            Self::LongString(value) => fmt::Debug::fmt(value, f),
            Self::Array(value) => value.fmt_nested(depth, f),
            Self::Timestamp(value) => fmt::Debug::fmt(value, f),
            Self::Table(value) => value.fmt_nested(depth, f),
            Self::Void => f.write_str("void"),
            Self::Bytes(value) => write!(f, "b{:?}", Lossy(value)),
        }
    }

    /// The value in a form whose `Debug` shows `depth` levels.
    pub(super) const fn shown(self, depth: u16) -> impl fmt::Debug + use<'a> {
        Shown(self, depth)
    }
}

struct Shown<'a>(Value<'a>, u16);

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_nested(self.1, f)
    }
}

/// What can be the value of an entry in a field table, or a value in a field array.
///
/// Each type becomes the value that is most like it, as [`Value`]'s variants say. Integers without
/// a sign of 64 bits, `usize` and `isize` are sent as `I64`, which is what every broker has; owned
/// texts, octets and tables are taken as borrowed ones are; of `None` becomes [`Value::Void`].
///
/// Lists and maps have to be encoded first, since a value borrows its octets:
/// [`FieldArray`]`::from(vec!["a", "b"])`, [`FieldTable`]`::from(map)`.
///
/// ```
/// use amqp_spec::wire::{NotRepresentable, ToValue, Value};
///
/// /// An application's own type.
/// struct OrderId(u64);
///
/// impl ToValue for OrderId {
///     fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
///         self.0.to_value()
///     }
/// }
///
/// assert_eq!(OrderId(7).to_value(), Ok(Value::I64(7)));
/// assert_eq!(OrderId(u64::MAX).to_value(), Err(NotRepresentable::Integer));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no value of a field table",
    note = "text, octets, numbers, times, `FieldTable` and `FieldArray` are: \
            a list becomes one by `FieldArray::from(vec![…])`, pairs and maps by \
            `FieldTable::from(…)`; for other types, implement `ToValue`"
)]
pub trait ToValue {
    /// The value.
    ///
    /// # Errors
    ///
    /// AMQP has no value like this one.
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable>;
}

impl ToValue for Value<'_> {
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Ok(*self)
    }
}

/// The obvious variant for each type.
macro_rules! value_from {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl<'a> From<$type> for Value<'a> {
            fn from(value: $type) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

value_from! {
    bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, Decimal => Decimal, Timestamp => Timestamp, LongStr<'a> => LongString,
    ArrayRef<'a> => Array, TableRef<'a> => Table, &'a [u8] => Bytes,
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::LongString(LongStr::from_octets(text.as_bytes()))
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::from(text.as_str())
    }
}

impl<'a> From<ShortStr<'a>> for Value<'a> {
    fn from(text: ShortStr<'a>) -> Self {
        Self::LongString(text.into())
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(octets: &'a [u8; N]) -> Self {
        Self::Bytes(octets)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(octets: &'a Vec<u8>) -> Self {
        Self::Bytes(octets)
    }
}

impl<'a> From<&'a FieldTable> for Value<'a> {
    fn from(table: &'a FieldTable) -> Self {
        Self::Table(table.as_ref())
    }
}

impl<'a> From<&'a FieldArray> for Value<'a> {
    fn from(array: &'a FieldArray) -> Self {
        Self::Array(array.as_ref())
    }
}
