//! Which messages have to reach a queue, and what becomes of those that do not.

use amqp_spec::basic::{Properties, PropertiesRef};

use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Message, PublishError, Publisher};

const DIRECT: [&str; 2] = [
    "amq.rabbitmq.reply-to.g1h2AA.bw==",
    "amq.direct.reply-to.tag",
];

/// What a publisher sends for a message of this size, the frames of its content left out.
fn sent(pair: &mut Pair, publisher: &Publisher, to: (&str, &str), size: usize) -> String {
    let message = Message::new(vec![b'x'; size]);
    drop(done(publisher.send(to.0, to.1, message)).unwrap());
    let sent = pair.sent();
    let prepared = publisher.prepare(to.0, to.1, PropertiesRef::EMPTY).unwrap();
    drop(done(prepared.send(vec![b'x'; size])).unwrap());
    assert_eq!(pair.sent()[0], sent[0], "prepared");
    sent[0].clone()
}

#[test]
fn message_for_the_default_exchange_has_to_reach_the_queue_that_it_names() {
    let (mut pair, publisher) = Pair::with_publisher();
    for size in [0, 16, 1024, 20_000, 100_000, 300_000] {
        let to_queue = sent(&mut pair, &publisher, ("", "orders"), size);
        assert_eq!(to_queue, "1 basic.publish orders mandatory");
        let to_exchange = sent(&mut pair, &publisher, ("amq.topic", "orders"), size);
        assert_eq!(to_exchange, "1 basic.publish orders");
    }
    let limited = publisher.max_outstanding(1000);
    let to_queue = sent(&mut pair, &limited, ("", "orders"), 16);
    assert_eq!(to_queue, "1 basic.publish orders mandatory");
}

#[test]
fn program_says_what_has_to_reach_a_queue_and_the_last_word_counts() {
    let (mut pair, publisher) = Pair::with_publisher();
    let all = publisher.clone().allow_unroutable().mandatory();
    for exchange in ["", "amq.topic"] {
        let line = sent(&mut pair, &all, (exchange, "orders"), 16);
        assert_eq!(line, "1 basic.publish orders mandatory");
    }
    let none = publisher.mandatory().allow_unroutable();
    for exchange in ["", "amq.topic"] {
        let line = sent(&mut pair, &none, (exchange, "orders"), 16);
        assert_eq!(line, "1 basic.publish orders");
    }
}

/// RabbitMQ before 4.3 delivers and returns them, so that `Returned` would be untrue.
#[test]
fn direct_replies_are_never_mandatory() {
    let (mut pair, publisher) = Pair::with_publisher();
    for address in DIRECT {
        for publisher in [&publisher, &publisher.clone().mandatory()] {
            let line = sent(&mut pair, publisher, ("", address), 16);
            assert_eq!(line, format!("1 basic.publish {address}"));
        }
    }
}

#[test]
fn plain_publishes_of_a_channel_are_not_mandatory() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel();
    done(channel.basic_publish("", "orders", &Message::new("x"))).unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish orders");
}

#[test]
fn message_for_a_queue_that_is_not_there_comes_back() {
    let (mut pair, publisher) = Pair::with_publisher();
    for size in [0, 16, 1024, 20_000, 100_000, 300_000] {
        let number = publisher.next_sequence_number().unwrap();
        let body = vec![b'x'; size];
        let mut publishing =
            Task::start(publisher.publish("", "nosuch", Message::new(body.clone())));
        pair.sent_octets();
        let returned = amqp_spec::basic::Return {
            reply_code: 312,
            reply_text: wire::short("NO_ROUTE"),
            exchange: wire::short(""),
            routing_key: wire::short("nosuch"),
        };
        pair.feed(&wire::content(1, &returned, &body));
        pair.feed(&wire::ack(1, number, false));
        match publishing.ready() {
            Err(PublishError::Returned(back)) => assert_eq!(back.body(), body),
            other => panic!("{size}: {other:?}"),
        }
    }
}

#[test]
fn messages_that_differ_in_one_place_are_told_apart() {
    let (mut pair, publisher) = Pair::with_publisher();
    let body = |octet| [&[octet][..], &[b'x'; 1000]].concat();
    let properties = |id: &str| Properties::new().message_id(wire::short(id));
    let send = |queue, id, octet| {
        let message = Message::new(body(octet)).with_properties(properties(id));
        done(publisher.send("", queue, message)).unwrap()
    };
    let confirmations = [
        send("there", "1", b'a'),
        send("nosuch", "1", b'b'),
        send("nosuch", "2", b'a'),
        send("nosuch", "1", b'a'),
    ];
    pair.sent_octets();
    let id = properties("1");
    // None of the first three, whatever it has in common with each.
    pair.feed(&wire::returned_with(1, "nosuch", id.as_ref(), &body(b'a')));
    pair.feed(&wire::ack(1, 4, true));
    let outcomes = confirmations.map(|confirmation| done(confirmation).is_ok());
    assert_eq!(outcomes, [true, true, true, false]);
}

/// Only the ends of a body are looked at: between messages that differ in the middle the order in
/// which they were published decides, which is that in which they come back.
#[test]
fn messages_alike_at_their_ends_come_back_in_order() {
    let (mut pair, publisher) = Pair::with_publisher();
    let body = |octet| [&[b'x'; 500][..], &[octet], &[b'x'; 500]].concat();
    let confirmations = [b'1', b'2', b'3'].map(|octet| {
        let message = Message::new(body(octet));
        done(publisher.send("", "nosuch", message)).unwrap()
    });
    pair.sent_octets();
    for octet in *b"123" {
        pair.feed(&wire::returned(1, "nosuch", &body(octet)));
    }
    pair.feed(&wire::ack(1, 3, true));
    for (confirmation, octet) in confirmations.into_iter().zip(*b"123") {
        match done(confirmation) {
            Err(PublishError::Returned(back)) => assert_eq!(back.body(), body(octet)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn nothing_is_kept_of_messages_that_are_answered() {
    let (mut pair, publisher) = Pair::with_publisher();
    for n in 0..10_000 {
        drop(done(publisher.send("", "orders", Message::new("x"))).unwrap());
        if n % 1000 == 999 {
            pair.sent_octets();
        }
    }
    assert_eq!(
        pair.core.shared().outbox().channels().n_expected(1).0,
        10_000
    );
    pair.feed(&wire::ack(1, 9_999, true));
    assert_eq!(pair.core.shared().outbox().channels().n_expected(1).0, 1);
    assert!(pair.core.shared().outbox().channels().n_expected(1).1 <= 4096);
    // What one read answers is forgotten with the next.
    pair.feed(&wire::ack(1, 10_000, false));
    drop(done(publisher.send("", "orders", Message::new("x"))).unwrap());
    pair.sent_octets();
    pair.feed(&wire::ack(1, 10_001, false));
    assert_eq!(pair.core.shared().outbox().channels().n_expected(1).0, 1);
}
