//! Consuming: what is delivered, to whom, how much at once, and how it ends.

use std::time::Duration;

use amqp_client::amqp_spec::basic;
use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::consume::{NextWithin, Resubscribe, Settled, WhenSlow};
use amqp_client::event::Event;
use amqp_client::options::Recovery;
use amqp_client::{ChannelError, Connection, ConsumeError, Message};

use crate::support::{
    check_close, consumers, declare, expect, fill, poll_once, ready, run, text, until, until_ready,
};

#[test]
fn deliveries_come_in_the_order_of_the_queue() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 1000).await;
        let mut consumer = channel.consume("q").tag("reader").await.unwrap();
        assert_eq!(consumer.tag(), "reader");
        for n in 0..1000 {
            let delivery = expect(&mut consumer, &n.to_string()).await;
            assert_eq!(delivery.delivery_tag(), n + 1);
            assert!(!delivery.redelivered());
            delivery.ack().unwrap();
        }
        channel.close().await.unwrap();
        let channel = site.channel().await;
        assert_eq!(ready(&channel, "q").await, 0);
    });
}

#[test]
fn no_more_is_delivered_than_the_prefetch_allows() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 10).await;
        let mut consumer = channel.consume("q").prefetch(3).await.unwrap();
        let first = expect(&mut consumer, "0").await;
        let _second = expect(&mut consumer, "1").await;
        let _third = expect(&mut consumer, "2").await;
        until_ready(&channel, "q", 7).await;
        assert!(poll_once(consumer.next()).await.is_none());

        first.ack().unwrap();
        let _fourth = expect(&mut consumer, "3").await;
        until_ready(&channel, "q", 6).await;
        assert!(poll_once(consumer.next()).await.is_none());
    });
}

#[test]
fn no_ack_deliveries_need_no_acknowledgement() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 300).await;
        let mut consumer = channel.consume("q").no_ack().await.unwrap();
        for n in 0..300 {
            let received = consumer.next().await.unwrap().unwrap();
            assert_eq!(text(&received.into_body()), n.to_string());
        }
        channel.close().await.unwrap();
        let channel = site.channel().await;
        assert_eq!(ready(&channel, "q").await, 0);
    });
}

#[test]
fn consumers_on_one_channel_get_their_own_deliveries() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "left").await;
        declare(&channel, "right").await;
        let mut left = channel.consume("left").unlimited_prefetch().await.unwrap();
        let mut right = channel.consume("right").no_ack().await.unwrap();
        assert_ne!(left.tag(), right.tag());
        for n in 0..200 {
            for queue in ["left", "right"] {
                let message = Message::new(format!("{queue} {n}"));
                channel.basic_publish("", queue, &message).await.unwrap();
            }
        }
        for n in 0..200 {
            let delivery = expect(&mut left, &format!("left {n}")).await;
            delivery.ack().unwrap();
            let received = right.next().await.unwrap().unwrap();
            assert_eq!(text(received.body()), format!("right {n}"));
        }
        left.cancel().await.unwrap();
        let message = Message::new("last");
        channel.basic_publish("", "right", &message).await.unwrap();
        let received = right.next().await.unwrap().unwrap();
        assert_eq!(received.body(), b"last");
    });
}

#[test]
fn two_consumers_of_a_queue_share_it() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let mut first = channel.consume("q").prefetch(1).await.unwrap();
        let mut second = channel.consume("q").prefetch(1).await.unwrap();
        fill_unseen(&channel, 3).await;
        let one = first.next().await.unwrap().unwrap();
        let other = second.next().await.unwrap().unwrap();
        assert_ne!(one.body(), other.body());
        until_ready(&channel, "q", 1).await;
        one.ack().unwrap();
        let third = first.next().await.unwrap().unwrap();
        assert_eq!(third.body(), b"2");
    });
}

/// Publishes to "q" without looking at what becomes of it.
async fn fill_unseen(channel: &amqp_client::Channel, n_messages: usize) {
    for n in 0..n_messages {
        let message = Message::new(n.to_string());
        channel.basic_publish("", "q", &message).await.unwrap();
    }
}

#[test]
fn an_exclusive_consumer_keeps_others_out() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let _consumer = channel.consume("q").exclusive().await.unwrap();
        let other = connection.open_channel().await.unwrap();
        let error = other.consume("q").await.unwrap_err();
        let vhost = site.name();
        let text = format!("ACCESS_REFUSED - queue 'q' in vhost '{vhost}' in exclusive use");
        check_close(error.broker_close(), 403, &text, basic::Consume::ID);
        assert!(channel.close_reason().is_none());
    });
}

