//! Who waits goes first: publishers that wait are not overtaken, and those that are called and do
//! not come do not hold up others for long.

use std::time::Duration;

use amqp_spec::connection;

use crate::error::ChannelError;
use crate::options::WhenBlocked;
use crate::tests::handles::send_order::publish;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, Confirmation, Message, PublishError, Publisher};

/// A connection with room for this many octets.
fn with_room(octets: usize) -> (Pair, Channel) {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(octets));
    let channel = pair.channel();
    (pair, channel)
}

fn message(size: usize) -> Message {
    Message::new(vec![b'.'; size])
}

/// The keys of what has been published, in order.
fn published(pair: &mut Pair) -> Vec<String> {
    let sent = pair.sent();
    let keys = sent
        .iter()
        .filter_map(|line| line.split_once("basic.publish "));
    keys.map(|(_, key)| key.trim_end_matches(" mandatory").to_owned())
        .collect()
}

#[test]
fn who_comes_gets_in_line_behind_those_who_wait_for_room() {
    let (mut pair, channel) = with_room(100);
    let message = message(100);
    publish(&channel, "first", 100);
    let mut waiting = Task::start(channel.basic_publish("", "waiting", &message));
    let mut overtaking = Vec::new();
    for _ in 0..1000 {
        overtaking.push(Task::start(channel.basic_publish("", "later", &message)));
        // The room that this makes is kept, although the one it is kept for has not come.
        pair.write_once();
    }
    assert_eq!(published(&mut pair), ["first"]);
    waiting.ready().unwrap();
    assert_eq!(published(&mut pair), ["waiting"]);
    assert_eq!(overtaking.iter().filter(|task| task.is_due()).count(), 1);
    overtaking[0].ready().unwrap();
    assert_eq!(published(&mut pair), ["later"]);
}

#[test]
fn room_of_those_who_were_called_is_kept_however_many_come() {
    let (mut pair, channel) = with_room(10_000);
    let message = message(1000);
    while done_or_not(&channel, &message) {}
    let mut waiting: Vec<_> = (0..5)
        .map(|_| Task::start(channel.basic_publish("", "waiting", &message)))
        .collect();
    pair.write_once();
    assert!(waiting.iter().all(Task::is_due));
    // There is room for others besides, and not more.
    let mut n_others = 0;
    while done_or_not(&channel, &message) {
        n_others += 1;
    }
    assert!((3..6).contains(&n_others), "{n_others}");
    for task in &mut waiting {
        task.ready().unwrap();
    }
    drop(waiting);
    pair.sent();
    pair.assert_idle();
}

/// Publishes if there is room.
fn done_or_not(channel: &Channel, message: &Message) -> bool {
    Task::new(channel.basic_publish("", "other", message))
        .poll()
        .is_ready()
}

#[test]
fn line_in_one_room_holds_up_nobody_in_the_other() {
    let (mut pair, channel) = with_room(100);
    let other = pair.channel();
    let message = message(100);
    let mut committing = Task::start(channel.tx_commit());
    pair.sent();
    publish(&channel, "parked", 100);
    let mut aside = Task::start(channel.basic_publish("", "aside", &message));
    // Others find their room as it was.
    for _ in 0..3 {
        publish(&other, "other", 100);
        assert_eq!(published(&mut pair), ["other"]);
    }
    assert!(!aside.is_due());
    pair.says(1, &amqp_spec::tx::CommitOk {});
    committing.ready().unwrap();
    pair.sent();
    aside.ready().unwrap();
}

#[test]
fn publisher_that_is_called_and_never_polled_holds_others_up_for_a_moment_only() {
    let (mut pair, channel) = with_room(100);
    let message = message(100);
    publish(&channel, "first", 100);
    let mut unpolled = Task::start(channel.basic_publish("", "unpolled", &message));
    let mut next = Task::start(channel.basic_publish("", "next", &message));
    pair.sent();
    assert!(unpolled.is_due() && !next.is_due());
    pair.advance(Duration::from_millis(300));
    next.ready().unwrap();
    let mut last = Task::start(channel.basic_publish("", "last", &message));
    // It has not lost its place in line.
    unpolled.pending();
    assert_eq!(published(&mut pair), ["next"]);
    assert!(!last.is_due());
    unpolled.ready().unwrap();
    assert_eq!(published(&mut pair), ["unpolled"]);
    last.ready().unwrap();
    pair.sent();
    pair.assert_idle();
    pair.advance(Duration::from_secs(60));
    assert_eq!(pair.core.deadline(), None, "nothing more to watch for");
}

#[test]
fn publisher_that_goes_when_it_has_been_called_leaves_its_room_to_the_next() {
    let (mut pair, channel) = with_room(100);
    let message = message(100);
    publish(&channel, "first", 100);
    let leaving = Task::start(channel.basic_publish("", "leaving", &message));
    let mut next = Task::start(channel.basic_publish("", "next", &message));
    pair.sent();
    assert!(leaving.is_due() && !next.is_due());
    drop(leaving);
    assert!(pair.driver_woken());
    pair.sent();
    next.ready().unwrap();
}

