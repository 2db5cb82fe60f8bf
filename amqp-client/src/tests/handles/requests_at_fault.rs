//! Whom the broker closes a channel for, and who only happens to be there.

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{channel, exchange, queue};

use crate::error::Entity;
use crate::error::Outcome;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConnectionError, ExchangeDeclare, QueueDeclare};

/// `channel.close` for a method, without a word about what it was about.
fn close_for(id: amqp_spec::wire::MethodId, text: &str) -> Vec<u8> {
    let close = channel::Close {
        reply_code: 404,
        reply_text: wire::short(text),
        class_id: id.class_id(),
        method_id: id.method_id(),
    };
    wire::method(1, &close)
}

fn entity(error: &ChannelError) -> Option<Entity> {
    error.broker_close().unwrap().entity.clone()
}

#[test]
fn oldest_request_of_the_method_is_the_one_that_failed() {
    let (mut pair, channel) = Pair::with_channel();
    let mut first = Task::start(channel.queue_purge("first"));
    let mut second = Task::start(channel.queue_purge("second"));
    let mut third = Task::start(channel.queue_purge("third"));
    pair.sent();
    pair.says(1, &queue::PurgeOk { message_count: 1 });
    assert_eq!(first.ready().unwrap(), 1);
    // In the words of nobody we know.
    pair.feed(&close_for(queue::Purge::ID, "gone"));
    let failed = second.ready().unwrap_err();
    assert_eq!(entity(&failed), Some(Entity::Queue("second".to_owned())));
    // Who only waited behind it is told whose fault it is.
    let bystander = third.ready().unwrap_err();
    assert_eq!(bystander.to_string(), failed.to_string());
    assert_eq!(
        bystander.to_string(),
        "channel 1 closed by the broker: 404 NOT_FOUND: gone (answering queue.purge of queue \
         'second')"
    );
    assert_eq!(
        (
            failed.outcome(),
            failed.is_retryable(),
            failed.is_not_found()
        ),
        (Outcome::Rejected, false, true)
    );
    assert_eq!(
        (
            bystander.outcome(),
            bystander.is_retryable(),
            bystander.is_not_found()
        ),
        (Outcome::NotSent, true, false)
    );
}

#[test]
fn request_of_another_method_is_not_blamed() {
    let (mut pair, channel) = Pair::with_channel();
    let mut purging = Task::start(channel.queue_purge("innocent"));
    pair.sent();
    pair.feed(&close_for(amqp_spec::basic::Publish::ID, "gone"));
    let error = purging.ready().unwrap_err();
    assert_eq!(entity(&error), None);
    assert!(
        error
            .to_string()
            .ends_with("gone (answering basic.publish)")
    );
}

#[test]
fn request_without_a_reply_is_told_by_the_text_among_several() {
    let (mut pair, channel) = Pair::with_channel();
    for name in ["a", "b", "c"] {
        done(channel.no_wait().queue_purge(name)).unwrap();
    }
    let mut waiting = Task::start(channel.queue_purge("d"));
    pair.sent();
    let text = "NOT_FOUND - no queue 'b' in vhost '/'";
    pair.feed(&close_for(queue::Purge::ID, text));
    let error = waiting.ready().unwrap_err();
    assert_eq!(entity(&error), Some(Entity::Queue("b".to_owned())));
}

#[test]
fn requests_without_a_reply_are_not_guessed_at() {
    let (mut pair, channel) = Pair::with_channel();
    done(channel.no_wait().queue_purge("a")).unwrap();
    done(channel.no_wait().queue_purge("b")).unwrap();
    pair.sent();
    pair.feed(&close_for(queue::Purge::ID, "gone"));
    assert_eq!(entity(&channel.close_reason().unwrap()), None);

    let (mut pair, channel) = Pair::with_channel();
    done(channel.no_wait().queue_purge("a")).unwrap();
    // A later reply says that it went well.
    let mut purging = Task::start(channel.queue_purge("b"));
    pair.sent();
    pair.says(1, &queue::PurgeOk { message_count: 0 });
    purging.ready().unwrap();
    done(channel.no_wait().queue_purge("c")).unwrap();
    pair.sent();
    pair.feed(&close_for(queue::Purge::ID, "gone"));
    let found = entity(&channel.close_reason().unwrap());
    assert_eq!(found, Some(Entity::Queue("c".to_owned())));
}

