//! Deliveries that an earlier use of a channel's id has left under way, and consumers of this use
//! that have the same tag.

use std::future::IntoFuture;
use std::time::Duration;

use amqp_spec::{basic, channel};

use super::content::next;
use crate::consume::AutoAck;
use crate::consume::WhenSlow;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer};

/// The broker closes the only channel that there may be, amid deliveries, and it is opened again.
fn reopened(pair: &mut Pair, tag: &str) -> Channel {
    let channel = pair.channel();
    std::mem::forget(pair.consumer(&channel, tag));
    pair.feed(&wire::delivery(1, tag, 1, b"old"));
    pair.feed(&wire::channel_close(1));
    pair.sent();
    assert!(channel.close_reason().is_some());
    let again = pair.channel();
    assert_eq!(again.id(), 1);
    again
}

fn one_channel() -> Pair {
    Pair::open_tuned(&quiet(), (1, 131_072, 60))
}

#[test]
fn deliveries_for_an_earlier_use_of_the_id_are_dropped_without_an_answer() {
    let mut pair = one_channel();
    // A tag that was made up, as most are.
    let channel = pair.channel();
    let mut starting = Task::start(channel.consume("q").into_future());
    let sent = pair.sent();
    let made_up = sent[1].strip_prefix("1 basic.consume ").unwrap().to_owned();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, &made_up));
    let _consumer = starting.ready().unwrap();
    pair.feed(&wire::channel_close(1));
    pair.sent();
    let again = pair.channel();
    for n in 1..100 {
        pair.feed(&wire::delivery(1, &made_up, n, b"stray"));
    }
    assert_eq!(pair.sent(), [""; 0]);
    assert!(again.is_open());
    // One of this use that comes late goes back.
    let consumer = pair.consumer(&again, "tag");
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "tag"));
    cancelling.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 1, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn consumer_of_the_same_tag_gets_no_deliveries_of_the_earlier_one() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    // Before it is started, all are strays; afterwards those that do not continue its numbers.
    let mut starting = Task::start(channel.consume("q").tag("tag").into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::delivery(1, "tag", 2, b"stray"));
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let mixed = [
        wire::delivery(1, "tag", 3, b"stray"),
        wire::delivery(1, "tag", 1, b"new"),
        wire::delivery(1, "tag", 4, b"stray"),
        wire::delivery(1, "tag", 2, b"new"),
    ];
    pair.feed(&mixed.concat());
    for tag in [1, 2] {
        let delivery = next(&mut consumer);
        assert_eq!(
            (delivery.delivery_tag(), delivery.body()),
            (tag, &b"new"[..])
        );
        delivery.ack().unwrap();
    }
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
    assert_eq!(consumer.buffered_count(), 0);

    // Once nothing of the earlier use can come any more, it is a consumer like all others.
    pair.advance(Duration::from_secs(11));
    pair.feed(&wire::delivery(1, "tag", 3, b"new"));
    next(&mut consumer).ack().unwrap();
    pair.feed(&wire::delivery(1, "tag", 4, b"new"));
    next(&mut consumer).ack().unwrap();
    assert_eq!(pair.sent().len(), 2);
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "tag"));
    cancelling.ready().unwrap();
}

#[test]
fn suspected_consumer_is_cancelled_and_ends_like_any_other() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let mut consumer = pair.consumer(&channel, "tag");
    assert_eq!(channel.consumer_tags(), ["tag"]);
    let again = basic::Cancel {
        consumer_tag: wire::short("tag"),
        no_wait: true,
    };
    pair.says(1, &again);
    assert!(matches!(
        done(consumer.next()),
        Some(Err(crate::ConsumeError::CancelledByBroker { .. }))
    ));

    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let mut consumer = pair.consumer(&channel, "tag");
    let closer = channel.clone();
    let mut closing = Task::start(async move { closer.close().await });
    pair.sent();
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    assert!(done(consumer.next()).is_none());
    assert_eq!(pair.connection.counters().consumers, 0);
}

// What holds for all consumers holds for such a one

fn automatic(pair: &mut Pair, channel: &Channel, tag: &str, slow: WhenSlow) -> Consumer<AutoAck> {
    let consume = channel.consume("q").tag(tag).no_ack().when_slow(slow);
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, tag));
    starting.ready().unwrap()
}

