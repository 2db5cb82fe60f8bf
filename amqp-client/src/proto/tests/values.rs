//! Values that programs set: which of several counts, and what is sent of them.

use std::future::IntoFuture as _;
use std::time::Duration;

use amqp_spec::basic::{self, Properties};
use amqp_spec::wire::{Decimal, TableRef, TypedMethod as _, Value};
use amqp_spec::{ReplyCode, field_table, queue};

use super::pair::{Pair, quiet};
use super::rpc::Calling;
use super::task::{Task, done};
use super::wire;
use crate::consumer::Consume;
use crate::error::{ChannelError, Entity, Outcome, PublishError};

use crate::{
    Binding, Channel, ConnectionOptions, ExchangeDeclare, Message, QueueDeclare, RpcError,
    StreamOffset,
};

/// The arguments that a consumer is started with.
fn arguments_of(consume: Consume, mut pair: Pair) -> Vec<(String, String)> {
    drop(Task::start(consume.into_future()));
    let octets = pair.sent_octets();
    let (frames, _) = wire::frames(&octets);
    let consume = frames
        .iter()
        .find_map(|frame| basic::Consume::decode(frame.payload).ok());
    listed(consume.expect("basic.consume").arguments)
}

fn listed(table: TableRef<'_>) -> Vec<(String, String)> {
    let entries = table.iter().map(Result::unwrap);
    let entries = entries.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    entries.collect()
}

