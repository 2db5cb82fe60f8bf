//! Whom a delivery is for: consumers that are there, not yet, or no more.

use amqp_spec::basic;

use super::content::{consuming, frame_by_frame, next};
use crate::error::{ChannelError, ConsumeError};
use crate::tests::handles::requests::answer_qos;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

#[test]
fn many_deliveries_of_one_read_wake_each_consumer() {
    let (mut pair, channel, mut a) = consuming();
    let mut b = pair.consumer(&channel, "b");
    let mut octets = Vec::new();
    for n in 0..50 {
        octets.extend(wire::delivery(1, "tag", 2 * n + 1, b"a"));
        octets.extend(wire::delivery(1, "b", 2 * n + 2, b"b"));
    }
    {
        let mut first = Task::start(a.next());
        let mut second = Task::start(b.next());
        pair.feed(&octets);
        assert_eq!(first.ready().unwrap().unwrap().delivery_tag(), 1);
        assert_eq!(second.ready().unwrap().unwrap().delivery_tag(), 2);
    }
    for n in 1..50 {
        assert_eq!(next(&mut a).delivery_tag(), 2 * n + 1);
        assert_eq!(next(&mut b).delivery_tag(), 2 * n + 2);
    }
}

#[test]
fn f15_delivery_right_behind_consume_ok_reaches_its_consumer() {
    let (mut pair, channel) = Pair::with_channel();
    let mut starting = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    answer_qos(&mut pair, &sent);
    pair.feed(
        &[
            wire::consume_ok(1, "tag"),
            wire::delivery(1, "tag", 1, b"x"),
        ]
        .concat(),
    );
    let mut consumer = starting.ready().unwrap();
    assert_eq!(next(&mut consumer).delivery_tag(), 1);
}

#[test]
fn delivery_before_consume_ok_reaches_its_consumer() {
    let (mut pair, channel) = Pair::with_channel();
    let mut starting = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::delivery(1, "tag", 1, b"x"));
    pair.feed(
        &[
            wire::delivery(1, "tag", 2, b"y"),
            wire::consume_ok(1, "tag"),
        ]
        .concat(),
    );
    let mut consumer = starting.ready().unwrap();
    assert_eq!(next(&mut consumer).delivery_tag(), 1);
    assert_eq!(next(&mut consumer).delivery_tag(), 2);
}

#[test]
fn delivery_before_consume_ok_disturbs_no_other_consumer() {
    // Tags around the new one, and deliveries for them in the same read.
    let (mut pair, channel) = Pair::with_channel();
    let mut a = pair.consumer(&channel, "a");
    let mut c = pair.consumer(&channel, "c");
    let mut starting = Task::start(channel.consume("q").tag("b").into_future());
    let sent = pair.sent();
    answer_qos(&mut pair, &sent);
    let octets: Vec<u8> = ["c", "a", "b", "a", "c", "b"]
        .iter()
        .zip(1..)
        .flat_map(|(tag, n)| wire::delivery(1, tag, n, b"x"))
        .collect();
    pair.feed(&octets);
    pair.feed(&wire::consume_ok(1, "b"));
    let mut b = starting.ready().unwrap();
    assert_eq!(
        [next(&mut c), next(&mut c)].map(|d| d.delivery_tag()),
        [1, 5]
    );
    assert_eq!(
        [next(&mut a), next(&mut a)].map(|d| d.delivery_tag()),
        [2, 4]
    );
    assert_eq!(
        [next(&mut b), next(&mut b)].map(|d| d.delivery_tag()),
        [3, 6]
    );
}

#[test]
fn cancel_yields_what_has_come_and_ends() {
    let (mut pair, _channel, mut consumer) = consuming();
    {
        let mut cancelling = Task::start(consumer.cancel());
        assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
        pair.feed(&[wire::delivery(1, "tag", 1, b"x"), wire::cancel_ok(1, "tag")].concat());
        cancelling.ready().unwrap();
    }
    assert_eq!(next(&mut consumer).delivery_tag(), 1);
    assert!(done(consumer.next()).is_none());
    assert!(done(consumer.next()).is_none());
}

#[test]
fn cancel_wakes_whoever_waits_for_a_delivery() {
    let (mut pair, channel, mut consumer) = consuming();
    let mut waiting = Task::start(consumer.next());
    // By number, as another task would.
    let mut cancelling = Task::start(channel.queue_delete("q"));
    pair.sent();
    let consumer_tag = wire::short("tag");
    pair.says(
        1,
        &basic::Cancel {
            consumer_tag,
            no_wait: true,
        },
    );
    let ended = waiting.ready();
    assert!(matches!(
        ended,
        Some(Err(ConsumeError::CancelledByBroker { .. }))
    ));
    drop(waiting);
    assert!(done(consumer.next()).is_none());
    // The channel lives on, and nothing was answered.
    pair.says(1, &amqp_spec::queue::DeleteOk { message_count: 0 });
    cancelling.ready().unwrap();
    assert_eq!(pair.sent(), [""; 0]);
    drop(consumer);
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn deliveries_before_a_cancel_by_the_broker_can_still_be_settled() {
    let (mut pair, _channel, mut consumer) = consuming();
    let consumer_tag = wire::short("tag");
    let cancel = basic::Cancel {
        consumer_tag,
        no_wait: true,
    };
    pair.feed(&[wire::delivery(1, "tag", 1, b"x"), wire::method(1, &cancel)].concat());
    next(&mut consumer).ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    assert!(matches!(
        done(consumer.next()),
        Some(Err(ConsumeError::CancelledByBroker { .. }))
    ));
}

#[test]
fn cancel_that_wants_an_answer_gets_it() {
    let (mut pair, _channel, _consumer) = consuming();
    let consumer_tag = wire::short("tag");
    pair.says(
        1,
        &basic::Cancel {
            consumer_tag,
            no_wait: false,
        },
    );
    assert_eq!(pair.sent(), ["1 basic.cancel-ok"]);
}

#[test]
fn content_for_a_channel_that_has_just_been_closed_is_discarded() {
    let (mut pair, first, mut consumer) = consuming();
    let second = pair.channel();
    let mut other = pair.consumer(&second, "other");
    let stale = wire::delivery(1, "tag", 1, b"stale");
    // RabbitMQ delivers behind its own channel.close.
    pair.feed(&[wire::channel_close(1), stale.clone()].concat());
    for piece in frame_by_frame(&stale) {
        pair.feed(&piece);
    }
    pair.feed(&wire::ack(1, 1, true));
    pair.feed(&wire::delivery(2, "other", 1, b"x"));
    assert_eq!(next(&mut other).body(), b"x");
    assert!(matches!(
        done(consumer.next()),
        Some(Err(ConsumeError::Channel(ChannelError::ClosedByBroker(_))))
    ));
    assert!(first.close_reason().is_some());
}

#[test]
fn channel_closed_amid_content_starts_clean_when_its_id_is_used_again() {
    let (mut pair, first, consumer) = consuming();
    let stale = frame_by_frame(&wire::delivery(1, "tag", 1, b"stale"));
    pair.feed(&stale[0]);
    pair.feed(&stale[1]);
    pair.feed(&wire::channel_close(1));
    pair.sent();
    drop((first, consumer));
    let again = pair.channel_with_id(1);
    let mut consumer = pair.consumer(&again, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"fresh"));
    assert_eq!(next(&mut consumer).body(), b"fresh");
}
