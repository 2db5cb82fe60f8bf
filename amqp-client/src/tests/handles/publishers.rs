//! Publishers: limits of what is unconfirmed, waiting for all, patience, prepared messages.

use std::time::Duration;

use amqp_spec::basic::{Properties, PropertiesRef};

use crate::error::ChannelError;
use crate::error::Outcome;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Confirmation, Message, PublishError, Publisher};

fn message() -> Message {
    Message::new("x")
}

/// Sends a message; there must be room.
#[track_caller]
fn send(publisher: &Publisher) -> Confirmation {
    done(publisher.send("", "key", message())).expect("sent")
}

fn sending<'a>(publisher: &'a Publisher) -> Task<'a, Result<Confirmation, PublishError>> {
    Task::new(publisher.send("", "key", message()))
}

#[test]
fn publisher_waits_at_its_limit_and_goes_on_with_each_answer() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(2);
    let kept = [send(&publisher), send(&publisher)];
    assert_eq!(publisher.outstanding(), 2);
    let mut third = Task::start(publisher.send("", "key", message()));
    let mut fourth = Task::start(publisher.send("", "key", message()));
    pair.feed(&wire::ack(1, 1, false));
    // One may go on: the one that has waited longest.
    assert!(!fourth.is_due());
    let third = third.ready().unwrap();
    assert_eq!(third.sequence_number(), 3);
    fourth.pending();
    // A refusal is an answer too, and several may come at once.
    pair.feed(&wire::nack(1, 3, true));
    assert_eq!(fourth.ready().unwrap().sequence_number(), 4);
    assert_eq!(publisher.outstanding(), 1);
    assert_eq!(publisher.next_sequence_number(), Some(5));
    drop((kept, third));
}

#[test]
fn limit_counts_plain_publishes_and_holds_for_those_who_have_it() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let (one, three) = (
        publisher.clone().max_outstanding(0),
        publisher.clone().max_outstanding(3),
    );
    done(channel.basic_publish("", "key", &message())).unwrap();
    let mut waiting = Task::start(one.send("", "key", message()));
    drop((send(&three), send(&three)));
    let mut more = Task::start(three.send("", "key", message()));
    // Without a limit there is none.
    drop(send(&publisher));
    pair.feed(&wire::ack(1, 2, true));
    assert!(!waiting.is_due());
    assert_eq!(more.ready().unwrap().sequence_number(), 5);
    pair.feed(&wire::ack(1, 5, true));
    assert_eq!(waiting.ready().unwrap().sequence_number(), 6);
}

#[test]
fn room_that_nobody_uses_goes_to_the_next() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    let called = Task::start(publisher.send("", "key", message()));
    let mut next = Task::start(publisher.send("", "key", message()));
    pair.feed(&wire::ack(1, 1, false));
    assert!(called.is_due() && !next.is_due());
    drop(called);
    assert_eq!(next.ready().unwrap().sequence_number(), 2);
}

#[test]
fn room_of_a_message_that_turns_out_too_large_goes_to_the_next() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    let endless = message().header("endless", "x".repeat(200_000).as_str());
    let mut called = Task::start(publisher.send("", "key", endless));
    let mut next = Task::start(publisher.send("", "key", message()));
    pair.feed(&wire::ack(1, 1, false));
    assert!(matches!(
        called.ready(),
        Err(PublishError::NotSent(ChannelError::FrameTooLarge(_)))
    ));
    drop(called);
    assert_eq!(next.ready().unwrap().sequence_number(), 2);
}

#[test]
fn message_that_came_back_is_told_once_although_its_answer_is_missing() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.mandatory();
    let kept = send(&publisher);
    let mut all = Task::start(publisher.wait_for_confirms());
    pair.feed(&wire::returned(1, "key", b"x"));
    pair.eof();
    let unconfirmed = all.ready().unwrap_err();
    assert_eq!((unconfirmed.returned, unconfirmed.uncertain), (1, 0));
    drop(kept);
}

