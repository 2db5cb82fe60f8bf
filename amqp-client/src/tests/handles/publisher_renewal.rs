//! A publisher that owns its channel: what it does when the broker closes that.

use std::time::Duration;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{basic, channel, confirm};

use crate::error::Outcome;
use crate::event::Event;
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, Confirmation, Connection, Message, PublishError, Publisher};

/// With channel 1, which it owns.
pub(crate) fn owner() -> (Pair, Publisher) {
    let mut pair = Pair::open();
    let publisher = own(&mut pair);
    (pair, publisher)
}

pub(crate) fn own(pair: &mut Pair) -> Publisher {
    let connection: Connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_publisher().await });
    pair.sent();
    pair.says(1, &channel::OpenOk {});
    assert!(opening.run().is_pending());
    pair.sent();
    pair.says(1, &confirm::SelectOk {});
    opening.ready().unwrap().allow_unroutable()
}

/// The broker closes the channel for a publish to `missing`.
pub(crate) fn refusal() -> Vec<u8> {
    let close = channel::Close {
        reply_code: 404,
        reply_text: wire::short("NOT_FOUND - no exchange 'missing' in vhost '/'"),
        class_id: basic::Publish::ID.class_id(),
        method_id: basic::Publish::ID.method_id(),
    };
    wire::method(1, &close)
}

pub(crate) fn send(publisher: &Publisher, exchange: &str, key: &str) -> Confirmation {
    done(publisher.send(exchange, key, Message::new("x"))).unwrap()
}

/// Gives the core octets without anything being written meanwhile.
pub(crate) fn read(pair: &mut Pair, octets: &[u8]) {
    pair.core.read_space()[..octets.len()].copy_from_slice(octets);
    pair.core.read_done(octets.len(), now());
}

/// The new channel is open.
pub(crate) fn answer(pair: &mut Pair) {
    pair.says(1, &channel::OpenOk {});
    pair.says(1, &confirm::SelectOk {});
}

pub(crate) const OPENING: [&str; 2] = ["1 channel.open", "1 confirm.select"];

fn message(key: &str) -> [String; 3] {
    [
        format!("1 basic.publish {key}"),
        "1 header 1".to_owned(),
        "1 body 1".to_owned(),
    ]
}

#[test]
fn the_guilty_are_told_and_the_publisher_goes_on() {
    let (mut pair, publisher) = owner();
    let other = publisher.clone();
    let [front, bad, behind] = [("", "front"), ("missing", "bad"), ("", "behind")]
        .map(|(exchange, key)| send(&publisher, exchange, key));
    pair.sent();
    pair.feed(&refusal());
    assert_eq!(pair.sent(), ["1 channel.close-ok"], "nothing is wanted yet");
    let errors = [front, bad, behind].map(|sent| done(sent).unwrap_err());
    let [
        PublishError::Uncertain(_),
        PublishError::Refused(_),
        PublishError::NotSent(_),
    ] = &errors
    else {
        panic!("{errors:?}");
    };
    let retryable = errors.each_ref().map(PublishError::is_retryable);
    assert_eq!(retryable, [true, false, true]);
    assert!(errors[1].is_not_found());
    assert_eq!(errors[2].outcome(), Outcome::NotSent);
    assert!(publisher.channel().is_open() && publisher.channel().close_reason().is_none());
    assert_eq!(publisher.outstanding(), 0);
    assert_eq!(publisher.next_sequence_number(), Some(4));

    let mut published = Task::start(other.publish("x", "key", Message::new("x")));
    let expected: Vec<String> = OPENING
        .map(str::to_owned)
        .into_iter()
        .chain(message("key"))
        .collect();
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent(), expected);
    answer(&mut pair);
    published.pending();
    assert_eq!(other.outstanding(), 1);
    pair.feed(&wire::ack(1, 1, false));
    published.ready().unwrap();
    let confirmation = send(&publisher, "", "key");
    assert_eq!(confirmation.sequence_number(), 5, "numbers go on");
    pair.sent();
    pair.feed(&wire::ack(1, 2, true));
    done(confirmation).unwrap();
    done(publisher.wait_for_confirms()).unwrap();
    pair.assert_idle();
}

