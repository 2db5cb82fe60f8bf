//! What newer versions of RabbitMQ have brought, and what older ones make of the same.

use std::time::Duration;

use amqp_client::consume::{Resubscribe, Settled, StreamOffset};
use amqp_client::declare::DelayedRetryType;
use amqp_client::error::ArgumentError;
use amqp_client::event::Event;
use amqp_client::{
    Channel, ChannelError, ConsumeError, ExchangeDeclare, Message, QueueDeclare, Requeue,
};

use crate::support::{Site, expect, fill, ready, run, until_ready};

/// Long enough for what is ready to come first, on a slow machine too.
const WHILE: Duration = Duration::from_secs(3);

/// Gives the first of two messages back, and says which one comes next.
async fn next_after(channel: &Channel, queue: QueueDeclare, rejects: bool) -> String {
    channel.queue_delete("jobs").await.unwrap();
    channel.queue_declare(queue).await.unwrap();
    fill(channel, "jobs", 2).await;
    let mut consumer = channel.consume("jobs").prefetch(1).await.unwrap();
    let first = expect(&mut consumer, "0").await;
    match rejects {
        true => first.reject(Requeue::Yes),
        false => first.nack(Requeue::Yes),
    }
    .unwrap();
    let second = consumer.next().await.unwrap().unwrap();
    let body = second.text().unwrap().to_owned();
    second.ack().unwrap();
    let last = consumer.next().await.unwrap().unwrap();
    assert_ne!(last.text().unwrap(), body);
    last.ack().unwrap();
    consumer.cancel().await.unwrap();
    body
}

#[test]
fn messages_that_come_back_wait_since_4_3_and_not_before() {
    run(async |site| {
        let channel = site.channel().await;
        let table = [
            (DelayedRetryType::Failed, true, false),
            (DelayedRetryType::Returned, false, true),
            (DelayedRetryType::All, true, true),
        ];
        for (kind, rejected_waits, nacked_waits) in table {
            // Without a limit, up to 3.x, what comes back goes to the end of the queue.
            let queue = QueueDeclare::new("jobs").quorum().delivery_limit(20);
            let queue = queue.delayed_retry_type(kind).delayed_retry_min(WHILE);
            for (rejects, waits) in [(true, rejected_waits), (false, nacked_waits)] {
                let waits = waits && site.version() >= (4, 3);
                let expected = if waits { "1" } else { "0" };
                let next = next_after(&channel, queue.clone(), rejects).await;
                assert_eq!(next, expected, "{kind:?}, rejected: {rejects}");
            }
        }
    });
}

#[test]
fn delays_that_mean_nothing_are_refused_here_and_taken_by_every_version() {
    run(async |site| {
        let channel = site.channel().await;
        let queue = || QueueDeclare::new("jobs").quorum();
        let second = Duration::from_secs(1);
        let failed = DelayedRetryType::Failed;
        let table = [
            queue().delayed_retry_type(failed),
            queue().delayed_retry_min(second),
            queue().argument("x-delayed-retry-type", "sometimes"),
            queue()
                .delayed_retry_type(failed)
                .delayed_retry_min(Duration::ZERO),
            queue()
                .delayed_retry_type(failed)
                .delayed_retry_min(second)
                .delayed_retry_max(second / 2),
        ];
        for declare in table {
            let refused = channel.queue_declare(declare.clone()).await.unwrap_err();
            assert!(matches!(refused, ChannelError::Invalid(_)), "{refused}");
            channel.queue_declare(declare.unchecked()).await.unwrap();
            channel.queue_delete("jobs").await.unwrap();
        }
    });
}

