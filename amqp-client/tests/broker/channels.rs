//! Channels: opening and closing, and what an error on one does to it and to the others.

use std::future::IntoFuture as _;
use std::pin::pin;
use std::time::Duration;

use amqp_client::amqp_spec::wire::TypedMethod as _;
use amqp_client::amqp_spec::{basic, queue};
use amqp_client::consume::{Multiple, Resubscribe, Settled};
use amqp_client::{
    Channel, ChannelError, Connection, ConsumeError, Message, Publisher, QueueDeclare,
};

use crate::support::{
    check_close, declare, expect, fill, poll_once, run, run_on_threads, until, until_ready,
};

#[test]
fn a_channel_closes_behind_a_consume_that_is_not_answered_yet() {
    run(async |site| {
        let connection = site.connect().await;
        let other = connection.open_channel().await.unwrap();
        declare(&other, "q").await;
        fill(&other, "q", 10).await;
        for _ in 0..50 {
            let channel = connection.open_channel().await.unwrap();
            let mut consuming = pin!(channel.consume("q").into_future());
            let mut purging = pin!(channel.queue_purge("q"));
            assert!(poll_once(consuming.as_mut()).await.is_none());
            assert!(poll_once(purging.as_mut()).await.is_none());
            channel.close().await.unwrap();
            // It stood behind the consume, and was not sent.
            assert!(matches!(purging.await, Err(ChannelError::Closed)));
            drop(consuming.await);
        }
        until_ready(&other, "q", 10).await;
    });
}

#[test]
fn numbers_of_closed_channels_are_used_again() {
    run(async |site| {
        let connection = site.connect().await;
        let mut channels = Vec::new();
        for id in 1..=5 {
            let channel = connection.open_channel().await.unwrap();
            assert_eq!(channel.id(), id);
            channels.push(channel);
        }
        let second = channels.remove(1);
        second.close().await.unwrap();
        assert!(matches!(second.close_reason(), Some(ChannelError::Closed)));
        // Once more changes nothing.
        second.close().await.unwrap();

        let again = connection.open_channel_with_id(2).await.unwrap();
        declare(&again, "of-the-new").await;
        // The old handle does not get at the new channel.
        let error = second.queue_purge("of-the-new").await.unwrap_err();
        assert!(matches!(error, ChannelError::Closed), "{error}");
        assert_eq!(again.queue_purge("of-the-new").await.unwrap(), 0);
        connection.close().await.unwrap();
    });
}

