//! Large bodies on their way in: taken piece by piece, and read straight into their messages.

use crate::error::{ChannelError, ConnectionError, Violation};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::random::Random;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer};

const SIZE: usize = 300_000;

fn octets(size: usize) -> Vec<u8> {
    let mut random = Random::new(size as u64);
    (0..size).map(|_| random.next().to_le_bytes()[0]).collect()
}

/// A delivery whose body is cut at this frame size.
fn delivery(body: &[u8], frame_max: usize) -> Vec<u8> {
    [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, body.len() as u64),
        wire::body(1, body, frame_max),
    ]
    .concat()
}

fn consuming(plain_reads: bool) -> (Pair, Channel, Consumer) {
    let mut pair = Pair::open_with(&quiet());
    pair.plain_reads = plain_reads;
    let channel = pair.channel();
    let consumer = pair.consumer(&channel, "tag");
    (pair, channel, consumer)
}

#[test]
fn body_arrives_whole_however_it_is_cut() {
    let body = octets(SIZE);
    for plain_reads in [true, false] {
        let (mut pair, _channel, mut consumer) = consuming(plain_reads);
        for frame_max in [20_000, 40_000, wire::FRAME_MAX] {
            let whole = delivery(&body, frame_max);
            for size in [1000, 16_384, 70_000, 131_072, whole.len()] {
                for piece in whole.chunks(size) {
                    pair.feed(piece);
                }
                let delivery = done(consumer.next()).unwrap().unwrap();
                assert_eq!(delivery.body(), body);
            }
        }
    }
}

#[test]
fn body_arrives_whole_when_cut_at_random() {
    let mut random = Random::new(1);
    for plain_reads in [true, false] {
        let (mut pair, _channel, mut consumer) = consuming(plain_reads);
        for _ in 0..30 {
            let body = octets(random.index(SIZE));
            // What follows in the same read belongs to the next message.
            let whole = [
                delivery(&body, 20_000 + random.index(50_000)),
                wire::delivery(1, "tag", 2, b"next"),
            ]
            .concat();
            let mut rest = &whole[..];
            while !rest.is_empty() {
                let n = (1 + random.index(40_000)).min(rest.len());
                pair.feed(&rest[..n]);
                rest = &rest[n..];
            }
            assert_eq!(done(consumer.next()).unwrap().unwrap().body(), body);
            assert_eq!(done(consumer.next()).unwrap().unwrap().body(), b"next");
        }
    }
}

#[test]
fn cuts_around_every_border_of_a_frame_change_nothing() {
    let body = octets(70_000);
    let whole = delivery(&body, 30_000);
    // Where frames begin and end, and the sizes at which the way of reading changes.
    let mut at = 0;
    let mut borders = vec![];
    for frame in wire::frames(&whole).0 {
        let end = at + frame.payload.len() + 8;
        borders.extend([at, at + 7, end - 1, end, end.saturating_sub(16 * 1024)]);
        at = end;
    }
    for plain_reads in [true, false] {
        let (mut pair, _channel, mut consumer) = consuming(plain_reads);
        for &border in &borders {
            for cut in border.saturating_sub(3)..(border + 3).min(whole.len()) {
                pair.feed(&whole[..cut]);
                pair.feed(&whole[cut..]);
                assert_eq!(done(consumer.next()).unwrap().unwrap().body(), body);
            }
        }
    }
}

#[test]
fn end_of_the_stream_amid_a_body_is_told() {
    let whole = delivery(&octets(SIZE), wire::FRAME_MAX);
    for cut in [50, 1000, 30_000, 131_000, 131_150, 200_000, whole.len() - 1] {
        let (mut pair, channel, mut consumer) = consuming(false);
        let mut purging = Task::start(channel.queue_purge("q"));
        let mut waiting = Task::start(consumer.next());
        pair.feed(&whole[..cut]);
        pair.eof();
        assert!(matches!(
            purging.ready(),
            Err(ChannelError::Connection(ConnectionError::EndOfStream))
        ));
        assert!(waiting.ready().unwrap().is_err());
    }
}

