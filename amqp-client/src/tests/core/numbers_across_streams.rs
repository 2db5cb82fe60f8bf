//! Deliveries when the stream is replaced: their numbers go on, what was delivered before is stale
//! however it is settled, and nothing of it reaches the next stream.

use std::future::{IntoFuture, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use amqp_spec::basic::{self, Properties};
use amqp_spec::field_table;

use super::next_stream::{replace_stream, reset};
use crate::consume::{Multiple, Settled, StreamOffset};
use crate::error::ConnectionError;
use crate::message::numbered::Numbering;
use crate::message::{Incoming, Layout, RawDelivery};
use crate::proto::Core;
use crate::tests::support::pair::{Pair, all_recover};
use crate::tests::support::schedule::{explore, look_and_go, wait_for};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ChannelError, Consumer, Delivery, Requeue};

const NOTHING: [&str; 0] = [];

/// A consumer, and its deliveries of the first stream, which has been replaced by a second.
fn replaced(n: u64) -> (Pair, Channel, Consumer, Vec<Delivery>) {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let deliveries = pair.deliver(&mut consumer, 1..=n);
    pair.goes_on();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    (pair, channel, consumer, deliveries)
}

fn tags(deliveries: &[Delivery]) -> Vec<u64> {
    deliveries.iter().map(Delivery::delivery_tag).collect()
}

#[test]
fn numbers_go_on_and_are_written_as_the_broker_counts() {
    all_recover();
    let (mut pair, channel, mut consumer, first) = replaced(3);
    let second = pair.deliver(&mut consumer, 1..=2);
    assert_eq!((tags(&first), tags(&second)), (vec![1, 2, 3], vec![4, 5]));
    pair.goes_on();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    let mut third = pair.deliver(&mut consumer, 1..=4);
    assert_eq!(tags(&third), [6, 7, 8, 9]);
    let generations = [&first, &second, &third].map(|all| all[0].generation());
    assert_eq!(generations, [0, 1, 2]);
    for delivery in first.into_iter().chain(second) {
        assert!(!delivery.is_current());
        assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    }
    assert_eq!(pair.sent(), NOTHING);
    assert_eq!(channel.basic_ack(7, Multiple::No).unwrap(), Settled::Queued);
    assert!(third[3].is_current());
    let last = third.pop().unwrap();
    assert_eq!(last.reject(Requeue::Yes).unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 2", "1 basic.reject 4 requeue"]);
    assert_eq!(pair.connection.counters().stale_settled, 5);
}

#[test]
fn fetched_and_cut_up_deliveries_are_numbered_alike() {
    all_recover();
    let (mut pair, channel, mut consumer, _first) = replaced(2);
    let mut getting = Task::start(channel.basic_get("q"));
    assert_eq!(pair.sent(), ["1 basic.get q"]);
    pair.feed(&wire::content(1, &wire::get_ok(1), b"fetched"));
    let fetched = getting.ready().unwrap().unwrap().delivery;
    assert_eq!((fetched.delivery_tag(), fetched.generation()), (3, 1));
    for octet in wire::delivery(1, "tag", 2, b"in pieces") {
        pair.feed(&[octet]);
    }
    let pieces = done(consumer.next()).unwrap().unwrap();
    assert_eq!(pieces.delivery_tag(), 4);
    fetched.ack().unwrap();
    pieces.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
    // Fetched, and the caller is gone.
    let abandoned = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(3), b"fetched"));
    drop(abandoned);
    assert_eq!(pair.sent(), ["1 basic.nack 3 requeue"]);
}

