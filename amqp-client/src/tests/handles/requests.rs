//! Requests and replies: each caller gets its own, whichever goes away.

use std::time::Duration;

use amqp_spec::{basic, channel, queue};

use super::send_order::publish;
use crate::declare::DeclaredQueue;
use crate::error::{ChannelError, ConnectionError, Violation};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, QueueDeclare};

type Declaring<'a> = Task<'a, Result<DeclaredQueue, ChannelError>>;

fn declare<'a>(channel: &'a Channel, name: &str) -> Declaring<'a> {
    Task::start(channel.queue_declare(QueueDeclare::new(name)))
}

#[track_caller]
fn declared(mut task: Declaring<'_>) -> String {
    task.ready().unwrap().name
}

#[test]
fn pipelined_replies_are_matched_in_order() {
    let (mut pair, channel) = Pair::with_channel();
    let a = declare(&channel, "a");
    let mut purging = Task::start(channel.queue_purge("b"));
    let c = declare(&channel, "c");
    assert_eq!(
        pair.sent(),
        ["1 queue.declare a", "1 queue.purge b", "1 queue.declare c"]
    );
    pair.feed(
        &[
            wire::declare_ok(1, "a"),
            wire::method(1, &queue::PurgeOk { message_count: 7 }),
            wire::declare_ok(1, "c"),
        ]
        .concat(),
    );
    assert_eq!(declared(c), "c");
    assert_eq!(purging.ready().unwrap(), 7);
    assert_eq!(declared(a), "a");
    pair.assert_idle();
}

#[test]
fn channels_are_answered_in_any_order() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    let a = declare(&first, "a");
    let b = declare(&second, "b");
    pair.sent();
    pair.feed(&wire::declare_ok(2, "b"));
    pair.feed(&wire::declare_ok(1, "a"));
    assert_eq!(declared(a), "a");
    assert_eq!(declared(b), "b");
}

#[test]
fn consume_holds_back_requests_but_not_publishes_and_acks() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "first");
    let delivery = pair.deliver(&mut consumer, 1..=1).remove(0);
    let mut consuming = Task::start(channel.consume("q").tag("second").into_future());
    publish(&channel, "key", 0);
    delivery.ack().unwrap();
    let a = declare(&channel, "a");
    let b = declare(&channel, "b");
    let sent = pair.sent();
    assert!(
        !sent.iter().any(|line| line.contains("declare")),
        "{sent:?}"
    );
    assert!(sent.contains(&"1 basic.publish key".to_owned()));
    assert!(sent.contains(&"1 basic.ack 1".to_owned()));
    answer_qos(&mut pair, &sent);
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::consume_ok(1, "second"));
    let _second = consuming.ready().unwrap();
    assert_eq!(pair.sent(), ["1 queue.declare a", "1 queue.declare b"]);
    pair.feed(&[wire::declare_ok(1, "a"), wire::declare_ok(1, "b")].concat());
    assert_eq!(declared(a), "a");
    assert_eq!(declared(b), "b");
}

/// `basic.consume` may come with its limit, or without.
pub(crate) fn answer_qos(pair: &mut Pair, sent: &[String]) {
    if sent.iter().any(|line| line.contains("basic.qos")) {
        pair.says(1, &basic::QosOk {});
    }
}

#[test]
fn what_follows_a_request_that_is_held_back_stays_behind_it() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let a = declare(&channel, "a");
    // Declared first, then published to: the other way round the message would be lost.
    publish(&channel, "a", 0);
    let sent = pair.sent();
    assert!(
        !sent.iter().any(|line| line.contains("publish")),
        "{sent:?}"
    );
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    let _consumer = consuming.ready().unwrap();
    assert_eq!(
        pair.sent(),
        ["1 queue.declare a", "1 basic.publish a", "1 header 0"]
    );
    pair.feed(&wire::declare_ok(1, "a"));
    assert_eq!(declared(a), "a");
}