/// Classic queues and streams refuse what only quorum queues know since 4.3, and ignored it before.
#[test]
fn arguments_of_quorum_queues_are_refused_elsewhere() {
    run(async |site| {
        let connection = site.connect().await;
        let second = Duration::from_secs(1);
        let kinds: [fn(QueueDeclare) -> QueueDeclare; 2] =
            [|queue| queue.durable().classic(), QueueDeclare::stream];
        for (n, kind) in kinds.into_iter().enumerate() {
            let name = format!("q{n}");
            let queue = || kind(QueueDeclare::new(&name));
            let table = [
                queue().consumer_disconnected_timeout(second),
                queue()
                    .delayed_retry_type(DelayedRetryType::All)
                    .delayed_retry_min(second),
            ];
            for declare in table {
                let channel = connection.open_channel().await.unwrap();
                let refused = channel.queue_declare(declare.clone()).await.unwrap_err();
                let ChannelError::Invalid(ArgumentError::Contradiction { .. }) = refused else {
                    panic!("{refused}");
                };
                check(site, channel.queue_declare(declare.unchecked()).await);
                let channel = connection.open_channel().await.unwrap();
                channel.queue_delete(&name).await.unwrap();
            }
            // 4.0 knows this one of classic queues.
            let channel = connection.open_channel().await.unwrap();
            check(
                site,
                channel
                    .queue_declare(queue().consumer_timeout(second))
                    .await,
            );
            let channel = connection.open_channel().await.unwrap();
            channel.queue_delete(&name).await.unwrap();
            channel.queue_declare(queue()).await.unwrap();
            let consumer = channel.consume(&name).consumer_timeout(second * 60).await;
            check(site, consumer.map(drop));
        }
        // Quorum queues take them in every version.
        let queue = QueueDeclare::new("q").quorum();
        let queue = queue.consumer_disconnected_timeout(second);
        let queue = queue.consumer_timeout(second * 60);
        let channel = connection.open_channel().await.unwrap();
        channel.queue_declare(queue).await.unwrap();
    });
}

/// Refused by 4.3, taken by older versions.
#[track_caller]
fn check<T>(site: &Site, result: Result<T, ChannelError>) {
    let refused = result.map(drop).err();
    let is_refused = refused.is_some_and(|error| error.is_precondition_failed());
    assert_eq!(is_refused, site.version() >= (4, 3));
}

#[test]
fn a_delivery_that_is_kept_too_long_costs_the_consumer_since_4_3() {
    run(async |site| {
        let channel = site.channel().await;
        let short = Duration::from_millis(200);
        let of_queue = QueueDeclare::new("impatient").quorum();
        // What 4.0 makes of it is in `shutdown`.
        let of_queue = match site.version() >= (4, 3) {
            true => of_queue.consumer_timeout(short),
            false => of_queue,
        };
        channel.queue_declare(of_queue).await.unwrap();
        let patient = QueueDeclare::new("patient").quorum();
        channel.queue_declare(patient).await.unwrap();
        for (queue, of_consumer) in [("impatient", None), ("patient", Some(short))] {
            fill(&channel, queue, 1).await;
            let consume = channel.consume(queue);
            let consume = match of_consumer {
                Some(limit) => consume.consumer_timeout(limit),
                None => consume,
            };
            let mut consumer = consume.await.unwrap();
            let kept = expect(&mut consumer, "0").await;
            if site.version() >= (4, 3) {
                let end = consumer.next().await.unwrap().unwrap_err();
                assert!(
                    matches!(end, ConsumeError::CancelledByBroker { .. }),
                    "{end}"
                );
                until_ready(&channel, queue, 1).await;
            } else {
                // The consumer's own is ignored.
                kept.ack().unwrap();
                consumer.cancel().await.unwrap();
                assert_eq!(ready(&channel, queue).await, 0);
            }
        }
    });
}

#[test]
fn a_hash_of_the_routing_key_chooses_the_queue_since_4_3() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let declared = channel
            .exchange_declare(ExchangeDeclare::modulus_hash("x"))
            .await;
        if site.version() < (4, 3) {
            let refused = declared.unwrap_err();
            let code = refused.reply_code().map(|code| code.0);
            let expected = if site.version() >= (4, 0) { 406 } else { 503 };
            assert_eq!(code, Some(expected), "{refused}");
            return;
        }
        declared.unwrap();
        for queue in ["a", "b"] {
            channel
                .queue_declare(QueueDeclare::new(queue).exclusive())
                .await
                .unwrap();
            channel
                .queue_bind(queue, "x", "of no meaning")
                .await
                .unwrap();
        }
        let publisher = connection.open_publisher().await.unwrap().mandatory();
        for n in 0..100 {
            let key = format!("key {n}");
            publisher
                .publish("x", &key, Message::new("x"))
                .await
                .unwrap();
        }
        let (a, b) = (ready(&channel, "a").await, ready(&channel, "b").await);
        assert_eq!(a + b, 100);
        assert!(a > 0 && b > 0, "{a} and {b}");
        for _ in 0..10 {
            publisher
                .publish("x", "one", Message::new("x"))
                .await
                .unwrap();
        }
        let more = (
            ready(&channel, "a").await - a,
            ready(&channel, "b").await - b,
        );
        assert!(more == (10, 0) || more == (0, 10), "{more:?}");
    });
}

