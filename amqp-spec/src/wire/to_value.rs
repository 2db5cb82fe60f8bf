//! What becomes the value of an entry: of everyday types, those that may not fit included.
//!
//! Tables and arrays are built from values that are not known to fit: AMQP has no integer above
//! 2⁶³ - 1, no point in time before 1970 and no name of more than 255 octets. Building them does
//! not fail for that. What does not fit is kept in its place, as an entry that no broker takes for
//! a value, and that reads as
//! [`DecodeErrorKind::NotRepresentable`](super::DecodeErrorKind::NotRepresentable); a client that is
//! to send the table finds it there, and can tell it by its name.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "std")]
use std::time::SystemTime;

use super::{
    ArrayRef, Decimal, FieldArray, FieldTable, LongStr, NotRepresentable, ShortStr, ShortString,
    TableRef, Timestamp, ToValue, Value,
};

/// Stands for what it tells of: in the place of a value that did not fit elsewhere.
impl ToValue for NotRepresentable {
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Err(*self)
    }
}

/// Types that are one of the variants.
macro_rules! to_value {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl ToValue for $type {
            #[inline]
            fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
                Ok(Value::$variant(*self))
            }
        }
    )*};
}

to_value! {
    bool => Bool, i8 => I8, u8 => U8, i16 => I16, u16 => U16, i32 => I32, u32 => U32, i64 => I64,
    f32 => F32, f64 => F64, Decimal => Decimal, Timestamp => Timestamp, LongStr<'_> => LongString,
    ArrayRef<'_> => Array, TableRef<'_> => Table,
}

/// Types that can be borrowed as one that has a value.
macro_rules! to_value_as {
    ($($type:ty => $convert:expr),* $(,)?) => {$(
        impl ToValue for $type {
            #[inline]
            fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
                let convert: fn(&Self) -> Value<'_> = $convert;
                Ok(convert(self))
            }
        }
    )*};
}

to_value_as! {
    str => |text| text.into(),
    String => |text| text.as_str().into(),
    ShortStr<'_> => |text| (*text).into(),
    ShortString => |text| text.as_ref().into(),
    [u8] => |octets| octets.into(),
    Vec<u8> => |octets| octets.into(),
    FieldTable => |table| table.into(),
    FieldArray => |array| array.into(),
}

impl<const N: usize> ToValue for [u8; N] {
    #[inline]
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Ok(Value::Bytes(self))
    }
}

/// Integers that are sent as `I64`, if they fit.
macro_rules! to_i64 {
    ($($type:ty),*) => {$(
        impl ToValue for $type {
            #[inline]
            fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
                Value::try_from(*self)
            }
        }

        impl TryFrom<$type> for Value<'_> {
            type Error = NotRepresentable;

            #[inline]
            fn try_from(number: $type) -> Result<Self, NotRepresentable> {
                i64::try_from(number)
                    .map(Self::I64)
                    .map_err(|_| NotRepresentable::Integer)
            }
        }
    )*};
}

to_i64!(u64, usize, isize);

/// In whole seconds; what is beyond them is cut off.
#[cfg(feature = "std")]
impl TryFrom<SystemTime> for Timestamp {
    type Error = NotRepresentable;

    fn try_from(time: SystemTime) -> Result<Self, NotRepresentable> {
        match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => Ok(Self(since.as_secs())),
            Err(_) => Err(NotRepresentable::Time),
        }
    }
}

#[cfg(feature = "std")]
impl TryFrom<SystemTime> for Value<'_> {
    type Error = NotRepresentable;

    fn try_from(time: SystemTime) -> Result<Self, NotRepresentable> {
        Timestamp::try_from(time).map(Self::Timestamp)
    }
}

#[cfg(feature = "std")]
impl ToValue for SystemTime {
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Value::try_from(*self)
    }
}

/// `None` is [`Value::Void`].
impl<T: ToValue> ToValue for Option<T> {
    #[inline]
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        self.as_ref().map_or(Ok(Value::Void), T::to_value)
    }
}

/// Whatever points to something that has a value.
macro_rules! to_value_through {
    ($($pointer:ty),*) => {$(
        impl<T: ToValue + ?Sized> ToValue for $pointer {
            #[inline]
            fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
                (**self).to_value()
            }
        }
    )*};
}

to_value_through!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);