#[test]
fn cancel_holds_back_requests_but_not_publishes() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    let mut cancelling = Task::start(consumer.cancel());
    publish(&channel, "key", 0);
    let a = declare(&channel, "a");
    assert_eq!(
        pair.sent(),
        ["1 basic.cancel tag", "1 basic.publish key", "1 header 0"]
    );
    pair.feed(&wire::cancel_ok(1, "tag"));
    cancelling.ready().unwrap();
    assert_eq!(pair.sent(), ["1 queue.declare a"]);
    pair.feed(&wire::declare_ok(1, "a"));
    assert_eq!(declared(a), "a");
}

#[test]
fn consumers_start_one_after_the_other() {
    let (mut pair, channel) = Pair::with_channel();
    let mut a = Task::start(channel.consume("q").tag("a").into_future());
    let mut b = Task::start(channel.consume("q").tag("b").into_future());
    let sent = pair.sent();
    assert!(!sent.iter().any(|line| line.ends_with(" b")), "{sent:?}");
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "a"));
    let _a = a.ready().unwrap();
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "1 basic.consume b");
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "b"));
    let _b = b.ready().unwrap();
}

#[test]
fn late_reply_to_an_abandoned_request_goes_to_nobody() {
    let (mut pair, channel) = Pair::with_channel();
    drop(declare(&channel, "abandoned"));
    let b = declare(&channel, "b");
    assert_eq!(
        pair.sent(),
        ["1 queue.declare abandoned", "1 queue.declare b"]
    );
    pair.feed(&wire::declare_ok(1, "abandoned"));
    pair.feed(&wire::declare_ok(1, "b"));
    assert_eq!(declared(b), "b");
    pair.assert_idle();
}

#[test]
fn reply_that_came_and_was_never_seen_goes_to_nobody() {
    let (mut pair, channel) = Pair::with_channel();
    let abandoned = declare(&channel, "abandoned");
    let b = declare(&channel, "b");
    pair.sent();
    pair.feed(&wire::declare_ok(1, "abandoned"));
    drop(abandoned);
    pair.feed(&wire::declare_ok(1, "b"));
    assert_eq!(declared(b), "b");
}

#[test]
fn f14_request_without_a_reply_times_out_and_its_late_reply_is_discarded() {
    let (mut pair, channel) = Pair::with_channel();
    let mut late = declare(&channel, "late");
    pair.advance(Duration::from_millis(29_999));
    late.pending();
    pair.advance(Duration::from_millis(1));
    match late.ready() {
        Err(ChannelError::Timeout { method }) => assert_eq!(method, "queue.declare"),
        other => panic!("{other:?}"),
    }
    let b = declare(&channel, "b");
    pair.sent();
    pair.feed(&wire::declare_ok(1, "late"));
    pair.feed(&wire::declare_ok(1, "b"));
    assert_eq!(declared(b), "b");
    pair.assert_idle();
}

#[test]
fn every_request_has_its_own_deadline() {
    let (mut pair, channel) = Pair::with_channel();
    let mut first = declare(&channel, "first");
    pair.advance(Duration::from_secs(10));
    let mut second = declare(&channel, "second");
    assert!(pair.driver_woken());
    pair.sent();
    pair.advance(Duration::from_secs(20));
    assert!(matches!(first.ready(), Err(ChannelError::Timeout { .. })));
    second.pending();
    pair.advance(Duration::from_secs(10));
    assert!(matches!(second.ready(), Err(ChannelError::Timeout { .. })));
}

#[test]
fn request_that_is_held_back_times_out_as_well() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let mut held_back = declare(&channel, "q");
    pair.sent();
    pair.advance(Duration::from_secs(30));
    assert!(matches!(
        held_back.ready(),
        Err(ChannelError::Timeout { .. })
    ));
    assert!(consuming.ready().is_err());
}

