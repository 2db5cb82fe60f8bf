//! What is read although consumers hold much, what is not, and who is told.

use std::future::IntoFuture;
use std::time::Duration;

use amqp_spec::{basic, channel, connection, queue};

use super::content::next;
use crate::consume::AutoAck;
use crate::consume::WhenSlow;
use crate::error::ChannelError;
use crate::error::Outcome;
use crate::event::{Event, Events};
use crate::proto::shared::reading::Demand;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ConsumeError, Consumer, Message, PublishError};

const MIB: usize = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

/// Messages of 1 MiB with these tags.
fn large(channel: u16, tag: &str, tags: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    let body = vec![b'.'; MIB];
    tags.flat_map(|n| wire::delivery(channel, tag, n, &body))
        .collect()
}

/// The broker sends messages of 1 MiB with these tags, while something waits.
fn fill(pair: &mut Pair, tag: &str, tags: std::ops::RangeInclusive<u64>) {
    let _demand = Demand::new(pair.core.shared());
    for n in tags {
        assert!(pair.wants_read());
        pair.feed(&large(1, tag, n..=n));
    }
}

fn automatic(pair: &mut Pair, channel: &Channel, tag: &str) -> Consumer<AutoAck> {
    let id = channel.id();
    let mut starting = Task::start(channel.consume("prices").tag(tag).no_ack().into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(id, tag));
    starting.ready().unwrap()
}

fn held(pair: &Pair) -> usize {
    pair.core.shared().reading.buffered()
}

#[test]
fn confirm_behind_deliveries_that_need_acknowledgements_is_read_however_many_there_are() {
    let mut pair = Pair::open();
    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    let mut consumer = pair.consumer(&channel, "tag");
    pair.feed(&large(1, "tag", 1..=1));
    let first = next(&mut consumer);
    // The program publishes what it has received before it acknowledges and takes the next.
    let mut publishing = Task::start(publisher.publish("", "out", Message::new("made of it")));
    pair.sent();
    pair.feed(&large(1, "tag", 2..=80));
    assert!(held(&pair) > 70 * MIB);
    pair.feed(&wire::ack(1, 1, false));
    publishing.ready().unwrap();
    first.ack().unwrap();
    // Nothing waits any more, and reading rests until something does.
    assert!(!pair.wants_read());
    let publishing = Task::start(publisher.publish("", "out", Message::new("the next")));
    assert!(pair.driver_woken());
    assert!(pair.wants_read());
    drop(publishing);
    assert!(!pair.wants_read());
}

#[test]
fn consumer_that_waits_is_not_starved_by_one_that_does_not_take() {
    let mut pair = Pair::open();
    let (first, second) = (pair.channel(), pair.channel());
    let _slow = pair.consumer(&first, "slow");
    let mut quick = pair.consumer(&second, "quick");
    fill(&mut pair, "slow", 1..=80);
    assert!(!pair.wants_read());
    let mut waiting = Task::start(quick.next());
    assert!(pair.driver_woken(), "it waits for what has to be read");
    assert!(pair.wants_read());
    pair.feed(&wire::delivery(2, "quick", 1, b"x"));
    assert!(matches!(waiting.ready(), Some(Ok(_))));
    assert!(!pair.wants_read(), "it has what it waited for");
}

#[test]
fn what_is_taken_counts_no_more_when_it_has_been_yielded_a_mebibyte_at_a_time() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let mut consumer = automatic(&mut pair, &channel, "a");
    fill(&mut pair, "a", 1..=17);
    assert!(!pair.wants_read());
    // Without the rest of what has come being taken first.
    for _ in 0..3 {
        done(consumer.next()).unwrap().unwrap();
    }
    assert!(held(&pair) <= 15 * MIB + MIB / 2, "{}", held(&pair));
    assert!(pair.driver_woken());
    assert!(pair.wants_read());
}

