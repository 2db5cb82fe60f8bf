//! A request that the broker does not answer: what may pass it, and what is given up with it.

use std::time::Duration;

use amqp_spec::{channel, connection, tx};

use crate::error::{ChannelError, ConnectionError};
use crate::tests::handles::requests::answer_qos;
use crate::tests::handles::send_order::{assert_contents_whole, publish};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Connection, Consumer, QueueDeclare};

const SECOND: Duration = Duration::from_secs(1);

type Consuming = Task<'static, Result<Consumer, ChannelError>>;

/// A channel with a `basic.consume` that is not answered.
fn consuming() -> (Pair, Channel, Consuming) {
    let (mut pair, channel) = Pair::with_channel();
    let starting = Task::start(channel.consume("q").tag("tag").into_future());
    let sent = pair.sent();
    answer_qos(&mut pair, &sent);
    (pair, channel, starting)
}

fn close(connection: &Connection) -> Task<'static, Result<(), ConnectionError>> {
    let connection = connection.clone();
    Task::start(async move { connection.close().await })
}

fn is_timeout<T>(result: &Result<T, ChannelError>) -> bool {
    matches!(result, Err(ChannelError::Timeout { .. }))
}

// channel.close

#[test]
fn s17_close_of_a_channel_passes_requests_behind_an_unanswered_consume() {
    let (mut pair, channel, mut consuming) = consuming();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    let mut closing = Task::start(channel.close());
    let mut again = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    // The answer comes after all; nothing may follow our close.
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(pair.sent(), [""; 0]);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    again.ready().unwrap();
    assert!(matches!(declaring.ready(), Err(ChannelError::Closed)));
    drop(consuming.ready());
    pair.assert_idle();
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 0);
}

#[test]
fn s17_close_of_a_channel_passes_requests_behind_a_consume_that_timed_out() {
    let (mut pair, channel, mut consuming) = consuming();
    pair.advance(20 * SECOND);
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    pair.advance(10 * SECOND);
    assert!(is_timeout(&consuming.ready()));
    drop(consuming);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    assert!(matches!(declaring.ready(), Err(ChannelError::Closed)));
    pair.assert_idle();
}

#[test]
fn s17_close_of_a_channel_never_passes_a_message() {
    let (mut pair, channel, _consuming) = consuming();
    let _declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    publish(&channel, "a", 0);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(
        pair.sent(),
        [
            "1 queue.declare a",
            "1 basic.publish a",
            "1 header 0",
            "1 channel.close 200"
        ]
    );
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn s17_messages_leave_before_the_close_when_the_consume_is_not_answered_in_time() {
    let (mut pair, channel, _consuming) = consuming();
    pair.advance(SECOND);
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    publish(&channel, "b", 0);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(29 * SECOND);
    let expected = ["1 basic.publish b", "1 header 0", "1 channel.close 200"];
    assert_eq!(pair.sent(), expected);
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    assert!(matches!(declaring.ready(), Err(ChannelError::Closed)));
    pair.assert_idle();
}

/// The channel has been closed without a word, and its id is not used again.
#[track_caller]
fn assert_given_up(pair: &mut Pair, channel: &Channel) {
    assert_eq!(pair.sent(), [""; 0]);
    assert!(matches!(channel.close_reason(), Some(ChannelError::Closed)));
    done(channel.close()).unwrap();
    pair.assert_idle();
    let number = done(pair.connection.open_channel_with_id(1)).unwrap_err();
    assert!(matches!(number, ChannelError::IdInUse { id: 1 }));
    // A late reply changes nothing.
    pair.says(1, &tx::CommitOk {});
    pair.feed(&wire::cancel_ok(1, "tag"));
    assert!(pair.connection.is_open());
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    assert!(pair.connection.is_open());
}

#[test]
fn s17_channel_is_given_up_with_the_commit_that_its_close_waits_for() {
    let (mut pair, channel) = Pair::with_channel();
    let mut committing = Task::start(channel.tx_commit());
    pair.advance(SECOND);
    publish(&channel, "uncommitted", 10);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.advance(29 * SECOND - Duration::from_millis(1));
    closing.pending();
    pair.advance(Duration::from_millis(1));
    assert!(is_timeout(&committing.ready()));
    closing.ready().unwrap();
    assert_given_up(&mut pair, &channel);
}

#[test]
fn s17_channel_is_given_up_at_once_if_the_commit_s_time_has_passed() {
    for keeps_waiting in [true, false] {
        let (mut pair, channel) = Pair::with_channel();
        let committing = Task::start(channel.tx_commit());
        let committing = keeps_waiting.then_some(committing);
        assert_eq!(pair.sent(), ["1 tx.commit"]);
        pair.advance(40 * SECOND);
        let mut closing = Task::start(channel.close());
        assert!(pair.driver_woken());
        pair.advance(Duration::ZERO);
        closing.ready().unwrap();
        assert_given_up(&mut pair, &channel);
        drop(committing);
    }
}

#[test]
fn s17_channel_is_given_up_with_the_cancel_that_its_close_waits_for() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    let mut cancelling = Task::start(consumer.cancel());
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    publish(&channel, "b", 0);
    let mut closing = Task::start(channel.close());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.advance(30 * SECOND);
    assert!(is_timeout(&cancelling.ready()));
    assert!(declaring.ready().is_err());
    closing.ready().unwrap();
    // Messages may follow a cancel.
    assert_eq!(pair.sent(), ["1 basic.publish b", "1 header 0"]);
    drop(cancelling);
    drop(consumer);
    assert_given_up(&mut pair, &channel);
}

