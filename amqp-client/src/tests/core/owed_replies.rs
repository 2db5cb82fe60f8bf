//! Replies that the broker asks us for: it can have us say as much as it likes, but not without
//! hearing any of it.

use std::time::Duration;

use amqp_spec::{basic, channel, connection, tx};

use crate::consume::Multiple;
use crate::error::{ConnectionError, Violation};
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, Delivery, Requeue};

const MIB: usize = 1024 * 1024;
/// More may neither be read nor wait to be written: the bound, and the last reads.
const MOST: usize = 5 * MIB;
const SECOND: Duration = Duration::from_secs(1);

/// Ways of having us answer, and what we say.
fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let flow = channel::Flow { active: true };
    let cancel = basic::Cancel {
        consumer_tag: wire::short("x"),
        no_wait: false,
    };
    vec![
        ("1 channel.flow-ok", wire::method(1, &flow)),
        ("1 basic.cancel-ok", wire::method(1, &cancel)),
        (
            "1 basic.nack",
            wire::delivery(1, "ctag9.0123456789", 1, b""),
        ),
    ]
}

/// A connection with a channel, whose broker takes nothing of what is shown to it.
fn deaf() -> (Pair, Channel) {
    let (mut pair, channel) = Pair::with_channel();
    pair.write_limit = 0;
    pair.says(1, &channel::Flow { active: true });
    pair.show_and_take_nothing();
    (pair, channel)
}

/// The broker says this for as long as it is listened to; returns how many octets it were.
#[track_caller]
fn flood(pair: &mut Pair, octets: &[u8]) -> usize {
    let many = octets.repeat(1000);
    let mut n = 0;
    while pair.wants_read() && pair.connection.is_open() {
        pair.feed(&many);
        n += many.len();
        assert!(n < 64 * MIB, "it is read on and on");
    }
    n
}

fn queued(pair: &Pair) -> usize {
    pair.core.shared().outbox().order().queued()
}

/// The broker takes everything from here on.
fn listens(pair: &mut Pair) {
    pair.write_limit = usize::MAX;
    while pair.write_once() {}
}

#[test]
fn s9_broker_that_asks_and_does_not_listen_is_not_heard_further_and_given_up() {
    for (what, octets) in floods() {
        let (mut pair, _channel) = deaf();
        flood(&mut pair, &octets);
        assert!(queued(&pair) < MOST, "{what}: {}", queued(&pair));
        pair.advance(119 * SECOND);
        assert!(!pair.wants_read(), "{what}");
        assert!(pair.connection.is_open(), "{what}");
        pair.advance(SECOND);
        let end = pair.end();
        assert!(matches!(end, ConnectionError::WriteTimeout(_)), "{end}");
        pair.assert_idle();
    }
}

#[test]
fn s9_broker_that_listens_late_is_heard_again_and_answered_each_time() {
    for (what, octets) in floods() {
        let (mut pair, _channel) = deaf();
        let n_asked = flood(&mut pair, &octets) / octets.len();
        pair.sent_octets();
        listens(&mut pair);
        assert!(pair.core.interest().read, "{what}");
        let sent = pair.sent();
        let answered = sent.iter().filter(|line| line.starts_with(what)).count();
        // The one that was shown and not taken at first is of the first kind.
        let shown = usize::from(what == "1 channel.flow-ok");
        assert_eq!(answered, n_asked + shown, "{what}");
        pair.says(1, &channel::Flow { active: true });
        assert_eq!(pair.sent(), ["1 channel.flow-ok"]);
        pair.assert_idle();
    }
}

type Settle = fn(&Channel, Delivery);

