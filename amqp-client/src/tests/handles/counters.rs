//! The numbers of a connection agree with what happened.

use amqp_spec::{basic, connection};

use super::send_order::publish;
use crate::consume::Multiple;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message, Publisher, Requeue};

fn send(publisher: &Publisher) {
    let message = Message::new("body");
    drop(done(publisher.send("", "key", &message)).unwrap());
}

fn outstanding(pair: &Pair) -> u64 {
    pair.connection.counters().confirms_outstanding
}

#[test]
fn octets_and_frames_are_those_on_the_wire() {
    let options = quiet().write_buffer_limit(usize::MAX);
    for frame_max in [4096, 131_072] {
        let mut pair = Pair::open_tuned(&options, (0, frame_max, 0));
        let channel = pair.channel();
        let other = pair.channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let deliveries = pair.deliver(&mut consumer, 1..=10);
        let before = pair.connection.counters();
        for size in [0, 1, 4088, 4089, 20_000, 70_000, 300_000] {
            publish(&channel, "key", size);
        }
        for delivery in deliveries {
            delivery.ack().unwrap();
        }
        let _purging = Task::start(other.queue_purge("q"));
        let octets = pair.sent_octets();
        let (frames, rest) = wire::frames(&octets);
        assert!(rest.is_empty());
        let after = pair.connection.counters();
        let sent = frames.len() as u64;
        assert_eq!(after.frames_sent - before.frames_sent, sent, "{frame_max}");
        assert_eq!(after.published, 7);
        assert_eq!(after.acked, 10);
        assert_eq!(after.bytes_queued, 0);
        let sent = octets.len() as u64;
        assert_eq!(after.bytes_sent - before.bytes_sent, sent);
    }
}

#[test]
fn what_is_read_is_counted_in_any_pieces() {
    let mut octets = Vec::new();
    for (n, size) in [(1, 0), (2, 10), (3, 200_000)] {
        octets.extend(wire::delivery(1, "tag", n, &vec![b'.'; size]));
    }
    let n_frames = wire::frames(&octets).0.len() as u64;
    for piece in [octets.len(), 1000, 7] {
        let (mut pair, channel) = Pair::with_channel();
        let _consumer = pair.consumer(&channel, "tag");
        let before = pair.connection.counters();
        for piece in octets.chunks(piece) {
            pair.feed(piece);
        }
        let after = pair.connection.counters();
        let read = after.bytes_received - before.bytes_received;
        assert_eq!(read, octets.len() as u64);
        assert_eq!(after.frames_received - before.frames_received, n_frames);
        assert_eq!(after.delivered, 3);
        assert!(after.bytes_buffered > 200_000);
    }
}

#[test]
fn confirms_are_outstanding_until_they_are_answered() {
    let mut pair = Pair::open_tuned(&quiet(), (2, 131_072, 0));
    let publisher = pair.publisher();
    for _ in 0..10 {
        send(&publisher);
    }
    assert_eq!(outstanding(&pair), 10);
    pair.feed(&wire::ack(1, 5, false));
    pair.feed(&wire::ack(1, 5, false));
    assert_eq!(outstanding(&pair), 9);
    pair.feed(&wire::nack(1, 2, true));
    assert_eq!(outstanding(&pair), 7);
    // Covers one that was answered before.
    pair.feed(&wire::ack(1, 6, true));
    assert_eq!(outstanding(&pair), 4);
    let counters = pair.connection.counters();
    assert_eq!((counters.confirmed, counters.nacked), (4, 2));
    // What ends with its channel is not outstanding, and does not disturb others.
    pair.sent();
    let other = pair.publisher();
    send(&other);
    pair.sent();
    assert_eq!(outstanding(&pair), 5);
    pair.feed(&wire::channel_close(1));
    pair.sent();
    assert_eq!(outstanding(&pair), 1);
    let again = pair.publisher();
    assert_eq!(again.channel().id(), 1);
    send(&again);
    assert_eq!(outstanding(&pair), 2);
    pair.feed(&wire::ack(1, 0, true));
    pair.feed(&wire::ack(2, 0, true));
    assert_eq!(outstanding(&pair), 0);
    let counters = pair.connection.counters();
    assert_eq!((counters.confirmed, counters.nacked), (6, 2));
    assert_eq!(counters.published, 12);
}

