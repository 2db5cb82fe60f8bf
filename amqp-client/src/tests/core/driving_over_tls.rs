//! A driver over TLS that knows nothing but the pages of [`crate::proto`] and [`Session`]: it takes
//! a turn only for the reasons that `interest` tells, the waker and the deadline, so that what TLS
//! held back unannounced would stay there.

use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::task::{Poll, Waker};

use amqp_spec::frame::PROTOCOL_HEADER;
use amqp_testing::broker::Authority;
use rustls::{ServerConnection, version};

use crate::error::{ConnectionError, TlsError};
use crate::proto::Core;
use crate::tests::support::broker::Broker;
use crate::tests::support::pair::{now, quiet};
use crate::tests::support::task::{Flag, Task};
use crate::tests::support::tls::server;
use crate::tests::support::turns::TakesTurns;
use crate::tests::support::wire;
use crate::tls::Session;
use crate::{Connection, Message, QueueDeclare, TlsOptions};

/// Reads and writes of one turn.
const PER_TURN: usize = 4;

/// A stream with TLS and a broker at its other end.
struct Stream {
    tls: ServerConnection,
    broker: Broker,
    /// Plaintext that is part of a frame.
    pending: Vec<u8>,
    /// Ciphertext that the driver has not read.
    inbound: Vec<u8>,
    /// The most that one read gives, and one write takes.
    piece: usize,
    /// As much is taken in all, until the broker reads on.
    window: usize,
    /// The client has ended TLS with this.
    told: Option<rustls::Error>,
}

impl Stream {
    /// What was written, as much of it as is taken.
    fn write(&mut self, ciphertext: &[u8]) -> usize {
        let n = ciphertext.len().min(self.piece).min(self.window);
        self.window -= n;
        let mut rest = &ciphertext[..n];
        while !rest.is_empty() {
            self.tls.read_tls(&mut rest).unwrap();
            if let Err(told) = self.tls.process_new_packets() {
                self.told = Some(told);
                break;
            }
            self.decrypted();
        }
        self.send();
        n
    }

    fn decrypted(&mut self) {
        let mut space = [0; 4096];
        while let Ok(n @ 1..) = self.tls.reader().read(&mut space) {
            self.pending.extend_from_slice(&space[..n]);
        }
        if self.pending == PROTOCOL_HEADER {
            self.say(&wire::start("PLAIN"));
            self.pending.clear();
        }
        if PROTOCOL_HEADER.starts_with(&self.pending) {
            return;
        }
        let whole = self.pending.len() - wire::frames(&self.pending).1.len();
        self.broker.read(&self.pending[..whole]);
        self.pending.drain(..whole);
        let replies: Vec<_> = self.broker.outgoing.drain(..).collect();
        for reply in replies {
            self.say(&reply);
        }
    }

    /// What the broker says is a record of its own, and may be more.
    fn say(&mut self, octets: &[u8]) {
        self.tls.writer().write_all(octets).unwrap();
        self.send();
    }

    fn send(&mut self) {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.inbound).unwrap();
        }
    }

    fn read(&mut self, space: &mut [u8]) -> usize {
        let n = space.len().min(self.piece).min(self.inbound.len());
        space[..n].copy_from_slice(&self.inbound[..n]);
        self.inbound.drain(..n);
        n
    }
}

struct Driver {
    core: Core,
    session: Session,
    stream: Stream,
    woken: Arc<Flag>,
    finished: bool,
}

impl Driver {
    fn new(piece: usize) -> (Self, Connection) {
        let authority = Authority::new("test authority").unwrap();
        let identity = authority.server(&["broker.example"]).unwrap();
        let tls = TlsOptions::default().ca_pem(authority.certificate());
        let (core, connection) = Connection::with_core(&quiet(), now);
        let woken = Arc::<Flag>::default();
        Waker::from(Arc::clone(&woken)).wake();
        let driver = Self {
            core,
            session: Session::new(&tls, "broker.example").unwrap(),
            stream: Stream {
                tls: server(&identity, None, &version::TLS13),
                broker: Broker::with_start_said(),
                pending: Vec::new(),
                inbound: Vec::new(),
                piece,
                window: usize::MAX,
                told: None,
            },
            woken,
            finished: false,
        };
        (driver, connection)
    }

