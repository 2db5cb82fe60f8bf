//! How a shutdown ends: by itself, by its grace, and by whatever else ends the connection.

use std::time::Duration;

use super::{GRACE, assert_over, closed, closed_clean, counts, next, shut_down, shut_down_within};
use crate::connection::State;
use crate::error::ConnectionError;
use crate::options::Recovery;
use crate::tests::support::comeback::{Comeback, reset};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Consumer, Delivery, Message, QueueDeclare};

/// A delivery in hand, and one that is not yielded.
fn working() -> (Pair, Consumer, Delivery) {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "c");
    super::deliver(&mut pair, "c", 1..=2);
    let held = next(&mut consumer);
    (pair, consumer, held)
}

#[test]
fn connection_with_nothing_to_do_closes_at_once() {
    let mut pair = Pair::open();
    let task = shut_down(&pair);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
    // Again, when it is over.
    let report = done(pair.connection.shutdown(GRACE));
    assert!(report.is_clean());
}

#[test]
fn state_is_closing_from_the_beginning() {
    let (mut pair, _consumer, held) = working();
    let task = shut_down(&pair);
    assert!(matches!(pair.connection.state(), State::Closing));
    // It still takes what is to be done about deliveries.
    assert!(pair.connection.is_open());
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "c"));
    held.ack().unwrap();
    pair.sent();
    assert!(!pair.connection.is_open());
    closed_clean(&mut pair, task);
    let state = pair.connection.state();
    assert!(matches!(state, State::Closed(ConnectionError::Closed)));
}

#[test]
fn grace_bounds_what_is_in_hand_and_a_cancel_without_an_answer() {
    let (mut pair, _consumer, held) = working();
    let mut task = shut_down(&pair);
    pair.sent();
    // `cancel-ok` never comes.
    pair.advance(GRACE - Duration::from_millis(1));
    task.pending();
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let report = closed(&mut pair, task);
    assert_eq!(counts(&report), [1, 0, 0]);
    assert!(held.ack().is_err());
}

#[test]
fn no_grace_gives_back_what_was_not_yielded_and_closes() {
    let (mut pair, mut consumer, held) = working();
    let task = shut_down_within(&pair, Duration::ZERO);
    assert_eq!(pair.sent(), ["1 basic.cancel c", "1 basic.nack 2 requeue"]);
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let report = closed(&mut pair, task);
    assert_eq!(counts(&report), [1, 0, 0]);
    assert_over(&mut consumer);
    drop(held);
}

#[test]
fn of_several_shutdowns_the_one_that_ends_first_counts_and_all_get_the_report() {
    for (first, second) in [(GRACE, GRACE / 2), (GRACE / 2, GRACE)] {
        let (mut pair, _consumer, _held) = working();
        let one = shut_down_within(&pair, first);
        pair.sent();
        let mut other = shut_down_within(&pair, second);
        assert_eq!(pair.sent(), [""; 0], "nothing is done twice");
        pair.advance(GRACE / 2);
        assert_eq!(pair.sent(), ["0 connection.close 200"]);
        let report = closed(&mut pair, one);
        assert_eq!(counts(&report), [1, 0, 0]);
        assert_eq!(counts(&other.ready()), [1, 0, 0]);
    }
}

#[test]
fn close_beside_it_closes_at_once() {
    let (mut pair, _consumer, _held) = working();
    let task = shut_down(&pair);
    pair.sent();
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let report = closed(&mut pair, task);
    assert_eq!(counts(&report), [1, 0, 0]);
    closing.ready().unwrap();
}

#[test]
fn shutdown_beside_a_close_waits_for_that() {
    let (mut pair, _consumer, _held) = working();
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let task = shut_down(&pair);
    assert_eq!(pair.sent(), [""; 0]);
    let report = closed(&mut pair, task);
    closing.ready().unwrap();
    // Both that was in hand, and what was not yielded.
    assert_eq!(counts(&report), [2, 0, 0]);
}

#[test]
fn dropping_the_future_ends_nothing_and_another_call_gets_the_report() {
    let (mut pair, mut consumer, held) = working();
    drop(shut_down(&pair));
    let expected = ["1 basic.cancel c", "1 basic.nack 2 requeue"];
    assert_eq!(pair.sent(), expected);
    assert_over(&mut consumer);
    pair.feed(&wire::cancel_ok(1, "c"));
    drop(shut_down(&pair));
    held.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1", "0 connection.close 200"]);
    let task = shut_down(&pair);
    closed_clean(&mut pair, task);
}

