//! Which consumers a channel has, which limits they are started under, and whose deliveries are
//! whose.

use std::future::IntoFuture;
use std::time::Duration;

use amqp_spec::{basic, tx};

use super::content::{consuming, next};
use crate::Channel;
use crate::consume::{Multiple, QosScope};
use crate::error::{ChannelError, ConnectionError, Violation};
use crate::message::Settled;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

/// Starts a consumer; gives what was sent for it.
fn starts(pair: &mut Pair, channel: &Channel, tag: &str, prefetch: Option<u16>) -> Vec<String> {
    let consume = channel.consume("q").tag(tag);
    let consume = match prefetch {
        Some(0) => consume.unlimited_prefetch(),
        Some(count) => consume.prefetch(count),
        None => consume,
    };
    let mut starting = Task::start(consume.into_future());
    let sent = pair.sent();
    for line in &sent {
        if line.contains("basic.qos") {
            pair.says(1, &basic::QosOk {});
        }
    }
    pair.feed(&wire::consume_ok(1, tag));
    std::mem::forget(starting.ready().unwrap());
    sent
}

fn limits(pair: &mut Pair, channel: &Channel, count: u16, scope: QosScope) {
    let channel = channel.clone();
    let mut limiting = Task::start(async move { channel.basic_qos(count, scope).await });
    pair.sent();
    pair.says(1, &basic::QosOk {});
    limiting.ready().unwrap();
}

#[test]
fn limit_of_the_program_holds_again_behind_a_consumer_with_a_limit_of_its_own() {
    let (mut pair, channel) = Pair::with_channel();
    limits(&mut pair, &channel, 10, QosScope::Consumer);
    let sent = starts(&mut pair, &channel, "a", Some(0));
    assert_eq!(sent, ["1 basic.qos 0", "1 basic.consume a"]);
    let sent = starts(&mut pair, &channel, "b", None);
    assert_eq!(sent, ["1 basic.qos 10", "1 basic.consume b"]);
    // It stands: nothing has to be said again.
    let sent = starts(&mut pair, &channel, "c", None);
    assert_eq!(sent, ["1 basic.consume c"]);
}

#[test]
fn limit_of_the_whole_channel_is_set_again_when_a_consumer_has_lifted_it() {
    let (mut pair, channel) = Pair::with_channel();
    limits(&mut pair, &channel, 10, QosScope::Channel);
    assert_eq!(
        starts(&mut pair, &channel, "a", None),
        ["1 basic.consume a"]
    );
    let sent = starts(&mut pair, &channel, "b", Some(5));
    assert_eq!(sent, ["1 basic.qos 5", "1 basic.consume b"]);
    let sent = starts(&mut pair, &channel, "c", None);
    let expected = [
        "1 basic.qos 0",
        "1 basic.qos 10 global",
        "1 basic.consume c",
    ];
    assert_eq!(sent, expected);
}

#[test]
fn consumer_is_started_under_the_limit_that_stands_in_front_of_it() {
    let (mut pair, channel) = Pair::with_channel();
    let limited = channel.clone();
    // Asked for and not sent yet.
    let _limiting = Task::start(async move { limited.basic_qos(10, QosScope::Consumer).await });
    let _starting = Task::start(channel.consume("q").tag("a").into_future());
    assert_eq!(pair.sent(), ["1 basic.qos 10", "1 basic.consume a"]);
}

#[test]
fn consumer_that_is_not_started_yet_is_cancelled_by_its_tag() {
    let (mut pair, channel) = Pair::with_channel();
    let mut starting = Task::start(channel.consume("q").tag("tag").into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    let mut cancelling = Task::start(channel.basic_cancel("tag"));
    assert_eq!(pair.sent(), [""; 0], "the broker does not know it yet");
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    let mut consumer = starting.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 1, b"in between"));
    pair.feed(&wire::cancel_ok(1, "tag"));
    cancelling.ready().unwrap();
    next(&mut consumer).ack().unwrap();
    assert!(done(consumer.next()).is_none());
}

#[test]
fn reply_that_names_another_consumer_ends_the_connection_and_everything_that_waits() {
    let replies = [wire::consume_ok(1, "other"), wire::consume_ok(1, "first")];
    for reply in replies {
        let (mut pair, channel) = Pair::with_channel();
        let mut first = pair.consumer(&channel, "first");
        let mut waiting = Task::start(first.next());
        let mut starting = Task::start(channel.consume("q").tag("second").into_future());
        pair.sent();
        pair.says(1, &basic::QosOk {});
        pair.feed(&reply);
        let violation = Violation::ConsumerTag {
            method: "basic.consume-ok",
            channel: 1,
        };
        match pair.end() {
            ConnectionError::Protocol(told) => assert_eq!(*told, violation),
            other => panic!("{other:?}"),
        }
        assert!(starting.ready().is_err());
        assert!(matches!(waiting.ready(), Some(Err(_))));
        assert!(pair.sent()[0].starts_with("0 connection.close 503"));
    }
    let (mut pair, _channel, consumer) = consuming();
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "other"));
    assert!(cancelling.ready().is_err());
}

// basic.recover