#[test]
fn what_comes_for_a_suspected_consumer_that_has_gone_goes_back() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    drop(pair.consumer(&channel, "tag"));
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    let two = [
        wire::delivery(1, "tag", 1, b"new"),
        wire::delivery(1, "tag", 5, b"stray"),
        wire::delivery(1, "tag", 2, b"new"),
    ];
    pair.feed(&two.concat());
    assert_eq!(
        pair.sent(),
        ["1 basic.nack 1 requeue", "1 basic.nack 2 requeue"]
    );
}

#[test]
fn stray_for_a_suspected_consumer_that_has_ended_is_not_answered() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"new"));
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "tag"));
    cancelling.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 9, b"stray"));
    assert_eq!(pair.sent(), [""; 0], "it would cost the channel");
    pair.feed(&wire::delivery(1, "tag", 2, b"late"));
    assert_eq!(pair.sent(), ["1 basic.nack 2 requeue"]);
}

#[test]
fn suspected_consumer_that_holds_too_much_is_cancelled() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let above = WhenSlow::Cancel { above: 1000 };
    let _consumer = automatic(&mut pair, &channel, "tag", above);
    for n in 1..=3 {
        pair.feed(&wire::delivery(1, "tag", n, &[b'.'; 1000]));
    }
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);

    let options = quiet().inbound_limit(10_000);
    let mut pair = Pair::open_tuned(&options, (1, 131_072, 60));
    let channel = reopened(&mut pair, "tag");
    let _consumer = pair.consumer(&channel, "tag");
    for n in 1..=4 {
        pair.feed(&wire::delivery(1, "tag", n, &[b'.'; 3000]));
    }
    let sent = pair.sent();
    assert_eq!(sent[..2], ["1 basic.cancel tag", "1 basic.nack 1 requeue"]);
    assert_eq!(pair.core.shared().reading.buffered(), 0);
}

#[test]
fn nothing_is_kept_for_a_suspected_consumer_behind_the_close_of_the_connection() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let _consumer = pair.consumer(&channel, "tag");
    let connection = pair.connection.clone();
    let _closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    for n in 1..=3 {
        pair.feed(&wire::delivery(1, "tag", n, b"x"));
    }
    assert_eq!(pair.core.shared().reading.buffered(), 0);
}

#[test]
fn numbers_go_on_behind_what_comes_late_for_a_consumer_without_acknowledgements() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let mut suspected = pair.consumer(&channel, "tag");
    let prices = automatic(&mut pair, &channel, "prices", WhenSlow::Wait);
    let mut cancelling = Task::start(prices.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "prices"));
    cancelling.ready().unwrap();
    pair.feed(&wire::delivery(1, "prices", 1, b"late"));
    pair.feed(&wire::delivery(1, "tag", 2, b"new"));
    assert_eq!(next(&mut suspected).delivery_tag(), 2);
}

#[test]
fn no_delivery_continues_the_highest_number_there_is() {
    let mut pair = one_channel();
    let channel = reopened(&mut pair, "tag");
    let _suspected = pair.consumer(&channel, "tag");
    let _other = pair.consumer(&channel, "other");
    pair.feed(&wire::delivery(1, "other", u64::MAX, b"x"));
    pair.feed(&wire::delivery(1, "tag", 0, b"x"));
    assert!(pair.core.shared().reading.buffered() > 0);
    assert!(channel.is_open());
}

#[test]
fn suspected_consumer_ends_when_the_broker_closes_the_channel_once_more() {
    // Within the time in which strays may come, and later.
    for seconds in [1, 11] {
        let mut pair = one_channel();
        let channel = reopened(&mut pair, "tag");
        let mut consumer = pair.consumer(&channel, "tag");
        let mut waiting = Task::start(consumer.next());
        pair.advance(Duration::from_secs(seconds));
        pair.feed(&wire::channel_close(1));
        assert!(matches!(waiting.ready(), Some(Err(_))));
        assert_eq!(pair.connection.counters().consumers, 0);
        pair.sent();
        // Its deliveries are reckoned with in their turn.
        let third = pair.channel();
        let mut consumer = pair.consumer(&third, "tag");
        pair.feed(&wire::delivery(1, "tag", 7, b"stray"));
        pair.feed(&wire::delivery(1, "tag", 1, b"new"));
        assert_eq!(next(&mut consumer).body(), b"new");
        assert_eq!(consumer.buffered_count(), 0);
    }
}
