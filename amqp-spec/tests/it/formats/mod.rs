//! Tables, arrays and values in JSON, TOML and a binary format: what is written is read back as the
//! same octets, and files that people write become what they look like.

mod binary;
mod hostile;

use amqp_spec::field_table;
use amqp_spec::wire::{
    Decimal, FieldArray, FieldTable, FieldValue, LongStr, ShortString, TableRef, Timestamp, Value,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::random::Random;

#[track_caller]
fn from_json<T: DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap()
}

#[track_caller]
fn from_toml(text: &str) -> FieldTable {
    toml::from_str(text).unwrap()
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}

#[test]
fn tables_of_files_are_what_they_look_like() {
    let toml = from_toml(
        r#"
        bool = true
        count = 5
        list = [1, "two", [3.5], { four = 4 }]
        ratio = 0.25
        text = "é"
        [zone]
        name = "eu"
        "#,
    );
    let json = r#"{"bool": true, "count": 5, "list": [1, "two", [3.5], {"four": 4}],
                   "ratio": 0.25, "text": "é", "zone": {"name": "eu"}}"#;
    let mut list = FieldArray::new();
    list.push(1_i64);
    list.push("two");
    list.push(FieldArray::from_iter([3.5]));
    list.push(field_table! { "four" => 4_i64 });
    let expected = field_table! {
        "bool" => true,
        "count" => 5_i64,
        "list" => list,
        "ratio" => 0.25,
        "text" => "é",
        "zone" => field_table! { "name" => "eu" },
    };
    assert_eq!(toml, expected);
    assert_eq!(from_json::<FieldTable>(json), expected);
    // Nothing in JSON, which TOML has no word for.
    let null: FieldTable = from_json(r#"{"a": null}"#);
    assert_eq!(null, field_table! { "a" => Value::Void });
}