#[test]
fn deliveries_of_before_are_stale_by_number() {
    all_recover();
    let (mut pair, channel, mut consumer, _first) = replaced(3);
    let stale = |told: Result<Settled, ChannelError>| assert_eq!(told.unwrap(), Settled::Stale);
    // Nothing of the present has been delivered, and then something has.
    for _ in 0..2 {
        for tag in 1..=3 {
            stale(channel.basic_ack(tag, Multiple::No));
            stale(channel.basic_ack(tag, Multiple::Yes));
            stale(channel.basic_nack(tag, Multiple::Yes, Requeue::No));
            stale(channel.basic_reject(tag, Requeue::Yes));
        }
        assert_eq!(pair.sent(), NOTHING);
        drop(pair.deliver(&mut consumer, 1..=2));
    }
    // Of those of before and of the present that it covers, it settles those of the present.
    let told = channel.basic_nack(5, Multiple::Yes, Requeue::Yes).unwrap();
    assert_eq!(told, Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.nack 2 multiple requeue"]);
    assert_eq!(pair.connection.counters().refused, 2);
}

#[test]
fn all_there_are_is_what_the_program_has_seen() {
    all_recover();
    let (mut pair, channel, mut consumer, _first) = replaced(3);
    let all = || channel.basic_ack(0, Multiple::Yes).unwrap();
    // What the program has seen is of the stream before, and what has come it cannot mean.
    assert_eq!(all(), Settled::Stale);
    let octets: Vec<u8> = (1..=3)
        .flat_map(|n| wire::delivery(1, "tag", n, b"x"))
        .collect();
    pair.feed(&octets);
    assert_eq!(all(), Settled::Stale);
    assert_eq!(pair.sent(), NOTHING);
    drop(done(consumer.next()).unwrap().unwrap());
    drop(done(consumer.next()).unwrap().unwrap());
    assert_eq!(all(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
    assert_eq!(pair.connection.counters().acked, 2);
    // The same when they were taken all at once, and the consumer is gone.
    let mut many = Vec::new();
    pair.feed(&wire::delivery(1, "tag", 4, b"x"));
    assert_eq!(done(consumer.recv_many(&mut many, 10)).unwrap(), 1);
    assert_eq!(done(consumer.recv_many(&mut many, 10)).unwrap(), 1);
    drop(consumer);
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    assert_eq!(all(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 4 multiple"]);
}

#[test]
fn all_there_are_of_a_channel_on_which_nothing_was_delivered_before_are_not_zero_on_the_wire() {
    all_recover();
    let (mut pair, channel, mut consumer, _) = replaced(0);
    let all = || channel.basic_ack(0, Multiple::Yes).unwrap();
    pair.feed(
        &[
            wire::delivery(1, "tag", 1, b"x"),
            wire::delivery(1, "tag", 2, b"x"),
        ]
        .concat(),
    );
    assert_eq!(all(), Settled::Stale);
    drop(done(consumer.next()).unwrap().unwrap());
    assert_eq!(all(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 1 multiple"]);
}

#[test]
fn all_there_are_include_what_was_fetched() {
    all_recover();
    let (mut pair, channel, _consumer, _first) = replaced(3);
    let mut getting = Task::start(channel.basic_get("q"));
    pair.sent();
    pair.feed(&wire::content(1, &wire::get_ok(1), b"fetched"));
    drop(getting.ready().unwrap());
    let all = channel.basic_nack(0, Multiple::Yes, Requeue::Yes);
    assert_eq!(all.unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.nack 1 multiple requeue"]);
}

#[test]
fn everything_is_stale_while_the_connection_is_down_and_nothing_once_it_has_ended() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let mut deliveries = pair.deliver(&mut consumer, 1..=4);
    pair.next_stream();
    for tag in [0, 1, 4, 9] {
        let told = channel.basic_ack(tag, Multiple::Yes).unwrap();
        assert_eq!(told, Settled::Stale, "{tag}");
    }
    let delivery = deliveries.pop().unwrap();
    assert!(!delivery.is_current());
    assert_eq!(delivery.nack(Requeue::Yes).unwrap(), Settled::Stale);
    assert!(channel.basic_ack(0, Multiple::No).is_err());
    pair.core.lost(ConnectionError::DriverGone);
    let delivery = deliveries.pop().unwrap();
    assert!(!delivery.is_current());
    for error in [
        delivery.ack().unwrap_err(),
        channel.basic_ack(1, Multiple::No).unwrap_err(),
        channel.basic_ack(0, Multiple::Yes).unwrap_err(),
    ] {
        let expected = matches!(error, ChannelError::Connection(ConnectionError::DriverGone));
        assert!(expected, "{error:?}");
    }
    assert_eq!(pair.connection.counters().stale_settled, 5);
}

#[test]
fn request_to_recover_that_gets_through_a_loss_takes_back_what_is_of_the_present_only() {
    all_recover();
    let (mut pair, channel, mut consumer, first) = replaced(2);
    let present = pair.deliver(&mut consumer, 1..=2);
    let recovering = channel.clone();
    let mut recovering = Task::start(async move { recovering.basic_recover().await });
    assert_eq!(pair.sent(), ["1 basic.recover"]);
    pair.says(1, &basic::RecoverOk {});
    recovering.ready().unwrap();
    for delivery in first.into_iter().chain(present) {
        assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    }
    let again = pair.deliver(&mut consumer, 3..=3);
    assert_eq!(tags(&again), [5]);
    assert_eq!(
        channel.basic_ack(0, Multiple::Yes).unwrap(),
        Settled::Queued
    );
    assert_eq!(pair.sent(), ["1 basic.ack 3 multiple"]);
}

#[test]
fn number_that_a_broker_does_not_count_to_is_nothing_to_be_afraid_of() {
    all_recover();
    let (mut pair, channel, mut consumer, _first) = replaced(2);
    pair.feed(&wire::delivery(1, "tag", u64::MAX, b"x"));
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    pair.goes_on();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    pair.feed(&wire::delivery(1, "tag", 1, b"x"));
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.ack().unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
}

#[test]
fn settling_all_while_the_stream_is_replaced_settles_nothing_of_the_next() {
    all_recover();
    for tag in [0, 1, 2] {
        let n_orders = explore(|| {
            let (mut pair, channel) = Pair::with_channel();
            let mut consumer = pair.consumer(&channel, "tag");
            drop(pair.deliver(&mut consumer, 1..=2));
            let settling = channel.clone();
            let program = move || {
                settling.basic_ack(tag, Multiple::Yes).unwrap();
            };
            let check = move || {
                let shared = channel.shared();
                let queued = shared.connection.outbox().order().queued();
                let header = amqp_spec::frame::PROTOCOL_HEADER.len();
                assert_eq!(queued, header, "settled on the next stream");
                drop(consumer);
            };
            pair.against(program, replace_stream, check)
        });
        assert!(n_orders > 2, "only {n_orders} orders");
    }
}

#[test]
fn nothing_of_the_stream_before_is_yielded_behind_the_first_of_the_next() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let octets: Vec<u8> = (1..=2)
            .flat_map(|n| wire::delivery(1, "tag", n, b"old"))
            .collect();
        pair.feed(&octets);
        let queue = Arc::clone(consumer.queue());
        let adapter = move |core: &mut Core| {
            core.lost(reset());
            let message = Incoming::new(Box::default(), Layout::default());
            let numbered = Numbering::after(2, 1).number(1);
            let mut batch = vec![RawDelivery::new(message, numbered, false)];
            queue.deliver(&mut batch, 0, &mut Vec::new());
        };
        let seen = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&seen);
        let left = Arc::new(Mutex::new(None));
        let leaves = Arc::clone(&left);
        let program = move || {
            for _ in 0..3 {
                if let Some(next) = look_and_go(consumer.next()) {
                    told.lock().unwrap().push(next.unwrap().unwrap());
                }
            }
            *leaves.lock().unwrap() = Some(consumer);
        };
        let check = move || {
            let mut seen = std::mem::take(&mut *seen.lock().unwrap());
            let mut consumer = left.lock().unwrap().take().expect("a consumer");
            if !seen.iter().any(|one| one.generation() == 1) {
                seen.push(done(consumer.next()).unwrap().unwrap());
            }
            let generations: Vec<u64> = seen.iter().map(Delivery::generation).collect();
            let (old, new) = generations.split_at(generations.len() - 1);
            assert!(old.len() < 3 && old.iter().all(|one| *one == 0) && new == [1]);
            Task::start(consumer.next()).pending();
            drop((seen, channel));
        };
        pair.against(program, adapter, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn holder_of_a_delivery_is_told_when_it_is_lost() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let first = pair.deliver(&mut consumer, 1..=2);
    let mut lost = Task::start(first[0].lost());
    let mut forgotten = Task::start(first[1].lost());
    lost.pending();
    forgotten.pending();
    assert_eq!(channel.shared().n_waiting_for_lost(), 2);
    drop(forgotten);
    assert_eq!(channel.shared().n_waiting_for_lost(), 1);
    pair.goes_on();
    lost.ready();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    done(first[1].lost());
    // Given back by the program.
    let second = pair.deliver(&mut consumer, 1..=1);
    let mut lost = Task::start(second[0].lost());
    let recovering = channel.clone();
    let mut recovering = Task::start(async move { recovering.basic_recover().await });
    assert_eq!(pair.sent(), ["1 basic.recover"]);
    lost.pending();
    pair.says(1, &basic::RecoverOk {});
    recovering.ready().unwrap();
    lost.ready();
    // Ended with its channel, which nothing brings back.
    let third = pair.deliver(&mut consumer, 2..=2);
    let mut lost = Task::start(third[0].lost());
    pair.feed(&wire::channel_close(1));
    lost.ready();
    done(third[0].lost());
    assert_eq!(channel.shared().n_waiting_for_lost(), 0);
}

#[test]
fn holder_of_a_delivery_is_told_whenever_it_begins_to_wait() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let delivery = pair.deliver(&mut consumer, 1..=1).pop().expect("one");
        let program = move || wait_for(delivery.lost());
        let adapter = |core: &mut Core| core.lost(reset());
        pair.against(program, adapter, move || drop((channel, consumer)))
    });
    assert!(n_orders > 1, "only {n_orders} orders");
}

#[test]
fn handler_that_outlives_the_stream_is_no_failure_and_its_run_goes_on() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    let queue = Arc::clone(consumer.queue());
    let (doors, entered) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(0)));
    let (opened, counted) = (Arc::clone(&doors), Arc::clone(&entered));
    let handler = move |_| {
        *counted.lock().unwrap() += 1;
        let opened = Arc::clone(&opened);
        poll_fn(move |context| match opened.lock().unwrap().pop() {
            Some(()) => Poll::Ready(()),
            None => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        })
    };
    let stop = Arc::new(Mutex::new(false));
    let stopped = Arc::clone(&stop);
    let until = poll_fn(move |_| match *stopped.lock().unwrap() {
        true => Poll::Ready(()),
        false => Poll::Pending,
    });
    let mut handling = Task::new(consumer.handle(handler).concurrency(2).until(until));
    pair.feed(
        &[
            wire::delivery(1, "tag", 1, b"long"),
            wire::delivery(1, "tag", 2, b"longer"),
            wire::delivery(1, "tag", 3, b"not begun"),
        ]
        .concat(),
    );
    assert!(handling.poll().is_pending());
    assert_eq!(*entered.lock().unwrap(), 2);
    pair.next_stream();
    assert!(handling.poll().is_pending());
    doors.lock().unwrap().push(());
    assert!(handling.poll().is_pending());
    pair.reopens((2047, 131_072, 0));
    pair.opens_again(&channel);
    pair.starts_again_of(&channel, &queue);
    doors.lock().unwrap().push(());
    assert!(handling.poll().is_pending());
    assert_eq!(pair.sent(), NOTHING);
    assert_eq!(
        *entered.lock().unwrap(),
        2,
        "what was not begun comes again"
    );
    pair.feed(&wire::delivery(1, "tag", 1, b"again"));
    assert!(handling.poll().is_pending());
    doors.lock().unwrap().push(());
    assert!(handling.poll().is_pending());
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    *stop.lock().unwrap() = true;
    let Poll::Ready(handled) = handling.poll() else {
        panic!("goes on")
    };
    let counts = [
        handled.handled,
        handled.stale,
        handled.acked,
        handled.unsettled,
        handled.failed,
        handled.given_back,
    ];
    assert_eq!(counts, [3, 2, 1, 0, 0, 0], "{handled:?}");
    assert!(handled.result().is_ok());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
}

