//! A binary format that knows octets and numbers alone.

use amqp_spec::wire::{Decimal, FieldArray, FieldTable, FieldValue, ShortString, Timestamp, Value};
use serde::de::value::Error;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::ser::{Impossible, Serializer};
use serde::{Serialize, forward_to_deserialize_any};

use crate::random::Random;

/// What was written.
struct Octets;

macro_rules! nothing_else {
    ($($method:ident($($type:ty),*);)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Vec<u8>, Error> {
            unreachable!(stringify!($method))
        }
    )*};
}

macro_rules! nothing_composed {
    ($($name:ident: $method:ident($($type:ty),*);)*) => {$(
        type $name = Impossible<Vec<u8>, Error>;

        fn $method(self, $(_: $type),*) -> Result<Impossible<Vec<u8>, Error>, Error> {
            unreachable!(stringify!($method))
        }
    )*};
}

impl Serializer for Octets {
    type Ok = Vec<u8>;
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bytes(self, octets: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(octets.into())
    }

    fn serialize_u64(self, number: u64) -> Result<Vec<u8>, Error> {
        Ok(number.to_be_bytes().into())
    }

    nothing_else! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_none();
        serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<Vec<u8>, Error> {
        unreachable!()
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, Error> {
        unreachable!()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<Vec<u8>, Error> {
        unreachable!()
    }

    nothing_composed! {
        SerializeSeq: serialize_seq(Option<usize>);
        SerializeTuple: serialize_tuple(usize);
        SerializeTupleStruct: serialize_tuple_struct(&'static str, usize);
        SerializeTupleVariant: serialize_tuple_variant(&'static str, u32, &'static str, usize);
        SerializeMap: serialize_map(Option<usize>);
        SerializeStruct: serialize_struct(&'static str, usize);
        SerializeStructVariant: serialize_struct_variant(&'static str, u32, &'static str, usize);
    }
}

/// Reads them, as whatever is asked for: nothing in them says what they are.
struct Read<'de>(&'de [u8]);

impl<'de> Deserializer<'de> for Read<'de> {
    type Error = Error;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        unreachable!("nothing says what it is")
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_bytes(self.0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(u64::from_be_bytes(self.0.try_into().unwrap()))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

fn octets(value: &impl Serialize) -> Vec<u8> {
    value.serialize(Octets).unwrap()
}

fn read<T: DeserializeOwned>(octets: &[u8]) -> Result<T, Error> {
    T::deserialize(Read(octets))
}

#[track_caller]
fn comes_back<T: DeserializeOwned + PartialEq + Serialize + std::fmt::Debug>(value: &T) {
    assert_eq!(read::<T>(&octets(value)).as_ref(), Ok(value));
}

#[test]
fn binary_formats_get_the_octets_of_the_wire() {
    let mut random = Random(4);
    for _ in 0..1000 {
        let table = random.table(4);
        assert_eq!(octets(&table), table.as_bytes());
        comes_back(&table);
        let mut array = FieldArray::new();
        for (_, value) in table.iter().map(Result::unwrap) {
            array.push(value);
            comes_back(&value.to_owned());
        }
        comes_back(&array);
    }
    comes_back(&FieldValue::default());
    comes_back(&ShortString::new(*b"\xff\0").unwrap());
    comes_back(&Timestamp(u64::MAX));
    comes_back(&Decimal {
        scale: 255,
        value: i32::MIN,
    });
    assert_eq!(octets(&Value::I8(1)), b"b\x01");
}

#[test]
fn octets_that_are_no_tables_are_refused() {
    for octets in [
        &b"\x01a?"[..],
        b"\x01a",
        b"\x05a",
        b"\x01aF\0\0\0\x03\x01a?",
    ] {
        let told = read::<FieldTable>(octets).unwrap_err().to_string();
        assert!(told.starts_with("field-table"), "{told}");
    }
    assert!(read::<FieldArray>(b"?").is_err());
    for octets in [&b""[..], b"?", b"t\x01\x01", b"A\0\0\0\x01?"] {
        assert!(read::<FieldValue>(octets).is_err(), "{octets:?}");
    }
    assert!(read::<ShortString>(&[b'x'; 256]).is_err());
    assert!(read::<Decimal>(b"1234").is_err());
    let deep = (0..100).fold(FieldTable::new(), |inner, _| {
        amqp_spec::field_table! { "" => inner }
    });
    let told = read::<FieldTable>(deep.as_bytes()).unwrap_err().to_string();
    assert!(told.contains("nested too deep"), "{told}");
}
