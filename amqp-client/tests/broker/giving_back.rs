//! Futures and handles that are dropped: what they had taken goes back, and nothing is lost.

use std::pin::pin;

use amqp_client::{Channel, Connection, QueueDeclare};

use crate::support::{
    consumers, declare, expect, fill, poll_once, ready, run, run_on_threads, until, until_ready,
};

#[test]
fn a_dropped_consumer_is_cancelled_and_gives_back_what_it_has_not_yielded() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 10).await;
        let mut consumer = channel.consume("q").unlimited_prefetch().await.unwrap();
        let first = expect(&mut consumer, "0").await;
        let second = expect(&mut consumer, "1").await;
        until_ready(&channel, "q", 0).await;
        drop(consumer);

        until_ready(&channel, "q", 8).await;
        assert_eq!(consumers(&channel, "q").await, 0);
        // What it had yielded is still ours.
        first.ack().unwrap();
        drop(second);
        assert_eq!(ready(&channel, "q").await, 8);
        channel.close().await.unwrap();
        let channel = site.channel().await;
        until_ready(&channel, "q", 9).await;
        let mut consumer = channel.consume("q").await.unwrap();
        for n in 1..10 {
            assert!(expect(&mut consumer, &n.to_string()).await.redelivered());
        }
    });
}

/// Takes one message with a consumer of its own, once everything in the queue has come that may.
async fn take_one(channel: &Channel, prefetch: u16, n_coming: usize) {
    let mut consumer = channel.consume("q").prefetch(prefetch).await.unwrap();
    let n_prefetched = n_coming.min(prefetch.into());
    while consumer.buffered_count() < n_prefetched {
        tokio::task::yield_now().await;
    }
    consumer.next().await.unwrap().unwrap().ack().unwrap();
}

#[test]
fn a_quorum_queue_counts_what_dropped_consumers_give_back() {
    const N_MESSAGES: usize = 10;
    run(async |site| {
        let channel = site.channel().await;
        let counting = || QueueDeclare::new("q").quorum().delivery_limit(2);
        channel.queue_declare(counting()).await.unwrap();
        fill(&channel, "q", N_MESSAGES).await;
        for n_taken in 0..3 {
            take_one(&channel, 200, N_MESSAGES - n_taken).await;
        }
        // The third return was one too many for those that no consumer has yielded.
        let left = if site.version() < (4, 3) { 0 } else { 7 };
        until_ready(&channel, "q", left).await;

        channel.queue_delete("q").await.unwrap();
        channel.queue_declare(counting()).await.unwrap();
        fill(&channel, "q", N_MESSAGES).await;
        for n_taken in 0..N_MESSAGES {
            take_one(&channel, 1, N_MESSAGES - n_taken).await;
        }
        until_ready(&channel, "q", 0).await;
        // Nor does what is fetched come back.
        fill(&channel, "q", N_MESSAGES).await;
        for n in 0..N_MESSAGES {
            let got = channel.basic_get("q").await.unwrap().unwrap();
            assert_eq!(got.delivery.text().unwrap(), n.to_string());
            got.delivery.ack().unwrap();
        }
    });
}

#[test]
fn consumers_dropped_under_load_lose_nothing() {
    run_on_threads(async |site| {
        let connection = site.connect().await;
        let publisher = connection.open_publisher().await.unwrap();
        declare(publisher.channel(), "q").await;
        let publishing = tokio::spawn(async move {
            for n in 0..2000 {
                let message = amqp_client::Message::new(n.to_string());
                drop(publisher.send("", "q", message).await.unwrap());
            }
            publisher
        });
        // Each takes a few and goes; all on one channel, which has to stay usable.
        let channel = connection.open_channel().await.unwrap();
        let mut seen = vec![false; 2000];
        let mut n_seen = 0;
        while n_seen < 2000 {
            let mut consumer = channel.consume("q").prefetch(50).await.unwrap();
            for _ in 0..40 {
                if n_seen == 2000 {
                    break;
                }
                let delivery = consumer.next().await.unwrap().unwrap();
                let n: usize = crate::support::text(delivery.body()).parse().unwrap();
                assert!(!std::mem::replace(&mut seen[n], true), "{n} came twice");
                n_seen += 1;
                delivery.ack().unwrap();
            }
        }
        let _publisher = publishing.await.unwrap();
        until("consumers", 0, async || consumers(&channel, "q").await).await;
        assert_eq!(ready(&channel, "q").await, 0);
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
        connection.close().await.unwrap();
    });
}

#[test]
fn an_abandoned_start_of_a_consumer_leaves_none() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 5).await;
        // Before the broker has answered.
        let start = channel.consume("q").into_future();
        assert!(poll_once(start).await.is_none());
        until("consumers", 0, async || consumers(&channel, "q").await).await;
        until_ready(&channel, "q", 5).await;

        // After it has: what comes later on the channel shows that.
        let mut start = channel.consume("q").into_future();
        assert!(poll_once(&mut start).await.is_none());
        until_ready(&channel, "q", 0).await;
        drop(start);
        until("consumers", 0, async || consumers(&channel, "q").await).await;
        until_ready(&channel, "q", 5).await;
        channel.close().await.unwrap();
    });
}

#[test]
fn an_abandoned_get_gives_its_message_back() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        fill(&channel, "q", 1).await;
        // Before the broker has answered.
        assert!(poll_once(channel.basic_get("q")).await.is_none());
        until_ready(&channel, "q", 1).await;

        // After it has.
        {
            let mut get = pin!(channel.basic_get("q"));
            assert!(poll_once(get.as_mut()).await.is_none());
            assert_eq!(ready(&channel, "q").await, 0);
        }
        until_ready(&channel, "q", 1).await;

        let got = channel.basic_get("q").await.unwrap().unwrap();
        assert!(got.delivery.redelivered());
        assert_eq!(got.delivery.delivery_tag(), 3);
        got.delivery.ack().unwrap();
        channel.close().await.unwrap();
        assert_eq!(ready(&site.channel().await, "q").await, 0);
    });
}

#[test]
fn an_abandoned_next_loses_no_delivery() {
    run(async |site| {
        let channel = site.channel().await;
        declare(&channel, "q").await;
        let mut consumer = channel.consume("q").await.unwrap();
        for n in 0..20 {
            assert!(poll_once(consumer.next()).await.is_none());
            let message = amqp_client::Message::new(n.to_string());
            channel.basic_publish("", "q", &message).await.unwrap();
            expect(&mut consumer, &n.to_string()).await.ack().unwrap();
        }
    });
}

#[test]
fn an_abandoned_publish_sends_its_message_whole_or_not_at_all() {
    run(async |site| {
        // So little may wait that every second message has to.
        let options = site.options().write_buffer_limit(1);
        let connection = Connection::open_with(&options).await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let mut n_sent = 0;
        for n in 0..200_usize {
            let body = vec![n.to_le_bytes()[0]; 1000 * (n % 100)];
            let message = amqp_client::Message::new(body);
            let published = poll_once(channel.basic_publish("", "q", &message)).await;
            n_sent += usize::from(published.is_some());
            if n % 3 == 0 {
                tokio::task::yield_now().await;
            }
        }
        assert!(n_sent > 0 && n_sent < 200, "{n_sent} sent");
        until_ready(&channel, "q", n_sent).await;
        let mut consumer = channel.consume("q").no_ack().await.unwrap();
        for _ in 0..n_sent {
            let received = consumer.next().await.unwrap().unwrap();
            let body = received.body();
            assert!(body.iter().all(|octet| *octet == body[0]));
            assert_eq!(body.len() % 1000, 0);
        }
        connection.close().await.unwrap();
    });
}
