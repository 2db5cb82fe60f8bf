//! Messages that arrive in pieces, and pieces out of place.

use amqp_spec::basic;
use amqp_spec::wire::ShortStr;
use amqp_spec::{field_table, frame};

use crate::error::{ConnectionError, Violation};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer, Delivery};

pub(crate) fn consuming() -> (Pair, Channel, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    (pair, channel, consumer)
}

#[track_caller]
pub(crate) fn next(consumer: &mut Consumer) -> Delivery {
    done(consumer.next())
        .expect("a delivery")
        .expect("a delivery")
}

/// The connection ended because of this, and told the broker so.
#[track_caller]
fn assert_violation(pair: &mut Pair, expected: &Violation, reply_code: Option<u16>) {
    match pair.end() {
        ConnectionError::Protocol(violation) => assert_eq!(*violation, *expected),
        other => panic!("{other:?}"),
    }
    let goodbye: Vec<String> = reply_code
        .iter()
        .map(|code| format!("0 connection.close {code}"))
        .collect();
    assert_eq!(pair.sent(), goodbye);
    assert!(pair.core.is_finished());
}

#[test]
fn delivery_comes_with_everything_the_broker_said() {
    let (mut pair, _channel, mut consumer) = consuming();
    let headers = field_table! { "n" => 1 };
    let properties = basic::Properties::new()
        .content_type(wire::short("text/plain"))
        .headers(headers.as_ref());
    let deliver = basic::Deliver {
        redelivered: true,
        routing_key: ShortStr::new(b"not \xff utf-8").unwrap(),
        ..wire::deliver("tag", 42)
    };
    let whole = [
        wire::method(1, &deliver),
        wire::header_with(1, 4, properties.as_ref()),
        wire::body(1, b"body", wire::FRAME_MAX),
    ]
    .concat();
    // In one read, and octet by octet.
    for size in [whole.len(), 1] {
        for piece in whole.chunks(size) {
            pair.feed(piece);
        }
        let delivery = next(&mut consumer);
        assert_eq!(delivery.delivery_tag(), 42);
        assert!(delivery.redelivered());
        assert_eq!(delivery.exchange(), "x");
        assert_eq!(delivery.routing_key().as_bytes(), b"not \xff utf-8");
        assert_eq!(
            delivery.properties().content_type(),
            Some(wire::short("text/plain"))
        );
        assert_eq!(delivery.properties().headers(), Some(headers.as_ref()));
        assert_eq!(delivery.body(), b"body");
        assert_eq!(&delivery.into_body_unsettled()[..], b"body");
    }
}

#[test]
fn body_is_put_together_from_frames_of_any_size() {
    let (mut pair, _channel, mut consumer) = consuming();
    let octets: Vec<u8> = (0..100_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for frame_max in [9, 100, 4096, wire::FRAME_MAX] {
        let octets = if frame_max == 9 {
            &octets[..2000]
        } else {
            &octets
        };
        let whole = [
            wire::method(1, &wire::deliver("tag", 1)),
            wire::header(1, octets.len() as u64),
            wire::body(1, octets, frame_max),
        ]
        .concat();
        for size in [whole.len(), 10_000, 777] {
            for piece in whole.chunks(size) {
                pair.feed(piece);
            }
            assert_eq!(next(&mut consumer).body(), octets);
        }
    }
}

#[test]
fn empty_body_needs_no_frame() {
    let (mut pair, _channel, mut consumer) = consuming();
    let empty = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 0),
    ];
    pair.feed(&empty.concat());
    assert_eq!(next(&mut consumer).body(), b"");
    for octets in &empty {
        pair.feed(octets);
    }
    assert_eq!(next(&mut consumer).body(), b"");
}

#[test]
fn empty_body_frames_within_a_body_are_fine() {
    let (mut pair, _channel, mut consumer) = consuming();
    let empty = [frame_of(3, 1, b"")].concat();
    let whole = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 2),
        empty.clone(),
        frame_of(3, 1, b"a"),
        empty,
        frame_of(3, 1, b"b"),
    ];
    pair.feed(&whole.concat());
    assert_eq!(next(&mut consumer).body(), b"ab");
}

fn frame_of(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(channel.to_be_bytes());
    octets.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend(payload);
    octets.push(0xce);
    octets
}

