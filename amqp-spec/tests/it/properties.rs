//! Content properties: every combination, every order.

use amqp_spec::basic::{Properties, PropertiesRef};
use amqp_spec::wire::{DecodeErrorKind, TableRef, Timestamp};
use amqp_spec::{field_table, short_str};

/// For each property its flag, its octets, what sets it and what removes it.
struct Property {
    flag: u16,
    octets: &'static [u8],
    set: fn(Properties) -> Properties,
    clear: fn(Properties) -> Properties,
    check: fn(PropertiesRef<'_>) -> bool,
    is_there: fn(PropertiesRef<'_>) -> bool,
}

const HEADERS: &[u8] = b"\x01kV";

macro_rules! property {
    ($flag:literal, $octets:literal, $name:ident, $clear:ident, $value:expr) => {
        Property {
            flag: $flag,
            octets: $octets,
            set: |properties| properties.$name($value),
            clear: |properties| properties.$clear(),
            check: |properties| properties.$name() == Some($value),
            is_there: |properties| properties.$name().is_some(),
        }
    };
}

const PROPERTIES: [Property; 13] = [
    property!(
        0x8000,
        b"\x01a",
        content_type,
        clear_content_type,
        short_str!("a")
    ),
    property!(
        0x4000,
        b"\x02bb",
        content_encoding,
        clear_content_encoding,
        short_str!("bb")
    ),
    property!(
        0x2000,
        b"\0\0\0\x03\x01kV",
        headers,
        clear_headers,
        TableRef::new(HEADERS)
    ),
    property!(0x1000, b"\x02", delivery_mode, clear_delivery_mode, 2),
    property!(0x0800, b"\x09", priority, clear_priority, 9),
    property!(
        0x0400,
        b"\x03ccc",
        correlation_id,
        clear_correlation_id,
        short_str!("ccc")
    ),
    property!(0x0200, b"\x01d", reply_to, clear_reply_to, short_str!("d")),
    property!(
        0x0100,
        b"\x0260",
        expiration,
        clear_expiration,
        short_str!("60")
    ),
    property!(
        0x0080,
        b"\x01e",
        message_id,
        clear_message_id,
        short_str!("e")
    ),
    property!(
        0x0040,
        b"\0\0\0\0\0\0\x01\0",
        timestamp,
        clear_timestamp,
        Timestamp(256)
    ),
    property!(0x0020, b"\0", type_, clear_type, short_str!("")),
    property!(
        0x0010,
        b"\x05guest",
        user_id,
        clear_user_id,
        short_str!("guest")
    ),
    property!(0x0008, b"\x01f", app_id, clear_app_id, short_str!("f")),
];

#[test]
fn every_subset_in_every_direction() {
    for subset in 0_u32..1 << PROPERTIES.len() {
        let chosen = |i: &usize| subset & (1 << i) != 0;
        let indices: Vec<usize> = (0..PROPERTIES.len()).filter(chosen).collect();
        let flags: u16 = indices.iter().map(|&i| PROPERTIES[i].flag).sum();
        let mut expected = flags.to_be_bytes().to_vec();
        indices
            .iter()
            .for_each(|&i| expected.extend_from_slice(PROPERTIES[i].octets));

        let set = |properties, &i: &usize| (PROPERTIES[i].set)(properties);
        let forwards = indices.iter().fold(Properties::new(), set);
        let backwards = indices.iter().rev().fold(Properties::new(), set);
        let twice = indices.iter().fold(backwards.clone(), set);
        assert_eq!(forwards.as_bytes(), expected, "{subset:#015b}");
        assert_eq!((&backwards, &twice), (&forwards, &forwards));

        let read = PropertiesRef::decode(&expected).unwrap();
        assert_eq!((read, read.as_bytes()), (forwards.as_ref(), &expected[..]));
        for (i, property) in PROPERTIES.iter().enumerate() {
            assert_eq!((property.is_there)(read), chosen(&i));
            assert_eq!((property.check)(read), chosen(&i));
        }

        let clear = |properties, &i: &usize| (PROPERTIES[i].clear)(properties);
        assert_eq!(indices.iter().fold(forwards, clear), Properties::new());
    }
}

#[test]
fn setting_replaces_a_value_of_another_length() {
    let table = field_table! { "longer" => "than before" };
    let properties = Properties::new()
        .priority(1)
        .headers(TableRef::new(HEADERS))
        .content_type(short_str!("text/plain"))
        .headers(table.as_ref())
        .content_type(short_str!(""));
    assert_eq!(
        properties,
        Properties::new()
            .content_type(short_str!(""))
            .headers(table.as_ref())
            .priority(1)
    );
}

#[test]
fn reserved_property_and_unknown_flag_are_kept() {
    // `cluster-id` is 0x0004, 0x0002 is nothing.
    let octets = [0x80, 0x06, 1, b't', 2, b'i', b'd'];
    let read = PropertiesRef::decode(&octets).unwrap();
    assert_eq!(read.content_type(), Some(short_str!("t")));
    let changed = read.to_owned().priority(3).clear_content_type();
    assert_eq!(changed.as_bytes(), [0x08, 0x06, 3, 2, b'i', b'd']);
}

#[test]
fn second_flag_word_is_read() {
    let octets = [0x08, 0x01, 0x00, 0x00, 3];
    let read = PropertiesRef::decode(&octets).unwrap();
    assert_eq!((read.priority(), read.app_id()), (Some(3), None));
    assert_eq!(
        PropertiesRef::decode(&[0x08, 0x01, 0x00])
            .unwrap_err()
            .offset(),
        2
    );
}

#[test]
fn error_says_which_property() {
    let error = PropertiesRef::decode(&[0x88, 0x00, 1, b't']).unwrap_err();
    assert_eq!(error.property(), Some(4));
    assert_eq!(
        error.to_string(),
        "basic.properties, property 5 at octet 4: 1 octets needed, 0 left"
    );
    let error = PropertiesRef::decode(&[0, 0, 1]).unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::TrailingOctets { count: 1 });
    assert!(PropertiesRef::decode(&[]).is_err());
}

#[test]
fn debug_names_what_is_there() {
    let properties = Properties::new()
        .message_id(short_str!("m-1"))
        .delivery_mode(2);
    let shown = format!("{properties:?}");
    assert!(
        shown.contains(r#"message_id: "m-1""#) && shown.contains("delivery_mode: 2"),
        "{shown}"
    );
    assert!(!shown.contains("priority"), "{shown}");
}