#[test]
fn message_is_not_handed_on_before_its_last_frame_has_ended() {
    let (mut pair, _channel, mut consumer) = consuming(false);
    let mut whole = delivery(&octets(SIZE), wire::FRAME_MAX);
    let end = whole.pop().unwrap();
    assert_eq!(end, 0xce);
    pair.feed(&whole);
    Task::start(consumer.next()).pending();
    // Anything but the end octet.
    pair.feed(&[0]);
    assert!(done(consumer.next()).unwrap().is_err());
    match pair.end() {
        ConnectionError::Protocol(violation) => {
            assert!(matches!(*violation, Violation::Frame(_)), "{violation:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn frame_larger_than_what_is_left_is_refused_when_it_begins() {
    let (mut pair, _channel, _consumer) = consuming(false);
    let begun = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 50_000),
        wire::body(1, &octets(60_000), wire::FRAME_MAX)[..100].to_vec(),
    ];
    pair.feed(&begun.concat());
    match pair.end() {
        ConnectionError::Protocol(violation) => {
            assert_eq!(*violation, Violation::BodyTooLong { channel: 1 });
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn large_frame_out_of_place_is_refused_when_it_begins() {
    let frame = wire::body(1, &octets(60_000), wire::FRAME_MAX);
    let (mut pair, _channel, _consumer) = consuming(false);
    pair.feed(&frame[..100]);
    assert!(matches!(pair.end(), ConnectionError::Protocol(_)));

    let other = wire::body(9, &octets(60_000), wire::FRAME_MAX);
    let (mut pair, _channel, _consumer) = consuming(false);
    pair.feed(&other[..100]);
    assert!(matches!(pair.end(), ConnectionError::Protocol(_)));
}

#[test]
fn large_frames_for_a_channel_that_was_closed_are_discarded() {
    let (mut pair, _channel, consumer) = consuming(false);
    let second = pair.channel();
    drop(consumer);
    pair.feed(&wire::channel_close(1));
    for piece in delivery(&octets(SIZE), wire::FRAME_MAX).chunks(10_000) {
        pair.feed(piece);
    }
    let mut purging = Task::start(second.queue_purge("q"));
    pair.says(2, &amqp_spec::queue::PurgeOk { message_count: 3 });
    assert_eq!(purging.ready().unwrap(), 3);
}

#[test]
fn large_bodies_of_two_channels_interleave() {
    let (mut pair, _first, mut a) = consuming(false);
    let second = pair.channel();
    let mut b = pair.consumer(&second, "b");
    let (one, two) = (octets(SIZE), octets(SIZE + 1));
    let frames_of = |channel: u16, tag: &str, body: &[u8]| -> Vec<Vec<u8>> {
        let mut frames = vec![
            wire::method(channel, &wire::deliver(tag, 1)),
            wire::header(channel, body.len() as u64),
        ];
        let parts = body.chunks(40_000);
        frames.extend(parts.map(|part| wire::body(channel, part, wire::FRAME_MAX)));
        frames
    };
    let pairs = frames_of(1, "tag", &one)
        .into_iter()
        .zip(frames_of(2, "b", &two));
    let mixed: Vec<u8> = pairs.flat_map(|(one, two)| [one, two].concat()).collect();
    for piece in mixed.chunks(12_345) {
        pair.feed(piece);
    }
    assert_eq!(done(a.next()).unwrap().unwrap().body(), one);
    assert_eq!(done(b.next()).unwrap().unwrap().body(), two);
}

#[test]
fn octets_read_into_a_message_are_a_sign_of_life() {
    let second = std::time::Duration::from_secs(1);
    let mut pair = Pair::open_with(&quiet().heartbeat(second * 10));
    let channel = pair.channel();
    let _consumer = pair.consumer(&channel, "tag");
    let whole = delivery(&octets(SIZE), wire::FRAME_MAX);
    for piece in whole.chunks(30_000) {
        pair.advance(second * 19);
        pair.feed(piece);
    }
    assert!(!pair.core.is_finished());
}

#[test]
fn fetched_and_returned_messages_may_be_large() {
    let mut pair = Pair::open_with(&quiet());
    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    let body = octets(SIZE);
    let mut getting = Task::start(channel.basic_get("q"));
    let text = "x".repeat(SIZE);
    let message = crate::Message::new(text.clone());
    let mandatory = publisher.mandatory();
    let mut publishing = Task::start(mandatory.publish("", "key", &message));
    pair.sent();
    let answers = [
        wire::content(1, &wire::get_ok(1), &body),
        wire::returned(1, "key", text.as_bytes()),
        wire::ack(1, 1, false),
    ];
    for piece in answers.concat().chunks(50_000) {
        pair.feed(piece);
    }
    assert_eq!(getting.ready().unwrap().unwrap().delivery.body(), body);
    match publishing.ready() {
        Err(crate::PublishError::Returned(returned)) => assert_eq!(returned.body().len(), SIZE),
        other => panic!("{other:?}"),
    }
}