#[test]
fn contents_of_two_channels_interleave() {
    let (mut pair, _first, mut a) = consuming();
    let second = pair.channel();
    let mut b = pair.consumer(&second, "b");
    let one = wire::delivery(1, "tag", 1, b"one");
    let two = wire::delivery(2, "b", 1, b"two");
    let (one, two) = (frame_by_frame(&one), frame_by_frame(&two));
    for (one, two) in one.iter().zip(&two) {
        pair.feed(one);
        pair.feed(&frame::HEARTBEAT);
        pair.feed(two);
    }
    assert_eq!(next(&mut a).body(), b"one");
    assert_eq!(next(&mut b).body(), b"two");
    // All at once.
    let merged: Vec<u8> = one
        .iter()
        .zip(&two)
        .flat_map(|(a, b)| [a.clone(), b.clone()].concat())
        .collect();
    pair.feed(&merged);
    assert_eq!(next(&mut a).body(), b"one");
    assert_eq!(next(&mut b).body(), b"two");
}

pub(crate) fn frame_by_frame(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = octets;
    let mut frames = Vec::new();
    while let Some((_, used)) = frame::decode(rest, usize::MAX).unwrap() {
        frames.push(rest[..used].to_vec());
        rest = &rest[used..];
    }
    frames
}

// Out of place

#[test]
fn body_longer_than_announced_is_a_violation() {
    let (mut pair, _channel, _consumer) = consuming();
    pair.feed(
        &[
            wire::method(1, &wire::deliver("tag", 1)),
            wire::header(1, 3),
            wire::body(1, b"four", wire::FRAME_MAX),
        ]
        .concat(),
    );
    assert_violation(&mut pair, &Violation::BodyTooLong { channel: 1 }, Some(501));
}

#[test]
fn content_out_of_place_is_a_violation() {
    let deliver = || wire::method(1, &wire::deliver("tag", 1));
    let header = || wire::header(1, 4);
    let body = || wire::body(1, b"ab", wire::FRAME_MAX);
    let returned = || frame_by_frame(&wire::returned(1, "key", b"x"))[0].clone();
    let wrong_class = || {
        let mut header = header();
        header[8] = 50;
        header
    };
    let ack = || wire::ack(1, 1, false);
    let nack = || wire::nack(1, 1, true);
    let header_of = "the content header of basic.deliver";
    let body_of = "the content body of basic.deliver";
    let class_50 = "content header of class 50";
    let cases = [
        (vec![header()], "content header", "a method"),
        (vec![body()], "content body", "a method"),
        (vec![deliver(), body()], "content body", header_of),
        (vec![deliver(), deliver()], "basic.deliver", header_of),
        (
            vec![deliver(), header(), header()],
            "content header",
            body_of,
        ),
        (
            vec![deliver(), header(), body(), header()],
            "content header",
            body_of,
        ),
        (
            vec![deliver(), header(), deliver()],
            "basic.deliver",
            body_of,
        ),
        (
            vec![deliver(), header(), returned()],
            "basic.return",
            body_of,
        ),
        (vec![deliver(), header(), ack()], "basic.ack", body_of),
        (vec![ack(), deliver(), ack()], "basic.ack", header_of),
        (vec![deliver(), nack()], "basic.nack", header_of),
        (
            vec![deliver(), header(), wire::declare_ok(1, "q")],
            "queue.declare-ok",
            body_of,
        ),
        (vec![deliver(), wrong_class()], class_50, "one of class 60"),
        (
            vec![deliver(), wire::header(1, 0), body()],
            "content body",
            "a method",
        ),
        (
            vec![returned(), deliver()],
            "basic.deliver",
            "the content header of basic.return",
        ),
        (
            vec![returned(), ack()],
            "basic.ack",
            "the content header of basic.return",
        ),
    ];
    for (case, found, expected) in cases {
        let unexpected = Violation::UnexpectedContent {
            channel: 1,
            found: found.into(),
            expected: expected.into(),
        };
        // At once and frame by frame: two ways through the code.
        for at_once in [true, false] {
            let (mut pair, _channel, _consumer) = consuming();
            if at_once {
                pair.feed(&case.concat());
            } else {
                for octets in &case {
                    pair.feed(octets);
                }
            }
            assert_violation(&mut pair, &unexpected, Some(505));
        }
    }
}

