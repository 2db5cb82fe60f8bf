//! What a user reads when a connection cannot be opened: each of the messages of
//! `docs/connect-errors.md`, provoked by a server that misbehaves in that way.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use amqp_client::error::{ConnectCause, Diagnosis, Stage};
use amqp_client::{ConnectError, Connection, ConnectionError, ConnectionOptions};
use amqp_spec::connection;
use amqp_spec::wire::{LongStr, TypedMethod as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};

use crate::peer::{Peer, soon};
use crate::wire;

pub(crate) const DOCUMENT: &str = include_str!("../../../docs/connect-errors.md");

pub(crate) fn options() -> ConnectionOptions {
    ConnectionOptions::default()
        .host("broker.example")
        .login("app", "hunter2")
        .virtual_host("orders")
}

/// Checks what is the same for all: the message is in the document, and nothing secret is in it.
#[track_caller]
pub(crate) fn check(error: &ConnectError, stage: Stage, diagnosis: impl Into<Option<Diagnosis>>) {
    let mut text = error.to_string();
    if let Some(peer) = error.furthest().peer {
        text = text.replace(&format!(" ({peer})"), "");
    }
    let broker = match stage {
        Stage::Tls => "broker.example:5671",
        _ => "broker.example:5672",
    };
    let text = text.replace(error.address(), broker);
    assert_eq!(error.stage(), stage, "{text}");
    assert_eq!(error.diagnosis(), diagnosis.into(), "{text}");
    assert!(!format!("{error} {error:#?}").contains("hunter2"));
    let code = format!("`{text}`");
    assert!(DOCUMENT.contains(&code), "not in the document: {code}");
}

/// What becomes of an attempt to open a connection to this server.
async fn fails(server: impl AsyncFnOnce(&mut Peer)) -> ConnectError {
    fails_with(&options(), server).await
}

async fn fails_with(
    options: &ConnectionOptions,
    server: impl AsyncFnOnce(&mut Peer),
) -> ConnectError {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let script = async {
        server(&mut peer).await;
        drop(peer);
    };
    let opening = Connection::open_stream(stream, options);
    let (opened, ()) = tokio::join!(opening, script);
    opened.unwrap_err()
}

async fn until_login(peer: &mut Peer) {
    peer.expect_header().await;
    peer.send(&wire::start("PLAIN")).await;
    peer.expect("0 connection.start-ok PLAIN").await;
}

async fn until_open(peer: &mut Peer) {
    until_login(peer).await;
    peer.send(&wire::tune(2047, 131_072, 60)).await;
    peer.next().await;
    peer.expect("0 connection.open orders").await;
}

async fn refuse(peer: &mut Peer, reply_code: u16, text: &str) {
    let close = connection::Close {
        reply_code,
        reply_text: wire::short(text),
        ..Default::default()
    };
    peer.say(0, &close).await;
    peer.expect("0 connection.close-ok").await;
    peer.expect_end().await;
}

