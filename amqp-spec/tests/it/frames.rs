//! Cutting octets into frames, and putting frames together.

use amqp_spec::frame::{self, ContentHeader, Frame, FrameError, FrameKind};
use amqp_spec::wire::{TableRef, TypedMethod as _};
use amqp_spec::{basic, channel, field_table, queue, short_str};

const ACK: [u8; 21] = [
    1, 0, 7, 0, 0, 0, 13, 0, 60, 0, 80, 1, 2, 3, 4, 5, 6, 7, 8, 1, 0xce,
];

#[test]
fn frame_is_taken_off_the_front() {
    let stream = [&ACK[..], &frame::HEARTBEAT, &ACK[..9]].concat();
    let (first, used) = frame::decode(&stream, 4088).unwrap().unwrap();
    assert_eq!(
        first,
        Frame {
            kind: FrameKind::Method,
            channel: 7,
            payload: &ACK[7..20]
        }
    );
    let (second, also_used) = frame::decode(&stream[used..], 4088).unwrap().unwrap();
    assert_eq!(
        second,
        Frame {
            kind: FrameKind::Heartbeat,
            channel: 0,
            payload: &[]
        }
    );
    assert_eq!((used, also_used), (21, 8));
    assert_eq!(frame::decode(&stream[used + also_used..], 4088), Ok(None));
}

#[test]
fn first_octet_decides_before_the_rest_is_there() {
    assert_eq!(frame::decode(b"", 4088), Ok(None));
    assert_eq!(frame::decode(b"A", 4088), Err(FrameError::ProtocolHeader));
    assert_eq!(
        frame::decode(b"AMQP\x00\x00\x09\x01", 4088),
        Err(FrameError::ProtocolHeader)
    );
    assert_eq!(
        frame::decode(b"H", 4088),
        Err(FrameError::UnknownKind(b'H'))
    );
    // The specification's text says 4 in one place; no peer sends that as a heartbeat.
    assert_eq!(
        frame::decode(&[4, 0, 0, 0, 0, 0, 0, 0xce], 4088),
        Err(FrameError::UnknownKind(4))
    );
}

#[test]
fn size_is_refused_before_the_payload_is_there() {
    let header = [3, 0, 1, 0, 0, 0x10, 0x01];
    assert_eq!(frame::decode(&header, 0x1001), Ok(None));
    let error = FrameError::TooLarge {
        size: 0x1001,
        max: 0x1000,
    };
    assert_eq!(frame::decode(&header, 0x1000), Err(error));
    assert_eq!(
        error.to_string(),
        "frame with a payload of 4097 octets where at most 4096 are accepted"
    );
    let error = FrameError::TooLarge {
        size: u32::MAX,
        max: 0x1000,
    };
    assert_eq!(
        frame::decode(&[3, 0, 1, 0xff, 0xff, 0xff, 0xff], 0x1000),
        Err(error)
    );
}

#[test]
fn end_is_checked() {
    let mut octets = ACK;
    octets[20] = 0xcd;
    let error = FrameError::MissingEnd { found: 0xcd };
    assert_eq!(frame::decode(&octets, 4088), Err(error));
    assert_eq!(error.to_string(), "frame ends with 0xcd in place of 0xce");
}

#[test]
fn heartbeat_is_empty_and_on_channel_zero() {
    let error = FrameError::InvalidHeartbeat {
        channel: 1,
        size: 0,
    };
    assert_eq!(
        frame::decode(&[8, 0, 1, 0, 0, 0, 0, 0xce], 4088),
        Err(error)
    );
    let error = FrameError::InvalidHeartbeat {
        channel: 0,
        size: 1,
    };
    assert_eq!(frame::decode(&[8, 0, 0, 0, 0, 0, 1], 4088), Err(error));
}

#[test]
fn protocol_header_is_that_of_0_9_1() {
    assert_eq!(frame::PROTOCOL_HEADER, *b"AMQP\x00\x00\x09\x01");
}

#[test]
fn fixed_method_is_the_same_frame_on_the_stack_and_in_a_buffer() {
    let ack = basic::Ack {
        delivery_tag: 0x0102_0304_0506_0708,
        multiple: true,
    };
    assert_eq!(ack.to_frame(7), ACK);
    let mut buf = Vec::new();
    frame::encode_method(&mut buf, 7, &ack, ACK.len()).unwrap();
    assert_eq!(buf, ACK);
}

#[test]
fn method_that_does_not_fit_leaves_the_buffer_alone() {
    let mut buf = b"before".to_vec();
    let error = frame::encode_method(&mut buf, 7, &basic::Ack::default(), 20).unwrap_err();
    assert_eq!((error.size, error.frame_max), (21, 20));
    assert_eq!(
        error.to_string(),
        "frame of 21 octets where frame-max allows 20"
    );
    assert_eq!(buf, b"before");

    // One octet of arguments too many, with the exact size in the error.
    let text = "x".repeat(4096);
    let table = field_table! { "k" => &text };
    let arguments = table.as_ref();
    let declare = queue::Declare {
        queue: short_str!("q"),
        arguments,
        ..Default::default()
    };
    let size = declare.encoded_len() + frame::OVERHEAD;
    assert!(frame::encode_method(&mut buf, 1, &declare, size - 1).is_err());
    assert_eq!(buf, b"before");
    frame::encode_method(&mut buf, 1, &declare, size).unwrap();
    assert_eq!(buf.len(), b"before".len() + size);
}