#[test]
fn those_at_the_limit_learn_the_end() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    drop(send(&publisher));
    let mut waiting = Task::start(publisher.send("", "key", message()));
    drop(pair.sent());
    pair.feed(&wire::channel_close(1));
    let refused = waiting.ready().unwrap_err();
    assert!(
        matches!(
            refused,
            PublishError::NotSent(ChannelError::ClosedByBroker(_))
        ),
        "{refused}"
    );
    assert_eq!(publisher.outstanding(), 0);
    assert_eq!(publisher.next_sequence_number(), None);
}

#[test]
fn s4_publishing_on_a_channel_that_has_ended_says_why_and_writes_nothing() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let prepared = publisher.prepare("", "key", PropertiesRef::EMPTY).unwrap();
    let plain = channel.prepare("", "key", PropertiesRef::EMPTY).unwrap();
    pair.feed(&wire::channel_close(1));
    assert_eq!(pair.sent(), ["1 channel.close-ok"]);
    assert!(channel.close_reason().unwrap().is_not_found());
    // None of these asked for what is missing.
    let check = |error: &ChannelError| {
        assert!(matches!(error, ChannelError::ClosedByBroker(_)), "{error}");
        let told = (error.is_not_found(), error.is_retryable(), error.outcome());
        assert_eq!(told, (false, true, Outcome::NotSent), "{error}");
    };
    let limited = publisher.clone().mandatory().max_outstanding(1);
    for publisher in [&publisher, &limited] {
        match done(publisher.publish("", "key", message())) {
            Err(PublishError::NotSent(error)) => check(&error),
            other => panic!("{other:?}"),
        }
    }
    match done(prepared.publish("x")) {
        Err(PublishError::NotSent(error)) => check(&error),
        other => panic!("{other:?}"),
    }
    for refused in [
        done(channel.basic_publish("", "key", &message())),
        done(channel.basic_publish_mandatory("", "key", &message())),
        done(plain.publish("x")),
    ] {
        check(&refused.unwrap_err());
    }
    assert_eq!(pair.sent(), [""; 0]);
}

// All of them

#[test]
fn waiting_for_all_ends_with_the_last_answer() {
    let (mut pair, publisher) = Pair::with_publisher();
    done(publisher.wait_for_confirms()).unwrap();
    let kept = send(&publisher);
    drop(send(&publisher));
    done(publisher.channel().basic_publish("", "key", &message())).unwrap();
    let mut waiting = Task::start(publisher.wait_for_confirms());
    // What is published behind it is not waited for.
    drop(send(&publisher));
    pair.feed(&wire::ack(1, 3, false));
    pair.feed(&wire::ack(1, 1, false));
    assert!(!waiting.is_due());
    pair.feed(&wire::ack(1, 2, false));
    waiting.ready().unwrap();
    done(kept).unwrap();
}

#[test]
fn waiting_for_all_tells_what_failed_in_order_and_once() {
    let (mut pair, publisher) = Pair::with_publisher();
    let mandatory = publisher.clone().mandatory();
    let confirmations: Vec<_> = (0..3).map(|_| send(&publisher)).collect();
    let back = done(mandatory.send("", "nowhere", message())).unwrap();
    drop(done(mandatory.send("", "nowhere", Message::new("dropped"))).unwrap());
    drop(send(&publisher));
    let mut waiting = Task::start(publisher.wait_for_confirms());
    pair.feed(&wire::nack(1, 6, false));
    pair.feed(&wire::returned(1, "nowhere", b"x"));
    pair.feed(&wire::returned(1, "nowhere", b"dropped"));
    // A nack of what has come back adds nothing.
    pair.feed(&[wire::ack(1, 4, false), wire::nack(1, 5, false)].concat());
    pair.feed(&[wire::nack(1, 2, false), wire::ack(1, 3, true)].concat());
    let failed = waiting.ready().unwrap_err();
    assert_eq!((failed.nacked, failed.returned), (2, 2));
    assert_eq!((failed.not_sent, failed.uncertain), (0, 0));
    let failures: Vec<_> = failed
        .failures
        .iter()
        .map(|failed| (failed.sequence_number, failed.returned))
        .collect();
    assert_eq!(failures, [(2, false), (4, true), (5, true), (6, false)]);
    let text = "not all messages are confirmed: 2 nacked, 2 returned";
    assert_eq!(failed.to_string(), text);
    done(publisher.wait_for_confirms()).unwrap();
    // Each still has its own outcome.
    let outcomes: Vec<_> = confirmations.into_iter().map(|c| done(c).is_ok()).collect();
    assert_eq!(outcomes, [true, false, true]);
    assert!(matches!(done(back), Err(PublishError::Returned(_))));
}

