//! Messages there and back: properties, headers and bodies of every size arrive as they were sent.

use amqp_client::amqp_spec::wire::{
    Decimal, FieldArray, FieldTable, LongStr, ShortStr, Timestamp, Value,
};
use amqp_client::amqp_spec::{field_table, short_str};
use amqp_client::consume::Multiple;
use amqp_client::{Channel, Connection, Message, Properties, QueueDeclare, ReceivedMessage};

use crate::support::{declare, expect, run};

/// Publishes a message and fetches it again.
async fn there_and_back(channel: &Channel, message: &Message) -> ReceivedMessage {
    let queue = channel.queue_declare(QueueDeclare::temporary()).await;
    let queue = queue.unwrap().name;
    channel.basic_publish("", &queue, message).await.unwrap();
    let mut consumer = channel.consume(&queue).no_ack().await.unwrap();
    let received = consumer.next().await.unwrap().unwrap();
    assert_eq!(received.routing_key(), queue.as_str());
    assert_eq!(received.exchange(), "");
    assert!(!received.redelivered());
    received
}

#[test]
fn all_properties_come_back_as_they_were_sent() {
    run(async |site| {
        let channel = site.channel().await;
        let properties = Properties::default()
            .content_type(short_str!("text/plain"))
            .content_encoding(short_str!("identity"))
            .headers(field_table! { "k" => "v" }.as_ref())
            .delivery_mode(2)
            .priority(9)
            .correlation_id(short_str!("correlation"))
            .reply_to(short_str!("reply"))
            .expiration(short_str!("600000"))
            .message_id(short_str!("id"))
            .timestamp(Timestamp(1_700_000_000))
            .type_(short_str!("type"))
            .user_id(short_str!("guest"))
            .app_id(short_str!("app"));
        let message = Message::new("all").with_properties(properties.clone());
        let received = there_and_back(&channel, &message).await;
        assert_eq!(received.properties().as_bytes(), properties.as_bytes());
        assert_eq!(received.properties().user_id(), Some(short_str!("guest")));
        assert_eq!(received.body(), b"all");

        let received = there_and_back(&channel, &Message::new("none")).await;
        assert_eq!(received.properties().as_bytes(), [0, 0]);
        assert_eq!(received.properties().priority(), None);
    });
}

#[test]
fn each_property_comes_back_alone() {
    run(async |site| {
        let channel = site.channel().await;
        let long = "x".repeat(255);
        let long = ShortStr::new(long.as_bytes()).unwrap();
        let none = Properties::default;
        let singles = [
            none().content_type(long),
            none().content_encoding(long),
            none().headers(FieldTable::new().as_ref()),
            none().delivery_mode(1),
            none().priority(0),
            none().correlation_id(short_str!("")),
            none().reply_to(long),
            none().expiration(short_str!("4294967295")),
            none().message_id(long),
            none().timestamp(Timestamp(u64::MAX)),
            none().type_(long),
            none().user_id(short_str!("guest")),
            none().app_id(long),
        ];
        for properties in singles {
            let message = Message::new("").with_properties(properties.clone());
            let received = there_and_back(&channel, &message).await;
            assert_eq!(received.properties().as_bytes(), properties.as_bytes());
        }
    });
}

#[test]
fn headers_of_every_type_come_back_as_they_were_sent() {
    run(async |site| {
        let channel = site.channel().await;
        let values = [
            Value::Bool(true),
            Value::I8(i8::MIN),
            Value::U8(u8::MAX),
            Value::I16(i16::MIN),
            Value::U16(u16::MAX),
            Value::I32(i32::MIN),
            Value::U32(u32::MAX),
            Value::I64(i64::MIN),
            Value::F32(-1.5),
            Value::F64(f64::MAX),
            Value::Decimal(Decimal {
                scale: 2,
                value: -1234,
            }),
            Value::LongString(LongStr::literal("grün")),
            Value::Timestamp(Timestamp(1 << 40)),
            Value::Void,
            Value::Bytes(&[0, 0xff, 0xfe]),
        ];
        let array: FieldArray = values.into_iter().collect();
        // In the order of the alphabet, since some releases sort.
        let mut inner = FieldTable::new();
        let mut headers = FieldTable::new();
        for (letter, value) in (b'a'..).zip(values) {
            inner.insert(ShortStr::new(&[letter]).unwrap(), value);
            headers.insert(ShortStr::new(&[letter]).unwrap(), value);
        }
        inner.insert(short_str!("w"), &array);
        headers.insert(short_str!("x"), &array);
        headers.insert(short_str!("y"), &inner);
        headers.insert(short_str!("z"), FieldTable::new());

        let message = Message::new("").headers(&headers).allow_decimals();
        let received = there_and_back(&channel, &message).await;
        let back = received.properties().headers().unwrap();
        back.validate().unwrap();
        assert_eq!(back.as_bytes(), headers.as_bytes(), "{back:?}");
        assert_eq!(back.get("a").unwrap(), Some(Value::Bool(true)));
        assert_eq!(back.get("y").unwrap(), Some(Value::from(&inner)));
    });
}

