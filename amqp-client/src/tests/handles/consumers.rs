//! Consumers: batches, patience, tags, options, and what happens when they are too slow.

use std::time::{Duration, UNIX_EPOCH};

use amqp_spec::{basic, channel, connection};

use super::requests::answer_qos;
use crate::consume::{NextWithin, StreamOffset, WhenSlow};
use crate::error::ChannelError;
use crate::tests::core::content::{consuming, next};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ConsumeError, Consumer, Delivery};

fn deliveries(tags: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    tags.flat_map(|n| wire::delivery(1, "tag", n, b"x"))
        .collect()
}

fn tags_of(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(|d| d.delivery_tag()).collect()
}

#[test]
fn batch_is_what_one_read_brought_and_no_more_than_asked_for() {
    let (mut pair, _channel, mut consumer) = consuming();
    let mut batch = Vec::new();
    pair.feed(&deliveries(1..=5));
    assert_eq!(consumer.buffered_count(), 5);
    assert_eq!(done(consumer.recv_many(&mut batch, 3)).unwrap(), 3);
    assert_eq!(tags_of(&batch), [1, 2, 3]);
    assert_eq!(consumer.buffered_count(), 2);
    pair.feed(&deliveries(6..=6));
    // What is left of the first; the next comes with the next call.
    assert_eq!(done(consumer.recv_many(&mut batch, 100)).unwrap(), 2);
    assert_eq!(done(consumer.recv_many(&mut batch, 100)).unwrap(), 1);
    assert_eq!(tags_of(&batch), [1, 2, 3, 4, 5, 6]);
    assert_eq!(done(consumer.recv_many(&mut batch, 0)).unwrap(), 0);
    assert_eq!(consumer.buffered_count(), 0);
}

#[test]
fn batch_waits_and_loses_nothing_when_it_is_dropped() {
    let (mut pair, _channel, mut consumer) = consuming();
    let mut batch = Vec::new();
    let mut waiting = Task::start(consumer.recv_many(&mut batch, 10));
    pair.feed(&deliveries(1..=2));
    drop(waiting);
    assert_eq!(batch.len(), 0);
    waiting = Task::new(consumer.recv_many(&mut batch, 10));
    assert_eq!(waiting.ready().unwrap(), 2);
    drop(waiting);
    assert_eq!(tags_of(&batch), [1, 2]);
}

#[test]
fn consumer_ends_quietly_when_the_program_closes_the_connection() {
    let (mut pair, _channel, mut consumer) = consuming();
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    pair.sent();
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(done(consumer.next()).is_none());
    assert!(done(consumer.next()).is_none());
}

#[test]
fn batches_end_as_the_stream_does() {
    let (mut pair, _channel, mut consumer) = consuming();
    pair.feed(&deliveries(1..=1));
    pair.says(
        1,
        &basic::Cancel {
            consumer_tag: amqp_spec::short_str!("tag"),
            no_wait: true,
        },
    );
    let mut batch = Vec::new();
    assert_eq!(done(consumer.recv_many(&mut batch, 10)).unwrap(), 1);
    let ended = done(consumer.recv_many(&mut batch, 10));
    let error = ended.unwrap_err();
    assert!(matches!(error, ConsumeError::CancelledByBroker { .. }));
    let told = "consumer 'tag' of queue 'q' cancelled by the broker";
    assert_eq!(error.to_string(), told);
    assert_eq!(done(consumer.recv_many(&mut batch, 10)).unwrap(), 0);
}

