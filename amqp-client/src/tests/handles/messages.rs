//! Messages that are published as what they are made of, received ones, and ones made by hand.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use amqp_spec::basic::Properties;
use amqp_spec::wire::{ShortStr, Timestamp, Value};
use amqp_spec::{field_table, short_str};
use bytes::Bytes;

use crate::channel::Channel;
use crate::error::ChannelError;
use crate::message::{FieldArray, IntoMessage};
use crate::tests::core::content::{consuming, next};
use crate::tests::handles::long_names::refused;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::done;
use crate::tests::support::wire;
use crate::{ConnectionOptions, Delivery, Message, ReceivedMessage};

/// A message with everything that one can have.
fn rich() -> Properties {
    let deaths = FieldArray::from([field_table! { "queue" => "q", "reason" => "rejected" }]);
    let headers = field_table! {
        "z" => 1, "a" => u64::MAX >> 1, "x-death" => deaths, "void" => None::<i32>,
        "when" => Timestamp(7), "octets" => b"\x00\xff",
    };
    Properties::new()
        .content_type(short_str!("text/plain"))
        .content_encoding(short_str!("identity"))
        .headers(headers.as_ref())
        .delivery_mode(2)
        .priority(9)
        .correlation_id(ShortStr::new(b"\xff").expect("short"))
        .reply_to(short_str!("replies"))
        .expiration(short_str!("60000"))
        .message_id(short_str!("id"))
        .timestamp(Timestamp(u64::MAX))
        .type_(short_str!("kind"))
        .user_id(short_str!("guest"))
        .app_id(short_str!("app"))
}

fn delivered(properties: &Properties, body: &[u8]) -> Delivery {
    let (mut pair, _channel, mut consumer) = consuming();
    let size = body.len() as u64;
    let frames = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header_with(1, size, properties.as_ref()),
        wire::body(1, body, 4096),
    ];
    pair.feed(&frames.concat());
    next(&mut consumer)
}

#[test]
fn received_message_becomes_one_to_be_published_with_all_properties() {
    let delivery = delivered(&rich(), b"body");
    let message = delivery.to_message();
    assert_eq!(message.properties(), &rich());
    assert_eq!(message.body(), b"body".as_slice());
    // In the same memory, however it is turned.
    let at = message.body().as_ptr();
    assert_eq!(at, delivery.body().as_ptr());
    for again in [
        Message::from(delivery.received()),
        Message::from(delivery.received().clone()),
        delivery.received().into_owned_message(),
    ] {
        assert_eq!(again.properties(), &rich());
        assert_eq!(again.body().as_ptr(), at);
    }
    // And what is set on it takes the place of what was there.
    let counted = message.header("z", 2);
    let headers = counted.properties().as_ref().headers().unwrap();
    assert_eq!(headers.get("z"), Ok(Some(Value::I32(2))));
    assert_eq!(headers.len(), 6);
}

#[test]
fn message_without_properties_or_body_is_turned_as_well() {
    let (mut pair, _channel, mut consumer) = consuming();
    let frames = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header_with(1, 0, Properties::new().as_ref()),
    ];
    pair.feed(&frames.concat());
    let message = next(&mut consumer).to_message();
    assert_eq!(message.properties(), &Properties::new());
    assert!(message.body().is_empty());
}

#[test]
fn received_header_that_cannot_be_sent_is_told_when_it_is_published_again() {
    let (_pair, channel) = Pair::with_channel();
    let headers = field_table! { "ratio" => f64::NAN };
    let received = delivered(&Properties::new().headers(headers.as_ref()), b"x");
    let told = refused(&channel, &received.to_message());
    assert!(
        told.starts_with("\"ratio\" is not a finite number"),
        "{told}"
    );
}

#[test]
fn clones_share_the_memory_of_what_was_received() {
    let delivery = delivered(&rich(), b"body");
    let clone = delivery.received().clone();
    assert_eq!(clone.body().as_ptr(), delivery.body().as_ptr());
    assert_eq!(clone.properties(), delivery.properties());
    drop(delivery);
    assert_eq!(clone.text(), Ok("body"));
    assert_eq!(clone.into_body(), Bytes::from_static(b"body"));
}

#[test]
fn message_made_by_hand_is_like_one_that_came() {
    let message = Message::new("body").with_properties(rich());
    let made = ReceivedMessage::new("orders", String::from("orders.eu"), &message).unwrap();
    assert_eq!(made.exchange(), "orders");
    assert_eq!(made.routing_key(), "orders.eu");
    assert_eq!(made.properties(), rich().as_ref());
    assert_eq!(made.text(), Ok("body"));
    assert_eq!((made.delivery_tag(), made.redelivered()), (1, false));
    let again = made.clone().with_redelivered(true).with_delivery_tag(7);
    assert_eq!((again.delivery_tag(), again.redelivered()), (7, true));
    assert_eq!(again.to_message().properties().as_ref(), made.properties());
    let bare = ReceivedMessage::new("", "", "").unwrap();
    assert_eq!(bare.properties(), Properties::new().as_ref());
    assert!(bare.body().is_empty() && bare.exchange().is_empty());
    let longest = "n".repeat(255);
    let made = ReceivedMessage::new(&longest, &longest, "x").unwrap();
    assert_eq!(
        (made.exchange(), made.routing_key()),
        (made.routing_key(), made.exchange())
    );
    assert_eq!(made.routing_key(), longest);
}

