//! One value of a field table or a field array, owned.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
#[cfg(feature = "std")]
use std::time::SystemTime;

use super::{
    ArrayRef, DEFAULT_MAX_DEPTH, Decimal, FieldArray, FieldTable, LongStr, NotRepresentable,
    Reader, ShortStr, ShortString, TableRef, Timestamp, ToValue, Value,
};

/// One value of a field table or a field array, owned: what a [`Value`] borrows.
///
/// It is its encoded octets, as a [`FieldTable`] is, so that there is no tree to allocate, to free
/// or to recurse into. [`as_ref`](Self::as_ref) gives the [`Value`] to look at, and to put into a
/// table. Two are equal if their [`Value`]s are; the default is [`Value::Void`], which does not
/// allocate.
///
/// ```
/// use amqp_spec::field_table;
/// use amqp_spec::wire::{FieldTable, FieldValue, Value};
///
/// /// The table does not outlive this.
/// fn limit(arguments: FieldTable) -> FieldValue {
///     let found = arguments.get("x-max-length").ok().flatten();
///     found.map(Value::to_owned).unwrap_or_default()
/// }
///
/// let value = limit(field_table! { "x-max-length" => 1000 });
/// assert_eq!(value, Value::I32(1000));
/// assert_eq!(value.as_i64(), Some(1000));
/// assert_eq!(limit(FieldTable::new()), Value::Void);
/// ```
#[derive(Clone, Default)]
pub struct FieldValue {
    /// The tag and the value, as they were encoded here; nothing for `Void`.
    bytes: Vec<u8>,
}

impl FieldValue {
    /// Borrows it. Tables and arrays in it may be nested 32 deep, as in any that was not given
    /// another limit.
    pub fn as_ref(&self) -> Value<'_> {
        // The outermost table or array is one more.
        let depth = DEFAULT_MAX_DEPTH + 1;
        // What was encoded can be read.
        Value::decode(&mut Reader::new(&self.bytes), depth, "field value").unwrap_or(Value::Void)
    }

    /// The number, if the value is an integer of whatever width.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_ref().as_i64()
    }

    /// The number, if the value is an integer of whatever width and not negative.
    pub fn as_u64(&self) -> Option<u64> {
        self.as_ref().as_u64()
    }

    /// The number, if the value is a floating-point number of either width.
    pub fn as_f64(&self) -> Option<f64> {
        self.as_ref().as_f64()
    }

    /// The truth value, if the value is one.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_ref().as_bool()
    }

    /// The octets, if the value is a string or octets.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.as_ref().as_bytes()
    }

    /// The text, if the value is a string or octets and these are UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        self.as_ref().as_str()
    }

    /// The point in time, if the value is one and the system has it.
    #[cfg(feature = "std")]
    pub fn as_system_time(&self) -> Option<SystemTime> {
        self.as_ref().as_system_time()
    }

    /// The table, if the value is one.
    pub fn as_table(&self) -> Option<TableRef<'_>> {
        self.as_ref().as_table()
    }

    /// The array, if the value is one.
    pub fn as_array(&self) -> Option<ArrayRef<'_>> {
        self.as_ref().as_array()
    }

    /// Appends the tag and the value.
    pub fn encode(&self, buf: &mut Vec<u8>) {
        self.as_ref().encode(buf);
    }
}

impl Value<'_> {
    /// Copies the value, with all that is nested in it.
    pub fn to_owned(self) -> FieldValue {
        let mut bytes = Vec::new();
        if self != Value::Void {
            self.encode(&mut bytes);
        }
        FieldValue { bytes }
    }
}

impl PartialEq for FieldValue {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl PartialEq<Value<'_>> for FieldValue {
    fn eq(&self, other: &Value<'_>) -> bool {
        self.as_ref() == *other
    }
}

impl PartialEq<FieldValue> for Value<'_> {
    fn eq(&self, other: &FieldValue) -> bool {
        *self == other.as_ref()
    }
}

/// As the [`Value`] is shown.
impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_ref(), f)
    }
}

/// As the [`Value`] is written.
impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_ref(), f)
    }
}

impl ToValue for FieldValue {
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Ok(self.as_ref())
    }
}

impl From<Value<'_>> for FieldValue {
    fn from(value: Value<'_>) -> Self {
        value.to_owned()
    }
}

