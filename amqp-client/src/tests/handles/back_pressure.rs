//! Back-pressure: waiting for room before anything is queued.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::tx;
use bytes::Bytes;

use super::send_order::{assert_contents_whole, publish};
use crate::error::{ChannelError, ConnectionError};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message};

/// A connection that has room for one message at a time.
fn narrow() -> (Pair, Channel) {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(100));
    let channel = pair.channel();
    (pair, channel)
}

fn message() -> Message {
    Message::new(vec![b'.'; 100])
}

#[test]
fn publish_waits_for_room_and_goes_on_when_there_is() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let mut second = Task::start(channel.basic_publish("", "second", &message));
    assert_eq!(pair.sent()[0], "1 basic.publish first");
    second.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish second");
}

#[test]
fn publish_dropped_while_it_waits_queued_nothing() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let second = Task::start(channel.basic_publish("", "second", &message));
    drop(second);
    let leftovers = pair.core.shared().outbox().leftovers();
    assert!(
        !leftovers.iter().any(|what| what.contains("wait")),
        "{leftovers:?}"
    );
    assert_eq!(pair.sent().len(), 3);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn publish_dropped_after_it_was_called_strands_nobody() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let mut waiting: Vec<_> = (0..300)
        .map(|_| Task::start(channel.basic_publish("", "key", &message)))
        .collect();
    // Every other one goes away exactly when it has been called.
    let mut published = 0;
    for round in 0.. {
        assert!(round < 1000, "stranded: {}", waiting.len());
        if waiting.is_empty() {
            break;
        }
        pair.write_once();
        let mut called = 0;
        waiting.retain_mut(|task| {
            if !task.is_due() {
                return true;
            }
            called += 1;
            if called % 2 == 0 {
                return false;
            }
            let ready = task.poll().is_ready();
            published += usize::from(ready);
            !ready
        });
    }
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(sent.len(), 3 * (published + 1));
    pair.assert_idle();
}

#[test]
fn first_to_wait_is_first_to_go() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let keys: Vec<String> = (0..10).map(|n| n.to_string()).collect();
    let mut waiting: Vec<_> = keys
        .iter()
        .map(|key| Task::start(channel.basic_publish("", key, &message)))
        .collect();
    let mut sent = Vec::new();
    for _ in 0..100 {
        pair.write_once();
        sent.extend(pair.sent());
        waiting.retain_mut(|task| task.run().is_pending());
    }
    sent.retain(|line| line.starts_with("1 basic.publish"));
    let expected = keys.iter().map(|key| format!("1 basic.publish {key}"));
    assert_eq!(sent[1..], expected.collect::<Vec<_>>());
}

#[test]
fn the_adapter_rests_while_everything_waits_for_an_answer() {
    let (mut pair, channel) = narrow();
    let message = message();
    let mut committing = Task::start(channel.tx_commit());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    // Parked behind the commit, which fills the room.
    publish(&channel, "parked", 100);
    let mut waiting = Task::start(channel.basic_publish("", "waiting", &message));
    for _ in 0..10 {
        assert_eq!(pair.sent(), [""; 0]);
        assert!(waiting.run().is_pending());
    }
    assert!(!pair.driver_woken(), "the adapter spins");
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish parked");
    waiting.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish waiting");
}

#[test]
fn write_buffer_limit_of_zero_lets_one_message_through_at_a_time() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(0));
    let channel = pair.channel();
    let message = message();
    let mut first = Task::new(channel.basic_publish("", "first", &message));
    first.ready().unwrap();
    let mut second = Task::start(channel.basic_publish("", "second", &message));
    assert_eq!(pair.sent()[0], "1 basic.publish first");
    second.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish second");
}

#[test]
fn acks_and_requests_need_no_room() {
    let (mut pair, channel) = narrow();
    let mut consumer = pair.consumer(&channel, "tag");
    let delivery = pair.deliver(&mut consumer, 1..=1).remove(0);
    publish(&channel, "first", 100);
    delivery.ack().unwrap();
    let _purging = Task::start(channel.queue_purge("q"));
    assert_eq!(pair.sent()[3..], ["1 basic.ack 1", "1 queue.purge q"]);
}

#[test]
fn s4_publisher_on_a_closed_channel_does_not_wait_for_room() {
    let (mut pair, channel) = narrow();
    let other = pair.channel();
    pair.feed(&wire::channel_close(1));
    pair.sent();
    publish(&other, "first", 100);
    let error = done(channel.basic_publish("", "key", &message())).unwrap_err();
    assert_eq!(error.reply_code().unwrap().0, 404);
}

#[test]
fn publisher_that_waits_hears_of_the_end_of_its_channel() {
    let (mut pair, channel) = narrow();
    let message = message();
    // The room stays full, whatever is written: it is parked behind a commit.
    let _committing = Task::start(channel.tx_commit());
    pair.sent();
    publish(&channel, "parked", 100);
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.feed(&wire::channel_close(1));
    let error = waiting.ready().unwrap_err();
    assert_eq!(error.reply_code().unwrap().0, 404);
}

#[test]
fn publisher_that_waits_hears_of_the_end_of_the_connection() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.eof();
    assert!(matches!(
        waiting.ready(),
        Err(ChannelError::Connection(ConnectionError::EndOfStream))
    ));
    pair.assert_idle();
}

#[test]
fn publisher_that_waits_while_the_connection_closes_is_refused() {
    let (mut pair, channel) = narrow();
    let message = message();
    publish(&channel, "first", 100);
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    let connection = pair.connection.clone();
    let _closing = Task::start(async move { connection.close().await });
    let sent = pair.sent();
    assert_eq!(sent[0], "1 basic.publish first");
    assert_eq!(sent[3..], ["0 connection.close 200"]);
    assert!(matches!(
        waiting.ready(),
        Err(ChannelError::Connection(ConnectionError::Closed))
    ));
}

#[test]
fn small_messages_need_not_wait_for_a_large_one_of_another_channel() {
    let (mut pair, bulk) = Pair::with_channel();
    let other = pair.channel();
    let body = Bytes::from(vec![b'.'; 64 * 1024 * 1024]);
    done(bulk.basic_publish_body("", "bulk", PropertiesRef::EMPTY, &body)).unwrap();
    // Another large one waits for the first, and so does what follows it on its channel.
    let mut large = Task::start(bulk.basic_publish_body("", "bulk", PropertiesRef::EMPTY, &body));
    large.pending();
    let next = message();
    let mut same_channel = Task::start(bulk.basic_publish("", "key", &next));
    same_channel.pending();
    // The other channel goes on.
    for _ in 0..100 {
        done(other.basic_publish("", "key", &next)).unwrap();
        assert!(pair.write_once());
    }
    pair.sent_octets();
    large.ready().unwrap();
    same_channel.pending();
    pair.sent_octets();
    same_channel.ready().unwrap();
    pair.sent_octets();
    pair.assert_idle();
}
