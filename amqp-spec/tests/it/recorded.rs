//! Octets that other implementations made: read by us, and written by us from the same arguments.

use amqp_spec::Method;
use amqp_spec::basic::PropertiesRef;
use amqp_spec::frame::{self, ContentHeader, FrameKind};
use amqp_spec::metadata::CLASSES;
use serde_json::Value as Json;

use crate::generated::conformance;
use crate::support::{Fields, from_hex, text, to_hex, vectors};

/// Reserved arguments have no place in a Rust struct and are written as zero or empty. Where they
/// are something else in a vector, these are its octets and what we write instead.
const RESERVED: &[(&str, &str)] = &[
    // `channel.open` with "0" as `out-of-band`.
    ("010005000000060014000a0130ce", "010005000000050014000a00ce"),
    // `channel.open-ok` with "0" as `channel-id`.
    (
        "010005000000090014000b0000000130ce",
        "010005000000080014000b00000000ce",
    ),
];

#[test]
fn each_method_as_pamqp_and_amqplib_write_it() {
    let vectors = vectors(include_str!("vectors/independent-methods.json"));
    let n_methods: usize = CLASSES.iter().map(|class| class.methods.len()).sum();
    assert_eq!(vectors.len(), n_methods);
    for vector in &vectors {
        check(vector);
    }
}

#[test]
fn tables_and_contents_as_pamqp_writes_them() {
    for vector in &vectors(include_str!("vectors/pamqp.json")) {
        check(vector);
    }
}

#[test]
fn tables_and_contents_as_amqplib_writes_them() {
    for vector in &vectors(include_str!("vectors/amqplib.json")) {
        check(vector);
    }
}

#[test]
fn generated_vectors_hold() {
    let generated = [
        include_str!("../../../spec/vectors/access.json"),
        include_str!("../../../spec/vectors/basic.json"),
        include_str!("../../../spec/vectors/basic-properties.json"),
        include_str!("../../../spec/vectors/channel.json"),
        include_str!("../../../spec/vectors/confirm.json"),
        include_str!("../../../spec/vectors/connection.json"),
        include_str!("../../../spec/vectors/exchange.json"),
        include_str!("../../../spec/vectors/queue.json"),
        include_str!("../../../spec/vectors/tx.json"),
    ];
    for vector in generated.iter().flat_map(|json| vectors(json)) {
        check(&vector);
    }
}

/// Reads the frame, compares what was read with the arguments, and writes it again, both from what
/// was read and from the arguments.
#[track_caller]
fn check(vector: &Json) {
    let (name, octets) = (text(&vector["name"]), from_hex(text(&vector["hex"])));
    let (frame, used) = frame::decode(&octets, octets.len())
        .unwrap()
        .expect("a whole frame");
    assert_eq!(used, octets.len(), "{name}");
    assert_eq!(vector["channel"], frame.channel, "{name}");
    let written = match frame.kind {
        FrameKind::Method => method(name, vector, frame.payload),
        FrameKind::Header => properties(vector, frame.payload),
        FrameKind::Body => {
            assert_eq!(text(&vector["body"]), to_hex(frame.payload));
            let mut buf = Vec::new();
            frame::encode_body(&mut buf, frame.channel, frame.payload, used);
            buf
        }
        FrameKind::Heartbeat => frame::HEARTBEAT.into(),
    };
    let hex = to_hex(&octets);
    let exception = RESERVED.iter().find(|(theirs, _)| *theirs == hex);
    assert_eq!(
        to_hex(&written),
        exception.map_or(&*hex, |(_, ours)| ours),
        "{name}"
    );
}

#[track_caller]
fn method(name: &str, vector: &Json, payload: &[u8]) -> Vec<u8> {
    let infos = CLASSES.iter().flat_map(|class| class.methods);
    let info = infos.clone().find(|info| info.name == name).expect(name);
    let all = Fields::from_json(&vector["fields"]);
    let names = all.iter().map(|(name, ..)| name);
    assert!(
        names.eq(info.fields.iter().map(|field| field.name)),
        "{name}: {all:?}"
    );
    let fields = all.filter(|name| !info.fields.iter().any(|f| f.name == name && f.reserved));

    let read = Method::decode(payload).unwrap();
    assert_eq!(read.name(), name);
    assert_eq!(
        conformance::decode(payload),
        Ok((name.to_owned(), fields.clone()))
    );

    let mut again = Vec::new();
    read.encode(&mut again);
    assert_eq!(conformance::encode(name, &fields), Some(again.clone()));
    let channel = u16::try_from(vector["channel"].as_u64().unwrap()).unwrap();
    let framed = in_frame(channel, &again);
    let on_the_stack = conformance::to_frame(name, channel, &fields);
    assert!(on_the_stack.is_none_or(|octets| octets == framed), "{name}");
    framed
}

#[track_caller]
fn properties(vector: &Json, payload: &[u8]) -> Vec<u8> {
    let header = ContentHeader::decode(payload).unwrap();
    assert_eq!(vector["class"], header.class_id);
    assert_eq!(vector["body-size"], header.body_size);
    let fields = Fields::from_json(&vector["fields"]);
    let read = conformance::decode_properties(header.class_id, header.properties);
    assert_eq!(read, Some(Ok(fields.clone())));
    let list = conformance::encode_properties(header.class_id, &fields).unwrap();
    assert_eq!(to_hex(&list), to_hex(header.properties));
    assert!(PropertiesRef::decode(&list).is_ok());

    let mut buf = Vec::new();
    frame::encode_header(
        &mut buf,
        5,
        header.class_id,
        header.body_size,
        &list,
        1 << 20,
    )
    .unwrap();
    let channel = u16::try_from(vector["channel"].as_u64().unwrap()).unwrap();
    buf.splice(1..3, channel.to_be_bytes());
    buf
}

/// A method frame, put together here rather than by the code under test.
fn in_frame(channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap();
    let header = [&[1][..], &channel.to_be_bytes(), &size.to_be_bytes()].concat();
    [&header, payload, &[0xce]].concat()
}