#[test]
fn silence_is_told_after_the_time_and_the_consumer_goes_on() {
    const PATIENCE: Duration = Duration::from_secs(5);
    let (mut pair, _channel, mut consumer) = consuming();
    for n in 1..=3 {
        {
            let mut waiting = Task::start(consumer.next_within(PATIENCE));
            assert!(pair.driver_woken(), "nobody watches the clock");
            pair.advance(PATIENCE - Duration::from_millis(1));
            assert!(!waiting.is_due());
            pair.advance(Duration::from_millis(1));
            assert!(matches!(waiting.ready(), Some(Ok(NextWithin::Idle))));
        }
        let mut waiting = Task::start(consumer.next_within(PATIENCE));
        pair.feed(&deliveries(n..=n));
        match waiting.ready() {
            Some(Ok(NextWithin::Delivery(delivery))) => assert_eq!(delivery.delivery_tag(), n),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(pair.core.shared().timers.len(), 0, "timers left behind");
}

#[test]
fn no_patience_at_all_is_a_look() {
    let (mut pair, _channel, mut consumer) = consuming();
    let looked = done(consumer.next_within(Duration::ZERO));
    assert!(matches!(looked, Some(Ok(NextWithin::Idle))));
    pair.feed(&deliveries(1..=1));
    let looked = done(consumer.next_within(Duration::ZERO));
    assert!(matches!(looked, Some(Ok(NextWithin::Delivery(_)))));
}

#[test]
fn timers_run_in_the_order_of_their_times_and_end_with_the_connection() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let mut consumers: Vec<Consumer> = ["a", "b", "c", "d"]
        .map(|tag| pair.consumer(&channel, tag))
        .into();
    let mut waiting: Vec<_> = consumers
        .iter_mut()
        .zip([30, 10, 20, u64::MAX])
        .map(|(consumer, seconds)| Task::start(consumer.next_within(Duration::from_secs(seconds))))
        .collect();
    assert_eq!(pair.core.shared().timers.len(), 4);
    for due in [1, 2, 0] {
        pair.advance(Duration::from_secs(10));
        assert!(matches!(waiting[due].ready(), Some(Ok(NextWithin::Idle))));
    }
    assert!(!waiting[3].is_due());
    pair.eof();
    let ended = waiting[3].ready();
    assert!(matches!(ended, Some(Err(ConsumeError::Channel(_)))));
    drop(waiting);
    assert_eq!(pair.core.shared().timers.len(), 0);
}

// Tags

#[test]
fn tag_in_use_is_refused_here() {
    let (mut pair, channel, _consumer) = consuming();
    for _ in 0..2 {
        match done(channel.consume("q").tag("tag").into_future()) {
            Err(ChannelError::ConsumerTagInUse { consumer_tag }) => assert_eq!(consumer_tag, "tag"),
            other => panic!("{other:?}"),
        }
        assert_eq!(pair.sent(), [""; 0]);
    }
    // Each channel has its own.
    let other = pair.channel();
    drop(pair.consumer(&other, "tag"));
    assert_eq!(
        channel
            .shared()
            .connection
            .outbox()
            .channels_mut()
            .tags_taken(channel.shared().at)
            .len(),
        1
    );
}

/// Starts a consumer while its tag is taken, or not any more.
fn start_again<'a>(channel: &'a Channel) -> Task<'a, Result<Consumer, ChannelError>> {
    Task::new(channel.consume("q").tag("tag").into_future())
}

#[test]
fn tag_of_a_dropped_consumer_can_be_used_at_once() {
    let (mut pair, channel, consumer) = consuming();
    drop(consumer);
    let mut again = start_again(&channel);
    assert!(again.poll().is_pending());
    // In this order the broker never sees it twice.
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.feed(&wire::cancel_ok(1, "tag"));
    assert_eq!(pair.sent(), ["1 basic.qos 200", "1 basic.consume tag"]);
    pair.says(1, &basic::QosOk {});
    pair.feed(
        &[
            wire::consume_ok(1, "tag"),
            wire::delivery(1, "tag", 1, b"x"),
        ]
        .concat(),
    );
    let mut consumer = again.ready().unwrap();
    assert_eq!(next(&mut consumer).delivery_tag(), 1);
}

