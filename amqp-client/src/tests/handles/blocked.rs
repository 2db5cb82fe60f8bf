//! Alarms at the broker and `channel.flow`: publishers wait or fail, everything else goes on, and
//! nothing that was handed over is lost or sent twice.

use std::time::Duration;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::{channel, connection, queue};
use bytes::Bytes;

use super::send_order::{assert_contents_whole, publish};
use crate::error::{ChannelError, ConnectionError, Initiator, PublishError};
use crate::options::WhenBlocked;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ConnectionOptions, Message, Requeue};

const SECOND: Duration = Duration::from_secs(1);

fn block(pair: &mut Pair) {
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
}

fn unblock(pair: &mut Pair) {
    pair.says(0, &connection::Unblocked {});
}

fn open(options: &ConnectionOptions) -> (Pair, Channel) {
    let mut pair = Pair::open_with(options);
    let channel = pair.channel();
    (pair, channel)
}

fn failing() -> ConnectionOptions {
    quiet().when_blocked(WhenBlocked::Fail)
}

fn keys(sent: &[String]) -> Vec<&str> {
    let publishes = sent.iter();
    publishes
        .filter_map(|line| Some(line.split_once("basic.publish ")?.1))
        .map(|key| key.trim_end_matches(" mandatory"))
        .collect()
}

// Publishing

#[test]
fn s10_publish_waits_while_the_connection_is_blocked() {
    let (mut pair, channel) = Pair::with_channel();
    assert_eq!(pair.connection.blocked_reason(), None);
    done(pair.connection.unblocked()).unwrap();
    block(&mut pair);
    assert_eq!(
        pair.connection.blocked_reason().as_deref(),
        Some("low on memory")
    );
    let message = Message::new("body");
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(Duration::from_secs(3600));
    waiting.pending();
    unblock(&mut pair);
    assert_eq!(pair.connection.blocked_reason(), None);
    pair.sent();
    waiting.ready().unwrap();
    assert_eq!(
        pair.sent(),
        ["1 basic.publish key", "1 header 4", "1 body 4"]
    );
    pair.assert_idle();
}

#[test]
fn s10_publishers_go_on_in_the_order_in_which_they_came() {
    // Room for one at a time, so that they wait for room behind the alarm.
    let (mut pair, channel) = open(&quiet().write_buffer_limit(1));
    block(&mut pair);
    let message = Message::new("body");
    let names: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let mut waiting: Vec<_> = names
        .iter()
        .map(|name| Task::start(channel.basic_publish("", name, &message)))
        .collect();
    unblock(&mut pair);
    let mut sent = Vec::new();
    for _ in 0..1000 {
        sent.extend(pair.sent());
        waiting.retain_mut(|task| task.run().is_pending());
    }
    sent.extend(pair.sent());
    assert!(waiting.is_empty(), "stranded: {}", waiting.len());
    assert_contents_whole(&sent);
    assert_eq!(keys(&sent), names);
    pair.assert_idle();
}

#[test]
fn s10_what_was_handed_over_before_the_alarm_is_sent() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "small", 10);
    publish(&channel, "large", 1024 * 1024);
    block(&mut pair);
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(keys(&sent), ["small", "large"]);
    pair.assert_idle();
}

