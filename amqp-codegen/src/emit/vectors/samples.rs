//! Which arguments to try: nothing, something usual, the most, and what is no text.

use super::encoder::{Item, is_octets};
use crate::emit::layout::FieldView;
use crate::model::{Class, WireType};

/// One set of arguments.
pub(super) struct Case {
    /// What it is about.
    pub(super) name: String,
    pub(super) channel: u16,
    /// One value per field or property. `Void` is a property that is absent.
    pub(super) values: Vec<Item>,
}

/// The channel that the vectors of other implementations use.
const CHANNEL: u16 = 5;

/// How many fields get a case of their own. More than any method has; an absurd specification shall
/// not turn into gigabytes.
const MAX_ALONE: usize = 64;

/// The argument sets of a method. Reserved fields are always zero or empty.
pub(super) fn of_method(fields: &[FieldView<'_>]) -> Vec<Case> {
    let case = |name: &str, channel, value: &dyn Fn(usize, WireType) -> Item| {
        let values = fields
            .iter()
            .enumerate()
            .map(|(index, field)| match field.reserved {
                true => empty(field.wire),
                false => value(index, field.wire),
            });
        Case {
            name: name.to_owned(),
            channel,
            values: values.collect(),
        }
    };
    let mut cases = vec![case("empty", 0, &|_, wire| empty(wire))];
    let live = || {
        fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.reserved)
    };
    if live().next().is_none() {
        return cases;
    }
    cases.push(case("typical", CHANNEL, &typical));
    cases.push(case("maximum", u16::MAX, &|_, wire| maximum(wire)));
    if live().any(|(_, field)| is_octets(field.wire)) {
        cases.push(case("not text", CHANNEL, &|_, wire| not_text(wire)));
    }
    let bits: Vec<_> = live()
        .filter(|(_, field)| field.wire == WireType::Bit)
        .collect();
    if bits.len() > 1 {
        for (lone, field) in bits.into_iter().take(MAX_ALONE) {
            let name = format!("{} alone", field.name);
            let value = |index, wire| match wire {
                WireType::Bit => Item::Bool(index == lone),
                _ => empty(wire),
            };
            cases.push(case(&name, CHANNEL, &value));
        }
    }
    cases
}

/// The property lists of a class, each with the size of the body it announces.
///
/// A reserved property is never sent.
pub(super) fn of_properties(class: &Class) -> Vec<(Case, u64)> {
    let case = |name: &str, channel, value: &dyn Fn(usize, WireType) -> Item| {
        let properties = class.properties.iter().enumerate();
        let values = properties.map(|(index, property)| match property.reserved {
            true => Item::Void,
            false => value(index, property.wire),
        });
        Case {
            name: name.to_owned(),
            channel,
            values: values.collect(),
        }
    };
    let mut cases = vec![
        (case("none", 1, &|_, _| Item::Void), 0),
        (case("empty", CHANNEL, &|_, wire| empty(wire)), 1),
        (
            case("typical", CHANNEL, &|_, wire| typical(0, wire)),
            1 << 33,
        ),
        (
            case("maximum", u16::MAX, &|_, wire| maximum(wire)),
            u64::MAX,
        ),
        (case("not text", CHANNEL, &|_, wire| not_text(wire)), 42),
    ];
    for (lone, property) in class.properties.iter().enumerate().take(MAX_ALONE) {
        if !property.reserved {
            let name = format!("{} alone", property.name);
            let value = |index, wire| {
                if index == lone {
                    typical(0, wire)
                } else {
                    Item::Void
                }
            };
            cases.push((case(&name, CHANNEL, &value), 42));
        }
    }
    cases
}

fn empty(wire: WireType) -> Item {
    match wire {
        WireType::Bit => Item::Bool(false),
        WireType::Octet => Item::U8(0),
        WireType::Short => Item::U16(0),
        WireType::Long => Item::U32(0),
        WireType::LongLong => Item::U64(0),
        WireType::ShortStr => Item::ShortText(Vec::new()),
        WireType::LongStr => Item::LongText(Vec::new()),
        WireType::Timestamp => Item::Timestamp(0),
        WireType::Table => Item::Table(Vec::new()),
    }
}

