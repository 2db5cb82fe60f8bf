//! Logging in over tokio: challenges, credentials that are asked for, and what is refused before
//! anything is sent; and closing, however often and wherever.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use amqp_client::error::{ConnectCause, Stage};
use amqp_client::sasl::{AuthMechanism, Credentials};
use amqp_client::{Connection, ConnectionError, ConnectionOptions};
use amqp_spec::connection;
use amqp_spec::wire::LongStr;
use tokio::io::DuplexStream;

use crate::peer::{Peer, options, soon};
use crate::wire;

#[tokio::test]
async fn challenge_is_answered() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options().auth_mechanisms([AuthMechanism::RabbitCrDemo]);
    let broker = async {
        peer.expect_header().await;
        peer.send(&wire::start("RABBIT-CR-DEMO")).await;
        peer.expect("0 connection.start-ok RABBIT-CR-DEMO").await;
        let challenge = LongStr::new(b"Please tell me your password").unwrap();
        peer.say(0, &connection::Secure { challenge }).await;
        peer.expect("0 connection.secure-ok").await;
        peer.send(&wire::tune(2047, 131_072, 60)).await;
        peer.expect("0 connection.tune-ok 2047 131072 0").await;
        peer.expect("0 connection.open /").await;
        peer.send(&wire::open_ok()).await;
    };
    let (opened, ()) = tokio::join!(soon(Connection::open_stream(stream, &options)), broker);
    opened.unwrap();
}

#[tokio::test]
async fn option_that_cannot_be_is_refused_before_anything_is_sent() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options().frame_max(64);
    let error = soon(Connection::open_stream(stream, &options))
        .await
        .unwrap_err();
    assert_eq!(error.stage(), Stage::Options);
    assert_eq!(
        error.to_string(),
        "cannot connect: the option frame_max must be 0 or at least 4096 octets"
    );
    peer.expect_end().await;
    let error = soon(Connection::open_with(&options)).await.unwrap_err();
    assert!(matches!(error.cause(), ConnectCause::Options(_)), "{error}");
}

#[tokio::test]
async fn source_that_has_no_credentials_is_told() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options().credential_source(|| async { Err::<Credentials, _>("no token today") });
    let error = soon(Connection::open_stream(stream, &options))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot connect: no credentials: no token today"
    );
    assert!(error.is_retryable());
    peer.expect_end().await;
}

#[tokio::test]
async fn source_that_never_answers_is_given_up() {
    let (stream, _peer) = Peer::pair(4096);
    let limit = Duration::from_millis(20);
    let options = options()
        .connect_timeout(limit)
        .credential_source(std::future::pending::<Result<Credentials, &str>>);
    let error = soon(Connection::open_stream(stream, &options))
        .await
        .unwrap_err();
    assert!(matches!(error.cause(), ConnectCause::Timeout(after) if *after == limit));
}

#[tokio::test]
async fn credentials_that_expire_are_renewed_by_themselves() {
    let (stream, mut peer) = Peer::pair(4096);
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let options = options().credential_source(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        async {
            // Renewed at once, which is after a second at the earliest.
            let token = Credentials::new("app", "t0ken").valid_for(Duration::from_millis(1));
            Ok::<_, std::convert::Infallible>(token)
        }
    });
    let connection = peer.open(stream, &options).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    peer.expect("0 connection.update-secret").await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    let close = connection::Close {
        reply_code: 530,
        reply_text: wire::short("NOT_ALLOWED - New secret was refused by one of the backends"),
        class_id: 10,
        method_id: 70,
    };
    peer.say(0, &close).await;
    peer.expect("0 connection.close-ok").await;
    peer.expect_end().await;
    assert_eq!(
        soon(connection.closed()).await.to_string(),
        "connection closed by the broker: 530 NOT_ALLOWED - New secret was refused by one of the \
         backends (answering connection.update-secret)"
    );
}

// Closing

async fn open(options: &ConnectionOptions) -> (Connection, Peer) {
    let (stream, mut peer): (DuplexStream, Peer) = Peer::pair(4096);
    let connection = peer.open(stream, options).await;
    (connection, peer)
}

#[tokio::test]
async fn closes_from_many_tasks_are_one() {
    let (connection, mut peer) = open(&options()).await;
    let closing: Vec<_> = (0..16)
        .map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move { connection.close().await })
        })
        .collect();
    peer.expect("0 connection.close 200").await;
    peer.say(0, &connection::CloseOk {}).await;
    peer.expect_end().await;
    for task in closing {
        soon(task).await.unwrap().unwrap();
    }
    // And any number of times behind the end.
    soon(connection.close()).await.unwrap();
}

#[tokio::test]
async fn close_that_nobody_reads_takes_no_longer_than_it_may() {
    let options = options().close_timeout(Duration::from_millis(20));
    let (connection, peer) = open(&options).await;
    // More than the stream holds: the close stays behind it.
    let channel = {
        let mut peer = peer;
        let channel = peer.channel(&connection).await;
        let message = amqp_client::Message::new(vec![0; 64 * 1024]);
        channel.basic_publish("", "q", &message).await.unwrap();
        let closed = soon(connection.close()).await;
        assert!(matches!(closed, Err(ConnectionError::CloseTimeout { .. })));
        channel
    };
    assert!(matches!(
        soon(connection.close()).await,
        Err(ConnectionError::CloseTimeout { .. })
    ));
    drop(channel);
}

#[tokio::test]
async fn task_that_panics_takes_its_connection_along_in_order() {
    let (connection, mut peer) = open(&options()).await;
    let task = tokio::spawn(async move {
        let _held = connection;
        panic!("on purpose");
    });
    assert!(soon(task).await.unwrap_err().is_panic());
    peer.expect("0 connection.close 200").await;
    peer.say(0, &connection::CloseOk {}).await;
    peer.expect_end().await;
}

#[tokio::test]
async fn thread_that_panics_outside_a_runtime_drops_handles_without_harm() {
    let (connection, mut peer) = open(&options()).await;
    let channel = peer.channel(&connection).await;
    let thread = std::thread::spawn(move || {
        let _held = (channel, connection);
        panic!("on purpose");
    });
    peer.expect("1 channel.close 200").await;
    peer.expect("0 connection.close 200").await;
    peer.say(0, &connection::CloseOk {}).await;
    peer.expect_end().await;
    let panic = thread.join().unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
}