#[test]
fn message_that_came_back_stays_so_if_it_is_also_refused() {
    let (mut pair, publisher) = Pair::with_publisher();
    let back = done(publisher.mandatory().send("", "nowhere", message())).unwrap();
    pair.feed(&[wire::returned(1, "nowhere", b"x"), wire::nack(1, 1, false)].concat());
    assert!(matches!(done(back), Err(PublishError::Returned(_))));
}

#[test]
fn a_million_failures_are_counted_and_the_first_ones_kept() {
    let (mut pair, publisher) = Pair::with_publisher();
    for _ in 0..3000 {
        drop(send(&publisher));
        drop(pair.sent_octets());
    }
    pair.feed(&wire::nack(1, 3000, true));
    let failed = done(publisher.wait_for_confirms()).unwrap_err();
    assert_eq!(failed.nacked, 3000);
    let numbers: Vec<_> = failed
        .failures
        .iter()
        .map(|failed| failed.sequence_number)
        .collect();
    assert_eq!(numbers, (1..=1024).collect::<Vec<_>>());
}

#[test]
fn waiting_for_all_tells_what_the_end_left_uncertain_and_what_was_not_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    drop((send(&publisher), send(&publisher), send(&publisher)));
    let mut waiting = Task::start(publisher.wait_for_confirms());
    drop(pair.sent());
    // These are not written any more.
    drop((send(&publisher), send(&publisher)));
    let mut later = Task::start(publisher.wait_for_confirms());
    let n = wire_into(&mut pair, &wire::ack(1, 2, false));
    pair.core.read_done(n, crate::tests::support::pair::now());
    pair.core.lost(crate::ConnectionError::EndOfStream);
    let failed = waiting.ready().unwrap_err();
    assert_eq!((failed.uncertain, failed.not_sent), (2, 0));
    let failed = later.ready().unwrap_err();
    assert_eq!((failed.uncertain, failed.not_sent), (0, 2));
    assert!(matches!(failed.cause, Some(ChannelError::Connection(_))));
    // All has been told.
    done(publisher.wait_for_confirms()).unwrap();
}

#[test]
fn waiting_for_all_does_not_tell_again_what_each_publish_was_told() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.mandatory();
    let mut told: Vec<_> = (0..2)
        .map(|_| Task::start(publisher.publish("", "key", message())))
        .collect();
    let dropped = (send(&publisher), send(&publisher));
    drop(pair.sent());
    for number in [1, 3] {
        pair.feed(&wire::nack(1, number, false));
    }
    for number in [2, 4] {
        pair.feed(&wire::returned(1, "key", b"x"));
        pair.feed(&wire::ack(1, number, false));
    }
    for told in &mut told {
        told.ready().unwrap_err();
    }
    drop(dropped);
    let failed = done(publisher.wait_for_confirms()).unwrap_err();
    assert_eq!((failed.nacked, failed.returned), (1, 1));
    let numbers: Vec<_> = failed
        .failures
        .iter()
        .map(|failed| failed.sequence_number)
        .collect();
    assert_eq!(numbers, [3, 4]);
    done(publisher.wait_for_confirms()).unwrap();

    let mut told = Task::start(publisher.publish("", "key", message()));
    drop(send(&publisher));
    drop(pair.sent());
    pair.eof();
    told.ready().unwrap_err();
    let failed = done(publisher.wait_for_confirms()).unwrap_err();
    assert_eq!((failed.uncertain, failed.not_sent), (1, 0));
    done(publisher.wait_for_confirms()).unwrap();
}

/// Puts octets where the core reads, without anything being written meanwhile.
fn wire_into(pair: &mut Pair, octets: &[u8]) -> usize {
    pair.core.read_space()[..octets.len()].copy_from_slice(octets);
    octets.len()
}

// Patience