#[test]
fn what_is_not_utf_8_survives() {
    run(async |site| {
        let channel = site.channel().await;
        let odd = [0xff, 0xfe, b'x', 0x80];
        let mut headers = FieldTable::new();
        headers.insert(short_str!("s"), LongStr::new(&odd).unwrap());
        headers.insert(ShortStr::new(&odd).unwrap(), "odd name");
        let properties = Properties::default()
            .content_type(ShortStr::new(&odd).unwrap())
            .headers(headers.as_ref())
            .correlation_id(ShortStr::new(&odd).unwrap());
        let message = Message::new(odd.to_vec()).with_properties(properties.clone());
        let received = there_and_back(&channel, &message).await;
        assert_eq!(received.properties().as_bytes(), properties.as_bytes());
        assert_eq!(received.body(), odd);
        let value = received.properties().headers().unwrap().get("s").unwrap();
        assert_eq!(value, Some(Value::LongString(LongStr::new(&odd).unwrap())));
        // Whoever asks for text gets none, and no panic.
        assert_eq!(value.unwrap().as_str(), None);
    });
}

/// A body that differs from others of its size, and whose parts differ from each other.
fn body(size: usize, seed: usize) -> Vec<u8> {
    (0..size)
        .map(|at| (at.wrapping_mul(31) ^ (at >> 8) ^ seed).to_le_bytes()[0])
        .collect()
}

#[test]
fn bodies_of_every_size_arrive_whole_and_in_order() {
    run(async |site| {
        for frame_max in [8192, 131_072] {
            let options = site.options().frame_max(frame_max);
            let connection = Connection::open_with(&options).await.unwrap();
            let channel = connection.open_channel().await.unwrap();
            let queue = format!("frames-of-{frame_max}");
            declare(&channel, &queue).await;

            let payload = usize::try_from(frame_max).unwrap() - 8;
            let lane = 64 * 1024;
            let sizes = [
                0,
                1,
                payload - 1,
                payload,
                payload + 1,
                2 * payload,
                2 * payload + 1,
                lane - 1,
                lane,
                lane + 1,
                200 * 1024,
                5 * 1024 * 1024,
            ];
            // A small one behind each: it must not overtake.
            let bodies: Vec<_> = (0..)
                .zip(sizes.into_iter().flat_map(|size| [size, 3]))
                .map(|(seed, size)| body(size, seed))
                .collect();
            for (n, body) in bodies.iter().enumerate() {
                // Borrowed and handed over go different ways.
                if n % 4 < 2 {
                    let none = Properties::default();
                    let published = channel.basic_publish_body("", &queue, none.as_ref(), body);
                    published.await.unwrap();
                } else {
                    let message = Message::new(body.clone());
                    channel.basic_publish("", &queue, &message).await.unwrap();
                }
            }
            let mut consumer = channel.consume(&queue).await.unwrap();
            for (n, body) in bodies.iter().enumerate() {
                let delivery = consumer.next().await.unwrap().unwrap();
                // Comparing prints too much.
                assert_eq!(delivery.body().len(), body.len(), "message {n}");
                assert!(delivery.body() == body, "message {n}");
                delivery.ack().unwrap();
            }
            consumer.cancel().await.unwrap();
            assert_eq!(channel.queue_delete(&queue).await.unwrap(), 0);
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn large_messages_can_be_fetched() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        for size in [0, 1, 131_064, 131_065, 1 << 20] {
            let body = body(size, 7);
            let message = Message::new(body.clone());
            channel.basic_publish("", "q", &message).await.unwrap();
            let got = channel.basic_get("q").await.unwrap().unwrap();
            assert_eq!(got.message_count, 0);
            let tag = got.delivery.delivery_tag();
            assert!(got.delivery.into_body_unsettled() == body, "{size} octets");
            channel.basic_ack(tag, Multiple::No).unwrap();
        }
    });
}

#[test]
fn prepared_messages_arrive_like_others() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        declare(channel, "q").await;
        let properties = Properties::default().content_type(short_str!("text/plain"));
        let plain = channel.prepare("", "q", properties.as_ref()).unwrap();
        let confirmed = publisher.prepare("", "q", properties.as_ref()).unwrap();
        let large = "x".repeat(300_000);
        for body in ["", "a", &large] {
            plain.publish(body).await.unwrap();
            confirmed.publish(body).await.unwrap();
        }
        let mut consumer = channel.consume("q").await.unwrap();
        for body in ["", "", "a", "a", &large, &large] {
            let delivery = expect(&mut consumer, body).await;
            assert_eq!(delivery.properties().as_bytes(), properties.as_bytes());
        }
    });
}