#[test]
fn s17_channel_is_not_given_up_before_its_messages_have_left() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    let mut cancelling = Task::start(consumer.cancel());
    assert_eq!(pair.sent(), ["1 basic.cancel tag"]);
    pair.write_limit = 0;
    publish(&channel, "large", 300_000);
    publish(&channel, "behind", 200_000);
    publish(&channel, "last", 0);
    let mut closing = Task::start(channel.close());
    for _ in 0..30 {
        pair.write_limit = 1000;
        while pair.write_once() {}
        pair.advance(SECOND);
    }
    assert!(is_timeout(&cancelling.ready()));
    closing.pending();
    pair.write_limit = usize::MAX;
    while pair.write_once() {}
    // What was behind the large ones follows when the time has come to look.
    pair.advance(Duration::ZERO);
    while pair.write_once() {}
    pair.advance(Duration::ZERO);
    let octets = pair.take_written();
    closing.ready().unwrap();
    let (frames, rest) = wire::frames(&octets);
    assert!(rest.is_empty());
    let sent: Vec<_> = frames.iter().map(wire::describe).collect();
    assert_contents_whole(&sent);
    let publishes = sent.iter().filter(|line| line.contains("publish"));
    assert_eq!(publishes.count(), 3);
    drop(cancelling);
    drop(consumer);
    assert_given_up(&mut pair, &channel);
}

#[test]
fn s17_dropped_channel_is_given_up_like_a_closed_one() {
    let (mut pair, channel) = Pair::with_channel();
    drop(Task::start(channel.tx_commit()));
    drop(channel);
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.advance(30 * SECOND);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 1);
    assert_eq!(pair.channel().id(), 2);
}

#[test]
fn s10_channel_is_not_given_up_while_the_broker_does_not_read() {
    let (mut pair, channel) = Pair::with_channel();
    let _committing = Task::start(channel.tx_commit());
    let mut closing = Task::start(channel.close());
    pair.sent();
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    pair.advance(3600 * SECOND);
    closing.pending();
    pair.says(0, &connection::Unblocked {});
    pair.says(1, &tx::CommitOk {});
    assert_eq!(pair.sent(), ["1 channel.close 200"]);
}

// connection.close

#[test]
fn s17_close_of_the_connection_passes_requests_that_are_held_back() {
    let (mut pair, channel, mut consuming) = consuming();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    // Nothing may follow.
    pair.feed(&wire::consume_ok(1, "tag"));
    assert_eq!(pair.sent(), [""; 0]);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    let closed =
        |error: &ChannelError| matches!(error, ChannelError::Connection(ConnectionError::Closed));
    assert!(closed(&declaring.ready().unwrap_err()));
    drop(consuming.ready());
    pair.assert_idle();
}

