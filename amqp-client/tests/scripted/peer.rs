//! The broker's side of a stream in memory.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use amqp_client::{Channel, ConnectError, Connection, ConnectionOptions};
use amqp_spec::Method;
use amqp_spec::frame::{self, Frame};
use amqp_spec::wire::TypedMethod;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use crate::wire;

/// Fails the test instead of hanging.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, future).await.expect("in time")
}

pub(crate) fn options() -> ConnectionOptions {
    ConnectionOptions::default().heartbeat(Duration::ZERO)
}

/// Plays the broker.
pub(crate) struct Peer {
    stream: DuplexStream,
    read: Vec<u8>,
}

impl Peer {
    /// The two ends of a stream that holds so many octets in each direction.
    pub(crate) fn pair(capacity: usize) -> (DuplexStream, Self) {
        let (ours, theirs) = tokio::io::duplex(capacity);
        let peer = Self {
            stream: theirs,
            read: Vec::new(),
        };
        (ours, peer)
    }

    /// Opens a connection over the stream, playing the broker's part of it.
    pub(crate) async fn open<S>(&mut self, stream: S, options: &ConnectionOptions) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.opened(Connection::open_stream(stream, options)).await
    }

    /// The same, opened by the test.
    pub(crate) async fn opened(
        &mut self,
        client: impl Future<Output = Result<Connection, ConnectError>>,
    ) -> Connection {
        let broker = async {
            self.expect_header().await;
            self.send(&wire::start("AMQPLAIN PLAIN")).await;
            self.expect("0 connection.start-ok PLAIN").await;
            self.send(&wire::tune(2047, 131_072, 60)).await;
            self.next().await;
            self.expect("0 connection.open /").await;
            self.send(&wire::open_ok()).await;
        };
        let (connection, ()) = soon(async { tokio::join!(client, broker) }).await;
        connection.expect("a connection")
    }

    /// Opens a channel, playing the broker's part of it.
    pub(crate) async fn channel(&mut self, connection: &Connection) -> Channel {
        let broker = async {
            let line = self.next().await;
            let id = line.strip_suffix(" channel.open").expect("channel.open");
            let id = id.parse().unwrap();
            self.say(id, &amqp_spec::channel::OpenOk {}).await;
        };
        let (channel, ()) = soon(async { tokio::join!(connection.open_channel(), broker) }).await;
        channel.expect("a channel")
    }

    /// For a broker of the test's own; nothing may be read and not looked at.
    pub(crate) fn into_stream(self) -> DuplexStream {
        assert!(self.read.is_empty(), "left over: {:?}", self.read);
        self.stream
    }

    pub(crate) async fn expect_header(&mut self) {
        let mut header = [0; 8];
        soon(self.stream.read_exact(&mut header)).await.unwrap();
        assert_eq!(header, frame::PROTOCOL_HEADER);
    }

    /// The client's next frame in words.
    pub(crate) async fn next(&mut self) -> String {
        self.next_frame().await.expect("a frame")
    }

    /// What a test thinks of the client's next method, argument by argument.
    pub(crate) async fn next_method<T>(&mut self, look: impl Fn(&Method<'_>) -> T) -> T {
        let look = |frame: &Frame<'_>| look(&Method::decode(frame.payload).expect("a method"));
        self.look_at_frame(look).await.expect("a frame")
    }

    /// The same; `None` at the end of the stream.
    async fn next_frame(&mut self) -> Option<String> {
        self.look_at_frame(wire::describe).await
    }

    /// The client's next frame in words, if it comes whole before the end of the stream.
    pub(crate) async fn next_whole(&mut self) -> Option<String> {
        while frame::decode(&self.read, usize::MAX).unwrap().is_none() {
            let n = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            if n == 0 {
                return None;
            }
        }
        self.next_frame().await
    }

    async fn look_at_frame<T>(&mut self, look: impl Fn(&Frame<'_>) -> T) -> Option<T> {
        loop {
            let decoded = frame::decode(&self.read, usize::MAX).expect("the client's frame");
            if let Some((frame, used)) = decoded {
                let seen = look(&frame);
                self.read.drain(..used);
                return Some(seen);
            }
            let n = soon(self.stream.read_buf(&mut self.read)).await.unwrap();
            if n == 0 {
                assert!(self.read.is_empty(), "half a frame: {:?}", self.read);
                return None;
            }
        }
    }

    pub(crate) async fn expect(&mut self, line: &str) {
        assert_eq!(self.next().await, line);
    }

    /// The client sends nothing more and closes the stream.
    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(self.next_frame().await, None);
    }

    pub(crate) async fn send(&mut self, octets: &[u8]) {
        soon(self.stream.write_all(octets)).await.unwrap();
    }

    pub(crate) async fn say<'m>(&mut self, channel: u16, method: &impl TypedMethod<'m>) {
        self.send(&wire::method(channel, method)).await;
    }
}

/// What a [`Faulty`] stream is to do.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) writing: AtomicBool,
    pub(crate) reading: AtomicBool,
    /// So many octets of heartbeats can be read behind what the peer says.
    pub(crate) flood: AtomicUsize,
}

/// A stream that breaks when it is told to.
pub(crate) struct Faulty {
    pub(crate) stream: DuplexStream,
    pub(crate) faults: Arc<Faults>,
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, buf);
        // What has come can still be read, as with a socket.
        if polled.is_pending() && self.faults.reading.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let flood = self.faults.flood.load(Ordering::Relaxed) / frame::HEARTBEAT.len();
        if polled.is_pending() && flood > 0 {
            let n_heartbeats = flood.min(buf.remaining() / frame::HEARTBEAT.len());
            for _ in 0..n_heartbeats {
                buf.put_slice(&frame::HEARTBEAT);
            }
            let octets = n_heartbeats * frame::HEARTBEAT.len();
            self.faults.flood.fetch_sub(octets, Ordering::Relaxed);
            return Poll::Ready(Ok(()));
        }
        polled
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.faults.writing.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