/// Every type, with how it is written.
fn spelled() -> Vec<(Value<'static>, &'static str)> {
    let price = Decimal {
        scale: 2,
        value: -5,
    };
    vec![
        (Value::Bool(true), "true"),
        (Value::I8(-128), r#"{"$i8":-128}"#),
        (Value::U8(255), r#"{"$u8":255}"#),
        (Value::I16(-1), r#"{"$i16":-1}"#),
        (Value::U16(1), r#"{"$u16":1}"#),
        (Value::I32(i32::MIN), r#"{"$i32":-2147483648}"#),
        (Value::U32(u32::MAX), r#"{"$u32":4294967295}"#),
        (Value::I64(i64::MIN), "-9223372036854775808"),
        (Value::F32(0.1), r#"{"$f32":"0.1"}"#),
        (Value::F64(0.1), "0.1"),
        (Value::F64(0.1 + 0.2), r#"{"$f64":"0.30000000000000004"}"#),
        (Value::F64(f64::INFINITY), r#"{"$f64":"inf"}"#),
        (Value::Decimal(price), r#"{"$decimal":"-0.05"}"#),
        (Value::from("text"), r#""text""#),
        (
            LongStr::new(b"\xff").unwrap().into(),
            r#"{"$string_hex":"ff"}"#,
        ),
        (Value::Timestamp(Timestamp(7)), r#"{"$timestamp":7}"#),
        (
            Value::Timestamp(Timestamp(u64::MAX)),
            r#"{"$timestamp":"18446744073709551615"}"#,
        ),
        (Value::Void, r#"{"$void":true}"#),
        (Value::Bytes(b"\0\xff"), r#"{"$hex":"00ff"}"#),
        (Value::Array(amqp_spec::wire::ArrayRef::EMPTY), "[]"),
        (Value::Table(TableRef::EMPTY), "{}"),
    ]
}

#[test]
fn each_type_has_one_way_of_being_written() {
    for (value, text) in spelled() {
        assert_eq!(json(&value), text);
        assert_eq!(json(&value.to_owned()), text);
        let read: FieldValue = from_json(text);
        assert_eq!(read, value, "{text}");
        let table: FieldTable =
            from_toml(&toml::to_string(&field_table! { "v" => value }).unwrap());
        assert_eq!(table.get("v").unwrap(), Some(value), "{text}");
    }
}

#[test]
fn numbers_may_stand_for_floats_and_i64_may_be_said() {
    for (text, value) in [
        (r#"{"$f32": 0.5}"#, Value::F32(0.5)),
        (r#"{"$f32": 3}"#, Value::F32(3.0)),
        (r#"{"$f64": 3}"#, Value::F64(3.0)),
        (r#"{"$i64": 3}"#, Value::I64(3)),
        (r#"{"$hex": "AB"}"#, Value::Bytes(b"\xab")),
    ] {
        assert_eq!(from_json::<FieldValue>(text), value, "{text}");
    }
}

#[test]
fn names_that_no_map_can_have_are_listed() {
    let mut table = FieldTable::new();
    for name in [&b"a"[..], b"a", b"\xff", b"$i8"] {
        table.push(name, 1_i64);
    }
    let text = r#"{"$table":[["a",1],["a",1],[{"$hex":"ff"},1],["$i8",1]]}"#;
    assert_eq!(json(&table), text);
    assert_eq!(from_json::<FieldTable>(text), table);
    let nested = field_table! { "t" => table };
    assert_eq!(from_json::<FieldTable>(&json(&nested)), nested);
}

#[test]
fn json_gives_back_every_table_octet_by_octet() {
    let mut random = Random(1);
    for _ in 0..3000 {
        let table = random.table(4);
        let text = json(&table);
        assert_eq!(from_json::<FieldTable>(&text), table, "{text}");
        let text = serde_json::to_string_pretty(&table).unwrap();
        assert_eq!(from_json::<FieldTable>(&text), table, "{text}");
    }
}

/// The same with the entries in the order of their names, which is all that TOML keeps.
fn sorted(table: TableRef<'_>) -> FieldTable {
    let mut entries: Vec<_> = table.iter().map(Result::unwrap).collect();
    entries.sort_by_key(|(name, _)| *name);
    let is_map = entries.windows(2).all(|pair| pair[0].0 != pair[1].0);
    let is_map = is_map && entries.iter().all(|(name, _)| name.as_str().is_ok());
    let entries = match is_map {
        true => entries,
        false => table.iter().map(Result::unwrap).collect(),
    };
    let mut sorted = FieldTable::new();
    for (name, value) in entries {
        sorted.push(name, with_sorted(value));
    }
    sorted
}

fn with_sorted(value: Value<'_>) -> FieldValue {
    match value {
        Value::Table(table) => sorted(table).into(),
        Value::Array(array) => {
            let values = array.iter().map(|value| with_sorted(value.unwrap()));
            FieldArray::from_iter(values).into()
        }
        other => other.to_owned(),
    }
}

#[test]
fn toml_gives_back_every_table_with_its_entries_in_order() {
    let mut random = Random(2);
    for _ in 0..1000 {
        let table = sorted(random.table(3).as_ref());
        let text = toml::to_string(&table).unwrap();
        assert_eq!(from_toml(&text), table, "{text}");
    }
}

#[test]
fn numbers_of_all_sizes_come_back_exactly() {
    let mut random = Random(3);
    for _ in 0..20_000 {
        let (bits, half) = (random.next(), random.number() as u32);
        let mut array = FieldArray::new();
        array.push(f64::from_bits(bits));
        array.push(f32::from_bits(half));
        array.push(random.number() as i64 as f64 / 1000.0);
        let text = json(&array);
        assert_eq!(from_json::<FieldArray>(&text), array, "{text}");
    }
}

#[test]
fn names_times_and_decimals_stand_alone_as_well() {
    let name = ShortString::try_from("orders").unwrap();
    assert_eq!(json(&name), r#""orders""#);
    assert_eq!(from_json::<ShortString>(r#""orders""#), name);
    let octets = ShortString::new(*b"\xff").unwrap();
    assert_eq!(json(&octets), r#"{"$hex":"ff"}"#);
    assert_eq!(from_json::<ShortString>(&json(&octets)), octets);
    for time in [Timestamp(0), Timestamp(u64::MAX)] {
        assert_eq!(from_json::<Timestamp>(&json(&time)), time);
    }
    let price = Decimal {
        scale: 3,
        value: 9950,
    };
    assert_eq!(json(&price), r#""9.950""#);
    assert_eq!(from_json::<Decimal>(&json(&price)), price);
}