#[test]
fn adapter_asleep_hears_of_a_new_deadline() {
    let (mut pair, channel) = Pair::with_channel();
    assert_eq!(pair.sent(), [""; 0]);
    let _declaring = declare(&channel, "q");
    assert!(pair.driver_woken());
    let timeout = crate::tests::support::pair::now() + Duration::from_secs(30);
    assert!(
        pair.core
            .deadline()
            .is_some_and(|deadline| deadline <= timeout)
    );
}

#[test]
fn reply_to_nothing_is_a_violation() {
    let (mut pair, channel) = Pair::with_channel();
    pair.feed(&wire::declare_ok(1, "q"));
    match pair.end() {
        ConnectionError::Protocol(violation) => assert_eq!(
            *violation,
            Violation::UnexpectedMethod {
                method: "queue.declare-ok",
                channel: 1,
                expected: "no reply".into(),
            }
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.sent(), ["0 connection.close 505"]);
    assert!(matches!(
        channel.close_reason(),
        Some(ChannelError::Connection(_))
    ));
}

#[test]
fn reply_of_another_kind_is_a_violation_and_leaves_nobody_waiting() {
    let (mut pair, channel) = Pair::with_channel();
    let mut a = declare(&channel, "a");
    let mut b = declare(&channel, "b");
    pair.sent();
    pair.says(1, &queue::PurgeOk { message_count: 0 });
    assert!(matches!(a.ready(), Err(ChannelError::Connection(_))));
    assert!(matches!(b.ready(), Err(ChannelError::Connection(_))));
}

// Requests whose effect outlives their caller

#[test]
fn abandoned_open_is_closed_again() {
    let mut pair = Pair::open();
    let connection = pair.connection.clone();
    let opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.open"]);
    drop(opening);
    pair.says(1, &channel::OpenOk {});
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 1);
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
    pair.assert_idle();
    pair.channel_with_id(1);
}

#[test]
fn open_whose_answer_nobody_looked_at_is_closed_again() {
    let mut pair = Pair::open();
    let connection = pair.connection.clone();
    let opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.open"]);
    pair.says(1, &channel::OpenOk {});
    drop(opening);
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
}

#[test]
fn open_that_timed_out_is_closed_when_it_comes_after_all() {
    let mut pair = Pair::open();
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.open"]);
    pair.advance(Duration::from_secs(30));
    assert!(matches!(opening.ready(), Err(ChannelError::Timeout { .. })));
    drop(opening);
    pair.says(1, &channel::OpenOk {});
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
    pair.assert_idle();
}

/// Whatever comes of an abandoned consumer, nothing stays with us.
#[track_caller]
fn assert_given_back(pair: &mut Pair, channel: &Channel) {
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    // Still under way when the broker reads the cancel.
    let late = [
        wire::delivery(1, "tag", 1, b"x"),
        wire::delivery(1, "tag", 2, b"y"),
    ];
    pair.feed(&late.concat());
    assert_eq!(
        pair.sent(),
        ["1 basic.nack 1 requeue", "1 basic.nack 2 requeue"]
    );
    let a = declare(channel, "a");
    pair.feed(&wire::cancel_ok(1, "tag"));
    assert_eq!(pair.sent(), ["1 queue.declare a"]);
    pair.feed(&wire::declare_ok(1, "a"));
    assert_eq!(declared(a), "a");
    pair.assert_idle();
}

#[test]
fn abandoned_consume_is_cancelled_once_it_is_answered() {
    let (mut pair, channel) = Pair::with_channel();
    let consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    drop(consuming);
    assert_eq!(pair.sent(), [""; 0]);
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_given_back(&mut pair, &channel);
}

#[test]
fn consume_whose_answer_nobody_looked_at_is_cancelled() {
    let (mut pair, channel) = Pair::with_channel();
    let consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    drop(consuming);
    assert_given_back(&mut pair, &channel);
}

#[test]
fn consume_that_timed_out_is_cancelled_when_it_comes_after_all() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    pair.advance(Duration::from_secs(30));
    assert!(matches!(
        consuming.ready(),
        Err(ChannelError::Timeout { .. })
    ));
    drop(consuming);
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_given_back(&mut pair, &channel);
}