#[test]
fn what_was_not_written_goes_on_by_itself_and_in_order() {
    let (mut pair, publisher) = owner();
    let bad = send(&publisher, "missing", "key");
    pair.sent();
    let kept = ["a", "b", "c"].map(|key| send(&publisher, "", key));
    let mut all = Task::start(publisher.wait_for_confirms());
    read(&mut pair, &refusal());
    let later = send(&publisher, "", "d");
    let error = done(bad).unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error}");
    pair.advance(Duration::ZERO);
    let mut expected = vec!["1 channel.close-ok".to_owned()];
    expected.extend(OPENING.map(str::to_owned));
    for key in ["a", "b", "c", "d"] {
        expected.extend(message(key));
    }
    assert_eq!(pair.sent(), expected);
    answer(&mut pair);
    all.pending();
    pair.feed(&wire::nack(1, 2, false));
    pair.feed(&wire::ack(1, 4, true));
    let [a, b, c] = kept.map(done);
    assert!(matches!(b, Err(PublishError::Nacked)), "{b:?}");
    for outcome in [a, c, done(later)] {
        outcome.unwrap();
    }
    // All of it has been told to those whom it concerned.
    all.ready().unwrap();
}

#[test]
fn large_messages_keep_their_place() {
    let size = 300_000;
    let large = |publisher: &Publisher| {
        let message = Message::new(vec![b'.'; size]);
        done(publisher.send("", "large", message)).unwrap()
    };
    // Not begun: it follows whole.
    let (mut pair, publisher) = owner();
    let bad = send(&publisher, "missing", "key");
    pair.sent();
    let confirmations = [
        send(&publisher, "", "a"),
        large(&publisher),
        send(&publisher, "", "b"),
    ];
    read(&mut pair, &refusal());
    drop(bad);
    pair.advance(Duration::ZERO);
    let sent = pair.sent();
    let methods: Vec<_> = sent
        .iter()
        .filter(|frame| !frame.starts_with("1 body"))
        .collect();
    assert_eq!(
        methods,
        [
            "1 channel.close-ok",
            "1 channel.open",
            "1 confirm.select",
            "1 basic.publish a",
            "1 header 1",
            "1 basic.publish large",
            &format!("1 header {size}"),
            "1 basic.publish b",
            "1 header 1",
        ]
    );
    answer(&mut pair);
    pair.feed(&wire::ack(1, 3, true));
    for confirmation in confirmations {
        done(confirmation).unwrap();
    }

    // Begun: the rest of it is sent, and ignored, before the close is answered.
    let (mut pair, publisher) = owner();
    let bad = send(&publisher, "missing", "key");
    let begun = large(&publisher);
    let mut written = Vec::new();
    while written.len() < 2000 {
        assert!(pair.write_once());
        written.extend(pair.take_written());
    }
    read(&mut pair, &refusal());
    let next = send(&publisher, "", "a");
    let mut octets = [written, pair.sent_octets()].concat();
    pair.advance(Duration::ZERO);
    octets.extend(pair.sent_octets());
    let (frames, rest) = wire::frames(&octets);
    assert!(rest.is_empty());
    let all: Vec<String> = frames.iter().map(wire::describe).collect();
    let close_ok = all.iter().position(|frame| frame == "1 channel.close-ok");
    let mut expected = vec!["1 channel.close-ok".to_owned()];
    expected.extend(OPENING.map(str::to_owned));
    expected.extend(message("a"));
    assert_eq!(all[close_ok.unwrap()..], expected);
    let bodies = |frame: &&String| frame.starts_with("1 body");
    assert!(all.iter().filter(bodies).count() > 3);
    let error = done(begun).unwrap_err();
    assert!(
        matches!(error, PublishError::NotSent(_)),
        "it stood behind: {error}"
    );
    drop(bad);
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    done(next).unwrap();
}

#[test]
fn channels_that_die_young_are_opened_further_and_further_apart() {
    let (mut pair, publisher) = owner();
    for pause in [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000] {
        let bad = send(&publisher, "missing", "key");
        pair.sent();
        pair.feed(&refusal());
        assert_eq!(pair.sent(), ["1 channel.close-ok"]);
        assert!(matches!(done(bad), Err(PublishError::Refused(_))));
        let next = send(&publisher, "", "key");
        if pause > 0 {
            pair.advance(Duration::from_millis(pause - 1));
            assert_eq!(pair.sent(), [""; 0], "not before {pause} ms");
            pair.advance(Duration::from_millis(1));
        } else {
            pair.advance(Duration::ZERO);
        }
        assert_eq!(pair.sent()[..2], OPENING, "after {pause} ms");
        answer(&mut pair);
        pair.feed(&wire::ack(1, 1, false));
        done(next).unwrap();
    }
}

