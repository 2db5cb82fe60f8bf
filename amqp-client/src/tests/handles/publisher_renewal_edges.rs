//! A publisher that owns its channel, where something else happens at the same time: alarms,
//! closes, limits, and brokers that answer half of it.

use std::time::Duration;

use amqp_spec::{channel, confirm, connection, tx};

use super::publisher_renewal::{OPENING, answer, owner, read, refusal, send};
use crate::tests::support::pair::{Pair, now};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, Message, PublishError, Publisher};

/// The broker has closed the channel, and nothing waits for another.
fn refuse(pair: &mut Pair, publisher: &Publisher) {
    drop(send(publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
}

/// The next channel is opened after a pause.
fn die_young(pair: &mut Pair, publisher: &Publisher) {
    for _ in 0..2 {
        refuse(pair, publisher);
        let next = send(publisher, "", "key");
        pair.advance(Duration::from_secs(1));
        pair.sent();
        answer(pair);
        pair.feed(&wire::ack(1, 1, false));
        done(next).unwrap();
    }
}

fn block(pair: &mut Pair) {
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
}

fn unblock(pair: &mut Pair) {
    pair.says(0, &connection::Unblocked {});
}

#[test]
fn confirm_of_the_channel_before_is_none_of_the_next() {
    let (mut pair, publisher) = owner();
    refuse(&mut pair, &publisher);
    let next = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    pair.sent();
    let mut next = Task::start(next);
    pair.feed(&wire::ack(1, 1, false));
    pair.says(1, &channel::OpenOk {});
    pair.feed(&wire::ack(1, 1, false));
    next.pending();
    pair.says(1, &confirm::SelectOk {});
    next.pending();
    pair.feed(&wire::ack(1, 1, false));
    next.ready().unwrap();
}

#[test]
fn channel_that_rests_is_closed_during_an_alarm_too() {
    for drops in [false, true] {
        let (mut pair, publisher) = owner();
        refuse(&mut pair, &publisher);
        block(&mut pair);
        let channel = (!drops).then(|| publisher.channel().clone());
        drop(publisher);
        let mut closing = channel.as_ref().map(|channel| Task::start(channel.close()));
        pair.advance(Duration::ZERO);
        if let Some(closing) = &mut closing {
            closing.ready().unwrap();
        }
        unblock(&mut pair);
        pair.assert_idle();
        assert_eq!(pair.sent(), [""; 0]);
        assert_eq!(pair.channel_with_id(1).id(), 1);
    }
}

#[test]
fn nothing_is_opened_behind_the_close_of_the_connection() {
    let (mut pair, publisher) = owner();
    die_young(&mut pair, &publisher);
    refuse(&mut pair, &publisher);
    let channel = publisher.channel().clone();
    let mut purging = Task::start(channel.queue_purge("q"));
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    let mut sent = pair.sent();
    pair.advance(Duration::from_secs(1));
    sent.extend(pair.sent());
    assert_eq!(sent, ["0 connection.close 200"]);
    pair.says(0, &connection::CloseOk {});
    closing.ready().unwrap();
    purging.ready().unwrap_err();
}

#[test]
fn channel_that_is_opened_by_halves_is_given_up() {
    let (mut pair, publisher) = owner();
    refuse(&mut pair, &publisher);
    let kept = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    pair.sent();
    pair.says(1, &channel::OpenOk {});
    pair.advance(Duration::from_secs(3600));
    let error = done(kept).unwrap_err();
    let PublishError::Uncertain(ChannelError::Timeout { method }) = error else {
        panic!("{error:?}");
    };
    assert_eq!(method, "confirm.select");
    assert!(publisher.channel().close_reason().is_some());
}

#[test]
fn large_body_of_a_channel_that_is_given_up_is_sent_before_its_close_ok() {
    let (mut pair, publisher) = owner();
    refuse(&mut pair, &publisher);
    let large = Message::new(vec![b'.'; 1 << 20]);
    let large = done(publisher.send("", "large", large)).unwrap();
    pair.write_limit = 1 << 18;
    pair.advance(Duration::ZERO);
    // Nothing more is taken, and the broker opens nothing until its time is up.
    Pair::sleep(Duration::from_secs(31));
    pair.core.handle_timeout(now());
    done(large).unwrap_err();
    assert!(publisher.channel().close_reason().is_some());
    pair.write_limit = usize::MAX;
    pair.feed(&wire::channel_close(1));
    while pair.write_once() {}
    let written = pair.take_written();
    let (frames, _) = wire::frames(&written);
    let sent: Vec<String> = frames.iter().map(wire::describe).collect();
    assert_eq!(sent.last().unwrap(), "1 channel.close-ok", "{sent:?}");
}

#[test]
fn what_is_not_written_on_a_channel_that_is_not_opened_anew_was_not_sent() {
    let (mut pair, publisher) = owner();
    refuse(&mut pair, &publisher);
    let written = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent()[..2], OPENING);
    let unwritten = send(&publisher, "", "key");
    read(&mut pair, &wire::channel_close(1));
    let error = done(unwritten).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error}");
    done(written).unwrap_err();
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
}

#[test]
fn those_at_a_limit_keep_their_places() {
    let (mut pair, publisher) = owner();
    let limited = publisher.max_outstanding(1);
    let bad = send(&limited, "missing", "key");
    let mut first = Task::start(limited.send("", "first", Message::new("x")));
    first.pending();
    pair.sent();
    pair.feed(&refusal());
    let mut second = Task::start(limited.send("", "second", Message::new("x")));
    second.pending();
    let first = first.ready().unwrap();
    second.pending();
    drop(bad);
    pair.advance(Duration::ZERO);
    pair.sent();
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    done(first).unwrap();
    let second = second.ready().unwrap();
    assert_eq!(pair.sent()[0], "1 basic.publish second");
    pair.feed(&wire::ack(1, 2, false));
    done(second).unwrap();
}

#[test]
fn confirm_mode_asked_for_once_more_changes_nothing() {
    let (mut pair, publisher) = owner();
    let _again = Task::start(Publisher::new(publisher.channel().clone()));
    refuse(&mut pair, &publisher);
    assert!(publisher.channel().close_reason().is_none());
}

#[test]
fn transaction_that_the_broker_refused_is_none_of_the_next_channel() {
    let (mut pair, publisher) = owner();
    let channel = publisher.channel().clone();
    let mut selecting = Task::start(channel.tx_select());
    pair.sent();
    let close = channel::Close {
        reply_code: 406,
        reply_text: wire::short("PRECONDITION_FAILED - cannot switch from confirm to tx mode"),
        class_id: 90,
        method_id: 10,
    };
    pair.says(1, &close);
    assert!(selecting.ready().unwrap_err().is_precondition_failed());
    pair.sent();
    let next = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent()[..2], OPENING);
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    done(next).unwrap();
    // A commit is refused by the broker, and not held to belong to anything here.
    let mut committing = Task::start(channel.tx_commit());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    pair.says(1, &tx::CommitOk {});
    committing.ready().unwrap();
}

#[test]
fn nothing_is_outstanding_on_a_channel_that_the_program_has_closed() {
    let (mut pair, publisher) = owner();
    let one = send(&publisher, "", "key");
    pair.sent();
    pair.feed(&wire::ack(1, 1, false));
    done(one).unwrap();
    let channel = publisher.channel().clone();
    let mut closing = Task::start(channel.close());
    pair.sent();
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    assert_eq!(pair.connection.counters().confirms_outstanding, 0);
}