#[test]
fn abandoned_consumer_of_an_abandoned_channel_closes_it() {
    let (mut pair, channel) = Pair::with_channel();
    let consuming = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    drop(consuming);
    drop(channel);
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
    pair.assert_idle();
}

#[test]
fn dropped_consumer_is_cancelled_and_what_it_has_not_yielded_goes_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let octets: Vec<u8> = (1..=3)
        .flat_map(|n| wire::delivery(1, "tag", n, b"x"))
        .collect();
    pair.feed(&octets);
    let held = done(consumer.next()).unwrap().unwrap();
    // One is held, one was taken over with it, one is still in the queue.
    pair.feed(&wire::delivery(1, "tag", 4, b"x"));
    drop(consumer);
    assert_eq!(
        pair.sent(),
        [
            "1 basic.cancel tag",
            "1 basic.nack 2 requeue",
            "1 basic.nack 3 requeue",
            "1 basic.nack 4 requeue",
        ]
    );
    pair.feed(&wire::cancel_ok(1, "tag"));
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    pair.assert_idle();
}

#[test]
fn abandoned_get_gives_its_message_back() {
    let (mut pair, channel) = Pair::with_channel();
    drop(Task::start(channel.basic_get("q")));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(1), b"x"));
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
    pair.assert_idle();
}

#[test]
fn get_whose_message_nobody_looked_at_gives_it_back() {
    let (mut pair, channel) = Pair::with_channel();
    let getting = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(1), b"x"));
    drop(getting);
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn get_abandoned_amid_its_message_gives_it_back() {
    let (mut pair, channel) = Pair::with_channel();
    let getting = Task::start(channel.basic_get("q"));
    pair.sent();
    let octets = wire::content(1, &wire::get_ok(1), b"a longer body");
    let (first, second) = octets.split_at(octets.len() - 5);
    pair.feed(first);
    drop(getting);
    pair.feed(second);
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn get_that_timed_out_gives_its_message_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut getting = Task::start(channel.basic_get("q"));
    pair.advance(Duration::from_secs(30));
    assert!(matches!(getting.ready(), Err(ChannelError::Timeout { .. })));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(1), b"x"));
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn get_from_an_empty_queue_is_nothing_to_give_back() {
    let (mut pair, channel) = Pair::with_channel();
    drop(Task::start(channel.basic_get("q")));
    let mut second = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.says(1, &basic::GetEmpty {});
    pair.says(1, &basic::GetEmpty {});
    assert!(second.ready().unwrap().is_none());
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn message_that_was_fetched_comes_whole() {
    let (mut pair, channel) = Pair::with_channel();
    let mut getting = Task::start(channel.basic_get("q"));
    let a = declare(&channel, "a");
    assert_eq!(pair.sent(), ["1 basic.get q", "1 queue.declare a"]);
    pair.feed(&wire::content(1, &wire::get_ok(9), b"body"));
    pair.feed(&wire::declare_ok(1, "a"));
    let got = getting.ready().unwrap().unwrap();
    assert_eq!(got.message_count, 7);
    assert_eq!(got.delivery.delivery_tag(), 9);
    assert_eq!(got.delivery.exchange(), "x");
    assert_eq!(got.delivery.routing_key(), "key");
    assert_eq!(got.delivery.body(), b"body");
    assert_eq!(declared(a), "a");
}

#[test]
fn tag_left_empty_is_one_of_ours() {
    // A tag of the broker's would be known to us too late to tell its deliveries from others.
    let (mut pair, channel) = Pair::with_channel();
    let _consuming = Task::start(channel.consume("q").tag("").into_future());
    let sent = pair.sent();
    let tag = sent
        .last()
        .unwrap()
        .strip_prefix("1 basic.consume")
        .unwrap();
    assert!(!tag.is_empty());
}
