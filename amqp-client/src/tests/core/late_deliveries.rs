//! Deliveries for consumers that are not there, and messages that do not come to their end: nothing
//! stays unacknowledged that could go back, and no task waits for ever.

use std::future::IntoFuture;
use std::time::Duration;

use amqp_spec::connection;

use crate::error::ChannelError;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, Consumer, QueueDeclare};

fn cancel(pair: &mut Pair, consumer: &Consumer, tag: &str) {
    let id = consumer.channel().id();
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(id, tag));
    cancelling.ready().unwrap();
}

/// A consumer whose deliveries need no acknowledgement has come and gone.
fn automatic(pair: &mut Pair, channel: &Channel, tag: &str) {
    let mut starting = Task::start(channel.consume("q").no_ack().tag(tag).into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, tag));
    let consumer = starting.ready().unwrap();
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, tag));
    cancelling.ready().unwrap();
}

#[test]
fn f15_delivery_behind_cancel_ok_goes_back() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    cancel(&mut pair, &consumer, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn f15_delivery_behind_a_cancel_by_the_broker_goes_back() {
    let (mut pair, channel) = Pair::with_channel();
    let _consumer = pair.consumer(&channel, "tag");
    let cancel = amqp_spec::basic::Cancel {
        consumer_tag: wire::short("tag"),
        no_wait: true,
    };
    pair.says(1, &cancel);
    let late = wire::delivery(1, "tag", 1, &vec![b'.'; 200_000]);
    for piece in late.chunks(1000) {
        pair.feed(piece);
    }
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn f15_delivery_for_a_tag_never_used_is_of_an_earlier_use_and_left_alone() {
    let (mut pair, channel) = Pair::with_channel();
    let _consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::delivery(1, "unheard of", 1, b"?"));
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn f15_delivery_that_may_need_no_acknowledgement_is_left_alone() {
    let (mut pair, channel) = Pair::with_channel();
    automatic(&mut pair, &channel, "automatic");
    // Of that consumer for certain, of any other perhaps.
    pair.feed(&wire::delivery(1, "automatic", 1, b"late"));
    pair.feed(&wire::delivery(1, "unheard of", 2, b"?"));
    assert_eq!(pair.sent(), [""; 0]);
    let consumer = pair.consumer(&channel, "manual");
    cancel(&mut pair, &consumer, "manual");
    pair.feed(&wire::delivery(1, "manual", 3, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 3 requeue"]);
}

#[test]
fn f15_tag_that_was_used_both_ways_counts_as_it_was_used_last() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    cancel(&mut pair, &consumer, "tag");
    automatic(&mut pair, &channel, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"late"));
    assert_eq!(pair.sent(), [""; 0]);
    let consumer = pair.consumer(&channel, "tag");
    cancel(&mut pair, &consumer, "tag");
    pair.feed(&wire::delivery(1, "tag", 2, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 2 requeue"]);
}

#[test]
fn f15_consumers_that_have_ended_are_remembered_in_bounded_number() {
    let (mut pair, channel) = Pair::with_channel();
    automatic(&mut pair, &channel, "automatic");
    for n in 0..200 {
        let tag = n.to_string();
        let consumer = pair.consumer(&channel, &tag);
        cancel(&mut pair, &consumer, &tag);
    }
    pair.feed(&wire::delivery(1, "0", 1, b"very late"));
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::delivery(1, "199", 2, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 2 requeue"]);
}

#[test]
fn f15_delivery_on_a_channel_that_has_been_closed_needs_nothing() {
    let (mut pair, channel) = Pair::with_channel();
    let _consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::channel_close(1));
    pair.sent();
    pair.feed(&wire::delivery(1, "tag", 1, b"late"));
    assert_eq!(pair.sent(), [""; 0]);
}

// Messages that stall

/// The first of the frames of a fetched message, or two of them and a half.
fn stalled(n_octets: usize) -> (Vec<u8>, Vec<u8>) {
    let mut octets = wire::content(1, &wire::get_ok(1), b"a longer body");
    let rest = octets.split_off(n_octets);
    (octets, rest)
}

#[test]
fn f15_fetched_message_that_stalls_is_given_up_and_goes_back_if_it_comes() {
    let get_ok = wire::method(1, &wire::get_ok(1)).len();
    for n in [get_ok, get_ok + 30] {
        let (mut pair, channel) = Pair::with_channel();
        let mut getting = Task::start(channel.basic_get("q"));
        pair.sent();
        let (first, rest) = stalled(n);
        pair.advance(Duration::from_secs(20));
        pair.feed(&first);
        pair.advance(Duration::from_millis(9_999));
        getting.pending();
        pair.advance(Duration::from_millis(1));
        match getting.ready() {
            Err(ChannelError::Timeout { method }) => assert_eq!(method, "basic.get"),
            other => panic!("{other:?}"),
        }
        pair.feed(&rest);
        assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
        // The channel goes on.
        let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
        pair.sent();
        pair.feed(&wire::declare_ok(1, "q"));
        declaring.ready().unwrap();
    }
}

#[test]
fn f15_fetched_message_that_comes_in_time_leaves_no_deadline() {
    let (mut pair, channel) = Pair::with_channel();
    let mut getting = Task::start(channel.basic_get("q"));
    pair.sent();
    let (first, rest) = stalled(20);
    pair.feed(&first);
    pair.feed(&rest);
    let got = getting.ready().unwrap().unwrap();
    pair.advance(Duration::from_secs(60));
    assert_eq!(pair.core.deadline(), None);
    got.delivery.ack().unwrap();
}

#[test]
fn s10_fetched_message_that_stalls_during_an_alarm_has_its_time_behind_it() {
    let mut pair = Pair::open_with(&quiet());
    let channel = pair.channel();
    let mut getting = Task::start(channel.basic_get("q"));
    pair.sent();
    let get_ok = wire::method(1, &wire::get_ok(1)).len();
    let (first, rest) = stalled(get_ok);
    pair.feed(&first);
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    pair.advance(Duration::from_secs(3600));
    getting.pending();
    pair.says(0, &connection::Unblocked {});
    pair.advance(Duration::from_secs(29));
    pair.feed(&rest);
    assert!(getting.ready().unwrap().is_some());
}
