//! A driver that knows nothing but the page of [`crate::proto`]: it makes the calls in the order
//! that is written there, and takes a turn only for the reasons that are written there. A stream
//! that takes and gives little, or nothing for a while, shows that no reason is missing.

use std::io::IoSlice;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use amqp_testing::memory::{ConnectionId, Kernel, Like};
use bytes::BufMut;

use crate::error::ConnectionError;
use crate::options::Recovery;
use crate::proto::{Core, Sequel};
use crate::tests::support::pair::{now, quiet, set_clock};
use crate::tests::support::task::{Flag, Task, done};
use crate::tests::support::turns::TakesTurns;
use crate::tests::support::wire;
use crate::{Connection, Message, QueueDeclare};

/// Reads and writes of one turn.
const PER_TURN: usize = 4;

/// A stream with a broker at its other end.
struct Stream {
    broker: Kernel,
    id: ConnectionId,
    /// What the broker has sent and was not read.
    inbound: Vec<u8>,
    /// The most that one read gives, and one write takes.
    piece: usize,
    /// As much is taken in all, until the broker reads on.
    window: usize,
}

impl Stream {
    fn of_pieces(piece: usize) -> Self {
        let mut broker = Kernel::new(Like::RabbitMq4_0, now());
        Self {
            id: broker.connect(now()),
            broker,
            inbound: Vec::new(),
            piece,
            window: usize::MAX,
        }
    }

    /// Another one, to the same broker.
    fn connect(&mut self) {
        self.id = self.broker.connect(now());
        self.inbound.clear();
    }

    fn write(&mut self, octets: &[u8]) -> usize {
        let n = octets.len().min(self.piece).min(self.window);
        self.window -= n;
        self.broker.receive(self.id, &octets[..n], now());
        self.broker.take_output_into(self.id, &mut self.inbound);
        n
    }

    /// Messages for a queue, put there by others.
    fn publish(&mut self, queue: &str, bodies: &[&[u8]]) {
        for body in bodies {
            let properties = amqp_spec::basic::Properties::new();
            self.broker.publish("/", ("", queue), &properties, body);
            self.broker.take_output_into(self.id, &mut self.inbound);
        }
    }

    fn read(&mut self, space: usize) -> Vec<u8> {
        let n = space.min(self.piece).min(self.inbound.len());
        self.inbound.drain(..n).collect()
    }
}

struct Driver {
    core: Core,
    stream: Stream,
    woken: Arc<Flag>,
    finished: bool,
    /// The handle of a connection that comes back.
    comes_back: Option<Connection>,
    /// How many attempts to connect fail before one succeeds.
    in_vain: usize,
}

impl Driver {
    /// Whatever has to happen before the first turn happens: a new core has something to write.
    fn new(stream: Stream) -> (Self, Connection) {
        let (core, connection) = Connection::with_core(&quiet(), now);
        let woken = Arc::<Flag>::default();
        Waker::from(Arc::clone(&woken)).wake();
        let driver = Self {
            core,
            stream,
            woken,
            finished: false,
            comes_back: None,
            in_vain: 0,
        };
        (driver, connection)
    }

    /// Whether the time for another stream has come.
    fn is_to_be_connected(&self) -> bool {
        matches!(self.core.sequel(), Sequel::Redial { at } if at <= now())
            && self.comes_back.is_some()
    }

    /// A connection that is open, and comes back when it is lost.
    fn open_to_come_back(stream: Stream) -> (Self, Connection) {
        let (mut driver, _) = Self::new(stream);
        let options = quiet().recovery(Recovery::new());
        let (core, connection) = Connection::with_recovering_core(&options, now);
        driver.core = core;
        driver.comes_back = Some(connection.clone());
        driver.finish(connection.opened()).unwrap();
        (driver, connection)
    }

    /// The stream is over: what is done about it depends on what follows. True if that is nothing.
    fn follow(&mut self) -> bool {
        let Some(connection) = self.comes_back.clone() else {
            return true;
        };
        match self.core.sequel() {
            Sequel::Over => return true,
            Sequel::Redial { at } if now() < at => {}
            Sequel::Redial { .. } if self.in_vain > 0 => {
                self.in_vain -= 1;
                let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                connection.not_reconnected(&mut self.core, refused);
            }
            Sequel::Redial { .. } => {
                self.stream.connect();
                connection.reconnect(&mut self.core, &quiet());
                Waker::from(Arc::clone(&self.woken)).wake();
            }
        }
        false
    }

