//! The wire format (AMQP 0-9-1 §2.3.5 and §4.2), written down a second time.

use crate::model::{Argument, Class, Method, Property, WireType};

/// A value on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item {
    Bool(bool),
    I8(i8),
    U8(u8),
    I16(i16),
    U16(u16),
    I32(i32),
    U32(u32),
    I64(i64),
    /// As an argument only: tables know no unsigned 64-bit integer.
    U64(u64),
    F32(f32),
    F64(f64),
    Decimal(u8, i32),
    /// As an argument only.
    ShortText(Vec<u8>),
    LongText(Vec<u8>),
    Array(Vec<Self>),
    Timestamp(u64),
    Table(Vec<(Vec<u8>, Self)>),
    Void,
    Octets(Vec<u8>),
}

/// The letter that stands before a value in a table.
pub(super) const fn tag(item: &Item) -> u8 {
    match item {
        Item::Bool(_) => b't',
        Item::I8(_) => b'b',
        Item::U8(_) => b'B',
        Item::I16(_) => b's',
        Item::U16(_) => b'u',
        Item::I32(_) => b'I',
        Item::U32(_) => b'i',
        Item::I64(_) | Item::U64(_) => b'l',
        Item::F32(_) => b'f',
        Item::F64(_) => b'd',
        Item::Decimal(..) => b'D',
        Item::ShortText(_) | Item::LongText(_) => b'S',
        Item::Array(_) => b'A',
        Item::Timestamp(_) => b'T',
        Item::Table(_) => b'F',
        Item::Void => b'V',
        Item::Octets(_) => b'x',
    }
}

fn value(item: &Item) -> Vec<u8> {
    match item {
        Item::Bool(value) => vec![u8::from(*value)],
        Item::I8(value) => value.to_be_bytes().to_vec(),
        Item::U8(value) => value.to_be_bytes().to_vec(),
        Item::I16(value) => value.to_be_bytes().to_vec(),
        Item::U16(value) => value.to_be_bytes().to_vec(),
        Item::I32(value) => value.to_be_bytes().to_vec(),
        Item::U32(value) => value.to_be_bytes().to_vec(),
        Item::I64(value) => value.to_be_bytes().to_vec(),
        Item::U64(value) | Item::Timestamp(value) => value.to_be_bytes().to_vec(),
        Item::F32(value) => value.to_bits().to_be_bytes().to_vec(),
        Item::F64(value) => value.to_bits().to_be_bytes().to_vec(),
        Item::Decimal(scale, value) => [&[*scale][..], &value.to_be_bytes()].concat(),
        Item::ShortText(text) => short(text),
        Item::LongText(octets) | Item::Octets(octets) => long(octets),
        Item::Array(items) => long(&items.iter().flat_map(entry).collect::<Vec<_>>()),
        Item::Table(pairs) => {
            let pair = |(key, item): &(Vec<u8>, Item)| [short(key), entry(item)].concat();
            long(&pairs.iter().flat_map(pair).collect::<Vec<_>>())
        }
        Item::Void => Vec::new(),
    }
}

fn entry(item: &Item) -> Vec<u8> {
    [vec![tag(item)], value(item)].concat()
}

/// The samples keep to 255 octets; what is longer loses its end rather than its framing.
fn short(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().copied().take(255).collect();
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [vec![length], text].concat()
}

/// The samples are far from 4 GiB.
fn long(octets: &[u8]) -> Vec<u8> {
    let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes(), octets].concat()
}

/// Class id and method id.
pub(super) fn ids(class: u16, method: u16) -> Vec<u8> {
    [class.to_be_bytes(), method.to_be_bytes()].concat()
}

/// The arguments of a method: `values` has one per field, bits one by one.
pub(super) fn arguments(method: &Method, values: &[Item], payload: &mut Vec<u8>) {
    let mut values = values.iter();
    for argument in &method.arguments {
        match argument {
            Argument::Field(_) => payload.extend(values.next().map(value).unwrap_or_default()),
            Argument::Bits(group) => {
                let mut octet = 0;
                let mut weight = 1u8;
                for item in values.by_ref().take(group.bits().len()) {
                    if *item == Item::Bool(true) {
                        octet |= weight;
                    }
                    weight = weight.rotate_left(1);
                }
                payload.push(octet);
            }
        }
    }
}

/// The properties that are present: a bit if it is set, everything else if it has a value.
pub(super) fn present<'c, 'v>(
    class: &'c Class,
    values: &'v [Item],
) -> Vec<(&'c Property, &'v Item)> {
    class
        .properties
        .iter()
        .zip(values)
        .filter(|(property, item)| is_present(property, item))
        .collect()
}

fn is_present(property: &Property, item: &Item) -> bool {
    match property.wire {
        WireType::Bit => *item == Item::Bool(true),
        _ => *item != Item::Void,
    }
}

/// A property list: flag words, as many as needed but at least one, then the values.
pub(super) fn properties(class: &Class, values: &[Item]) -> Vec<u8> {
    let flags: Vec<bool> = class
        .properties
        .iter()
        .zip(values)
        .map(|(property, item)| is_present(property, item))
        .collect();
    let used = flags
        .iter()
        .rposition(|flag| *flag)
        .map_or(0, |last| last + 1);
    let words: Vec<&[bool]> = flags.chunks(15).take(used.div_ceil(15).max(1)).collect();

    let mut list = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let mut octets = u16::from(index + 1 < words.len());
        let mut weight = 0x8000;
        for flag in *word {
            octets |= if *flag { weight } else { 0 };
            weight >>= 1;
        }
        list.extend(octets.to_be_bytes());
    }
    for (property, item) in present(class, values) {
        if property.wire != WireType::Bit {
            list.extend(value(item));
        }
    }
    list
}

/// A frame around a payload.
pub(super) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &long(payload), &[0xce]].concat()
}

/// Octets as text, two digits each.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether values of a type may be any octets, so that text has to be tried that is none.
pub(super) const fn is_octets(wire: WireType) -> bool {
    matches!(
        wire,
        WireType::ShortStr | WireType::LongStr | WireType::Table
    )
}
