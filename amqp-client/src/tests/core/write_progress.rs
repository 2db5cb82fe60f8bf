//! What is accepted takes its time to leave: requests and closes wait for it, as long as it does.

use std::time::Duration;

use amqp_spec::{connection, frame, queue, tx};

use crate::error::{ChannelError, ConnectionError};
use crate::tests::handles::send_order::{assert_contents_whole, publish};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, Connection, ConnectionOptions};

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

type Closing = Task<'static, Result<(), ConnectionError>>;

/// Publishers need not wait for room.
fn roomy() -> ConnectionOptions {
    quiet().write_buffer_limit(usize::MAX)
}

fn open(options: &ConnectionOptions) -> (Pair, Channel) {
    let mut pair = Pair::open_with(options);
    let channel = pair.channel();
    pair.sent();
    (pair, channel)
}

fn close(connection: &Connection) -> Closing {
    let connection = connection.clone();
    Task::start(async move { connection.close().await })
}

/// Lets this many octets leave in each second.
fn leave(pair: &mut Pair, octets: usize, seconds: u32) {
    for _ in 0..seconds {
        pair.write_limit = octets;
        while pair.write_once() {}
        pair.write_limit = 0;
        pair.advance(SECOND);
    }
}

/// 40 s of one MiB each: a large body, or many small messages.
fn publish_for_long(channel: &Channel, size: usize) {
    for _ in 0..40 * MIB / size {
        publish(channel, "key", size);
    }
}

fn words(octets: &[u8]) -> Vec<String> {
    let (frames, rest) = wire::frames(octets);
    assert!(rest.is_empty());
    frames.iter().map(wire::describe).collect()
}

#[test]
fn request_does_not_time_out_while_what_stands_before_it_leaves() {
    for size in [40 * MIB, MIB, 10_000] {
        let (mut pair, channel) = open(&roomy());
        let other = pair.channel();
        pair.write_limit = 0;
        publish_for_long(&channel, size);
        let mut behind = Task::start(channel.queue_purge("behind"));
        leave(&mut pair, MIB, 39);
        behind.pending();
        // It is written.
        leave(&mut pair, 10 * MIB, 1);
        let written = words(&pair.take_written());
        assert_contents_whole(&written);
        assert_eq!(written.last().unwrap(), "1 queue.purge behind");
        // From here on its time runs, whatever leaves behind it.
        publish_for_long(&other, MIB);
        leave(&mut pair, 1000, 28);
        behind.pending();
        leave(&mut pair, 1000, 1);
        let error = behind.ready().unwrap_err();
        assert!(matches!(error, ChannelError::Timeout { .. }), "{error}");
    }
}

#[test]
fn cancel_that_joins_another_waits_as_long_as_that() {
    let (mut pair, channel) = open(&roomy());
    let consumer = pair.consumer(&channel, "tag");
    pair.write_limit = 0;
    publish_for_long(&channel, MIB);
    let mut first = Task::start(consumer.cancel());
    let mut second = Task::start(consumer.cancel());
    leave(&mut pair, MIB, 39);
    first.pending();
    second.pending();
    leave(&mut pair, 10 * MIB, 1);
    pair.advance(28 * SECOND);
    first.pending();
    second.pending();
    pair.write_limit = usize::MAX;
    pair.feed(&wire::cancel_ok(1, "tag"));
    first.ready().unwrap();
    second.ready().unwrap();
}

#[test]
fn request_times_out_when_nothing_leaves() {
    let (mut pair, channel) = open(&roomy());
    pair.write_limit = 0;
    publish(&channel, "key", 40 * MIB);
    let mut behind = Task::start(channel.queue_purge("behind"));
    leave(&mut pair, MIB, 10);
    // Ten writes, the last of them a second ago.
    pair.advance(29 * SECOND - Duration::from_millis(1));
    behind.pending();
    pair.advance(Duration::from_millis(1));
    let error = behind.ready().unwrap_err();
    assert!(matches!(error, ChannelError::Timeout { .. }), "{error}");
    // It is not sent any more.
    pair.write_limit = usize::MAX;
    while pair.write_once() {}
    let written = words(&pair.take_written());
    assert!(!written.contains(&"1 queue.purge behind".to_owned()));
}

