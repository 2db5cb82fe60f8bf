//! What is said of TLS that fails midway, and that plain text is advised only where no TLS was
//! heard.

use std::sync::Arc;
use std::time::Duration;

use amqp_client::error::{ConnectCause, Diagnosis, Initiator, Stage, TlsError};
use amqp_client::{ConnectError, Connection, ConnectionError};
use amqp_testing::broker::Authority;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, version};

use crate::connecting::check;
use crate::peer::{Peer, options, soon};
use crate::tls::{Server, authority, check_tls, config, localhost, roots, trusting};

/// A fatal alert (RFC 8446 §6).
fn alert(description: u8) -> [u8; 7] {
    [0x15, 3, 3, 0, 2, 2, description]
}

#[tokio::test]
async fn each_alert_is_told_for_what_it_means() {
    let server = Server::new().await;
    for description in [70, 40, 71] {
        let error = server.answers(Some(&alert(description))).await;
        assert_eq!(error.diagnosis(), Some(Diagnosis::NoCommonTls), "{error}");
        assert!(matches!(
            error.cause(),
            ConnectCause::Tls(TlsError::NothingInCommon(_))
        ));
        if description == 40 {
            check_tls(&error, Diagnosis::NoCommonTls);
        }
    }
    let error = server.answers(Some(&alert(112))).await;
    let error = check_tls(&error, Diagnosis::UnknownServerName);
    assert!(matches!(error, TlsError::UnknownServerName(_)));
    // From close_notify to user_canceled: what they mean is in the broker's log.
    for description in [0, 10, 20, 22, 47, 50, 51, 80, 86, 90, 110, 120] {
        let error = server.answers(Some(&alert(description))).await;
        assert_eq!(error.diagnosis(), None, "{error}");
        assert!(error.is_tls() && error.is_retryable());
        assert!(matches!(
            error.cause(),
            ConnectCause::Tls(TlsError::Alert(_))
        ));
        if description == 80 {
            check_tls(&error, None);
        }
    }
    for description in [41, 42, 43, 44, 45, 46, 48, 49, 116] {
        let error = server.answers(Some(&alert(description))).await;
        assert_eq!(
            error.diagnosis(),
            Some(Diagnosis::ClientCertificate),
            "{error}"
        );
    }
}

#[tokio::test]
async fn server_that_chooses_what_we_do_not_have_has_nothing_in_common() {
    // A server_hello of TLS 1.1.
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let server = Server::new().await;
    let error = server.answers(Some(&hello)).await;
    assert_eq!(error.diagnosis(), Some(Diagnosis::NoCommonTls), "{error}");
    assert!(matches!(
        error.cause(),
        ConnectCause::Tls(TlsError::NothingInCommon(_))
    ));
}

/// What becomes of the server's records on their way.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// After so many octets the line is closed, or reset.
    Closed(usize),
    Reset(usize),
    /// After so many octets nothing more comes.
    Stalled(usize),
    /// In this record, this octet of it or its last is changed.
    Changed {
        record: usize,
        octet: Option<usize>,
    },
}

/// A client that trusts this authority, a server, and the fate of what the server says.
async fn handshake(authority: &Authority, is_old: bool, fate: Fate) -> ConnectError {
    let server = Server::new().await;
    let limit = match fate {
        Fate::Stalled(_) => Duration::from_millis(200),
        _ => Duration::from_secs(60),
    };
    let tls = if is_old {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&version::TLS12])
            .unwrap()
            .with_root_certificates(roots(authority))
            .with_no_client_auth();
        trusting(authority).rustls_config(config)
    } else {
        trusting(authority)
    };
    let options = server.options(tls).handshake_timeout(limit);
    let (to_server, from_client) = tokio::io::duplex(64 * 1024);
    let acceptor = TlsAcceptor::from(Arc::new(config(&localhost(authority), None)));
    let accepting = tokio::spawn(async move {
        if let Ok(mut stream) = acceptor.accept(from_client).await {
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }
    });
    let opening = Connection::open_with(&options);
    let line = async { meddle(server.accept().await, to_server, fate).await };
    let (opened, ()) = soon(async { tokio::join!(opening, line) }).await;
    soon(accepting).await.unwrap();
    opened.unwrap_err()
}

