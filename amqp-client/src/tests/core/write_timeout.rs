//! A peer that does not read, though it sends: publishers do not wait for it for ever.

use std::time::Duration;

use amqp_spec::{connection, frame};
use bytes::Bytes;

use crate::Message;
use crate::error::{ConnectionError, Initiator, PublishError};
use crate::tests::handles::send_order::publish;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::Task;
use crate::tests::support::wire;

const LIMIT: Duration = Duration::from_secs(120);
const SECOND: Duration = Duration::from_secs(1);

/// A connection whose peer has taken three octets of what was to be written.
fn stalled() -> (Pair, Task<'static, Result<(), PublishError>>) {
    let (mut pair, publisher) = Pair::with_publisher();
    pair.write_limit = 3;
    let mut publishing = Task::start(async move {
        let body = Bytes::from_static(b"body");
        publisher.publish("", "key", Message::new(body)).await
    });
    publishing.pending();
    let _ = pair.sent_octets();
    (pair, publishing)
}

#[test]
fn s9_peer_that_sends_and_does_not_read_is_given_up() {
    let (mut pair, mut publishing) = stalled();
    for _ in 0..119 {
        pair.advance(SECOND);
        pair.feed(&frame::HEARTBEAT);
    }
    publishing.pending();
    pair.advance(SECOND);
    let end = pair.end();
    assert!(matches!(end, ConnectionError::WriteTimeout(LIMIT)), "{end}");
    assert_eq!(end.initiator(), Initiator::Library);
    assert!(matches!(publishing.ready(), Err(PublishError::NotSent(_))));
}

#[test]
fn s9_peer_that_reads_a_little_now_and_then_is_not_given_up() {
    let (mut pair, mut publishing) = stalled();
    for _ in 0..5 {
        pair.advance(LIMIT - SECOND);
        pair.write_limit = 1;
        assert!(pair.write_once());
    }
    publishing.pending();
    pair.advance(LIMIT - SECOND);
    publishing.pending();
}

#[test]
fn s9_nothing_taken_at_all_counts_from_the_first_attempt() {
    let (mut pair, publisher) = Pair::with_publisher();
    Pair::sleep(LIMIT * 2);
    let mut publishing = Task::start(async move {
        let message = Message::new("body");
        publisher.publish("", "key", message).await
    });
    publishing.pending();
    pair.show_and_take_nothing();
    assert!(pair.wants_read());
    pair.advance(LIMIT - SECOND);
    publishing.pending();
    pair.advance(SECOND);
    assert!(matches!(pair.end(), ConnectionError::WriteTimeout(_)));
}

#[test]
fn s10_alarm_does_not_count_as_refusing_to_read() {
    let (mut pair, mut publishing) = stalled();
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    pair.advance(LIMIT * 30);
    pair.says(0, &connection::Unblocked {});
    pair.advance(LIMIT - SECOND);
    publishing.pending();
    pair.advance(SECOND);
    assert!(matches!(pair.end(), ConnectionError::WriteTimeout(_)));
}

#[test]
fn s9_without_a_limit_it_takes_as_long_as_it_takes() {
    let mut pair = Pair::open_with(&quiet().write_timeout(None));
    let channel = pair.channel();
    pair.write_limit = 3;
    publish(&channel, "key", 4);
    let _ = pair.sent_octets();
    pair.advance(LIMIT * 1000);
    assert!(pair.connection.is_open());
}
