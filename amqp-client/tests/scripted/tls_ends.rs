//! How connections over TLS end: what a socket that fails has sent by then, and what must leave
//! though the socket takes nothing for a while.

use std::sync::Arc;
use std::time::Duration;

use amqp_client::error::Outcome;
use amqp_client::{Connection, ConnectionError, Message, PublishError, Publisher};
use amqp_spec::{confirm, connection};
use amqp_testing::broker::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector, rustls::version};

use crate::gated::{Gate, Gated};
use crate::peer::{Peer, options, soon};
use crate::tls::{authority, config, localhost, roots};
use crate::wire;

type Stream = TlsStream<Gated<DuplexStream>>;

/// A client's stream with TLS over a stream in memory, in records of at most `record` octets, and
/// the broker behind the server's end of it.
async fn over_tls(authority: &Authority, record: Option<usize>) -> (Stream, Arc<Gate>, Peer) {
    let (ours, theirs) = tokio::io::duplex(1024 * 1024);
    let (ours, gate) = Gated::new(ours);
    let mut client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13])
        .unwrap()
        .with_root_certificates(roots(authority))
        .with_no_client_auth();
    client.max_fragment_size = record;
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("localhost").unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config(&localhost(authority), None)));
    let (client, server) = tokio::join!(connector.connect(name, ours), acceptor.accept(theirs));
    let (near, peer) = Peer::pair(64 * 1024);
    let (mut from_client, mut to_client) = tokio::io::split(server.unwrap());
    let (mut from_peer, mut to_peer) = tokio::io::split(near);
    tokio::spawn(async move {
        let mut octets = vec![0; 16 * 1024];
        // What was decrypted counts, however the stream ends.
        while let Ok(n @ 1..) = from_client.read(&mut octets).await {
            to_peer.write_all(&octets[..n]).await.unwrap();
        }
        to_peer.shutdown().await.unwrap();
    });
    tokio::spawn(async move {
        let mut octets = vec![0; 16 * 1024];
        while let Ok(n @ 1..) = from_peer.read(&mut octets).await {
            if to_client.write_all(&octets[..n]).await.is_err() {
                return;
            }
            to_client.flush().await.unwrap();
        }
    });
    (client.unwrap(), gate, peer)
}

async fn publisher(peer: &mut Peer, connection: &Connection) -> Publisher {
    let channel = peer.channel(connection).await;
    let select = async {
        peer.expect("1 confirm.select").await;
        peer.say(1, &confirm::SelectOk {}).await;
    };
    let (publisher, ()) = tokio::join!(soon(Publisher::new(channel)), select);
    publisher.unwrap()
}

#[tokio::test(start_paused = true)]
async fn f8_socket_below_tls_that_fails_has_sent_nothing_that_is_told_as_not_sent() {
    const N: usize = 1000;
    let authority = authority();
    let mut most = 0;
    let places = [0, 1, 100, 5000, 16_384, 16_406, 20_000, 50_000, 100_000];
    let whole_pieces = places.map(|taken| (taken, None));
    // Of one write, some records are sent.
    let parts = places.map(|taken| (taken, Some(1024)));
    for (taken, record) in whole_pieces.into_iter().chain(parts) {
        let (stream, gate, mut peer) = over_tls(&authority, record).await;
        let connection = peer.open(stream, &options()).await;
        let publisher = publisher(&mut peer, &connection).await;
        gate.fail_after(taken);
        let mut confirmations = Vec::new();
        let message = Message::new(vec![b'.'; 100]);
        for _ in 0..N {
            confirmations.push(publisher.send("", "key", &message).await.unwrap());
        }
        let purged = soon(publisher.channel().queue_purge("q")).await;
        assert_eq!(purged.unwrap_err().outcome(), Outcome::Unknown);
        let (mut n_uncertain, mut n_not_sent) = (0, 0);
        for confirmation in confirmations {
            match soon(confirmation).await {
                Err(PublishError::Uncertain(_)) => n_uncertain += 1,
                Err(PublishError::NotSent(_)) => n_not_sent += 1,
                other => panic!("{other:?}"),
            }
        }
        let mut arrived = 0;
        while let Some(frame) = peer.next_whole().await {
            arrived += usize::from(frame.starts_with("1 body"));
        }
        assert!(arrived <= n_uncertain, "{taken}: {arrived} > {n_uncertain}");
        assert_eq!(n_uncertain + n_not_sent, N);
        // Two writes of 16 KiB are in doubt: one that failed, and one that TLS had taken.
        let in_doubt = n_uncertain - arrived;
        assert!(in_doubt <= 2 * 16 * 1024 / 120, "{taken}: {in_doubt}");
        most = most.max(arrived);
    }
    assert!(most > N / 3, "{most}");
}

#[tokio::test(start_paused = true)]
async fn answer_to_a_close_leaves_over_tls_when_the_socket_takes_it() {
    let authority = authority();
    let (stream, gate, mut peer) = over_tls(&authority, None).await;
    let connection = peer.open(stream, &options()).await;
    gate.shut();
    peer.send(&wire::connection_close()).await;
    assert!(matches!(
        soon(connection.closed()).await,
        ConnectionError::ClosedByBroker(_)
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    peer.expect("0 connection.close-ok").await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn close_that_tells_of_a_violation_leaves_over_tls_when_the_socket_takes_it() {
    let authority = authority();
    let (stream, gate, mut peer) = over_tls(&authority, None).await;
    let connection = peer.open(stream, &options()).await;
    gate.shut();
    peer.say(0, &connection::OpenOk {}).await;
    assert!(matches!(
        soon(connection.closed()).await,
        ConnectionError::Protocol(_)
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    peer.expect("0 connection.close 505").await;
    peer.expect_end().await;
}

/// What was accepted before is still behind the gate when the broker closes: TLS holds a part of
/// it.
#[tokio::test(start_paused = true)]
async fn answer_to_a_close_leaves_over_tls_behind_what_is_under_way() {
    let authority = authority();
    let (stream, gate, mut peer) = over_tls(&authority, None).await;
    let connection = peer.open(stream, &options()).await;
    let publisher = publisher(&mut peer, &connection).await;
    gate.shut();
    let body = vec![b'.'; 200_000];
    let confirmation = publisher.send("", "key", Message::new(body)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    peer.send(&wire::connection_close()).await;
    // Its last frames never leave.
    assert!(matches!(
        soon(confirmation).await,
        Err(PublishError::NotSent(_))
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    gate.open();
    let mut last = String::new();
    while let Some(frame) = peer.next_whole().await {
        last = frame;
    }
    assert_eq!(last, "0 connection.close-ok");
}
