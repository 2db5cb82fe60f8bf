//! The core driven by hand: no runtime, and a count of every wake-up.

use std::future::Future;
use std::io::IoSlice;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use amqp_client::proto::Core;
use amqp_client::{Channel, Connection, ConnectionOptions, Publisher};

use crate::peer::Peer;

/// A waker that counts its calls. Its references tell how often it is kept.
#[derive(Debug, Default)]
pub(crate) struct Wakes(AtomicU64);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    /// How often it was called since the last look.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A future on its own, as a task.
pub(crate) struct Task<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    pub(crate) wakes: Arc<Wakes>,
}

impl<'a, T> Task<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self::woken_by(&Arc::default(), future)
    }

    /// One of several futures of the same task.
    pub(crate) fn woken_by(wakes: &Arc<Wakes>, future: impl Future<Output = T> + 'a) -> Self {
        Self {
            future: Box::pin(future),
            wakes: Arc::clone(wakes),
        }
    }

    pub(crate) fn poll(&mut self) -> Poll<T> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls it; it must not be ready.
    #[track_caller]
    pub(crate) fn pending(&mut self) {
        assert!(self.poll().is_pending(), "ready too early");
    }

    /// Polls it; it must be ready.
    #[track_caller]
    pub(crate) fn ready(&mut self) -> T {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("still pending"),
        }
    }
}

/// The output of a future that is ready at once.
#[track_caller]
pub(crate) fn done<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready at once"),
    }
}

/// A client whose driver is the test.
pub(crate) struct ByHand {
    pub(crate) core: Core,
    pub(crate) connection: Connection,
    pub(crate) peer: Peer,
    /// The driver's task.
    pub(crate) driver: Arc<Wakes>,
    waker: Waker,
}

impl ByHand {
    /// A connection that is open, with nothing left to do.
    pub(crate) fn open() -> Self {
        Self::open_by(Connection::with_core, &ConnectionOptions::default())
    }

    /// The same, of a core made like this.
    pub(crate) fn open_by(
        make: impl Fn(&ConnectionOptions, fn() -> Instant) -> (Core, Connection),
        options: &ConnectionOptions,
    ) -> Self {
        let (core, connection) = make(options, Instant::now);
        let driver = Arc::<Wakes>::default();
        let mut client = Self {
            core,
            connection,
            peer: Peer::default(),
            waker: Waker::from(Arc::clone(&driver)),
            driver,
        };
        client.turn();
        done(client.connection.opened()).unwrap();
        client.driver.take();
        client
    }

    /// What a driver does until nothing is left to be written or read.
    pub(crate) fn turn(&mut self) {
        while self.write() + self.read() > 0 {}
    }

    /// Writes everything to the peer; how many octets that was.
    pub(crate) fn write(&mut self) -> usize {
        self.write_to(|peer, slices| peer.hear(slices))
    }

    /// Writes everything to nobody; how many octets that was.
    pub(crate) fn discard(&mut self) -> usize {
        self.write_to(|_, slices| slices.iter().map(|slice| slice.len()).sum())
    }

    fn write_to(&mut self, write: impl Fn(&mut Peer, &[IoSlice<'_>]) -> usize) -> usize {
        self.core.set_waker(&self.waker);
        self.core.turn(Instant::now());
        let mut octets = 0;
        while let Some(transmit) = self.core.transmit() {
            let mut slices = [IoSlice::new(&[]); 64];
            let n = transmit.slices(&mut slices);
            let n = write(&mut self.peer, &slices[..n]);
            self.core.transmitted(n, Instant::now());
            octets += n;
        }
        octets
    }

    /// Reads everything that the peer has said; how many octets that was.
    pub(crate) fn read(&mut self) -> usize {
        let mut octets = 0;
        self.core.turn(Instant::now());
        while !self.peer.is_silent() && self.core.interest().read {
            octets += self.read_once();
            if self.core.interest().again {
                self.core.turn(Instant::now());
            }
        }
        octets
    }

    /// One read.
    pub(crate) fn read_once(&mut self) -> usize {
        let n = self.peer.speak(self.core.read_space());
        self.core.read_done(n, Instant::now());
        n
    }

    pub(crate) fn channel(&mut self) -> Channel {
        let connection = self.connection.clone();
        self.finish(connection.open_channel()).unwrap()
    }

    pub(crate) fn publisher(&mut self) -> Publisher {
        let connection = self.connection.clone();
        self.finish(connection.open_publisher()).unwrap()
    }

    /// Drives until the future is ready.
    #[track_caller]
    pub(crate) fn finish<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut task = Task::new(future);
        for _ in 0..10 {
            if let Poll::Ready(output) = task.poll() {
                self.turn();
                self.driver.take();
                return output;
            }
            self.turn();
        }
        panic!("still pending");
    }
}
