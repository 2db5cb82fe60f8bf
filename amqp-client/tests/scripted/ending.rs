//! How connections end: every handle is told the cause, whatever happened to stream and runtime.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use amqp_client::consume::Multiple;
use amqp_client::{ChannelError, ConnectionError, Message, QueueDeclare};
use amqp_spec::{channel, connection};

use crate::peer::{Faults, Faulty, Peer, options, soon};
use crate::wire;

#[tokio::test]
async fn channel_closed_by_the_broker_is_told_with_code_text_and_method() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let broker = async {
        peer.expect("1 queue.declare nosuch").await;
        let close = channel::Close {
            reply_code: 404,
            reply_text: wire::short("NOT_FOUND - no queue 'nosuch' in vhost '/'"),
            class_id: 50,
            method_id: 10,
        };
        peer.say(1, &close).await;
        peer.expect("1 channel.close-ok").await;
    };
    let declare = QueueDeclare::new("nosuch").passive();
    let (declared, ()) = tokio::join!(soon(channel.queue_declare(declare)), broker);
    assert_eq!(
        declared.unwrap_err().to_string(),
        "channel 1 closed by the broker: 404 NOT_FOUND - no queue 'nosuch' in vhost '/' \
         (answering queue.declare of queue 'nosuch')"
    );
    // The connection lives on; the id rests.
    assert_eq!(peer.channel(&connection).await.id(), 2);
}

#[tokio::test]
async fn connection_closed_by_the_broker_is_told_and_answered() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let broker = async {
        peer.expect("1 queue.purge q").await;
        peer.send(&wire::connection_close()).await;
        peer.expect("0 connection.close-ok").await;
        peer.expect_end().await;
    };
    let (purged, ()) = tokio::join!(soon(channel.queue_purge("q")), broker);
    let said = "connection closed by the broker: 320 CONNECTION_FORCED - go away";
    assert_eq!(purged.unwrap_err().to_string(), said);
    assert_eq!(soon(connection.closed()).await.to_string(), said);
    assert_eq!(
        soon(connection.close()).await.unwrap_err().to_string(),
        said
    );
}

#[tokio::test]
async fn stream_that_ends_within_a_frame_is_told() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let broker = async {
        peer.expect("1 queue.purge q").await;
        let answer = wire::declare_ok(1, "q");
        peer.send(&answer[..answer.len() - 1]).await;
        drop(peer);
    };
    let (purged, ()) = tokio::join!(soon(channel.queue_purge("q")), broker);
    assert!(matches!(
        purged,
        Err(ChannelError::Connection(ConnectionError::EndOfStream))
    ));
}

/// A connection over a stream that can be broken.
async fn breakable() -> (
    amqp_client::Connection,
    amqp_client::Channel,
    Peer,
    Arc<Faults>,
) {
    let (stream, mut peer) = Peer::pair(4096);
    let faults = Arc::new(Faults::default());
    let stream = Faulty {
        stream,
        faults: Arc::clone(&faults),
    };
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    (connection, channel, peer, faults)
}