#[test]
fn requests_without_a_reply_take_no_one_elses_and_no_room() {
    let (mut pair, channel) = Pair::with_channel();
    for _ in 0..1000 {
        done(channel.no_wait().queue_purge("q")).unwrap();
    }
    assert_eq!(pair.sent().len(), 1000);
    pair.assert_idle();
    let mut declaring = Task::start(channel.queue_declare(QueueDeclare::new("q")));
    done(channel.no_wait().queue_purge("q")).unwrap();
    let mut purging = Task::start(channel.queue_purge("q"));
    pair.sent();
    pair.feed(&wire::declare_ok(1, "q"));
    pair.says(1, &queue::PurgeOk { message_count: 3 });
    assert_eq!(declaring.ready().unwrap().name, "q");
    assert_eq!(purging.ready().unwrap(), 3);
    pair.assert_idle();
}

#[test]
fn of_a_binding_the_text_says_which_end_is_missing() {
    let (mut pair, channel) = Pair::with_channel();
    let mut binding = Task::start(channel.queue_bind("same", "same", "key"));
    pair.sent();
    let text = "NOT_FOUND - no exchange 'same' in vhost '/'";
    pair.feed(&close_for(queue::Bind::ID, text));
    let found = entity(&binding.ready().unwrap_err());
    assert_eq!(found, Some(Entity::Exchange("same".to_owned())));
}

#[test]
fn connection_closed_for_a_request_tells_which_if_there_is_one() {
    let close = |id: amqp_spec::wire::MethodId| amqp_spec::connection::Close {
        reply_code: 503,
        reply_text: wire::short("COMMAND_INVALID - invalid exchange type 'foo'"),
        class_id: id.class_id(),
        method_id: id.method_id(),
    };
    let (mut pair, channel) = Pair::with_channel();
    let other = pair.channel();
    let mut purging = Task::start(other.queue_purge("q"));
    let mut declaring = Task::start(channel.exchange_declare(ExchangeDeclare::new("x", "foo")));
    pair.sent();
    pair.says(0, &close(exchange::Declare::ID));
    let error = declaring.ready().unwrap_err();
    assert_eq!(entity(&error), Some(Entity::Exchange("x".to_owned())));
    assert_eq!(
        purging.ready().unwrap_err().to_string(),
        "connection closed by the broker: 503 COMMAND_INVALID - invalid exchange type 'foo' \
         (answering exchange.declare of exchange 'x')"
    );

    let (mut pair, channel) = Pair::with_channel();
    let other = pair.channel();
    let _first = Task::start(channel.exchange_declare(ExchangeDeclare::new("x", "foo")));
    let mut second = Task::start(other.exchange_declare(ExchangeDeclare::new("y", "foo")));
    pair.sent();
    pair.says(0, &close(exchange::Declare::ID));
    let error = second.ready().unwrap_err();
    assert_eq!(entity(&error), None);
    let ChannelError::Connection(ConnectionError::ClosedByBroker(_)) = error else {
        panic!("{error:?}");
    };
}

#[test]
fn request_is_not_accused_for_one_that_is_forgotten() {
    let (mut pair, channel) = Pair::with_channel();
    done(channel.no_wait().queue_purge("a")).unwrap();
    for _ in 0..16 {
        done(channel.no_wait().queue_bind("q", "x", "k")).unwrap();
    }
    let mut purging = Task::start(channel.queue_purge("b"));
    pair.sent();
    let text = "NOT_FOUND - no queue 'a' in vhost '/'";
    pair.feed(&close_for(queue::Purge::ID, text));
    let error = purging.ready().unwrap_err();
    assert!(error.is_retryable() && !error.is_not_found());
    assert_eq!(entity(&error), None);
}
