//! Values that programs set: which of several counts, and what is sent of them.

use std::future::IntoFuture as _;
use std::time::{Duration, UNIX_EPOCH};

use amqp_spec::basic;
use amqp_spec::wire::{TableRef, TypedMethod as _, Value};
use amqp_spec::{field_table, queue};

use super::long_names::refused;
use crate::consume::Consume;
use crate::consume::StreamOffset;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{ChannelError, ConnectionOptions, Message, QueueDeclare, TlsOptions};

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
fn of_the_files_of_a_certificate_and_the_certificate_itself_the_last_one_counts() {
    let files = || TlsOptions::default().client_certificate("own.pem", "key.pem");
    let itself = || TlsOptions::default().client_certificate_pem("own", "key");
    assert_eq!(itself().client_certificate("own.pem", "key.pem"), files());
    assert_eq!(files().client_certificate_pem("own", "key"), itself());
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

// Times

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
    let before = UNIX_EPOCH - Duration::from_nanos(100);
    for (odd, why) in [
        (StreamOffset::Timestamp(before), "is a time before 1970"),
        (StreamOffset::Offset(1 << 63), "is an integer above"),
    ] {
        let told = told(channel.consume("s").offset(odd)).to_string();
        let expected = format!("\"x-stream-offset\" {why}");
        assert!(told.starts_with(&expected), "{told}");
    }
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
fn prefetch_of_zero_is_refused_and_unlimited_is_said() {
    let (mut pair, channel) = Pair::with_channel();
    let zero = channel.consume("q").prefetch(0);
    let error = done(zero.into_future()).map(drop).unwrap_err();
    let expected = "prefetch must be 1 to 65535, or unlimited_prefetch (queue 'q')";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, ChannelError::Invalid(_)));
    assert_eq!(pair.sent(), [""; 0]);
    // The last one counts, and there is none without acknowledgements.
    for prefetch in [1, 0] {
        let (mut pair, channel) = Pair::with_channel();
        let consume = channel.consume("q").prefetch(prefetch).unlimited_prefetch();
        drop(Task::start(consume.into_future()));
        assert!(pair.sent()[0].starts_with("1 basic.qos"));
    }
    let (pair, channel) = Pair::with_channel();
    let automatic = channel.consume("q").prefetch(0).no_ack();
    drop(Task::start(automatic.into_future()));
    drop(pair);
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
        .write_buffer_limit(usize::MAX);
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