#[test]
fn time_in_which_a_request_is_held_back_counts() {
    let (mut pair, channel) = open(&roomy());
    let mut committing = Task::start(channel.tx_commit());
    let mut behind = Task::start(channel.queue_purge("behind"));
    pair.sent();
    pair.advance(20 * SECOND);
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
    assert_eq!(pair.sent(), ["1 queue.purge behind"]);
    pair.advance(10 * SECOND - Duration::from_millis(1));
    behind.pending();
    pair.advance(Duration::from_millis(1));
    assert!(behind.ready().is_err());
}

#[test]
fn request_behind_one_that_is_leaving_does_not_time_out() {
    let (mut pair, channel) = open(&roomy());
    let busy = pair.channel();
    pair.write_limit = 0;
    publish_for_long(&busy, 10_000);
    let mut committing = Task::start(channel.tx_commit());
    let mut behind = Task::start(channel.queue_purge("behind"));
    leave(&mut pair, MIB, 39);
    committing.pending();
    behind.pending();
    leave(&mut pair, 10 * MIB, 1);
    pair.write_limit = usize::MAX;
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
    pair.says(1, &queue::PurgeOk { message_count: 3 });
    assert_eq!(behind.ready().unwrap(), 3);
}

#[test]
fn requests_behind_messages_that_were_thrown_away_are_timed_all_the_same() {
    let (mut pair, channel) = open(&roomy());
    let other = pair.channel();
    pair.write_limit = 0;
    publish_for_long(&channel, 10_000);
    let mut behind = Task::start(other.queue_purge("behind"));
    // Nothing of it has left when the broker closes the channel.
    pair.feed(&wire::channel_close(1));
    pair.write_limit = usize::MAX;
    let sent = pair.sent();
    assert_eq!(sent, ["2 queue.purge behind", "1 channel.close-ok"]);
    pair.advance(30 * SECOND);
    assert!(behind.ready().is_err());
}

// close

#[test]
fn s17_close_waits_as_long_as_octets_leave() {
    for size in [40 * MIB, 10_000] {
        let (mut pair, channel) = open(&roomy());
        pair.write_limit = 0;
        publish_for_long(&channel, size);
        let mut closing = close(&pair.connection);
        leave(&mut pair, MIB, 39);
        closing.pending();
        leave(&mut pair, 10 * MIB, 1);
        let written = words(&pair.take_written());
        assert_contents_whole(&written);
        assert_eq!(written.last().unwrap(), "0 connection.close 200");
        // The answer has all of its time.
        pair.advance(4 * SECOND - Duration::from_millis(1));
        closing.pending();
        pair.write_limit = usize::MAX;
        pair.says(0, &connection::CloseOk {});
        closing.ready().unwrap();
    }
}

#[test]
fn s17_dropping_the_last_handle_waits_as_long_as_octets_leave() {
    let (mut pair, channel) = open(&roomy());
    pair.write_limit = 0;
    publish(&channel, "key", 40 * MIB);
    pair.connection = Pair::open().connection;
    drop(channel);
    leave(&mut pair, MIB, 39);
    leave(&mut pair, 10 * MIB, 1);
    let written = words(&pair.take_written());
    assert_contents_whole(&written);
    let expected = ["1 channel.close 200", "0 connection.close 200"];
    assert_eq!(written[written.len() - 2..], expected);
    assert!(!pair.core.is_finished());
}

