//! Heartbeats on a virtual clock.

use std::time::Duration;

use amqp_spec::frame;

use crate::ConnectionOptions;
use crate::error::{ChannelError, ConnectionError, Initiator};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

const SECOND: Duration = Duration::from_secs(1);

fn beating(seconds: u64) -> Pair {
    let heartbeat = Duration::from_secs(seconds);
    Pair::open_with(&ConnectionOptions::default().heartbeat(heartbeat))
}

#[test]
fn one_is_sent_whenever_half_the_time_passed_in_silence() {
    let mut pair = beating(10);
    pair.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.sent(), ["0 heartbeat"]);
    pair.feed(&frame::HEARTBEAT);
    pair.advance(SECOND * 15);
    assert_eq!(pair.sent(), ["0 heartbeat"; 3]);
}

#[test]
fn anything_sent_takes_the_place_of_one() {
    let mut pair = beating(10);
    pair.advance(SECOND * 4);
    let connection = pair.connection.clone();
    let _opening = Task::start(async move { connection.open_channel().await });
    assert_eq!(pair.sent(), ["1 channel.open"]);
    pair.advance(SECOND * 4);
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(SECOND);
    assert_eq!(pair.sent(), ["0 heartbeat"]);
}

#[test]
fn peer_is_dead_after_twice_the_time() {
    let mut pair = beating(10);
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel().await });
    pair.advance(SECOND * 20 - Duration::from_millis(1));
    opening.pending();
    pair.advance(Duration::from_millis(1));
    match opening.ready() {
        Err(ChannelError::Connection(ConnectionError::HeartbeatTimeout(silence))) => {
            assert_eq!(silence, SECOND * 20);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(pair.end().initiator(), Initiator::Library);
    assert!(pair.core.is_finished());
    assert_eq!(pair.core.deadline(), None);
}

#[test]
fn any_octet_is_a_sign_of_life() {
    let mut pair = beating(10);
    // One octet at a time, never a whole frame.
    for octet in &wire::delivery(1, "tag", 1, b"x")[..8] {
        pair.advance(SECOND * 19);
        pair.feed(&[*octet]);
    }
    assert!(!pair.core.is_finished());
    pair.advance(SECOND * 20);
    assert!(matches!(pair.end(), ConnectionError::HeartbeatTimeout(_)));
}

#[test]
fn zero_sends_none_and_expects_none() {
    let mut pair = beating(0);
    assert_eq!(pair.core.deadline(), None);
    pair.advance(SECOND * 86_400);
    assert_eq!(pair.sent(), [""; 0]);
    assert!(!pair.core.is_finished());
}

#[test]
fn one_second_is_possible() {
    let mut pair = beating(1);
    for _ in 0..10 {
        pair.advance(SECOND);
        pair.feed(&frame::HEARTBEAT);
    }
    assert_eq!(pair.sent(), ["0 heartbeat"; 20]);
}

#[test]
fn process_that_was_suspended_looks_at_what_came_before_it_judges() {
    let mut pair = beating(10);
    Pair::sleep(SECOND * 90);
    // An adapter reads before it looks at the clock.
    pair.feed(&frame::HEARTBEAT);
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent(), ["0 heartbeat"]);
    assert!(!pair.core.is_finished());
}

#[test]
fn process_that_was_suspended_with_a_dead_peer_says_so_once() {
    let mut pair = beating(10);
    Pair::sleep(SECOND * 90);
    pair.advance(Duration::ZERO);
    assert!(matches!(pair.end(), ConnectionError::HeartbeatTimeout(_)));
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn reader_that_pauses_does_not_blame_the_peer() {
    let mut pair = beating(10);
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "slow");
    // More than the application takes.
    let big = wire::delivery(1, "slow", 1, &[0; 1024 * 1024]);
    for _ in 0..65 {
        pair.feed(&big);
    }
    assert!(!pair.wants_read());
    pair.advance(SECOND * 600);
    assert!(!pair.core.is_finished());
    // Reading goes on as soon as there is room.
    pair.sent();
    for _ in 0..3 {
        drop(done(consumer.next()).unwrap().unwrap());
    }
    assert!(pair.driver_woken(), "nobody told the adapter");
    assert!(pair.wants_read());
    // From now on the peer's silence counts.
    pair.advance(SECOND * 21);
    assert!(pair.core.is_finished());
}
