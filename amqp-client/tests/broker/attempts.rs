//! How often a message has been delivered, as the broker tells it.

use std::time::Duration;

use amqp_client::consume::StreamOffset;
use amqp_client::{Message, QueueDeclare, Requeue};

use crate::support::{expect, fill, ready, run, until};

#[test]
fn attempts_are_counted_as_far_as_the_broker_tells() {
    run(async |site| {
        let channel = site.channel().await;
        let counts = site.version() >= (4, 3);
        let quorum = QueueDeclare::new("quorum").quorum();
        channel.queue_declare(quorum).await.unwrap();
        fill(&channel, "quorum", 1).await;
        let mut consumer = channel.consume("quorum").await.unwrap();
        for attempt in 1..=4 {
            let delivery = expect(&mut consumer, "0").await;
            assert_eq!(delivery.attempts(), attempt);
            let acquired = (counts && attempt > 1).then_some(attempt - 1);
            assert_eq!(delivery.acquired_count(), acquired);
            // Since 4.3 only rejections are failures.
            match attempt {
                2 => {
                    delivery.reject(Requeue::Yes).unwrap();
                }
                4 => {
                    let failed = if counts { 1 } else { 3 };
                    assert_eq!(delivery.delivery_count(), Some(failed));
                    delivery.ack().unwrap();
                }
                _ => {
                    delivery.nack(Requeue::Yes).unwrap();
                }
            }
        }
        let classic = QueueDeclare::new("classic").exclusive();
        channel.queue_declare(classic).await.unwrap();
        fill(&channel, "classic", 1).await;
        let mut consumer = channel.consume("classic").await.unwrap();
        for attempt in [1, 2, 2] {
            let delivery = expect(&mut consumer, "0").await;
            assert_eq!(delivery.attempts(), attempt);
            delivery.nack(Requeue::Yes).unwrap();
        }
        let stream = QueueDeclare::new("stream").stream();
        channel.queue_declare(stream).await.unwrap();
        let message = Message::new("0");
        channel.basic_publish("", "stream", &message).await.unwrap();
        for _ in 0..2 {
            let first = channel.consume("stream").offset(StreamOffset::First);
            let mut consumer = first.await.unwrap();
            assert_eq!(expect(&mut consumer, "0").await.attempts(), 1);
            consumer.cancel().await.unwrap();
        }
    });
}

#[test]
fn attempts_include_those_that_ended_with_a_dead_letter() {
    run(async |site| {
        let channel = site.channel().await;
        for quorum in [false, true] {
            let (work, wait) = (format!("work {quorum}"), format!("wait {quorum}"));
            let jobs = match quorum {
                true => QueueDeclare::new(&work).quorum(),
                false => QueueDeclare::new(&work).durable().classic(),
            };
            channel
                .queue_declare(jobs.dead_letter_queue(&wait))
                .await
                .unwrap();
            let moment = Duration::from_millis(1);
            let waiting = QueueDeclare::new(&wait).durable().message_ttl(moment);
            channel
                .queue_declare(waiting.dead_letter_queue(&work))
                .await
                .unwrap();
            fill(&channel, &work, 1).await;
            let mut consumer = channel.consume(&work).await.unwrap();
            for attempt in 1..=4 {
                let delivery = expect(&mut consumer, "0").await;
                assert_eq!(delivery.attempts(), attempt, "{delivery:?}");
                delivery.reject(Requeue::No).unwrap();
            }
            // Waiting is no attempt, and so is dying of old age.
            let delivery = expect(&mut consumer, "0").await;
            assert_eq!(delivery.deaths().len(), 2);
            delivery.ack().unwrap();
        }
        let old = QueueDeclare::new("old").durable();
        let old = old.message_ttl(Duration::from_millis(1));
        channel
            .queue_declare(old.dead_letter_queue("dead"))
            .await
            .unwrap();
        channel
            .queue_declare(QueueDeclare::new("dead").exclusive())
            .await
            .unwrap();
        let message = Message::new("0");
        channel.basic_publish("", "old", &message).await.unwrap();
        let mut consumer = channel.consume("dead").await.unwrap();
        assert_eq!(expect(&mut consumer, "0").await.attempts(), 1);
        let none = async || ready(&channel, "old").await;
        until("messages that are old", 0, none).await;
    });
}
