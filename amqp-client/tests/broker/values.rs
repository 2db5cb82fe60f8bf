//! Values that programs may set: what the broker takes, and what it makes of it.

use std::time::{Duration, SystemTime};

use amqp_client::amqp_spec::wire::Decimal;
use amqp_client::amqp_spec::{ReplyCode, field_table, short_str};
use amqp_client::consume::{NextWithin, StreamOffset};
use amqp_client::declare::{Binding, Match};
use amqp_client::{Channel, ChannelError, Connection, Message, Properties, QueueDeclare};

use crate::support::{declare, run};

const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 86_400);

#[test]
fn a_message_may_wait_for_ten_years_and_no_longer() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let patient = Message::new("patient").expiration(TEN_YEARS);
        publisher.publish("", "q", patient).await.unwrap();
        // Part of a millisecond is one: it does not expire on its way.
        let brief = Message::new("brief").expiration(Duration::from_micros(900));
        publisher.publish("", "q", brief).await.unwrap();
        let got = publisher.channel().basic_get("q").await.unwrap().unwrap();
        assert_eq!(got.delivery.expiration(), Some(TEN_YEARS));
        got.delivery.ack().unwrap();
        let longer = Message::new("").expiration(TEN_YEARS + Duration::from_millis(1));
        let refused = publisher.publish("", "q", longer).await.unwrap_err();
        assert!(
            refused.to_string().contains("expiration must be"),
            "{refused}"
        );
        assert!(publisher.channel().is_open());
        // The broker would have closed the channel.
        let longer = Properties::new().expiration(short_str!("315360000001"));
        let longer = Message::new("").with_properties(longer);
        let refused = publisher.publish("", "q", longer).await.unwrap_err();
        assert!(refused.is_precondition_failed(), "{refused}");
    });
}

/// The first message that a consumer of the stream gets who starts there.
async fn first(channel: &Channel, offset: StreamOffset) -> Option<u64> {
    let mut consumer = channel.consume("s").offset(offset).await.unwrap();
    match consumer
        .next_within(Duration::from_secs(1))
        .await
        .unwrap()
        .unwrap()
    {
        NextWithin::Delivery(delivery) => delivery.stream_offset(),
        NextWithin::Idle => None,
    }
}

#[test]
fn a_stream_is_as_old_as_time_goes() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        let stream = QueueDeclare::new("s").stream().max_age(Duration::MAX);
        channel.queue_declare(stream).await.unwrap();
        publisher.publish("", "s", Message::new("")).await.unwrap();
        assert_eq!(
            first(channel, StreamOffset::Interval(Duration::MAX)).await,
            Some(0)
        );
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(i64::MAX as u64);
        assert_eq!(first(channel, StreamOffset::Timestamp(far)).await, None);
        let far = StreamOffset::Offset(i64::MAX as u64);
        assert_eq!(first(channel, far).await, None);
        let never = StreamOffset::Interval(Duration::ZERO);
        let refused = channel
            .consume("s")
            .offset(never)
            .await
            .map(drop)
            .unwrap_err();
        assert!(
            refused.to_string().contains("an interval from 1s"),
            "{refused}"
        );
        assert!(channel.is_open());
    });
}

#[test]
fn numbers_that_the_broker_cannot_represent_do_not_cost_the_connection() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        declare(channel, "q").await;
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let odd = Message::new("").header("ratio", number);
            let refused = publisher.publish("", "q", odd).await.unwrap_err();
            assert!(refused.to_string().contains("(queue 'q')"), "{refused}");
            let odd = QueueDeclare::new("odd")
                .argument("ratio", number)
                .unchecked();
            let refused = channel.queue_declare(odd).await.unwrap_err();
            assert!(matches!(refused, ChannelError::Invalid(_)), "{refused}");
            let odd = Binding::headers(Match::All).argument("ratio", number);
            channel
                .queue_bind("q", "amq.headers", odd)
                .await
                .unwrap_err();
        }
        let fine = Message::new("").header("ratio", f64::MIN_POSITIVE);
        publisher.publish("", "q", fine).await.unwrap();
        let options = site.options();
        let options = options.client_properties(&field_table! { "load" => f32::NAN });
        let refused = Connection::open_with(&options).await.unwrap_err();
        assert!(
            refused.to_string().contains("client_properties"),
            "{refused}"
        );
    });
}

#[test]
fn a_decimal_header_is_for_queues_and_costs_the_connection_at_a_stream() {
    run(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = publisher.channel();
        declare(channel, "classic").await;
        let quorum = QueueDeclare::new("quorum").quorum();
        channel.queue_declare(quorum).await.unwrap();
        let stream = QueueDeclare::new("stream").stream();
        channel.queue_declare(stream).await.unwrap();
        let price = Decimal {
            scale: 2,
            value: 995,
        };
        let message = Message::new("").header("price", price);
        let refused = publisher.publish("", "stream", &message).await.unwrap_err();
        assert!(refused.to_string().contains("allow_decimals"), "{refused}");
        let allowed = message.allow_decimals();
        for queue in ["classic", "quorum"] {
            publisher.publish("", queue, &allowed).await.unwrap();
            let got = channel.basic_get_no_ack(queue).await.unwrap().unwrap();
            assert_eq!(got.delivery.header("price"), Some(price.into()), "{queue}");
        }
        let refused = publisher.publish("", "stream", &allowed).await.unwrap_err();
        assert_eq!(refused.reply_code(), Some(ReplyCode::INTERNAL_ERROR));
        assert!(
            refused.to_string().contains("failed over something"),
            "{refused}"
        );
        assert!(!connection.is_open());
    });
}