#[test]
fn answer_that_does_not_come_in_time_leaves_the_message_uncertain() {
    let (mut pair, publisher) = Pair::with_publisher();
    let patient = publisher.clone();
    let publisher = publisher.confirm_timeout(Duration::from_secs(10));
    let mut given_up = Task::start(publisher.publish("", "key", message()));
    let waited_for = send(&patient);
    pair.advance(Duration::from_secs(9));
    assert!(!given_up.is_due());
    pair.advance(Duration::from_secs(1));
    let error = given_up.ready().unwrap_err();
    assert!(
        matches!(
            error,
            PublishError::Uncertain(ChannelError::Timeout {
                method: "basic.publish"
            })
        ),
        "{error}"
    );
    let told = "message may or may not be routed: its confirm_timeout is over";
    assert_eq!(error.to_string(), told);
    let all = publisher.clone();
    let mut waiting = Task::start(all.wait_for_confirms());
    pair.advance(Duration::from_secs(10));
    let failed = waiting.ready().unwrap_err();
    assert_eq!(failed.uncertain, 2);
    // The late answer is for nobody; others get theirs.
    pair.feed(&[wire::nack(1, 1, false), wire::ack(1, 2, false)].concat());
    done(waited_for).unwrap();
    assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
    assert_eq!(pair.core.shared().timers.len(), 0);
}

#[test]
fn who_waits_for_room_too_long_has_sent_nothing() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher
        .max_outstanding(1)
        .confirm_timeout(Duration::from_secs(10));
    drop(send(&publisher));
    drop(pair.sent());
    let mut waiting = sending(&publisher);
    waiting.pending();
    pair.advance(Duration::from_secs(10));
    let error = waiting.ready().unwrap_err();
    assert!(
        matches!(error, PublishError::NotSent(ChannelError::Timeout { .. })),
        "{error}"
    );
    drop(waiting);
    assert_eq!(pair.sent(), [""; 0]);
    pair.feed(&wire::ack(1, 1, false));
    assert_eq!(send(&publisher).sequence_number(), 2);
}

#[test]
fn answer_in_time_needs_no_clock() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.confirm_timeout(Duration::from_secs(10));
    let mut publishing = Task::start(publisher.publish("", "key", message()));
    pair.feed(&wire::ack(1, 1, false));
    publishing.ready().unwrap();
    assert_eq!(pair.core.shared().timers.len(), 0);
    pair.advance(Duration::from_secs(100));
}

// Prepared, and plain

