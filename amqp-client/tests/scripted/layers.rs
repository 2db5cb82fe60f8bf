//! Streams with layers: what they hold back, and what a write that fails may have sent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use amqp_client::{ConnectionError, Message, PublishError, Publisher};
use amqp_spec::{confirm, connection};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::peer::{Peer, options, soon};
use crate::wire;

/// What a [`Layered`] stream is to do, and has done.
#[derive(Default)]
struct Layers {
    /// Holds back what is written.
    closed: AtomicBool,
    waker: Mutex<Option<Waker>>,
    /// How many octets the next write sends before it fails. Zero: none fails.
    failing: AtomicUsize,
    largest_write: AtomicUsize,
    n_writes: AtomicUsize,
}

impl Layers {
    fn let_through(&self) {
        self.closed.store(false, Ordering::Relaxed);
        if let Some(waker) = self.waker.lock().unwrap().take() {
            waker.wake();
        }
    }
}

struct Layered {
    stream: DuplexStream,
    held: Vec<u8>,
    layers: Arc<Layers>,
}

impl Layered {
    fn new(stream: DuplexStream) -> (Self, Arc<Layers>) {
        let layers = Arc::<Layers>::default();
        let layered = Self {
            stream,
            held: Vec::new(),
            layers: Arc::clone(&layers),
        };
        (layered, layers)
    }
}

impl AsyncRead for Layered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buf)
    }
}

impl AsyncWrite for Layered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.layers.n_writes.fetch_add(1, Ordering::Relaxed);
        let largest = &self.layers.largest_write;
        largest.fetch_max(octets.len(), Ordering::Relaxed);
        let failing = self.layers.failing.load(Ordering::Relaxed);
        if failing > 0 {
            let sent = octets.len().min(failing);
            let written = Pin::new(&mut self.stream).poll_write(context, &octets[..sent]);
            assert!(matches!(written, Poll::Ready(Ok(n)) if n == sent));
            self.layers.failing.fetch_sub(sent, Ordering::Relaxed);
            if failing == sent {
                self.layers.failing.store(usize::MAX, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            return Poll::Ready(Ok(sent));
        }
        self.held.extend_from_slice(octets);
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let octets: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        self.poll_write(context, &octets)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.layers.closed.load(Ordering::Relaxed) {
            *this.layers.waker.lock().unwrap() = Some(context.waker().clone());
            return Poll::Pending;
        }
        while !this.held.is_empty() {
            match Pin::new(&mut this.stream).poll_write(context, &this.held) {
                Poll::Ready(Ok(n)) => drop(this.held.drain(..n)),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.as_mut().poll_flush(context) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_shutdown(context),
            polled => polled,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn last_words_that_a_stream_holds_back_have_time_to_leave() {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let (stream, layers) = Layered::new(stream);
    let connection = peer.open(stream, &options()).await;
    layers.closed.store(true, Ordering::Relaxed);
    peer.send(&wire::connection_close()).await;
    assert!(matches!(
        soon(connection.closed()).await,
        ConnectionError::ClosedByBroker(_)
    ));
    tokio::time::sleep(Duration::from_secs(2)).await;
    layers.let_through();
    peer.expect("0 connection.close-ok").await;
    peer.expect_end().await;
}

#[tokio::test(start_paused = true)]
async fn last_words_that_never_leave_keep_the_stream_for_three_seconds() {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let (stream, layers) = Layered::new(stream);
    let connection = peer.open(stream, &options()).await;
    layers.closed.store(true, Ordering::Relaxed);
    // A violation, which is told to the broker.
    peer.say(0, &connection::OpenOk {}).await;
    assert!(matches!(
        soon(connection.closed()).await,
        ConnectionError::Protocol(_)
    ));
    let begun = tokio::time::Instant::now();
    peer.expect_end().await;
    let kept = begun.elapsed();
    assert_eq!(kept.as_secs(), 3, "{kept:?}");
}

/// RabbitMQ has routed what came whole, whatever the writer was told.
#[tokio::test]
async fn nothing_that_a_failed_write_may_have_sent_is_told_as_not_sent() {
    const N: usize = 1000;
    for sent in [1, 100, 5000, 20_000] {
        let (stream, mut peer) = Peer::pair(1024 * 1024);
        let (stream, layers) = Layered::new(stream);
        let connection = peer.open(stream, &options()).await;
        let channel = peer.channel(&connection).await;
        let select = async {
            peer.expect("1 confirm.select").await;
            peer.say(1, &confirm::SelectOk {}).await;
        };
        let (publisher, ()) = tokio::join!(soon(Publisher::new(channel)), select);
        let publisher = publisher.unwrap();
        layers.failing.store(sent, Ordering::Relaxed);
        let message = Message::new(vec![b'.'; 100]);
        let mut confirmations = Vec::new();
        for _ in 0..N {
            confirmations.push(publisher.send("", "key", &message).await.unwrap());
        }
        let mut n_uncertain = 0;
        let mut n_not_sent = 0;
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
        assert!(arrived <= n_uncertain, "{arrived} > {n_uncertain}");
        assert!(n_not_sent > N / 2, "{n_not_sent}");
        let largest = layers.largest_write.load(Ordering::Relaxed);
        assert!(largest <= 16 * 1024, "{largest}");
    }
}

/// TLS makes a record, and a system call, of each write.
#[tokio::test]
async fn large_body_is_offered_to_a_stream_with_layers_in_few_writes() {
    const N: usize = 100;
    let (stream, mut peer) = Peer::pair(1024 * 1024);
    let (stream, layers) = Layered::new(stream);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let before = layers.n_writes.load(Ordering::Relaxed);
    let message = Message::new(vec![b'.'; 64 * 1024]);
    let publishing = async {
        for _ in 0..N {
            channel.basic_publish("", "key", &message).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..3 * N {
            peer.next_whole().await.unwrap();
        }
    };
    tokio::join!(soon(publishing), reading);
    let writes = layers.n_writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 5 * N, "{writes} writes");
    let largest = layers.largest_write.load(Ordering::Relaxed);
    assert!(largest <= 16 * 1024, "{largest}");
}
