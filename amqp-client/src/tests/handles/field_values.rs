//! Values over which the broker would end the connection: refused on every path.

use std::cell::Cell;
use std::future::IntoFuture as _;

use amqp_spec::basic::Properties;
use amqp_spec::field_table;
use amqp_spec::wire::{Decimal, NotRepresentable, ToValue, Value};

use super::rpc::calls::Calling;
use crate::declare::Binding;
use crate::error::{ChannelError, Outcome, PublishError};
use crate::tests::support::pair::Pair;
use crate::tests::support::task::done;
use crate::{ConsumeError, ExchangeDeclare, Message, QueueDeclare, rpc};

const NUMBER: &str = "is not a finite number: RabbitMQ ends the connection over NaN and infinity";

fn nan() -> Message {
    Message::new("body").header("ratio", f64::NAN)
}

#[test]
fn number_that_is_none_is_refused_on_every_path_that_a_message_takes() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let message = nan();
    let told = |error: ChannelError| {
        assert!(matches!(error, ChannelError::Invalid(_)), "{error}");
        assert!(!error.is_retryable() && error.outcome() == Outcome::NotSent);
        assert_eq!(
            error.to_string(),
            format!("\"ratio\" {NUMBER} (exchange 'x')")
        );
    };
    let not_sent = |error: PublishError| match error {
        PublishError::NotSent(error) => told(error),
        other => panic!("{other}"),
    };
    let properties = message.properties().as_ref();
    told(done(channel.basic_publish("x", "k", &message)).unwrap_err());
    told(done(channel.basic_publish_mandatory("x", "k", &message)).unwrap_err());
    told(done(channel.basic_publish_body("x", "k", properties, "body")).unwrap_err());
    told(channel.prepare("x", "k", properties).map(drop).unwrap_err());
    told(
        publisher
            .prepare("x", "k", properties)
            .map(drop)
            .unwrap_err(),
    );
    not_sent(done(publisher.publish("x", "k", &message)).unwrap_err());
    not_sent(
        done(publisher.send("x", "k", &message))
            .map(drop)
            .unwrap_err(),
    );
    not_sent(done(publisher.clone().mandatory().publish("x", "k", &message)).unwrap_err());
    not_sent(done(publisher.max_outstanding(1).publish("x", "k", &message)).unwrap_err());
    let copied = Message::new("").with_properties(message.properties().clone());
    told(done(channel.basic_publish("x", "k", &copied)).unwrap_err());
    let table = field_table! { "ratio" => f32::INFINITY };
    told(done(channel.basic_publish("x", "k", &Message::new("").headers(&table))).unwrap_err());
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}

