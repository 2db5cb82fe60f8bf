//! Publishes on a channel that the broker closes for one of them, or for something else: which are
//! told to be at fault, which may have been routed and which were not sent.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::{MethodId, TypedMethod as _};
use amqp_spec::{basic, channel, queue};

use crate::error::{Entity, Outcome};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Confirmation, Message, PublishError, Publisher};

const MISSING: &str = "NOT_FOUND - no exchange 'missing' in vhost '/'";

/// `channel.close` for a method.
fn close(code: u16, id: MethodId, text: &str) -> Vec<u8> {
    let close = channel::Close {
        reply_code: code,
        reply_text: wire::short(text),
        class_id: id.class_id(),
        method_id: id.method_id(),
    };
    wire::method(1, &close)
}

/// A publish to each of these exchanges, all written.
fn send(pair: &mut Pair, publisher: &Publisher, exchanges: &[&str]) -> Vec<Confirmation> {
    let sent = exchanges
        .iter()
        .map(|exchange| done(publisher.send(exchange, "key", Message::new("x"))).unwrap())
        .collect();
    drop(pair.sent());
    sent
}

/// What each was told: in a word, and whether it may be tried again.
fn told(confirmations: Vec<Confirmation>) -> Vec<(&'static str, bool)> {
    let told = |confirmation: Confirmation| {
        let error: PublishError = done(confirmation).unwrap_err();
        let word = match &error {
            PublishError::Refused(_) => "refused",
            PublishError::NotSent(_) => "not sent",
            PublishError::Uncertain(_) => "uncertain",
            _ => "otherwise",
        };
        let expected = match word {
            "refused" => Outcome::Rejected,
            "not sent" => Outcome::NotSent,
            _ => Outcome::Unknown,
        };
        assert_eq!(error.outcome(), expected, "{error}");
        assert_eq!(error.is_not_found(), !error.is_retryable(), "{error}");
        (word, error.is_retryable())
    };
    confirmations.into_iter().map(told).collect()
}

#[test]
fn lone_publish_to_a_missing_exchange_is_refused() {
    let (mut pair, publisher) = Pair::with_publisher();
    let sent = send(&mut pair, &publisher, &["missing"]);
    pair.feed(&close(404, basic::Publish::ID, MISSING));
    let error = done(sent.into_iter().next().unwrap()).unwrap_err();
    assert_eq!(
        error.broker_close().unwrap().entity,
        Some(Entity::Exchange("missing".to_owned()))
    );
    assert_eq!(
        error.to_string(),
        "message refused by the broker: channel 1 closed by the broker: 404 NOT_FOUND - no exchange \
         'missing' in vhost '/' (answering basic.publish of exchange 'missing')"
    );
    assert_eq!(
        (error.is_retryable(), error.is_not_found(), error.outcome()),
        (false, true, Outcome::Rejected)
    );
}

#[test]
fn publish_at_fault_is_told_among_others_by_its_exchange() {
    let (mut pair, publisher) = Pair::with_publisher();
    let prepared = publisher.prepare("good", "key", PropertiesRef::EMPTY);
    let prepared = prepared.unwrap();
    let mut sent = send(&mut pair, &publisher, &["", "good", "missing", "", "good"]);
    sent.push(done(prepared.send("x")).unwrap());
    drop(pair.sent());
    // One of them is answered before.
    pair.feed(&wire::ack(1, 2, false));
    done(sent.remove(1)).unwrap();
    // One is never written: nothing is written before the close has been read.
    let unwritten = done(publisher.send("missing", "key", Message::new("x"))).unwrap();
    sent.push(unwritten);
    let octets = close(404, basic::Publish::ID, MISSING);
    pair.core.read_space()[..octets.len()].copy_from_slice(&octets);
    pair.core
        .read_done(octets.len(), crate::tests::support::pair::now());
    assert_eq!(
        told(sent),
        [
            ("uncertain", true),
            ("refused", false),
            ("not sent", true),
            ("not sent", true),
            ("not sent", true),
            ("not sent", true),
        ]
    );
}

#[test]
fn several_publishes_to_the_exchange_are_not_accused_and_the_rest_is_told() {
    let (mut pair, publisher) = Pair::with_publisher();
    let exchanges = ["", "missing", "", "missing", "missing", ""];
    let sent = send(&mut pair, &publisher, &exchanges);
    pair.feed(&close(404, basic::Publish::ID, MISSING));
    assert_eq!(
        told(sent),
        [
            ("uncertain", true),
            ("uncertain", false),
            ("uncertain", true),
            ("uncertain", false),
            ("uncertain", false),
            ("not sent", true),
        ]
    );
}