#[test]
fn s10_publish_dropped_while_blocked_sends_nothing() {
    let (mut pair, channel) = Pair::with_channel();
    block(&mut pair);
    let message = Message::new("body");
    drop(Task::start(channel.basic_publish("", "key", &message)));
    unblock(&mut pair);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn s10_publisher_that_waits_hears_of_the_end_of_its_channel() {
    let (mut pair, channel) = Pair::with_channel();
    block(&mut pair);
    let message = Message::new("body");
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.feed(&wire::channel_close(1));
    assert_eq!(waiting.ready().unwrap_err().reply_code().unwrap().0, 404);
}

#[test]
fn s10_publish_fails_at_once_if_that_was_asked_for() {
    let mut pair = Pair::open_with(&failing());
    let publisher = pair.publisher();
    block(&mut pair);
    let message = Message::new("body");
    match done(publisher.send("", "key", &message)).unwrap_err() {
        PublishError::NotSent(ChannelError::Blocked { reason }) => {
            assert_eq!(&*reason, "low on memory");
        }
        other => panic!("{other}"),
    }
    let error = done(publisher.channel().basic_publish("", "key", &message)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "connection blocked by the broker: low on memory"
    );
    unblock(&mut pair);
    drop(done(publisher.send("", "later", &message)).unwrap());
    assert_eq!(keys(&pair.sent()), ["later"]);
    pair.assert_idle();
}

#[test]
fn s10_publisher_that_waits_for_room_fails_when_the_alarm_comes() {
    let (mut pair, channel) = open(&failing().write_buffer_limit(1));
    let message = Message::new("body");
    publish(&channel, "first", 4);
    let mut waiting = Task::start(channel.basic_publish("", "second", &message));
    let reason = wire::short("low on disk");
    // Fed to the core alone: nothing is written meanwhile.
    let octets = wire::method(0, &connection::Blocked { reason });
    let space = pair.core.read_space();
    space[..octets.len()].copy_from_slice(&octets);
    pair.core
        .read_done(octets.len(), crate::tests::support::pair::now());
    assert!(matches!(
        waiting.ready(),
        Err(ChannelError::Blocked { reason }) if &*reason == "low on disk"
    ));
    assert_eq!(keys(&pair.sent()), ["first"]);
}

// Everything else

#[test]
fn s10_settlements_cancels_and_closes_are_sent_while_blocked() {
    let (mut pair, channel) = Pair::with_channel();
    let other = pair.channel();
    let mut consumer = pair.consumer(&channel, "tag");
    block(&mut pair);
    let [first, second]: [_; 2] = pair.deliver(&mut consumer, 1..=2).try_into().unwrap();
    first.ack().unwrap();
    second.nack(Requeue::Yes).unwrap();
    let _cancelling = Task::start(consumer.cancel());
    let _closing = Task::start(other.close());
    assert_eq!(
        pair.sent(),
        [
            "1 basic.ack 1",
            "1 basic.nack 2 requeue",
            "1 basic.cancel tag",
            "2 channel.close 200"
        ]
    );
}

#[test]
fn s10_time_of_requests_stands_still_while_blocked() {
    let (mut pair, channel) = Pair::with_channel();
    let mut before = Task::start(channel.queue_purge("before"));
    pair.advance(20 * SECOND);
    block(&mut pair);
    let mut during = Task::start(channel.queue_purge("during"));
    pair.sent();
    pair.advance(3600 * SECOND);
    before.pending();
    during.pending();
    unblock(&mut pair);
    // The first has the 10 s left that it had, the other all of its 30 s.
    pair.advance(10 * SECOND - Duration::from_millis(1));
    before.pending();
    pair.advance(Duration::from_millis(1));
    assert!(matches!(before.ready(), Err(ChannelError::Timeout { .. })));
    pair.advance(20 * SECOND - Duration::from_millis(1));
    during.pending();
    pair.advance(Duration::from_millis(1));
    assert!(matches!(during.ready(), Err(ChannelError::Timeout { .. })));
}

#[test]
fn s10_request_is_answered_after_the_alarm() {
    let (mut pair, channel) = Pair::with_channel();
    block(&mut pair);
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.advance(3600 * SECOND);
    unblock(&mut pair);
    pair.says(1, &queue::PurgeOk { message_count: 7 });
    assert_eq!(purging.ready().unwrap(), 7);
}

#[test]
fn s10_close_takes_no_longer_than_it_may_while_blocked() {
    let (mut pair, channel) = Pair::with_channel();
    block(&mut pair);
    let message = Message::new("body");
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    let mut purging = Task::start(channel.queue_purge("q"));
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    pair.sent();
    pair.advance(5 * SECOND - Duration::from_millis(1));
    closing.pending();
    pair.advance(Duration::from_millis(1));
    assert!(matches!(
        closing.ready(),
        Err(ConnectionError::CloseTimeout { .. })
    ));
    assert!(purging.ready().is_err());
    assert!(matches!(waiting.ready(), Err(ChannelError::Connection(_))));
    assert!(pair.core.is_finished());
}

#[test]
fn s10_close_is_answered_behind_the_alarm() {
    let mut pair = Pair::open();
    block(&mut pair);
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    pair.advance(4 * SECOND);
    unblock(&mut pair);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn s10_heartbeats_go_on_while_blocked() {
    let mut pair = Pair::open_with(&quiet().heartbeat(10 * SECOND));
    block(&mut pair);
    pair.sent();
    for _ in 0..10 {
        pair.advance(5 * SECOND);
        assert_eq!(pair.sent(), ["0 heartbeat"]);
        pair.feed(&amqp_spec::frame::HEARTBEAT);
    }
    pair.advance(20 * SECOND);
    assert!(matches!(pair.end(), ConnectionError::HeartbeatTimeout(_)));
}

#[test]
fn s10_reading_goes_on_while_publishers_wait_for_the_alarm_to_end() {
    let (mut pair, channel) = Pair::with_channel();
    let publishing = pair.channel();
    let options = channel.consume("q").tag("tag").no_ack();
    let mut starting = Task::start(IntoFuture::into_future(options));
    pair.sent();
    pair.feed(&wire::consume_ok(1, "tag"));
    let _consumer = starting.ready().unwrap();
    block(&mut pair);
    // Nobody consumes: more than what makes the core stop reading.
    let body = vec![b'.'; 1024 * 1024];
    for n in 1..=17 {
        pair.feed(&wire::delivery(1, "tag", n, &body));
    }
    assert!(!pair.wants_read());
    pair.sent();
    let message = Message::new("body");
    let mut waiting = Task::start(publishing.basic_publish("", "key", &message));
    assert!(pair.driver_woken(), "the adapter has to look again");
    unblock(&mut pair);
    pair.sent();
    waiting.ready().unwrap();
}

// How it ends

#[test]
fn s10_whoever_waits_for_the_end_of_the_alarm_is_told() {
    let mut pair = Pair::open();
    block(&mut pair);
    let connection = pair.connection.clone();
    let mut waiting = Task::start(async move { connection.unblocked().await });
    unblock(&mut pair);
    waiting.ready().unwrap();
    block(&mut pair);
    let connection = pair.connection.clone();
    let mut waiting = Task::start(async move { connection.unblocked().await });
    pair.eof();
    assert!(matches!(waiting.ready(), Err(ConnectionError::EndOfStream)));
    assert_eq!(pair.connection.blocked_reason(), None);
}

#[test]
fn s10_connection_blocked_for_too_long_is_given_up() {
    let (mut pair, channel) = open(&quiet().blocked_connection_timeout(60 * SECOND));
    let message = Message::new("body");
    block(&mut pair);
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.advance(59 * SECOND);
    // Said again, it is still the same alarm.
    let reason = wire::short("low on disk");
    pair.says(0, &connection::Blocked { reason });
    waiting.pending();
    pair.advance(SECOND);
    let cause = pair.end();
    assert_eq!(
        cause.to_string(),
        "connection given up: blocked by the broker for 60 s: low on disk"
    );
    assert_eq!(cause.initiator(), Initiator::Library);
    assert!(matches!(
        waiting.ready(),
        Err(ChannelError::Connection(
            ConnectionError::BlockedTimeout { .. }
        ))
    ));
    assert_eq!(pair.sent(), [""; 0]);
    assert!(pair.core.is_finished());
}

#[test]
fn s10_alarm_that_ends_in_time_ends_nothing() {
    let mut pair = Pair::open_with(&quiet().blocked_connection_timeout(60 * SECOND));
    for _ in 0..3 {
        block(&mut pair);
        pair.advance(59 * SECOND);
        unblock(&mut pair);
        // An alarm that nobody announced ends as well.
        unblock(&mut pair);
    }
    pair.advance(3600 * SECOND);
    assert!(Task::new(pair.connection.closed()).poll().is_pending());
}

// channel.flow

fn flow(pair: &mut Pair, channel: u16, active: bool) {
    pair.says(channel, &channel::Flow { active });
}

#[test]
fn flow_stops_the_publishers_of_one_channel() {
    let (mut pair, stopped) = Pair::with_channel();
    let other = pair.channel();
    let message = Message::new("body");
    flow(&mut pair, 1, false);
    assert_eq!(pair.sent(), ["1 channel.flow-ok"]);
    let mut waiting = Task::start(stopped.basic_publish("", "stopped", &message));
    publish(&other, "other", 10);
    let _purging = Task::start(stopped.queue_purge("q"));
    let sent = pair.sent();
    assert_eq!(keys(&sent), ["other"]);
    assert_eq!(sent[3..], ["1 queue.purge q"]);
    waiting.pending();
    flow(&mut pair, 1, true);
    assert_eq!(pair.sent(), ["1 channel.flow-ok"]);
    waiting.ready().unwrap();
    assert_eq!(keys(&pair.sent()), ["stopped"]);
}

#[test]
fn flow_is_answered_behind_content_that_is_under_way() {
    let (mut pair, channel) = Pair::with_channel();
    publish(&channel, "large", 1024 * 1024);
    pair.write_once();
    flow(&mut pair, 1, false);
    let sent = pair.sent();
    assert_contents_whole(&sent);
    assert_eq!(sent.last().unwrap(), "1 channel.flow-ok");
}

#[test]
fn flow_of_a_channel_that_ends_holds_nobody_up() {
    let (mut pair, channel) = Pair::with_channel_of(2);
    let other = pair.channel();
    let message = Message::new("body");
    flow(&mut pair, 1, false);
    let mut waiting = Task::start(channel.basic_publish("", "key", &message));
    pair.feed(&wire::channel_close(1));
    assert_eq!(waiting.ready().unwrap_err().reply_code().unwrap().0, 404);
    publish(&other, "other", 10);
    // The next use of the number starts anew.
    pair.sent();
    let next = pair.channel();
    assert_eq!(next.id(), 1);
    publish(&next, "next", 10);
    assert_eq!(keys(&pair.sent()), ["next"]);
    pair.assert_idle();
}

#[test]
fn flow_and_an_alarm_both_have_to_end() {
    let (mut pair, channel) = Pair::with_channel();
    flow(&mut pair, 1, false);
    block(&mut pair);
    pair.sent();
    let body = Bytes::from_static(b"body");
    let publishing = channel.basic_publish_body("", "key", PropertiesRef::EMPTY, &body);
    let mut waiting = Task::start(publishing);
    unblock(&mut pair);
    pair.sent();
    waiting.pending();
    block(&mut pair);
    flow(&mut pair, 1, true);
    pair.sent();
    waiting.pending();
    unblock(&mut pair);
    pair.sent();
    waiting.ready().unwrap();
    assert_eq!(keys(&pair.sent()), ["key"]);
}