#[test]
fn message_that_turns_out_too_large_leaves_its_room_to_the_next() {
    let (mut pair, channel) = with_room(100);
    let message = message(100);
    publish(&channel, "first", 100);
    let endless = Message::new("x").header("endless", "x".repeat(200_000).as_str());
    let mut refused = Task::start(channel.basic_publish("", "refused", &endless));
    let mut next = Task::start(channel.basic_publish("", "next", &message));
    pair.sent();
    assert!(matches!(
        refused.ready(),
        Err(ChannelError::FrameTooLarge(_))
    ));
    pair.sent();
    next.ready().unwrap();
    drop(refused);
}

fn send(publisher: &Publisher) -> Confirmation {
    done(publisher.send("", "key", message(1))).unwrap()
}

fn sending(publisher: &Publisher) -> Task<'_, Result<Confirmation, PublishError>> {
    Task::start(publisher.send("", "key", message(1)))
}

#[test]
fn who_comes_gets_in_line_behind_those_at_their_limit() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    for round in 1..100 {
        let mut waiting = sending(&publisher);
        pair.feed(&wire::ack(1, round, false));
        // It has been called; these come before it is polled.
        let others = [sending(&publisher), sending(&publisher)];
        assert_eq!(waiting.ready().unwrap().sequence_number(), round + 1);
        drop(others);
    }
}

#[test]
fn publisher_at_its_limit_that_is_never_polled_holds_others_up_for_a_moment_only() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    let mut unpolled = sending(&publisher);
    let mut next = sending(&publisher);
    pair.feed(&wire::ack(1, 1, false));
    assert!(unpolled.is_due() && !next.is_due());
    pair.advance(Duration::from_millis(300));
    assert_eq!(next.ready().unwrap().sequence_number(), 2);
    let mut last = sending(&publisher);
    unpolled.pending();
    pair.feed(&wire::ack(1, 2, false));
    assert!(!last.is_due());
    assert_eq!(unpolled.ready().unwrap().sequence_number(), 3);
    pair.feed(&wire::ack(1, 3, false));
    assert_eq!(last.ready().unwrap().sequence_number(), 4);
    pair.feed(&wire::ack(1, 4, false));
    pair.advance(Duration::from_secs(1));
    pair.assert_idle();
}

#[test]
fn room_called_for_by_one_that_goes_is_watched_too() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    let leaving = sending(&publisher);
    let unpolled = sending(&publisher);
    let mut next = sending(&publisher);
    pair.feed(&wire::ack(1, 1, false));
    // Its going calls the next one, which no answer of the broker has done.
    drop(leaving);
    assert!(unpolled.is_due() && !next.is_due());
    pair.sent();
    pair.advance(Duration::from_millis(300));
    drop(next.ready().unwrap());
    drop(unpolled);
}

#[test]
fn room_is_not_kept_for_one_that_waits_for_others_to_be_answered() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(100));
    let publisher = pair.publisher();
    let limited = publisher.clone().max_outstanding(1);
    let other = pair.channel();
    publish(&other, "filling", 100);
    let mut plain = Task::start(publisher.send("", "plain", message(30)));
    let mut waiting = Task::start(limited.send("", "waiting", message(30)));
    pair.sent();
    assert!(plain.is_due() && waiting.is_due());
    let plain = plain.ready().unwrap();
    waiting.pending();
    pair.sent();
    pair.assert_idle();
    pair.feed(&wire::ack(1, 1, false));
    drop((plain, waiting.ready().unwrap()));
    assert_eq!(published(&mut pair), ["waiting"]);
}

fn blocked() -> Vec<u8> {
    let reason = wire::short("low on memory");
    wire::method(0, &connection::Blocked { reason })
}

#[test]
fn publish_that_is_not_to_wait_for_an_alarm_fails_at_its_limit_too() {
    let mut pair = Pair::open_with(&quiet().when_blocked(WhenBlocked::Fail));
    let publisher = pair.publisher().max_outstanding(1);
    drop(send(&publisher));
    let mut waiting = sending(&publisher);
    pair.feed(&blocked());
    // Who waited hears of it, and who comes.
    for refused in [
        waiting.ready(),
        done(publisher.send("", "key", message(1))),
        done(publisher.clone().mandatory().send("", "key", message(1))),
    ] {
        let error = refused.map(drop).unwrap_err();
        assert!(
            matches!(error, PublishError::NotSent(ChannelError::Blocked { .. })),
            "{error}"
        );
    }
    pair.says(0, &connection::Unblocked {});
    let mut later = sending(&publisher);
    pair.feed(&wire::ack(1, 1, false));
    drop(later.ready().unwrap());
}