#[test]
fn a_channel_can_be_opened_and_closed_over_and_over() {
    run(async |site| {
        let connection = site.connect().await;
        for n in 0..600 {
            let channel = connection.open_channel().await.unwrap();
            // Each number rests before it is used again.
            assert_eq!(channel.id(), 1 + n % 256);
            channel.close().await.unwrap();
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn a_dropped_channel_is_closed_and_its_number_used_again() {
    run(async |site| {
        let options = site.options().channel_max(1);
        let connection = Connection::open_with(&options).await.unwrap();
        for _ in 0..20 {
            let channel = open_when_possible(&connection).await;
            assert_eq!(channel.id(), 1);
            drop(channel);
        }
        connection.close().await.unwrap();
    });
}

/// Opens a channel, as soon as the broker has answered what is being closed.
async fn open_when_possible(connection: &Connection) -> Channel {
    loop {
        match connection.open_channel().await {
            Ok(channel) => break channel,
            Err(ChannelError::ChannelLimit { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn an_abandoned_opening_leaves_no_channel_behind() {
    run(async |site| {
        let options = site.options().channel_max(2);
        let connection = Connection::open_with(&options).await.unwrap();
        assert!(poll_once(connection.open_channel()).await.is_none());
        let second = connection.open_channel().await.unwrap();
        assert_eq!(second.id(), 2);
        let first = open_when_possible(&connection).await;
        assert_eq!(first.id(), 1);
        connection.close().await.unwrap();
    });
}

#[test]
fn an_error_closes_its_channel_and_no_other() {
    run(async |site| {
        let connection = site.connect().await;
        let failing = connection.open_channel().await.unwrap();
        let other = connection.open_channel().await.unwrap();
        declare(&other, "kept").await;
        fill(&other, "kept", 1).await;
        let mut consumer = failing.consume("kept").await.unwrap();

        let text = format!("NOT_FOUND - no queue 'nosuch' in vhost '{}'", site.name());
        let check = |error: &ChannelError| {
            assert!(matches!(error, ChannelError::ClosedByBroker(_)), "{error}");
            check_close(error.broker_close(), 404, &text, queue::Declare::ID);
        };
        let nosuch = || failing.queue_declare(QueueDeclare::new("nosuch").passive());
        let error = nosuch().await.unwrap_err();
        check(&error);
        let said = format!(
            "channel 1 closed by the broker: 404 {text} (answering queue.declare of queue 'nosuch')"
        );
        assert_eq!(error.to_string(), said);

        // Whatever is tried on it later says the same.
        check(&failing.close_reason().unwrap());
        check(&nosuch().await.unwrap_err());
        check(&failing.queue_delete("kept").await.unwrap_err());
        check(&failing.basic_ack(1, Multiple::No).unwrap_err());
        let message = Message::new("late");
        check(
            &failing
                .basic_publish("", "kept", &message)
                .await
                .unwrap_err(),
        );
        check(&failing.close().await.unwrap_err());
        // Its consumer as well, after what had come before.
        let error = loop {
            match consumer.next().await.unwrap() {
                Ok(delivery) => check(&delivery.ack().unwrap_err()),
                Err(ConsumeError::Channel(error)) => break error,
                Err(error) => panic!("{error}"),
            }
        };
        check(&error);
        assert!(consumer.next().await.is_none());

        let got = other.basic_get("kept").await.unwrap().unwrap();
        assert_eq!(got.delivery.body(), b"0");
        let new = connection.open_channel_with_id(failing.id()).await;
        let new = new.unwrap();
        assert_eq!(new.queue_delete("kept").await.unwrap(), 0);
        connection.close().await.unwrap();
    });
}

#[test]
fn everybody_who_waits_on_a_failing_channel_learns_the_cause() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let message = Message::new("nowhere");
        channel.basic_publish("nosuch", "", &message).await.unwrap();
        let purge = || channel.queue_purge("q");
        let (first, second, third) = tokio::join!(purge(), channel.basic_get("q"), purge());
        let text = format!(
            "NOT_FOUND - no exchange 'nosuch' in vhost '{}'",
            site.name()
        );
        for error in [first.unwrap_err(), second.unwrap_err(), third.unwrap_err()] {
            check_close(error.broker_close(), 404, &text, basic::Publish::ID);
        }
    });
}

#[test]
fn closing_behind_a_large_message_ends_though_the_broker_closes_first() {
    run(async |site| {
        let connection = site.connect().await;
        for _ in 0..10 {
            let channel = connection.open_channel().await.unwrap();
            // The first costs the channel; our close is still behind the others when the broker
            // says so, or it is not.
            let large = Message::new(vec![0; 8 << 20]);
            let small = Message::new("small");
            channel.basic_publish("nosuch", "", &small).await.unwrap();
            // While it waits for room behind the last channel's, the answer may come.
            let error = match channel.basic_publish("nosuch", "", &large).await {
                Ok(()) => channel.close().await.unwrap_err(),
                Err(error) => error,
            };
            assert_eq!(error.reply_code().map(|code| code.0), Some(404), "{error}");
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn what_does_not_fit_a_frame_is_refused_and_harms_nobody() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let long = "x".repeat(200_000);
        let too_large = |error: &ChannelError| matches!(error, ChannelError::FrameTooLarge(_));

        let error = channel
            .queue_declare(QueueDeclare::new("r").argument("x-note", &long))
            .await
            .unwrap_err();
        assert!(too_large(&error), "{error}");
        let consume = channel.consume("q").argument("x-note", &long);
        let error = consume.await.unwrap_err();
        assert!(too_large(&error), "{error}");
        let headers = amqp_client::field_table! { "note" => &long };
        let message = Message::new("").headers(&headers);
        let error = channel.basic_publish("", "q", &message).await.unwrap_err();
        assert!(too_large(&error), "{error}");
        let name = "x".repeat(256);
        let error = channel.queue_purge(&name).await.unwrap_err();
        assert!(matches!(error, ChannelError::TooLong(_)), "{error}");

        fill(&channel, "q", 1).await;
        assert_eq!(channel.queue_purge("q").await.unwrap(), 1);
    });
}

#[test]
fn answers_reach_whom_they_belong_to() {
    run_on_threads(async |site| {
        let channel = site.channel().await;
        let tasks = (0..32).map(|n| {
            let channel = channel.clone();
            tokio::spawn(async move {
                let name = format!("queue-{n}");
                declare(&channel, &name).await;
                for count in 0..n {
                    let body = format!("{name}: {count}");
                    channel
                        .basic_publish("", &name, &Message::new(body))
                        .await
                        .unwrap();
                }
                let queue = QueueDeclare::new(&name).passive();
                let declared = channel.queue_declare(queue).await.unwrap();
                assert_eq!(declared.name, name);
                if let Some(got) = channel.basic_get(&name).await.unwrap() {
                    assert_eq!(got.delivery.body(), format!("{name}: 0").as_bytes());
                    assert_eq!(got.message_count, n - 1);
                    got.delivery.ack().unwrap();
                }
                assert_eq!(channel.queue_purge(&name).await.unwrap(), n.max(1) - 1);
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        channel.close().await.unwrap();
    });
}

#[test]
fn a_channel_that_the_broker_has_closed_is_opened_again() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let publisher = Publisher::new(channel.clone()).await.unwrap();
        let mut consumer = channel.consume("q").prefetch(5).await.unwrap();
        for round in 0..10 {
            for n in 0..20 {
                publisher.publish("", "q", format!("{n}")).await.unwrap();
            }
            let held = consumer.next().await.unwrap().unwrap();
            let missing = QueueDeclare::new("nosuch").passive();
            let refused = channel.queue_declare(missing).await.unwrap_err();
            assert!(refused.is_not_found(), "round {round}: {refused}");
            let end = consumer.next().await.unwrap().unwrap_err();
            assert!(matches!(end, ConsumeError::Channel(_)), "{end}");

            channel.reopen().await.unwrap();
            assert_eq!(held.ack().unwrap(), Settled::Stale);
            for n in 0..20 {
                let delivery = expect(&mut consumer, &n.to_string()).await;
                assert!(delivery.is_current());
                assert_eq!(delivery.ack().unwrap(), Settled::Queued);
            }
        }
        assert_eq!(publisher.next_sequence_number(), Some(201));

        // A consumer whose queue is gone has it closed again.
        let other = connection.open_channel().await.unwrap();
        other.queue_delete("q").await.unwrap();
        assert!(consumer.next().await.unwrap().is_err());
        let missing = QueueDeclare::new("nosuch").passive();
        channel.queue_declare(missing).await.unwrap_err();
        channel.reopen().await.unwrap();
        let mut consumer = {
            declare(&other, "p").await;
            channel.consume("p").await.unwrap()
        };
        let missing = QueueDeclare::new("nosuch").passive();
        channel.queue_declare(missing).await.unwrap_err();
        other.queue_delete("p").await.unwrap();
        let refused = channel.reopen().await.unwrap_err();
        assert!(refused.is_not_found(), "{refused}");
        assert!(!channel.is_open());
        declare(&other, "p").await;
        channel.reopen().await.unwrap();
        publisher.publish("", "p", "new").await.unwrap();
        expect(&mut consumer, "new").await.ack().unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn a_channel_is_opened_again_for_a_consumer_that_outlives_it() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let other = connection.open_channel().await.unwrap();
        declare(&other, "q").await;
        let publisher = Publisher::new(channel.clone()).await.unwrap();
        let delays = Duration::from_millis(10)..=Duration::from_millis(100);
        let resubscribe = Resubscribe::new().delays(delays);
        let resubscribe = resubscribe.also_when_channel_closes();
        let consume = channel.consume("q").tag("steady").prefetch(5);
        let mut consumer = consume.resubscribe(resubscribe).await.unwrap();
        for round in 0..10 {
            for n in 0..20 {
                publisher.publish("", "q", format!("{n}")).await.unwrap();
            }
            let held = expect(&mut consumer, "0").await;
            let missing = QueueDeclare::new("nosuch").passive();
            let refused = channel.queue_declare(missing).await.unwrap_err();
            assert!(refused.is_not_found(), "round {round}: {refused}");
            for n in 0..20 {
                let delivery = expect(&mut consumer, &n.to_string()).await;
                assert_eq!(delivery.ack().unwrap(), Settled::Queued);
            }
            assert_eq!(held.ack().unwrap(), Settled::Stale);
            publisher.publish("", "q", "more").await.unwrap();
            expect(&mut consumer, "more").await.ack().unwrap();
        }
        // Its queue is gone, which does not close the channel again.
        other.queue_delete("q").await.unwrap();
        let missing = QueueDeclare::new("nosuch").passive();
        let _ = channel.queue_declare(missing).await;
        assert!(poll_once(consumer.next()).await.is_none());
        until("open", true, async || channel.is_open()).await;
        declare(&other, "q").await;
        publisher.publish("", "q", "new").await.unwrap();
        expect(&mut consumer, "new").await.ack().unwrap();
        assert!(connection.counters().resubscriptions >= 11);
        connection.close().await.unwrap();
    });
}
