//! Events and counters with a real broker behind them.

use amqp_client::Message;
use amqp_client::error::Initiator;
use amqp_client::event::Event;

use crate::support::{declare, run, text, until};

#[test]
fn mandatory_messages_come_back_to_whoever_listens() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let mut returns = channel.returns();
        let mut events = connection.events();
        for (n, queue) in ["q", "nowhere", "q", "nowhere"].iter().enumerate() {
            let message = Message::new(n.to_string());
            let publish = channel.basic_publish_mandatory("", queue, &message);
            publish.await.unwrap();
        }
        for expected in ["1", "3"] {
            let message = returns.next().await.unwrap();
            assert_eq!(text(message.body()), expected);
            assert_eq!(message.reply_code.0, 312);
            match events.next().await {
                Some(Event::Returned { message, .. }) => {
                    assert_eq!(text(message.body()), expected);
                }
                other => panic!("{other:?}"),
            }
        }
    });
}

#[test]
fn ends_are_told_with_their_causes() {
    run(async |site| {
        let connection = site.connect().await;
        let mut events = connection.events();
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let _consumer = channel.consume("q").await.unwrap();
        let other = connection.open_channel().await.unwrap();
        other.queue_delete("q").await.unwrap();
        match events.next().await {
            Some(Event::ConsumerCancelled {
                channel: id, by, ..
            }) => {
                assert_eq!((id, by), (channel.id(), Initiator::Broker));
            }
            other => panic!("{other:?}"),
        }
        let mut of_channel = channel.events();
        assert!(channel.basic_get("q").await.is_err());
        for events in [&mut events, &mut of_channel] {
            match events.next().await {
                Some(Event::ChannelClosed { channel: id, cause }) => {
                    assert_eq!(id, channel.id());
                    assert_eq!(cause.reply_code().unwrap().0, 404);
                }
                other => panic!("{other:?}"),
            }
        }
        connection.close().await.unwrap();
        assert!(matches!(
            events.next().await,
            Some(Event::ConnectionClosed { .. })
        ));
        assert!(events.next().await.is_none());
    });
}

#[test]
fn counters_agree_with_what_was_sent_and_received() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        let publisher = connection.open_publisher().await.unwrap();
        for n in 0..100 {
            let message = Message::new(vec![b'.'; n * 100]);
            publisher.publish("", "q", &message).await.unwrap();
        }
        let mut consumer = channel.consume("q").await.unwrap();
        for _ in 0..100 {
            consumer.next().await.unwrap().unwrap().ack().unwrap();
        }
        let counters = connection.counters();
        assert_eq!(counters.published, 100);
        assert_eq!((counters.confirmed, counters.nacked), (100, 0));
        assert_eq!((counters.delivered, counters.acked), (100, 100));
        assert_eq!((counters.channels, counters.consumers), (2, 1));
        assert_eq!(counters.confirms_outstanding, 0);
        assert_eq!(counters.requests_outstanding, 0);
        drop(consumer);
        assert_eq!(connection.counters().bytes_buffered, 0);
        let octets = 100 * 99 / 2 * 100;
        assert!(counters.bytes_sent > octets && counters.bytes_received > octets);
        until("octets to be written", 0, async || {
            connection.counters().bytes_queued
        })
        .await;
    });
}
