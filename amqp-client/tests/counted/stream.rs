//! The tokio adapter over a stream in memory that counts its calls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use allocation_counter::{AllocationInfo, measure};
use amqp_client::{Channel, Connection, ConnectionOptions, Publisher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::{Builder, Runtime};

use crate::peer::{Confirming, Counts, Peer};

/// The client's end of the stream. Like a socket with large buffers it takes everything at once,
/// and gives everything that has been said.
struct Stream(Remote);

/// The broker's end, for tests.
#[derive(Clone, Default)]
pub(crate) struct Remote {
    peer: Arc<Mutex<Peer>>,
    during_write: Arc<Mutex<Option<Hook>>>,
}

type Hook = Box<dyn FnOnce() + Send>;

impl Remote {
    pub(crate) fn peer(&self) -> MutexGuard<'_, Peer> {
        self.peer.lock().unwrap()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.peer().counts
    }

    /// Delivers so many messages, at once.
    pub(crate) fn deliver(&self, n: u64, body: &[u8]) {
        self.peer().deliver(n, body);
        self.wake_reader();
    }

    fn hear(&self, slices: &[IoSlice<'_>]) -> usize {
        let n = self.peer().hear(slices);
        self.wake_reader();
        let hook = self.during_write.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        n
    }

    /// Does this during the next write, as another thread might.
    pub(crate) fn during_write(&self, hook: impl FnOnce() + Send + 'static) {
        *self.during_write.lock().unwrap() = Some(Box::new(hook));
    }

    /// Wakes whoever waits to read what there is.
    fn wake_reader(&self) {
        let mut peer = self.peer();
        let reader = if peer.is_silent() {
            None
        } else {
            peer.reader.take()
        };
        drop(peer);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Lets the client go on until this many messages have arrived in all.
    pub(crate) async fn published(&self, n: u64) {
        self.until(|peer| peer.published >= n).await;
    }

    /// Lets the client go on until all deliveries have been acknowledged.
    pub(crate) async fn acked(&self) {
        self.until(|peer| peer.acked == peer.delivered).await;
    }

    async fn until(&self, done: impl Fn(&Peer) -> bool) {
        // Bounded, so that what never happens fails the test instead of hanging.
        for _ in 0..10_000 {
            if done(&self.peer()) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("nothing happens any more");
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut peer = self.0.peer();
        let n = peer.speak(buf.initialize_unfilled());
        if n == 0 {
            peer.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        buf.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.hear(&[IoSlice::new(octets)])))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.0.hear(slices)))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A client that is connected to a peer, in the test's own thread.
pub(crate) struct Session {
    runtime: Runtime,
    pub(crate) remote: Remote,
    pub(crate) connection: Connection,
}

impl Session {
    pub(crate) fn open() -> Self {
        let runtime = Self::runtime();
        let remote = Remote::default();
        let options = ConnectionOptions::default();
        let stream = Stream(remote.clone());
        let connection = runtime.block_on(Connection::open_stream_exact(stream, &options));
        Self {
            connection: connection.unwrap(),
            remote,
            runtime,
        }
    }

    pub(crate) fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().build().unwrap()
    }

    /// A session whose messages are confirmed like this, and its publisher.
    pub(crate) fn publisher(confirming: Confirming) -> (Self, Publisher) {
        let session = Self::open();
        session.remote.peer().confirming = confirming;
        let publisher = session.run(session.connection.open_publisher()).unwrap();
        (session, publisher)
    }

    pub(crate) fn channel(&self) -> Channel {
        self.run(self.connection.open_channel()).unwrap()
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Does the work thrice, and counts the third time: by then every buffer has its size.
    pub(crate) fn steadily(&self, mut work: impl AsyncFnMut()) -> Steady {
        self.run(work());
        self.run(work());
        let before = self.remote.counts();
        let allocated = measure(|| self.run(work()));
        let moved = self.remote.counts().since(before);
        Steady { allocated, moved }
    }
}

/// What was counted in the steady state.
pub(crate) struct Steady {
    pub(crate) allocated: AllocationInfo,
    pub(crate) moved: Counts,
}