/// What our `connection.close` says: code, text, class and method.
fn goodbye(pair: &mut Pair) -> (u16, String, u16, u16) {
    let octets = pair.sent_octets();
    let (frames, _) = wire::frames(&octets);
    match amqp_spec::Method::decode(frames.last().unwrap().payload).unwrap() {
        amqp_spec::Method::ConnectionClose(close) => {
            let text = String::from_utf8(close.reply_text.as_bytes().to_vec()).unwrap();
            (close.reply_code, text, close.class_id, close.method_id)
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn broker_is_told_what_it_broke() {
    let (mut pair, _channel, _consumer) = consuming();
    let octets = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 4),
        wire::ack(1, 1, false),
    ];
    pair.feed(&octets.concat());
    let text = "unexpected basic.ack on channel 1, where the content body of basic.deliver was \
                expected";
    assert_eq!(pair.end().to_string().matches(text).count(), 1);
    assert_eq!(goodbye(&mut pair), (505, text.to_owned(), 60, 80));

    let (mut pair, _channel, _consumer) = consuming();
    pair.feed(&wire::declare_ok(1, "q"));
    let text = "unexpected queue.declare-ok on channel 1, where no reply was expected";
    assert_eq!(goodbye(&mut pair), (505, text.to_owned(), 50, 11));

    let (mut pair, channel, _consumer) = consuming();
    let _getting = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.feed(&wire::declare_ok(1, "q"));
    let text = "unexpected queue.declare-ok on channel 1, where a reply to basic.get was expected";
    assert_eq!(goodbye(&mut pair).1, text);

    let (mut pair, _channel, _consumer) = consuming();
    pair.feed(&wire::body(1, b"x", wire::FRAME_MAX));
    let text = "unexpected content body on channel 1, where a method was expected";
    assert_eq!(goodbye(&mut pair), (505, text.to_owned(), 0, 0));
}

#[test]
fn confirms_on_a_channel_that_was_never_open_are_a_violation() {
    for id in [0, 3, 77] {
        for confirm in [wire::ack(id, 1, false), wire::nack(id, 1, true)] {
            let mut pair = Pair::open();
            let channels = (pair.channel_with_id(1), pair.channel_with_id(5));
            pair.feed(&[wire::ack(1, 1, false), confirm].concat());
            let unknown = Violation::UnknownChannel { channel: id };
            assert_violation(&mut pair, &unknown, Some(504));
            drop(channels);
        }
    }
}

#[test]
fn caller_whose_message_is_broken_off_is_told() {
    let get_ok = wire::method(1, &wire::get_ok(1));
    let cases = [
        vec![wire::header(1, 4), wire::header(1, 4)],
        vec![
            wire::header(1, 4),
            wire::method(1, &wire::deliver("tag", 1)),
        ],
        vec![
            wire::header(1, 4),
            wire::body(1, b"too long", wire::FRAME_MAX),
        ],
        vec![wire::body(1, b"x", wire::FRAME_MAX)],
        vec![get_ok.clone()],
        vec![wire::header(1, 4), get_ok.clone()],
        vec![wire::header(1, 4), frame_of(9, 0, b"")],
        vec![wire::channel_close(1)],
        vec![wire::header(1, 4), wire::channel_close(1)],
        vec![wire::header(1, 4), wire::connection_close()],
    ];
    for case in cases {
        let (mut pair, channel, _consumer) = consuming();
        let mut getting = Task::start(channel.basic_get("q"));
        let mut second = Task::start(channel.basic_get("q"));
        pair.sent();
        pair.feed(&get_ok);
        pair.feed(&case.concat());
        assert!(getting.ready().is_err());
        assert!(second.ready().is_err());
    }
}

#[test]
fn s15_announced_size_is_not_memory() {
    // Zero: any size.
    let mut pair = Pair::open_with(&quiet().max_message_size(0));
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "tag");
    for id in [1_u64, 2] {
        pair.feed(&wire::method(1, &wire::deliver("tag", id)));
        // Were it reserved, the process would end here.
        pair.feed(&wire::header(1, u64::MAX));
        pair.feed(&wire::body(1, b"a start", wire::FRAME_MAX));
        assert!(pair.core.is_open());
        if id == 1 {
            break;
        }
    }
    Task::start(consumer.next()).pending();
    pair.eof();
}

#[test]
fn frames_on_channels_never_opened_are_a_violation() {
    let cases = [
        wire::delivery(7, "tag", 1, b"x"),
        wire::header(7, 0),
        wire::body(7, b"x", wire::FRAME_MAX),
        wire::declare_ok(7, "q"),
        wire::channel_close(7),
        wire::method(7, &amqp_spec::channel::CloseOk {}),
        wire::method(7, &amqp_spec::channel::Flow { active: true }),
    ];
    for octets in cases {
        let (mut pair, _channel) = Pair::with_channel();
        pair.feed(&octets);
        assert_violation(
            &mut pair,
            &Violation::UnknownChannel { channel: 7 },
            Some(504),
        );
    }
}

#[test]
fn flow_is_answered() {
    let (mut pair, _channel) = Pair::with_channel();
    pair.says(1, &amqp_spec::channel::Flow { active: true });
    assert_eq!(pair.sent(), ["1 channel.flow-ok"]);
}
