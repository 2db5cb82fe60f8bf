//! Messages above `max_message_size`: told, skipped, and settled by the program alone.

use std::future::IntoFuture;

use amqp_spec::basic;

use crate::consume::{HandlerEnd, WhenOversized};
use crate::error::Initiator;
use crate::error::OversizedMessage;
use crate::event::Event;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ChannelError, ConsumeError, Consumer, Message, PublishError, Requeue, rpc};

const LIMIT: u64 = 10;
const FITS: &[u8] = b"0123456789";
const TOO_LARGE: &[u8] = b"0123456789a";

fn limited() -> (Pair, Channel) {
    let mut pair = Pair::open_with(&quiet().max_message_size(LIMIT));
    let channel = pair.channel();
    (pair, channel)
}

fn told(message: &OversizedMessage) -> (u64, u64, u64, &str, &str, bool) {
    let OversizedMessage {
        delivery_tag,
        size,
        limit,
        queue,
        routing_key,
        lost,
    } = message;
    (*delivery_tag, *size, *limit, queue, routing_key, *lost)
}

#[track_caller]
fn assert_told(consumer: &mut Consumer, tag: u64, size: u64) {
    match done(consumer.next()) {
        Some(Err(ConsumeError::MessageTooLarge(message))) => {
            assert_eq!(told(&message), (tag, size, LIMIT, "q", "key", false));
        }
        other => panic!("{other:?}"),
    }
    assert!(done(consumer.next()).is_none());
}

#[test]
fn consumer_yields_what_came_before_and_ends_and_nothing_is_settled() {
    let (mut pair, channel) = limited();
    let mut events = channel.events();
    let mut consumer = pair.consumer(&channel, "tag");
    let mut other = pair.consumer(&channel, "other");
    let read = [
        wire::delivery(1, "tag", 1, FITS),
        wire::delivery(1, "tag", 2, TOO_LARGE),
        wire::delivery(1, "other", 3, FITS),
        // On its way before the broker has heard of the end.
        wire::delivery(1, "tag", 4, FITS),
    ];
    pair.feed(&read.concat());
    assert_eq!(
        pair.sent(),
        ["1 basic.cancel tag", "1 basic.nack 4 requeue"]
    );
    let first = done(consumer.next()).unwrap().unwrap();
    assert_eq!(first.body(), FITS);
    assert_told(&mut consumer, 2, 11);
    assert_eq!(done(other.next()).unwrap().unwrap().delivery_tag(), 3);
    pair.feed(&wire::cancel_ok(1, "tag"));
    drop(consumer);
    assert_eq!(pair.sent(), [""; 0]);
    channel.basic_reject(2, Requeue::No).unwrap();
    first.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.reject 2", "1 basic.ack 1"]);
    match done(events.next()) {
        Some(Event::MessageTooLarge {
            channel: 1,
            message,
        }) => {
            assert_eq!(told(&message), (2, 11, LIMIT, "q", "key", false));
        }
        other => panic!("{other:?}"),
    }
    let cancelled = done(events.next());
    let by = Initiator::Library;
    assert!(matches!(cancelled, Some(Event::ConsumerCancelled { by: found, .. }) if found == by));
}

#[test]
fn body_is_skipped_however_it_comes_and_the_next_message_is_read() {
    let large = vec![b'x'; 300_000];
    for step in [1000, 20_000, 131_072, 400_000] {
        let (mut pair, channel) = limited();
        let mut consumer = pair.consumer(&channel, "tag");
        let mut other = pair.consumer(&channel, "other");
        let octets = [
            wire::delivery(1, "tag", 1, &large),
            wire::delivery(1, "other", 2, FITS),
        ];
        for piece in octets.concat().chunks(step) {
            pair.feed(piece);
        }
        assert_told(&mut consumer, 1, 300_000);
        assert_eq!(done(other.next()).unwrap().unwrap().body(), FITS);
    }
}

#[test]
fn more_body_than_was_announced_is_a_violation_there_too() {
    let (mut pair, channel) = limited();
    let _consumer = pair.consumer(&channel, "tag");
    let announced = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header(1, 11),
    ];
    pair.feed(&announced.concat());
    pair.feed(&wire::body(1, &[b'x'; 12], wire::FRAME_MAX));
    assert_eq!(pair.sent().last().unwrap(), "0 connection.close 501");
}

#[test]
fn consumer_that_was_told_to_reject_goes_on() {
    let (mut pair, channel) = limited();
    let consume = channel
        .consume("q")
        .tag("tag")
        .when_oversized(WhenOversized::Reject);
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let read = [
        wire::delivery(1, "tag", 1, TOO_LARGE),
        wire::delivery(1, "tag", 2, FITS),
    ];
    pair.feed(&read.concat());
    assert_eq!(pair.sent(), ["1 basic.reject 1"]);
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.delivery_tag(), 2);
    delivery.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 2"]);
}