#[test]
fn consuming_from_a_missing_queue_is_refused() {
    run(async |site| {
        let channel = site.channel().await;
        let error = channel.consume("nosuch").await.unwrap_err();
        let text = format!("NOT_FOUND - no queue 'nosuch' in vhost '{}'", site.name());
        check_close(error.broker_close(), 404, &text, basic::Consume::ID);
    });
}

#[test]
fn a_tag_that_is_taken_is_refused_and_costs_nothing() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let consumer = channel.consume("q").tag("t").await.unwrap();
        let error = channel.consume("q").tag("t").await.unwrap_err();
        assert!(
            matches!(&error, ChannelError::ConsumerTagInUse { consumer_tag } if consumer_tag == "t"),
            "{error}"
        );
        // RabbitMQ would have closed the connection (530). A dropped one may be replaced at once.
        drop(consumer);
        let mut consumer = channel.consume("q").tag("t").await.unwrap();
        channel
            .basic_publish("", "q", &Message::new("0"))
            .await
            .unwrap();
        expect(&mut consumer, "0").await.ack().unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_cancelled_consumer_yields_what_had_come_and_ends() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        fill(&channel, "q", 5).await;
        let mut consumer = channel.consume("q").unlimited_prefetch().await.unwrap();
        let first = expect(&mut consumer, "0").await;
        // All five are with us, or on their way.
        until_ready(&channel, "q", 0).await;
        consumer.cancel().await.unwrap();
        assert_eq!(consumers(&channel, "q").await, 0);
        let message = Message::new("after");
        channel.basic_publish("", "q", &message).await.unwrap();

        let mut held = vec![first];
        for n in 1..5 {
            held.push(expect(&mut consumer, &n.to_string()).await);
        }
        assert!(consumer.next().await.is_none());
        assert!(consumer.next().await.is_none());
        // What it yielded is still ours: one is settled, the others go back with the channel.
        held.remove(2).ack().unwrap();
        channel.close().await.unwrap();
        let error = held.remove(0).ack().unwrap_err();
        assert!(matches!(error, ChannelError::Closed), "{error}");

        let channel = connection.open_channel().await.unwrap();
        until_ready(&channel, "q", 5).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for (body, again) in [
            ("0", true),
            ("1", true),
            ("3", true),
            ("4", true),
            ("after", false),
        ] {
            let delivery = expect(&mut consumer, body).await;
            assert_eq!(delivery.redelivered(), again, "{body}");
        }
    });
}

#[test]
fn a_consumer_whose_queue_is_deleted_is_cancelled_and_the_channel_lives() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        declare(&channel, "other").await;
        fill(&channel, "q", 2).await;
        let mut consumer = channel.consume("q").await.unwrap();
        let first = expect(&mut consumer, "0").await;

        let remover = connection.open_channel().await.unwrap();
        remover.queue_delete("q").await.unwrap();
        let _second = expect(&mut consumer, "1").await;
        let end = consumer.next().await.unwrap().unwrap_err();
        assert!(
            matches!(end, ConsumeError::CancelledByBroker { .. }),
            "{end}"
        );
        assert!(consumer.next().await.is_none());

        // Settling what it had delivered is no error, nor is cancelling it.
        first.ack().unwrap();
        consumer.cancel().await.unwrap();
        drop(consumer);
        fill(&channel, "other", 1).await;
        assert!(channel.close_reason().is_none());
        channel.close().await.unwrap();
    });
}

