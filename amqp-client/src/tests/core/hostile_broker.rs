//! A broker that means harm, or is none at all: each thing it may send, and how that ends. What is
//! random, damaged or cut short is in [`super::robustness`] and [`super::cut_streams`].

use std::task::Poll;

use amqp_spec::basic;

use crate::error::{ConnectCause, ConnectionError, Violation};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConsumeError, Consumer, Message, PublishError, QueueDeclare};

/// A frame of any kind, with any payload.
fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(channel.to_be_bytes());
    octets.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    octets.extend(payload);
    octets.push(0xce);
    octets
}

/// The beginning of a delivery, up to its header.
fn announced(body_size: u64) -> Vec<u8> {
    [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, body_size),
    ]
    .concat()
}

/// What a hostile broker may say on an open connection with a channel and a consumer.
fn sayings() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("a frame of 4 GiB", vec![1, 0, 1, 0xff, 0xff, 0xff, 0xff]),
        ("a frame above frame_max", vec![3, 0, 1, 0, 0x20, 0, 0]),
        ("a wrong end", [&frame(8, 0, b"")[..7], &[0xcf]].concat()),
        ("an unknown kind of frame", frame(4, 0, b"")),
        ("a heartbeat on channel 5", frame(8, 5, b"")),
        ("a heartbeat with content", frame(8, 0, b"?")),
        ("an unknown class", frame(1, 1, &[0, 99, 0, 10])),
        ("an unknown method", frame(1, 1, &[0, 60, 0, 99])),
        ("a method that is too short", frame(1, 1, &[0, 60])),
        ("a header without a method", wire::header(1, 5)),
        ("a body without a method", frame(3, 1, b"body")),
        (
            "a body of a longer message",
            [announced(2), frame(3, 1, b"body")].concat(),
        ),
        (
            "a method amid content",
            [announced(2), wire::declare_ok(1, "q")].concat(),
        ),
        (
            "a second header",
            [announced(2), wire::header(1, 2)].concat(),
        ),
        (
            "content on channel 0",
            frame(2, 0, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0]),
        ),
        ("a delivery on channel 0", frame(1, 0, &[0, 60, 0, 60])),
        ("a body on channel 0", frame(3, 0, b"body")),
        ("a channel that was never open", wire::declare_ok(77, "q")),
        ("a reply to nothing", wire::declare_ok(1, "q")),
        ("HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        ("TLS", b"\x15\x03\x03\x00\x02\x02\x46".to_vec()),
        ("another version", b"AMQP\x03\x01\x00\x00".to_vec()),
        (
            "a request of ours",
            wire::method(1, &amqp_spec::channel::Open {}),
        ),
        ("an opening", wire::tune(0, 0, 0)),
    ]
}

fn consuming() -> (Pair, crate::Channel, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    (pair, channel, consumer)
}

#[test]
fn s15_whatever_breaks_the_protocol_ends_in_an_error_that_says_so() {
    for (what, octets) in sayings() {
        let (mut pair, channel, mut consumer) = consuming();
        let mut waiting = Task::start(consumer.next());
        pair.feed(&octets);
        let end = done(pair.connection.closed());
        assert!(
            matches!(end, ConnectionError::Protocol(_)),
            "{what}: {end:?}"
        );
        assert!(matches!(waiting.ready(), Some(Err(_))), "{what}");
        assert!(channel.close_reason().is_some(), "{what}");
        // The driver stops by itself, at the latest when nobody takes its last words.
        pair.sent_octets();
        assert!(pair.core.is_finished(), "{what}");
        pair.assert_idle();
    }
}

#[test]
fn s15_limits_that_no_frame_fits_are_refused() {
    for frame_max in [1, 7, 8, 4095] {
        let mut pair = Pair::new(&quiet());
        let connection = pair.connection.clone();
        let mut opening = Task::start(async move { connection.opened().await });
        pair.feed(&wire::start("PLAIN"));
        pair.feed(&wire::tune(2047, frame_max, 60));
        let error = opening.ready().unwrap_err();
        let ConnectCause::Connection(ConnectionError::Protocol(violation)) = error.cause() else {
            panic!("{frame_max}: {error:?}");
        };
        assert_eq!(**violation, Violation::Tuning { frame_max });
    }
}

#[test]
fn s15_message_larger_than_accepted_is_told_by_its_announcement_and_kept_nowhere() {
    for octets in [
        announced(u64::MAX),
        announced(129 * 1024 * 1024),
        [wire::method(1, &wire::get_ok(1)), wire::header(1, u64::MAX)].concat(),
    ] {
        let (mut pair, channel, mut consumer) = consuming();
        let mut getting = Task::start(async move { channel.basic_get("q").await.map(drop) });
        pair.sent();
        pair.feed(&octets);
        let told = match getting.run() {
            Poll::Ready(got) => matches!(got, Err(ChannelError::MessageTooLarge(_))),
            Poll::Pending => {
                let told = done(consumer.next()).unwrap();
                matches!(told, Err(ConsumeError::MessageTooLarge(_)))
            }
        };
        assert!(told);
        assert!(pair.connection.is_open());
    }
}

