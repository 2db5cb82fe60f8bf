//! A whole session of amqplib with RabbitMQ, cut and damaged in every way.

use amqp_spec::frame::{self, ContentHeader, FrameError, FrameKind};
use amqp_spec::{Method, basic};
use serde_json::Value as Json;

use crate::fuzz_bodies;
use crate::support::{from_hex, text};

const MAX_PAYLOAD: usize = 4088;

/// What the client and what the server sent, without the protocol header.
fn directions() -> [Vec<u8>; 2] {
    let session: Json = serde_json::from_str(include_str!("vectors/session.json")).unwrap();
    let (client, server) = (
        from_hex(text(&session["client"])),
        from_hex(text(&session["server"])),
    );
    assert_eq!(client[..8], frame::PROTOCOL_HEADER);
    [client[8..].into(), server]
}

/// The frames of a stream, each with its octets.
fn frames(stream: &[u8]) -> Vec<&[u8]> {
    let (mut frames, mut rest) = (Vec::new(), stream);
    while let Some((_, used)) = frame::decode(rest, MAX_PAYLOAD).unwrap() {
        let (octets, behind) = rest.split_at(used);
        frames.push(octets);
        rest = behind;
    }
    assert!(rest.is_empty());
    frames
}

/// Encodes a frame again from what was decoded.
fn again(octets: &[u8]) -> Vec<u8> {
    let (frame, _) = frame::decode(octets, MAX_PAYLOAD).unwrap().unwrap();
    let mut buf = Vec::new();
    match frame.kind {
        FrameKind::Method => {
            let method = Method::decode(frame.payload).unwrap();
            method.encode(&mut buf);
            buf = [&octets[..7], &buf, &[0xce]].concat();
        }
        FrameKind::Header => {
            let header = ContentHeader::decode(frame.payload).unwrap();
            let read = basic::PropertiesRef::decode(header.properties).unwrap();
            let owned = read.to_owned();
            let (class, size, list) = (basic::CLASS_ID, header.body_size, owned.as_bytes());
            frame::encode_header(&mut buf, frame.channel, class, size, list, 4096).unwrap();
        }
        FrameKind::Body => frame::encode_body(&mut buf, frame.channel, frame.payload, 4096),
        FrameKind::Heartbeat => buf.extend_from_slice(&frame::HEARTBEAT),
    }
    buf
}

#[test]
fn session_is_encoded_again_to_the_same_octets() {
    let [client, server] = directions();
    let (client, server) = (frames(&client), frames(&server));
    assert_eq!((client.len(), server.len()), (38, 37));
    for octets in client.into_iter().chain(server) {
        assert_eq!(again(octets), octets);
    }
}

#[test]
fn session_can_be_cut_anywhere() {
    for stream in directions() {
        let whole = frames(&stream);
        let (mut start, mut complete) = (0, whole.iter());
        let mut next = complete.next();
        // With each further octet: either the frame that is due, or more is needed.
        for end in 0..=stream.len() {
            let decoded = frame::decode(&stream[start..end], MAX_PAYLOAD).unwrap();
            let due = next.filter(|octets| start + octets.len() == end);
            assert_eq!(decoded.is_some(), due.is_some(), "at octet {end}");
            if let (Some((frame, used)), Some(octets)) = (decoded, due) {
                assert_eq!((used, frame.payload), (octets.len(), &octets[7..used - 1]));
                start = end;
                next = complete.next();
            }
        }
        assert_eq!((start, next), (stream.len(), None));
    }
}

#[test]
fn every_shortened_payload_is_an_error() {
    for octets in directions().iter().flat_map(|stream| frames(stream)) {
        let (frame, _) = frame::decode(octets, MAX_PAYLOAD).unwrap().unwrap();
        for end in 0..frame.payload.len() {
            let payload = &frame.payload[..end];
            match frame.kind {
                FrameKind::Method => {
                    let error = Method::decode(payload).unwrap_err();
                    assert!(error.offset() <= end, "{error}");
                }
                FrameKind::Header => {
                    let properties = ContentHeader::decode(payload)
                        .and_then(|header| basic::PropertiesRef::decode(header.properties));
                    assert!(properties.is_err());
                }
                // Any octets are a body.
                FrameKind::Body | FrameKind::Heartbeat => {}
            }
        }
    }
}

#[test]
fn every_appended_octet_is_an_error() {
    for octets in directions().iter().flat_map(|stream| frames(stream)) {
        if octets[0] == 1 {
            let longer = [&octets[7..octets.len() - 1], &[0]].concat();
            let error = Method::decode(&longer).unwrap_err();
            assert!(error.to_string().ends_with("1 octets too many"), "{error}");
        }
    }
}

#[test]
fn every_changed_octet_is_an_error_or_another_frame() {
    for octets in directions().iter().flat_map(|stream| frames(stream)) {
        let mut changed = octets.to_vec();
        // In a body one octet is like another: the first and the last stand for all.
        let is_body = octets[0] == 3;
        let positions = (0..octets.len()).filter(|&i| !is_body || i < 8 || i + 2 > octets.len());
        for position in positions {
            for difference in 1..=u8::MAX {
                let octet = octets[position] ^ difference;
                changed[position] = octet;
                let decoded = decode(&changed);
                if position == octets.len() - 1 {
                    assert_eq!(decoded, Err(FrameError::MissingEnd { found: octet }));
                }
                // What came of it is looked at more closely where one bit was changed: to do so for
                // each of 600 000 frames takes too long.
                if difference.is_power_of_two() {
                    fuzz_bodies::frame(&changed);
                }
            }
            changed[position] = octets[position];
        }
    }
}

/// Decodes a frame and what it carries.
fn decode(octets: &[u8]) -> Result<(), FrameError> {
    let Some((frame, _)) = frame::decode(octets, MAX_PAYLOAD)? else {
        return Ok(());
    };
    let decoded = match frame.kind {
        FrameKind::Method => Method::decode(frame.payload).map(drop),
        FrameKind::Header => ContentHeader::decode(frame.payload)
            .and_then(|header| basic::PropertiesRef::decode(header.properties))
            .and_then(|properties| properties.headers().unwrap_or_default().validate()),
        FrameKind::Body | FrameKind::Heartbeat => Ok(()),
    };
    if let Err(error) = decoded {
        assert!(error.offset() <= octets.len());
    }
    Ok(())
}
