//! Opening and closing a connection over a stream.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use amqp_client::error::{ConnectCause, Stage};
use amqp_client::{ConnectError, Connection, ConnectionError};
use amqp_spec::connection;
use tokio::io::BufStream;

use crate::connecting::check;
use crate::peer::{Peer, options, soon};
use crate::wire;

#[tokio::test]
async fn connection_opens_and_closes() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let broker = async {
        peer.expect("0 connection.close 200").await;
        peer.say(0, &connection::CloseOk {}).await;
        // RabbitMQ would keep the socket open for half a minute: we close it.
        peer.expect_end().await;
    };
    let (closed, ()) = tokio::join!(soon(connection.close()), broker);
    closed.unwrap();
}

#[tokio::test]
async fn stream_may_hold_one_octet() {
    let (stream, mut peer) = Peer::pair(1);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    assert_eq!(channel.id(), 1);
}

#[tokio::test]
async fn stream_with_a_buffer_of_its_own_is_flushed() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(BufStream::new(stream), &options()).await;
    let channel = peer.channel(&connection).await;
    drop(channel);
    peer.expect("1 channel.close 200").await;
    peer.send(&wire::connection_close()).await;
    peer.expect("0 connection.close-ok").await;
    peer.expect_end().await;
}

#[tokio::test]
async fn refused_login_is_told_in_full() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options();
    let broker = async {
        peer.expect_header().await;
        peer.send(&wire::start("PLAIN")).await;
        peer.expect("0 connection.start-ok PLAIN").await;
        let close = connection::Close {
            reply_code: 403,
            reply_text: wire::short("ACCESS_REFUSED - Login was refused"),
            class_id: 0,
            method_id: 0,
        };
        peer.say(0, &close).await;
        peer.expect("0 connection.close-ok").await;
        peer.expect_end().await;
    };
    let (opened, ()) = tokio::join!(soon(Connection::open_stream(stream, &options)), broker);
    let error = opened.unwrap_err();
    assert_eq!(error.stage(), Stage::Login);
    assert_eq!(
        error.to_string(),
        "cannot connect to localhost:5672 while logging in: connection closed by the broker: \
         403 ACCESS_REFUSED - Login was refused (are user name and password right? The user guest may only \
         connect from the broker's host)"
    );
}

#[tokio::test]
async fn broker_that_hangs_up_is_told_with_a_hint() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options();
    let broker = async {
        peer.expect_header().await;
        peer.send(&wire::start("PLAIN")).await;
        peer.expect("0 connection.start-ok PLAIN").await;
        drop(peer);
    };
    let (opened, ()) = tokio::join!(soon(Connection::open_stream(stream, &options)), broker);
    let error = opened.unwrap_err();
    assert_eq!(error.stage(), Stage::Login);
    assert!(matches!(
        error.cause(),
        ConnectCause::Connection(ConnectionError::EndOfStream | ConnectionError::Io(_))
    ));
    assert!(error.to_string().contains("user name or password"));
}

#[tokio::test]
async fn open_that_is_dropped_closes_the_stream() {
    let (stream, mut peer) = Peer::pair(4096);
    let options = options();
    let mut opening = Box::pin(Connection::open_stream(stream, &options));
    let broker = async {
        peer.expect_header().await;
        peer.send(&wire::start("PLAIN")).await;
        peer.expect("0 connection.start-ok PLAIN").await;
    };
    tokio::select! {
        biased;
        opened = &mut opening => panic!("{opened:?}"),
        () = broker => {}
    }
    drop(opening);
    // At once, not after a timeout: the broker would not answer anything we said now.
    peer.expect_end().await;
}

/// As an executor other than tokio's would poll it.
fn outside_a_runtime(
    opening: impl Future<Output = Result<Connection, ConnectError>>,
) -> ConnectError {
    match pin!(opening).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Err(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn opening_outside_a_runtime_is_an_error_and_no_panic() {
    let options = options();
    let errors = [
        outside_a_runtime(Connection::open("amqp://localhost")),
        outside_a_runtime(Connection::open_with(&options)),
        outside_a_runtime(Connection::open_stream(tokio::io::duplex(1).0, &options)),
        #[cfg(unix)]
        outside_a_runtime(Connection::open_unix("/nonexistent", &options)),
    ];
    for error in errors {
        check(&error, Stage::Options, None);
        assert!(matches!(error.cause(), ConnectCause::NoRuntime));
        assert!(!error.is_retryable());
    }
    // What is wrong with a URI is told first.
    let error = outside_a_runtime(Connection::open("ampq://localhost"));
    assert!(matches!(error.cause(), ConnectCause::Uri(_)));
}