#[test]
fn message_made_by_hand_is_refused_as_publishing_it_would_be() {
    let long = "n".repeat(256);
    let told = |made: Result<ReceivedMessage, ChannelError>| made.unwrap_err().to_string();
    assert!(told(ReceivedMessage::new(&long, "k", "x")).starts_with("exchange \"nnn"));
    assert!(told(ReceivedMessage::new("e", &long, "x")).starts_with("routing_key \"nnn"));
    let odd = Message::new("x").header("id", u64::MAX);
    let expected = "\"id\" is an integer above 9223372036854775807, the largest of AMQP \
                    (exchange 'e')";
    assert_eq!(told(ReceivedMessage::new("e", "k", odd)), expected);
}

/// Publishes, and gives the body that was sent.
#[track_caller]
fn sent(channel: &Channel, pair: &mut Pair, message: impl IntoMessage) -> Vec<u8> {
    done(channel.basic_publish("", "q", message)).unwrap();
    pair.sent_octets()
}

#[test]
fn whatever_becomes_a_message_is_published() {
    let (mut pair, channel) = Pair::with_channel();
    let expected = sent(&channel, &mut pair, Message::new("body"));
    let text = String::from("body");
    let message = Message::new("body");
    let mut all = Vec::new();
    macro_rules! each {
        ($($body:expr),* $(,)?) => {$( all.push(sent(&channel, &mut pair, $body)); )*};
    }
    each!(
        "body",
        &text,
        text.clone(),
        text.as_str(),
        Cow::from("body"),
        Box::<str>::from("body"),
        b"body",
        *b"body",
        b"body".as_slice(),
        b"body".to_vec(),
        &b"body".to_vec(),
        Bytes::from_static(b"body"),
        &Bytes::from_static(b"body"),
        &message,
        &&message,
        Arc::new(message.clone()),
        &Arc::new(message.clone()),
        Box::new(message.clone()),
        ReceivedMessage::new("", "q", "body").unwrap(),
        &ReceivedMessage::new("", "q", "body").unwrap(),
    );
    assert!(all.iter().all(|sent| *sent == expected));
    assert_eq!(all.len(), 20);
}

#[test]
fn time_before_1970_is_told_unless_it_is_replaced() {
    let (_pair, channel) = Pair::with_channel();
    let epoch = SystemTime::UNIX_EPOCH;
    let odd = Message::new("x").timestamp(epoch - Duration::from_secs(1));
    let told = refused(&channel, &odd);
    assert_eq!(told, "timestamp must be 1970 or later (exchange 'orders')");
    let mended = odd.timestamp(epoch + Duration::from_millis(1_999));
    let properties = mended.properties().as_ref();
    assert_eq!(properties.timestamp(), Some(Timestamp(1)));
    let received = ReceivedMessage::new("", "q", &mended).unwrap();
    assert_eq!(received.timestamp(), Some(epoch + Duration::from_secs(1)));
    // Noise of other clients is no time that the system has.
    assert_eq!(delivered(&rich(), b"x").timestamp(), None);
}

#[test]
fn headers_are_tables_maps_and_pairs() {
    let expected = field_table! { "a" => 1, "b" => 2 };
    let pairs = [("a", 1), ("b", 2)];
    let map = BTreeMap::from(pairs);
    for message in [
        Message::new("").headers(&expected),
        Message::new("").headers(expected.as_ref()),
        Message::new("").headers(expected.clone()),
        Message::new("").headers(pairs),
        Message::new("").headers(Vec::from(pairs)),
        Message::new("").headers(&map),
        Message::new("").headers(map),
    ] {
        let headers = message.properties().as_ref().headers();
        assert_eq!(headers, Some(expected.as_ref()));
    }
    let message = Message::new("").headers(HashMap::from(pairs));
    let received = ReceivedMessage::new("", "q", message).expect("sendable");
    assert!(
        pairs
            .iter()
            .all(|(name, value)| received.header(name).is_some_and(|h| h == *value))
    );
    let map = received
        .headers()
        .and_then(|headers| headers.to_map().ok())
        .expect("readable");
    assert_eq!(map.len(), 2);
    assert!(map["b"] == 2);
    let options = ConnectionOptions::default();
    let map = BTreeMap::from([("team", "ledger")]);
    assert_eq!(
        options.clone().client_properties(map),
        options.client_properties(field_table! { "team" => "ledger" })
    );
}

#[test]
fn removed_header_is_gone_and_so_is_what_spoke_against_it() {
    let message = Message::new("")
        .header("a", 1)
        .header("id", u64::MAX)
        .header("b", 2);
    assert!(ReceivedMessage::new("", "q", &message).is_err());
    let removed = message.remove_header("id").remove_header("none");
    let received = ReceivedMessage::new("", "q", &removed).expect("sendable");
    let headers = field_table! { "a" => 1, "b" => 2 };
    assert_eq!(received.headers(), Some(headers.as_ref()));
    let bare = removed
        .remove_header("a")
        .remove_header("b")
        .remove_header("c");
    assert_eq!(bare.properties(), &Properties::new());
}

#[test]
fn lists_are_sent_as_arrays() {
    let copies = vec![String::from("audit"), String::from("archive")];
    let message = Message::new("").header("CC", FieldArray::from(copies));
    let received = ReceivedMessage::new("", "q", message).expect("sendable");
    let copies = received.header("CC").and_then(|copies| copies.as_array());
    let copies = copies.expect("an array").iter().map(Result::unwrap);
    assert!(copies.eq(["audit", "archive"]));
}
