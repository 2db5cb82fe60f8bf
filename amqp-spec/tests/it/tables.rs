//! Field tables and arrays: every tag, order, duplicates, nesting.

use amqp_spec::wire::{
    ArrayRef, Decimal, DecodeErrorKind, FieldArray, FieldTable, LongStr, NotRepresentable,
    ShortStr, TableRef, Timestamp, Value,
};
use amqp_spec::{field_table, short_str};

/// A value and its octets, tag included.
fn each_value() -> Vec<(Value<'static>, &'static [u8])> {
    vec![
        (Value::Bool(false), b"t\x00"),
        (Value::Bool(true), b"t\x01"),
        (Value::I8(-2), b"b\xfe"),
        (Value::U8(254), b"B\xfe"),
        (Value::I16(-2), b"s\xff\xfe"),
        (Value::U16(65_534), b"u\xff\xfe"),
        (Value::I32(-2), b"I\xff\xff\xff\xfe"),
        (Value::U32(4_294_967_294), b"i\xff\xff\xff\xfe"),
        (Value::I64(-2), b"l\xff\xff\xff\xff\xff\xff\xff\xfe"),
        (Value::F32(1.5), b"f\x3f\xc0\x00\x00"),
        (Value::F64(-1.5), b"d\xbf\xf8\x00\x00\x00\x00\x00\x00"),
        (
            Value::Decimal(Decimal {
                scale: 2,
                value: -1,
            }),
            b"D\x02\xff\xff\xff\xff",
        ),
        (
            Value::LongString(LongStr::literal("ab")),
            b"S\x00\x00\x00\x02ab",
        ),
        (Value::Array(ArrayRef::new(b"V")), b"A\x00\x00\x00\x01V"),
        (
            Value::Timestamp(Timestamp(1)),
            b"T\x00\x00\x00\x00\x00\x00\x00\x01",
        ),
        (
            Value::Table(TableRef::new(b"\x01kV")),
            b"F\x00\x00\x00\x03\x01kV",
        ),
        (Value::Void, b"V"),
        (Value::Bytes(b"\x00\xff"), b"x\x00\x00\x00\x02\x00\xff"),
    ]
}

#[test]
fn each_tag_in_both_directions() {
    for (value, octets) in each_value() {
        let mut array = FieldArray::new();
        array.push(value);
        assert_eq!(array.as_bytes(), octets);
        assert_eq!(array.iter().collect::<Vec<_>>(), [Ok(value)]);
        assert_eq!(value.tag(), octets[0]);

        let table = FieldTable::from_iter([(ShortStr::literal("name"), value)]);
        assert_eq!(table.as_bytes(), [b"\x04name", octets].concat());
        assert_eq!(table.get("name"), Ok(Some(value)));
        assert_eq!(table.as_ref().validate(), Ok(()));
    }
}

