//! What brokers write into the headers of messages, and properties there and back.

use std::time::{Duration, SystemTime};

use amqp_client::message::{DeathReason, DeliveryMode};
use amqp_client::{Message, QueueDeclare, Requeue};

use crate::support::{declare, expect, fill, run, until_ready};

async fn fetch(channel: &amqp_client::Channel, queue: &str) -> amqp_client::Delivery {
    until_ready(channel, queue, 1).await;
    channel.basic_get(queue).await.unwrap().unwrap().delivery
}

#[test]
fn deaths_are_told_with_queue_reason_and_count_the_newest_first() {
    run(async |site| {
        let channel = site.channel().await;
        // Rejected in `work`, a while in `wait`, back to `work`, dead for good.
        let work = QueueDeclare::new("work")
            .durable()
            .dead_letter_queue("wait");
        channel.queue_declare(work).await.unwrap();
        let wait = QueueDeclare::new("wait")
            .durable()
            .dead_letter_queue("work");
        channel.queue_declare(wait).await.unwrap();
        let message = Message::new("x").expiration(Duration::from_secs(3600));
        channel.basic_publish("", "work", &message).await.unwrap();
        let delivery = fetch(&channel, "work").await;
        assert_eq!(delivery.deaths(), []);
        assert_eq!(delivery.first_death(), None);
        assert_eq!(delivery.expiration(), Some(Duration::from_secs(3600)));
        delivery.reject(Requeue::No).unwrap();
        fetch(&channel, "wait").await.reject(Requeue::No).unwrap();
        fetch(&channel, "work").await.reject(Requeue::No).unwrap();
        let delivery = fetch(&channel, "wait").await;

        let deaths = delivery.deaths();
        let told: Vec<_> = deaths
            .iter()
            .map(|death| (death.queue.as_str(), death.reason.clone(), death.count))
            .collect();
        let rejected = DeathReason::Rejected;
        assert_eq!(told, [("work", rejected.clone(), 2), ("wait", rejected, 1)]);
        assert_eq!(deaths[0].exchange, "");
        assert_eq!(deaths[0].routing_keys, ["work"]);
        assert!(
            deaths[0].time.is_some_and(
                |time| time > SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000)
            )
        );
        let first = delivery.first_death().unwrap();
        assert_eq!(
            (first.queue.as_str(), first.exchange.as_str()),
            ("work", "")
        );
        let last = delivery.last_death().map(|last| last.queue);
        let expected = (site.version() >= (3, 13)).then(|| "work".to_owned());
        assert_eq!(last, expected);
        delivery.ack().unwrap();
    });
}

#[test]
fn deaths_come_along_when_a_message_is_published_anew_unless_they_are_taken_out() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "parked").await;
        let work = QueueDeclare::new("work")
            .durable()
            .dead_letter_queue("parked");
        channel.queue_declare(work).await.unwrap();
        fill(&channel, "work", 1).await;
        fetch(&channel, "work").await.reject(Requeue::No).unwrap();
        let parked = fetch(&channel, "parked").await;
        assert_eq!((parked.deaths().len(), parked.attempts()), (1, 2));

        // As it is, it goes on counting.
        let message = parked.to_message();
        channel.basic_publish("", "work", message).await.unwrap();
        let again = fetch(&channel, "work").await;
        assert_eq!((again.deaths().len(), again.attempts()), (1, 2));
        again.reject(Requeue::No).unwrap();
        let again = fetch(&channel, "parked").await;
        // RabbitMQ since 4.0 takes no notice of what a publisher says of deaths.
        let count = if site.version() >= (4, 0) { 1 } else { 2 };
        assert_eq!(again.deaths()[0].count, count);
        again.ack().unwrap();

        // Without them it begins anew.
        let message = parked.to_message().remove_header("x-death");
        channel.basic_publish("", "work", message).await.unwrap();
        let fresh = fetch(&channel, "work").await;
        assert_eq!((fresh.deaths().len(), fresh.attempts()), (0, 1));
        assert!(fresh.first_death().is_some());
        fresh.reject(Requeue::No).unwrap();
        let fresh = fetch(&channel, "parked").await;
        assert_eq!((fresh.deaths()[0].count, fresh.attempts()), (1, 2));
        fresh.ack().unwrap();
        parked.ack().unwrap();
    });
}