#[tokio::test]
async fn uri_that_is_wrong_is_told_before_anything_is_sent() {
    let uri = "amqp://app:hunter2@broker.example/orders?heartbeats=5";
    let error = Connection::open(uri).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Options);
    assert!(!error.is_retryable());
    let text = error.to_string();
    assert!(
        text.starts_with("cannot connect: unknown parameter \"heartbeats\""),
        "{text}"
    );
    assert!(DOCUMENT.contains("`cannot connect: unknown parameter \"heartbeats\""));
    assert!(!format!("{error:#?}").contains("hunter2"));
    for uri in [
        "amqp://app:hunter2/1@broker.example/orders",
        "amqp://app:hunter2@broker.example\n",
    ] {
        let error = Connection::open(uri).await.unwrap_err();
        let code = format!("`{error}`");
        assert!(DOCUMENT.contains(&code), "not in the document: {code}");
        assert!(!format!("{error:#?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn host_that_is_none_is_told_before_a_resolver_is_asked() {
    // Its port stands beside it already.
    let hosts = [("127.0.0.1:5672", 5672)];
    let options = options().hosts(hosts).connection_attempts(3);
    let error = soon(Connection::open_with(&options)).await.unwrap_err();
    assert_eq!((error.stage(), error.attempts().len()), (Stage::Options, 1));
    assert!(!error.is_retryable());
    let code = format!("`{error}`");
    assert!(DOCUMENT.contains(&code), "not in the document: {code}");
}

#[tokio::test]
async fn name_that_nobody_knows() {
    // RFC 6761 §6.4: never in use.
    let options = options().host("broker.invalid");
    let error = soon(Connection::open_with(&options)).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve);
    assert_eq!(error.diagnosis(), Some(Diagnosis::UnknownHost));
    assert!(error.is_retryable());
    // What the system says in between depends on whether there is a name server at all.
    let text = error.to_string();
    let begin = "cannot connect to broker.invalid:5672 while resolving the host name: ";
    assert!(text.starts_with(begin), "{text}");
    assert!(DOCUMENT.contains(&begin.replace("invalid", "example")));
}

#[tokio::test]
async fn nobody_listens() {
    // Bound and not listening: nobody else gets the port, and nobody answers on it.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = socket.local_addr().unwrap();
    let options = options().host("127.0.0.1").port(address.port());
    let error = soon(Connection::open_with(&options)).await.unwrap_err();
    check(&error, Stage::Tcp, Diagnosis::NothingListens);
    assert_eq!(error.address(), address.to_string());
    assert_eq!(error.attempts().len(), 1);
    assert!(matches!(
        error.cause(),
        ConnectCause::Io(error) if error.kind() == io::ErrorKind::ConnectionRefused
    ));
    assert!(error.is_retryable());
}

#[tokio::test]
async fn http_server() {
    let error = fails(async |peer| {
        peer.expect_header().await;
        peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            .await;
        peer.expect_end().await;
    })
    .await;
    check(&error, Stage::Start, Diagnosis::SpeaksHttp);
    assert!(error.is_incompatible_protocol());
}

#[tokio::test]
async fn server_that_sends_back_what_it_was_sent() {
    for cut in 0..8 {
        let error = fails(async |peer| {
            peer.expect_header().await;
            let (first, rest) = b"AMQP\x00\x00\x09\x01".split_at(cut);
            peer.send(first).await;
            tokio::task::yield_now().await;
            peer.send(rest).await;
            peer.expect_end().await;
        })
        .await;
        check(&error, Stage::Start, Diagnosis::SameVersion);
        assert!(error.is_incompatible_protocol());
    }
}

#[tokio::test]
async fn tls_server_without_tls() {
    // A fatal alert, "unexpected message", as TLS libraries answer octets that are no TLS.
    let error = fails(async |peer| {
        peer.expect_header().await;
        peer.send(b"\x15\x03\x03\x00\x02\x02\x0a").await;
        peer.expect_end().await;
    })
    .await;
    check(&error, Stage::Start, Diagnosis::TlsExpected);
    assert!(error.is_incompatible_protocol());
}

#[tokio::test]
async fn server_of_amqp_1_0() {
    for header in [b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"] {
        let error = fails(async |peer| {
            peer.expect_header().await;
            peer.send(header).await;
        })
        .await;
        if header[4] == 3 {
            assert_eq!(error.diagnosis(), Some(Diagnosis::Amqp10), "{error}");
        } else {
            check(&error, Stage::Start, Diagnosis::Amqp10);
        }
        assert!(error.is_incompatible_protocol());
    }
}

#[tokio::test]
async fn broker_of_amqp_0_8() {
    let error = fails(async |peer| {
        peer.expect_header().await;
        let start = connection::Start {
            version_major: 8,
            version_minor: 0,
            mechanisms: LongStr::literal("PLAIN"),
            ..Default::default()
        };
        peer.say(0, &start).await;
        peer.expect_end().await;
    })
    .await;
    check(&error, Stage::Start, Diagnosis::AnotherVersion);
    assert!(error.is_incompatible_protocol());
}

#[tokio::test]
async fn server_of_something_else() {
    for greeting in [
        b"220 mail.example ESMTP\r\n".as_slice(),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x00\x00\x00\x00\x00\x00\x00",
    ] {
        let error = fails(async |peer| peer.send(greeting).await).await;
        assert_eq!(error.diagnosis(), Some(Diagnosis::NotAmqp), "{error}");
        assert!(error.is_incompatible_protocol());
        if greeting.starts_with(b"SSH") {
            check(&error, Stage::Start, Diagnosis::NotAmqp);
        }
    }
}

#[tokio::test]
async fn server_hangs_up_at_once() {
    let error = fails(async |peer| peer.expect_header().await).await;
    check(&error, Stage::Start, Diagnosis::HungUpAtStart);
    assert!(error.is_incompatible_protocol() && error.is_retryable());
}

#[tokio::test]
async fn broker_hangs_up_at_the_login() {
    let error = fails(until_login).await;
    check(&error, Stage::Login, Diagnosis::ProbablyWrongCredentials);
    assert!(error.is_authentication_failure());
    assert!(matches!(
        error.cause(),
        ConnectCause::Connection(ConnectionError::EndOfStream)
    ));
}

#[tokio::test]
async fn broker_hangs_up_at_the_opening() {
    let error = fails(until_open).await;
    check(&error, Stage::Open, Diagnosis::ProbablyVirtualHost);
    assert!(error.is_access_refused());
}

#[tokio::test(start_paused = true)]
async fn silence_is_given_up_at_every_stage() {
    // Longer than the client waits.
    let silence = async |peer: &mut Peer| {
        tokio::time::sleep(Duration::from_secs(16)).await;
        peer.expect_end().await;
    };
    let start = tokio::time::Instant::now();
    let error = fails(async |peer| {
        peer.expect_header().await;
        silence(peer).await;
    })
    .await;
    check(&error, Stage::Start, Diagnosis::SilentAtStart);
    assert_eq!(start.elapsed().as_secs(), 16);
    let error = fails(async |peer| {
        until_login(peer).await;
        silence(peer).await;
    })
    .await;
    check(&error, Stage::Login, Diagnosis::BrokerBusy);
    let error = fails(async |peer| {
        until_open(peer).await;
        silence(peer).await;
    })
    .await;
    check(&error, Stage::Open, Diagnosis::BrokerBusy);
    assert!(error.is_timeout() && error.is_retryable());
    assert_eq!(start.elapsed().as_secs(), 48);
}

#[tokio::test]
async fn wrong_password() {
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                details see the broker logfile.";
    let error = fails(async |peer| {
        until_login(peer).await;
        refuse(peer, 403, text).await;
    })
    .await;
    check(&error, Stage::Login, Diagnosis::WrongCredentials);
    assert!(error.is_authentication_failure() && !error.is_retryable());
}

#[tokio::test]
async fn newline_at_the_end_of_a_refused_password_is_told() {
    let text = "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For \
                details see the broker logfile.";
    for end in ["\n", "\r\n"] {
        let options = options().login("app", format!("hunter2{end}"));
        let error = fails_with(&options, async |peer| {
            until_login(peer).await;
            refuse(peer, 403, text).await;
        })
        .await;
        check(&error, Stage::Login, Diagnosis::NewlineInPassword);
        assert!(error.is_authentication_failure() && !error.is_retryable());
        assert!(!format!("{error} {error:#?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn no_mechanism_in_common() {
    let error = fails(async |peer| {
        peer.expect_header().await;
        peer.send(&wire::start("SCRAM-SHA-256")).await;
        peer.expect_end().await;
    })
    .await;
    check(&error, Stage::Login, Diagnosis::NoCommonMechanism);
    assert!(error.is_authentication_failure() && !error.is_retryable());
}

#[tokio::test]
async fn login_that_is_too_large() {
    let options = options().login("app", "hunter2".repeat(1000));
    let error = fails_with(&options, async |peer| {
        peer.expect_header().await;
        peer.send(&wire::start("PLAIN")).await;
        peer.expect_end().await;
    })
    .await;
    // The size is not in the document: it changes with our version number.
    assert_eq!(error.stage(), Stage::Login);
    assert_eq!(error.diagnosis(), Some(Diagnosis::LoginTooLarge), "{error}");
    assert!(
        error
            .to_string()
            .contains(" octets, the broker takes 4096 (")
    );
    assert!(!format!("{error} {error:#?}").contains("hunter2"));
    assert!(error.is_authentication_failure() && !error.is_retryable());
}

/// What RabbitMQ says at the opening, and what we make of it.
#[tokio::test]
async fn virtual_host_that_cannot_be_opened() {
    let said = [
        (
            530,
            "NOT_ALLOWED - vhost orders not found",
            Diagnosis::VirtualHostNotFound,
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost 'orders' refused for user 'app'",
            Diagnosis::VirtualHostRefused,
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost 'orders' refused for user 'app': connection limit (5) \
             is reached",
            Diagnosis::ConnectionLimit,
        ),
        (
            530,
            "NOT_ALLOWED - connection refused for user 'app': user connection limit (1) is reached",
            Diagnosis::ConnectionLimit,
        ),
        (
            541,
            "INTERNAL_ERROR - access to vhost 'orders' refused for user 'app': vhost 'orders' is \
             down",
            Diagnosis::VirtualHostDown,
        ),
        (
            320,
            "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
            Diagnosis::BrokerStopping,
        ),
    ];
    for (code, text, diagnosis) in said {
        let error = fails(async |peer| {
            until_open(peer).await;
            refuse(peer, code, text).await;
        })
        .await;
        check(&error, Stage::Open, diagnosis);
        let is_final = matches!(
            diagnosis,
            Diagnosis::VirtualHostNotFound | Diagnosis::VirtualHostRefused
        );
        assert_eq!(error.is_access_refused(), is_final, "{error}");
        assert_eq!(error.is_retryable(), !is_final, "{error}");
    }
}

#[tokio::test]
async fn uri_that_ends_in_a_slash_names_a_virtual_host_without_a_name() {
    let options: ConnectionOptions = "amqp://app:hunter2@broker.example:5672/".parse().unwrap();
    let error = fails_with(&options, async |peer| {
        until_login(peer).await;
        peer.send(&wire::tune(2047, 131_072, 60)).await;
        peer.next().await;
        peer.expect("0 connection.open").await;
        let close = connection::Close {
            reply_code: 530,
            reply_text: wire::short("NOT_ALLOWED - vhost  not found"),
            class_id: 10,
            method_id: 40,
        };
        peer.say(0, &close).await;
        peer.expect("0 connection.close-ok").await;
    })
    .await;
    check(&error, Stage::Open, Diagnosis::EmptyVirtualHost);
    assert!(
        error.is_access_refused() && !error.is_retryable(),
        "{error}"
    );
}

#[tokio::test]
async fn limits_that_cannot_be_worked_with() {
    let error = fails(async |peer| {
        until_login(peer).await;
        peer.send(&wire::tune(2047, 1024, 60)).await;
        peer.expect_end().await;
    })
    .await;
    check(&error, Stage::Login, None);
}

#[cfg(not(feature = "rustls-core"))]
#[tokio::test]
async fn tls_that_is_not_built_in() {
    let uri = "amqps://app:hunter2@broker.example/orders";
    let error = soon(Connection::open(uri)).await.unwrap_err();
    check(&error, Stage::Tls, None);
    assert!(!error.is_retryable());
}

/// RabbitMQ ends connections with a reset: that is an end like any other.
#[tokio::test]
async fn reset_is_an_end() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut header = [0; 8];
        socket.read_exact(&mut header).await.unwrap();
        socket.write_all(&wire::start("PLAIN")).await.unwrap();
        let n = socket.read(&mut [0; 4096]).await.unwrap();
        assert!(n > connection::StartOk::NAME.len());
        socket2::SockRef::from(&socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    };
    let options = options().host("127.0.0.1").port(address.port());
    let (opened, ()) = tokio::join!(soon(Connection::open_with(&options)), server);
    let error = opened.unwrap_err();
    assert_eq!(error.stage(), Stage::Login);
    assert_eq!(
        error.diagnosis(),
        Some(Diagnosis::ProbablyWrongCredentials),
        "{error}"
    );
    assert_eq!(error.attempts()[0].peer, Some(address));
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket() {
    let folder = std::env::temp_dir().join(format!("amqp-client-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("broker.sock");
    let nobody = Connection::open_unix(&path, &options()).await.unwrap_err();
    assert_eq!(nobody.stage(), Stage::Tcp);
    assert_eq!(nobody.address(), path.display().to_string());

    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut header = [0; 8];
        socket.read_exact(&mut header).await.unwrap();
        socket.write_all(b"AMQP\x00\x01\x00\x00").await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    };
    let options = options();
    let (opened, ()) = tokio::join!(soon(Connection::open_unix(&path, &options)), server);
    let error = opened.unwrap_err();
    assert_eq!(error.diagnosis(), Some(Diagnosis::Amqp10), "{error}");
    std::fs::remove_dir_all(&folder).unwrap();
}