impl<T: ToValue + ToOwned + ?Sized> ToValue for Cow<'_, T> {
    #[inline]
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        (**self).to_value()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use super::*;
    use crate::field_table;
    use crate::wire::DecodeErrorKind;

    #[track_caller]
    fn is(value: impl ToValue, expected: Value<'_>) {
        assert_eq!(value.to_value(), Ok(expected));
    }

    #[test]
    fn everyday_values_become_what_is_most_like_them() {
        let text = Value::from("text");
        is("text", text);
        is(String::from("text"), text);
        is(String::from("text"), text);
        is(Cow::from("text"), text);
        is(Box::<str>::from("text"), text);
        is(Arc::<str>::from("text"), text);
        is(ShortStr::literal("text").to_owned(), text);
        is(7_u64, Value::I64(7));
        is(7_usize, Value::I64(7));
        is(-7_isize, Value::I64(-7));
        is(7_u32, Value::U32(7));
        is(vec![1, 2], Value::Bytes(&[1, 2]));
        is([1_u8, 2], Value::Bytes(&[1, 2]));
        is(b"\x01\x02", Value::Bytes(&[1, 2]));
        is(&[1_u8, 2][..], Value::Bytes(&[1, 2]));
        is(Some(1.5), Value::F64(1.5));
        is(None::<String>, Value::Void);
        let table = field_table! { "a" => 1 };
        is(table.clone(), Value::Table(table.as_ref()));
        is(
            FieldArray::from_iter([1, 2]),
            FieldArray::from_iter([1, 2]).to_value().unwrap(),
        );
    }

    #[cfg(feature = "std")]
    #[test]
    fn times_are_whole_seconds_since_1970() {
        use core::time::Duration;

        let epoch = SystemTime::UNIX_EPOCH;
        is(
            epoch + Duration::from_millis(7_999),
            Value::Timestamp(Timestamp(7)),
        );
        let before = epoch - Duration::from_nanos(100);
        assert_eq!(before.to_value(), Err(NotRepresentable::Time));
    }

    #[test]
    fn what_does_not_fit_is_kept_in_its_place_and_told() {
        let largest = i64::MAX.unsigned_abs();
        is(largest, Value::I64(i64::MAX));
        assert_eq!((largest + 1).to_value(), Err(NotRepresentable::Integer));
        let table = field_table! { "a" => 1, "b" => u64::MAX, "c" => 2 };
        let error = table.get("c").unwrap_err();
        let expected = DecodeErrorKind::NotRepresentable(NotRepresentable::Integer);
        assert_eq!(error.kind(), expected);
        let told = "field-table value at octet 9: is an integer above 9223372036854775807, the \
                    largest of AMQP";
        assert_eq!(error.to_string(), told);
        assert_eq!(
            table.as_ref().not_representable(),
            Some((ShortStr::literal("b"), NotRepresentable::Integer))
        );
        assert!(table.as_ref().validate().is_err());
        let array = FieldArray::from_iter([u64::MAX]);
        let error = array.iter().next().unwrap().unwrap_err();
        assert_eq!(error.kind(), expected);
    }

    #[test]
    fn what_does_not_fit_can_be_replaced_and_removed() {
        let mut table = field_table! { "a" => u64::MAX, "b" => u64::MAX };
        table.insert("b", 2_u64);
        assert!(table.get("b").is_err());
        table.insert("a", 1_u64);
        assert_eq!(table, field_table! { "a" => 1_i64, "b" => 2_i64 });
        table.insert("a", u64::MAX);
        assert!(table.remove("a"));
        assert_eq!(table, field_table! { "b" => 2_i64 });
    }

    #[test]
    fn names_that_are_too_long_are_told() {
        let name = "n".repeat(256);
        let mut table = FieldTable::new();
        assert_eq!(table.try_insert(&name, 1), Err(NotRepresentable::Name));
        assert_eq!(
            table.try_insert("a", u64::MAX),
            Err(NotRepresentable::Integer)
        );
        assert!(table.is_empty());
        table.insert(&name, 1);
        let (start, why) = table.as_ref().not_representable().unwrap();
        assert_eq!(
            (start.as_str(), why),
            (Ok(&name[..255]), NotRepresentable::Name)
        );
        assert!(!table.remove(&name));
    }

    #[test]
    fn name_that_is_too_long_takes_no_other_place() {
        let name = "n".repeat(256);
        let mut table = FieldTable::new();
        table.insert(&name, 1);
        table.insert(&name[..255], 2);
        assert!(table.as_ref().not_representable().is_some());
        let mut table = FieldTable::new();
        table.insert(&name, 1);
        table.remove(&name[..255]);
        assert!(table.as_ref().not_representable().is_some());
        let mut table = FieldTable::from([(&name[..255], 1)]);
        table.insert(&name, 2);
        assert_eq!(table.get(&name[..255]), Ok(Some(Value::I32(1))));
    }
}