#[test]
fn each_value_needs_all_its_octets() {
    for (_, octets) in each_value() {
        for end in 1..octets.len() {
            let error = ArrayRef::new(&octets[..end]).validate().unwrap_err();
            assert!(
                matches!(error.kind(), DecodeErrorKind::UnexpectedEnd { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn tags_of_the_specification_are_read() {
    let read = ArrayRef::new(b"U\xff\xfeL\xff\xff\xff\xff\xff\xff\xff\xfet\x07");
    let values = [Value::I16(-2), Value::I64(-2), Value::Bool(true)];
    assert!(read.iter().eq(values.map(Ok)));
    // And written as the brokers have them.
    assert_eq!(FieldArray::from_iter(values).as_bytes()[0], b's');
    assert_eq!(FieldArray::from_iter(values).as_bytes()[3], b'l');
}

#[test]
fn unknown_tag_ends_the_table() {
    let table = TableRef::new(b"\x01aV\x01bzzz\x01cV");
    let mut entries = table.iter();
    assert_eq!(
        entries.next(),
        Some(Ok((ShortStr::literal("a"), Value::Void)))
    );
    let error = entries.next().unwrap().unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::UnknownTag { tag: b'z' });
    assert_eq!(
        error.to_string(),
        "field-table value at octet 5: unknown field value tag 'z' (0x7a)"
    );
    assert_eq!(entries.next(), None);
    // What is in front of it can be had, what is behind it can not.
    assert_eq!(table.get("a"), Ok(Some(Value::Void)));
    assert_eq!(table.get("c"), Err(error));
}

#[test]
fn order_and_duplicates_survive() {
    let table = field_table! { "z" => 1, "a" => 2, "z" => 3 };
    let names: Vec<_> = table
        .iter()
        .map(|entry| entry.unwrap().0.to_owned())
        .collect();
    assert_eq!(names, ["z", "a", "z"]);
    assert_eq!(table.get("z"), Ok(Some(Value::I32(1))));
    assert_eq!(table.get("y"), Ok(None));
    assert_ne!(table, field_table! { "a" => 2, "z" => 1, "z" => 3 });
}

#[test]
fn inserting_sets_the_value_of_a_name_and_pushing_appends() {
    let mut table = field_table! { "a" => 1, "long" => "text", "b" => true };
    table.insert(short_str!("a"), "other type");
    table.insert(short_str!("b"), Value::Void);
    table.insert(short_str!("new"), 2);
    table.try_insert("long", [0; 300]).unwrap();
    let expected =
        field_table! { "a" => "other type", "long" => &[0; 300], "b" => Value::Void, "new" => 2 };
    assert_eq!(table, expected);
    table.push(short_str!("a"), 3);
    let names = |table: &FieldTable| {
        let names = table.iter().map(|entry| entry.unwrap().0.to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(&table), ["a", "long", "b", "new", "a"]);
    let collected: FieldTable = table.iter().map(Result::unwrap).collect();
    assert_eq!(names(&collected), ["a", "long", "b", "new"]);
    assert_eq!(collected.get("a"), Ok(Some(Value::I32(3))));
}

#[test]
fn inserting_leaves_one_of_many_entries_with_a_name() {
    let peer = field_table! { "z" => 1, "a" => 2, "z" => 3, "b" => 4, "z" => 5, "z" => 6 };
    let mut table = peer.as_ref().to_owned();
    assert_eq!(table.as_bytes(), peer.as_bytes());
    table.insert(short_str!("z"), 7_i64);
    assert_eq!(table, field_table! { "z" => 7_i64, "a" => 2, "b" => 4 });
}

#[test]
fn removing_takes_every_entry_with_the_name() {
    let mut table = field_table! { "z" => 1, "a" => 2, "z" => "text", "b" => 4, "z" => 5 };
    assert!(table.remove("z"));
    assert_eq!(table, field_table! { "a" => 2, "b" => 4 });
    assert!(!table.remove("z"));
    assert!(!table.remove("z".repeat(256)));
    assert!(table.remove("a") && table.remove("b"));
    assert!(table.is_empty());
}

#[test]
fn length_counts_entries_and_length_in_bytes_their_octets() {
    let table = field_table! { "a" => 1, "b" => "text", "a" => true };
    let array = FieldArray::from_iter(["x", "y"]);
    assert_eq!((table.len(), table.byte_len()), (3, 22));
    assert_eq!((array.len(), array.byte_len()), (2, 12));
    let (borrowed, values) = (table.as_ref(), array.as_ref());
    assert_eq!((borrowed.len(), borrowed.byte_len()), (3, 22));
    assert_eq!((values.len(), values.byte_len()), (2, 12));
    assert_eq!((TableRef::EMPTY.len(), ArrayRef::EMPTY.len()), (0, 0));
    let mut buf = Vec::new();
    borrowed.encode(&mut buf);
    assert_eq!(buf.len(), borrowed.encoded_len());
}

#[test]
fn what_cannot_be_read_counts_as_one_entry() {
    assert_eq!(TableRef::new(b"\x01aV\x01b?\x01cV").len(), 2);
    let odd = TableRef::new(b"?");
    assert_eq!((odd.len(), odd.is_empty()), (1, false));
}

#[test]
fn inserting_where_nothing_can_be_read_appends() {
    let odd = TableRef::new(b"\x01a?");
    let mut table = odd.to_owned();
    table.insert(short_str!("a"), true);
    assert_eq!(table.as_bytes(), b"\x01a?\x01at\x01");
}

#[test]
fn names_and_strings_need_not_be_text() {
    let mut table = FieldTable::new();
    table
        .try_insert(b"\xff\x00", LongStr::new(b"\xfe").unwrap())
        .unwrap();
    let (name, value) = table.iter().next().unwrap().unwrap();
    assert_eq!(
        (name.as_bytes(), value.as_bytes()),
        (&b"\xff\x00"[..], Some(&b"\xfe"[..]))
    );
    assert_eq!(table.get(b"\xff\x00").unwrap(), Some(value));
    assert_eq!(value.as_str(), None);
    assert_eq!(format!("{table:?}"), r#"{"\xff\0": "\xfe"}"#);
}

#[test]
fn name_of_256_octets_is_refused_and_changes_nothing() {
    let mut table = field_table! { "k" => true };
    let error = table.try_insert("n".repeat(256), 1).unwrap_err();
    assert_eq!(error, NotRepresentable::Name);
    assert_eq!(table, field_table! { "k" => true });
    table.try_insert("n".repeat(255), 1).unwrap();
}

#[test]
fn obvious_types_become_the_obvious_values() {
    let (text, inner, octets) = (String::from("s"), field_table! {}, vec![1]);
    let array = FieldArray::from_iter([1_u8]);
    let table = field_table! {
        "str" => "s", "string" => &text, "short" => ShortStr::literal("s"),
        "bool" => true, "i8" => 1_i8, "u8" => 1_u8, "i16" => 1_i16, "u16" => 1_u16, "i32" => 1,
        "u32" => 1_u32, "i64" => 1_i64, "f32" => 0.5_f32, "f64" => 0.5,
        "octets" => b"x", "slice" => &b"x"[..], "vec" => &octets,
        "table" => &inner, "array" => &array, "time" => Timestamp(1),
        "decimal" => Decimal { scale: 1, value: 5 }, "void" => Value::Void,
    };
    let tags: Vec<u8> = table.iter().map(|entry| entry.unwrap().1.tag()).collect();
    assert_eq!(tags, b"SSStbBsuIilfdxxxFATDV");
}

#[test]
fn integers_of_any_width_are_integers() {
    let values = [
        b"b\xff".as_slice(),
        b"B\xff",
        b"I\xff\xff\xff\xff",
        b"i\xff\xff\xff\xff",
    ];
    let read = values.map(|octets| {
        ArrayRef::new(octets)
            .iter()
            .next()
            .unwrap()
            .unwrap()
            .as_i64()
    });
    assert_eq!(read, [Some(-1), Some(255), Some(-1), Some(4_294_967_295)]);
    assert_eq!(Value::from("1").as_i64(), None);
}

#[test]
fn floats_and_times_are_read_as_what_they_are() {
    assert_eq!(Value::from(0.5_f32).as_f64(), Some(0.5));
    assert_eq!(Value::from(0.25_f64).as_f64(), Some(0.25));
    assert_eq!(Value::from(1).as_f64(), None);
    let time = Timestamp(1_700_000_000);
    assert_eq!(Value::from(time).as_timestamp(), Some(time));
    assert_eq!(Value::from(1_i64).as_timestamp(), None);
}

#[test]
fn debug_reads_like_a_map_and_stays_short() {
    let inner = field_table! { "n" => 1_u8, "void" => Value::Void, "octets" => b"\x00a" };
    let table = field_table! { "s" => "text", "t" => &inner };
    assert_eq!(
        format!("{table:?}"),
        r#"{"s": "text", "t": {"n": 1u8, "void": void, "octets": b"\0a"}}"#
    );

    let mut nested = FieldArray::new();
    for _ in 0..6 {
        nested = FieldArray::from_iter([&nested]);
    }
    assert_eq!(format!("{nested:?}"), "[[[[[… 10 octets]]]]]");

    let mut long = FieldArray::new();
    long.extend([1_u8; 1000]);
    assert!(format!("{long:?}").ends_with("1u8, ..]"));
    assert_eq!(
        format!("{:?}", TableRef::new(b"\x01aV\x01bz")),
        r#"{"a": void, "malformed": field-table value at octet 5: unknown field value tag 'z' (0x7a)}"#
    );
}

#[test]
fn empty_table_is_an_empty_table() {
    assert_eq!(field_table! {}, FieldTable::default());
    assert_eq!(TableRef::default(), TableRef::EMPTY);
    assert_eq!(ArrayRef::default(), ArrayRef::EMPTY);
    let mut table = field_table! { "k" => 1 };
    table.clear();
    assert!(table.is_empty());
}

#[test]
fn debug_names_the_entry_that_does_not_fit_and_shows_what_follows() {
    let table = field_table! { "a" => 1, "id" => u64::MAX, "b" => true };
    let shown = "{\"a\": 1i32, \"id\": <is an integer above 9223372036854775807, the largest of \
                 AMQP>, \"b\": true}";
    assert_eq!(format!("{table:?}"), shown);
    let malformed = format!("{:?}", TableRef::new(b"\x01a?"));
    assert!(malformed.starts_with("{\"malformed\": "), "{malformed}");
}

#[test]
fn display_of_tables_and_arrays_fills_up_to_the_width() {
    let table = field_table! { "a" => true };
    let value = Value::from(&table);
    assert_eq!(format!("{value}"), "{\"a\": true}");
    assert_eq!(format!("{value:->15}"), "----{\"a\": true}");
    assert_eq!(format!("{value:.4}|"), "{\"a\"|");
    let array = FieldArray::from(vec![true]);
    assert_eq!(format!("{:<8}|", Value::from(&array)), "[true]  |");
    assert_eq!(format!("{:#}", Value::from(&array)), "[\n    true,\n]");
}

#[test]
fn what_does_not_fit_is_told_in_a_sentence() {
    let told = NotRepresentable::Integer.to_string();
    let expected = "a value is an integer above 9223372036854775807, the largest of AMQP";
    assert_eq!(told, expected);
}

#[test]
fn numbers_and_times_are_read_as_those_of_rust() {
    use std::time::{Duration, SystemTime};

    assert_eq!(Value::U8(3).as_u64(), Some(3));
    assert_eq!(Value::I64(-1).as_u64(), None);
    let hour = SystemTime::UNIX_EPOCH + Duration::from_secs(3600);
    let value = Value::Timestamp(Timestamp(3600));
    assert_eq!(value.as_system_time(), Some(hour));
    assert_eq!(value.to_owned().as_system_time(), Some(hour));
    assert_eq!(Value::I64(3600).as_system_time(), None);
}
