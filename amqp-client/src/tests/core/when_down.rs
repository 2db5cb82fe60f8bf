//! How long publishes wait for a connection that was lost, if they wait at all.

use std::time::Duration;

use amqp_spec::basic::PropertiesRef;

use crate::error::ChannelError;
use crate::options::{Recovery, WhenDown};
use crate::tests::core::next_stream::reset;
use crate::tests::support::pair::{Pair, all_recover, now, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Message, PublishError, Publisher};

const TUNE: (u16, u32, u16) = (2047, 131_072, 0);
const SECOND: Duration = Duration::from_secs(1);

fn failing() -> (Pair, Publisher) {
    all_recover();
    let mut pair = Pair::open_with(&quiet().when_down(WhenDown::Fail));
    let publisher = pair.publisher();
    (pair, publisher)
}

#[track_caller]
fn assert_recovering(error: &ChannelError, expected: Duration) {
    let ChannelError::Recovering { after, lost } = error else {
        panic!("{error:?}");
    };
    assert_eq!(lost.to_string(), reset().to_string());
    assert_eq!(*after, expected);
    // Once.
    assert_eq!(error.to_string().matches("lost").count(), 1, "{error}");
}

#[track_caller]
fn assert_not_sent(outcome: Result<(), PublishError>, expected: Duration) {
    match outcome {
        Err(PublishError::NotSent(error)) => assert_recovering(&error, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn patience_is_that_of_the_recovery() {
    all_recover();
    let recovery = Recovery::new().patience(7 * SECOND);
    let mut pair = Pair::open_with(&quiet().recovery(recovery));
    let publisher = pair.publisher();
    let channel = publisher.channel().clone();
    let message = Message::new("body");
    let mut queued = Task::start(publisher.publish("", "k", &message));
    pair.loses();
    queued.pending();
    let mut plain = Task::start(channel.basic_publish("", "k", &message));
    let no_wait = channel.no_wait();
    let mut bind = Task::start(no_wait.queue_bind("q", "e", "k"));
    pair.advance(7 * SECOND - Duration::from_millis(1));
    queued.pending();
    plain.pending();
    bind.pending();
    pair.advance(Duration::from_millis(1));
    assert_not_sent(queued.ready(), 7 * SECOND);
    assert_recovering(&plain.ready().unwrap_err(), 7 * SECOND);
    assert_recovering(&bind.ready().unwrap_err(), 7 * SECOND);
}

#[test]
fn publishes_that_begin_while_it_is_down_fail_at_once_if_that_was_asked_for() {
    let (mut pair, publisher) = failing();
    let lost = pair.loses();
    pair.advance(3 * SECOND);
    let message = Message::new("body");
    assert_not_sent(done(publisher.publish("", "k", &message)), 3 * SECOND);
    let limited = publisher.clone().max_outstanding(1);
    assert_not_sent(done(limited.publish("", "k", &message)), 3 * SECOND);
    let prepared = publisher.prepare("", "k", PropertiesRef::EMPTY).unwrap();
    assert_not_sent(done(prepared.publish("body")), 3 * SECOND);
    let error = done(publisher.send("", "k", &message)).unwrap_err();
    assert_not_sent(Err(error), 3 * SECOND);
    let channel = publisher.channel();
    let error = done(channel.basic_publish("", "k", &message)).unwrap_err();
    assert_recovering(&error, 3 * SECOND);
    // Nothing of it is left, and the channel takes up again.
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_all_again(lost);
    assert_eq!(pair.written_now(), [""; 0]);
    let mut next = Task::start(publisher.publish("", "next", &message));
    assert_eq!(pair.sent()[0], "1 basic.publish next mandatory");
    pair.feed(&wire::ack(1, 1, false));
    next.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn publishes_that_wait_when_the_stream_is_lost_fail_then() {
    all_recover();
    let options = quiet().when_down(WhenDown::Fail).write_buffer_limit(1);
    let mut pair = Pair::open_with(&options);
    let publisher = pair.publisher();
    let limited = publisher.clone().max_outstanding(1);
    let message = Message::new("body");
    let mut sent = Task::start(publisher.publish("", "sent", &message));
    assert_eq!(pair.written_now().len(), 3);
    let mut queued = Task::start(publisher.publish("", "queued", &message));
    let mut for_room = Task::start(publisher.publish("", "room", &message));
    let mut at_limit = Task::start(limited.publish("", "limit", &message));
    let mut handed_over = Task::start(publisher.send("", "send", &message));
    pair.loses();
    assert!(matches!(sent.ready(), Err(PublishError::Uncertain(_))));
    for task in [&mut queued, &mut for_room, &mut at_limit] {
        assert_not_sent(task.ready(), Duration::ZERO);
    }
    assert_not_sent(handed_over.ready().map(drop), Duration::ZERO);
    assert_eq!(publisher.channel().shared().connection.timers.len(), 0);
    pair.assert_idle();
}

#[test]
fn publisher_may_do_otherwise_than_its_connection() {
    let (mut pair, failing) = failing();
    let patient = failing.clone().when_down(WhenDown::Wait);
    let message = Message::new("body");
    let lost = pair.loses();
    let mut waiting = Task::start(patient.publish("", "k", &message));
    assert_not_sent(done(failing.publish("", "k", &message)), Duration::ZERO);
    let prepared = failing.prepare("", "k", PropertiesRef::EMPTY).unwrap();
    assert_not_sent(done(prepared.publish("body")), Duration::ZERO);
    pair.connects();
    pair.reopens(TUNE);
    pair.opens_all_again(lost);
    waiting.pending();
    assert_eq!(pair.written_now()[0], "1 basic.publish k mandatory");
    pair.feed(&wire::ack(1, 1, false));
    waiting.ready().unwrap();

    let (mut pair, publisher) = Pair::with_publisher();
    let hasty = publisher.clone().when_down(WhenDown::Fail);
    pair.loses();
    assert_not_sent(done(hasty.publish("", "k", &message)), Duration::ZERO);
    Task::start(publisher.publish("", "k", &message)).pending();
}

#[test]
fn channel_that_is_not_back_is_down_though_the_connection_is_not() {
    all_recover();
    let recovery = Recovery::new().patience(7 * SECOND);
    let mut pair = Pair::open_with(&quiet().when_down(WhenDown::Fail).recovery(recovery));
    let publisher = pair.publisher();
    let message = Message::new("body");
    let patient = publisher.clone().when_down(WhenDown::Wait);
    pair.next_stream();
    pair.reopens(TUNE);
    pair.advance(SECOND);
    let shared = publisher.channel().shared();
    let since = shared.connection.recovering_since(shared.at).unwrap();
    let after = now() - since;
    assert_not_sent(done(publisher.publish("", "k", &message)), after);
    // Others are back, and this one still waits for a consumer without a bound, say.
    pair.core.shared().outbox().open_gates(now());
    assert_not_sent(done(publisher.publish("", "k", &message)), after);
    let mut waiting = Task::start(patient.publish("", "k", &message));
    pair.advance(7 * SECOND - Duration::from_millis(1));
    waiting.pending();
    pair.advance(Duration::from_millis(1));
    assert_not_sent(waiting.ready(), after + 7 * SECOND);
}

#[test]
fn alarm_and_the_end_of_the_connection_are_told_as_ever() {
    let (mut pair, publisher) = failing();
    let message = Message::new("body");
    let reason = wire::short("low on memory");
    pair.says(0, &amqp_spec::connection::Blocked { reason });
    let mut waiting = Task::start(publisher.publish("", "k", &message));
    waiting.pending();
    pair.says(0, &amqp_spec::connection::Unblocked {});
    waiting.pending();
    pair.sent();
    pair.feed(&wire::ack(1, 1, false));
    waiting.ready().unwrap();
    pair.loses();
    pair.core.lost(crate::ConnectionError::DriverGone);
    drop(pair.core);
    let error = done(publisher.publish("", "k", &message)).unwrap_err();
    let PublishError::NotSent(ChannelError::Connection(_)) = error else {
        panic!("{error:?}");
    };
}
