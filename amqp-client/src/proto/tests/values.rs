//! Values that programs set: which of several counts, and what is sent of them.

use std::future::IntoFuture as _;

use amqp_spec::basic;
use amqp_spec::wire::{TableRef, TypedMethod as _, Value};

use super::pair::Pair;
use super::task::Task;
use super::wire;
use crate::consumer::Consume;
use crate::{Message, StreamOffset};

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
    let doubled = amqp_spec::field_table! { "n" => 1, "n" => 2 };
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
