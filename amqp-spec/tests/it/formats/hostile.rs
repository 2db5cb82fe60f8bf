//! Files that are wrong: what is said of them, and what is not.

use amqp_spec::field_table;
use amqp_spec::wire::{
    ArrayRef, Decimal, FieldArray, FieldTable, FieldValue, ShortString, TableRef, Timestamp, Value,
};
use serde::Deserialize;
use serde::de::value::{Error, F64Deserializer, I64Deserializer};
use serde::de::value::{MapDeserializer, StrDeserializer};
use serde::de::{DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::json;

#[track_caller]
fn refused(text: &str) -> String {
    let error = serde_json::from_str::<FieldTable>(text).unwrap_err();
    let told = error.to_string();
    told.split(" at line").next().unwrap().to_owned()
}

#[test]
fn what_does_not_fit_is_told_by_its_name_and_with_its_range() {
    for (text, told) in [
        (
            r#"{"a": {"limit": 9223372036854775808}}"#,
            "limit must be an integer from -9223372036854775808 to 9223372036854775807",
        ),
        (
            r#"{"a": {"$i8": 128}}"#,
            "a: $i8 must be an integer from -128 to 127",
        ),
        (
            r#"{"a": [{"$u16": -1}]}"#,
            "a: $u16 must be an integer from 0 to 65535",
        ),
        (
            r#"{"a": {"$hex": "0"}}"#,
            "a: $hex must be an even number of hexadecimal digits, as text",
        ),
        (r#"{"a": {"$void": false}}"#, "a: $void must be true"),
        (
            r#"{"a": {"$timestamp": -1}}"#,
            "a: $timestamp must be a number of seconds since 1970, from 0 to 18446744073709551615",
        ),
        (
            r#"{"a": {"$i9": 1}}"#,
            "a: $i9 is no type; those are $i8, $u8, $i16, $u16, $i32, $u32, $i64, $f32, $f64, \
             $decimal, $timestamp, $hex, $string_hex, $void and $table",
        ),
        (
            r#"{"a": {"$i8": 1, "b": 2}}"#,
            "$i8 stands beside other names: one that begins with $ is a type and stands alone",
        ),
        (
            r#"{"a": {"b": 2, "$i8": 1}}"#,
            "$i8 stands beside other names: one that begins with $ is a type and stands alone",
        ),
        (r#"{"$i8": 1}"#, "it must be a table, not a value"),
        (r#"{"a": 1, "b": 2, "a": 3}"#, "a stands there twice"),
        (
            r#"{"$table": [["a"]]}"#,
            "invalid length 1, expected a name and a value",
        ),
        (
            r#"{"$table": [["a", 1, 2]]}"#,
            "invalid length 3, expected a name and a value",
        ),
    ] {
        assert_eq!(refused(text), told, "{text}");
    }
    let date = toml::from_str::<FieldTable>("a = 2026-11-30").unwrap_err();
    let told = "a: a date is written { \"$timestamp\" = seconds since 1970 }";
    assert_eq!(date.message(), told);
}

#[test]
fn name_of_256_octets_is_refused_with_its_beginning() {
    let name = "n".repeat(256);
    for text in [
        format!(r#"{{"{name}": 1}}"#),
        format!(r#"{{"$table": [["{name}", 1]]}}"#),
        format!(r#"{{"$table": [[{{"$hex": "{}"}}, 1]]}}"#, "6e".repeat(256)),
    ] {
        let told = refused(&text);
        assert!(told.contains("at most 255") && told.len() < 200, "{told}");
        assert!(told.starts_with("nnn"), "{told}");
    }
    assert_eq!(
        serde_json::from_str::<FieldTable>(&format!(r#"{{"{}": 1}}"#, "n".repeat(255)))
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn errors_show_nothing_of_values() {
    for value in [
        "271828182845904523536",
        "271828182845904523536028747135266249775724709369995",
        "-271828182845904523536",
        "27182818284",
        "2718281.8284",
        r#""2718281828x""#,
        r#"{"$i8": 2718281828}"#,
        r#"{"$hex": "2718281828x"}"#,
        r#"{"$decimal": "2718281828459"}"#,
        r#"{"$timestamp": "2718281828x"}"#,
        r#"{"$f32": "2718281828x"}"#,
        r#"{"$table": 2718281828}"#,
        r#"{"$table": [2718281828]}"#,
        r#"{"$table": [["2718281828", 1, 2]]}"#,
    ] {
        for text in [
            format!(r#"{{"password": {value}}}"#),
            format!(r#"{{"password": [{value}]}}"#),
        ] {
            let errors = [
                serde_json::from_str::<FieldTable>(&text).err(),
                serde_json::from_str::<FieldTable>(value).err(),
                serde_json::from_str::<FieldArray>(value).err(),
                serde_json::from_str::<ShortString>(value).err(),
                serde_json::from_str::<Timestamp>(value).err(),
                serde_json::from_str::<Decimal>(value).err(),
            ];
            for error in errors.into_iter().flatten() {
                let told = error.to_string();
                assert!(!told.contains("27182"), "{told}");
            }
        }
    }
}

/// Lists in lists, by a format that has no limit of its own.
struct Lists(u32);

impl<'de> Deserializer<'de> for Lists {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Inner(self.0.checked_sub(1)))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct Inner(Option<u32>);

impl<'de> SeqAccess<'de> for Inner {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let inner = self.0.take().map(|depth| seed.deserialize(Lists(depth)));
        inner.transpose()
    }
}

#[test]
fn nesting_ends_where_that_of_the_wire_does() {
    assert!(FieldArray::deserialize(Lists(32)).is_ok());
    assert!(FieldValue::deserialize(Lists(32)).is_ok());
    let told = FieldArray::deserialize(Lists(33)).unwrap_err().to_string();
    assert_eq!(told, "the value must be nested at most 32 deep");
    assert!(FieldValue::deserialize(Lists(33)).is_err());
    assert!(FieldArray::deserialize(Lists(u32::MAX)).is_err());
    let deep = |n| (1..n).fold(FieldTable::new(), |inner, _| field_table! { "t" => inner });
    let deepest = deep(33);
    assert_eq!(
        serde_json::from_str::<FieldTable>(&json(&deepest)).unwrap(),
        deepest
    );
    let deeper = deep(34);
    let told = serde_json::to_string(&deeper).unwrap_err().to_string();
    assert!(told.ends_with("nested too deep"), "{told}");
    // However deep the program would read.
    let endless = deep(5000);
    let endless = endless.as_ref().with_max_depth(u16::MAX);
    assert!(serde_json::to_string(&endless).is_err());
}

#[test]
fn what_cannot_be_read_cannot_be_written() {
    for octets in [&b"\x01a?"[..], b"\x01a", b"\x05a"] {
        let told = serde_json::to_string(&TableRef::new(octets)).unwrap_err();
        assert!(told.to_string().starts_with("field-table"), "{told}");
    }
    assert!(serde_json::to_string(&ArrayRef::new(b"?")).is_err());
    assert!(serde_json::to_string(&field_table! { "a" => u64::MAX }).is_err());
}

/// A format that gives what it has, whatever is asked for.
struct Binary<D>(D);

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Binary<D> {
    type Error = D::Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

#[test]
fn errors_show_nothing_of_values_in_binary_formats() {
    fn told<'de, D: Deserializer<'de>, T: Deserialize<'de>>(format: D) -> Option<String> {
        T::deserialize(Binary(format))
            .err()
            .map(|error| error.to_string())
    }
    let mut all = Vec::new();
    macro_rules! tell {
        ($($type:ty)*) => {$(
            all.push(told::<_, $type>(StrDeserializer::<Error>::new("27182818284")));
            all.push(told::<_, $type>(I64Deserializer::<Error>::new(27_182_818_284)));
            all.push(told::<_, $type>(F64Deserializer::<Error>::new(27_182_818_284.5)));
        )*};
    }
    tell!(FieldValue FieldTable FieldArray ShortString Decimal);
    for told in all.into_iter().flatten() {
        assert!(!told.contains("27182"), "{told}");
    }
}

#[test]
fn smallest_integer_of_a_format_is_no_number_of_a_table() {
    for kind in ["$f64", "$f32"] {
        let map = MapDeserializer::<_, Error>::new([(kind, i128::MIN)].into_iter());
        let told = FieldValue::deserialize(map).unwrap_err().to_string();
        assert!(told.starts_with(kind), "{told}");
    }
}

/// As `serde_json` gives them if any crate of the program has it keep all digits.
#[test]
fn numbers_that_are_given_as_their_digits_are_numbers() {
    let number = |text| MapDeserializer::new([("$serde_json::private::Number", text)].into_iter());
    let value = |text| FieldValue::deserialize(number(text));
    let spelled = |kind, text| {
        let map = MapDeserializer::new([(kind, number(text))].into_iter());
        FieldValue::deserialize(map)
    };
    for (text, expected) in [
        ("0.5", Value::F64(0.5)),
        ("-1.5e3", Value::F64(-1500.0)),
        ("7", Value::I64(7)),
        (
            "18446744073709551616",
            Value::F64(18_446_744_073_709_551_616.0),
        ),
    ] {
        assert_eq!(value(text).unwrap(), expected);
    }
    assert_eq!(spelled("$f64", "0.5").unwrap(), Value::F64(0.5));
    assert_eq!(spelled("$f32", "0.5").unwrap(), Value::F32(0.5));
    for text in ["1e999", "18446744073709551615", "NaN", "inf", "true", ""] {
        assert!(value(text).is_err(), "{text}");
    }
    assert!(spelled("$i8", "0.5").is_err());
    let list = MapDeserializer::<_, Error>::new([("a", number("0.5"))].into_iter());
    let read = FieldTable::deserialize(list).unwrap();
    assert_eq!(read, field_table! { "a" => 0.5 });
    assert!(FieldTable::deserialize(number("0.5")).is_err());
}