#[test]
fn crossing_a_mark_wakes_the_driver_once() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let mut consumer = automatic(&mut pair, &channel, "a");
    fill(&mut pair, "a", 1..=64);
    assert!(!pair.wants_read());
    let mut purging = Task::start(channel.queue_purge("q"));
    assert!(
        pair.driver_woken(),
        "it has something to write, and to tell"
    );
    pair.sent();
    assert!(!pair.wants_read(), "nothing is read above 64 MiB");
    let mut woken = 0;
    for _ in 0..40 {
        done(consumer.next()).unwrap().unwrap();
        if pair.driver_woken() {
            woken += 1;
            pair.sent();
            assert!(pair.wants_read(), "on demand");
        }
    }
    assert_eq!(woken, 1);
    pair.says(1, &queue::PurgeOk { message_count: 0 });
    purging.ready().unwrap();
}

// Above inbound_limit

#[test]
fn above_the_limit_the_consumer_that_holds_most_is_cancelled_and_nothing_is_lost() {
    let mut pair = Pair::open_with(&quiet().inbound_limit(10 * MIB));
    let channel = pair.channel();
    let mut small = pair.consumer(&channel, "small");
    let mut most = pair.consumer(&channel, "most");
    let mut events = channel.events();
    pair.feed(&large(1, "small", 1..=2));
    pair.feed(&large(1, "most", 3..=4));
    let yielded = next(&mut most);
    pair.feed(&large(1, "most", 5..=12));
    let sent = pair.sent();
    assert_eq!(
        sent[0], "1 basic.cancel most",
        "before it is offered them again"
    );
    let returned: Vec<_> = (4..=sent.len() as u64 + 2)
        .map(|n| format!("1 basic.nack {n} requeue"))
        .collect();
    assert_eq!(sent[1..], returned);
    assert!(sent.len() > 6, "{sent:?}");
    // What comes until the broker has heard of it goes back as well.
    pair.feed(&large(1, "most", 13..=13));
    assert_eq!(pair.sent().last().unwrap(), "1 basic.nack 13 requeue");
    pair.feed(&wire::cancel_ok(1, "most"));
    assert!(matches!(
        done(most.next()),
        Some(Err(ConsumeError::TooSlow { .. }))
    ));
    assert!(done(most.next()).is_none());
    let told = done(events.next());
    assert!(
        matches!(
            told,
            Some(Event::ConsumerCancelled {
                by: crate::error::Initiator::Library,
                ..
            })
        ),
        "{told:?}"
    );
    yielded.ack().unwrap();
    // The other one, and the channel, go on.
    next(&mut small).ack().unwrap();
    assert_eq!(pair.sent().len(), 2);
    assert!(held(&pair) < 10 * MIB);
}

#[test]
fn without_a_limit_deliveries_are_held_however_much_they_occupy() {
    let mut pair = Pair::open_with(&quiet().inbound_limit(0));
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let _purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.feed(&large(1, "tag", 1..=70));
    assert_eq!(pair.sent(), [""; 0]);
    assert_eq!(consumer.buffered_count(), 70);
    next(&mut consumer).ack().unwrap();
}

// At a standstill

struct Standstill {
    pair: Pair,
    slow: Consumer<AutoAck>,
    other: Channel,
    publisher: crate::Publisher,
    events: Events,
}

/// A consumer without acknowledgements takes nothing of more than 64 MiB.
fn standstill() -> Standstill {
    let mut pair = Pair::open();
    let (channel, other) = (pair.channel(), pair.channel());
    let publisher = pair.publisher();
    let slow = automatic(&mut pair, &channel, "slow");
    let events = pair.connection.events();
    fill(&mut pair, "slow", 1..=64);
    Standstill {
        pair,
        slow,
        other,
        publisher,
        events,
    }
}