#[test]
fn s23_what_does_not_fit_is_refused_before_a_word_of_it_is_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let long = "k".repeat(256);
    let too_long = done(publisher.publish("", &long, Message::new("m")));
    assert!(matches!(too_long, Err(PublishError::NotSent(_))));
    assert!(done(channel.queue_declare(QueueDeclare::new(&long))).is_err());
    let value = "v".repeat(300_000);
    let headers = amqp_spec::field_table! { "x" => value.as_str() };
    let large = Message::new("m").headers(&headers);
    assert!(matches!(
        done(publisher.publish("", "k", large)),
        Err(PublishError::NotSent(_))
    ));
    assert_eq!(pair.sent(), [""; 0]);
    // The next one has the next number.
    let mut publishing = Task::start(publisher.publish("", "k", Message::new("")));
    assert_eq!(pair.sent(), ["1 basic.publish k mandatory", "1 header 0"]);
    pair.feed(&wire::ack(1, 1, false));
    publishing.ready().unwrap();
}

#[test]
fn s23_bodies_are_cut_to_any_frame_size() {
    for frame_max in [4096, 8192, 131_072, 1_000_000] {
        let mut pair = Pair::open_tuned(&quiet().frame_max(0), (2047, frame_max, 0));
        let publisher = pair.publisher();
        for size in [0, 1, 4088, 4089, 100_000, 1_500_000] {
            let body = vec![b'.'; size];
            let mut publishing = Task::new(publisher.publish("", "k", Message::new(body)));
            assert!(publishing.poll().is_pending());
            let octets = pair.sent_octets();
            let (frames, rest) = wire::frames(&octets);
            assert!(rest.is_empty());
            let limit = usize::try_from(frame_max).unwrap() - amqp_spec::frame::OVERHEAD;
            assert!(frames.iter().all(|frame| frame.payload.len() <= limit));
            let sent: usize = frames[2..].iter().map(|frame| frame.payload.len()).sum();
            assert_eq!(sent, size, "{frame_max}");
            pair.feed(&wire::ack(1, 0, true));
            publishing.ready().unwrap();
        }
    }
}

#[test]
fn s4_publish_on_a_channel_that_the_broker_closed_says_why_and_sends_nothing() {
    let (mut pair, publisher) = Pair::with_publisher();
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    for _ in 0..2 {
        let outcome = done(publisher.publish("", "k", Message::new("m")));
        let Err(PublishError::NotSent(error)) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(error.broker_close().unwrap().reply_code.0, 404);
        let outcome = done(
            publisher
                .channel()
                .basic_publish("", "k", &Message::new("m")),
        );
        assert_eq!(
            outcome.unwrap_err().broker_close().unwrap().reply_code.0,
            404
        );
    }
    assert_eq!(pair.sent(), [""; 0]);
    assert!(
        done(
            publisher
                .channel()
                .basic_qos(1, crate::consume::QosScope::Consumer)
        )
        .is_err()
    );
}

#[test]
fn f24_consumer_that_holds_large_messages_without_limit_is_offered_no_more_than_fits() {
    for no_ack in [false, true] {
        let (mut pair, channel) = Pair::with_channel();
        let consume = channel.consume("q").tag("tag");
        let mut consumer = None;
        let mut automatic = None;
        if no_ack {
            let mut starting = Task::start(consume.no_ack().into_future());
            pair.sent();
            pair.feed(&wire::consume_ok(1, "tag"));
            automatic = Some(starting.ready().unwrap());
        } else {
            let mut starting = Task::start(consume.prefetch(65_535).into_future());
            pair.sent();
            pair.says(1, &basic::QosOk {});
            pair.feed(&wire::consume_ok(1, "tag"));
            consumer = Some(starting.ready().unwrap());
        }
        let body = vec![b'x'; 1024 * 1024];
        let mut n_taken = 0;
        for n in 1..=100 {
            if !pair.wants_read() {
                break;
            }
            pair.feed(&wire::delivery(1, "tag", n, &body));
            n_taken += 1;
        }
        let most = if no_ack { 16 } else { 64 };
        assert!((most - 1..=most + 1).contains(&n_taken), "{n_taken} MiB");
        // Others on the connection are answered all the same.
        let mut purging = Task::start(channel.queue_purge("q"));
        pair.sent();
        pair.says(1, &amqp_spec::queue::PurgeOk { message_count: 0 });
        purging.ready().unwrap();
        assert!(!pair.wants_read());
        // Whoever takes what there is lets more in.
        for _ in 0..5 {
            if let Some(consumer) = &mut consumer {
                done(consumer.next()).unwrap().unwrap().ack().unwrap();
            }
            if let Some(automatic) = &mut automatic {
                done(automatic.next()).unwrap().unwrap();
            }
        }
        drop((consumer, automatic));
        assert!(pair.wants_read(), "no more is read");
    }
}

#[test]
fn f7_frame_error_is_told_to_the_broker_unless_its_frames_cannot_be_told_apart() {
    let mut wrong_end = amqp_spec::frame::HEARTBEAT;
    wrong_end[7] = 0;
    let told = vec!["0 connection.close 501".to_owned()];
    let cases = [
        (vec![3, 0, 1, 0xff, 0xff, 0xff, 0xff], told.clone()),
        (vec![8, 0, 5, 0, 0, 0, 0, 0xce], told.clone()),
        (vec![8, 0, 0, 0, 0, 0, 1, 0, 0xce], told),
        (wrong_end.to_vec(), vec![]),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), vec![]),
    ];
    for (octets, answer) in cases {
        let (mut pair, _channel) = Pair::with_channel();
        pair.feed(&octets);
        assert!(matches!(pair.end(), ConnectionError::Protocol(_)));
        assert_eq!(pair.sent(), answer, "{octets:?}");
        assert!(pair.core.is_finished());
    }
}