/// Carries octets between a client and a server until the fate is fulfilled and the client gone.
async fn meddle(mut client: TcpStream, server: tokio::io::DuplexStream, fate: Fate) {
    let (mut from_server, mut to_server) = tokio::io::split(server);
    let (mut from_client, mut to_client) = client.split();
    let there = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_server).await;
        let _ = to_server.shutdown().await;
    };
    let back = async {
        let (mut n_octets, mut n_records) = (0, 0);
        while let Some(mut record) = next_record(&mut from_server).await {
            match fate {
                Fate::Closed(most) | Fate::Reset(most) | Fate::Stalled(most) => {
                    record.truncate(most - n_octets);
                }
                Fate::Changed { record: n, octet } if n == n_records => {
                    let place = octet.unwrap_or(record.len() - 1);
                    record[place] ^= 0x40;
                }
                Fate::Changed { .. } => {}
            }
            if to_client.write_all(&record).await.is_err() {
                return;
            }
            n_octets += record.len();
            n_records += 1;
            match fate {
                Fate::Closed(most) | Fate::Reset(most) if n_octets == most => return,
                Fate::Stalled(most) if n_octets == most => std::future::pending().await,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
    if let Fate::Reset(_) = fate {
        SockRef::from(&client)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    }
}

async fn next_record(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<Vec<u8>> {
    let mut record = vec![0; 5];
    stream.read_exact(&mut record).await.ok()?;
    let length = usize::from(record[3]) * 256 + usize::from(record[4]);
    record.resize(5 + length, 0);
    stream.read_exact(&mut record[5..]).await.ok()?;
    Some(record)
}

#[track_caller]
fn advises_no_plain_text(error: &ConnectError) {
    assert_ne!(error.diagnosis(), Some(Diagnosis::TlsNotSpoken), "{error}");
    assert!(!error.is_incompatible_protocol(), "{error}");
    assert!(!error.to_string().contains("amqp://"), "{error}");
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn server_that_hangs_up_amid_tls_is_not_taken_for_one_without() {
    let authority = authority();
    for is_old in [false, true] {
        for octets in [5, 60, 200] {
            let error = handshake(&authority, is_old, Fate::Closed(octets)).await;
            advises_no_plain_text(&error);
            check(&error, Stage::Tls, Diagnosis::TlsCutShort);
            let error = handshake(&authority, is_old, Fate::Reset(octets)).await;
            advises_no_plain_text(&error);
            assert_eq!(error.diagnosis(), Some(Diagnosis::TlsCutShort), "{error}");
        }
    }
    // Not a whole header of a record.
    let error = handshake(&authority, false, Fate::Closed(4)).await;
    assert_eq!(error.diagnosis(), Some(Diagnosis::TlsNotSpoken), "{error}");
}

#[tokio::test]
async fn server_that_falls_silent_amid_tls_is_not_taken_for_one_without() {
    let authority = authority();
    for octets in [5, 100] {
        let error = handshake(&authority, false, Fate::Stalled(octets)).await;
        advises_no_plain_text(&error);
        assert!(error.is_timeout() && error.is_tls());
        assert_eq!(error.diagnosis(), Some(Diagnosis::BrokerBusy), "{error}");
    }
}

#[tokio::test]
async fn octet_that_is_changed_amid_tls_is_no_sign_of_a_server_without() {
    let authority = authority();
    for (is_old, record, octet) in [
        // The type of the second record, and its version.
        (false, 1, Some(0)),
        (false, 1, Some(1)),
        (true, 1, Some(0)),
        // What is encrypted in the third.
        (false, 2, None),
        // The message itself: the type of the handshake's first.
        (true, 0, Some(5)),
    ] {
        let error = handshake(&authority, is_old, Fate::Changed { record, octet }).await;
        advises_no_plain_text(&error);
        assert!(error.is_tls(), "{error}");
        if octet.is_none() {
            let error = check_tls(&error, Diagnosis::TlsDamaged);
            assert!(matches!(error, TlsError::Damaged(_)));
        }
    }
}

/// A server that agrees on TLS and then says nothing, or nothing more.
async fn agrees_and(hangs_up: bool) -> ConnectError {
    let authority = authority();
    let server = Server::new().await;
    let limit = if hangs_up { 60_000 } else { 500 };
    let options = server
        .options(trusting(&authority))
        .handshake_timeout(Duration::from_millis(limit));
    let acceptor = TlsAcceptor::from(Arc::new(config(&localhost(&authority), None)));
    let serving = async {
        let mut stream = acceptor.accept(server.accept().await).await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
        if hangs_up {
            stream.shutdown().await.unwrap();
        }
        let _ = stream.read_to_end(&mut Vec::new()).await;
    };
    let opening = Connection::open_with(&options);
    let (opened, ()) = soon(async { tokio::join!(opening, serving) }).await;
    opened.unwrap_err()
}

#[tokio::test]
async fn server_that_is_silent_over_tls_is_not_asked_for_tls_again() {
    let error = agrees_and(true).await;
    assert_eq!(error.stage(), Stage::Start);
    assert_eq!(error.diagnosis(), Some(Diagnosis::HungUpOverTls), "{error}");
    let text = error
        .to_string()
        .replace(error.address(), "broker.example:5671");
    let peer = format!(" ({})", error.furthest().peer.unwrap());
    let code = format!("`{}`", text.replace(&peer, ""));
    assert!(crate::connecting::DOCUMENT.contains(&code), "{code}");

    let error = agrees_and(false).await;
    assert_eq!(error.stage(), Stage::Start);
    assert_eq!(error.diagnosis(), Some(Diagnosis::SilentOverTls), "{error}");
    assert!(error.is_timeout());
}

#[tokio::test]
async fn tls_that_fails_on_an_open_connection_is_told_as_such() {
    let authority = authority();
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots(&authority))
        .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let acceptor = TlsAcceptor::from(Arc::new(config(&localhost(&authority), None)));
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) = tokio::join!(connector.connect(name, ours), acceptor.accept(theirs));
    let mut server = server.unwrap();
    let (mut near, mut peer) = Peer::pair(64 * 1024);
    let options = options();
    let opening = async { peer.open(client.unwrap(), &options).await };
    let connection = tokio::select! {
        connection = opening => connection,
        _ = tokio::io::copy_bidirectional(&mut server, &mut near) => panic!("the line ended"),
    };
    // One record that was not encrypted by the server.
    let (mut line, _) = server.into_inner();
    let mut record = vec![0x17, 3, 3, 0, 40];
    record.extend([0; 40]);
    line.write_all(&record).await.unwrap();
    let end = soon(connection.closed()).await;
    assert!(end.is_tls() && end.is_retryable(), "{end:?}");
    assert_eq!(end.initiator(), Initiator::Library);
    assert!(matches!(
        &end,
        ConnectionError::Tls(error) if matches!(**error, TlsError::Damaged(_))
    ));
    assert_eq!(
        end.to_string(),
        "connection lost: what came over TLS is damaged: cannot decrypt peer's message"
    );
}
