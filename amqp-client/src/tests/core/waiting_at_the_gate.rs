//! A stream is lost and has no successor yet: publishers wait at the gate, keep their places, and go
//! on in their order when another stream is in its place.

use amqp_spec::connection;

use crate::error::{ChannelError, ConnectionError};
use crate::options::WhenBlocked;
use crate::tests::support::pair::{Pair, all_recover, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message, PublishError};

const TUNE: (u16, u32, u16) = (2047, 131_072, 0);

/// A connection that has room for one message at a time.
fn narrow() -> (Pair, Channel) {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(100));
    let channel = pair.channel();
    (pair, channel)
}

fn message() -> Message {
    Message::new(vec![b'.'; 100])
}

/// The keys of what is written while all that wait are polled, in order.
fn written(pair: &mut Pair, waiting: &mut Vec<Task<'_, Result<(), ChannelError>>>) -> Vec<String> {
    let mut sent = Vec::new();
    for _ in 0..100 {
        sent.extend(pair.written_now());
        waiting.retain_mut(|task| task.run().is_pending());
    }
    sent.extend(pair.written_now());
    sent.iter()
        .filter_map(|line| Some(line.split_once("basic.publish ")?.1.to_owned()))
        .collect()
}

#[test]
fn publish_waits_while_there_is_no_stream_and_goes_on_with_the_next() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let message = Message::new("body");
    pair.next_stream();
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.reopens(TUNE);
    pair.opens_again(&channel);
    waiting.ready().unwrap();
    assert_eq!(
        pair.written_now(),
        ["1 basic.publish key", "1 header 4", "1 body 4"]
    );
    pair.assert_idle();
}

#[test]
fn those_who_waited_for_room_when_the_stream_was_lost_go_in_front_of_those_who_came_later() {
    all_recover();
    let (mut pair, channel) = narrow();
    let message = message();
    done(channel.basic_publish("", "lost", &message)).unwrap();
    let keys: Vec<String> = (0..8).map(|n| n.to_string()).collect();
    let start = |key| Task::start(channel.basic_publish("", key, &message));
    let mut waiting: Vec<_> = keys[..4].iter().map(&start).collect();
    // The first has been called, and has not come.
    pair.write_once();
    assert!(waiting[0].is_due() && !waiting[1].is_due());
    pair.next_stream();
    // They are called, to see how long they are to wait; two of them do not come in time.
    assert!(waiting.iter().all(Task::is_due));
    waiting[0].pending();
    waiting[3].pending();
    waiting.extend(keys[4..].iter().map(start));
    pair.reopens(TUNE);
    pair.opens_again(&channel);
    assert_eq!(written(&mut pair, &mut waiting), keys);
    assert!(waiting.is_empty());
    pair.assert_idle();
}

#[test]
fn alarm_of_the_next_stream_is_waited_for_as_well() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let message = Message::new("body");
    pair.next_stream();
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.reopens(TUNE);
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    waiting.pending();
    pair.opens_again(&channel);
    waiting.pending();
    pair.says(0, &connection::Unblocked {});
    waiting.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish key");
    pair.assert_idle();
}

#[test]
fn publish_dropped_while_there_is_no_stream_sends_nothing_and_strands_nobody() {
    all_recover();
    let (mut pair, channel) = narrow();
    let message = message();
    pair.next_stream();
    let keys: Vec<String> = (0..6).map(|n| n.to_string()).collect();
    let start = |key| Task::start(channel.basic_publish("", key, &message));
    let mut waiting: Vec<_> = keys.iter().map(start).collect();
    drop(waiting.remove(0));
    pair.reopens(TUNE);
    drop(waiting.remove(0));
    pair.opens_again(&channel);
    drop(waiting.remove(0));
    assert_eq!(written(&mut pair, &mut waiting), keys[3..]);
    pair.assert_idle();
}

#[test]
fn those_who_wait_hear_of_the_end() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let message = Message::new("body");
    pair.next_stream();
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.core.lost(ConnectionError::DriverGone);
    let error = waiting.ready().unwrap_err();
    let ended = ChannelError::Connection(ConnectionError::DriverGone);
    assert_eq!(error.to_string(), ended.to_string());
    pair.assert_idle();
}

#[test]
fn stream_that_is_lost_in_its_turn_leaves_them_waiting() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let message = Message::new("body");
    pair.next_stream();
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.next_stream();
    waiting.pending();
    pair.reopens(TUNE);
    pair.opens_again(&channel);
    waiting.ready().unwrap();
    assert_eq!(pair.written_now()[0], "1 basic.publish key");
    pair.assert_idle();
}

#[test]
fn publish_that_fails_when_blocked_waits_for_no_alarm_of_the_next_stream() {
    all_recover();
    // The alarm comes when the connection is open, before its channel is, or behind that.
    for restored in [false, true] {
        let mut pair = Pair::open_with(&quiet().when_blocked(WhenBlocked::Fail));
        let publisher = pair.publisher();
        let limited = publisher.clone().max_outstanding(1);
        let mut unwritten = Task::start(publisher.publish("", "k", "unwritten"));
        pair.loses();
        let mut newcomer = Task::start(publisher.publish("", "k", "while down"));
        let mut bounded = Task::start(limited.publish("", "k", "while down"));
        pair.connects();
        pair.reopens(TUNE);
        unwritten.pending();
        if restored {
            pair.opens_again(publisher.channel());
        }
        let reason = wire::short("low on memory");
        pair.says(0, &connection::Blocked { reason });
        let waiting = [&mut unwritten, &mut newcomer, &mut bounded];
        for (n, waiting) in waiting.into_iter().enumerate() {
            let outcome = waiting.ready();
            let is_blocked = |error: &_| matches!(error, ChannelError::Blocked { .. });
            let Err(PublishError::NotSent(error)) = outcome else {
                panic!("{n}: {outcome:?}");
            };
            assert!(is_blocked(&error), "{n}: {error}");
        }
        for publisher in [&publisher, &limited] {
            let outcome = done(publisher.publish("", "k", "late"));
            let Err(PublishError::NotSent(ChannelError::Blocked { .. })) = outcome else {
                panic!("{outcome:?}");
            };
        }
        if !restored {
            pair.opens_again(publisher.channel());
        }
        pair.says(0, &connection::Unblocked {});
        pair.assert_idle();
        let mut next = Task::start(publisher.publish("", "k", "next"));
        assert_eq!(pair.sent().len(), 3);
        pair.feed(&wire::ack(1, 1, false));
        next.ready().unwrap();
    }
}