#[test]
fn streams_are_read_by_filter_values_since_3_13() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        channel
            .queue_declare(QueueDeclare::new("s").stream())
            .await
            .unwrap();
        let publisher = connection.open_publisher().await.unwrap();
        let message = |body: &str| Message::new(body.to_owned());
        // Each in a chunk of its own, since each waits for its confirm.
        let messages = [
            message("de 1").stream_filter_value("de"),
            message("us").stream_filter_value("us"),
            message("fr").stream_filter_value("fr"),
            message("none"),
            message("de 2").stream_filter_value("de"),
        ];
        for message in &messages {
            publisher.publish("", "s", message).await.unwrap();
        }
        let all = ["de 1", "us", "fr", "none", "de 2"];
        let from_first = || channel.consume("s").offset(StreamOffset::First);
        let table: [(_, &[&str]); 3] = [
            (from_first().stream_filter(["de"]), &["de 1", "de 2"]),
            (
                from_first().stream_filter(["de", "fr"]),
                &["de 1", "fr", "de 2"],
            ),
            (
                from_first().stream_filter(["de"]).stream_match_unfiltered(),
                &["de 1", "none", "de 2"],
            ),
        ];
        for (consume, expected) in table {
            let expected = match site.version() >= (3, 13) {
                true => expected,
                false => &all,
            };
            let mut consumer = consume.await.unwrap();
            for body in expected {
                expect(&mut consumer, body).await.ack().unwrap();
            }
            consumer.cancel().await.unwrap();
        }
        let value = |header: Option<amqp_client::Value<'_>>| {
            header.and_then(|value| value.as_str().map(str::to_owned))
        };
        let mut consumer = from_first().await.unwrap();
        let first = expect(&mut consumer, "de 1").await;
        let header = first.header("x-stream-filter-value");
        assert_eq!(value(header).as_deref(), Some("de"));
    });
}

#[test]
fn other_queues_refuse_filters_since_3_13() {
    run(async |site| {
        let channel = site.channel().await;
        channel
            .queue_declare(QueueDeclare::new("q").exclusive())
            .await
            .unwrap();
        let filtered = channel.consume("q").stream_filter(["de"]).await;
        match site.version() >= (3, 13) {
            true => assert!(filtered.unwrap_err().is_precondition_failed()),
            false => filtered.unwrap().cancel().await.unwrap(),
        }
    });
}

/// The broker takes what is due back, and its consumer too: which gets it once more when it asks for
/// something.
#[test]
fn consumer_that_acknowledges_too_late_subscribes_again_since_4_3() {
    run(async |site| {
        if site.version() < (4, 3) {
            return;
        }
        let channel = site.channel().await;
        let queue = QueueDeclare::new("late").quorum();
        channel.queue_declare(queue).await.unwrap();
        fill(&channel, "late", 3).await;
        let delays = Duration::from_millis(10)..=Duration::from_millis(100);
        let consume = channel.consume("late").prefetch(1);
        let consume = consume.consumer_timeout(Duration::from_secs(1));
        let resubscribe = Resubscribe::new().delays(delays);
        let mut consumer = consume.resubscribe(resubscribe).await.unwrap();
        let mut events = channel.events();
        let held = expect(&mut consumer, "0").await;
        loop {
            if let Event::ConsumerCancelled { .. } = events.next().await.unwrap() {
                break;
            }
        }
        let again = expect(&mut consumer, "0").await;
        assert!(again.redelivered());
        // That settles nothing, and does no harm.
        assert_eq!(held.ack().unwrap(), Settled::Queued);
        again.ack().unwrap();
        for n in 1..3 {
            expect(&mut consumer, &n.to_string()).await.ack().unwrap();
        }
        consumer.cancel().await.unwrap();
        channel.close().await.unwrap();
        let other = site.channel().await;
        assert_eq!(ready(&other, "late").await, 0);
    });
}