#[track_caller]
fn same(found: &[(String, String)], expected: &[(&str, &str)]) {
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn header_set_again_has_the_value_that_was_set_last() {
    let mut message = Message::new("job")
        .header("attempts", 0)
        .header("job", "resize");
    for attempt in 1..=3 {
        message = message.header("attempts", attempt);
    }
    let headers = message.properties().as_ref().headers().unwrap();
    same(
        &listed(headers),
        &[("attempts", "3i32"), ("job", "\"resize\"")],
    );
    // Others of that name, which a peer may have sent, go.
    let doubled = field_table! { "n" => 1, "n" => 2 };
    let message = Message::new("").headers(&doubled);
    assert_eq!(
        message.properties().as_ref().headers(),
        Some(doubled.as_ref())
    );
    let message = message.header("n", Value::Void);
    same(
        &listed(message.properties().as_ref().headers().unwrap()),
        &[("n", "void")],
    );
}

#[test]
fn argument_of_a_consumer_set_again_has_the_value_that_was_set_last() {
    let (pair, channel) = Pair::with_channel();
    let consume = channel
        .consume("q")
        .argument("x-plugin", 1)
        .argument("x-plugin", 2);
    same(&arguments_of(consume, pair), &[("x-plugin", "2i32")]);
}

#[test]
fn of_a_setter_and_the_argument_it_stands_for_the_last_one_counts() {
    let (pair, channel) = Pair::with_channel();
    let consume = channel.consume("q").argument("x-priority", 1).priority(9);
    same(&arguments_of(consume, pair), &[("x-priority", "9i32")]);
    let (pair, channel) = Pair::with_channel();
    let consume = channel.consume("q").priority(9).argument("x-priority", 1);
    same(&arguments_of(consume, pair), &[("x-priority", "1i32")]);
    let (pair, channel) = Pair::with_channel();
    let consume = channel.consume("s").offset(StreamOffset::First);
    let consume = consume
        .argument("x-stream-offset", "last")
        .offset(StreamOffset::Offset(7));
    same(&arguments_of(consume, pair), &[("x-stream-offset", "7i64")]);
}

#[test]
fn temporary_queue_is_exclusive_and_goes_with_its_consumers_only_if_that_is_said() {
    let flags = |declare: QueueDeclare| {
        let (mut pair, channel) = Pair::with_channel();
        drop(Task::start(channel.queue_declare(declare)));
        let octets = pair.sent_octets();
        let (frames, _) = wire::frames(&octets);
        let declare = queue::Declare::decode(frames[0].payload).unwrap();
        (declare.exclusive, declare.auto_delete, declare.durable)
    };
    let temporary = QueueDeclare::temporary;
    assert_eq!(flags(temporary()), (true, false, false));
    assert_eq!(flags(temporary().auto_delete()), (true, true, false));
}

// ── Names and texts that do not fit ─────────────────────────────────────────────────────────────

fn long() -> String {
    "n".repeat(256)
}

/// What publishing the message to an exchange says.
#[track_caller]
fn refused(channel: &Channel, message: &Message) -> String {
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
        ("content_type", Message::content_type),
        ("content_encoding", Message::content_encoding),
        ("kind", Message::kind),
        ("user_id", Message::user_id),
        ("app_id", Message::app_id),
        ("correlation_id", Message::correlation_id),
        ("reply_to", Message::reply_to),
        ("message_id", Message::message_id),
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
    let odd = Message::new("").message_id(&long()).app_id(&long());
    let half = odd.clone().message_id("fits");
    assert!(refused(&channel, &half).starts_with("app_id \"nnn"));
    done(channel.basic_publish("", "q", &half.app_id("fits"))).unwrap();
    // All properties at once.
    done(channel.basic_publish("", "q", &odd.with_properties(Properties::new()))).unwrap();
}

#[test]
fn header_whose_name_does_not_fit_is_told_until_the_headers_are_others() {
    let (mut pair, channel) = Pair::with_channel();
    let odd = Message::new("").header(&long(), 1).header("fits", 2);
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
    let long = &long();
    let of_queue = || Some(Entity::Queue("q".to_owned()));
    let exchange = || Some(Entity::Exchange("x".to_owned()));
    let name = "name of an argument";

    let declare = |declare| done(channel.queue_declare(declare));
    told(declare(QueueDeclare::new(long)), "queue", None);
    told(
        declare(QueueDeclare::new("q").argument(long, 1)),
        name,
        of_queue(),
    );
    told(
        declare(QueueDeclare::temporary().argument(long, 1)),
        name,
        None,
    );
    told(
        done(channel.no_wait().queue_declare(QueueDeclare::new(long))),
        "queue",
        None,
    );
    told(done(channel.queue_delete(long)), "queue", None);
    told(done(channel.queue_purge(long)), "queue", None);
    told(done(channel.queue_bind(long, "x", "k")), "queue", None);
    told(
        done(channel.queue_bind("q", long, "k")),
        "exchange",
        of_queue(),
    );
    told(
        done(channel.queue_bind("q", "x", long)),
        "routing_key",
        of_queue(),
    );
    let argument = || Binding::new("k").argument(long, 1);
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
        done(channel.queue_unbind("q", "x", long)),
        "routing_key",
        of_queue(),
    );
    told(
        done(channel.queue_unbind("q", "x", argument())),
        name,
        of_queue(),
    );

    let declare = |declare| done(channel.exchange_declare(declare));
    told(declare(ExchangeDeclare::direct(long)), "exchange", None);
    told(declare(ExchangeDeclare::new("x", long)), "type", exchange());
    told(
        declare(ExchangeDeclare::direct("x").argument(long, 1)),
        name,
        exchange(),
    );
    told(done(channel.exchange_delete(long)), "exchange", None);
    told(
        done(channel.exchange_bind(long, "y", "k")),
        "destination",
        None,
    );
    told(
        done(channel.exchange_bind("x", long, "k")),
        "source",
        exchange(),
    );
    told(
        done(channel.exchange_bind("x", "y", long)),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.exchange_unbind("x", "y", argument())),
        name,
        exchange(),
    );

    let consume = |consume: Consume| done(consume.into_future());
    told(consume(channel.consume(long)), "queue", None);
    told(
        consume(channel.consume("q").tag(long)),
        "consumer_tag",
        of_queue(),
    );
    told(
        consume(channel.consume("q").argument(long, 1)),
        name,
        of_queue(),
    );
    told(done(channel.basic_get(long)), "queue", None);
    told(done(channel.basic_cancel(long)), "consumer_tag", None);

    let message = Message::new("");
    let properties = || message.properties().as_ref();
    told(
        done(channel.basic_publish(long, "k", &message)),
        "exchange",
        None,
    );
    told(
        done(channel.basic_publish("x", long, &message)),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.basic_publish_body("x", long, properties(), "")),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.basic_publish_mandatory("x", long, &message)),
        "routing_key",
        exchange(),
    );
    told(
        channel.prepare("x", long, properties()),
        "routing_key",
        exchange(),
    );
    told(
        done(channel.close_with(ReplyCode(200), long)),
        "reply_text",
        None,
    );
    assert_eq!(pair.sent(), [""; 0]);
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

// ── Times ───────────────────────────────────────────────────────────────────────────────────────

const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