#[test]
fn without_acknowledgements_the_loss_is_told_behind_all_that_came() {
    let (mut pair, channel) = limited();
    let mut starting = Task::start(channel.consume("q").tag("tag").no_ack().into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 1, TOO_LARGE));
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.feed(&[wire::delivery(1, "tag", 2, FITS), wire::cancel_ok(1, "tag")].concat());
    assert_eq!(done(consumer.next()).unwrap().unwrap().body(), FITS);
    match done(consumer.next()) {
        Some(Err(ConsumeError::MessageTooLarge(message))) => assert!(message.lost),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn consumer_that_is_dropped_before_it_has_told_gives_the_message_back() {
    let (mut pair, channel) = limited();
    let consumer = pair.consumer(&channel, "tag");
    pair.feed(&wire::delivery(1, "tag", 1, TOO_LARGE));
    drop(consumer);
    assert_eq!(
        pair.sent(),
        ["1 basic.cancel tag", "1 basic.nack 1 requeue"]
    );
}

#[test]
fn fetched_message_is_told_with_its_number_and_the_channel_goes_on() {
    let (mut pair, channel) = limited();
    let mut getting = Task::start(channel.basic_get("orders"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(7), TOO_LARGE));
    match getting.ready() {
        Err(ChannelError::MessageTooLarge(message)) => {
            assert_eq!(told(&message), (7, 11, LIMIT, "orders", "key", false));
        }
        other => panic!("{other:?}"),
    }
    channel
        .basic_nack(7, crate::consume::Multiple::No, Requeue::Yes)
        .unwrap();
    assert_eq!(pair.sent(), ["1 basic.nack 7 requeue"]);
    // A caller that has gone, before or behind the answer.
    drop(getting);
    let getting = Task::start(channel.basic_get("orders"));
    pair.sent();
    drop(getting);
    pair.feed(&wire::content(1, &wire::get_ok(8), TOO_LARGE));
    assert_eq!(pair.sent(), ["1 basic.nack 8 requeue"]);
    let getting = Task::start(channel.basic_get("orders"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(9), TOO_LARGE));
    drop(getting);
    assert_eq!(pair.sent(), ["1 basic.nack 9 requeue"]);
    let mut getting = Task::start(channel.basic_get_no_ack("orders"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(10), TOO_LARGE));
    match getting.ready() {
        Err(ChannelError::MessageTooLarge(message)) => assert!(message.lost),
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn message_of_our_own_that_comes_back_is_as_large_as_it_was_sent() {
    let mut pair = Pair::open_with(&quiet().max_message_size(LIMIT));
    let publisher = pair.publisher();
    let mut publishing = Task::start(publisher.publish("", "nosuch", Message::new(TOO_LARGE)));
    pair.sent();
    pair.feed(&wire::returned(1, "nosuch", TOO_LARGE));
    // Larger than anything that was sent, so that it is not ours.
    pair.feed(&wire::returned(1, "nosuch", b"0123456789ab"));
    pair.feed(&wire::ack(1, 1, false));
    match publishing.ready() {
        Err(PublishError::Returned(back)) => assert_eq!(back.body(), TOO_LARGE),
        other => panic!("{other:?}"),
    }
    assert!(pair.connection.is_open());
}

#[test]
fn reply_that_is_too_large_is_told_to_its_call_and_to_no_other() {
    let mut pair = Pair::open_with(&quiet().max_message_size(LIMIT));
    let mut opening = Task::start(rpc::Client::open(&pair.connection.clone()).into_future());
    pair.sent();
    pair.says(1, &amqp_spec::channel::OpenOk {});
    assert!(opening.run().is_pending());
    pair.sent();
    pair.says(1, &amqp_spec::confirm::SelectOk {});
    assert!(opening.run().is_pending());
    let consume = pair.sent();
    let tag = consume[0]
        .strip_prefix("1 basic.consume ")
        .unwrap()
        .to_owned();
    pair.feed(&wire::consume_ok(1, &tag));
    let client = opening.ready().unwrap();
    let mut first = Task::start(client.call("", "q", Message::new("1")).into_future());
    let mut second = Task::start(client.call("", "q", Message::new("2")).into_future());
    pair.sent();
    pair.feed(&wire::ack(1, 2, true));
    assert!(first.run().is_pending() && second.run().is_pending());
    let reply = |id: &str, n, body: &[u8]| {
        let properties = basic::Properties::new().correlation_id(wire::short(id));
        let size = body.len() as u64;
        [
            wire::method(1, &wire::deliver(&tag, n)),
            wire::header_with(1, size, properties.as_ref()),
            wire::body(1, body, wire::FRAME_MAX),
        ]
        .concat()
    };
    pair.feed(&[reply("1", 1, TOO_LARGE), reply("2", 2, FITS)].concat());
    let first = first.ready();
    assert!(
        matches!(first, Err(rpc::Error::ReplyTooLarge { size: 11 })),
        "{first:?}"
    );
    assert_eq!(second.ready().unwrap().body(), FITS);
}

#[test]
fn handling_ends_with_the_message_that_was_too_large() {
    let (mut pair, channel) = limited();
    let consumer = pair.consumer(&channel, "tag");
    let mut handling = Task::start(
        consumer
            .handle(async |_| Ok::<(), String>(()))
            .into_future(),
    );
    pair.feed(&wire::delivery(1, "tag", 1, FITS));
    assert!(handling.run().is_pending());
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    pair.feed(&wire::delivery(1, "tag", 2, TOO_LARGE));
    let end = handling.ready().end;
    let HandlerEnd::Failed(ConsumeError::MessageTooLarge(message)) = end else {
        panic!("{end:?}");
    };
    assert_eq!(message.delivery_tag, 2);
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
}