#[test]
fn a_consumer_whose_queue_is_deleted_and_declared_again_subscribes_again() {
    run(async |site| {
        for recovery in [Recovery::new(), Recovery::off()] {
            let options = site.options().recovery(recovery);
            let connection = Connection::open_with(&options).await.unwrap();
            let channel = connection.open_channel().await.unwrap();
            declare(&channel, "q").await;
            fill(&channel, "q", 2).await;
            let delays = Duration::from_millis(10)..=Duration::from_millis(100);
            let consume = channel.consume("q").tag("steady").prefetch(10);
            let resubscribe = Resubscribe::new().delays(delays);
            let mut consumer = consume.resubscribe(resubscribe).await.unwrap();
            let first = expect(&mut consumer, "0").await;

            let owner = connection.open_channel().await.unwrap();
            let mut events = connection.events();
            owner.queue_delete("q").await.unwrap();
            let second = expect(&mut consumer, "1").await;
            assert!(poll_once(consumer.next()).await.is_none());
            let pending = async {
                while let Some(event) = events.next().await {
                    if let Event::Pending { entity, cause } = event {
                        return (entity, cause);
                    }
                }
                panic!("it has ended: {:?}", connection.close_reason());
            };
            let (entity, cause) = pending.await;
            assert_eq!(entity.name(), "q");
            assert_eq!(cause.reply_code().map(|code| code.0), Some(404));
            declare(&owner, "q").await;
            // It may have been taken before it is seen to be ready.
            owner.basic_publish("", "q", "0").await.unwrap();
            let again = expect(&mut consumer, "0").await;
            assert!(!again.redelivered());
            for delivery in [first, second, again] {
                assert_eq!(delivery.ack().unwrap(), Settled::Queued);
            }
            assert_eq!(consumers(&owner, "q").await, 1);
            assert_eq!(channel.consumer_tags(), ["steady"]);
            consumer.cancel().await.unwrap();
            assert_eq!(ready(&owner, "q").await, 0);
            assert_eq!(connection.counters().channels, 2);
            owner.queue_delete("q").await.unwrap();
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn a_consumer_keeps_its_channel_and_connection_open() {
    run(async |site| {
        let mut consumer = {
            let channel = site.channel().await;
            declare(&channel, "q").await;
            channel.consume("q").await.unwrap()
        };
        let other = site.channel().await;
        fill_unseen(&other, 2).await;
        let delivery = expect(&mut consumer, "0").await;
        let second = expect(&mut consumer, "1").await;
        drop(consumer);
        // So does a delivery: it can still be acknowledged.
        delivery.ack().unwrap();
        until("consumers", 0, async || consumers(&other, "q").await).await;
        second.ack().unwrap();
        until_ready(&other, "q", 0).await;
        assert!(other.basic_get("q").await.unwrap().is_none());
    });
}

#[test]
fn batches_bring_everything_in_order() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 500).await;
        let mut consumer = channel.consume("q").await.unwrap();
        let mut seen = 0;
        let mut batch = Vec::new();
        while seen < 500 {
            let n = consumer.recv_many(&mut batch, 64).await.unwrap();
            assert!((1..=64).contains(&n) && n == batch.len());
            for delivery in batch.drain(..) {
                assert_eq!(text(delivery.body()), seen.to_string());
                delivery.ack().unwrap();
                seen += 1;
            }
        }
        assert_eq!(consumer.buffered_count(), 0);
    });
}

#[test]
fn silence_is_told_and_the_consumer_goes_on() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let mut consumer = channel.consume("q").await.unwrap();
        let moment = Duration::from_millis(20);
        for n in ["0", "1"] {
            let next = consumer.next_within(moment).await.unwrap().unwrap();
            assert!(matches!(next, NextWithin::Idle));
            let message = Message::new(n);
            channel.basic_publish("", "q", &message).await.unwrap();
            expect(&mut consumer, n).await.ack().unwrap();
        }
    });
}

#[test]
fn the_consumer_of_higher_priority_comes_first() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let low = channel.consume("q").await.unwrap();
        let mut high = channel.consume("q").priority(10).await.unwrap();
        for n in 0..20 {
            let message = Message::new(n.to_string());
            channel.basic_publish("", "q", &message).await.unwrap();
        }
        for n in 0..20 {
            expect(&mut high, &n.to_string()).await.ack().unwrap();
        }
        assert_eq!(low.buffered_count(), 0);
    });
}

#[test]
fn s16_a_consumer_that_is_too_slow_ends_and_its_connection_goes_on() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "big").await;
        declare(&channel, "q").await;
        let when_slow = WhenSlow::Cancel { above: 1 << 20 };
        let slow = channel.consume("big").no_ack().when_slow(when_slow);
        let mut slow = slow.await.unwrap();
        let mut other = channel.consume("q").await.unwrap();
        // Far more than all buffers together would take.
        let publisher = site.connect().await.open_publisher().await.unwrap();
        let big = Message::new(vec![b'.'; 1 << 20]);
        for n in 0..100 {
            publisher.publish("", "big", &big).await.unwrap();
            let message = Message::new(n.to_string());
            publisher.publish("", "q", message).await.unwrap();
        }
        for n in 0..100 {
            expect(&mut other, &n.to_string()).await.ack().unwrap();
        }
        until("consumers of big", 0, async || {
            consumers(&channel, "big").await
        })
        .await;
        let error = loop {
            match slow.next().await.expect("a reason") {
                Ok(received) => assert_eq!(received.body().len(), 1 << 20),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ConsumeError::TooSlow { .. }), "{error}");
        assert!(slow.next().await.is_none());
    });
}

#[test]
fn tags_of_different_connections_differ() {
    run(async |site| {
        let mut tags = Vec::new();
        for _ in 0..3 {
            let channel = site.channel().await;
            declare(&channel, "q").await;
            let consumer = channel.consume("q").await.unwrap();
            tags.push(consumer.tag().to_owned());
        }
        assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);
    });
}
