//! Alarms: what a broker short of memory does to publishers, and what it does not do to others.
//!
//! Each test starts a broker of its own, for an alarm concerns everybody.

use std::collections::BTreeSet;
use std::time::Duration;

use amqp_client::event::{Event, Events};
use amqp_client::options::WhenBlocked;
use amqp_client::{ChannelError, Connection, ConnectionError, Message, PublishError, QueueDeclare};
use amqp_testing::{Broker, BrokerOptions};
use tokio::runtime::Builder;

use crate::support::{declare, endpoint, fill, lasting, limited, text};

fn run_on_own_broker(test: impl AsyncFnOnce(&Broker)) {
    if endpoint().is_none() {
        return;
    }
    let broker = BrokerOptions::new().start().unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    limited(&runtime, test(&broker));
}

fn raise_alarm(broker: &Broker) {
    broker.ctl(&["set_vm_memory_high_watermark", "0"]).unwrap();
}

fn clear_alarm(broker: &Broker) {
    broker
        .ctl(&["set_vm_memory_high_watermark", "0.4"])
        .unwrap();
}

async fn until_blocked(events: &mut Events) {
    match events.next().await {
        Some(Event::Blocked { reason }) => assert_eq!(&*reason, "low on memory"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn f10_an_alarm_holds_publishes_up_loses_none_and_lets_other_consumers_go_on() {
    run_on_own_broker(async |broker| {
        let consuming = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        let channel = consuming.open_channel().await.unwrap();
        declare(&channel, "before").await;
        declare(&channel, "during").await;
        fill(&channel, "before", 100).await;
        // That connection has published, but does not do so during the alarm.
        let connection = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        let mut events = connection.events();
        let publisher = connection.open_publisher().await.unwrap();
        raise_alarm(broker);
        let first = publisher
            .send("", "during", Message::new("0"))
            .await
            .unwrap();
        until_blocked(&mut events).await;
        assert_eq!(
            connection.blocked_reason().as_deref(),
            Some("low on memory")
        );

        let publishing: Vec<_> = (1..200)
            .map(|n| {
                let publisher = publisher.clone();
                tokio::spawn(async move {
                    let message = Message::new(n.to_string());
                    publisher.publish("", "during", message).await
                })
            })
            .collect();
        let other = connection.clone();
        let asking = tokio::spawn(async move {
            let channel = other.open_channel().await?;
            channel
                .queue_declare(QueueDeclare::new("during").passive())
                .await
        });

        // The other connection is served.
        let mut consumer = channel.consume("before").await.unwrap();
        for n in 0..100 {
            let delivery = consumer.next().await.unwrap().unwrap();
            assert_eq!(text(delivery.body()), n.to_string());
            delivery.ack().unwrap();
        }
        assert_eq!(consuming.blocked_reason(), None);
        assert!(publishing.iter().all(|task| !task.is_finished()));
        assert!(!asking.is_finished());

        clear_alarm(broker);
        assert!(matches!(events.next().await, Some(Event::Unblocked)));
        connection.unblocked().await.unwrap();
        first.await.unwrap();
        for task in publishing {
            task.await.unwrap().unwrap();
        }
        asking.await.unwrap().unwrap();
        let mut consumer = channel.consume("during").no_ack().await.unwrap();
        let mut bodies = BTreeSet::new();
        for _ in 0..200 {
            let delivery = consumer.next().await.unwrap().unwrap();
            let n: u32 = text(delivery.body()).parse().unwrap();
            assert!(n < 200 && bodies.insert(n), "{n} twice");
        }
        let left = channel
            .queue_declare(QueueDeclare::new("during").passive())
            .await
            .unwrap();
        assert_eq!(left.message_count, 0);
        connection.close().await.unwrap();
    });
}

#[test]
fn s10_during_an_alarm_publishes_may_fail_closes_return_in_time_and_a_limit_ends_the_connection() {
    run_on_own_broker(async |broker| {
        let options = lasting(&broker.url());
        let failing = options
            .clone()
            .when_blocked(WhenBlocked::Fail)
            .close_timeout(Duration::from_secs(1));
        let failing = Connection::open_with(&failing).await.unwrap();
        let limited = options.blocked_connection_timeout(Duration::from_secs(1));
        let limited = Connection::open_with(&limited).await.unwrap();
        let mut confirmations = Vec::new();
        raise_alarm(broker);
        for connection in [&failing, &limited] {
            let mut events = connection.events();
            let publisher = connection.open_publisher().await.unwrap();
            let channel = publisher.channel().clone();
            declare(&channel, &format!("q{}", confirmations.len())).await;
            let message = Message::new("body");
            confirmations.push(publisher.send("", "q0", &message).await.unwrap());
            until_blocked(&mut events).await;
            if confirmations.len() == 1 {
                let refused = publisher.publish("", "q0", &message).await;
                assert!(matches!(
                    refused,
                    Err(PublishError::NotSent(ChannelError::Blocked { reason }))
                        if &*reason == "low on memory"
                ));
                let closed = connection.close().await;
                assert!(matches!(closed, Err(ConnectionError::CloseTimeout { .. })));
            }
        }
        let cause = limited.closed().await;
        assert_eq!(
            cause.to_string(),
            "connection given up: blocked by the broker for 1 s: low on memory"
        );
        // Held by the broker: routed when the alarm ends, for all that we know.
        for confirmation in confirmations {
            assert!(matches!(
                confirmation.await,
                Err(PublishError::Uncertain(ChannelError::Connection(_)))
            ));
        }
        clear_alarm(broker);
    });
}
