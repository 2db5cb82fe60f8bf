//! Settling deliveries, and when acks are merged: only where the broker cannot tell the difference.

use std::collections::BTreeMap;

use amqp_spec::basic::{self, Properties};
use amqp_spec::frame::FrameKind;
use amqp_spec::wire::FieldTable;
use amqp_spec::{Method, field_table, tx};

use super::send_order::publish;
use crate::consume::{Multiple, Settled, StreamOffset};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Consumer, Delivery, Requeue};

/// A consumer with so many deliveries to be settled.
fn delivered(n: u64) -> (Pair, Channel, Consumer, Vec<Option<Delivery>>) {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let deliveries = pair.deliver(&mut consumer, 1..=n);
    // Position 0 stands for no delivery, so that tags are positions.
    let deliveries = std::iter::once(None)
        .chain(deliveries.into_iter().map(Some))
        .collect();
    (pair, channel, consumer, deliveries)
}

/// What is sent when these deliveries, of five, are acknowledged in this order.
#[track_caller]
fn acked(order: &[usize]) -> Vec<String> {
    let (mut pair, _channel, _consumer, mut deliveries) = delivered(5);
    for &tag in order {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    pair.sent()
}

#[test]
fn consecutive_acks_are_merged_when_everything_below_is_settled() {
    assert_eq!(acked(&[1]), ["1 basic.ack 1"]);
    assert_eq!(acked(&[1, 2]), ["1 basic.ack 2 multiple"]);
    assert_eq!(acked(&[1, 2, 3, 4, 5]), ["1 basic.ack 5 multiple"]);
    assert_eq!(acked(&[2, 1]), ["1 basic.ack 2 multiple"]);
}

#[test]
fn delivery_without_a_number_is_not_settled() {
    let (mut pair, _channel, mut consumer, mut deliveries) = delivered(2);
    pair.feed(&wire::delivery(1, "tag", 0, b"message"));
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    assert_eq!(pair.sent(), [""; 0], "an ack of 0 means all there are");
    for tag in [1, 2] {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
}

#[test]
fn acks_are_not_merged_across_a_gap() {
    assert_eq!(acked(&[2, 3]), ["1 basic.ack 2", "1 basic.ack 3"]);
    assert_eq!(acked(&[1, 3]), ["1 basic.ack 1", "1 basic.ack 3"]);
    assert_eq!(
        acked(&[5, 4, 3, 2]),
        [
            "1 basic.ack 5",
            "1 basic.ack 4",
            "1 basic.ack 3",
            "1 basic.ack 2"
        ]
    );
}

#[test]
fn acks_are_merged_again_once_the_gap_is_closed() {
    assert_eq!(
        acked(&[1, 3, 2]),
        ["1 basic.ack 1", "1 basic.ack 3 multiple"]
    );
    assert_eq!(
        acked(&[1, 3, 2, 4, 5]),
        ["1 basic.ack 1", "1 basic.ack 5 multiple"]
    );
}

#[test]
fn ack_that_was_written_is_not_merged_with() {
    let (mut pair, _channel, _consumer, mut deliveries) = delivered(2);
    deliveries[1].take().unwrap().ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    deliveries[2].take().unwrap().ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
}

/// What is sent when something comes between the acks of 1 and 2.
#[track_caller]
fn acked_around(between: impl FnOnce(&mut Pair, &Channel)) -> Vec<String> {
    let (mut pair, channel, _consumer, mut deliveries) = delivered(2);
    deliveries[1].take().unwrap().ack().unwrap();
    between(&mut pair, &channel);
    deliveries[2].take().unwrap().ack().unwrap();
    pair.sent()
}

#[test]
fn acks_are_not_merged_across_anything_else() {
    let publish = acked_around(|_, channel| publish(channel, "key", 0));
    assert_eq!(publish[3..], ["1 basic.ack 2"]);
    let request = acked_around(|_, channel| drop(Task::start(channel.queue_purge("q"))));
    assert_eq!(
        request,
        ["1 basic.ack 1", "1 queue.purge q", "1 basic.ack 2"]
    );
    let by_number = acked_around(|_, channel| {
        channel.basic_nack(9, Multiple::No, Requeue::No).unwrap();
    });
    assert_eq!(
        by_number,
        ["1 basic.ack 1", "1 basic.nack 9", "1 basic.ack 2"]
    );
    let other = acked_around(|pair, _| {
        let connection = pair.connection.clone();
        drop(Task::start(async move { connection.open_channel().await }));
    });
    let expected = [
        "1 basic.ack 1",
        "2 channel.open",
        "2 channel.close 200",
        "1 basic.ack 2",
    ];
    assert_eq!(other, expected);
    let raw = acked_around(|pair, _| {
        pair.core
            .shared()
            .outbox()
            .order_mut()
            .push_raw(&amqp_spec::frame::HEARTBEAT);
    });
    assert_eq!(raw, ["1 basic.ack 1", "0 heartbeat", "1 basic.ack 2"]);
}

#[test]
fn acks_of_two_channels_are_not_merged() {
    let (mut pair, first) = Pair::with_channel();
    let second = pair.channel();
    let mut consumers = [pair.consumer(&first, "a"), pair.consumer(&second, "b")];
    let [a, b] = &mut consumers;
    let mut a = pair.deliver(a, 1..=2).into_iter();
    let mut b = pair.deliver(b, 1..=2).into_iter();
    for _ in 0..2 {
        a.next().unwrap().ack().unwrap();
        b.next().unwrap().ack().unwrap();
    }
    assert_eq!(
        pair.sent(),
        [
            "1 basic.ack 1",
            "2 basic.ack 1",
            "1 basic.ack 2",
            "2 basic.ack 2"
        ]
    );
}

#[test]
fn refusals_are_sent_as_they_are() {
    let (mut pair, _channel, _consumer, mut deliveries) = delivered(5);
    let mut next = (1..).map(|tag: usize| deliveries[tag].take().unwrap());
    next.next().unwrap().nack(Requeue::Yes).unwrap();
    next.next().unwrap().ack().unwrap();
    next.next().unwrap().ack().unwrap();
    next.next().unwrap().reject(Requeue::No).unwrap();
    next.next().unwrap().ack().unwrap();
    assert_eq!(
        pair.sent(),
        [
            "1 basic.nack 1 requeue",
            "1 basic.ack 3 multiple",
            "1 basic.reject 4",
            "1 basic.ack 5",
        ]
    );
}

/// What has come for a consumer with an offset: of a stream, or of what another broker takes one
/// for.
fn reading(n: u64, headers: &FieldTable) -> (Pair, Channel, Consumer, Vec<Delivery>) {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("s").tag("tag").prefetch(100);
    let mut starting = Task::start(consume.offset(StreamOffset::First).into_future());
    pair.sent();
    pair.feed(
        &[
            wire::method(1, &basic::QosOk {}),
            wire::consume_ok(1, "tag"),
        ]
        .concat(),
    );
    let mut consumer = starting.ready().unwrap();
    for tag in 1..=n {
        pair.feed(&with_headers(tag, headers));
    }
    let deliveries = (0..3).map(|_| done(consumer.next()).unwrap().unwrap());
    let deliveries = deliveries.collect();
    (pair, channel, consumer, deliveries)
}

fn with_headers(tag: u64, headers: &FieldTable) -> Vec<u8> {
    let properties = Properties::new().headers(headers.as_ref());
    let deliver = wire::method(1, &wire::deliver("tag", tag));
    [deliver, wire::header_with(1, 0, properties.as_ref())].concat()
}

#[test]
fn nothing_is_given_back_to_a_stream() {
    let offset = field_table! { "x-stream-offset" => 7_i64 };
    let (mut pair, _channel, consumer, deliveries) = reading(5, &offset);
    let mut deliveries = deliveries.into_iter();
    deliveries.next().unwrap().nack(Requeue::Yes).unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    deliveries.next().unwrap().reject(Requeue::No).unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
    let again = deliveries.next().unwrap();
    assert!(
        again
            .received()
            .clone()
            .with_redelivered(true)
            .redelivered()
    );
    again.reject(Requeue::Yes).unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 3"]);
    // What has come and was not taken, and what comes behind the end of the consumer.
    drop(consumer);
    pair.feed(&with_headers(6, &offset));
    let expected = ["1 basic.cancel tag", "1 basic.ack 6 multiple"];
    assert_eq!(pair.sent(), expected);
}

#[test]
fn an_offset_that_was_asked_for_makes_no_stream_of_a_queue() {
    let (mut pair, _channel, consumer, deliveries) = reading(4, &FieldTable::new());
    for delivery in deliveries {
        delivery.nack(Requeue::Yes).unwrap();
    }
    drop(consumer);
    pair.feed(&with_headers(5, &FieldTable::new()));
    let expected = [
        "1 basic.nack 1 requeue",
        "1 basic.nack 2 requeue",
        "1 basic.nack 3 requeue",
        "1 basic.cancel tag",
        "1 basic.nack 4 requeue",
        "1 basic.nack 5 requeue",
    ];
    assert_eq!(pair.sent(), expected);
}

#[test]
fn an_offset_that_came_makes_no_stream_of_a_queue() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    pair.feed(&with_headers(
        1,
        &field_table! { "x-stream-offset" => 7_i64 },
    ));
    let delivery = done(consumer.next()).unwrap().unwrap();
    delivery.nack(Requeue::Yes).unwrap();
    assert_eq!(pair.sent(), ["1 basic.nack 1 requeue"]);
}

#[test]
fn delivery_that_was_dropped_is_never_acknowledged_by_others() {
    let (mut pair, _channel, _consumer, mut deliveries) = delivered(4);
    drop(deliveries[2].take());
    for tag in [1, 3, 4] {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    assert_eq!(
        pair.sent(),
        ["1 basic.ack 1", "1 basic.ack 3", "1 basic.ack 4"]
    );
}

#[test]
fn settling_by_number_ends_merging_on_the_channel() {
    let (mut pair, channel, _consumer, mut deliveries) = delivered(4);
    channel.basic_ack(1, Multiple::No).unwrap();
    for tag in [2, 3, 4] {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    assert_eq!(
        pair.sent(),
        [
            "1 basic.ack 1",
            "1 basic.ack 2",
            "1 basic.ack 3",
            "1 basic.ack 4"
        ]
    );
}

/// What is sent when the first two of four deliveries are acknowledged, `between` follows, and then
/// the others are.
#[track_caller]
fn acked_on_a_transactional_channel(between: impl FnOnce(&mut Pair, &Channel)) -> Vec<String> {
    let (mut pair, channel, _consumer, mut deliveries) = delivered(4);
    let mut selecting = Task::start(channel.tx_select());
    // From the moment at which it has its place in line.
    for tag in [1, 2] {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    let mut sent = pair.sent();
    pair.says(1, &tx::SelectOk {});
    selecting.ready().unwrap();
    between(&mut pair, &channel);
    for tag in [4, 3] {
        deliveries[tag].take().unwrap().ack().unwrap();
    }
    sent.extend(pair.sent());
    sent
}

#[test]
fn acks_are_never_merged_on_a_transactional_channel() {
    assert_eq!(
        acked_on_a_transactional_channel(|_, _| ()),
        [
            "1 tx.select",
            "1 basic.ack 1",
            "1 basic.ack 2",
            "1 basic.ack 4",
            "1 basic.ack 3"
        ]
    );
}

#[test]
fn acks_that_were_rolled_back_are_not_settled_by_those_that_follow() {
    let sent = acked_on_a_transactional_channel(|pair, channel| {
        let mut rolling_back = Task::start(channel.tx_rollback());
        assert_eq!(pair.sent(), ["1 tx.rollback"]);
        pair.says(1, &tx::RollbackOk {});
        rolling_back.ready().unwrap();
    });
    assert_eq!(sent[3..], ["1 basic.ack 4", "1 basic.ack 3"]);
}

#[test]
fn deliveries_that_need_no_ack_take_part_in_the_numbering() {
    let (mut pair, channel) = Pair::with_channel();
    let mut manual = pair.consumer(&channel, "manual");
    let mut starting = Task::start(channel.consume("q").no_ack().tag("auto").into_future());
    assert_eq!(pair.sent(), ["1 basic.consume auto"]);
    pair.feed(&wire::consume_ok(1, "auto"));
    let mut automatic = starting.ready().unwrap();
    let first = pair.deliver(&mut manual, 1..=1).remove(0);
    pair.feed(&wire::delivery(1, "auto", 2, b"x"));
    drop(done(automatic.next()).unwrap().unwrap());
    let third = pair.deliver(&mut manual, 3..=3).remove(0);
    first.ack().unwrap();
    third.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "1 basic.ack 3"]);
}

#[test]
fn fetched_messages_take_part_in_the_numbering() {
    let (mut pair, channel) = Pair::with_channel();
    let mut getting = Task::start(channel.basic_get("q"));
    assert_eq!(pair.sent(), ["1 basic.get q"]);
    pair.feed(&wire::content(1, &wire::get_ok(1), b"x"));
    let got = getting.ready().unwrap().unwrap();
    let mut consumer = pair.consumer(&channel, "tag");
    let second = pair.deliver(&mut consumer, 2..=2).remove(0);
    got.delivery.ack().unwrap();
    second.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
}

#[test]
fn numbering_starts_anew_when_an_id_is_used_again() {
    let (mut pair, channel, consumer, mut deliveries) = delivered(3);
    for delivery in deliveries.drain(1..) {
        delivery.unwrap().ack().unwrap();
    }
    pair.feed(&wire::channel_close(1));
    pair.sent();
    drop((channel, consumer));
    let channel = pair.channel_with_id(1);
    let mut consumer = pair.consumer(&channel, "tag");
    let mut deliveries = pair.deliver(&mut consumer, 1..=3);
    deliveries.remove(0);
    for delivery in deliveries {
        delivery.ack().unwrap();
    }
    assert_eq!(pair.sent(), ["1 basic.ack 2", "1 basic.ack 3"]);
}

/// How the broker sees a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Acked,
    Nacked,
    Rejected,
}

/// The broker's side: what is outstanding, and what became of the rest.
#[derive(Debug, Default)]
struct Ledger {
    outstanding: BTreeMap<u64, ()>,
    fates: BTreeMap<u64, Fate>,
}

impl Ledger {
    fn settle(&mut self, tag: u64, multiple: bool, fate: Fate) {
        // RabbitMQ closes the channel with 406 if the tag itself is not outstanding.
        assert!(self.outstanding.contains_key(&tag), "unknown tag {tag}");
        let tags: Vec<u64> = if multiple {
            self.outstanding
                .range(..=tag)
                .map(|(&tag, ())| tag)
                .collect()
        } else {
            vec![tag]
        };
        for tag in tags {
            self.outstanding.remove(&tag);
            self.fates.insert(tag, fate);
        }
    }

    fn read(&mut self, octets: &[u8]) {
        for frame in wire::frames(octets).0 {
            if frame.kind != FrameKind::Method {
                continue;
            }
            match Method::decode(frame.payload).unwrap() {
                Method::BasicAck(ack) => self.settle(ack.delivery_tag, ack.multiple, Fate::Acked),
                Method::BasicNack(nack) => self.settle(nack.delivery_tag, false, Fate::Nacked),
                Method::BasicReject(reject) => {
                    self.settle(reject.delivery_tag, false, Fate::Rejected);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_delivery_meets_the_fate_it_was_given_and_no_other() {
    for seed in 1..=200 {
        let mut random = crate::tests::support::random::Random::new(seed);
        let mut pair = Pair::open_with(&quiet().write_buffer_limit(usize::MAX));
        let channel = pair.channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let mut ledger = Ledger::default();
        let mut given = BTreeMap::new();
        let mut held: Vec<Delivery> = Vec::new();
        let mut next_tag = 1;
        for _ in 0..200 {
            match random.below(20) {
                0..=4 => {
                    let last = next_tag + random.below(5);
                    held.extend(pair.deliver(&mut consumer, next_tag..=last));
                    ledger
                        .outstanding
                        .extend((next_tag..=last).map(|tag| (tag, ())));
                    next_tag = last + 1;
                }
                5 => publish(&channel, "key", 70_000),
                6 => ledger.read(&pair.sent_octets()),
                7 if !held.is_empty() => drop(held.remove(random.index(held.len()))),
                n if !held.is_empty() => {
                    // Mostly in order, as applications do.
                    let at = if n < 17 { 0 } else { random.index(held.len()) };
                    let delivery = held.remove(at);
                    let tag = delivery.delivery_tag();
                    let fate = match random.below(10) {
                        0 => Fate::Nacked,
                        1 => Fate::Rejected,
                        _ => Fate::Acked,
                    };
                    given.insert(tag, fate);
                    match fate {
                        Fate::Acked => delivery.ack(),
                        Fate::Nacked => delivery.nack(Requeue::Yes),
                        Fate::Rejected => delivery.reject(Requeue::No),
                    }
                    .unwrap();
                }
                _ => {}
            }
        }
        ledger.read(&pair.sent_octets());
        assert_eq!(ledger.fates, given, "seed {seed}");
    }
}