/// Values that differ from field to field, so that two exchanged fields are noticed.
fn typical(index: usize, wire: WireType) -> Item {
    let number = u8::try_from(index % 100).unwrap_or_default();
    match wire {
        WireType::Bit => Item::Bool(index % 2 == 0),
        WireType::Octet => Item::U8(0x10 + number),
        WireType::Short => Item::U16(0x1200 + u16::from(number)),
        WireType::Long => Item::U32(0x1234_5600 + u32::from(number)),
        WireType::LongLong => Item::U64(0x0011_2233_4455_6600 + u64::from(number)),
        WireType::ShortStr => Item::ShortText(format!("short-é-{index}").into()),
        WireType::LongStr => Item::LongText(format!("long ü {index}").into()),
        WireType::Timestamp => Item::Timestamp(1_700_000_000 + u64::from(number)),
        WireType::Table => Item::Table(vec![
            (b"x-queue-type".to_vec(), Item::LongText(b"quorum".to_vec())),
            (
                b"x-max-length".to_vec(),
                Item::I32(1000 + i32::from(number)),
            ),
        ]),
    }
}

fn maximum(wire: WireType) -> Item {
    match wire {
        WireType::Bit => Item::Bool(true),
        WireType::Octet => Item::U8(u8::MAX),
        WireType::Short => Item::U16(u16::MAX),
        WireType::Long => Item::U32(u32::MAX),
        WireType::LongLong => Item::U64(u64::MAX),
        WireType::ShortStr => Item::ShortText(longest_short_text()),
        WireType::LongStr => Item::LongText("long ü ".repeat(50).into()),
        WireType::Timestamp => Item::Timestamp(u64::MAX),
        WireType::Table => every_kind(),
    }
}

/// 255 octets: 84 characters of three octets, one of two, one of one.
fn longest_short_text() -> Vec<u8> {
    format!("{}éx", "€".repeat(84)).into()
}

/// A table with every kind of value at its limits, a table and an array in tables and arrays.
fn every_kind() -> Item {
    let inner = vec![
        (
            b"deep".to_vec(),
            Item::Array(vec![Item::Table(vec![(b"a".to_vec(), Item::Void)])]),
        ),
        (b"empty".to_vec(), Item::Table(Vec::new())),
    ];
    let items = vec![
        Item::I32(1),
        Item::LongText(b"two".to_vec()),
        Item::Array(vec![Item::Bool(true), Item::Array(Vec::new())]),
        Item::Table(inner.clone()),
    ];
    let values = [
        ("t", Item::Bool(true)),
        ("t false", Item::Bool(false)),
        ("b", Item::I8(i8::MIN)),
        ("B", Item::U8(u8::MAX)),
        ("s", Item::I16(i16::MIN)),
        ("u", Item::U16(u16::MAX)),
        ("I", Item::I32(i32::MIN)),
        ("i", Item::U32(u32::MAX)),
        ("l", Item::I64(i64::MIN)),
        // The same number in 32 and in 64 bits, so that JSON has one text for it.
        ("f", Item::F32(-0.15625)),
        ("d", Item::F64(1.0e-20)),
        ("D", Item::Decimal(u8::MAX, i32::MIN)),
        ("S", Item::LongText("ü".repeat(200).into())),
        ("A", Item::Array(items)),
        ("T", Item::Timestamp(u64::MAX)),
        ("F", Item::Table(inner)),
        ("V", Item::Void),
        ("x", Item::Octets((0..=u8::MAX).collect())),
    ];
    let named = values.map(|(key, item)| (key.as_bytes().to_vec(), item));
    let mut pairs = named.to_vec();
    pairs.push((longest_short_text(), Item::I64(i64::MAX)));
    Item::Table(pairs)
}

/// Octets that no decoder of UTF-8 accepts; in tables also keys that are empty or repeat.
fn not_text(wire: WireType) -> Item {
    let octets = vec![0x00, 0xff, 0xc3, 0x28, 0xce];
    match wire {
        WireType::ShortStr => Item::ShortText(octets),
        WireType::LongStr => Item::LongText(octets),
        WireType::Table => Item::Table(vec![
            (Vec::new(), Item::LongText(octets.clone())),
            (octets, Item::Void),
            (b"again".to_vec(), Item::I32(1)),
            (b"again".to_vec(), Item::I32(2)),
        ]),
        _ => empty(wire),
    }
}