#[test]
fn s17_close_says_what_was_not_written() {
    let (mut pair, channel) = open(&roomy());
    pair.write_limit = 0;
    publish(&channel, "key", 2 * MIB);
    publish(&channel, "key", MIB);
    publish(&channel, "key", 0);
    let mut closing = close(&pair.connection);
    leave(&mut pair, MIB, 2);
    pair.advance(4 * SECOND - Duration::from_millis(1));
    closing.pending();
    pair.advance(Duration::from_millis(1));
    let error = closing.ready().unwrap_err();
    let ConnectionError::CloseTimeout {
        unwritten_bytes,
        unwritten_messages,
    } = error
    else {
        panic!("{error}");
    };
    // All but the two MiB, the heads and the frames' own octets included.
    assert!(
        (MIB..MIB + 1000).contains(&unwritten_bytes),
        "{unwritten_bytes}"
    );
    assert_eq!(unwritten_messages, 3);
    assert_eq!(
        error.to_string(),
        format!(
            "connection closed before everything was written: {unwritten_bytes} bytes, \
             3 messages were left"
        )
    );
    assert!(pair.core.is_finished());
}

#[test]
fn s17_heartbeats_are_no_progress() {
    let (mut pair, channel) = open(&roomy().heartbeat(2 * SECOND));
    let _committing = Task::start(channel.tx_commit());
    publish(&channel, "uncommitted", 10);
    let mut closing = close(&pair.connection);
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    for _ in 0..4 {
        pair.advance(SECOND);
        pair.feed(&frame::HEARTBEAT);
    }
    closing.pending();
    assert!(pair.sent().contains(&"0 heartbeat".to_owned()));
    pair.advance(SECOND);
    assert!(closing.ready().is_err());
}

#[test]
fn s17_close_that_was_not_answered_left_nothing_unwritten() {
    let (mut pair, channel) = open(&roomy());
    publish(&channel, "key", 10);
    let mut closing = close(&pair.connection);
    pair.sent();
    pair.advance(5 * SECOND);
    let error = closing.ready().unwrap_err();
    assert_eq!(error.to_string(), "no answer to connection.close in time");
}

fn assert_one_message_was_left(error: &ConnectionError) {
    let told = matches!(
        error,
        ConnectionError::CloseTimeout {
            unwritten_messages: 1,
            ..
        }
    );
    assert!(told, "{error}");
}

#[test]
fn s17_close_takes_no_longer_than_writing_may() {
    let (mut pair, channel) = open(&roomy());
    pair.write_limit = 0;
    publish(&channel, "key", 40 * MIB);
    let mut closing = close(&pair.connection);
    leave(&mut pair, 1000, 119);
    closing.pending();
    leave(&mut pair, 1000, 1);
    assert_one_message_was_left(&closing.ready().unwrap_err());
    // Unless writing may take any time.
    let (mut pair, channel) = open(&roomy().write_timeout(None));
    pair.write_limit = 0;
    publish(&channel, "key", 40 * MIB);
    let mut closing = close(&pair.connection);
    leave(&mut pair, 1000, 600);
    closing.pending();
}

#[test]
fn s17_alarm_stops_neither_limit_of_a_close() {
    for (close_timeout, seconds, ends) in [(5, 5, false), (600, 120, false), (600, 120, true)] {
        let options = roomy().close_timeout(close_timeout * SECOND);
        let (mut pair, channel) = open(&options);
        let reason = wire::short("low on memory");
        publish(&channel, "key", 10);
        pair.write_limit = 0;
        pair.says(0, &connection::Blocked { reason });
        let mut closing = close(&pair.connection);
        pair.advance(SECOND);
        if ends {
            pair.says(0, &connection::Unblocked {});
            // A broker that reads one octet is not stuck.
            pair.write_limit = 1;
            assert!(pair.write_once());
        }
        pair.advance((seconds - 1) * SECOND - Duration::from_millis(1));
        closing.pending();
        pair.advance(Duration::from_millis(1));
        assert_one_message_was_left(&closing.ready().unwrap_err());
    }
}
