//! What is decoded is encoded again to the same octets, except for octets without a meaning.

use amqp_spec::frame::{self, ContentHeader, Frame};
use amqp_spec::wire::{ArrayRef, FieldArray, FieldTable, TableRef, Value};
use amqp_spec::{Method, basic};

fn reencoded(payload: &[u8]) -> Vec<u8> {
    let mut buf = Vec::new();
    Method::decode(payload).unwrap().encode(&mut buf);
    buf
}

#[test]
fn reserved_fields_are_written_as_zero_or_empty() {
    // queue.purge: a ticket that nothing reads, a queue, no-wait.
    let received = b"\x00\x32\x00\x1e\x12\x34\x01q\x01";
    assert_eq!(reencoded(received), b"\x00\x32\x00\x1e\x00\x00\x01q\x01");
    // channel.open: a short string.
    let received = b"\x00\x14\x00\x0a\x03abc";
    assert_eq!(reencoded(received), b"\x00\x14\x00\x0a\x00");
}

#[test]
fn unused_bits_are_written_as_zero() {
    let received = b"\x00\x32\x00\x1e\x00\x00\x01q\xff";
    assert_eq!(reencoded(received), b"\x00\x32\x00\x1e\x00\x00\x01q\x01");
}

#[test]
fn the_weight_of_a_content_header_is_written_as_zero() {
    let received = b"\x00\x3c\x12\x34\0\0\0\0\0\0\0\x05\0\0";
    let header = ContentHeader::decode(received).unwrap();
    let mut buf = Vec::new();
    let properties = header.properties;
    frame::encode_header(
        &mut buf,
        1,
        header.class_id,
        header.body_size,
        properties,
        4096,
    )
    .unwrap();
    let (Frame { payload, .. }, _) = frame::decode(&buf, 4096).unwrap().unwrap();
    assert_eq!(payload, b"\x00\x3c\0\0\0\0\0\0\0\0\0\x05\0\0");
}

/// Each value as it is received, and as it is encoded alone.
const SPELLINGS: [(&[u8], &[u8]); 4] = [
    (b"t\x02", b"t\x01"),
    (b"t\xff", b"t\x01"),
    (b"U\xff\xfe", b"s\xff\xfe"),
    (b"L\xff\0\0\0\0\0\0\x01", b"l\xff\0\0\0\0\0\0\x01"),
];

/// The octets of a table or an array, behind their length.
fn counted(octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).unwrap();
    [&length.to_be_bytes(), octets].concat()
}

#[test]
fn a_single_value_has_one_spelling() {
    for (received, encoded) in SPELLINGS {
        let array = ArrayRef::new(received);
        let value: Value<'_> = array.iter().next().unwrap().unwrap();
        let mut buf = Vec::new();
        value.encode(&mut buf);
        assert_eq!(buf, encoded);
        // What is copied value by value is spelt anew as well.
        let mut copy = FieldArray::new();
        copy.push(value);
        assert_eq!(copy.as_bytes(), encoded);
    }
}

#[test]
fn a_table_or_an_array_keeps_the_spelling_of_its_values() {
    for (received, _) in SPELLINGS {
        let array = ArrayRef::new(received);
        for array in [array, array.to_owned().as_ref()] {
            let mut buf = Vec::new();
            array.encode(&mut buf);
            assert_eq!(buf, counted(received));
        }
        let entry = [b"\x01k", received].concat();
        let table = TableRef::new(&entry);
        let mut owned: FieldTable = table.to_owned();
        for table in [table, owned.as_ref()] {
            let mut buf = Vec::new();
            table.encode(&mut buf);
            assert_eq!(buf, counted(&entry));
        }
        // So does what is there when another entry comes.
        owned.push("z", true);
        assert!(owned.as_bytes().starts_with(&entry));
    }
}

#[test]
fn a_list_of_properties_keeps_what_no_property_reads() {
    // The reserved property of class basic, the fourteenth: its flag, and a short string.
    let received = b"\x00\x04\x03abc";
    let properties = basic::PropertiesRef::decode(received).unwrap();
    assert_eq!(properties.as_bytes(), received);
    assert_eq!(properties.to_owned().as_bytes(), received);
}