#[track_caller]
fn assert_names_the_consumer(error: &ChannelError, method: &str) {
    match error {
        ChannelError::ReadingStopped { method: told, by } => {
            assert_eq!(*told, method);
            assert_eq!(
                (by.channel, &*by.consumer_tag, &*by.queue),
                (1, "slow", "prices")
            );
            assert!(by.bytes > 60 * MIB);
        }
        other => panic!("{other:?}"),
    }
    let text = error.to_string();
    assert!(
        text.contains("\"slow\"") && text.contains("\"prices\""),
        "{text}"
    );
    assert!(error.is_retryable());
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[test]
fn standstill_is_told_at_once_and_ends_what_waits_in_time() {
    let mut world = standstill();
    let pair = &mut world.pair;
    let confirmation = done(world.publisher.send("", "k", Message::new("m"))).unwrap();
    let mut publishing = Task::start(confirmation);
    pair.sent();
    assert!(!pair.wants_read());
    match done(world.events.next()) {
        Some(Event::ReadingStopped {
            channel,
            consumer_tag,
            queue,
            bytes,
        }) => {
            assert_eq!(
                (channel, consumer_tag.as_bytes(), &*queue),
                (1, &b"slow"[..], "prices")
            );
            assert!(bytes > 60 * MIB);
        }
        other => panic!("{other:?}"),
    }
    pair.advance(10 * SECOND);
    let mut purging = Task::start(world.other.queue_purge("q"));
    let mut waiting = Task::start(world.publisher.wait_for_confirms());
    pair.sent();
    pair.advance(19 * SECOND);
    publishing.pending();
    pair.advance(2 * SECOND);
    match publishing.ready() {
        Err(PublishError::Uncertain(error)) => assert_names_the_consumer(&error, "basic.publish"),
        other => panic!("{other:?}"),
    }
    purging.pending();
    pair.advance(9 * SECOND);
    assert_names_the_consumer(&purging.ready().unwrap_err(), "queue.purge");
    let unconfirmed = waiting.ready().unwrap_err();
    assert_names_the_consumer(unconfirmed.cause.as_ref().unwrap(), "basic.publish");
    // It was told once.
    let again = Task::start(world.events.next());
    assert!(!again.is_due());
}

#[test]
fn standstill_that_ends_in_time_costs_nothing() {
    let mut world = standstill();
    let pair = &mut world.pair;
    let confirmation = done(world.publisher.send("", "k", Message::new("m"))).unwrap();
    let mut publishing = Task::start(confirmation);
    let mut purging = Task::start(world.other.queue_purge("q"));
    pair.sent();
    assert!(!pair.wants_read());
    pair.advance(25 * SECOND);
    for _ in 0..3 {
        done(world.slow.next()).unwrap().unwrap();
    }
    assert!(pair.wants_read());
    pair.says(2, &queue::PurgeOk { message_count: 0 });
    purging.ready().unwrap();
    // From here on only the broker keeps it waiting.
    pair.advance(600 * SECOND);
    publishing.pending();
    pair.feed(&wire::ack(3, 1, false));
    publishing.ready().unwrap();
    assert_eq!(pair.core.shared().timers.len(), 0);
}

#[test]
fn shorter_confirm_timeout_ends_a_publish_at_a_standstill_and_names_the_consumer_too() {
    let mut world = standstill();
    let publisher = world.publisher.confirm_timeout(5 * SECOND);
    let confirmation = done(publisher.send("", "k", Message::new("m"))).unwrap();
    let mut publishing = Task::start(confirmation);
    world.pair.sent();
    assert!(!world.pair.wants_read());
    world.pair.advance(5 * SECOND);
    match publishing.ready() {
        Err(PublishError::Uncertain(error)) => assert_names_the_consumer(&error, "basic.publish"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn publish_that_waits_for_room_at_a_standstill_is_not_sent_in_the_end() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(1).write_timeout(None));
    let (channel, other) = (pair.channel(), pair.channel());
    let _slow = automatic(&mut pair, &channel, "slow");
    fill(&mut pair, "slow", 1..=64);
    pair.write_limit = 0;
    let message = Message::new("m");
    done(other.basic_publish("", "k", &message)).unwrap();
    let mut publishing = Task::start(other.basic_publish("", "k", &message));
    pair.sent_octets();
    assert!(!pair.wants_read());
    publishing.pending();
    pair.advance(31 * SECOND);
    assert_names_the_consumer(&publishing.ready().unwrap_err(), "basic.publish");
}

#[test]
fn channel_of_the_consumer_is_closed_at_a_standstill_and_what_has_come_is_still_yielded() {
    let mut world = standstill();
    let pair = &mut world.pair;
    let channel = world.slow.channel().clone();
    assert!(!pair.wants_read());
    let mut closing = Task::start(async move { channel.close().await });
    assert!(pair.driver_woken());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    assert_eq!(held(pair), 0, "it counts no more");
    // What comes later is not kept.
    pair.feed(&large(1, "slow", 65..=100));
    assert_eq!(held(pair), 0);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    let mut yielded = 0;
    while let Some(delivery) = done(world.slow.next()) {
        delivery.unwrap();
        yielded += 1;
    }
    assert_eq!(yielded, 64);
}

// While the connection is being closed

#[test]
fn nothing_that_is_delivered_behind_our_close_is_kept() {
    for no_ack in [false, true] {
        let mut pair = Pair::open();
        let channel = pair.channel();
        let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
        if no_ack {
            kept.push(Box::new(automatic(&mut pair, &channel, "tag")));
        } else {
            kept.push(Box::new(pair.consumer(&channel, "tag")));
        }
        pair.feed(&large(1, "tag", 1..=3));
        let before = held(&pair);
        let connection = pair.connection.clone();
        let mut closing = Task::start(async move { connection.close().await });
        assert!(pair.sent()[0].starts_with("0 connection.close"));
        for n in 4..=80 {
            pair.feed(&large(1, "tag", n..=n));
        }
        assert_eq!(held(&pair), before, "{no_ack}");
        assert!(pair.wants_read(), "the answer is still to come");
        pair.says(0, &connection::CloseOk {});
        closing.ready().unwrap();
    }
}

#[test]
fn close_at_a_standstill_reads_its_answer_in_the_turn_that_has_written_it() {
    let mut world = standstill();
    let pair = &mut world.pair;
    assert!(!pair.wants_read());
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert!(pair.sent()[0].starts_with("0 connection.close"));
    assert!(pair.core.interest().read, "nothing wakes the driver");
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn close_that_is_not_written_yet_lifts_no_limit() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let _slow = automatic(&mut pair, &channel, "tag");
    pair.write_limit = 0;
    done(channel.basic_publish("", "k", &Message::new("m"))).unwrap();
    pair.show_and_take_nothing();
    let connection = pair.connection.clone();
    let _closing = Task::start(async move { connection.close().await });
    pair.sent_octets();
    let mut n = 0;
    while pair.wants_read() {
        n += 1;
        assert!(n < 100, "it is read on and on");
        pair.feed(&large(1, "tag", n..=n));
    }
    assert!(held(&pair) < 70 * MIB);
}

#[test]
fn consumer_that_is_ended_for_its_own_limit_is_told_as_ended_here() {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("q").tag("tag").no_ack();
    let above = WhenSlow::Cancel { above: MIB };
    let mut starting = Task::start(consume.when_slow(above).into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let mut events = channel.events();
    pair.feed(&large(1, "tag", 1..=3));
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.feed(&wire::cancel_ok(1, "tag"));
    assert!(matches!(
        done(events.next()),
        Some(Event::ConsumerCancelled {
            by: crate::error::Initiator::Library,
            ..
        })
    ));
    while let Some(Ok(_)) = done(consumer.next()) {}
    assert_eq!(held(&pair), 0);
}

#[test]
fn more_deliveries_than_the_prefetch_allows_stand_on_the_same_ladder() {
    let mut pair = Pair::open_with(&quiet().inbound_limit(MIB));
    let channel = pair.channel();
    let mut starting = Task::start(channel.consume("q").tag("tag").prefetch(2).into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let body = vec![b'.'; 100_000];
    for n in 1..=9 {
        pair.feed(&wire::delivery(1, "tag", n, &body));
    }
    assert_eq!(pair.sent(), [""; 0]);
    for n in 10..=12 {
        pair.feed(&wire::delivery(1, "tag", n, &body));
    }
    assert_eq!(pair.sent()[0], "1 basic.cancel tag");
    assert!(matches!(
        done(consumer.next()),
        Some(Err(ConsumeError::TooSlow { .. }))
    ));
    assert_eq!(held(&pair), 0);
}
