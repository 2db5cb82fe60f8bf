//! Testing without a broker, a port, a thread or waiting: a broker in memory behind the core, on a
//! clock of the test's. `World` can be copied; the test is in `main`.
//!
//! ```text
//! without the queue: message returned by the broker: 312 NO_ROUTE (there is no queue 'orders')
//! with a full queue: message nacked by the broker (basic.nack)
//! after an idle day: open
//! after a hang: connection lost: nothing heard for 120 s
//! ```

use std::error::Error;
use std::future::Future;
use std::io::IoSlice;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use amqp_client::declare::Overflow;
use amqp_client::proto::Core;
use amqp_client::{Connection, ConnectionOptions, QueueDeclare};
use amqp_testing::memory::{ConnectionId, Kernel, Like};

/// What is to be tested.
async fn place_order(connection: &Connection) -> Result<(), amqp_client::Error> {
    let publisher = connection.open_publisher().await?.mandatory();
    Ok(publisher.publish("", "orders", "order 42").await?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut world, connection) = World::new(&ConnectionOptions::default());
    world.run(connection.opened()).ok_or("stuck")??;
    let outcome = world.run(place_order(&connection)).ok_or("stuck")?;
    println!("without the queue: {}", outcome.err().ok_or("placed")?);

    let channel = world.run(connection.open_channel()).ok_or("stuck")??;
    let orders = QueueDeclare::new("orders").max_length(1);
    let orders = orders.overflow(Overflow::RejectPublish);
    world.run(channel.queue_declare(orders)).ok_or("stuck")??;
    world.run(place_order(&connection)).ok_or("stuck")??;
    let orders = world.broker.queue("/", "orders").ok_or("no queue")?;
    assert_eq!(orders.bodies(), [b"order 42"]);
    let outcome = world.run(place_order(&connection)).ok_or("stuck")?;
    println!("with a full queue: {}", outcome.err().ok_or("placed")?);

    world.pass(Duration::from_secs(24 * 60 * 60));
    assert!(connection.is_open());
    println!("after an idle day: open");
    world.hangs = true;
    world.pass(Duration::from_secs(10 * 60));
    println!("after a hang: {}", connection.close_reason().ok_or("open")?);
    Ok(())
}

/// A client, a broker, what connects them, and the time.
struct World {
    time: Arc<Mutex<Instant>>,
    core: Core,
    broker: Kernel,
    client: ConnectionId,
    /// Octets on their way to the client.
    arriving: Vec<u8>,
    /// The broker neither reads nor writes.
    hangs: bool,
}

impl World {
    fn new(options: &ConnectionOptions) -> (Self, Connection) {
        let now = Instant::now();
        let time = Arc::new(Mutex::new(now));
        let clock = Arc::clone(&time);
        let clock = move || *clock.lock().unwrap_or_else(PoisonError::into_inner);
        let (core, connection) = Connection::with_core(options, clock);
        let mut broker = Kernel::new(Like::RabbitMq4_0, now);
        let client = broker.connect(now);
        let (arriving, hangs) = (Vec::new(), false);
        let world = Self {
            time,
            core,
            broker,
            client,
            arriving,
            hangs,
        };
        (world, connection)
    }

    /// Polls a future and takes turns, until it is ready. `None`: it waits for more than these.
    fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        loop {
            let polled = future
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            let moved = self.turn();
            match polled {
                Poll::Ready(output) => return Some(output),
                Poll::Pending if !moved => return None,
                Poll::Pending => {}
            }
        }
    }

    /// A turn of both sides. Whether anything has moved.
    fn turn(&mut self) -> bool {
        let now = self.now();
        self.core.set_waker(Waker::noop());
        self.core.turn(now);
        if !self.hangs {
            self.broker
                .take_output_into(self.client, &mut self.arriving);
        }
        let fed = self.core.feed(&self.arriving, now);
        self.arriving.drain(..fed);
        let is_over = self.broker.is_closed(self.client) && self.arriving.is_empty();
        if is_over && self.core.interest().read {
            self.core.read_done(0, now);
        }
        let mut leaving = 0;
        while let Some(transmit) = self.core.transmit() {
            let mut next = [IoSlice::new(&[])];
            transmit.slices(&mut next);
            if !self.hangs {
                self.broker.receive(self.client, &next[0], now);
            }
            let n = next[0].len();
            self.core.transmitted(n, now);
            leaving += n;
        }
        if self.core.deadline().is_some_and(|deadline| deadline <= now) {
            self.core.handle_timeout(now);
        }
        self.broker.advance(now);
        if self.core.is_finished() {
            self.broker.disconnected(self.client, now);
        }
        fed + leaving > 0 || self.core.interest().again
    }

    /// Lets time pass, from one deadline of either side to the next.
    fn pass(&mut self, time: Duration) {
        let end = self.now() + time;
        loop {
            while self.turn() {}
            let deadlines = [self.core.deadline(), self.broker.deadline()];
            let next = deadlines.into_iter().flatten().min();
            let next = next.map_or(end, |next| next.clamp(self.now(), end));
            *self.time.lock().unwrap_or_else(PoisonError::into_inner) = next;
            if next == end {
                break;
            }
        }
        self.turn();
    }

    fn now(&self) -> Instant {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