impl<'a> From<&'a FieldValue> for Value<'a> {
    fn from(value: &'a FieldValue) -> Self {
        value.as_ref()
    }
}

/// The same variant as for what is borrowed.
macro_rules! field_value_from {
    ($($type:ty),* $(,)?) => {$(
        impl From<$type> for FieldValue {
            fn from(value: $type) -> Self {
                Value::from(value).to_owned()
            }
        }
    )*};
}

field_value_from! {
    bool, i8, u8, i16, u16, i32, u32, i64, f32, f64, Decimal, Timestamp, LongStr<'_>, ShortStr<'_>,
    ArrayRef<'_>, TableRef<'_>, &FieldArray, &FieldTable, &str, &String, &[u8],
}

macro_rules! field_value_from_owned {
    ($($type:ty),* $(,)?) => {$(
        impl From<$type> for FieldValue {
            fn from(value: $type) -> Self {
                Value::from(&value).to_owned()
            }
        }
    )*};
}

field_value_from_owned! { FieldArray, FieldTable, String, Vec<u8> }

impl From<ShortString> for FieldValue {
    fn from(text: ShortString) -> Self {
        text.as_ref().into()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::vec;

    use super::*;
    use crate::field_table;

    fn values<'a>(table: &'a FieldTable, array: &'a FieldArray) -> Vec<Value<'a>> {
        vec![
            Value::Bool(true),
            Value::I8(-8),
            Value::U8(8),
            Value::I16(-16),
            Value::U16(16),
            Value::I32(-32),
            Value::U32(32),
            Value::I64(-64),
            Value::F32(0.5),
            Value::F64(0.25),
            Value::Decimal(Decimal {
                scale: 2,
                value: -995,
            }),
            Value::from("text"),
            Value::Array(array.as_ref()),
            Value::Timestamp(Timestamp(7)),
            Value::Table(table.as_ref()),
            Value::Void,
            Value::Bytes(b"\xff\0"),
        ]
    }

    #[test]
    fn owned_value_is_the_borrowed_one_again() {
        let table = field_table! { "a" => 1, "b" => "two" };
        let array = FieldArray::from_iter([true, false]);
        for value in values(&table, &array) {
            let owned = value.to_owned();
            assert_eq!(owned, value);
            assert_eq!(value, owned);
            assert_eq!(owned, FieldValue::from(value));
            assert_eq!(format!("{owned:?}"), format!("{value:?}"));
            assert_eq!(format!("{owned:>9}"), format!("{value:>9}"));
            assert_eq!(owned.to_value(), Ok(value));
            let (mut once, mut again) = (Vec::new(), Vec::new());
            value.encode(&mut once);
            owned.encode(&mut again);
            assert_eq!(once, again);
            let copied = field_table! { "v" => owned };
            assert_eq!(copied.get("v"), Ok(Some(value)));
        }
    }

    #[test]
    fn owned_texts_octets_tables_and_arrays_become_values() {
        let table = field_table! { "a" => 1 };
        let array = FieldArray::from_iter([1, 2]);
        assert_eq!(FieldValue::from(String::from("é")), Value::from("é"));
        assert_eq!(FieldValue::from(vec![1, 2]), Value::Bytes(&[1, 2]));
        assert_eq!(FieldValue::from(table.clone()), Value::from(&table));
        assert_eq!(FieldValue::from(array.clone()), Value::from(&array));
        assert_eq!(FieldValue::from(7_u16), Value::U16(7));
        assert_eq!(FieldValue::default(), Value::Void);
    }

    #[test]
    fn malformed_and_deep_tables_are_kept_as_they_are() {
        let malformed = Value::Table(TableRef::new(b"\x01a?"));
        assert_eq!(malformed.to_owned(), malformed);
        let deep = (0..1000).fold(FieldValue::default(), |inner, _| {
            FieldArray::from_iter([&inner]).into()
        });
        let array = deep.as_ref().as_array().unwrap();
        assert_eq!(array.byte_len(), 999 * 5 + 1);
        assert!(array.validate().is_err());
        // As deep as any table may be, and that table in it.
        let allowed = (0..33).fold(FieldValue::default(), |inner, _| {
            FieldArray::from_iter([&inner]).into()
        });
        assert_eq!(allowed.as_ref().as_array().unwrap().validate(), Ok(()));
    }
}