#[test]
fn future_that_was_never_polled_has_done_nothing() {
    let (mut pair, mut consumer, held) = working();
    drop(pair.connection.shutdown(GRACE));
    assert_eq!(pair.sent(), [""; 0]);
    assert_eq!(next(&mut consumer).delivery_tag(), 2);
    drop(held);
}

#[test]
fn end_of_the_last_handle_closes_at_once() {
    let (mut pair, consumer, held) = working();
    drop(shut_down(&pair));
    pair.sent();
    let other = Pair::open().connection;
    drop(std::mem::replace(&mut pair.connection, other));
    drop((consumer, held));
    let sent = pair.sent();
    assert_eq!(sent, ["1 channel.close 200", "0 connection.close 200"]);
}

#[test]
fn loss_amid_it_ends_it_and_nothing_comes_back() {
    let mut pair = Pair::recovering(&quiet().recovery(Recovery::new()));
    pair.feed(&wire::start("PLAIN"));
    pair.feed(&wire::tune(10, 131_072, 0));
    pair.feed(&wire::open_ok());
    pair.sent_octets();
    let publisher = pair.publisher();
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "c");
    let held = pair.deliver(&mut consumer, 1..=1);
    let _sent = done(publisher.send("", "k", Message::new("m"))).unwrap();
    let mut task = shut_down(&pair);
    pair.sent();
    pair.core.lost(reset());
    let report = task.ready();
    assert_eq!(counts(&report), [1, 1, 0]);
    assert!(matches!(report.cause, Some(ConnectionError::Io(_))));
    assert!(pair.core.is_finished());
    assert!(matches!(pair.connection.state(), State::Closed(_)));
    drop(held);
}

#[test]
fn close_by_the_broker_amid_it_ends_it() {
    let (mut pair, _consumer, _held) = working();
    let mut task = shut_down(&pair);
    pair.sent();
    pair.feed(&wire::connection_close());
    let report = task.ready();
    assert_eq!(counts(&report), [1, 0, 0]);
    assert!(report.cause.unwrap().broker_close().is_some());
}

#[test]
fn shutdown_amid_a_recovery_ends_it_at_once() {
    // Down; connected, and nothing restored; and so on.
    for budget in [None, Some(0), Some(2), Some(4), Some(6)] {
        let mut world = Comeback::new();
        let connection = world.pair.connection.clone();
        let (_consumer, delivery) = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let queue = QueueDeclare::new("q").durable();
            channel.queue_declare(queue).await.unwrap();
            let publisher = connection.open_publisher().await.unwrap();
            publisher.publish("", "q", Message::new("m")).await.unwrap();
            let mut consumer = channel.consume("q").await.unwrap();
            let delivery = consumer.next().await.unwrap().unwrap();
            (consumer, delivery)
        });
        world.lose();
        if budget.is_some() {
            world.connect();
            world.budget = budget;
            world.run();
            world.budget = None;
        }
        let connection = world.pair.connection.clone();
        assert!(matches!(connection.state(), State::Recovering { .. }));
        let report = world.done(async move { connection.shutdown(GRACE).await });
        assert!(report.is_clean(), "{budget:?}: {report}");
        assert!(delivery.ack().is_err());
    }
}

#[test]
fn shutdown_before_the_first_stream_ends_it_at_once() {
    let mut world = Comeback::waiting(quiet().recovery(Recovery::new().from_the_start()));
    let connection = world.pair.connection.clone();
    let report = world.done(async move { connection.shutdown(GRACE).await });
    assert!(report.is_clean(), "{report}");

    let pair = Pair::new(&quiet());
    let mut task = shut_down(&pair);
    let mut pair = pair;
    pair.sent_octets();
    assert!(task.ready().is_clean());
}

#[test]
fn connection_that_has_ended_otherwise_tells_why() {
    let (mut pair, _consumer, _held) = working();
    pair.eof();
    let report = done(pair.connection.shutdown(GRACE));
    assert_eq!(counts(&report), [0, 0, 0]);
    assert!(matches!(report.cause, Some(ConnectionError::EndOfStream)));
}