#[test]
fn old_handle_of_a_tag_does_not_cancel_its_successor() {
    let (mut pair, channel, consumer) = consuming();
    drop(Task::start(consumer.cancel()));
    let mut again = start_again(&channel);
    assert!(again.poll().is_pending());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    {
        let mut cancelling = Task::start(consumer.cancel());
        pair.feed(&wire::cancel_ok(1, "tag"));
        cancelling.ready().unwrap();
    }
    done(consumer.cancel()).unwrap();
    drop(consumer);
    assert_eq!(pair.sent(), ["1 basic.qos 200", "1 basic.consume tag"]);
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "tag"));
    let consumer = again.ready().unwrap();
    assert_eq!(pair.sent(), [""; 0]);
    drop(consumer);
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
}

#[test]
fn tag_of_an_abandoned_consume_is_free_when_its_cancel_is_sent() {
    let (mut pair, channel) = Pair::with_channel();
    let starting = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    drop(starting);
    // Nobody knows yet whether the broker has it.
    let early = start_again(&channel).ready();
    assert!(matches!(early, Err(ChannelError::ConsumerTagInUse { .. })));
    answer_qos(&mut pair, &sent);
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    assert!(start_again(&channel).poll().is_pending());
}

#[test]
fn tag_is_free_again_after_any_end() {
    let (mut pair, channel, mut consumer) = consuming();
    pair.says(
        1,
        &basic::Cancel {
            consumer_tag: amqp_spec::short_str!("tag"),
            no_wait: true,
        },
    );
    let ended = done(consumer.next());
    assert!(matches!(
        ended,
        Some(Err(ConsumeError::CancelledByBroker { .. }))
    ));
    done(consumer.cancel()).unwrap();
    assert_eq!(pair.sent(), [""; 0], "there is nothing to cancel");
    let again = pair.consumer(&channel, "tag");
    drop((consumer, again));
    // What could not even be sent leaves nothing.
    let long = vec![b'.'; 200_000];
    let refused = channel.consume("q").tag("b").argument("x", &long);
    let refused = done(refused.into_future());
    assert!(matches!(refused, Err(ChannelError::FrameTooLarge(_))));
    let refused = channel.consume("q".repeat(256)).tag("b");
    let refused = done(refused.into_future());
    assert!(matches!(refused, Err(ChannelError::TooLong(_))));
    assert_eq!(
        channel
            .shared()
            .connection
            .outbox()
            .channels_mut()
            .tags_taken(channel.shared().at),
        [""; 0]
    );
}

#[test]
fn tags_made_up_differ_from_those_in_use_and_of_other_connections() {
    let mut tags = Vec::new();
    for _ in 0..2 {
        let (mut pair, channel) = Pair::with_channel();
        drop(Task::start(channel.consume("q").into_future()));
        let sent = pair.sent();
        let tag = sent[1].strip_prefix("1 basic.consume ").unwrap().to_owned();
        assert!(tag.starts_with("ctag1.") && tag.len() == 16, "{tag}");
        // The next one that would be made up is taken.
        let taken = tag.replace("ctag1", "ctag2");
        drop(Task::start(channel.consume("q").tag(&taken).into_future()));
        drop(Task::start(channel.consume("q").into_future()));
        let in_use = channel
            .shared()
            .connection
            .outbox()
            .channels_mut()
            .tags_taken(channel.shared().at);
        let third = in_use[2].as_str();
        assert!(third.starts_with("ctag3."), "{third}");
        tags.push(tag);
    }
    assert_ne!(tags[0], tags[1]);
}

#[test]
fn answer_to_a_second_cancel_is_waited_for_no_longer_than_to_the_first() {
    let (mut pair, _channel, consumer) = consuming();
    let mut first = Task::start(consumer.cancel());
    let mut second = Task::start(consumer.cancel());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.advance(Duration::from_secs(30));
    for task in [&mut first, &mut second] {
        assert!(matches!(
            task.ready(),
            Err(ChannelError::Timeout {
                method: "basic.cancel"
            })
        ));
    }
    let mut third = Task::start(consumer.cancel());
    pair.says(1, &channel::Close::default());
    assert!(matches!(
        third.ready(),
        Err(ChannelError::ClosedByBroker(_))
    ));
}

// Options

