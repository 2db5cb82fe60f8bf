//! What ends a connection that is not read, since a consumer takes nothing of what it holds.

use std::sync::mpsc;
use std::time::Duration;

use amqp_client::event::Event;
use amqp_client::options::Recovery;
use amqp_client::{
    ChannelError, Connection, ConnectionError, ConnectionOptions, Message, PublishError, Publisher,
};
use amqp_spec::frame::FrameKind;
use amqp_spec::{confirm, connection};
use amqp_testing::peer::{Conversation, Peer};

use crate::peer::soon;
use crate::wire;

const MIB: usize = 1024 * 1024;

/// With this many deliveries of 1 MiB untaken, a connection is read on demand only.
const FEW: u64 = 17;

/// With this many it is not read at all.
const MANY: u64 = 65;

/// A broker that delivers `n` messages, and then does what the test wants it to.
fn broker<S>(n: u64, then: S) -> (Peer, ConnectionOptions)
where
    S: FnOnce(Conversation<std::net::TcpStream>) + Send + 'static,
{
    let peer = Peer::start(move |listener| {
        let mut client = listener.accept();
        client.open_connection_with(connection::Tune {
            channel_max: 2047,
            frame_max: 0,
            heartbeat: 1,
        });
        client.open_channel(1);
        client.expect(1, "confirm.select");
        client.send(1, &confirm::SelectOk {});
        client.expect(1, "basic.consume");
        client.send_raw(&wire::consume_ok(1, "tag"));
        let body = vec![b'.'; MIB - 1024];
        for n in 1..=n {
            client.send_raw(&wire::delivery(1, "tag", n, &body));
        }
        then(client);
    });
    let peer = peer.unwrap();
    let options: ConnectionOptions = peer.url().parse().unwrap();
    // What is told of the end is looked at here.
    (peer, options.recovery(Recovery::off()))
}

async fn open(options: &ConnectionOptions) -> (Connection, Publisher) {
    let connection = soon(Connection::open_with(options)).await.unwrap();
    let publisher = soon(connection.open_publisher()).await.unwrap();
    (connection, publisher)
}

/// Nothing is waited for but the end: it is told by the heartbeats, which cannot be written.
#[tokio::test]
async fn s16_end_of_a_connection_that_is_not_read_is_told() {
    let (peer, options) = broker(FEW, |mut client| {
        // By then it has read what it reads.
        for _ in 0..2 {
            assert_eq!(client.receive().kind(), FrameKind::Heartbeat);
        }
    });
    let (connection, publisher) = open(&options).await;
    let consuming = publisher.channel().consume("q").tag("tag").no_ack();
    let mut consumer = soon(consuming.into_future()).await.unwrap();
    soon(connection.closed()).await;
    // What it has is still there.
    let mut n = 0;
    while let Some(Ok(_)) = soon(consumer.next()).await {
        n += 1;
    }
    assert!(n >= 16, "{n}");
    peer.join();
}

#[tokio::test]
async fn s16_end_reaches_all_that_wait_while_nothing_is_read() {
    let (hang_up, hung_up) = mpsc::channel();
    let (peer, options) = broker(MANY, move |client| {
        hung_up.recv().unwrap();
        client.reset();
    });
    let (connection, publisher) = open(&options).await;
    let mut events = connection.events();
    let consuming = publisher.channel().consume("q").tag("tag").no_ack();
    let mut consumer = soon(consuming.into_future()).await.unwrap();
    let publishing = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.publish("", "key", Message::new("m")).await }
    });
    let purging = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.channel().queue_purge("q").await }
    });
    let closed = tokio::spawn({
        let connection = connection.clone();
        async move { connection.closed().await }
    });
    while !matches!(
        soon(events.next()).await,
        Some(Event::ReadingStopped { .. })
    ) {}
    hang_up.send(()).unwrap();
    let published = soon(publishing).await.unwrap();
    assert!(
        matches!(
            published,
            Err(PublishError::Uncertain(ChannelError::Connection(_)))
        ),
        "{published:?}"
    );
    let purged = soon(purging).await.unwrap();
    assert!(
        matches!(purged, Err(ChannelError::Connection(_))),
        "{purged:?}"
    );
    let end = soon(closed).await.unwrap();
    assert!(
        matches!(end, ConnectionError::Io(_) | ConnectionError::EndOfStream),
        "{end:?}"
    );
    let mut n = 0;
    while let Some(Ok(_)) = soon(consumer.next()).await {
        n += 1;
    }
    assert!(n >= 64, "{n}");
    peer.join();
}

/// The broker says nothing more and does not hang up: it may as well be dead.
#[tokio::test]
async fn s16_nothing_waits_for_ever_while_nothing_is_read() {
    let (hang_up, hung_up) = mpsc::channel();
    let (peer, options) = broker(MANY, move |_client| {
        hung_up.recv().unwrap();
    });
    let options = options
        .request_timeout(Duration::from_secs(1))
        .close_timeout(Duration::from_secs(1));
    let (connection, publisher) = open(&options).await;
    let consuming = publisher.channel().consume("q").tag("tag").no_ack();
    let _consumer = soon(consuming.into_future()).await.unwrap();
    let purging = publisher.channel().queue_purge("q");
    let publishing = publisher.publish("", "key", Message::new("m"));
    let (published, purged) = soon(async { tokio::join!(publishing, purging) }).await;
    assert!(
        matches!(
            published,
            Err(PublishError::Uncertain(ChannelError::ReadingStopped { .. }))
        ),
        "{published:?}"
    );
    assert!(
        matches!(purged, Err(ChannelError::ReadingStopped { .. })),
        "{purged:?}"
    );
    let closed = soon(connection.close()).await;
    assert!(
        matches!(closed, Err(ConnectionError::CloseTimeout { .. })),
        "{closed:?}"
    );
    soon(connection.closed()).await;
    hang_up.send(()).unwrap();
    peer.join();
}