#[test]
fn publish_is_not_accused_for_what_names_nothing_unless_it_is_alone() {
    let text = "PRECONDITION_FAILED - invalid message";
    let (mut pair, publisher) = Pair::with_publisher();
    let sent = send(&mut pair, &publisher, &["", "x"]);
    pair.feed(&close(406, basic::Publish::ID, text));
    for error in sent.into_iter().map(|sent| done(sent).unwrap_err()) {
        assert!(matches!(error, PublishError::Uncertain(_)), "{error}");
        assert!(error.is_retryable() && !error.is_precondition_failed());
    }

    let (mut pair, publisher) = Pair::with_publisher();
    let mut sent = send(&mut pair, &publisher, &["", "x"]);
    pair.feed(&wire::ack(1, 1, false));
    pair.feed(&close(406, basic::Publish::ID, text));
    let error = done(sent.pop().unwrap()).unwrap_err();
    assert!(matches!(error, PublishError::Refused(_)), "{error}");
    assert!(!error.is_retryable() && error.is_precondition_failed());
}

#[test]
fn message_that_is_too_large_is_refused_beside_others_that_are_not() {
    let (mut pair, publisher) = Pair::with_publisher();
    let message = |size| Message::new(vec![0; size]);
    let sizes = [10, 9, 11, 10];
    let sent: Vec<_> = sizes
        .map(|size| done(publisher.send("", "key", message(size))).unwrap())
        .into();
    drop(pair.sent());
    let text = "PRECONDITION_FAILED - message size 11 is larger than configured max size 9";
    pair.feed(&close(406, basic::Publish::ID, text));
    let told: Vec<_> = sent
        .into_iter()
        .map(|sent| {
            let error = done(sent).unwrap_err();
            let refused = matches!(error, PublishError::Refused(_));
            assert_eq!(error.is_message_too_large(), refused, "{error}");
            assert_eq!(error.is_retryable(), !refused, "{error}");
            refused
        })
        .collect();
    assert_eq!(told, [true, false, true, true]);
}

#[test]
fn publishes_behind_a_request_that_fails_were_not_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let mut sent = send(&mut pair, &publisher, &[""]);
    let mut purging = Task::start(channel.queue_purge("nosuch"));
    sent.extend(send(&mut pair, &publisher, &["", ""]));
    let text = "NOT_FOUND - no queue 'nosuch' in vhost '/'";
    pair.feed(&close(404, queue::Purge::ID, text));
    assert!(purging.ready().unwrap_err().is_not_found());
    assert_eq!(
        told(sent),
        [("uncertain", true), ("not sent", true), ("not sent", true)]
    );
}

#[test]
fn queue_whose_node_is_down_is_there_and_may_be_asked_again() {
    for text in [
        "NOT_FOUND - home node 'rabbit@b' of durable queue 'q' in vhost '/' is down or inaccessible",
        "NOT_FOUND - queue 'q' in vhost '/' process is stopped by supervisor",
    ] {
        let (mut pair, channel) = Pair::with_channel();
        let mut purging = Task::start(channel.queue_purge("q"));
        pair.sent();
        pair.feed(&close(404, queue::Purge::ID, text));
        let error = purging.ready().unwrap_err();
        let told = (error.is_not_found(), error.is_retryable(), error.outcome());
        assert_eq!(told, (false, true, Outcome::Rejected), "{error}");
    }
}

#[test]
fn internal_error_is_worth_another_attempt_unless_it_answers_a_publish() {
    let closed = |id: MethodId| amqp_spec::connection::Close {
        reply_code: 541,
        reply_text: wire::short("INTERNAL_ERROR"),
        class_id: id.class_id(),
        method_id: id.method_id(),
    };
    let (mut pair, channel) = Pair::with_channel();
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.says(0, &closed(queue::Purge::ID));
    let error = purging.ready().unwrap_err();
    assert_eq!(
        (error.is_retryable(), error.outcome()),
        (true, Outcome::Rejected)
    );

    let (mut pair, publisher) = Pair::with_publisher();
    let mut purging = Task::start(publisher.channel().queue_purge("q"));
    let sent = send(&mut pair, &publisher, &["", ""]);
    pair.says(0, &closed(basic::Publish::ID));
    for error in sent.into_iter().map(|sent| done(sent).unwrap_err()) {
        assert_eq!(
            (error.is_retryable(), error.outcome()),
            (false, Outcome::Unknown)
        );
    }
    let bystander = purging.ready().unwrap_err();
    assert_eq!(
        (bystander.is_retryable(), bystander.outcome()),
        (true, Outcome::Unknown)
    );
}