#[test]
fn limits_returns_and_events_go_on() {
    let (mut pair, publisher) = owner();
    let mut returns = publisher.channel().returns();
    let mut events = publisher.channel().events();
    let limited = publisher.max_outstanding(1).mandatory();
    let bad = send(&limited, "missing", "key");
    let mut waiting = Task::start(limited.send("", "first", Message::new("x")));
    waiting.pending();
    pair.sent();
    pair.feed(&refusal());
    drop(bad);
    let first = waiting.ready().unwrap();
    let mut second = Task::start(limited.send("", "second", Message::new("x")));
    second.pending();
    pair.advance(Duration::ZERO);
    pair.sent();
    answer(&mut pair);
    pair.feed(&wire::returned(1, "first", b"x"));
    drop(first);
    assert_eq!(done(returns.next()).unwrap().routing_key(), "first");
    let Some(Event::ChannelRenewed { channel: 1, cause }) = done(events.next()) else {
        panic!("the broker has closed it");
    };
    assert!(cause.is_not_found());
    assert!(matches!(done(events.next()), Some(Event::Returned { .. })));
    pair.feed(&wire::ack(1, 1, false));
    let second = second.ready().unwrap();
    pair.sent();
    pair.feed(&wire::ack(1, 2, false));
    done(second).unwrap();
    pair.eof();
    assert!(matches!(
        done(events.next()),
        Some(Event::ChannelClosed { .. })
    ));
}

#[test]
fn messages_kept_for_a_new_channel_that_the_connection_does_not_live_to_see_were_not_sent() {
    let (mut pair, publisher) = owner();
    for _ in 0..2 {
        let bad = send(&publisher, "missing", "key");
        pair.sent();
        pair.feed(&refusal());
        drop((bad, pair.sent()));
        drop(send(&publisher, "", "key"));
        pair.advance(Duration::from_secs(1));
        pair.sent();
        answer(&mut pair);
        pair.feed(&wire::ack(1, 1, false));
    }
    let bad = send(&publisher, "missing", "key");
    pair.sent();
    pair.feed(&refusal());
    drop(bad);
    let kept = send(&publisher, "", "key");
    assert_eq!(publisher.outstanding(), 1);
    pair.eof();
    let error = done(kept).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error}");
    assert!(publisher.channel().close_reason().is_some());
    let error = done(publisher.publish("", "key", Message::new("x"))).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error}");
    let counters = pair.connection.counters();
    assert_eq!(counters.confirms_outstanding, 0);
}

#[test]
fn channel_that_rests_is_closed_when_the_program_wants_it() {
    // Nothing waits: the broker has nothing to close.
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    let channel = publisher.channel().clone();
    let mut closings = [Task::start(channel.close()), Task::start(channel.close())];
    assert!(!channel.is_open());
    let error = done(publisher.publish("", "key", Message::new("x"))).unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error}");
    pair.advance(Duration::ZERO);
    for closing in &mut closings {
        closing.ready().unwrap();
    }
    assert!(matches!(channel.close_reason(), Some(ChannelError::Closed)));
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
    assert_eq!(pair.channel_with_id(1).id(), 1, "the number is free");

    // A message waits: it is sent before.
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    drop(send(&publisher, "", "key"));
    let channel = publisher.channel().clone();
    let mut closing = Task::start(channel.close());
    pair.advance(Duration::ZERO);
    let mut expected: Vec<String> = OPENING.map(str::to_owned).into();
    expected.extend(message("key"));
    expected.push("1 channel.close 200".to_owned());
    assert_eq!(pair.sent(), expected);
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    pair.says(1, &channel::CloseOk {});
    closing.ready().unwrap();
    pair.assert_idle();

    // The last handle goes.
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    drop(publisher);
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
    assert_eq!(pair.channel_with_id(1).id(), 1);
}

#[test]
fn connection_that_closes_sends_what_was_kept_before() {
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    let kept = send(&publisher, "", "key");
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    pair.advance(Duration::ZERO);
    let mut expected: Vec<String> = OPENING.map(str::to_owned).into();
    expected.extend(message("key"));
    expected.push("0 connection.close 200".to_owned());
    assert_eq!(pair.sent(), expected);
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    done(kept).unwrap();
    pair.says(0, &amqp_spec::connection::CloseOk {});
    closing.ready().unwrap();
}

