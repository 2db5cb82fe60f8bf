//! Names and texts that do not fit: which is told, and what becomes of it when it is set again.

use std::future::IntoFuture as _;

use amqp_spec::basic::Properties;
use amqp_spec::{ReplyCode, field_table};

use crate::consume::Consume;
use crate::declare::Binding;
use crate::error::{ChannelError, Entity, Outcome, PublishError};
use crate::tests::handles::rpc::calls::Calling;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::done;
use crate::{Channel, ExchangeDeclare, Message, QueueDeclare};

fn long() -> String {
    "n".repeat(256)
}

/// What publishing the message to an exchange says.
#[track_caller]
pub(crate) fn refused(channel: &Channel, message: &Message) -> String {
    let published = done(channel.basic_publish("orders", "key", message));
    let error = published.expect_err("refused");
    assert!(
        !error.is_retryable() && error.outcome() == Outcome::NotSent,
        "{error}"
    );
    error.to_string()
}

#[test]
fn property_that_fits_takes_the_place_of_one_that_did_not() {
    type Set = fn(Message, &str) -> Message;
    let (mut pair, channel) = Pair::with_channel();
    let setters: [(&str, Set); 8] = [
        ("content_type", |message, text| message.content_type(text)),
        ("content_encoding", |message, text| {
            message.content_encoding(text)
        }),
        ("kind", |message, text| message.kind(text)),
        ("user_id", |message, text| message.user_id(text)),
        ("app_id", |message, text| message.app_id(text)),
        ("correlation_id", |message, text| {
            message.correlation_id(text)
        }),
        ("reply_to", |message, text| message.reply_to(text)),
        ("message_id", |message, text| message.message_id(text)),
    ];
    for (argument, set) in setters {
        let fits = set(Message::new("body"), "fits");
        let odd = set(fits.clone(), &long());
        assert_eq!(
            refused(&channel, &odd),
            format!(
                "{argument} \"{}\"… has 256 bytes, at most 255 fit (exchange 'orders')",
                "n".repeat(32)
            )
        );
        assert_eq!(pair.sent(), [""; 0]);
        let mended = set(odd, "fits");
        done(channel.basic_publish("orders", "key", &mended)).unwrap();
        assert_eq!(mended.properties(), fits.properties());
        assert_eq!(pair.sent().len(), 3);
    }
}

#[test]
fn each_of_several_properties_has_to_be_mended() {
    let (_pair, channel) = Pair::with_channel();
    let odd = Message::new("").message_id(long()).app_id(long());
    let half = odd.clone().message_id("fits");
    assert!(refused(&channel, &half).starts_with("app_id \"nnn"));
    done(channel.basic_publish("", "q", &half.app_id("fits"))).unwrap();
    // All properties at once.
    done(channel.basic_publish("", "q", &odd.with_properties(Properties::new()))).unwrap();
}

#[test]
fn header_whose_name_does_not_fit_is_told_until_the_headers_are_others() {
    let (mut pair, channel) = Pair::with_channel();
    let odd = Message::new("").header(long(), 1).header("fits", 2);
    assert!(refused(&channel, &odd).starts_with("name of a header \"nnn"));
    let told = done(channel.basic_publish("", "q", &odd)).unwrap_err();
    assert!(told.to_string().ends_with("(queue 'q')"), "{told}");
    assert_eq!(pair.sent(), [""; 0]);
    let mended = odd.headers(&field_table! { "fits" => 2 });
    done(channel.basic_publish("", "q", &mended)).unwrap();
}