    /// A connection that is open.
    fn open(stream: Stream) -> (Self, Connection) {
        let (mut driver, connection) = Self::new(stream);
        driver.finish(connection.opened()).unwrap();
        (driver, connection)
    }
}

impl TakesTurns for Driver {
    /// Whether there is a reason to take a turn.
    fn is_due(&self) -> bool {
        let interest = self.core.interest();
        let deadline = self.core.deadline();
        self.woken.is_set()
            || interest.again
            || interest.read && !self.stream.inbound.is_empty()
            || interest.write && self.stream.window > 0
            || deadline.is_some_and(|deadline| deadline <= now())
            || self.core.is_finished() && self.is_to_be_connected()
    }

    fn turn(&mut self) {
        let core = &mut self.core;
        self.woken.take();
        core.set_waker(&Waker::from(Arc::clone(&self.woken)));
        core.turn(now());
        for _ in 0..PER_TURN {
            if !core.interest().read || self.stream.inbound.is_empty() {
                break;
            }
            if let Some(mut space) = core.body_space() {
                let octets = self.stream.read(space.remaining_mut());
                space.put_slice(&octets);
                core.body_read(octets.len(), now());
            } else {
                let space = core.read_space();
                let octets = self.stream.read(space.len());
                space[..octets.len()].copy_from_slice(&octets);
                core.read_done(octets.len(), now());
            }
        }
        for _ in 0..PER_TURN {
            let Some(transmit) = core.transmit() else {
                break;
            };
            let mut slices = [IoSlice::new(&[]); 2];
            let n = transmit.slices(&mut slices);
            let octets: Vec<&[u8]> = slices[..n].iter().map(|slice| &**slice).collect();
            match self.stream.write(&octets.concat()) {
                0 => break,
                n => core.transmitted(n, now()),
            }
        }
        if core.deadline().is_some_and(|deadline| deadline <= now()) {
            core.handle_timeout(now());
        }
        self.finished = self.core.is_finished() && self.follow();
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

async fn work(connection: Connection, body: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let channel = connection.open_channel().await?;
    channel.queue_declare(QueueDeclare::new("q")).await?;
    let publisher = connection.open_publisher().await?;
    let message = Message::new(body.clone());
    publisher.publish("", "q", &message).await?;
    let mut consumer = channel.consume("q").await?;
    publisher.publish("", "q", &message).await?;
    for _ in 0..2 {
        let delivery = consumer.next().await.ok_or("no delivery")??;
        assert_eq!(delivery.body(), body);
        delivery.ack()?;
    }
    connection.close().await?;
    Ok(())
}

#[test]
fn page_is_enough_to_open_publish_consume_and_close() {
    for piece in [1, 7, 100, usize::MAX] {
        let (mut driver, connection) = Driver::open(Stream::of_pieces(piece));
        driver
            .finish(work(connection.clone(), vec![b'.'; 5000]))
            .unwrap();
        driver.run();
        assert!(driver.finished, "{piece}");
        assert!(matches!(
            connection.close_reason(),
            Some(ConnectionError::Closed)
        ));
        let queue = driver.stream.broker.queue("/", "q").unwrap();
        assert_eq!(
            (queue.ready(), queue.unacked(), queue.consumers()),
            (0, 0, 0)
        );
    }
    let (mut driver, connection) = Driver::open(Stream::of_pieces(10_000));
    driver
        .finish(work(connection, vec![b'.'; 1_000_000]))
        .unwrap();
}

#[test]
fn driver_whose_stream_takes_nothing_sleeps_while_publishers_wait() {
    let (mut driver, connection) = Driver::open(Stream::of_pieces(usize::MAX));
    let publisher = driver.finish(connection.open_publisher()).unwrap();
    driver.run();
    driver.stream.window = 0;
    let publishing = async {
        let mut sent = Vec::new();
        for _ in 0..2000 {
            sent.push(
                publisher
                    .send("", "q", Message::new(vec![b'.'; 1000]))
                    .await?,
            );
        }
        for confirmation in sent {
            confirmation.await?;
        }
        Ok::<_, crate::PublishError>(())
    };
    let mut publishing = Task::new(publishing);
    while publishing.is_due() {
        publishing.pending();
        driver.run();
    }
    let queued = driver.core.shared().outbox().order().queued();
    assert!(queued < 1_100_000, "{queued} octets are queued");

    driver.stream.window = usize::MAX;
    while publishing.run().is_pending() {
        assert!(driver.is_due(), "nothing wakes the driver");
        driver.run();
    }
}

#[test]
fn driver_whose_consumers_are_full_reads_on_when_they_have_room() {
    const BODY: usize = 100_000;
    const MESSAGES: usize = 300;
    let (mut driver, connection) = Driver::open(Stream::of_pieces(usize::MAX));
    let channel = driver.finish(connection.open_channel()).unwrap();
    driver.finish(channel.queue_declare("q")).unwrap();
    let consume = channel.consume("q").tag("tag").no_ack();
    let mut consumer = driver.finish(consume.into_future()).unwrap();
    let body = [b'.'; BODY];
    driver.stream.publish("q", &[&body[..]; MESSAGES]);
    driver.run();
    assert!(!driver.stream.inbound.is_empty(), "not all is read");
    assert!(!driver.core.interest().read);

    let mut n = 0;
    while n < MESSAGES {
        match Task::new(consumer.next()).poll() {
            Poll::Ready(next) => drop(next.unwrap().unwrap()),
            Poll::Pending => panic!("nothing wakes the driver"),
        }
        n += 1;
        driver.run();
    }
    assert!(driver.stream.inbound.is_empty());
}

#[test]
fn time_passes_for_a_driver_that_has_no_other_reason_for_a_turn() {
    const WRITE_TIMEOUT: Duration = Duration::from_secs(120);
    let (mut driver, connection) = Driver::open(Stream::of_pieces(usize::MAX));
    let channel = driver.finish(connection.open_channel()).unwrap();
    driver.run();
    driver.stream.window = 0;
    let mut purging = Task::start(channel.queue_purge("q"));
    driver.run();
    assert!(driver.core.interest().write);
    let begun = now();
    while !driver.finished {
        // It may turn out that nothing is due; then it moves on.
        let deadline = driver.core.deadline().unwrap();
        assert!(deadline > now() && deadline <= begun + WRITE_TIMEOUT);
        set_clock(deadline);
        driver.run();
    }
    assert!(matches!(
        connection.close_reason(),
        Some(ConnectionError::WriteTimeout(_))
    ));
    purging.ready().unwrap_err();
}

#[test]
fn every_call_is_allowed_after_the_end_and_does_nothing() {
    let (mut driver, connection) = Driver::open(Stream::of_pieces(usize::MAX));
    let channel = driver.finish(connection.open_channel()).unwrap();
    driver.finish(connection.close()).unwrap();
    driver.run();
    assert!(driver.finished);
    let core = &mut driver.core;
    for _ in 0..2 {
        core.set_waker(Waker::noop());
        core.turn(now());
        let interest = core.interest();
        assert!(!interest.read && !interest.again);
        let late = wire::delivery(channel.id(), "tag", 1, b"late");
        core.read_space()[..late.len()].copy_from_slice(&late);
        core.read_done(late.len(), now());
        core.read_done(0, now());
        assert_eq!(core.feed(&late, now()), 0);
        assert!(core.body_space().is_none());
        core.body_read(1, now());
        assert!(core.transmit().is_none());
        core.transmitted(0, now());
        core.may_have_written(0);
        assert_eq!(core.deadline(), None);
        core.handle_timeout(now());
        core.lost(ConnectionError::EndOfStream);
        assert!(core.is_finished());
    }
    assert!(matches!(
        connection.close_reason(),
        Some(ConnectionError::Closed)
    ));
    assert!(done(channel.queue_purge("q")).is_err());
}

#[test]
fn page_is_enough_to_connect_another_stream() {
    let (mut driver, connection) = Driver::open_to_come_back(Stream::of_pieces(usize::MAX));
    let channel = driver.finish(connection.open_channel()).unwrap();
    driver.finish(channel.queue_declare("q")).unwrap();
    for in_vain in [0, 3] {
        driver.in_vain = in_vain;
        driver.stream.broker.disconnected(driver.stream.id, now());
        driver.core.lost(ConnectionError::EndOfStream);
        driver.run();
        let mut asking = Task::start(channel.queue_declare("q"));
        asking.pending();
        for _ in 0..10_000 {
            set_clock(now() + Duration::from_millis(10));
            driver.run();
            if asking.run().is_ready() {
                break;
            }
        }
        assert_eq!(driver.in_vain, 0);
        driver.finish(channel.queue_declare("q")).unwrap();
        assert!(connection.close_reason().is_none());
    }
    // A close is noticed while there is no stream.
    driver.core.lost(ConnectionError::EndOfStream);
    driver.run();
    driver.finish(connection.close()).unwrap();
    assert!(driver.finished);
}
