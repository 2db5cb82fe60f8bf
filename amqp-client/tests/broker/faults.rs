//! Faults of the network in front of a real broker: resets, stalls, delays, pieces, closes that
//! cross. Whatever breaks, everybody who waits learns of it, and what the broker has is what it was
//! said to have.

use std::time::Duration;

use amqp_client::{
    Channel, ChannelError, Connection, ConnectionError, Message, PublishError, QueueDeclare,
};
use amqp_testing::Proxy;

use crate::support::{
    Site, consumers, declare, expect, poll_once, ready, run, run_on_threads, until, until_ready,
};

/// A proxy in front of the broker, and a connection through it.
async fn through_proxy(site: &Site) -> (Proxy, Connection) {
    let proxy = Proxy::to_url(&site.url()).unwrap();
    let connection = connect(site, &proxy).await;
    (proxy, connection)
}

async fn connect(site: &Site, proxy: &Proxy) -> Connection {
    let address = proxy.address();
    let options = site.options().host(address.ip().to_string());
    let options = options.port(address.port());
    Connection::open_with(&options).await.unwrap()
}

#[test]
fn f3_reset_at_any_octet_of_a_publish_routes_nothing_by_halves() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let proxy = Proxy::to_url(&site.url()).unwrap();
        // Method, header and body: how long they are, and how far the connection is before.
        let (mut before, mut len) = (0, 0);
        for n_octets in 0.. {
            if n_octets > 1 && n_octets >= len {
                break;
            }
            proxy.heal();
            let start = proxy.to_broker().n_forwarded();
            let connection = connect(site, &proxy).await;
            let publisher = connection.open_publisher().await.unwrap();
            let opened = proxy.to_broker().n_forwarded() - start;
            if n_octets == 0 {
                // The first is not disturbed and measured.
                before = opened;
                publisher
                    .publish("", "q", Message::new("body"))
                    .await
                    .unwrap();
                len = proxy.to_broker().n_forwarded() - start - opened;
                connection.close().await.unwrap();
            } else {
                assert_eq!(opened, before, "not repeatable");
                proxy.to_broker().reset_after(opened + n_octets);
                let outcome = publisher.publish("", "q", Message::new("body")).await;
                let error = outcome.expect_err("confirmed though it never arrived whole");
                assert!(
                    matches!(error, PublishError::Uncertain(_) | PublishError::NotSent(_)),
                    "{error:?}"
                );
                connection.closed().await;
            }
        }
        assert!(len > 40, "{len} octets");
        // The one that was confirmed.
        assert_eq!(ready(&channel, "q").await, 1);
    });
}

#[test]
fn f5_publishers_that_a_stalled_network_held_up_go_on_when_it_heals() {
    run_on_threads(async |site| {
        let (proxy, connection) = through_proxy(site).await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        declare(publisher.channel(), "work").await;
        let work = Message::new("work");
        publisher.publish("", "work", work).await.unwrap();
        let mut consumer = publisher.channel().consume("work").await.unwrap();
        let delivery = expect(&mut consumer, "work").await;
        proxy.to_broker().stall();
        let body = bytes::Bytes::from(vec![b'.'; 50_000]);
        let tasks: Vec<_> = (0..500)
            .map(|_| {
                let (publisher, body) = (publisher.clone(), body.clone());
                tokio::spawn(async move { publisher.publish("", "q", Message::new(body)).await })
            })
            .collect();
        // Nobody can be done, and what waits in us is bounded: the rest is with the publishers.
        let full = async || {
            poll_once(publisher.send("", "q", Message::new("m")))
                .await
                .is_none()
        };
        until("no room", true, full).await;
        // Acks wait for no room.
        delivery.ack().unwrap();
        proxy.heal();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let other = site.channel().await;
        until("messages", true, async || ready(&other, "q").await >= 500).await;
        drop(consumer);
        connection.close().await.unwrap();
        until_ready(&other, "work", 0).await;
    });
}

#[test]
fn s9_reset_ends_all_who_wait_on_a_stalled_network() {
    run_on_threads(async |site| {
        let (proxy, connection) = through_proxy(site).await;
        let publisher = connection.open_publisher().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        proxy.to_broker().stall();
        let body = bytes::Bytes::from(vec![b'.'; 50_000]);
        let tasks: Vec<_> = (0..300)
            .map(|_| {
                let (publisher, body) = (publisher.clone(), body.clone());
                tokio::spawn(async move { publisher.publish("", "q", Message::new(body)).await })
            })
            .collect();
        let asking = tokio::spawn(async move { channel.queue_purge("q").await });
        let full = async || {
            poll_once(publisher.send("", "q", Message::new("m")))
                .await
                .is_none()
        };
        until("no room", true, full).await;
        proxy.reset();
        for task in tasks {
            task.await.unwrap().unwrap_err();
        }
        asking.await.unwrap().unwrap_err();
        let cause = connection.closed().await;
        assert!(matches!(
            cause,
            ConnectionError::Io(_) | ConnectionError::EndOfStream
        ));
    });
}