#[test]
fn s9_settlements_for_a_broker_that_does_not_listen_are_bounded() {
    // Neither refusals, nor those by number, nor acks in the wrong order can be merged, but for the
    // one that leaves no gap: the last of each thousand.
    let by_number = |channel: &Channel, delivery: Delivery| {
        let tag = delivery.delivery_tag();
        channel.basic_ack(tag, Multiple::No).unwrap();
    };
    let ways: [(&str, Settle, u64); 3] = [
        (
            "refused",
            |_, delivery| {
                delivery.nack(Requeue::Yes).unwrap();
            },
            1000,
        ),
        ("by number", by_number, 1000),
        (
            "the last first",
            |_, delivery| {
                delivery.ack().unwrap();
            },
            999,
        ),
    ];
    for (way, settle, frames) in ways {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        pair.write_limit = 0;
        pair.says(1, &channel::Flow { active: true });
        pair.show_and_take_nothing();
        let mut n = 0;
        while pair.wants_read() {
            let batch = n + 1..=n + 1000;
            n += 1000;
            assert!(n < 1_000_000, "{way}: it is read on and on");
            let mut deliveries = pair.deliver(&mut consumer, batch);
            while let Some(last) = deliveries.pop() {
                settle(&channel, last);
            }
        }
        assert!(n > 100_000, "{way}: {n}");
        assert!(queued(&pair) < MOST, "{way}: {}", queued(&pair));
        // None is lost, and it goes on.
        pair.sent_octets();
        listens(&mut pair);
        assert!(pair.wants_read(), "{way}");
        let sent = pair.sent();
        let settles =
            |line: &&String| line.starts_with("1 basic.ack") || line.starts_with("1 basic.nack");
        let settled = sent.iter().filter(settles).count() as u64;
        assert_eq!(settled, n / 1000 * frames, "{way}");
    }
}

#[test]
fn s10_answers_that_wait_for_the_end_of_an_alarm_do_not_end_the_connection() {
    let (mut pair, _channel) = deaf();
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    let (_, octets) = floods().remove(2);
    flood(&mut pair, &octets);
    pair.advance(3600 * SECOND);
    assert!(pair.connection.is_open());
    listens(&mut pair);
    assert!(pair.wants_read());
    pair.says(0, &connection::Unblocked {});
    assert!(pair.connection.blocked_reason().is_none());
}

#[test]
fn s8_silence_does_not_count_while_answers_wait() {
    let options = quiet().heartbeat(10 * SECOND).write_timeout(None);
    let mut pair = Pair::open_with(&options);
    let _channel = pair.channel();
    pair.write_limit = 0;
    pair.says(1, &channel::Flow { active: true });
    pair.show_and_take_nothing();
    let (_, octets) = floods().remove(0);
    flood(&mut pair, &octets);
    pair.advance(3600 * SECOND);
    assert!(pair.connection.is_open());
    listens(&mut pair);
    assert!(pair.wants_read());
    pair.advance(20 * SECOND);
    let end = pair.end();
    assert!(matches!(end, ConnectionError::HeartbeatTimeout(_)), "{end}");
}

#[test]
fn s15_answers_behind_a_transaction_that_is_never_answered_are_bounded() {
    let (mut pair, channel) = Pair::with_channel();
    let mut committing = Task::start(channel.tx_commit());
    assert_eq!(pair.sent(), ["1 tx.commit"]);
    let (_, octets) = floods().remove(0);
    flood(&mut pair, &octets);
    let end = pair.end();
    let ConnectionError::Protocol(violation) = end else {
        panic!("{end:?}");
    };
    assert_eq!(*violation, Violation::TooManyAnswers { channel: 1 });
    committing.ready().unwrap_err();
    assert_eq!(pair.sent(), ["0 connection.close 506"]);
    pair.assert_idle();
}

#[test]
fn answers_behind_a_transaction_count_where_they_wait() {
    let (mut pair, channel) = Pair::with_channel();
    let (_, octets) = floods().remove(0);
    for _ in 0..2 {
        let mut committing = Task::start(channel.tx_commit());
        assert_eq!(pair.sent(), ["1 tx.commit"]);
        // Three fourths of what may wait.
        let n = 3 * MIB / octets.len();
        pair.feed(&octets.repeat(n));
        assert_eq!(pair.sent(), [""; 0]);
        pair.says(1, &tx::CommitOk {});
        committing.ready().unwrap();
        assert_eq!(pair.sent().len(), n);
        pair.assert_idle();
    }
    // Those of a channel that ends are forgotten.
    let _committing = Task::start(channel.tx_commit());
    pair.feed(&octets);
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 tx.commit", "1 channel.close-ok"]);
    pair.assert_idle();
}
