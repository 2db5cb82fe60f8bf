//! Reading streams: where reading begins, and what a stream demands of its consumers.

use amqp_client::amqp_spec::basic;
use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::consume::{HandlerEnd, QosScope, StreamOffset};
use amqp_client::{
    Channel, ConsumeError, Consumer, Message, QueueDeclare, ReceivedMessage, Requeue,
};
use std::time::{Duration, SystemTime};

use crate::support::{Site, check_close, run};

const N_MESSAGES: u64 = 20;

/// A channel, and a stream of messages whose bodies are their offsets.
async fn stream(site: &Site) -> Channel {
    let connection = site.connect().await;
    let publisher = connection.open_publisher().await.unwrap();
    let channel = publisher.channel().clone();
    let stream = QueueDeclare::new("stream").stream();
    channel.queue_declare(stream).await.unwrap();
    for n in 0..N_MESSAGES {
        let message = Message::new(n.to_string());
        publisher.publish("", "stream", message).await.unwrap();
    }
    channel
}

async fn from(channel: &Channel, offset: StreamOffset) -> Consumer {
    channel.consume("stream").offset(offset).await.unwrap()
}

/// The offset of the next message, which is also its body.
async fn next_offset(consumer: &mut Consumer) -> u64 {
    let delivery = consumer.next().await.expect("a delivery").unwrap();
    let offset = delivery.stream_offset().expect("an offset");
    assert_eq!(delivery.text().unwrap(), offset.to_string());
    delivery.ack().unwrap();
    offset
}

#[test]
fn a_stream_is_read_from_where_one_likes_as_often_as_one_likes() {
    run(async |site| {
        let channel = stream(site).await;
        for offset in [
            StreamOffset::First,
            StreamOffset::Timestamp(SystemTime::UNIX_EPOCH),
            StreamOffset::Interval(Duration::from_secs(3600)),
        ] {
            let mut consumer = from(&channel, offset).await;
            for n in 0..N_MESSAGES {
                assert_eq!(next_offset(&mut consumer).await, n, "{offset:?}");
            }
        }
        let mut consumer = from(&channel, StreamOffset::Offset(15)).await;
        for n in 15..N_MESSAGES {
            assert_eq!(next_offset(&mut consumer).await, n);
        }
        // Whole chunks; messages that were confirmed one by one are in several.
        let mut last = from(&channel, StreamOffset::Last).await;
        let first = next_offset(&mut last).await;
        assert!((1..N_MESSAGES).contains(&first), "{first}");
        let mut next = from(&channel, StreamOffset::Next).await;
        let late = Message::new(N_MESSAGES.to_string());
        channel.basic_publish("", "stream", &late).await.unwrap();
        assert_eq!(next_offset(&mut next).await, N_MESSAGES);
        assert_eq!(next_offset(&mut consumer).await, N_MESSAGES);
    });
}

#[test]
fn a_stream_without_a_prefetch_limit_costs_the_channel() {
    run(async |site| {
        let channel = stream(site).await;
        let error = channel
            .consume("stream")
            .unlimited_prefetch()
            .await
            .unwrap_err();
        let text = "consumer prefetch count is not set for";
        check_close(error.broker_close(), 406, text, basic::Consume::ID);
    });
}

#[test]
fn a_stream_without_acknowledgements_costs_the_connection() {
    run(async |site| {
        let channel = stream(site).await;
        // There is no prefetch without acknowledgements, so that it is missed first.
        let error = channel.consume("stream").no_ack().await.unwrap_err();
        assert!(error.is_precondition_failed(), "{error}");
        let channel = site.channel().await;
        channel.basic_qos(10, QosScope::Consumer).await.unwrap();
        // 3.10 answers before it looks.
        let error = match channel.consume("stream").no_ack().await {
            Err(error) => error,
            Ok(mut consumer) => match consumer.next().await.expect("an error").unwrap_err() {
                ConsumeError::Channel(error) => error,
                other => panic!("{other}"),
            },
        };
        assert_eq!(error.reply_code().unwrap().0, 540, "{error}");
    });
}

/// Only streams take an offset: so a consumer that was started with one reads a stream.
#[test]
fn other_queues_refuse_a_consumer_with_an_offset() {
    run(async |site| {
        let connection = site.connect().await;
        for queue in [
            QueueDeclare::new("classic").classic().durable(),
            QueueDeclare::new("quorum").quorum(),
        ] {
            let channel = connection.open_channel().await.unwrap();
            let name = channel.queue_declare(queue).await.unwrap().name;
            let consume = channel.consume(&name).offset(StreamOffset::First);
            let error = consume.await.unwrap_err();
            assert!(error.is_precondition_failed(), "{name}: {error}");
            assert!(error.to_string().contains("x-stream-offset"), "{error}");
        }
    });
}

/// RabbitMQ before 4.0 ends the connection over a stream's message that is refused (540).
#[test]
fn nothing_is_given_back_to_a_stream() {
    run(async |site| {
        let channel = stream(site).await;
        // Dropped with deliveries that were not taken.
        let mut dropped = from(&channel, StreamOffset::First).await;
        assert_eq!(next_offset(&mut dropped).await, 0);
        drop(dropped);
        // Cancelled, and then dropped.
        let mut cancelled = from(&channel, StreamOffset::First).await;
        assert_eq!(next_offset(&mut cancelled).await, 0);
        cancelled.cancel().await.unwrap();
        drop(cancelled);
        // Refused by the program.
        let mut refused = from(&channel, StreamOffset::First).await;
        for n in 0..3 {
            let delivery = refused.next().await.unwrap().unwrap();
            match n {
                0 => delivery.nack(Requeue::Yes),
                1 => delivery.reject(Requeue::No),
                _ => delivery.reject(Requeue::Yes),
            }
            .unwrap();
        }
        assert_eq!(next_offset(&mut refused).await, 3);
        drop(refused);
        // Failed in a handler, and stopped.
        let handled = from(&channel, StreamOffset::First).await;
        let (stop, mut stopped) = tokio::sync::mpsc::channel::<()>(1);
        let run = handled
            .handle(move |message: ReceivedMessage| {
                let stop = stop.clone();
                async move {
                    if message.stream_offset() == Some(3) {
                        let _ = stop.send(()).await;
                    }
                    Err::<(), _>("no luck")
                }
            })
            .until(async move { stopped.recv().await });
        let summary = run.await;
        assert!(matches!(summary.end, HandlerEnd::Stopped), "{summary:?}");
        assert_eq!((summary.requeued, summary.rejected), (0, 0), "{summary:?}");
        assert_eq!(summary.acked, summary.failed, "{summary:?}");
        // All of it is still there, and the connection, too.
        let mut again = from(&channel, StreamOffset::First).await;
        for n in 0..N_MESSAGES {
            assert_eq!(next_offset(&mut again).await, n);
        }
    });
}

#[test]
fn to_get_from_a_stream_costs_the_connection() {
    run(async |site| {
        drop(stream(site).await);
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let error = channel.basic_get("stream").await.map(drop).unwrap_err();
        assert_eq!(error.reply_code().unwrap().0, 540, "{error}");
        assert!(!connection.is_open());
    });
}
