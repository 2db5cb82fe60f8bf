//! Wakers are foreign code: what one does when it is called or dropped finds no lock held, and one
//! that panics costs neither the others nor the connection anything.
//!
//! A task's waker may be the last that holds the task, and with it any handle: so each waker here
//! holds handles of the connection, and uses them when it is called and when it is dropped. Every
//! public future is polled with a new one each time, and no other reference to it stays behind.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::error::ConnectionError;
use crate::tests::support::operations::{Operation, Running, World, operations};
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::schedule;
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Channel, Connection, ConnectionOptions, Consumer, Message};

thread_local! {
    /// What was held when a waker was called or dropped.
    static FAULTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What a task is made of: handles, and that it wants to be polled.
#[derive(Debug)]
struct Hostile {
    called: Arc<AtomicBool>,
    panics: bool,
    connection: Connection,
    channel: Channel,
}

impl Hostile {
    /// Takes every lock.
    fn touch(&self, when: &str) {
        let (connection, channel) = (&self.connection, &self.channel);
        let shared = channel.shared();
        let touched = schedule::insisting(|| {
            drop(connection.events());
            let _ = connection.counters();
            drop((
                connection.close_reason(),
                channel.close_reason(),
                connection.blocked_reason(),
            ));
            let _ = shared.confirms().has_waiter();
            let _ = shared
                .connection
                .outbox()
                .channels_mut()
                .consumer(shared.at, wire::short("standing"))
                .map(|queue| queue.len());
            let _ = (shared.connection.timers.len(), shared.connection.limits());
        });
        if touched.is_err() {
            FAULTS.with_borrow_mut(|faults| faults.push(when.to_owned()));
        }
    }
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        self.called.store(true, Ordering::Relaxed);
        self.touch("called");
        assert!(!self.panics, "a waker that panics");
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.touch("dropped");
    }
}

/// A future whose wakers are [`Hostile`].
struct Victim {
    running: Running,
    called: Arc<AtomicBool>,
    panics: bool,
    connection: Connection,
    channel: Channel,
}

impl Victim {
    fn new(operation: &Operation, world: &World, panics: bool) -> Self {
        Self {
            running: operation.start(world),
            called: Arc::new(AtomicBool::new(true)),
            panics,
            connection: world.connection.clone(),
            channel: world.channel.clone(),
        }
    }

    fn is_due(&self) -> bool {
        self.called.load(Ordering::Relaxed)
    }

    /// True when it is complete.
    fn poll(&mut self) -> bool {
        self.called.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::new(Hostile {
            called: Arc::clone(&self.called),
            panics: self.panics,
            connection: self.connection.clone(),
            channel: self.channel.clone(),
        }));
        let polled = self.running.as_mut().poll(&mut Context::from_waker(&waker));
        polled.is_ready()
    }
}

/// How it ends for a future that waits.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// With what it waits for.
    Well,
    /// It is dropped.
    Dropped,
    /// Time is up.
    TimeUp,
    /// The broker closes its channel.
    ChannelClosed,
    /// The stream ends.
    Lost,
}

/// True if the operation was complete after fewer polls.
fn run(operation: &Operation, options: &ConnectionOptions, ending: Ending, n_polls: usize) -> bool {
    let mut world = World::new(options);
    let mut victim = Victim::new(operation, &world, false);
    for _ in 0..n_polls {
        // Also where it waits already, with a new waker each time.
        if victim.poll() {
            return true;
        }
        if !matches!(ending, Ending::Well) {
            continue;
        }
        for _ in 0..100 {
            if victim.is_due() {
                break;
            }
            world.turn(1);
        }
    }
    match ending {
        Ending::Well => world.settle(),
        Ending::Dropped => {}
        Ending::TimeUp => world.pair.advance(Duration::from_secs(400)),
        Ending::ChannelClosed => world.pair.feed(&wire::channel_close(world.channel.id())),
        Ending::Lost => world.pair.eof(),
    }
    drop(victim);
    drop(world);
    false
}