    /// A connection that is open.
    fn open(piece: usize) -> (Self, Connection) {
        let (mut driver, connection) = Self::new(piece);
        driver.finish(connection.opened()).unwrap();
        (driver, connection)
    }
}

impl TakesTurns for Driver {
    /// Whether there is a reason to take a turn.
    fn is_due(&self) -> bool {
        let interest = self.session.interest(&self.core);
        let deadline = self.core.deadline();
        self.woken.is_set()
            || interest.again
            || interest.read && !self.stream.inbound.is_empty()
            || interest.write && self.stream.window > 0
            || deadline.is_some_and(|deadline| deadline <= now())
    }

    fn turn(&mut self) {
        let (core, session) = (&mut self.core, &mut self.session);
        self.woken.take();
        core.set_waker(&Waker::from(Arc::clone(&self.woken)));
        core.turn(now());
        session.decrypt_into(core, now());
        for _ in 0..PER_TURN {
            if !session.interest(core).read || self.stream.inbound.is_empty() {
                break;
            }
            let n = self.stream.read(session.read_space());
            session.read_done(n);
            session.decrypt_into(core, now());
        }
        for _ in 0..PER_TURN {
            session.encrypt_from(core, now());
            match self.stream.write(session.transmit()) {
                0 => break,
                n => session.transmitted(n),
            }
        }
        if core.deadline().is_some_and(|deadline| deadline <= now()) {
            core.handle_timeout(now());
        }
        self.finished = core.is_finished() && session.transmit().is_empty();
    }

    fn is_finished(&self) -> bool {
        self.finished
    }
}

async fn work(connection: Connection, body: Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
    let channel = connection.open_channel().await?;
    channel.queue_declare(QueueDeclare::new("q")).await?;
    let publisher = connection.open_publisher().await?;
    publisher.publish("", "key", Message::new(body)).await?;
    let mut consumer = channel.consume("q").await?;
    for _ in 0..2 {
        let delivery = consumer.next().await.ok_or("no delivery")??;
        assert_eq!(delivery.body(), b"delivered");
        delivery.ack()?;
    }
    connection.close().await?;
    Ok(())
}

#[test]
fn pages_are_enough_to_open_publish_consume_and_close_over_tls() {
    for (piece, body) in [(1, 3000), (7, 5000), (100, 5000), (usize::MAX, 1_000_000)] {
        let (mut driver, connection) = Driver::open(piece);
        driver
            .finish(work(connection.clone(), vec![b'.'; body]))
            .unwrap();
        driver.run();
        assert!(driver.finished, "{piece}");
        assert!(driver.stream.broker.closed);
        assert!(matches!(
            connection.close_reason(),
            Some(ConnectionError::Closed)
        ));
        // The farewell arrives behind everything else.
        driver.session.close();
        driver.stream.piece = usize::MAX;
        driver.stream.write(driver.session.transmit());
        assert_eq!(driver.stream.tls.reader().read(&mut [0; 8]).unwrap(), 0);
    }
}

#[test]
fn delivery_of_a_mebibyte_that_is_all_there_arrives() {
    const BODY: usize = 1024 * 1024;
    for deliveries in [1, 3] {
        let (mut driver, connection) = Driver::open(usize::MAX);
        let channel = driver.finish(connection.open_channel()).unwrap();
        let consume = channel.consume("q").tag("tag").no_ack();
        let mut consumer = driver.finish(consume.into_future()).unwrap();
        let delivery = wire::delivery(channel.id(), "tag", 1, &vec![b'.'; BODY]);
        driver.stream.say(&delivery.repeat(deliveries));
        driver.woken.take();
        let mut n = 0;
        while n < deliveries + 2 {
            driver.run();
            match Task::new(consumer.next()).poll() {
                Poll::Ready(next) => drop(next.unwrap().unwrap()),
                Poll::Pending => panic!("{n} of {deliveries} + 2 and nothing wakes the driver"),
            }
            n += 1;
        }
        assert!(driver.stream.inbound.is_empty());
    }
}