#[test]
fn header_that_does_not_fit_leaves_the_buffer_alone() {
    let mut buf = b"before".to_vec();
    let error = frame::encode_header(&mut buf, 1, 60, 5, &[0; 100], 119).unwrap_err();
    assert_eq!((error.size, error.frame_max), (120, 119));
    assert_eq!(buf, b"before");
    frame::encode_header(&mut buf, 1, 60, 5, &[0; 100], 120).unwrap();
    assert_eq!(buf.len(), b"before".len() + 120);
}

#[test]
fn body_is_split_at_frame_max() {
    // Length of the body, frame-max, sizes of the payloads.
    let cases: [(usize, usize, &[usize]); 7] = [
        (0, 4096, &[]),
        (1, 4096, &[1]),
        (4088, 4096, &[4088]),
        (4089, 4096, &[4088, 1]),
        (8176, 4096, &[4088, 4088]),
        (10_000, usize::MAX, &[10_000]),
        // Not a frame-max that peers can agree on, but not a reason to stop either.
        (2, 8, &[1, 1]),
    ];
    for (len, frame_max, expected) in cases {
        let body: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let mut buf = Vec::new();
        frame::encode_body(&mut buf, 3, &body, frame_max);
        let (mut sizes, mut joined, mut rest) = (Vec::new(), Vec::new(), &buf[..]);
        while let Some((frame, used)) = frame::decode(rest, usize::MAX).unwrap() {
            assert_eq!((frame.kind, frame.channel), (FrameKind::Body, 3));
            sizes.push(frame.payload.len());
            joined.extend_from_slice(frame.payload);
            rest = &rest[used..];
        }
        assert_eq!((rest, joined, &sizes[..]), (&[][..], body, expected));
    }
}

#[test]
fn content_is_its_method_header_and_body() {
    let publish = basic::Publish {
        routing_key: short_str!("key"),
        ..Default::default()
    };
    let properties = basic::Properties::new()
        .delivery_mode(2)
        .message_id(short_str!("m-1"));
    let list = properties.as_bytes();
    for len in [0, 1, 4088, 4089, 10_000] {
        let body = vec![b'x'; len];
        let mut expected = b"before".to_vec();
        frame::encode_method(&mut expected, 3, &publish, 4096).unwrap();
        frame::encode_header(&mut expected, 3, 60, len as u64, list, 4096).unwrap();
        frame::encode_body(&mut expected, 3, &body, 4096);
        let mut buf = b"before".to_vec();
        frame::encode_content(&mut buf, 3, &publish, list, &body, 4096).unwrap();
        assert_eq!(buf, expected, "{len}");
    }
}

#[test]
fn content_that_does_not_fit_leaves_the_buffer_alone() {
    let publish = basic::Publish {
        routing_key: short_str!("key"),
        ..Default::default()
    };
    let mut buf = b"before".to_vec();
    // Neither when the method nor when only the header is too large.
    let size = publish.encoded_len() + frame::OVERHEAD;
    for (frame_max, expected) in [(size - 1, size), (size, 8 + 12 + 100)] {
        let error = frame::encode_content(&mut buf, 3, &publish, &[0; 100], b"body", frame_max);
        assert_eq!(error.unwrap_err().size, expected);
        assert_eq!(buf, b"before");
    }
}

#[test]
fn content_header_ignores_the_weight() {
    let payload = [0, 60, 0xab, 0xcd, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    let header = ContentHeader {
        class_id: 60,
        body_size: 1 << 33,
        properties: &[0, 0],
    };
    assert_eq!(ContentHeader::decode(&payload), Ok(header));
    let error = ContentHeader::decode(&payload[..11]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "content header at octet 0: 12 octets needed, 11 left"
    );
}

#[test]
fn malformed_table_spoils_only_the_access_to_it() {
    let payload = [&[0, 20, 0, 10][..], &[0]].concat();
    assert_eq!(channel::Open::decode(&payload), Ok(channel::Open {}));

    let mut buf = Vec::new();
    let arguments = TableRef::new(&[3, b'x']);
    queue::Declare {
        arguments,
        ..Default::default()
    }
    .encode(&mut buf);
    let declare = queue::Declare::decode(&buf).unwrap();
    let error = declare.arguments.iter().next().unwrap().unwrap_err();
    assert_eq!(
        error.to_string(),
        "field-table name at octet 0: 4 octets needed, 2 left"
    );
}
