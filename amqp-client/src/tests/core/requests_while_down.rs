//! Requests whose time is up while the connection is down, or their channel not back: what was not
//! sent says so, and what the broker was asked before may have taken effect.

use std::time::Duration;

use crate::QueueDeclare;
use crate::consume::QosScope;
use crate::error::{ChannelError, Outcome};
use crate::tests::core::next_stream::reset;
use crate::tests::support::pair::{Pair, all_recover, now};
use crate::tests::support::task::Task;
use crate::tests::support::wire;

const TUNE: (u16, u32, u16) = (2047, 131_072, 0);
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn assert_recovering<T: std::fmt::Debug>(outcome: Result<T, ChannelError>, expected: Duration) {
    let error = outcome.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotSent);
    match error {
        ChannelError::Recovering { after, lost } => {
            assert_eq!((after, lost.to_string()), (expected, reset().to_string()));
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_timeout<T: std::fmt::Debug>(outcome: Result<T, ChannelError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, ChannelError::Timeout { .. }), "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[test]
fn requests_that_were_made_while_it_was_down_were_not_sent() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let lost = pair.loses();
    pair.advance(SECOND);
    let mut declare = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    let mut purge = Task::start(channel.queue_purge("q"));
    let mut get = Task::start(channel.basic_get("q"));
    let mut consume = Task::start(channel.consume("q").tag("tag").into_future());
    let connection = pair.connection.clone();
    let mut open = Task::start(async move { connection.open_channel().await });
    pair.advance(30 * SECOND - Duration::from_millis(1));
    declare.pending();
    pair.advance(Duration::from_millis(1));
    assert_recovering(declare.ready(), 31 * SECOND);
    assert_recovering(purge.ready(), 31 * SECOND);
    assert_recovering(get.ready(), 31 * SECOND);
    assert_recovering(consume.ready(), 31 * SECOND);
    assert_recovering(open.ready(), 31 * SECOND);
    // And they never are.
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_all_again(lost);
    assert_eq!(pair.written_now(), [""; 0]);
}

#[test]
fn requests_that_were_sent_before_or_still_are_may_take_effect() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut declare = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    assert_eq!(pair.sent(), ["1 queue.declare q"]);
    let mut limit = Task::start(channel.basic_qos(7, QosScope::Channel));
    pair.loses();
    pair.advance(SECOND);
    let other = channel.clone();
    let mut select = Task::start(async move { other.confirm_select().await });
    pair.advance(29 * SECOND);
    assert_timeout(declare.ready());
    assert_timeout(limit.ready());
    pair.advance(SECOND);
    // It changes how the channel behaves, and keeps its place.
    assert_timeout(select.ready());
}

#[test]
fn channel_that_is_not_back_holds_its_requests_and_those_of_others_are_sent() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let other = pair.channel();
    let consume = channel.consume("q").tag("tag").prefetch(0).no_ack();
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.feed(&wire::consume_ok(1, "tag"));
    let consumer = starting.ready().unwrap();
    let lost = pair.loses();
    let since = now();
    let mut held = Task::start(channel.queue_declare(QueueDeclare::new("held")));
    let mut sent = Task::start(other.queue_declare(QueueDeclare::new("sent")));
    pair.advance(10 * SECOND);
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_all_again(lost);
    // Its consumer comes last, since it has no bound, and the other channel does not wait for that.
    let mut written = pair.written_now();
    written.sort();
    assert_eq!(written, ["1 basic.consume tag", "2 queue.declare sent"]);
    pair.advance(30 * SECOND - (now() - since));
    assert_recovering(held.ready(), 30 * SECOND);
    assert_timeout(sent.ready());
    drop(consumer);
}
