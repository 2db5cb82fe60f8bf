//! An open connection without a socket: a core, its handles, and a broker that is a few frames.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use amqp_client::amqp_spec::wire::{LongStr, TypedMethod};
use amqp_client::amqp_spec::{basic, channel, confirm, connection, frame, short_str};
use amqp_client::proto::Core;
use amqp_client::consume::AutoAck;
use amqp_client::{Channel, Connection, ConnectionOptions, Consumer, Publisher};

/// A core with its connection, and what the broker would say to it.
pub struct Pair {
    /// The core.
    pub core: Core,
    /// Its handle.
    pub connection: Connection,
}

impl Default for Pair {
    fn default() -> Self {
        Self::open()
    }
}

impl Pair {
    /// An open connection, heartbeats off.
    pub fn open() -> Self {
        let options = ConnectionOptions::default().heartbeat(std::time::Duration::ZERO);
        let (core, connection) = Connection::with_core(&options, Instant::now);
        let mut pair = Self { core, connection };
        pair.drain();
        pair.says(
            0,
            &connection::Start {
                version_minor: 9,
                mechanisms: LongStr::literal("PLAIN"),
                locales: LongStr::literal("en_US"),
                ..Default::default()
            },
        );
        pair.drain();
        let tune = connection::Tune {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 0,
        };
        pair.says(0, &tune);
        pair.drain();
        pair.says(0, &connection::OpenOk {});
        pair
    }

    /// An open channel.
    pub fn channel(&mut self) -> Channel {
        let connection = self.connection.clone();
        let mut opening = pin!(connection.open_channel());
        assert!(poll(opening.as_mut()).is_pending());
        self.drain();
        self.says(1, &channel::OpenOk {});
        match poll(opening) {
            Poll::Ready(Ok(channel)) => channel,
            _ => unreachable!("the broker has opened it"),
        }
    }

    /// An open channel with confirms.
    pub fn publisher(&mut self) -> Publisher {
        let mut opening = pin!(Publisher::new(self.channel()));
        assert!(poll(opening.as_mut()).is_pending());
        self.drain();
        self.says(1, &confirm::SelectOk {});
        match poll(opening) {
            Poll::Ready(Ok(publisher)) => publisher,
            _ => unreachable!("the broker has put it into confirm mode"),
        }
    }

    /// A consumer with the tag `1` that acknowledges nothing.
    pub fn consumer(&mut self) -> Consumer<AutoAck> {
        let channel = self.channel();
        let mut starting = channel.consume("queue").no_ack().tag("1").into_future();
        assert!(poll(starting.as_mut()).is_pending());
        self.drain();
        self.says(
            1,
            &basic::ConsumeOk {
                consumer_tag: short_str!("1"),
            },
        );
        match poll(starting.as_mut()) {
            Poll::Ready(Ok(consumer)) => consumer,
            _ => unreachable!("the broker has started it"),
        }
    }

    /// Feeds one method.
    pub fn says<'m, M: TypedMethod<'m>>(&mut self, channel: u16, method: &M) {
        let mut octets = Vec::new();
        frame::encode_method(&mut octets, channel, method, usize::MAX).expect("it fits");
        self.feed(&octets);
    }

    /// Feeds octets.
    pub fn feed(&mut self, mut octets: &[u8]) {
        let now = Instant::now();
        self.core.turn(now);
        while !octets.is_empty() {
            let space = self.core.read_space();
            let n = space.len().min(octets.len());
            space[..n].copy_from_slice(&octets[..n]);
            octets = &octets[n..];
            self.core.read_done(n, now);
        }
    }

    /// Takes everything that is to be written; returns how many octets that were.
    pub fn drain(&mut self) -> usize {
        self.drain_with(Waker::noop())
    }

    /// The same, with a waker to be called at the next entry.
    pub fn drain_with(&mut self, waker: &Waker) -> usize {
        let now = Instant::now();
        let mut written = 0;
        self.core.set_waker(waker);
        while let Some(transmit) = self.core.transmit() {
            let mut slices = [std::io::IoSlice::new(&[]); 64];
            let n_slices = transmit.slices(&mut slices);
            let n = slices[..n_slices].iter().map(|slice| slice.len()).sum();
            written += n;
            self.core.transmitted(n, now);
        }
        written
    }
}

/// Polls once, with a waker that does nothing.
pub fn poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for a future on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let waker = thread_waker();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A waker that unparks this thread.
pub fn thread_waker() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Arc::new(Unpark(std::thread::current())).into()
}

/// One delivery for the consumer `1`, as frames.
pub fn delivery(body: &[u8]) -> Vec<u8> {
    let deliver = basic::Deliver {
        consumer_tag: short_str!("1"),
        delivery_tag: 1,
        routing_key: short_str!("orders.new"),
        ..Default::default()
    };
    let properties = basic::Properties::new().delivery_mode(1);
    let mut octets = Vec::new();
    frame::encode_content(
        &mut octets,
        1,
        &deliver,
        properties.as_bytes(),
        body,
        131_072,
    )
    .expect("it fits");
    octets
}
