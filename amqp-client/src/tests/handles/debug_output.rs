//! What `Debug` shows of messages, and of what holds one.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::field_table;

use crate::message::Body;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Message, rpc};

const SECRET: &str = "correct horse battery staple";

/// A message whose body, header values and nested values nothing may show.
fn confidential() -> Message {
    let inner = field_table! { "password" => SECRET };
    Message::new(SECRET)
        .content_type("text/plain")
        .header("token", SECRET)
        .header("octets", SECRET.as_bytes())
        .header("account", &inner)
        .message_id("order 42")
}

#[track_caller]
fn shows_lengths_and_names(shown: &str) {
    let octets = format!("{:?}", SECRET.as_bytes());
    let octets = octets.trim_matches(|c| c == '[' || c == ']');
    assert!(
        !shown.contains("horse") && !shown.contains(octets),
        "{shown}"
    );
    assert!(shown.len() < 1000, "{shown}");
}

#[test]
fn message_is_shown_in_lengths_and_names() {
    let shown = format!("{:?}", confidential());
    assert_eq!(
        shown,
        "Message { properties: Properties { content_type: \"text/plain\", message_id: \"order 42\", \
         headers: {\"token\": <28 bytes>, \"octets\": <28 bytes>, \"account\": <42 bytes>} }, \
         body_len: 28 }"
    );
    let bodies: [Body<'_>; 3] = [
        SECRET.into(),
        SECRET.to_owned().into(),
        confidential().body().clone().into(),
    ];
    for body in bodies {
        assert_eq!(format!("{body:?}"), "Body(<28 bytes>)");
    }
}

#[test]
fn long_properties_and_many_headers_are_cut() {
    let long = "é".repeat(127);
    let message = (0..200).fold(Message::new(vec![0; 1 << 20]), |message, n| {
        message.header(format!("{n}{}", "n".repeat(250)), n)
    });
    let message = message
        .content_type(&long)
        .content_encoding(&long)
        .kind(&long);
    let message = message.user_id(&long).app_id(&long).correlation_id(&long);
    let message = message.reply_to(&long).message_id(&long);
    let shown = format!("{message:?}");
    assert!(shown.contains(", ..}") && shown.contains("é\"…"), "{shown}");
    assert!(shown.len() < 4096, "{}", shown.len());
}

#[test]
fn whatever_holds_a_message_shows_lengths_and_names() {
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let message = confidential();
    let properties = message.properties().as_ref();
    let prepared = channel.prepare("", "q", properties).unwrap();
    shows_lengths_and_names(&format!("{prepared:?}"));
    let prepared = publisher
        .clone()
        .mandatory()
        .prepare("", "q", properties)
        .unwrap();
    shows_lengths_and_names(&format!("{prepared:?}"));

    // Returned to a publisher, and to those who listen.
    let mut events = channel.events();
    let mandatory = publisher.mandatory();
    let mut publishing = Task::start(mandatory.publish("", "key", &message));
    assert_eq!(pair.sent().len(), 3);
    pair.feed(&returned(properties));
    pair.feed(&wire::ack(1, 1, false));
    let error = publishing.ready().unwrap_err();
    shows_lengths_and_names(&format!("{error:?}"));
    shows_lengths_and_names(&format!("{error:#?}"));
    shows_lengths_and_names(&error.to_string());
    shows_lengths_and_names(&format!("{:?}", rpc::Error::from(error)));
    pair.feed(&returned(properties));
    let event = done(events.next());
    assert!(
        matches!(event, Some(crate::event::Event::Returned { .. })),
        "{event:?}"
    );
    shows_lengths_and_names(&format!("{event:?}"));
    let mut returns = channel.returns();
    pair.feed(&returned(properties));
    shows_lengths_and_names(&format!("{:?}", done(returns.next())));

    // Delivered, and fetched.
    let mut consumer = pair.consumer(&channel, "tag");
    let frames = [
        wire::method(1, &wire::deliver("tag", 1)),
        wire::header_with(1, SECRET.len() as u64, properties),
        wire::body(1, SECRET.as_bytes(), wire::FRAME_MAX),
    ];
    pair.feed(&frames.concat());
    let delivery = done(consumer.next()).unwrap().unwrap();
    assert_eq!(delivery.text(), Ok(SECRET));
    let shown = format!("{delivery:?}");
    shows_lengths_and_names(&shown);
    let expected = "Delivery { exchange: \"x\", routing_key: \"key\", properties: Properties { \
                    content_type: \"text/plain\", message_id: \"order 42\", headers: {\"token\": <28 \
                    bytes>, \"octets\": <28 bytes>, \"account\": <42 bytes>} }, body_len: 28, \
                    delivery_tag: 1, redelivered: false }";
    assert_eq!(shown, expected);
    let shown = format!("{:?}", delivery.received());
    assert_eq!(shown, expected.replacen("Delivery", "ReceivedMessage", 1));
}

#[test]
fn header_that_does_not_fit_is_named() {
    let shown = format!("{:?}", Message::new("").header("id", u64::MAX));
    let told =
        "headers: {\"id\": <is an integer above 9223372036854775807, the largest of AMQP>, ..}";
    assert!(shown.contains(told), "{shown}");
}

fn returned(properties: PropertiesRef<'_>) -> Vec<u8> {
    wire::returned_with(1, "key", properties, SECRET.as_bytes())
}