#[test]
fn consumer_of_a_stream_goes_on_behind_what_was_yielded() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("s").tag("tag").prefetch(100);
    let mut starting = Task::start(consume.offset(StreamOffset::First).into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    assert_eq!(consumer.queue().resume_offset(), None);
    let message = |tag, offset: i64| {
        let headers = field_table! { "x-stream-offset" => offset };
        let properties = Properties::new().headers(headers.as_ref());
        let deliver = wire::method(1, &wire::deliver("tag", tag));
        [deliver, wire::header_with(1, 0, properties.as_ref())].concat()
    };
    for (tag, offset) in [(1, 0), (2, 7), (3, 8), (4, 20)] {
        pair.feed(&message(tag, offset));
    }
    assert_eq!(consumer.queue().resume_offset(), None);
    drop(done(consumer.next()).unwrap().unwrap());
    assert_eq!(consumer.queue().resume_offset(), Some(1));
    let mut many = Vec::new();
    assert_eq!(done(consumer.recv_many(&mut many, 2)).unwrap(), 2);
    assert_eq!(consumer.queue().resume_offset(), Some(9));
    pair.next_stream();
    assert_eq!(consumer.queue().resume_offset(), Some(9));
    // Of a queue, whatever a message says.
    let mut plain = {
        let (mut pair, channel) = Pair::with_channel();
        let mut plain = pair.consumer(&channel, "tag");
        pair.feed(&message(1, 5));
        drop(done(plain.next()).unwrap().unwrap());
        plain
    };
    assert_eq!(plain.queue().resume_offset(), None);
    drop(done(plain.next()));
}