#[test]
fn every_name_that_does_not_fit_is_told_with_what_it_was_for() {
    #[track_caller]
    fn told<T>(result: Result<T, ChannelError>, argument: &str, entity: Option<Entity>) {
        match result.map(drop) {
            Err(ChannelError::TooLong(error)) => {
                assert_eq!((error.len, error.max), (256, 255));
                assert!(error.begins.starts_with("nnn"));
                assert_eq!((error.argument, error.entity), (argument, entity));
            }
            other => panic!("{other:?}"),
        }
    }
    let (mut pair, channel) = Pair::with_channel();
    let of_queue = || Some(Entity::Queue("q".to_owned()));
    let exchange = || Some(Entity::Exchange("x".to_owned()));
    let name = "name of an argument";

    let declare = |declare| done(channel.queue_declare(declare));
    told(declare(QueueDeclare::new(long())), "queue", None);
    told(
        declare(QueueDeclare::new("q").argument(long(), 1)),
        name,
        of_queue(),
    );
    told(
        declare(QueueDeclare::temporary().argument(long(), 1)),
        name,
        None,
    );
    told(
        done(channel.no_wait().queue_declare(QueueDeclare::new(long()))),
        "queue",
        None,
    );
    let no_wait = channel.no_wait();
    told(done(no_wait.queue_purge(long())), "queue", None);
    told(done(no_wait.queue_delete(long())), "queue", None);
    told(done(no_wait.exchange_delete(long())), "exchange", None);
    told(
        done(no_wait.exchange_bind("x", long(), "k")),
        "source",
        exchange(),
    );
    told(done(channel.queue_declare(long())), "queue", None);
    told(done(channel.queue_delete(long())), "queue", None);
    told(done(channel.queue_purge(long())), "queue", None);
    told(done(channel.queue_bind(long(), "x", "k")), "queue", None);
    told(
        done(channel.queue_bind("q", long(), "k")),
        "exchange",
        of_queue(),
    );
    told(
        done(channel.queue_bind("q", "x", long())),
        "routing_key",
        of_queue(),
    );
    let argument = || Binding::new("k").argument(long(), 1);
    told(
        done(channel.queue_bind("q", "x", argument())),
        name,
        of_queue(),
    );
    told(
        done(channel.no_wait().queue_bind("q", "x", argument())),
        name,
        of_queue(),
    );
    told(
        done(channel.queue_unbind("q", "x", long())),
        "routing_key",
        of_queue(),
    );
    told(
        done(channel.queue_unbind("q", "x", argument())),
        name,
        of_queue(),
    );

    let declare = |declare| done(channel.exchange_declare(declare));
    told(declare(ExchangeDeclare::direct(long())), "exchange", None);
    told(
        declare(ExchangeDeclare::new("x", long())),
        "type",
        exchange(),
    );
    told(
        declare(ExchangeDeclare::direct("x").argument(long(), 1)),
        name,
        exchange(),
    );
    told(done(channel.exchange_delete(long())), "exchange", None);
    told(
        done(channel.exchange_bind(long(), "y", "k")),
        "destination",
        None,
    );
    told(
        done(channel.exchange_bind("x", long(), "k")),
        "source",
        exchange(),
    );
    told(
        done(channel.exchange_bind("x", "y", long())),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.exchange_unbind("x", "y", argument())),
        name,
        exchange(),
    );

    let consume = |consume: Consume| done(consume.into_future());
    told(consume(channel.consume(long())), "queue", None);
    told(
        consume(channel.consume("q").tag(long())),
        "consumer_tag",
        of_queue(),
    );
    told(
        consume(channel.consume("q").argument(long(), 1)),
        name,
        of_queue(),
    );
    told(done(channel.basic_get(long())), "queue", None);
    told(done(channel.basic_get_no_ack(long())), "queue", None);
    told(done(channel.basic_cancel(long())), "consumer_tag", None);

    let message = Message::new("");
    let properties = || message.properties().as_ref();
    told(
        done(channel.basic_publish(long(), "k", &message)),
        "exchange",
        None,
    );
    told(
        done(channel.basic_publish("x", long(), &message)),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.basic_publish_body("x", long(), properties(), "")),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.basic_publish_mandatory("x", long(), &message)),
        "routing_key",
        exchange(),
    );
    told(
        channel.prepare("x", long(), properties()),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.close_with(ReplyCode(200), long())),
        "reply_text",
        None,
    );
    let connection = pair.connection.clone();
    told(
        done(connection.close_with(ReplyCode(200), long())),
        "reply_text",
        None,
    );
    told(
        done(connection.update_secret("token", long())),
        "reason",
        None,
    );
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn publishers_and_clients_of_calls_tell_what_does_not_fit() {
    let (mut pair, _channel) = Pair::with_channel();
    let publisher = pair.publisher();
    for (sent, argument) in [
        (
            done(publisher.send(long(), "k", Message::new(""))),
            "exchange",
        ),
        (
            done(publisher.send("x", long(), Message::new(""))),
            "routing_key",
        ),
    ] {
        match sent {
            Err(PublishError::NotSent(ChannelError::TooLong(error))) => {
                assert_eq!(error.argument, argument);
            }
            other => panic!("{other:?}"),
        }
    }
    let properties = Properties::new();
    let prepared = publisher.prepare("x", long(), properties.as_ref());
    let told = prepared.map(drop).unwrap_err().to_string();
    assert!(told.starts_with("routing_key \"nnn"), "{told}");
    assert_eq!(pair.sent(), [""; 0]);

    let calling = Calling::new();
    let call = calling.client.call("", long(), Message::new(""));
    let told = done(call.into_future()).unwrap_err().to_string();
    assert!(told.contains("routing_key \"nnn"), "{told}");
}

#[test]
fn declarations_that_contradict_themselves_name_the_queue() {
    let (mut pair, channel) = Pair::with_channel();
    let told = |declare| {
        done(channel.queue_declare(declare))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        told(QueueDeclare::new("q").quorum().exclusive()),
        "x-queue-type: quorum excludes exclusive (queue 'q')"
    );
    assert_eq!(
        told(
            QueueDeclare::new("")
                .max_priority(3)
                .argument("x-max-priority", 300)
        ),
        "x-max-priority must be 0 to 255"
    );
    assert_eq!(pair.sent(), [""; 0]);
}