#[test]
fn expiration_is_rounded_up_and_refused_beyond_what_brokers_take() {
    let (mut pair, channel) = Pair::with_channel();
    let expiration = |after| {
        let message = Message::new("").expiration(after);
        let properties = message.properties().as_ref();
        properties.expiration().map(|text| text.to_string())
    };
    assert_eq!(expiration(Duration::ZERO).as_deref(), Some("0"));
    assert_eq!(expiration(Duration::from_nanos(1)).as_deref(), Some("1"));
    assert_eq!(expiration(Duration::from_micros(900)).as_deref(), Some("1"));
    assert_eq!(
        expiration(Duration::from_micros(1001)).as_deref(),
        Some("2")
    );
    assert_eq!(expiration(TEN_YEARS).as_deref(), Some("315360000000"));
    for longer in [TEN_YEARS + Duration::from_nanos(1), Duration::MAX] {
        let odd = Message::new("")
            .expiration(Duration::ZERO)
            .expiration(longer);
        assert_eq!(
            refused(&channel, &odd),
            "expiration must be 0 to 315360000000 milliseconds (exchange 'orders')"
        );
        assert_eq!(pair.sent(), [""; 0]);
        let mended = odd.expiration(TEN_YEARS);
        done(channel.basic_publish("", "q", &mended)).unwrap();
        assert_eq!(pair.sent().len(), 2);
    }
}

#[test]
fn ages_of_streams_do_not_overflow() {
    let (pair, channel) = Pair::with_channel();
    let longest = StreamOffset::Interval(Duration::MAX);
    let consume = channel.consume("s").offset(longest);
    let longest = "\"18446744073709551615s\"";
    same(
        &arguments_of(consume, pair),
        &[("x-stream-offset", longest)],
    );
    let (mut pair, channel) = Pair::with_channel();
    let stream = QueueDeclare::new("s").stream().max_age(Duration::MAX);
    drop(Task::start(channel.queue_declare(stream)));
    let octets = pair.sent_octets();
    let (frames, _) = wire::frames(&octets);
    let declare = queue::Declare::decode(frames[0].payload).unwrap();
    let arguments = listed(declare.arguments);
    let expected = [("x-queue-type", "\"stream\""), ("x-max-age", longest)];
    same(&arguments, &expected);
}

#[test]
fn stream_offset_that_is_none_is_refused() {
    let (mut pair, channel) = Pair::with_channel();
    let told = |consume: Consume| done(consume.into_future()).map(drop).unwrap_err();
    let expected = "x-stream-offset must be first, last, next, an offset, a timestamp, or an \
                    interval from 1s (queue 's')";
    let never = channel
        .consume("s")
        .offset(StreamOffset::Interval(Duration::ZERO));
    assert_eq!(told(never).to_string(), expected);
    for odd in ["0s", "", "newest", "-1", "7", "s", "+1s"] {
        let consume = channel.consume("s").argument("x-stream-offset", odd);
        assert_eq!(told(consume).to_string(), expected, "{odd}");
    }
    for odd in [Value::Void, Value::Bool(true), Value::F64(1.0)] {
        let consume = channel.consume("s").argument("x-stream-offset", odd);
        assert_eq!(told(consume).to_string(), expected, "{odd:?}");
    }
    // The last one counts.
    let mended = channel
        .consume("s")
        .argument("x-stream-offset", "newest")
        .argument("x-stream-offset", "7D");
    assert_eq!(pair.sent(), [""; 0]);
    same(
        &arguments_of(mended, pair),
        &[("x-stream-offset", "\"7D\"")],
    );
}

#[test]
fn longest_times_and_largest_limits_harm_nothing() {
    let options = quiet()
        .request_timeout(Duration::MAX)
        .handshake_timeout(Duration::MAX)
        .close_timeout(Duration::MAX)
        .write_timeout(Duration::MAX)
        .blocked_connection_timeout(Duration::MAX)
        .max_message_size(u64::MAX)
        .inbound_limit(usize::MAX)
        .high_water(usize::MAX);
    options.validate().unwrap();
    assert_eq!(
        options
            .to_uri_with_secrets()
            .parse::<ConnectionOptions>()
            .map(drop),
        Ok(())
    );
    let mut pair = Pair::open_with(&options);
    let channel = pair.channel();
    let publisher = pair.publisher();
    let patient = publisher
        .max_outstanding(usize::MAX)
        .confirm_timeout(Duration::MAX);
    let mut publishing = Task::start(patient.publish("", "q", Message::new("m")));
    assert_eq!(pair.sent().len(), 3);
    pair.feed(&wire::ack(2, 1, false));
    publishing.ready().unwrap();
    let mut consumer = pair.consumer(&channel, "tag");
    let mut deliveries = Vec::new();
    {
        let mut waiting = Task::new(consumer.next_within(Duration::MAX));
        waiting.pending();
    }
    pair.feed(&wire::delivery(1, "tag", 1, b"m"));
    assert_eq!(
        done(consumer.recv_many(&mut deliveries, usize::MAX)).unwrap(),
        1
    );
    pair.advance(Duration::from_secs(3600));
}

// ── Values over which the broker ends the connection ────────────────────────────────────────────

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
    not_sent(done(publisher.mandatory().publish("x", "k", &message)).unwrap_err());
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
        Err(RpcError::NotSent(ChannelError::Invalid(error))) => {
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