#[test]
fn what_tls_holds_is_read_when_consumers_have_room() {
    const BODY: usize = 100_000;
    const MESSAGES: usize = 300;
    let (mut driver, connection) = Driver::open(usize::MAX);
    let channel = driver.finish(connection.open_channel()).unwrap();
    let consume = channel.consume("q").tag("tag").no_ack();
    let mut consumer = driver.finish(consume.into_future()).unwrap();
    let delivery = wire::delivery(channel.id(), "tag", 1, &[b'.'; BODY]);
    driver.stream.say(&delivery.repeat(MESSAGES));
    driver.run();
    assert!(!driver.stream.inbound.is_empty(), "not all is read");
    assert!(!driver.session.interest(&driver.core).read);

    for n in 0..MESSAGES + 2 {
        match Task::new(consumer.next()).poll() {
            Poll::Ready(next) => drop(next.unwrap().unwrap()),
            Poll::Pending => panic!("{n}: nothing wakes the driver"),
        }
        driver.run();
    }
    assert!(driver.stream.inbound.is_empty());
}

#[test]
fn stream_that_takes_no_ciphertext_holds_up_those_who_publish() {
    let (mut driver, connection) = Driver::open(usize::MAX);
    let publisher = driver.finish(connection.open_publisher()).unwrap();
    driver.run();
    driver.stream.window = 0;
    let publishing = async {
        let mut sent = Vec::new();
        for _ in 0..2000 {
            let message = Message::new(vec![b'.'; 1000]);
            sent.push(publisher.send("", "q", message).await?);
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
    let held = driver.session.transmit().len();
    assert!(held <= 64 * 1024 + 2048, "{held} octets are held");
    let queued = driver.core.shared().outbox().order().queued();
    assert!(queued < 1_100_000, "{queued} octets are queued");

    driver.stream.window = usize::MAX;
    while publishing.run().is_pending() {
        assert!(driver.is_due(), "nothing wakes the driver");
        driver.run();
    }
}

#[test]
fn end_without_a_farewell_is_the_end_of_the_stream() {
    for cut in [false, true] {
        let (mut driver, connection) = Driver::open(usize::MAX);
        if cut {
            driver.stream.say(&wire::connection_close());
            driver.stream.inbound.pop();
            driver.run();
        }
        driver.session.read_done(0);
        assert!(driver.is_due());
        driver.run();
        assert!(driver.finished);
        assert!(matches!(
            connection.close_reason(),
            Some(ConnectionError::EndOfStream)
        ));
    }
}

#[test]
fn what_is_not_tls_ends_the_connection_with_what_it_is() {
    let (mut driver, connection) = Driver::new(usize::MAX);
    driver.stream.inbound = b"AMQP\x00\x00\x09\x01".to_vec();
    driver.run();
    let Some(ConnectionError::Tls(error)) = connection.close_reason() else {
        panic!("{:?}", connection.close_reason());
    };
    assert!(matches!(*error, TlsError::NotTls), "{error}");
    assert!(driver.finished);
    let told = driver.stream.told;
    assert!(
        matches!(told, Some(rustls::Error::AlertReceived(_))),
        "{told:?}"
    );

    let (mut driver, connection) = Driver::open(usize::MAX);
    driver.stream.say(&wire::connection_close());
    driver.stream.inbound[20] ^= 1;
    driver.run();
    let Some(ConnectionError::Tls(error)) = connection.close_reason() else {
        panic!("{:?}", connection.close_reason());
    };
    assert!(matches!(*error, TlsError::Damaged(_)), "{error}");
}