#[test]
fn a_message_that_expired_tells_its_expiration() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "dead").await;
        let q = QueueDeclare::new("q").durable().dead_letter_queue("dead");
        channel.queue_declare(q).await.unwrap();
        let message = Message::new("x").expiration(Duration::from_millis(1));
        channel.basic_publish("", "q", &message).await.unwrap();
        let delivery = fetch(&channel, "dead").await;
        let deaths = delivery.deaths();
        assert_eq!(deaths[0].reason, DeathReason::Expired);
        let original = deaths[0].original_expiration;
        assert_eq!(original, Some(Duration::from_millis(1)));
        assert_eq!(delivery.expiration(), None);
        delivery.ack().unwrap();
    });
}

#[test]
fn s21_quorum_queues_count_what_came_back() {
    run(async |site| {
        let channel = site.channel().await;
        let q = QueueDeclare::new("q").quorum().dead_letter_queue("dead");
        channel.queue_declare(q.delivery_limit(2)).await.unwrap();
        declare(&channel, "dead").await;
        fill(&channel, "q", 1).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for count in [None, Some(1), Some(2)] {
            let delivery = expect(&mut consumer, "0").await;
            // 4.0 counts from the first time on.
            assert_eq!(delivery.delivery_count().filter(|&n| n > 0), count);
            assert_eq!(delivery.redelivered(), count.is_some());
            delivery.reject(Requeue::Yes).unwrap();
        }
        let delivery = fetch(&channel, "dead").await;
        assert_eq!(delivery.deaths()[0].reason, DeathReason::DeliveryLimit);
        delivery.ack().unwrap();
    });
}

#[test]
fn every_property_comes_back_as_it_was_set() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        let message = Message::new("x")
            .content_type("text/plain")
            .content_encoding("identity")
            .header("a", 1)
            .header("b", "two")
            .persistent()
            .priority(3)
            .correlation_id("correlation")
            .reply_to("replies")
            .expiration(Duration::from_millis(60_000))
            .message_id("id")
            .timestamp(time)
            .kind("order")
            .user_id("guest")
            .app_id("app");
        channel.basic_publish("", "q", &message).await.unwrap();
        let delivery = fetch(&channel, "q").await;
        let received = delivery.received();
        assert_eq!(received.content_type(), Some("text/plain"));
        assert_eq!(received.content_encoding(), Some("identity"));
        assert_eq!(received.header("a").and_then(|a| a.as_i64()), Some(1));
        assert_eq!(received.header("b").and_then(|b| b.as_str()), Some("two"));
        assert_eq!(received.header("c"), None);
        assert_eq!(received.delivery_mode(), Some(DeliveryMode::Persistent));
        assert!(received.is_persistent());
        assert_eq!(received.priority(), Some(3));
        assert_eq!(received.correlation_id(), Some("correlation"));
        assert_eq!(received.reply_to(), Some("replies"));
        assert_eq!(received.expiration(), Some(Duration::from_secs(60)));
        assert_eq!(received.message_id(), Some("id"));
        assert_eq!(received.timestamp(), Some(time));
        assert_eq!(received.kind(), Some("order"));
        assert_eq!(received.user_id(), Some("guest"));
        assert_eq!(received.app_id(), Some("app"));
        // Published again it is the same, with all of that.
        channel.basic_publish("", "q", received).await.unwrap();
        let again = fetch(&channel, "q").await;
        assert_eq!(again.properties(), received.properties());
        assert_eq!(again.body(), received.body());
        again.ack().unwrap();
        delivery.ack().unwrap();
        // And nothing is there that was not set.
        let bare = Message::new("y");
        channel.basic_publish("", "q", &bare).await.unwrap();
        let delivery = fetch(&channel, "q").await;
        assert_eq!(delivery.content_type(), None);
        assert_eq!(delivery.headers(), None);
        assert_eq!(delivery.delivery_mode(), None);
        assert_eq!(delivery.timestamp(), None);
        delivery.ack().unwrap();
    });
}
