//! Who may publish while a connection is shut down, and what is confirmed.

use std::time::Duration;

use amqp_spec::connection;

use super::{GRACE, closed, closed_clean, counts, shut_down};
use crate::error::PublishError;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ConnectionError, Message};

fn message() -> Message {
    Message::new("m")
}

#[track_caller]
fn assert_refused(result: Result<(), PublishError>) {
    let error = result.unwrap_err();
    let PublishError::NotSent(cause) = &error else {
        panic!("{error:?}");
    };
    let cause = format!("{cause:?}");
    let expected = format!("{:?}", crate::ChannelError::from(ConnectionError::Closed));
    assert_eq!(cause, expected);
}

#[test]
fn what_was_published_is_confirmed_before_the_connection_closes() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut publishing = Task::start(publisher.publish("", "k", message()));
    let sent = done(publisher.send("", "k", message())).unwrap();
    let mut task = shut_down(&pair);
    pair.sent();
    task.pending();
    pair.feed(&wire::ack(1, 1, false));
    publishing.ready().unwrap();
    task.pending();
    assert_eq!(pair.sent(), [""; 0]);
    // No one asks for this one any more, and yet it is to arrive.
    drop(sent);
    pair.feed(&wire::nack(1, 2, false));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
    drop(publishing);
    assert_refused(done(publisher.publish("", "k", message())));
}

#[test]
fn handlers_publish_until_all_is_settled_and_new_publishes_are_refused_then() {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let mut consumer = pair.consumer(&channel, "c");
    let publisher = pair.publisher();
    let held = pair.deliver(&mut consumer, 1..=1).remove(0);
    let task = shut_down(&pair);
    pair.sent();
    pair.feed(&wire::cancel_ok(1, "c"));
    let mut result = Task::start(publisher.publish("", "result", message()));
    assert_eq!(pair.sent()[0], "2 basic.publish result mandatory");
    held.ack().unwrap();
    // The result is not confirmed; whoever comes now is too late.
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    assert_refused(done(publisher.publish("", "late", message())));
    assert_refused(
        done(channel.basic_publish("", "late", &message())).map_err(PublishError::NotSent),
    );
    pair.feed(&wire::ack(2, 1, false));
    result.ready().unwrap();
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn publishes_that_wait_already_are_let_in() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(1));
    let publisher = pair.publisher();
    let few = publisher.clone().max_outstanding(1);
    let plain = publisher.channel().clone();
    // The first fills the buffer, the second waits for room, the third for the first's confirm.
    let mut first = Task::start(publisher.publish("", "first", message()));
    let mut second = Task::start(publisher.publish("", "second", message()));
    let mut third = Task::start(few.publish("", "third", message()));
    let task = shut_down(&pair);
    assert_eq!(pair.sent()[0], "1 basic.publish first mandatory");
    assert_refused(
        done(plain.basic_publish("", "late", &message())).map_err(PublishError::NotSent),
    );
    assert!(second.run().is_pending());
    assert_eq!(pair.sent()[0], "1 basic.publish second mandatory");
    pair.feed(&wire::ack(1, 2, true));
    first.ready().unwrap();
    second.ready().unwrap();
    assert!(third.run().is_pending());
    assert_eq!(pair.sent()[0], "1 basic.publish third mandatory");
    pair.feed(&wire::ack(1, 3, false));
    third.ready().unwrap();
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn publisher_that_waits_and_goes_away_is_not_waited_for() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(1));
    let publisher = pair.publisher();
    let blocked = connection::Blocked {
        reason: wire::short("low on memory"),
    };
    pair.says(0, &blocked);
    let waiting = Task::start(publisher.publish("", "k", message()));
    let mut task = shut_down(&pair);
    assert_eq!(pair.sent(), [""; 0]);
    task.pending();
    drop(waiting);
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    closed_clean(&mut pair, task);
}

#[test]
fn alarm_holds_publishes_back_no_longer_than_the_grace() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mut written = Task::start(publisher.publish("", "written", message()));
    pair.sent();
    let blocked = connection::Blocked {
        reason: wire::short("low on memory"),
    };
    pair.says(0, &blocked);
    let mut waiting = Task::start(publisher.publish("", "waiting", message()));
    let task = shut_down(&pair);
    pair.advance(GRACE - Duration::from_millis(1));
    assert_eq!(pair.sent(), [""; 0]);
    pair.advance(Duration::from_millis(1));
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    let report = closed(&mut pair, task);
    // The one that waited was never accepted, and has been told so.
    assert_eq!(counts(&report), [0, 1, 0]);
    assert!(matches!(written.ready(), Err(PublishError::Uncertain(_))));
    assert!(matches!(waiting.ready(), Err(PublishError::NotSent(_))));
}

#[test]
fn what_was_accepted_and_not_written_is_told() {
    let (mut pair, publisher) = Pair::with_publisher();
    let _written = done(publisher.send("", "k", message())).unwrap();
    pair.sent();
    let _unsent = done(publisher.send("", "k", message())).unwrap();
    done(publisher.channel().basic_publish("", "k", &message())).unwrap();
    let mut task = shut_down(&pair);
    pair.show_and_take_nothing();
    pair.advance(GRACE);
    task.pending();
    // Now the close waits to be written, and is given up in its time.
    pair.advance(Duration::from_secs(5));
    let report = task.ready();
    assert_eq!(counts(&report), [0, 1, 2]);
    let cause = report.cause.unwrap();
    assert!(
        matches!(cause, ConnectionError::CloseTimeout { .. }),
        "{cause}"
    );
}