fn recover(channel: &Channel) -> Task<'static, Result<(), ChannelError>> {
    let channel = channel.clone();
    Task::start(async move { channel.basic_recover().await })
}

#[test]
fn what_was_given_back_is_neither_yielded_nor_settled() {
    let (mut pair, channel, mut consumer) = consuming();
    let deliveries = |tags: std::ops::RangeInclusive<u64>| -> Vec<u8> {
        tags.flat_map(|n| wire::delivery(1, "tag", n, b"x"))
            .collect()
    };
    pair.feed(&deliveries(1..=3));
    // One is in the program's hands, one with the consumer, and one more comes on its own.
    let held = next(&mut consumer);
    pair.feed(&deliveries(4..=4));
    let mut recovering = recover(&channel);
    assert_eq!(pair.sent(), ["1 basic.recover"]);
    let early = next(&mut consumer);
    assert!(
        matches!(early.ack(), Ok(Settled::Stale)),
        "sent behind basic.recover"
    );
    let by_number = channel.basic_ack(0, Multiple::Yes);
    assert!(matches!(by_number, Ok(Settled::Stale)));
    // On its way when the broker read it.
    pair.feed(&deliveries(5..=5));
    pair.says(1, &basic::RecoverOk {});
    recovering.ready().unwrap();
    assert_eq!(consumer.buffered_count(), 0);

    pair.feed(&deliveries(6..=7));
    let again = next(&mut consumer);
    assert_eq!(again.delivery_tag(), 6);
    again.ack().unwrap();
    assert!(matches!(held.ack(), Ok(Settled::Stale)));
    assert!(matches!(
        channel.basic_ack(5, Multiple::Yes),
        Ok(Settled::Stale)
    ));
    channel.basic_ack(7, Multiple::Yes).unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 6", "1 basic.ack 7 multiple"]);
    assert_eq!(next(&mut consumer).delivery_tag(), 7);
    Task::start(consumer.next()).pending();
    assert_eq!(pair.core.shared().reading.buffered(), 0);
}

#[test]
fn fetched_message_that_was_given_back_is_not_settled() {
    let (mut pair, channel) = Pair::with_channel();
    let fetcher = channel.clone();
    let mut fetching = Task::start(async move { fetcher.basic_get("q").await });
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(1), b"fetched"));
    let fetched = fetching.ready().unwrap().unwrap();
    let mut recovering = recover(&channel);
    pair.sent();
    pair.says(1, &basic::RecoverOk {});
    recovering.ready().unwrap();
    assert!(matches!(fetched.delivery.ack(), Ok(Settled::Stale)));
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn what_the_broker_has_back_with_the_channel_is_not_yielded() {
    let (mut pair, _channel, mut consumer) = consuming();
    let two = [
        wire::delivery(1, "tag", 1, b"x"),
        wire::delivery(1, "tag", 2, b"x"),
    ];
    pair.feed(&two.concat());
    drop(next(&mut consumer));
    pair.feed(&wire::channel_close(1));
    assert!(
        matches!(done(consumer.next()), Some(Err(_))),
        "the second comes again"
    );
    assert!(done(consumer.next()).is_none());
}

#[test]
fn deliveries_are_settled_again_when_requests_to_recover_were_never_sent() {
    let (mut pair, channel, mut consumer) = consuming();
    pair.feed(&wire::delivery(1, "tag", 1, b"x"));
    let held = next(&mut consumer);
    let mut committing = {
        let channel = channel.clone();
        Task::start(async move {
            channel.tx_select().await?;
            channel.tx_commit().await
        })
    };
    pair.sent();
    pair.says(1, &tx::SelectOk {});
    committing.pending();
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    // Behind a commit that is not answered.
    let mut first = recover(&channel);
    pair.advance(Duration::from_secs(10));
    let mut second = recover(&channel);
    pair.advance(Duration::from_secs(21));
    assert!(first.ready().is_err());
    assert!(
        matches!(held.ack(), Ok(Settled::Stale)),
        "the second is still to be sent"
    );
    pair.advance(Duration::from_secs(10));
    assert!(second.ready().is_err());
    channel.basic_ack(1, Multiple::No).unwrap();
    pair.says(1, &tx::CommitOk {});
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
}

#[test]
fn the_later_of_two_requests_to_recover_that_is_not_sent_undoes_nothing_of_the_first() {
    let (mut pair, channel, mut consumer) = consuming();
    pair.feed(&wire::delivery(1, "tag", 1, b"x"));
    let old = next(&mut consumer);
    let mut first = recover(&channel);
    let mut committing = {
        let channel = channel.clone();
        Task::start(async move { channel.tx_select().await })
    };
    pair.sent();
    let mut unanswered = {
        let channel = channel.clone();
        Task::start(async move { channel.tx_commit().await })
    };
    pair.sent();
    let mut second = recover(&channel);
    pair.says(1, &basic::RecoverOk {});
    first.ready().unwrap();
    pair.says(1, &tx::SelectOk {});
    committing.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 2, b"x"));
    let new = next(&mut consumer);
    pair.advance(Duration::from_secs(31));
    assert!(second.ready().is_err());
    assert!(unanswered.ready().is_err());
    assert!(matches!(old.ack(), Ok(Settled::Stale)));
    new.ack().unwrap();
}
