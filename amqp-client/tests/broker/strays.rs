//! Deliveries that are not, or no longer, for whom they seem to be; and those that stand in the
//! way.

use amqp_client::consume::{QosScope, Settled};
use amqp_client::{Connection, ConsumeError, Message, QueueDeclare};

use crate::support::{declare, expect, fill, poll_once, ready, run, until_ready};

#[test]
fn deliveries_of_an_earlier_use_of_the_id_reach_nobody() {
    run(async |site| {
        // One id, used again at once, and always the same tag.
        let connection = Connection::open_with(&site.options().channel_max(1))
            .await
            .unwrap();
        let filler = site.channel().await;
        declare(&filler, "q").await;
        fill(&filler, "q", 3000).await;
        for round in 0..20 {
            let channel = connection.open_channel().await.unwrap();
            let mut consumer = channel
                .consume("q")
                .tag("same")
                .unlimited_prefetch()
                .await
                .unwrap();
            for tag in 1..=20 {
                let delivery = consumer.next().await.unwrap().unwrap();
                assert_eq!(delivery.delivery_tag(), tag, "round {round}");
                delivery.reject(amqp_client::Requeue::Yes).unwrap();
            }
            // RabbitMQ closes the channel amid the flood.
            let missing = QueueDeclare::new("there is none").passive();
            let refused = channel.queue_declare(missing).await.unwrap_err();
            assert!(refused.is_not_found(), "round {round}: {refused}");
            while let Some(next) = consumer.next().await {
                assert!(
                    matches!(next, Err(ConsumeError::Channel(_))),
                    "round {round}"
                );
            }
        }
    });
}

#[test]
fn recovered_deliveries_come_again_and_the_channel_lives() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 5).await;
        let mut consumer = channel.consume("q").await.unwrap();
        let held = expect(&mut consumer, "0").await;
        until_ready(&channel, "q", 0).await;
        channel.basic_recover().await.unwrap();
        assert!(matches!(held.ack(), Ok(Settled::Stale)));
        for n in 0..5 {
            let again = expect(&mut consumer, &n.to_string()).await;
            assert!(again.redelivered());
            again.ack().unwrap();
        }
        assert_eq!(ready(&channel, "q").await, 0);
        assert!(channel.is_open());
    });
}

#[test]
fn confirm_is_read_behind_more_deliveries_than_are_read_without_need() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "in").await;
        declare(&channel, "out").await;
        let publisher = site.connect().await.open_publisher().await.unwrap();
        let body = vec![b'.'; 1024 * 1024];
        for _ in 0..100 {
            let message = Message::new(body.clone());
            publisher.publish("", "in", message).await.unwrap();
        }
        // One connection, and the default prefetch: what is received is sent on before the next.
        let publisher = site.connect().await.open_publisher().await.unwrap();
        let mut consumer = publisher.channel().consume("in").await.unwrap();
        for _ in 0..100 {
            let delivery = consumer.next().await.unwrap().unwrap();
            publisher
                .publish("", "out", Message::new("done"))
                .await
                .unwrap();
            delivery.ack().unwrap();
        }
        assert_eq!(ready(&channel, "out").await, 100);
    });
}

#[test]
fn limit_of_the_program_holds_behind_a_consumer_without_one() {
    run(async |site| {
        let channel = site.channel().await;
        for queue in ["a", "b"] {
            declare(&channel, queue).await;
            fill(&channel, queue, 30).await;
        }
        let limited = site.channel().await;
        limited.basic_qos(10, QosScope::Consumer).await.unwrap();
        let _all = limited.consume("a").unlimited_prefetch().await.unwrap();
        let mut ten = limited.consume("b").await.unwrap();
        until_ready(&channel, "a", 0).await;
        until_ready(&channel, "b", 20).await;
        let mut held = Vec::new();
        for n in 0..10 {
            held.push(expect(&mut ten, &n.to_string()).await);
        }
        assert!(poll_once(ten.next()).await.is_none());
    });
}

#[test]
fn above_the_inbound_limit_everything_goes_back() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let publisher = site.connect().await.open_publisher().await.unwrap();
        for _ in 0..20 {
            let message = Message::new(vec![b'.'; 1024 * 1024]);
            publisher.publish("", "q", message).await.unwrap();
        }
        let options = site.options().inbound_limit(5 * 1024 * 1024);
        let connection = Connection::open_with(&options).await.unwrap();
        let slow = connection.open_channel().await.unwrap();
        let mut consumer = slow.consume("q").await.unwrap();
        // It takes nothing, while others wait for answers behind what it is sent.
        let mut events = slow.events();
        let cancelled = events.next();
        let asking = async {
            loop {
                slow.queue_declare(QueueDeclare::new("q").passive())
                    .await
                    .unwrap();
            }
        };
        tokio::select! {
            _ = cancelled => {}
            () = asking => {}
        }
        let ended = loop {
            match consumer.next().await {
                Some(Ok(delivery)) => drop(delivery),
                Some(Err(end)) => break end,
                None => panic!("no reason told"),
            }
        };
        assert!(matches!(ended, ConsumeError::TooSlow { .. }), "{ended}");
        slow.close().await.unwrap();
        until_ready(&channel, "q", 20).await;
    });
}
