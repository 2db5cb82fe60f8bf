//! Alarms and events over the tokio adapter: what waits is woken, by the peer or by the clock.

use std::time::Duration;

use amqp_client::event::Event;
use amqp_client::{ChannelError, ConnectionError, Message};
use amqp_spec::connection;
use tokio::time::Instant;

use crate::peer::{Peer, options, soon};
use crate::wire;

async fn block(peer: &mut Peer) {
    let reason = wire::short("low on disk");
    peer.say(0, &connection::Blocked { reason }).await;
}

#[tokio::test]
async fn s10_publish_waits_for_the_end_of_the_alarm() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let mut events = connection.events();
    block(&mut peer).await;
    assert!(matches!(
        soon(events.next()).await,
        Some(Event::Blocked { reason }) if &*reason == "low on disk"
    ));
    let publishing = {
        let channel = channel.clone();
        tokio::spawn(async move {
            let message = Message::new("body");
            channel.basic_publish("", "key", &message).await
        })
    };
    // A settlement passes, and the publish does not stand before it.
    tokio::task::yield_now().await;
    channel
        .basic_ack(7, amqp_client::consume::Multiple::No)
        .unwrap();
    peer.expect("1 basic.ack 7").await;
    peer.say(0, &connection::Unblocked {}).await;
    peer.expect("1 basic.publish key").await;
    peer.expect("1 header 4").await;
    peer.expect("1 body 4").await;
    soon(publishing).await.unwrap().unwrap();
    assert!(matches!(soon(events.next()).await, Some(Event::Unblocked)));
}

#[tokio::test(start_paused = true)]
async fn s10_alarm_that_takes_too_long_ends_the_connection_on_time() {
    let (stream, mut peer) = Peer::pair(4096);
    let limit = Duration::from_secs(60);
    let options = options().blocked_connection_timeout(limit);
    let connection = peer.open(stream, &options).await;
    let channel = peer.channel(&connection).await;
    let mut events = connection.events();
    block(&mut peer).await;
    assert!(matches!(events.next().await, Some(Event::Blocked { .. })));
    let begun = Instant::now();
    let message = Message::new("body");
    let publishing = channel.basic_publish("", "key", &message);
    let asking = channel.queue_purge("q");
    let (published, asked) = tokio::join!(publishing, asking);
    for error in [published.unwrap_err(), asked.unwrap_err()] {
        assert!(matches!(
            error,
            ChannelError::Connection(ConnectionError::BlockedTimeout { after, .. })
                if after == limit
        ));
    }
    let elapsed = begun.elapsed();
    assert!(elapsed >= limit - Duration::from_millis(10), "{elapsed:?}");
    assert!(matches!(
        events.next().await,
        Some(Event::ConnectionClosed {
            cause: ConnectionError::BlockedTimeout { .. }
        })
    ));
    assert!(events.next().await.is_none());
    peer.expect("1 queue.purge q").await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn s10_close_during_an_alarm_takes_no_longer_than_it_may() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let mut events = connection.events();
    block(&mut peer).await;
    assert!(matches!(events.next().await, Some(Event::Blocked { .. })));
    let begun = Instant::now();
    let closed = connection.close().await;
    assert!(matches!(closed, Err(ConnectionError::CloseTimeout { .. })));
    assert!(begun.elapsed() < Duration::from_secs(6));
    peer.expect("0 connection.close 200").await;
    peer.expect_end().await;
}
