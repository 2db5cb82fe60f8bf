//! A client in memory and the broker that a test plays.

use std::cell::{Cell, RefCell};
use std::future::IntoFuture;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use amqp_spec::wire::TypedMethod;
use amqp_spec::{basic, channel, confirm, frame};
use bytes::BufMut;

use super::schedule::Model;
use super::task::{Flag, Task};
use super::{schedule, wire};
use crate::error::ConnectionError;
use crate::proto::Core;
use crate::proto::recovery::Recovery;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;
use crate::{Channel, Connection, ConnectionOptions, Consumer, Delivery, Publisher};

thread_local! {
    static NOW: Cell<Instant> = Cell::new(Instant::now());
    static RECOVERS: Cell<bool> = const { Cell::new(false) };
    static ASKED: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// The clock of these tests stands still unless [`Pair::advance`] moves it.
pub(crate) fn now() -> Instant {
    NOW.get()
}

/// Connections of this test come back when their stream is lost, unless their options say that they
/// do not.
pub(crate) fn all_recover() {
    RECOVERS.set(true);
}

/// The same for handles, whose clock may take a program's locks: it is called without one of ours.
/// Threads that others are stopped amid of, in the tests of races, cannot look.
fn unlocked(
    shared: &Arc<OnceLock<Weak<ConnectionShared>>>,
) -> impl Fn() -> Instant + Send + Sync + use<> {
    let shared = Arc::clone(shared);
    move || {
        let shared = shared.get().and_then(Weak::upgrade);
        if let (Some(shared), true) = (shared, !schedule::is_controlled()) {
            assert!(!shared.is_locked(), "the clock is called under a lock");
        }
        ASKED.with_borrow(|asked| asked.iter().for_each(|look| look()));
        now()
    }
}

/// The clock does this as well when handles look at it, until it is given something else.
pub(crate) fn when_asked(look: impl Fn() + 'static) {
    drop(ASKED.replace(Some(Box::new(look))));
}

/// Another thread's clock shows the time of ours.
pub(crate) fn set_clock(at: Instant) {
    NOW.set(at);
}

/// Options without heartbeats, so that only tests about them see any.
pub(crate) fn quiet() -> ConnectionOptions {
    ConnectionOptions::default().heartbeat(Duration::ZERO)
}

pub(crate) struct Pair {
    pub(crate) core: Core,
    pub(crate) connection: Connection,
    /// Stands for the adapter's task: without a call nothing is written.
    driver: Arc<Flag>,
    /// Written by the client and not looked at yet.
    written: Vec<u8>,
    /// Never reads straight into messages.
    pub(crate) plain_reads: bool,
    /// The stream takes no more than so many octets.
    pub(crate) write_limit: usize,
}

impl Pair {
    /// Nothing has been said yet.
    pub(crate) fn new(options: &ConnectionOptions) -> Self {
        let mut options = options.clone();
        if !RECOVERS.get() {
            options.recovery = Recovery::off();
        }
        Self::recovering(&options)
    }

    /// The same; it recovers as the options say.
    pub(crate) fn recovering(options: &ConnectionOptions) -> Self {
        Self::made_by(Connection::with_core_at, options)
    }

    /// The same, before its first stream.
    pub(crate) fn waiting(options: &ConnectionOptions) -> Self {
        let make = |options: &_, clock, place: Place| {
            Connection::with_waiting_core(options, clock, place.address)
        };
        Self::made_by(make, options)
    }

    fn made_by(
        make: impl FnOnce(&ConnectionOptions, Clock, Place) -> (Core, Connection),
        options: &ConnectionOptions,
    ) -> Self {
        let shared = Arc::new(OnceLock::new());
        let clock = Clock::new(unlocked(&shared));
        let place = Place {
            address: options.address(),
            peer: None,
        };
        let (core, connection) = make(options, clock, place);
        shared
            .set(Arc::downgrade(core.shared()))
            .expect("its first");
        let driver = Arc::new(Flag::default());
        Waker::from(Arc::clone(&driver)).wake();
        Self {
            core,
            connection,
            driver,
            written: Vec::new(),
            plain_reads: false,
            write_limit: usize::MAX,
        }
    }

    /// A connection that is open.
    pub(crate) fn open() -> Self {
        Self::open_with(&quiet())
    }

    pub(crate) fn open_with(options: &ConnectionOptions) -> Self {
        Self::open_tuned(options, (2047, 131_072, 60))
    }

    /// Opened with these limits proposed by the broker.
    pub(crate) fn open_tuned(options: &ConnectionOptions, tune: (u16, u32, u16)) -> Self {
        let mut pair = Self::new(options);
        pair.feed(&wire::start("AMQPLAIN PLAIN"));
        pair.feed(&wire::tune(tune.0, tune.1, tune.2));
        pair.feed(&wire::open_ok());
        super::task::done(pair.connection.opened()).expect("opened");
        assert!(pair.sent_octets().starts_with(&frame::PROTOCOL_HEADER));
        pair
    }

    /// An open connection with one open channel.
    pub(crate) fn with_channel() -> (Self, Channel) {
        let mut pair = Self::open();
        let channel = pair.channel();
        (pair, channel)
    }

    /// The same with few channel ids, so that they are soon used again.
    pub(crate) fn with_channel_of(channel_max: u16) -> (Self, Channel) {
        let mut pair = Self::open_tuned(&quiet(), (channel_max, 131_072, 0));
        let channel = pair.channel();
        (pair, channel)
    }

    pub(crate) fn with_publisher() -> (Self, Publisher) {
        let mut pair = Self::open();
        let publisher = pair.publisher();
        (pair, publisher)
    }

    /// Opens one more channel.
    #[track_caller]
    pub(crate) fn channel(&mut self) -> Channel {
        let connection = self.connection.clone();
        let mut opening = Task::start(async move { connection.open_channel().await });
        let sent = self.sent();
        let id = sent[0].strip_suffix(" channel.open").expect("channel.open");
        self.says(id.parse().unwrap(), &channel::OpenOk {});
        opening.ready().expect("a channel")
    }

    /// Opens the channel of this number.
    #[track_caller]
    pub(crate) fn channel_with_id(&mut self, number: u16) -> Channel {
        let connection = self.connection.clone();
        let mut opening = Task::start(async move { connection.open_channel_with_id(number).await });
        assert_eq!(self.sent(), [format!("{number} channel.open")]);
        self.says(number, &channel::OpenOk {});
        opening.ready().expect("a channel")
    }

    /// Opens one more channel for publishing.
    #[track_caller]
    pub(crate) fn publisher(&mut self) -> Publisher {
        let channel = self.channel();
        let id = channel.id();
        let mut selecting = Task::start(Publisher::new(channel));
        assert_eq!(self.sent(), [format!("{id} confirm.select")]);
        self.says(id, &confirm::SelectOk {});
        selecting.ready().expect("a publisher")
    }

    /// Starts a consumer of this tag.
    #[track_caller]
    pub(crate) fn consumer(&mut self, channel: &Channel, tag: &str) -> Consumer {
        let id = channel.id();
        let mut starting = Task::start(channel.consume("q").tag(tag).into_future());
        let expected = [
            format!("{id} basic.qos 200"),
            format!("{id} basic.consume {tag}"),
        ];
        assert_eq!(self.sent(), expected);
        self.says(id, &basic::QosOk {});
        self.feed(&wire::consume_ok(id, tag));
        starting.ready().expect("a consumer")
    }

    /// The broker delivers messages with these tags; here they are, taken out of the consumer.
    #[track_caller]
    pub(crate) fn deliver(
        &mut self,
        consumer: &mut Consumer,
        tags: std::ops::RangeInclusive<u64>,
    ) -> Vec<Delivery> {
        let id = consumer.channel().id();
        let tag = String::from_utf8_lossy(consumer.tag().as_bytes()).into_owned();
        let octets: Vec<u8> = tags
            .clone()
            .flat_map(|n| wire::delivery(id, &tag, n, format!("message {n}").as_bytes()))
            .collect();
        self.feed(&octets);
        tags.map(|n| {
            let delivery = super::task::done(consumer.next()).unwrap().unwrap();
            // As many higher as there were on streams before.
            assert!(delivery.delivery_tag() >= n);
            assert_eq!(delivery.body(), format!("message {n}").as_bytes());
            delivery
        })
        .collect()
    }

    // The broker speaks

    /// The broker sends a method.
    pub(crate) fn says<'m>(&mut self, channel: u16, method: &impl TypedMethod<'m>) {
        self.feed(&wire::method(channel, method));
    }

    /// The broker sends octets. They are in one read if the read buffer takes them.
    pub(crate) fn feed(&mut self, mut octets: &[u8]) {
        while !octets.is_empty() && self.wants_read() {
            let n = self.read_once(octets);
            octets = &octets[n..];
        }
        while self.core.interest().again {
            self.core.turn(now());
        }
        self.write();
    }

    /// Whether an adapter that starts a turn would read.
    pub(crate) fn wants_read(&mut self) -> bool {
        self.core.turn(now());
        while self.core.interest().again {
            self.core.turn(now());
        }
        self.core.interest().read
    }

    pub(crate) fn read_once(&mut self, octets: &[u8]) -> usize {
        let space = if self.plain_reads {
            None
        } else {
            self.core.body_space()
        };
        if let Some(mut space) = space {
            let n = space.remaining_mut().min(octets.len());
            assert!(n > 0, "no room to read into");
            space.put_slice(&octets[..n]);
            self.core.body_read(n, now());
            return n;
        }
        let space = self.core.read_space();
        let n = space.len().min(octets.len());
        space[..n].copy_from_slice(&octets[..n]);
        self.core.read_done(n, now());
        n
    }

    /// The broker ends the stream.
    pub(crate) fn eof(&mut self) {
        if self.core.body_space().is_some() {
            self.core.body_read(0, now());
        } else {
            self.core.read_done(0, now());
        }
        self.write();
    }

    // The client speaks

    /// Writes one piece, as much as one turn of an adapter would show.
    pub(crate) fn write_once(&mut self) -> bool {
        if self.write_limit == 0 {
            return false;
        }
        self.core.set_waker(&Waker::from(Arc::clone(&self.driver)));
        let Some(transmit) = self.core.transmit() else {
            return false;
        };
        let before = self.written.len();
        if let Some(octets) = transmit.contiguous() {
            self.written.extend_from_slice(octets);
        } else {
            let mut slices = [IoSlice::new(&[]); 24];
            let n = transmit.slices(&mut slices);
            for slice in &slices[..n] {
                self.written.extend_from_slice(slice);
            }
        }
        let n = (self.written.len() - before).min(self.write_limit);
        self.written.truncate(before + n);
        self.write_limit = self.write_limit.saturating_sub(n);
        self.core.transmitted(n, now());
        true
    }

    /// The adapter tries to write, and the stream takes nothing.
    pub(crate) fn show_and_take_nothing(&mut self) {
        self.core.set_waker(&Waker::from(Arc::clone(&self.driver)));
        self.core.turn(now());
        let shown = self.core.transmit();
        assert!(shown.is_some());
        self.write_limit = 0;
    }

    fn write(&mut self) {
        while self.write_once() {}
    }

    /// What has been written since the last look, without more being written.
    pub(crate) fn take_written(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// Everything that is to be written, whether or not the adapter was woken for it.
    pub(crate) fn written_octets(&mut self) -> Vec<u8> {
        self.core.set_waker(&Waker::from(Arc::clone(&self.driver)));
        self.core.turn(now());
        self.driver.take();
        self.write();
        self.take_written()
    }

    /// Whether the adapter has been called since it last wrote everything.
    pub(crate) fn driver_woken(&self) -> bool {
        self.driver.is_set()
    }

    /// What the client has written since the last look. Nothing, if nobody woke its adapter.
    pub(crate) fn sent_octets(&mut self) -> Vec<u8> {
        // Bounded, so that an adapter that wakes itself for ever fails the test instead of hanging.
        for _ in 0..1000 {
            if !self.driver.take() {
                return self.take_written();
            }
            self.write();
        }
        panic!("the adapter is woken again and again");
    }

    /// The same in words: whole frames.
    #[track_caller]
    pub(crate) fn sent(&mut self) -> Vec<String> {
        let octets = self.sent_octets();
        let (frames, rest) = wire::frames(&octets);
        assert!(rest.is_empty(), "half a frame: {rest:?}");
        frames.iter().map(wire::describe).collect()
    }

    /// A model of two: the program, and the adapter, which does this to the core. The core lives
    /// until both are through and what is to be true then has been checked.
    pub(crate) fn against(
        self,
        program: impl FnOnce() + Send + 'static,
        adapter: impl FnOnce(&mut Core) + Send + 'static,
        check: impl FnOnce() + 'static,
    ) -> Model {
        let Self {
            mut core,
            connection,
            ..
        } = self;
        let kept = Arc::new(Mutex::new(None));
        let driven = Arc::clone(&kept);
        let adapter = move || {
            adapter(&mut core);
            *driven.lock().unwrap() = Some(core);
        };
        Model::new()
            .actor("program", program)
            .actor("adapter", adapter)
            .check(move || {
                check();
                drop((connection, kept));
            })
    }

    // Time passes

    /// Lets time pass, as an adapter with a timer and a willing stream would.
    #[track_caller]
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = now() + duration;
        for _ in 0..10_000 {
            match self.core.deadline() {
                Some(deadline) if deadline <= end => {
                    NOW.set(now().max(deadline));
                    self.core.handle_timeout(now());
                    self.write();
                }
                _ => {
                    NOW.set(end);
                    return;
                }
            }
        }
        panic!("the deadline does not move on");
    }

    /// Time passes and nobody looks.
    pub(crate) fn sleep(duration: Duration) {
        NOW.set(now() + duration);
    }

    // Looking inside

    /// Nobody waits for anything, and nothing is queued.
    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        let outbox = self.core.shared().outbox();
        assert_eq!(outbox.leftovers(), [""; 0], "left over in the outbox");
    }

    /// Why the connection ended.
    #[track_caller]
    pub(crate) fn end(&self) -> ConnectionError {
        super::task::done(self.connection.closed())
    }
}