#[test]
fn channel_that_is_used_for_more_than_publishing_ends_with_the_brokers_close() {
    let (mut pair, publisher) = owner();
    let consumer = pair.consumer(publisher.channel(), "c");
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    assert!(publisher.channel().close_reason().unwrap().is_not_found());
    let error = done(publisher.publish("", "key", Message::new("x"))).unwrap_err();
    assert!(
        error.is_retryable() && error.outcome() == Outcome::NotSent,
        "{error}"
    );
    drop(consumer);

    // So does one that is not the publisher's own.
    let (mut pair, publisher) = Pair::with_publisher();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    assert!(publisher.channel().close_reason().is_some());
}

#[test]
fn broker_that_does_not_open_it_anew_is_told() {
    let options = quiet().request_timeout(Duration::from_secs(2));
    let mut pair = Pair::open_with(&options);
    let publisher = own(&mut pair);
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    let kept = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent()[..2], OPENING);
    pair.advance(Duration::from_secs(3));
    let error = done(kept).unwrap_err();
    assert!(
        matches!(
            &error,
            PublishError::Uncertain(ChannelError::Timeout {
                method: "channel.open"
            })
        ),
        "{error}"
    );
    assert!(publisher.channel().close_reason().is_some());

    // Or closes it before it has opened it.
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    let kept = send(&publisher, "", "key");
    pair.advance(Duration::ZERO);
    pair.sent();
    pair.says(1, &channel::OpenOk {});
    pair.feed(&wire::channel_close(1));
    done(kept).unwrap_err();
    assert!(publisher.channel().close_reason().is_some());
}

#[test]
fn requests_on_the_channel_fail_with_it_and_open_it_anew() {
    let (mut pair, publisher) = owner();
    let channel = publisher.channel().clone();
    drop(send(&publisher, "missing", "key"));
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.feed(&refusal());
    pair.sent();
    let error = purging.ready().unwrap_err();
    assert!(
        error.is_retryable() && error.outcome() == Outcome::NotSent,
        "{error}"
    );
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.advance(Duration::ZERO);
    let sent = pair.sent();
    assert_eq!(sent[..2], OPENING);
    assert_eq!(sent[2..], ["1 queue.purge q"]);
    answer(&mut pair);
    pair.says(1, &amqp_spec::queue::PurgeOk { message_count: 3 });
    assert_eq!(purging.ready().unwrap(), 3);
}

#[test]
fn alarm_keeps_the_new_channel_waiting() {
    let (mut pair, publisher) = owner();
    drop(send(&publisher, "missing", "key"));
    pair.sent();
    let blocked = amqp_spec::connection::Blocked {
        reason: wire::short("low on memory"),
    };
    pair.says(0, &blocked);
    pair.feed(&refusal());
    pair.sent();
    let mut sending = Task::start(publisher.send("", "key", Message::new("x")));
    sending.pending();
    pair.advance(Duration::from_secs(30));
    assert_eq!(pair.sent(), [""; 0]);
    pair.says(0, &amqp_spec::connection::Unblocked {});
    let confirmation = sending.ready().unwrap();
    pair.advance(Duration::ZERO);
    assert_eq!(pair.sent()[..2], OPENING);
    answer(&mut pair);
    pair.feed(&wire::ack(1, 1, false));
    done(confirmation).unwrap();
}

#[test]
fn message_that_goes_on_by_itself_comes_back_to_its_own_publish() {
    let (mut pair, publisher) = owner();
    let mandatory = publisher.clone().mandatory();
    let bad = send(&publisher, "missing", "key");
    pair.sent();
    let kept = ["a", "b"].map(|key| send(&mandatory, "", key));
    read(&mut pair, &refusal());
    drop(bad);
    pair.advance(Duration::ZERO);
    pair.sent();
    answer(&mut pair);
    pair.feed(&wire::returned(1, "b", b"x"));
    pair.feed(&wire::ack(1, 2, true));
    let [a, b] = kept.map(done);
    a.unwrap();
    let Err(PublishError::Returned(returned)) = b else {
        panic!("{b:?}");
    };
    assert_eq!(returned.routing_key(), "b");
    pair.assert_idle();
}