#[test]
fn f6_octets_in_any_pieces_mean_the_same() {
    run(async |site| {
        for piece in [1, 2, 3, 7, 100] {
            let (proxy, connection) = through_proxy(site).await;
            proxy.to_broker().split(piece);
            proxy.to_client().split(piece);
            let publisher = connection.open_publisher().await.unwrap();
            let name = format!("q{piece}");
            declare(publisher.channel(), &name).await;
            let mut consumer = publisher.channel().consume(&name).await.unwrap();
            for size in [0, 1, 1000] {
                let body = "x".repeat(size);
                publisher
                    .publish("", &name, Message::new(body.clone()))
                    .await
                    .unwrap();
                expect(&mut consumer, &body).await.ack().unwrap();
            }
            connection.close().await.unwrap();
        }
    });
}

#[test]
fn f6_a_hundred_frames_at_once_mean_the_same() {
    run(async |site| {
        let (proxy, connection) = through_proxy(site).await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let mut consumer = publisher.channel().consume("q").await.unwrap();
        proxy.to_broker().stall();
        proxy.to_client().stall();
        let mut confirmations = Vec::new();
        for n in 0..100 {
            let message = Message::new(n.to_string());
            confirmations.push(publisher.send("", "q", message).await.unwrap());
        }
        proxy.to_broker().heal();
        proxy.to_client().heal();
        for confirmation in confirmations {
            confirmation.await.unwrap();
        }
        for n in 0..100 {
            expect(&mut consumer, &n.to_string()).await.ack().unwrap();
        }
        connection.close().await.unwrap();
    });
}

#[test]
fn f9_closes_that_cross_end_once() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        for _ in 0..100 {
            // The broker closes the channel for the first, while we close it.
            let channel = connection.open_channel().await.unwrap();
            let message = Message::new("m");
            channel
                .basic_publish("nosuch", "k", &message)
                .await
                .unwrap();
            match channel.close().await {
                Ok(()) | Err(ChannelError::ClosedByBroker(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
            channel.close().await.ok();
        }
        // Nothing of it has hurt the connection.
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        connection.close().await.unwrap();
        connection.close().await.unwrap();
    });
}

#[test]
fn f11_consumer_whose_queue_is_deleted_ends_and_may_still_settle() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        channel
            .basic_publish("", "q", &Message::new("m"))
            .await
            .unwrap();
        let mut consumer = channel.consume("q").await.unwrap();
        let delivery = expect(&mut consumer, "m").await;
        let path = format!("/api/queues/{}/q", site.name());
        site.management().delete(&path).unwrap();
        let end = consumer.next().await;
        assert!(!matches!(end, Some(Ok(_))), "{end:?}");
        assert!(consumer.next().await.is_none());
        delivery.ack().unwrap();
        declare(&channel, "another").await;
    });
}

#[test]
fn f14_reply_later_than_the_timeout_reaches_nobody_else() {
    run(async |site| {
        let proxy = Proxy::to_url(&site.url()).unwrap();
        let address = proxy.address();
        let options = site.options().host(address.ip().to_string());
        let options = options.port(address.port());
        let options = options.request_timeout(Duration::from_secs(10));
        let connection = Connection::open_with(&options).await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        proxy.to_client().stall();
        let (declared, consumed) =
            tokio::join!(channel.queue_declare(QueueDeclare::new("late")), async {
                channel.consume("q").await
            },);
        assert!(
            matches!(declared, Err(ChannelError::Timeout { .. })),
            "{declared:?}"
        );
        assert!(consumed.is_err(), "{consumed:?}");
        proxy.heal();
        // Each gets its own.
        for n in 0..20 {
            let name = format!("own{n}");
            let declared = channel.queue_declare(QueueDeclare::new(&name)).await;
            assert_eq!(declared.unwrap().name, name);
        }
        // What started late has been undone.
        let other = site.channel().await;
        until("consumers", 0, async || consumers(&other, "q").await).await;
        connection.close().await.unwrap();
    });
}

#[test]
fn f22_channels_that_the_broker_closes_give_their_numbers_back() {
    run(async |site| {
        let options = site.options().channel_max(64);
        let connection = Connection::open_with(&options).await.unwrap();
        for _ in 0..20 {
            let mut channels: Vec<Channel> = Vec::new();
            for _ in 0..64 {
                channels.push(connection.open_channel().await.unwrap());
            }
            assert!(connection.open_channel().await.is_err());
            for channel in &channels {
                let missing = channel.queue_declare(QueueDeclare::new("nosuch").passive());
                let error = missing.await.unwrap_err();
                assert!(
                    matches!(error, ChannelError::ClosedByBroker(_)),
                    "{error:?}"
                );
            }
        }
        connection.close().await.unwrap();
    });
}