#[test]
fn s17_close_of_the_connection_passes_what_a_commit_that_timed_out_holds_back() {
    let (mut pair, channel) = Pair::with_channel();
    let mut committing = Task::start(channel.tx_commit());
    publish(&channel, "uncommitted", 10);
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.advance(30 * SECOND);
    assert!(is_timeout(&committing.ready()));
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn s17_messages_behind_a_consume_that_timed_out_leave_before_the_connection_s_close() {
    let (mut pair, channel, mut consuming) = consuming();
    pair.advance(20 * SECOND);
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    publish(&channel, "b", 0);
    pair.advance(8 * SECOND);
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(2 * SECOND);
    assert!(is_timeout(&consuming.ready()));
    let expected = ["1 basic.publish b", "1 header 0", "0 connection.close 200"];
    assert_eq!(pair.sent(), expected);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    assert!(declaring.ready().is_err());
    pair.assert_idle();
}

// What is parked for too long

#[test]
fn f14_request_that_timed_out_before_it_was_sent_is_not_sent() {
    let (mut pair, channel, _consuming) = consuming();
    let mut purging = Task::start(channel.queue_purge("precious"));
    publish(&channel, "between", 0);
    pair.advance(SECOND);
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("a")));
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(29 * SECOND);
    assert!(is_timeout(&purging.ready()));
    // What was behind it goes as far as it may.
    assert_eq!(pair.sent(), ["1 basic.publish between", "1 header 0"]);
    pair.feed(&wire::consume_ok(1, "tag"));
    // The consumer, whose start has timed out as well, is cancelled behind it.
    assert_eq!(pair.sent()[0], "1 queue.declare a");
    pair.feed(&wire::declare_ok(1, "a"));
    declaring.ready().unwrap();
    assert_eq!(quiet().request_timeout, 30 * SECOND);
}

#[test]
fn f14_request_that_was_dropped_keeps_its_place_for_as_long_as_if_it_were_awaited() {
    for (after, expected) in [(29, ["1 queue.purge q"].as_slice()), (30, &[])] {
        let (mut pair, channel) = Pair::with_channel();
        drop(Task::start(channel.tx_commit()));
        drop(Task::start(channel.queue_purge("q")));
        assert_eq!(pair.sent(), ["1 tx.commit"]);
        pair.advance(after * SECOND);
        pair.says(1, &tx::CommitOk {});
        assert_eq!(pair.sent(), expected);
    }
}

#[test]
fn f14_what_others_rely_on_is_sent_though_it_timed_out() {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    let _committing = Task::start(channel.tx_commit());
    let mut limiting = Task::start(channel.basic_qos(10, crate::consume::QosScope::Consumer));
    let mut selecting = Task::start(channel.confirm_select());
    let mut cancelling = Task::start(consumer.cancel());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.advance(30 * SECOND);
    assert!(is_timeout(&limiting.ready()));
    assert!(is_timeout(&selecting.ready()));
    assert!(is_timeout(&cancelling.ready()));
    pair.says(1, &tx::CommitOk {});
    assert_eq!(
        pair.sent(),
        ["1 basic.qos 10", "1 confirm.select", "1 basic.cancel tag"]
    );
}

#[test]
fn f14_consumer_that_was_never_asked_for_leaves_its_tag_to_others() {
    let (mut pair, channel) = Pair::with_channel();
    let mut committing = Task::start(channel.tx_commit());
    let mut starting = Task::start(channel.consume("q").tag("tag").into_future());
    pair.advance(30 * SECOND);
    assert!(is_timeout(&committing.ready()));
    assert!(is_timeout(&starting.ready()));
    drop(starting);
    let _again = Task::start(channel.consume("q").tag("tag").into_future());
    pair.sent();
    pair.says(1, &tx::CommitOk {});
    let sent = pair.sent();
    assert_eq!(sent.last().unwrap(), "1 basic.consume tag");
    let consumes = sent.iter().filter(|line| line.contains("consume"));
    assert_eq!(consumes.count(), 1);
}