#[test]
fn call_with_a_number_that_is_none_is_not_sent() {
    let mut calling = Calling::new();
    let call = calling.client.call("", "fib", nan()).into_future();
    match done(call) {
        Err(rpc::Error::NotSent(ConsumeError::Channel(ChannelError::Invalid(error)))) => {
            assert_eq!(
                error.to_string(),
                format!("\"ratio\" {NUMBER} (queue 'fib')")
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(calling.pair.sent(), [""; 0]);
}

#[test]
fn header_that_is_set_again_or_replaced_is_judged_anew() {
    let (_pair, channel) = Pair::with_channel();
    let publish = |message: Message| done(channel.basic_publish("", "q", &message));
    let odd = nan().header("other", 1);
    assert!(publish(odd.clone()).is_err());
    publish(odd.clone().header("ratio", 0.5)).unwrap();
    publish(odd.clone().headers(&field_table! { "a" => 1 })).unwrap();
    publish(odd.with_properties(Properties::new())).unwrap();
    let inner = field_table! { "deep" => f64::NEG_INFINITY };
    let nested = Message::new("").header("table", &inner);
    assert!(publish(nested.clone()).is_err());
    publish(nested.header("table", &field_table! { "deep" => 1.0 })).unwrap();
}

/// A value of the program's own that is another each time: NaN, then zero.
struct Changing(Cell<f64>);

impl ToValue for Changing {
    fn to_value(&self) -> Result<Value<'_>, NotRepresentable> {
        Ok(Value::F64(self.0.replace(0.0)))
    }
}

#[test]
fn value_that_is_looked_at_is_the_one_that_would_be_sent() {
    let (mut pair, publisher) = Pair::with_publisher();
    let message = Message::new("body").header("ratio", Changing(f64::NAN.into()));
    let error = done(publisher.publish("x", "k", &message)).unwrap_err();
    assert!(error.to_string().contains(NUMBER), "{error}");
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn decimals_in_headers_are_refused_unless_they_are_allowed() {
    let (mut pair, channel) = Pair::with_channel();
    let publish = |message: &Message| done(channel.basic_publish("", "q", message));
    let decimal = Decimal {
        scale: 2,
        value: 995,
    };
    let message = Message::new("").header("price", decimal);
    let told = publish(&message).unwrap_err().to_string();
    assert!(told.starts_with("\"price\" is a decimal number"), "{told}");
    assert!(
        told.contains("allow_decimals") && told.ends_with("(queue 'q')"),
        "{told}"
    );
    assert_eq!(pair.sent(), [""; 0]);
    let allowed = message.allow_decimals();
    publish(&allowed).unwrap();
    assert_eq!(pair.sent().len(), 2);
    // Before the headers or behind them, and nothing else is allowed with it.
    publish(&Message::new("").allow_decimals().header("price", decimal)).unwrap();
    let both = allowed.header("ratio", f64::NAN);
    assert!(
        publish(&both)
            .unwrap_err()
            .to_string()
            .starts_with("\"ratio\" ")
    );
}

#[test]
fn number_that_is_none_is_refused_in_every_argument() {
    let (mut pair, channel) = Pair::with_channel();
    let told = |error: ChannelError, entity: &str| {
        assert!(matches!(error, ChannelError::Invalid(_)), "{error}");
        assert_eq!(error.to_string(), format!("\"ratio\" {NUMBER} ({entity})"));
    };
    let binding = || Binding::new("k").argument("ratio", f64::NAN);
    let queue = || QueueDeclare::new("q").argument("ratio", f32::NAN);
    let exchange = || ExchangeDeclare::direct("x").argument("ratio", f64::INFINITY);
    told(
        done(channel.queue_declare(queue())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.queue_declare(queue().unchecked())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.no_wait().queue_declare(queue())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.exchange_declare(exchange())).unwrap_err(),
        "exchange 'x'",
    );
    told(
        done(channel.no_wait().exchange_declare(exchange())).unwrap_err(),
        "exchange 'x'",
    );
    told(
        done(channel.queue_bind("q", "x", binding())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.queue_unbind("q", "x", binding())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.no_wait().queue_bind("q", "x", binding())).unwrap_err(),
        "queue 'q'",
    );
    told(
        done(channel.exchange_bind("x", "y", binding())).unwrap_err(),
        "exchange 'x'",
    );
    told(
        done(channel.exchange_unbind("x", "y", binding())).unwrap_err(),
        "exchange 'x'",
    );
    told(
        done(channel.no_wait().exchange_bind("x", "y", binding())).unwrap_err(),
        "exchange 'x'",
    );
    told(
        done(channel.no_wait().exchange_unbind("x", "y", binding())).unwrap_err(),
        "exchange 'x'",
    );
    let consume = channel
        .consume("q")
        .argument("ratio", f64::NAN)
        .into_future();
    told(done(consume).map(drop).unwrap_err(), "queue 'q'");
    let consume = channel
        .consume("q")
        .argument("ratio", f64::NAN)
        .no_ack()
        .into_future();
    told(done(consume).map(drop).unwrap_err(), "queue 'q'");
    assert_eq!(pair.sent(), [""; 0]);
    pair.assert_idle();
}