#[tokio::test]
async fn failed_write_is_told_as_what_the_broker_said_before() {
    let (connection, channel, mut peer, faults) = breakable().await;
    // The broker closes and resets: our next write fails, its last words wait to be read.
    faults.writing.store(true, Ordering::Relaxed);
    peer.send(&wire::connection_close()).await;
    let published = channel.basic_publish("", "key", &Message::new("x")).await;
    published.unwrap();
    match soon(connection.closed()).await {
        ConnectionError::ClosedByBroker(close) => assert_eq!(close.reply_code.0, 320),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn last_words_that_become_readable_after_the_failed_write_are_heard() {
    let (connection, channel, mut peer, faults) = breakable().await;
    // With a socket, the news that there is something to read may lag behind the failure.
    faults.writing.store(true, Ordering::Relaxed);
    let published = channel.basic_publish("", "key", &Message::new("x")).await;
    published.unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    peer.send(&wire::connection_close()).await;
    match soon(connection.closed()).await {
        ConnectionError::ClosedByBroker(close) => assert_eq!(close.reply_code.0, 320),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn failed_write_is_told_as_such_if_the_broker_said_nothing() {
    let (connection, channel, _peer, faults) = breakable().await;
    faults.writing.store(true, Ordering::Relaxed);
    let purged = soon(channel.queue_purge("q")).await;
    match purged {
        Err(ChannelError::Connection(ConnectionError::Io(error))) => {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        soon(connection.closed()).await,
        ConnectionError::Io(_)
    ));
}

#[tokio::test]
async fn peer_that_talks_on_after_a_failed_write_is_not_listened_to_for_ever() {
    const FLOOD: usize = 64 * 1024 * 1024;
    let (connection, channel, _peer, faults) = breakable().await;
    faults.writing.store(true, Ordering::Relaxed);
    faults.flood.store(FLOOD, Ordering::Relaxed);
    let published = channel.basic_publish("", "key", &Message::new("x")).await;
    published.unwrap();
    match soon(connection.closed()).await {
        ConnectionError::Io(error) => assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
    let left = faults.flood.load(Ordering::Relaxed);
    assert!(left > FLOOD / 2, "{left} octets were left unread");
}

#[tokio::test]
async fn reset_is_told_after_what_came_before_it() {
    let (connection, channel, mut peer, faults) = breakable().await;
    let broker = async {
        peer.expect("1 queue.declare q").await;
        faults.reading.store(true, Ordering::Relaxed);
        peer.send(&wire::declare_ok(1, "q")).await;
    };
    let declaring = channel.queue_declare(QueueDeclare::new("q"));
    let (declared, ()) = tokio::join!(soon(declaring), broker);
    assert_eq!(declared.unwrap().name, "q");
    match soon(connection.closed()).await {
        ConnectionError::Io(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn silent_peer_is_sent_heartbeats_and_then_given_up() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options().heartbeat(Duration::from_secs(1));
    let connection = peer.open(stream, &options).await;
    for _ in 0..3 {
        peer.expect("0 heartbeat").await;
    }
    match soon(connection.closed()).await {
        ConnectionError::HeartbeatTimeout(silence) => assert!(silence >= Duration::from_secs(2)),
        other => panic!("{other:?}"),
    }
    peer.expect_end().await;
}

#[tokio::test]
async fn last_handle_that_goes_closes_the_connection() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    drop(connection);
    drop(channel);
    peer.expect("1 channel.close 200").await;
    peer.expect("0 connection.close 200").await;
    peer.say(1, &channel::CloseOk {}).await;
    peer.say(0, &connection::CloseOk {}).await;
    peer.expect_end().await;
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

#[test]
fn runtime_that_is_shut_down_leaves_nobody_waiting() {
    let drivers = runtime();
    let (connection, channel, peer) = drivers.block_on(async {
        let (stream, mut peer) = Peer::pair(4096);
        let connection = peer.open(stream, &options()).await;
        let channel = peer.channel(&connection).await;
        (connection, channel, peer)
    });
    // The waiters live in another runtime.
    runtime().block_on(async {
        let purging = channel.queue_purge("q");
        let closed = connection.closed();
        let opening = connection.open_channel();
        let shut_down = async { drivers.shutdown_background() };
        let all = async { tokio::join!(purging, closed, opening, shut_down) };
        let (purged, closed, opened, ()) = soon(all).await;
        assert!(matches!(
            purged,
            Err(ChannelError::Connection(ConnectionError::DriverGone))
        ));
        assert!(matches!(closed, ConnectionError::DriverGone));
        assert!(matches!(
            opened.map(drop),
            Err(ChannelError::Connection(ConnectionError::DriverGone))
        ));
    });
    // Outside of any runtime, all of this is still no panic.
    assert!(channel.basic_ack(1, Multiple::No).is_err());
    drop(channel);
    drop(connection);
    drop(peer);
}

/// Without heartbeats nothing but the write timeout wakes the driver.
#[tokio::test(start_paused = true)]
async fn s9_peer_that_takes_nothing_is_given_up_on_time_though_nothing_else_happens() {
    let (stream, mut peer) = Peer::pair(64);
    let options = options().write_timeout(Some(Duration::from_secs(5)));
    let connection = peer.open(stream, &options).await;
    let channel = peer.channel(&connection).await;
    let message = Message::new(vec![b'.'; 4096]);
    channel.basic_publish("", "key", &message).await.unwrap();
    let end = soon(connection.closed()).await;
    assert!(matches!(end, ConnectionError::WriteTimeout(_)), "{end}");
    drop(peer);
}
