//! Every method with arguments at random, there and back.

use amqp_spec::frame::{self, FrameKind};
use amqp_spec::metadata::CLASSES;
use amqp_spec::wire::{DecodeErrorKind, MethodId, TypedMethod as _};
use amqp_spec::{Method, basic, queue, short_str};

use crate::generated::conformance;
use crate::random::Random;

#[test]
fn random_arguments_come_back() {
    let mut random = Random(0x0009_0001);
    for method in CLASSES.iter().flat_map(|class| class.methods) {
        let n_rounds = if method.fields.is_empty() { 1 } else { 100 };
        for _ in 0..n_rounds {
            let fields = random.fields(method.fields);
            let payload = conformance::encode(method.name, &fields).unwrap();
            let read = conformance::decode(&payload).unwrap();
            assert_eq!(read, (method.name.to_owned(), fields));

            let read = Method::decode(&payload).unwrap();
            assert_eq!((read.id(), read.name()), (method.id, method.name));
            assert_eq!(read.has_content(), method.content);
            assert_eq!(read.encoded_len(), payload.len());
            let mut again = Vec::new();
            read.encode(&mut again);
            assert_eq!(again, payload);
        }
    }
}

#[test]
fn random_properties_come_back() {
    let mut random = Random(60);
    for class in CLASSES.iter().filter(|class| !class.properties.is_empty()) {
        for _ in 0..2000 {
            let all = random.fields(class.properties);
            let some = random.next();
            let index = |name: &str| class.properties.iter().position(|info| info.name == name);
            let fields = all.filter(|name| some >> index(name).unwrap() & 1 != 0);
            let list = conformance::encode_properties(class.id, &fields).unwrap();
            assert_eq!(
                conformance::decode_properties(class.id, &list),
                Some(Ok(fields))
            );
        }
    }
}

#[test]
fn unknown_method_is_named_by_its_number() {
    let error = Method::decode(&[0, 60, 0, 99]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "method at octet 0: no method has the id (60, 99)"
    );
    let id = MethodId::new(60, 99);
    assert_eq!(error.kind(), DecodeErrorKind::UnknownMethod { id });
    assert!(Method::decode(&[0, 60, 0]).is_err());
}

#[test]
fn other_method_is_not_taken_for_the_expected_one() {
    let mut buf = Vec::new();
    basic::Ack::default().encode(&mut buf);
    let error = basic::Nack::decode(&buf).unwrap_err();
    assert_eq!(
        error.to_string(),
        "basic.nack at octet 0: found the method with the id (60, 80)"
    );
}

#[test]
fn error_names_the_argument() {
    let mut buf = Vec::new();
    let declared = queue::DeclareOk {
        queue: short_str!("q"),
        message_count: 7,
        consumer_count: 1,
    };
    declared.encode(&mut buf);
    let error = queue::DeclareOk::decode(&buf[..8]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "queue.declare-ok.message-count at octet 6: 4 octets needed, 2 left"
    );
}

#[test]
fn reserved_arguments_and_bits_are_ignored() {
    let mut buf = Vec::new();
    basic::Get {
        queue: short_str!("q"),
        no_ack: true,
    }
    .encode(&mut buf);
    let expected = Method::decode(&buf).unwrap().to_owned();
    let mut other = buf.clone();
    other[5] = 0x63;
    let last = other.len() - 1;
    other[last] |= 0xfe;
    assert_eq!(Method::decode(&other), Ok(expected));
}

#[test]
fn strings_that_are_not_text_pass_through() {
    let deliver = basic::Deliver {
        routing_key: amqp_spec::wire::ShortStr::new(b"\xff\xfe\x00").unwrap(),
        ..Default::default()
    };
    let mut buf = Vec::new();
    frame::encode_method(&mut buf, 1, &deliver, 4096).unwrap();
    let (frame, _) = frame::decode(&buf, 4096).unwrap().unwrap();
    assert_eq!(frame.kind, FrameKind::Method);
    let read = basic::Deliver::decode(frame.payload).unwrap();
    assert_eq!(read.routing_key.as_bytes(), b"\xff\xfe\x00");
    assert!(read.routing_key.as_str().is_err());
}
