//! Our TLS over a stream in memory that takes octets one by one, none for a while, or no more.

use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_testing::broker::Authority;
use rustls::{ServerConnection, SupportedProtocolVersion, version};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::task::JoinHandle;

use crate::adapter::tls::{Record, connect};
use crate::error::{ConnectCause, PublishError, TlsError};
use crate::tests::support::broker::Broker;
use crate::tests::support::pair::quiet;
use crate::tests::support::tls::server;
use crate::tests::support::wire;
use crate::tls::Session;
use crate::{Connection, ConnectionError, ConnectionOptions, Message, TlsOptions};

/// What the socket is to do.
#[derive(Default)]
struct Gate {
    shut: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// As many octets are taken before writing fails; zero: no end of them.
    left: AtomicUsize,
    failed: AtomicBool,
    n_writes: AtomicUsize,
    /// Shut each time this many octets have been taken; zero: never.
    sip: AtomicUsize,
    /// As much is read at most at once; zero: as much as there is.
    piece: AtomicUsize,
    n_reads: AtomicUsize,
}

impl Gate {
    fn open(&self) {
        self.shut.store(false, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

struct Socket {
    stream: DuplexStream,
    gate: Arc<Gate>,
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.gate.n_reads.fetch_add(1, Ordering::Relaxed);
        let piece = self.gate.piece.load(Ordering::Relaxed);
        if piece == 0 {
            return Pin::new(&mut self.stream).poll_read(context, buf);
        }
        let mut part = buf.take(piece);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut part);
        let octets = part.filled().to_vec();
        buf.put_slice(&octets);
        polled
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.gate.shut.load(Ordering::Relaxed) {
            *self.gate.waker.lock().unwrap() = Some(context.waker().clone());
            return Poll::Pending;
        }
        if self.gate.failed.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.gate.n_writes.fetch_add(1, Ordering::Relaxed);
        let left = self.gate.left.load(Ordering::Relaxed);
        let sip = self.gate.sip.load(Ordering::Relaxed);
        self.gate.shut.store(sip > 0, Ordering::Relaxed);
        let limits = [left, sip].into_iter().filter(|limit| *limit > 0);
        let most = limits.min().unwrap_or(octets.len()).min(octets.len());
        let written = Pin::new(&mut self.stream).poll_write(context, &octets[..most]);
        if let (Poll::Ready(Ok(n)), 1..) = (&written, left) {
            self.gate.left.fetch_sub(*n, Ordering::Relaxed);
            self.gate.failed.store(*n == left, Ordering::Relaxed);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A session, and the server that it may talk to.
fn ends(version: &'static SupportedProtocolVersion) -> (Session, ServerConnection) {
    let authority = Authority::new("test authority").unwrap();
    let identity = authority.server(&["broker.example"]).unwrap();
    let tls = TlsOptions::default().ca_pem(authority.certificate());
    let session = Session::new(&tls, "broker.example").unwrap();
    (session, server(&identity, None, version))
}

/// A socket that holds this many octets, and what is at its other end.
fn socket(capacity: usize) -> (Socket, Arc<Gate>, DuplexStream) {
    let (stream, far) = tokio::io::duplex(capacity);
    let gate = Arc::<Gate>::default();
    let socket = Socket {
        stream,
        gate: Arc::clone(&gate),
    };
    (socket, gate, far)
}

/// Plays the broker until the stream ends. Returns it, and whether the client said farewell.
pub(super) async fn serve(mut tls: ServerConnection, mut stream: DuplexStream) -> (Broker, bool) {
    let (mut broker, mut plaintext) = (Broker::with_start_said(), Vec::new());
    let mut octets = vec![0; 4096];
    loop {
        let n = stream.read(&mut octets).await.unwrap();
        let mut rest = &octets[..n];
        loop {
            tls.read_tls(&mut rest).unwrap();
            tls.process_new_packets().unwrap();
            let mut space = [0; 4096];
            while let Ok(n @ 1..) = tls.reader().read(&mut space) {
                plaintext.extend_from_slice(&space[..n]);
            }
            if rest.is_empty() {
                break;
            }
        }
        if n == 0 {
            return (broker, tls.reader().read(&mut [0; 8]).is_ok());
        }
        let mut says = Vec::new();
        if plaintext == amqp_spec::frame::PROTOCOL_HEADER {
            plaintext.clear();
            says = wire::start("PLAIN");
        }
        let whole = plaintext.len() - wire::frames(&plaintext).1.len();
        broker.read(&plaintext[..whole]);
        plaintext.drain(..whole);
        says.extend(broker.outgoing.drain(..).flatten());
        tls.writer().write_all(&says).unwrap();
        let mut ciphertext = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut ciphertext).unwrap();
        }
        if stream.write_all(&ciphertext).await.is_err() {
            return (broker, false);
        }
    }
}

/// A connection that is open, over a socket that holds this many octets.
async fn open(capacity: usize) -> (Connection, Arc<Gate>, JoinHandle<(Broker, bool)>) {
    open_with(capacity, &quiet()).await
}

async fn open_with(
    capacity: usize,
    options: &ConnectionOptions,
) -> (Connection, Arc<Gate>, JoinHandle<(Broker, bool)>) {
    let (session, server) = ends(&version::TLS13);
    let (socket, gate, far) = socket(capacity);
    let broker = tokio::spawn(serve(server, far));
    let record = Record::default();
    let stream = connect(session, socket, record.clone()).await.unwrap();
    assert!(record.has_come());
    let connection = Connection::open_stream_exact(stream, options).await;
    (connection.unwrap(), gate, broker)
}

#[tokio::test(start_paused = true)]
async fn whole_connection_over_tls_in_pieces_of_every_size() {
    for capacity in [1, 100, 64 * 1024] {
        let (connection, _gate, broker) = open(capacity).await;
        let publisher = connection.open_publisher().await.unwrap();
        let body = vec![b'.'; 100 * capacity.min(5000)];
        publisher
            .publish("", "key", Message::new(body))
            .await
            .unwrap();
        let mut consumer = publisher.channel().consume("q").await.unwrap();
        let delivery = consumer.next().await.unwrap().unwrap();
        assert_eq!(delivery.body(), b"delivered");
        connection.close().await.unwrap();
        let (broker, farewell) = broker.await.unwrap();
        // The farewell leaves if the socket takes it at once.
        assert!(broker.closed && farewell == (capacity > 1), "{capacity}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_one_turn_are_one_write() {
    const N: usize = 500;
    let (connection, gate, broker) = open(1024 * 1024).await;
    let publisher = connection.open_publisher().await.unwrap();
    let before = gate.n_writes.load(Ordering::Relaxed);
    for _ in 0..N {
        let message = Message::new(vec![b'.'; 1000]);
        drop(publisher.send("", "q", message).await.unwrap());
    }
    publisher.wait_for_confirms().await.unwrap();
    let n_writes = gate.n_writes.load(Ordering::Relaxed) - before;
    assert!(n_writes <= 2 * N * 1100 / (64 * 1024) + 4, "{n_writes}");
    drop(publisher);
    connection.close().await.unwrap();
    broker.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn f8_socket_below_our_tls_that_fails_has_sent_nothing_that_is_told_as_not_sent() {
    const N: usize = 1000;
    const FRAMES: usize = 150;
    let mut most = 0;
    for taken in [1, 100, 5000, 16_384, 16_406, 20_000, 50_000, 100_000] {
        let (connection, gate, broker) = open(1024 * 1024).await;
        let publisher = connection.open_publisher().await.unwrap();
        gate.left.store(taken, Ordering::Relaxed);
        let mut confirmations = Vec::new();
        for _ in 0..N {
            let message = Message::new(vec![b'.'; 100]);
            confirmations.push(publisher.send("", "q", message).await);
        }
        let (mut n_confirmed, mut n_uncertain) = (0, 0);
        for confirmation in confirmations {
            let outcome = match confirmation {
                Ok(confirmation) => confirmation.await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(()) => n_confirmed += 1,
                Err(PublishError::Uncertain(_)) => n_uncertain += 1,
                Err(PublishError::NotSent(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        let (broker, _) = broker.await.unwrap();
        let channels = broker.channels();
        let published = channels
            .iter()
            .map(|number| broker.channel(*number).published());
        let arrived: u64 = published.sum();
        let arrived = usize::try_from(arrived).unwrap();
        let known = n_confirmed + n_uncertain;
        assert!(arrived <= known, "{taken}: {arrived} > {known}");
        // What TLS had taken and not sent, and no more.
        let in_doubt = known - arrived;
        assert!(in_doubt <= 64 * 1024 / 120, "{taken}: {in_doubt}");
        assert!(known < N, "{taken}");
        most = most.max(arrived * FRAMES);
    }
    assert!(most > 80_000, "{most}");
}

#[tokio::test(start_paused = true)]
async fn last_words_over_our_tls_leave_when_the_socket_takes_them() {
    let (connection, gate, broker) = open(64 * 1024).await;
    let publisher = connection.open_publisher().await.unwrap();
    gate.shut.store(true, Ordering::Relaxed);
    let body = vec![b'.'; 200_000];
    drop(publisher.send("", "q", Message::new(body)).await.unwrap());
    drop(publisher);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let closing = tokio::spawn({
        let connection = connection.clone();
        async move { connection.close().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    gate.open();
    closing.await.unwrap().unwrap();
    let (broker, farewell) = broker.await.unwrap();
    assert!(broker.closed && farewell);
    assert!(matches!(connection.closed().await, ConnectionError::Closed));
}

#[tokio::test(start_paused = true)]
async fn socket_that_takes_a_little_each_second_is_not_one_that_takes_nothing() {
    let options = quiet().write_timeout(Duration::from_secs(30));
    let (connection, gate, broker) = open_with(1024 * 1024, &options).await;
    let publisher = connection.open_publisher().await.unwrap();
    let body = vec![b'.'; 200_000];
    let sending = publisher.send("", "q", Message::new(body)).await.unwrap();
    gate.sip.store(1000, Ordering::Relaxed);
    for second in 0..120 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(connection.is_open(), "{second}");
        gate.open();
    }
    gate.sip.store(0, Ordering::Relaxed);
    gate.open();
    sending.await.unwrap();
    drop(publisher);
    connection.close().await.unwrap();
    broker.await.unwrap();
}

/// Plays the server until both have agreed on TLS.
async fn agree(tls: &mut ServerConnection, stream: &mut DuplexStream) {
    let mut octets = vec![0; 4096];
    loop {
        let mut ciphertext = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut ciphertext).unwrap();
        }
        stream.write_all(&ciphertext).await.unwrap();
        if !tls.is_handshaking() {
            return;
        }
        let n = stream.read(&mut octets).await.unwrap();
        tls.read_tls(&mut &octets[..n]).unwrap();
        tls.process_new_packets().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_gives_octets_and_no_plaintext_is_read_a_few_times_in_one_turn() {
    let (session, mut server) = ends(&version::TLS13);
    let (socket, gate, mut far) = socket(64 * 1024);
    let (stream, ()) = tokio::join!(
        connect(session, socket, Record::default()),
        agree(&mut server, &mut far)
    );
    let mut stream = stream.unwrap();
    let mut record = Vec::new();
    server.writer().write_all(&[b'.'; 1000]).unwrap();
    server.write_tls(&mut record).unwrap();
    far.write_all(&record).await.unwrap();
    gate.piece.store(1, Ordering::Relaxed);
    let mut space = [0; 2000];
    let (mut n_turns, mut before) = (0, gate.n_reads.load(Ordering::Relaxed));
    let n = poll_fn(|context| {
        let mut space = ReadBuf::new(&mut space);
        let polled = Pin::new(&mut stream).poll_read(context, &mut space);
        let n_reads = gate.n_reads.load(Ordering::Relaxed);
        assert!(n_reads - before <= 4, "{}", n_reads - before);
        (before, n_turns) = (n_reads, n_turns + 1);
        polled.map_ok(|()| space.filled().len())
    });
    assert_eq!(n.await.unwrap(), 1000);
    assert!(n_turns > 250, "{n_turns}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_tls_and_what_ends_early_is_told_for_what_it_is() {
    for answer in [b"AMQP\x00\x00\x09\x01".as_slice(), b""] {
        let (session, _) = ends(&version::TLS12);
        let (socket, _gate, mut far) = socket(64 * 1024);
        far.write_all(answer).await.unwrap();
        far.shutdown().await.unwrap();
        let record = Record::default();
        let agreed = connect(session, socket, record.clone()).await;
        let error = agreed.err().unwrap();
        assert!(!record.has_come());
        match error {
            ConnectCause::Tls(TlsError::NotTls) => assert!(!answer.is_empty()),
            ConnectCause::Io(error) => assert_eq!(error.to_string(), "tls handshake eof"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn handshake_that_is_given_up_tells_whether_tls_was_heard() {
    let (session, _) = ends(&version::TLS12);
    let (socket, _gate, mut far) = socket(64 * 1024);
    far.write_all(b"\x16\x03\x03\x00\x7a").await.unwrap();
    let record = Record::default();
    let agreed = tokio::time::timeout(
        Duration::from_secs(1),
        connect(session, socket, record.clone()),
    )
    .await;
    assert!(agreed.is_err() && record.has_come());
}

#[tokio::test(start_paused = true)]
async fn server_is_told_what_is_wrong_with_its_certificate() {
    let (session, _) = ends(&version::TLS13);
    let (_, mut server) = ends(&version::TLS13);
    let (socket, _gate, mut far) = socket(64 * 1024);
    let telling = async {
        let mut octets = vec![0; 4096];
        loop {
            let n = far.read(&mut octets).await.unwrap();
            server.read_tls(&mut &octets[..n]).unwrap();
            if let Err(error) = server.process_new_packets() {
                return error;
            }
            assert!(n > 0, "nothing was told");
            let mut ciphertext = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut ciphertext).unwrap();
            }
            far.write_all(&ciphertext).await.unwrap();
        }
    };
    let record = Record::default();
    let (agreed, told) = tokio::join!(connect(session, socket, record.clone()), telling);
    assert!(matches!(
        agreed.err(),
        Some(ConnectCause::Tls(TlsError::Certificate { .. }))
    ));
    assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told:?}");
    assert!(record.has_come());
}