#[test]
fn priority_and_offset_are_sent_as_the_broker_wants_them() {
    use amqp_spec::wire::{Timestamp, TypedMethod, Value};
    let hour = Duration::from_millis(3_599_001);
    let moment = UNIX_EPOCH + Duration::from_millis(99_999);
    let cases: [(StreamOffset, Value<'_>); 6] = [
        (StreamOffset::First, "first".into()),
        (StreamOffset::Last, "last".into()),
        (StreamOffset::Next, "next".into()),
        (
            StreamOffset::Offset(7_000_000_000),
            7_000_000_000_i64.into(),
        ),
        (StreamOffset::Timestamp(moment), Timestamp(99).into()),
        (StreamOffset::Interval(hour), "3600s".into()),
    ];
    for (offset, expected) in cases {
        let (mut pair, channel) = Pair::with_channel();
        let consume = channel.consume("q").priority(-3).offset(offset);
        drop(Task::start(consume.into_future()));
        let octets = pair.sent_octets();
        let (frames, _) = wire::frames(&octets);
        let consume = basic::Consume::decode(frames[1].payload).unwrap();
        let argument = |name: &str| consume.arguments.get(name).unwrap();
        assert_eq!(argument("x-priority"), Some(Value::I32(-3)));
        assert_eq!(argument("x-stream-offset"), Some(expected));
    }
}

#[test]
fn no_limit_is_a_prefetch_of_zero() {
    let (mut pair, channel) = Pair::with_channel();
    drop(Task::start(
        channel
            .consume("q")
            .unlimited_prefetch()
            .tag("t")
            .into_future(),
    ));
    assert_eq!(pair.sent(), ["1 basic.qos 0", "1 basic.consume t"]);
}

// Too slow

#[test]
fn s16_consumer_that_is_too_slow_is_cancelled_and_the_connection_goes_on() {
    let (mut pair, channel) = Pair::with_channel();
    let when_slow = WhenSlow::Cancel { above: 10_000 };
    let consume = channel
        .consume("q")
        .no_ack()
        .when_slow(when_slow)
        .tag("tag");
    let mut starting = Task::start(consume.into_future());
    assert_eq!(pair.sent(), ["1 basic.consume tag"]);
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut slow = starting.ready().unwrap();
    let mut fast = pair.consumer(&channel, "fast");
    let body = vec![b'.'; 1000];
    for n in 1..=100 {
        pair.feed(&wire::delivery(1, "tag", n, &body));
    }
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    // Others get theirs.
    pair.feed(&wire::delivery(1, "fast", 101, b"x"));
    assert_eq!(next(&mut fast).delivery_tag(), 101);
    pair.feed(&wire::delivery(1, "tag", 102, &body));
    pair.feed(&wire::cancel_ok(1, "tag"));
    // What it held comes in order, then the reason, once.
    let mut yielded = 0;
    let error = loop {
        match done(slow.next()).expect("a reason") {
            Ok(received) => {
                yielded += 1;
                assert_eq!(received.delivery_tag(), yielded);
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, ConsumeError::TooSlow { .. }));
    let told = error.to_string();
    assert!(
        told.ends_with("' of queue 'q' cancelled, since it was too slow"),
        "{told}"
    );
    assert!((9..=10).contains(&yielded), "{yielded}");
    assert!(done(slow.next()).is_none());
    drop(slow);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
    drop(fast);
    assert_eq!(pair.core.shared().reading.buffered(), 0);
}

#[test]
fn s16_consumer_that_keeps_up_is_never_too_slow() {
    let (mut pair, channel) = Pair::with_channel();
    let when_slow = WhenSlow::Cancel { above: 10_000 };
    let consume = channel
        .consume("q")
        .no_ack()
        .when_slow(when_slow)
        .tag("tag");
    let mut starting = Task::start(consume.into_future());
    drop(pair.sent());
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let body = vec![b'.'; 1000];
    for n in 1..=100 {
        pair.feed(&wire::delivery(1, "tag", n, &body));
        let received = done(consumer.next()).unwrap().unwrap();
        assert_eq!(received.delivery_tag(), n);
    }
    assert_eq!(pair.sent(), [""; 0]);
}
