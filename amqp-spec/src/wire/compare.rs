//! Values beside plain texts, numbers and truth values.
//!
//! The value stands on the left, as it does where a header is looked at: `header == "text"`,
//! `header == 3`. Were plain numbers compared with values, too, the compiler could no longer tell
//! what `number == text.parse()?` is to be in programs that use this crate.

use alloc::borrow::Cow;
use alloc::string::String;

use super::{FieldValue, Value};

impl Value<'_> {
    fn is_text(&self, text: &str) -> bool {
        self.as_bytes() == Some(text.as_bytes())
    }

    fn is_integer(&self, number: i128) -> bool {
        self.as_i64().map(i128::from) == Some(number)
    }
}

/// One doc for each kind of comparison.
macro_rules! compare {
    ($($doc:literal $($type:ty)|+ : |$value:ident, $other:ident| $equal:expr;)*) => {$($(
        #[doc = $doc]
        impl PartialEq<$type> for Value<'_> {
            fn eq(&self, $other: &$type) -> bool {
                let $value = self;
                $equal
            }
        }

        /// As the [`Value`] compares.
        impl PartialEq<$type> for FieldValue {
            fn eq(&self, other: &$type) -> bool {
                self.as_ref() == *other
            }
        }
    )+)*};
}

compare! {
    "By the octets, of a string or of octets."
    &str | String | Cow<'_, str>: |value, other| value.is_text(other);
    "By the number, whatever integer type the value has."
    i8 | u8 | i16 | u16 | i32 | u32 | i64 | u64: |value, other| value.is_integer((*other).into());
    "By the number, whatever integer type the value has."
    usize | isize: |value, other| i128::try_from(*other).is_ok_and(|other| value.is_integer(other));
    "By the number, of either width. No integer is equal to one."
    f64: |value, other| value.as_f64() == Some(*other);
    "By the number, of either width. No integer is equal to one."
    f32: |value, other| value.as_f64() == Some(f64::from(*other));
    "A truth value alone is equal to one."
    bool: |value, other| value.as_bool() == Some(*other);
}

/// By the octets, of a string or of octets.
impl PartialEq<str> for Value<'_> {
    fn eq(&self, other: &str) -> bool {
        self.is_text(other)
    }
}

/// As the [`Value`] compares.
impl PartialEq<str> for FieldValue {
    fn eq(&self, other: &str) -> bool {
        self.as_ref().is_text(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field_table;
    use crate::wire::Timestamp;

    #[test]
    fn values_compare_with_texts_and_octets_that_are_text() {
        let text = Value::from("warn");
        let (owned, either) = (String::from("warn"), Cow::from("warn"));
        assert!(text == "warn" && text == *"warn" && text == owned && text == either);
        assert!(text != "warning" && text != 4);
        assert_eq!(Value::Bytes(b"warn"), "warn");
        assert_eq!(text.to_owned(), "warn");
        assert_ne!(Value::Bytes(b"\xff"), "\u{fffd}");
        assert_ne!(Value::Void, "");
    }

    #[test]
    fn values_compare_with_integers_by_number() {
        for three in [Value::I8(3), Value::U8(3), Value::I32(3), Value::I64(3)] {
            assert!(three == 3 && three == 3_u64 && three == 3_i64 && three == 3_u8);
            assert!(three == 3_usize && three.to_owned() == 3 && three != 4 && three != 3.0);
        }
        assert!(Value::I8(-1) == -1 && Value::I8(-1) != u64::MAX && Value::I8(-1) != 255_u8);
        assert!(Value::I64(i64::MAX) == i64::MAX && Value::I64(i64::MAX) != u64::MAX);
        assert!(Value::Timestamp(Timestamp(3)) != 3 && Value::from("3") != 3);
    }

    #[test]
    fn values_compare_with_truth_values_and_fractions() {
        assert!(Value::Bool(true) == true && Value::Bool(true) != false && Value::I8(1) != true);
        assert!(Value::F32(0.5) == 0.5 && Value::F64(0.5) == 0.5_f32 && Value::F64(0.5) != 0.25);
        assert_ne!(Value::F64(f64::NAN), f64::NAN);
    }

    #[test]
    fn what_a_header_is_need_not_be_said_twice() {
        let headers = field_table! { "level" => "warn", "n" => 3 };
        let header = |name| headers.get(name).unwrap();
        assert!(header("level") == Some("warn".into()));
        assert!(header("level").is_some_and(|level| level == "warn"));
        assert!(header("n").is_some_and(|n| n == 3));
        assert_eq!(header("n"), Some(3.into()));
    }
}
