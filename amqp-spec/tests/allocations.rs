//! What is allocated: nothing where octets are read, and nothing but the buffer where they are
//! written. Alone in its binary, because the counting allocator is that of the whole process.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]

use allocation_counter::{AllocationInfo, measure};
use amqp_spec::basic::{Properties, PropertiesRef};
use amqp_spec::frame::{self, ContentHeader, FrameKind};
use amqp_spec::wire::{TableRef, TypedMethod as _, Value};
use amqp_spec::{Method, basic, field_table, queue, short_str};
use serde_json::Value as Json;

const FRAME_MAX: usize = 4096;

fn recorded(direction: &str) -> Vec<u8> {
    let session: Json = serde_json::from_str(include_str!("it/vectors/session.json")).unwrap();
    let hex = session[direction].as_str().unwrap().as_bytes();
    let pairs = hex.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let octets: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect();
    // The client's side begins with the protocol header.
    if octets[0] == b'A' {
        octets[8..].to_vec()
    } else {
        octets
    }
}

/// Reads everything there is in a stream, and how many values that was.
fn read_everything(mut stream: &[u8]) -> usize {
    let mut n_values = 0;
    while let Ok(Some((frame, used))) = frame::decode(stream, FRAME_MAX) {
        stream = &stream[used..];
        n_values += match frame.kind {
            FrameKind::Method => match Method::decode(frame.payload) {
                Ok(Method::ConnectionStart(start)) => read_table(start.server_properties, 9),
                Ok(Method::ConnectionStartOk(start_ok)) => {
                    read_table(start_ok.client_properties, 9)
                }
                Ok(Method::QueueDeclare(declare)) => read_table(declare.arguments, 9),
                _ => 1,
            },
            FrameKind::Header => ContentHeader::decode(frame.payload)
                .and_then(|header| PropertiesRef::decode(header.properties))
                .map_or(1, read_properties),
            FrameKind::Body | FrameKind::Heartbeat => 1,
        };
    }
    n_values
}

fn read_properties(properties: PropertiesRef<'_>) -> usize {
    let strings = [
        properties.content_type(),
        properties.message_id(),
        properties.app_id(),
    ];
    strings.iter().flatten().count() + properties.headers().map_or(0, |table| read_table(table, 9))
}

fn read_table(table: TableRef<'_>, depth: usize) -> usize {
    let entries = table.iter().flatten();
    entries.map(|(_, value)| read_value(value, depth)).sum()
}

fn read_value(value: Value<'_>, depth: usize) -> usize {
    match value {
        Value::Table(inner) if depth > 0 => read_table(inner, depth - 1),
        Value::Array(inner) if depth > 0 => inner
            .iter()
            .flatten()
            .map(|value| read_value(value, depth - 1))
            .sum(),
        _ => 1,
    }
}

#[track_caller]
fn assert_nothing(info: AllocationInfo) {
    assert_eq!((info.count_total, info.bytes_total), (0, 0));
}

#[test]
fn counter_counts() {
    let info = measure(|| drop(std::hint::black_box(vec![0_u8; 100])));
    assert_eq!((info.count_total, info.bytes_total), (1, 100));
}

#[test]
fn reading_allocates_nothing() {
    for direction in ["client", "server"] {
        let stream = recorded(direction);
        let mut n_values = 0;
        assert_nothing(measure(|| n_values = read_everything(&stream)));
        assert!(n_values > 50, "{n_values}");
    }
}

#[test]
fn reading_damaged_octets_allocates_nothing() {
    for direction in ["client", "server"] {
        let stream = recorded(direction);
        let mut rest = &stream[..];
        while let Ok(Some((_, used))) = frame::decode(rest, FRAME_MAX) {
            let mut frame = rest[..used].to_vec();
            for position in (0..used).take(500) {
                // The changes that make lengths large, small and odd.
                for octet in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                    let original = std::mem::replace(&mut frame[position], octet);
                    assert_nothing(measure(|| {
                        read_everything(&frame);
                    }));
                    frame[position] = original;
                }
            }
            rest = &rest[used..];
        }
    }
}

#[test]
fn validating_and_copying_allocate_in_proportion() {
    // A table whose lengths all lie, and the deepest honest one.
    let lie = [&b"\x01kF\xff\xff\xff\xff"[..], &[b'A'; 100]].concat();
    let mut deep = field_table! { "k" => 1 };
    for _ in 0..32 {
        deep = field_table! { "k" => &deep };
    }
    for octets in [&lie[..], deep.as_bytes()] {
        let info = measure(|| assert_eq!(TableRef::new(octets).validate().is_ok(), octets != lie));
        assert!(info.bytes_max <= 256 + 16 * octets.len() as u64, "{info:?}");
        let info = measure(|| drop(TableRef::new(octets).to_owned()));
        assert_eq!(
            (info.count_total, info.bytes_total),
            (1, octets.len() as u64)
        );
    }
}

#[test]
fn writing_allocates_nothing_but_the_buffer() {
    let publish = basic::Publish {
        exchange: short_str!("exchange"),
        routing_key: short_str!("routing.key"),
        ..Default::default()
    };
    let arguments = field_table! { "x-queue-type" => "quorum" };
    let declare = queue::Declare {
        arguments: arguments.as_ref(),
        ..Default::default()
    };
    let properties = Properties::new()
        .delivery_mode(2)
        .content_type(short_str!("text/plain"));
    let mut buf = Vec::with_capacity(2 * FRAME_MAX);
    assert_nothing(measure(|| {
        frame::encode_method(&mut buf, 1, &publish, FRAME_MAX).unwrap();
        let list = properties.as_bytes();
        frame::encode_header(&mut buf, 1, basic::CLASS_ID, 5000, list, FRAME_MAX).unwrap();
        frame::encode_body(&mut buf, 1, &[0; 5000], FRAME_MAX);
        buf.extend_from_slice(
            &basic::Ack {
                delivery_tag: 1,
                multiple: true,
            }
            .to_frame(1),
        );
        frame::encode_method(&mut buf, 1, &declare, FRAME_MAX).unwrap();
    }));

    // A buffer that is too small grows once, to what is known to be needed.
    let mut buf = Vec::new();
    let info = measure(|| frame::encode_method(&mut buf, 1, &publish, FRAME_MAX).unwrap());
    assert_eq!(
        (info.count_total, buf.len()),
        (1, publish.encoded_len() + frame::OVERHEAD)
    );

    // What is refused has not made the buffer grow either.
    let mut buf = Vec::new();
    let refused = measure(|| assert!(frame::encode_method(&mut buf, 1, &publish, 10).is_err()));
    assert_nothing(refused);
}

#[test]
fn empty_properties_and_tables_allocate_nothing() {
    assert_nothing(measure(|| {
        let properties = Properties::new();
        assert_eq!(properties.as_bytes(), [0, 0]);
        assert!(field_table! {}.is_empty());
    }));
}