#[test]
fn prepared_messages_come_back_to_their_own_publish_if_they_are_mandatory() {
    let (mut pair, publisher) = Pair::with_publisher();
    let none = PropertiesRef::EMPTY;
    let prepared = publisher
        .clone()
        .mandatory()
        .prepare("", "nowhere", none)
        .unwrap();
    let first = done(prepared.send("1")).unwrap();
    let second = done(prepared.send("2")).unwrap();
    let plain = publisher.prepare("", "nowhere", none).unwrap();
    let third = done(plain.send("2")).unwrap();
    pair.feed(&wire::returned(1, "nowhere", b"2"));
    pair.feed(&wire::ack(1, 3, true));
    done(first).unwrap();
    done(third).unwrap();
    match done(second) {
        Err(PublishError::Returned(message)) => assert_eq!(message.body(), b"2"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn prepared_publisher_keeps_the_limits() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.max_outstanding(1);
    let prepared = publisher.prepare("", "key", PropertiesRef::EMPTY).unwrap();
    drop(done(prepared.send("x")).unwrap());
    let mut waiting = Task::start(prepared.send("x"));
    pair.feed(&wire::ack(1, 1, false));
    assert_eq!(waiting.ready().unwrap().sequence_number(), 2);
}

#[test]
fn plain_and_confirmed_publishes_do_not_shift_each_other() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let prepared = channel.prepare("", "key", PropertiesRef::EMPTY).unwrap();
    // As often as one likes: the numbers go on.
    let mut again = Task::start(channel.confirm_select());
    pair.says(1, &amqp_spec::confirm::SelectOk {});
    again.ready().unwrap();
    let mut confirmations = Vec::new();
    for n in 0..10 {
        match n % 3 {
            0 => confirmations.push(send(&publisher)),
            1 => done(channel.basic_publish("", "key", &message())).unwrap(),
            _ => done(prepared.publish("x")).unwrap(),
        }
    }
    let numbers: Vec<_> = confirmations
        .iter()
        .map(Confirmation::sequence_number)
        .collect();
    assert_eq!(numbers, [1, 4, 7, 10]);
    pair.feed(&[wire::ack(1, 3, true), wire::nack(1, 4, false)].concat());
    pair.feed(&[wire::nack(1, 6, true), wire::ack(1, 10, true)].concat());
    let outcomes: Vec<_> = confirmations.into_iter().map(|c| done(c).is_ok()).collect();
    assert_eq!(outcomes, [true, false, true, true]);
    assert_eq!(channel.shared().confirms().leftovers(), (0, 0));
}

#[test]
fn prepared_messages_are_the_same_octets_as_plain_ones() {
    let mut pair = Pair::open_tuned(&crate::tests::support::pair::quiet(), (2047, 4096, 60));
    let channel = pair.channel();
    let properties = Properties::new()
        .delivery_mode(2)
        .content_type(wire::short("x"));
    let properties = properties.as_ref();
    let prepared = channel.prepare("exchange", "key", properties).unwrap();
    // Nothing, one frame, one that is just full, several.
    for size in [0_usize, 1, 16, 4087, 4088, 4089, 9000, 16 * 1024, 70_000] {
        let body: Vec<u8> = (0..=250).cycle().take(size).collect();
        done(channel.basic_publish_body("exchange", "key", properties, &body)).unwrap();
        let plain = pair.sent_octets();
        done(prepared.publish(&body)).unwrap();
        assert_eq!(pair.sent_octets(), plain, "{size}");
        let (frames, rest) = wire::frames(&plain);
        assert!(rest.is_empty(), "{size}");
        assert_eq!(frames.len(), 2 + size.div_ceil(4088), "{size}");
        let carried: Vec<u8> = frames[2..]
            .iter()
            .flat_map(|frame| frame.payload.to_vec())
            .collect();
        assert_eq!(carried, body, "{size}");
    }
}

#[test]
fn time_that_is_up_during_an_alarm_is_put_down_to_the_alarm() {
    let (mut pair, publisher) = Pair::with_publisher();
    let publisher = publisher.confirm_timeout(Duration::from_secs(10));
    let mut sent = Task::start(publisher.publish("", "key", message()));
    pair.sent();
    let blocked = amqp_spec::connection::Blocked {
        reason: wire::short("low on memory"),
    };
    pair.says(0, &blocked);
    let mut waiting = Task::start(publisher.publish("", "key", message()));
    let mut all = Task::start(publisher.wait_for_confirms());
    pair.advance(Duration::from_secs(10));
    let text = "its confirm_timeout is over: waited for the end of the alarm (low on memory)";
    for (publish, outcome) in [
        (&mut sent, Outcome::Unknown),
        (&mut waiting, Outcome::NotSent),
    ] {
        let error = publish.ready().unwrap_err();
        assert_eq!((error.outcome(), error.is_retryable()), (outcome, true));
        assert!(error.to_string().ends_with(text), "{error}");
    }
    let unconfirmed = all.ready().unwrap_err();
    assert!(unconfirmed.to_string().ends_with(text), "{unconfirmed}");
}

#[test]
fn lost_and_confirmed_messages_are_told_apart_however_they_alternate() {
    let (mut pair, publisher) = Pair::with_publisher();
    let all: Vec<_> = (0..2400).map(|_| send(&publisher)).collect();
    drop(pair.sent());
    for number in (2..=2400).step_by(2) {
        pair.feed(&wire::ack(1, number, false));
    }
    pair.eof();
    for (n, confirmation) in all.into_iter().enumerate() {
        assert_eq!(done(confirmation).is_ok(), n % 2 == 1, "{}", n + 1);
    }
    done(publisher.wait_for_confirms()).unwrap();
}

#[test]
fn those_that_wait_for_all_are_told_of_their_own() {
    let (mut pair, publisher) = Pair::with_publisher();
    drop(send(&publisher));
    let mut first = Task::start(publisher.wait_for_confirms());
    drop(send(&publisher));
    let mut second = Task::start(publisher.wait_for_confirms());
    drop(pair.sent());
    pair.eof();
    assert_eq!(first.ready().unwrap_err().uncertain, 1);
    assert_eq!(second.ready().unwrap_err().uncertain, 1);
}