#[test]
fn requests_waiters_channels_and_consumers_come_and_go() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(1));
    let channel = pair.channel();
    let publishing = pair.channel();
    let consumer = pair.consumer(&channel, "first");
    let _other = pair.consumer(&channel, "second");
    let message = Message::new("body");
    publish(&publishing, "key", 4);
    let waiting = Task::start(publishing.basic_publish("", "key", &message));
    let _committing = Task::start(channel.tx_commit());
    let _parked = Task::start(channel.queue_purge("q"));
    let counters = pair.connection.counters();
    assert_eq!(counters.channels, 2);
    assert_eq!(counters.consumers, 2);
    assert_eq!(counters.requests_outstanding, 2);
    assert_eq!(counters.publishers_waiting, 1);
    assert!(counters.bytes_queued > 0);
    drop(waiting);
    pair.sent();
    pair.says(1, &amqp_spec::tx::CommitOk {});
    pair.says(1, &amqp_spec::queue::PurgeOk { message_count: 0 });
    let mut cancelling = Task::start(consumer.cancel());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "first"));
    cancelling.ready().unwrap();
    let counters = pair.connection.counters();
    assert_eq!(counters.consumers, 1);
    assert_eq!(counters.requests_outstanding, 0);
    assert_eq!(counters.publishers_waiting, 0);
    pair.feed(&wire::channel_close(1));
    let counters = pair.connection.counters();
    assert_eq!((counters.channels, counters.consumers), (1, 0));
    pair.eof();
    let counters = pair.connection.counters();
    assert_eq!((counters.channels, counters.bytes_queued), (0, 0));
}

#[test]
fn what_is_fetched_refused_and_returned_is_counted() {
    fn fetch(pair: &mut Pair, channel: &Channel, tag: u64) -> crate::Delivery {
        let mut getting = Task::start(channel.basic_get("q"));
        pair.sent();
        pair.feed(&wire::content(1, &wire::get_ok(tag), b"body"));
        getting.ready().unwrap().unwrap().delivery
    }
    let (mut pair, channel) = Pair::with_channel();
    fetch(&mut pair, &channel, 1).ack().unwrap();
    fetch(&mut pair, &channel, 2).nack(Requeue::Yes).unwrap();
    fetch(&mut pair, &channel, 3).reject(Requeue::No).unwrap();
    fetch(&mut pair, &channel, 4).ack().unwrap();
    let mut empty = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.says(1, &basic::GetEmpty {});
    assert!(empty.ready().unwrap().is_none());
    pair.feed(&wire::returned(1, "key", b"body"));
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    let counters = pair.connection.counters();
    assert_eq!(
        (counters.fetched, counters.acked, counters.refused),
        (4, 2, 2)
    );
    assert_eq!(counters.returned, 1);
    assert_eq!(counters.events_missed, 0);
}

#[test]
fn settlements_count_messages_and_not_frames() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let mut deliveries = pair.deliver(&mut consumer, 1..=1050).into_iter();
    let settled = |pair: &Pair| {
        let counters = pair.connection.counters();
        (counters.acked, counters.refused)
    };
    // One by one, in order and not.
    deliveries.next().unwrap().ack().unwrap();
    deliveries.nth(1).unwrap().ack().unwrap();
    assert_eq!(settled(&pair), (2, 0));
    for tag in (100..=1000).step_by(100) {
        channel.basic_ack(tag, Multiple::Yes).unwrap();
    }
    assert_eq!(settled(&pair), (1000, 0));
    channel.basic_ack(1010, Multiple::No).unwrap();
    channel
        .basic_nack(1005, Multiple::Yes, Requeue::Yes)
        .unwrap();
    channel.basic_reject(1020, Requeue::No).unwrap();
    assert_eq!(settled(&pair), (1001, 6));
    // The rest: all that there are.
    channel.basic_ack(0, Multiple::Yes).unwrap();
    let counters = pair.connection.counters();
    assert_eq!(counters.acked + counters.refused, counters.delivered);
    assert_eq!(counters.refused, 6);
}

#[test]
fn what_was_settled_out_of_order_is_counted_once() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    for (at, delivery) in pair.deliver(&mut consumer, 1..=7).into_iter().enumerate() {
        match at {
            0 | 2 | 4 => {
                delivery.ack().unwrap();
            }
            _ => std::mem::forget(delivery),
        }
    }
    channel.basic_ack(2, Multiple::No).unwrap();
    channel.basic_ack(4, Multiple::No).unwrap();
    assert_eq!(pair.connection.counters().acked, 5);
    channel.basic_ack(100, Multiple::Yes).unwrap();
    assert_eq!(pair.connection.counters().acked, 7);
}
