//! What consumers that have ended hold up, and how long what waits is patient.

use std::future::IntoFuture;
use std::time::Duration;

use crate::consume::AutoAck;
use crate::error::ChannelError;
use crate::proto::shared::reading::Demand;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer, Message, PublishError};

const MIB: usize = 1024 * 1024;
const SECOND: Duration = Duration::from_secs(1);

fn automatic(pair: &mut Pair, channel: &Channel) -> Consumer<AutoAck> {
    let id = channel.id();
    let consume = channel.consume("prices").tag("tag").no_ack();
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(id, "tag"));
    starting.ready().unwrap()
}

/// The broker sends messages of 1 MiB with these tags, while something waits.
fn fill(pair: &mut Pair, tags: std::ops::RangeInclusive<u64>) {
    let _demand = Demand::new(pair.core.shared());
    let body = vec![b'.'; MIB];
    for n in tags {
        assert!(pair.wants_read());
        pair.feed(&wire::delivery(1, "tag", n, &body));
    }
}

fn held(pair: &Pair) -> usize {
    pair.core.shared().reading.buffered()
}

/// A consumer without acknowledgements ends while it holds what stops the reading of the stream.
fn ends(end: impl FnOnce(&mut Pair, &Consumer<AutoAck>)) {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = automatic(&mut pair, &channel);
    fill(&mut pair, 1..=20);
    assert!(!pair.wants_read());
    {
        let _demand = Demand::new(pair.core.shared());
        end(&mut pair, &consumer);
    }
    assert_eq!(held(&pair), 0, "nothing comes any more");
    assert!(pair.wants_read());
    for _ in 0..20 {
        done(consumer.next()).unwrap().unwrap();
    }
    drop(done(consumer.next()));
    drop(consumer);
    assert_eq!(held(&pair), 0);
}

#[test]
fn what_a_consumer_holds_that_has_ended_stops_no_reading_and_is_still_yielded() {
    ends(|pair, _| pair.feed(&wire::channel_close(1)));
    ends(|pair, _| {
        let cancel = amqp_spec::basic::Cancel {
            consumer_tag: wire::short("tag"),
            no_wait: true,
        };
        pair.says(1, &cancel);
    });
    ends(|pair, consumer| {
        let mut cancelling = Task::start(consumer.cancel());
        pair.sent();
        pair.feed(&wire::cancel_ok(1, "tag"));
        cancelling.ready().unwrap();
    });
}

#[test]
fn confirm_is_read_though_the_channel_ends_that_brought_reading_to_a_standstill() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let publisher = pair.publisher();
    let _consumer = automatic(&mut pair, &channel);
    let mut publishing = Task::start(publisher.publish("", "k", Message::new("m")));
    pair.sent();
    fill(&mut pair, 1..=63);
    let mut n = 63;
    while held(&pair) < 64 * MIB - 20_000 {
        n += 1;
        pair.feed(&wire::delivery(1, "tag", n, &[b'.'; 15_000]));
    }
    // The last one crosses the mark, and the end of the channel is in the same read.
    let mut last = wire::delivery(1, "tag", n + 1, &[b'.'; 25_000]);
    last.extend(wire::channel_close(1));
    pair.feed(&last);
    assert!(channel.close_reason().is_some());
    pair.feed(&wire::ack(2, 1, false));
    publishing.ready().unwrap();
}

#[test]
fn what_was_let_go_does_not_count_twice() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, b"x"));
    let at = channel.shared().at;
    let queue = pair
        .core
        .shared()
        .outbox()
        .channels_mut()
        .consumers(at)
        .remove(0);
    // Its channel is closed between the look at what it holds and its end.
    queue.let_go();
    assert_eq!(held(&pair), 0);
    let untaken = queue.end_too_slow(&mut Vec::new());
    assert!(untaken.is_empty(), "the broker has them back");
    assert_eq!(held(&pair), 0);
    drop(consumer);
    assert_eq!(held(&pair), 0);
}

#[test]
fn patience_begins_anew_with_each_standstill() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let publisher = pair.publisher();
    let mut consumer = automatic(&mut pair, &channel);
    let confirmation = done(publisher.send("", "k", Message::new("m"))).unwrap();
    let mut waiting = Task::start(confirmation);
    pair.sent();
    fill(&mut pair, 1..=64);
    assert!(!pair.wants_read());
    pair.sent();
    assert!(waiting.run().is_pending());
    pair.advance(20 * SECOND);
    // It ends, and what is read then brings the next one.
    for _ in 0..4 {
        done(consumer.next()).unwrap().unwrap();
    }
    assert!(pair.wants_read());
    fill(&mut pair, 65..=67);
    assert!(!pair.wants_read());
    pair.sent();
    assert!(waiting.run().is_pending());
    pair.advance(20 * SECOND);
    assert!(waiting.run().is_pending(), "for 20 s nothing has been read");
    pair.advance(11 * SECOND);
    match waiting.ready() {
        Err(PublishError::Uncertain(ChannelError::ReadingStopped { .. })) => {}
        other => panic!("{other:?}"),
    }
}
