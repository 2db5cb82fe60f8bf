//! What is lost with a stream and told to no caller: publishes outside of confirm mode, and
//! deliveries that the broker takes for acknowledged. An event counts them.

use crate::event::{Event, Lost};
use crate::tests::support::pair::{Pair, all_recover};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message};

/// The stream is lost, and with it this many publishes and deliveries.
#[track_caller]
fn assert_takes(pair: &mut Pair, plain_publishes: u64, no_ack_unread: u64) {
    let mut events = pair.connection.events();
    pair.loses();
    let lost = loop {
        match done(events.next()) {
            Some(Event::Lost { lost, .. }) => break lost,
            Some(Event::ChannelClosed { .. }) => {}
            other => panic!("{other:?}"),
        }
    };
    let Lost {
        plain_publishes: publishes,
        no_ack_unread: unread,
    } = lost;
    assert_eq!((publishes, unread), (plain_publishes, no_ack_unread));
}

fn publish(channel: &Channel, body: &[u8]) {
    done(channel.basic_publish("", "k", body)).unwrap();
}

#[test]
fn plain_publishes_that_were_not_written_whole_are_counted() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let other = pair.channel();
    let publisher = pair.publisher();
    publish(&channel, b"written");
    assert_eq!(pair.written_now().len(), 3);
    for _ in 0..3 {
        publish(&channel, b"queued");
    }
    publish(&other, b"queued");
    // Numbered ones are told to those who wait.
    publish(publisher.channel(), b"numbered");
    let confirmation = done(publisher.send("", "k", "numbered")).unwrap();
    assert_takes(&mut pair, 4, 0);
    drop(confirmation);
}

#[test]
fn large_one_half_written_counts_and_so_does_what_waits_behind_it() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, &vec![b'.'; 400_000]);
    pair.write_limit = 200_000;
    assert!(!pair.written_octets().is_empty());
    publish(&channel, b"parked");
    pair.write_limit = usize::MAX;
    assert_takes(&mut pair, 2, 0);
}

#[test]
fn publishes_in_front_of_confirm_select_are_counted_and_those_behind_are_not() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, b"plain");
    publish(&channel, b"plain");
    let mut select = Task::start(channel.confirm_select());
    publish(&channel, b"numbered");
    assert_takes(&mut pair, 2, 0);
    select.pending();
}

#[test]
fn publishes_of_a_channel_that_was_being_closed_are_counted() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, b"plain");
    let mut closing = Task::start(async move { channel.close().await });
    assert_takes(&mut pair, 1, 0);
    closing.ready().unwrap();
}

#[test]
fn nothing_is_counted_where_nothing_was_queued_or_where_all_of_it_waits() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, b"written");
    assert_eq!(pair.written_now().len(), 3);
    assert_takes(&mut pair, 0, 0);
    let message = Message::new("body");
    let mut waiting = Task::start(channel.basic_publish("", "k", &message));
    pair.connects();
    pair.reopens((2047, 131_072, 0));
    pair.opens_again(&channel);
    waiting.ready().unwrap();
    // Its message is queued now, and lost with this stream.
    assert_takes(&mut pair, 1, 0);
}

#[test]
fn deliveries_without_acknowledgements_that_had_come_in_part_are_counted() {
    for (no_ack, whole) in [(true, false), (true, true), (false, false)] {
        all_recover();
        let (mut pair, channel) = Pair::with_channel();
        let (tag, id) = ("tag", channel.id());
        let starting = channel.consume("q").tag(tag);
        if no_ack {
            let mut starting = Task::start(starting.no_ack().into_future());
            pair.sent();
            pair.feed(&wire::consume_ok(id, tag));
            let mut consumer = starting.ready().unwrap();
            begin_delivery(&mut pair, id, tag, whole);
            assert_takes(&mut pair, 0, u64::from(!whole));
            if whole {
                let delivery = done(consumer.next()).unwrap().unwrap();
                assert_eq!(delivery.body(), b"body");
            } else {
                drop(Task::start(consumer.next()));
            }
        } else {
            let consumer = pair.consumer(&channel, tag);
            begin_delivery(&mut pair, id, tag, whole);
            assert_takes(&mut pair, 0, 0);
            drop(consumer);
        }
    }
}

fn begin_delivery(pair: &mut Pair, id: u16, tag: &str, whole: bool) {
    pair.says(id, &wire::deliver(tag, 1));
    pair.feed(&wire::header(id, 4));
    if whole {
        pair.feed(&wire::body(id, b"body", wire::FRAME_MAX));
    }
}

#[test]
fn message_that_is_fetched_is_told_to_its_caller_instead() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut get = Task::start(channel.basic_get_no_ack("q"));
    pair.sent();
    pair.says(channel.id(), &wire::get_ok(1));
    assert_takes(&mut pair, 0, 0);
    assert!(get.ready().is_err());
}