#[track_caller]
fn assert_no_fault(of: &str) {
    let faults = FAULTS.take();
    assert!(faults.is_empty(), "{of}: a lock was held when {faults:?}");
}

#[track_caller]
fn run_everything(options: &ConnectionOptions) {
    for operation in operations() {
        for ending in [
            Ending::Well,
            Ending::Dropped,
            Ending::TimeUp,
            Ending::ChannelClosed,
            Ending::Lost,
        ] {
            for n_polls in 1..6 {
                let complete = run(&operation, options, ending, n_polls);
                assert_no_fault(&format!("{}, {ending:?}", operation.name));
                if complete {
                    break;
                }
            }
        }
    }
}

#[test]
fn no_lock_is_held_when_a_waker_is_called_or_dropped() {
    run_everything(&quiet());
}

#[test]
fn no_lock_is_held_when_a_waker_of_those_without_room_is_called_or_dropped() {
    run_everything(&quiet().write_buffer_limit(1));
}

#[test]
fn waker_that_panics_costs_no_other_task_anything() {
    for operation in operations() {
        let mut world = World::new(&quiet());
        let mut victim = Victim::new(&operation, &world, true);
        let connection = world.connection.clone();
        let mut other = Task::start(async move { connection.closed().await });
        for _ in 0..5 {
            if victim.poll() {
                break;
            }
            world.settle();
        }
        world.pair.eof();
        other.ready();
        assert_no_fault(operation.name);
    }
}

/// More is buffered than is read on for, but for what the consumer gives back when it goes.
fn paused_by_a_consumer() -> (Pair, Consumer, Arc<AtomicBool>) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "standing");
    pair.feed(&wire::delivery(1, "standing", 1, b"not taken"));
    pair.core.shared().reading.add(64 * 1024 * 1024 - 1, false);
    pair.core.turn(now());
    assert!(!pair.core.interest().read);
    let called = Arc::new(AtomicBool::new(false));
    let waker = Waker::from(Arc::new(Hostile {
        called: Arc::clone(&called),
        panics: true,
        connection: pair.connection.clone(),
        channel,
    }));
    pair.core.set_waker(&waker);
    assert!(pair.core.transmit().is_none());
    (pair, consumer, called)
}

#[test]
fn no_lock_is_held_when_the_driver_is_called() {
    let (mut pair, consumer, called) = paused_by_a_consumer();
    drop(consumer);
    assert!(called.load(Ordering::Relaxed));
    assert_no_fault("a consumer that goes");
    let (mut ending, consumer, called) = paused_by_a_consumer();
    ending.eof();
    assert!(called.load(Ordering::Relaxed));
    assert_no_fault("a consumer whose connection ends");
    pair.eof();
    drop((pair, ending, consumer));
}

/// A body whose memory is the program's own.
struct Memory {
    octets: Vec<u8>,
    _task: Hostile,
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

#[test]
fn no_lock_is_held_when_a_body_that_is_never_sent_is_dropped() {
    let by_broker = |pair: &mut Pair, _: &Channel| pair.feed(&wire::channel_close(1));
    let by_stream = |pair: &mut Pair, _: &Channel| pair.eof();
    let by_driver = |pair: &mut Pair, _: &Channel| pair.core.lost(ConnectionError::DriverGone);
    let ends: [fn(&mut Pair, &Channel); 3] = [by_broker, by_stream, by_driver];
    for end in ends {
        let (mut pair, channel) = Pair::with_channel();
        pair.write_limit = 0;
        // One frame, then one that waits for nothing, then one behind it, then small ones.
        for size in [20_000, 1_000_000, 1_000_000, 20_000] {
            let body = Bytes::from_owner(Memory {
                octets: vec![b'.'; size],
                _task: Hostile {
                    called: Arc::default(),
                    panics: false,
                    connection: pair.connection.clone(),
                    channel: channel.clone(),
                },
            });
            let message = Message::new(body);
            let mut publishing = Task::new(channel.basic_publish("", "k", &message));
            let _ = publishing.run();
        }
        end(&mut pair, &channel);
        assert_no_fault("publish");
    }
}
