//! What a driver may rely on: whom the core wakes and when, what `interest` says, and when the
//! clocks start to run.

use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use crate::proto::shared::connection::ConnectionShared;
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::schedule::{Model, explore};
use crate::tests::support::task::{Flag, Task, done};
use crate::tests::support::wire;
use crate::{Channel, Message};

/// More than is read without anything being waited for.
const MUCH: usize = 17 * 1024 * 1024;

/// A connection whose broker takes nothing of what it is shown.
fn deaf() -> (Pair, Channel) {
    let (mut pair, channel) = Pair::with_channel();
    pair.write_limit = 0;
    done(channel.basic_publish("", "key", &Message::new("m"))).unwrap();
    pair.show_and_take_nothing();
    pair.sent_octets();
    (pair, channel)
}

#[test]
fn driver_that_moves_to_another_task_amid_a_batch_is_woken_there() {
    let (mut pair, channel) = deaf();
    pair.core.shared().reading.add(MUCH, true);
    let moved = Arc::<Flag>::default();
    pair.core.set_waker(&Waker::from(Arc::clone(&moved)));
    pair.core.turn(now());
    assert!(pair.core.transmit().is_some());
    assert!(!pair.core.interest().read);

    let _purging = Task::start(channel.queue_purge("q"));
    assert!(moved.take(), "the task that drives it now");
    assert!(!pair.driver_woken(), "the task that drove it before");
    pair.core.turn(now());
    assert!(pair.core.interest().read);
}

#[test]
fn driver_that_reads_is_not_woken_by_what_is_waited_for() {
    let (mut pair, publisher) = Pair::with_publisher();
    let send = || done(publisher.send("", "k", Message::new("m"))).unwrap();
    let (first, second) = (send(), send());
    pair.sent();
    pair.core.shared().reading.add(MUCH, true);
    assert!(!pair.wants_read());
    let _waiting = Task::start(first);
    assert!(pair.driver_woken(), "reading has to go on");
    pair.sent();

    // It goes on, and that many consumers hold much changes nothing about it any more.
    assert!(pair.wants_read());
    let mut waiting = Task::start(second);
    assert!(!pair.driver_woken(), "it reads already");

    pair.core.shared().release_buffered(MUCH, true);
    assert!(pair.wants_read());
    waiting.pending();
    pair.core.shared().reading.add(1, true);
    pair.core.shared().release_buffered(1, true);
    assert!(!pair.driver_woken(), "it reads already");
}

/// It writes at the end of the turn. A driver that wakes itself keeps other tasks from running.
#[test]
fn driver_is_not_woken_by_what_it_is_made_to_say_in_its_own_turn() {
    let (mut pair, _channel) = Pair::with_channel();
    let other = pair.channel();
    pair.sent();
    let flow = wire::method(1, &amqp_spec::channel::Flow { active: true });
    for octets in [flow, wire::channel_close(other.id())] {
        pair.core.turn(now());
        pair.read_once(&octets);
        assert!(!pair.driver_woken());
        assert!(pair.core.interest().write);
    }
    pair.feed(&[]);
    assert_eq!(pair.sent(), ["1 channel.flow-ok", "2 channel.close-ok"]);
}

#[test]
fn interest_tells_what_is_left_to_write_until_nothing_is() {
    let (mut pair, channel) = Pair::with_channel();
    assert!(pair.core.transmit().is_none());
    assert!(!pair.core.interest().write);
    done(channel.basic_publish("", "key", &Message::new("m"))).unwrap();
    assert!(pair.driver_woken());
    pair.core.turn(now());
    assert!(pair.core.interest().write, "something may have been queued");

    let n = pair.core.transmit().unwrap().contiguous().unwrap().len();
    assert!(pair.core.interest().write);
    pair.core.transmitted(n - 1, now());
    assert!(pair.core.interest().write);
    pair.core.transmitted(1, now());
    assert!(pair.core.transmit().is_none());
    assert!(!pair.core.interest().write);

    // Input may have to be answered.
    pair.feed(&wire::method(1, &amqp_spec::channel::Flow { active: true }));
    assert!(!pair.core.interest().write, "the answer has been written");
    let read = wire::method(1, &amqp_spec::channel::Flow { active: true });
    pair.core.read_space()[..read.len()].copy_from_slice(&read);
    pair.core.read_done(read.len(), now());
    assert!(pair.core.interest().write);
}

#[test]
fn interest_in_reading_follows_each_read_without_a_turn_between() {
    let (mut pair, channel) = Pair::with_channel();
    let options = channel.consume("q").tag("tag").no_ack();
    let mut starting = Task::start(IntoFuture::into_future(options));
    pair.sent();
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    let delivery = wire::delivery(1, "tag", 1, &vec![b'.'; 1024 * 1024]);
    for _ in 0..15 {
        pair.feed(&delivery);
    }
    let mut rest = delivery.repeat(2);
    pair.core.turn(now());
    while pair.core.interest().read {
        let n = pair.read_once(&rest);
        rest.drain(..n);
        assert!(!rest.is_empty(), "it is read on and on");
    }
    while Task::new(consumer.next()).poll().is_ready() {}
    assert!(pair.driver_woken(), "reading may go on");
    pair.core.turn(now());
    assert!(pair.core.interest().read);
}

/// Drivers that use a heartbeat of zero have no other reason to wake up.
#[test]
fn driver_that_sleeps_behind_its_first_write_knows_when_to_give_up() {
    let options = quiet().write_timeout(Some(Duration::from_secs(5)));
    let mut pair = Pair::open_with(&options);
    let channel = pair.channel();
    pair.sent();
    pair.advance(Duration::from_secs(60));
    done(channel.basic_publish("", "key", &Message::new("m"))).unwrap();
    pair.show_and_take_nothing();
    assert_eq!(
        pair.core.deadline(),
        Some(now() + Duration::from_secs(5)),
        "from when it was shown"
    );
}

/// A waker whose last reference takes the lock that everything sent passes.
struct Locks(Arc<ConnectionShared>);

impl Wake for Locks {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Locks {
    fn drop(&mut self) {
        self.0.outbox().order().queued();
    }
}

#[test]
fn waker_that_is_replaced_or_left_behind_is_dropped_outside_the_lock() {
    explore(|| {
        let (pair, _channel) = Pair::with_channel();
        let shared = Arc::clone(pair.core.shared());
        let connection = pair.connection.clone();
        let mut core = pair.core;
        Model::new()
            .actor("driver", move || {
                for _ in 0..2 {
                    core.set_waker(&Waker::from(Arc::new(Locks(Arc::clone(&shared)))));
                }
                drop(core);
            })
            .check(move || drop(connection))
    });
}

#[test]
fn driver_that_has_ended_is_not_kept_in_memory_by_handles() {
    let (mut pair, channel) = Pair::with_channel();
    let task = Arc::<Flag>::default();
    pair.core.set_waker(&Waker::from(Arc::clone(&task)));
    assert!(Arc::strong_count(&task) > 1);
    drop(pair.core);
    assert_eq!(Arc::strong_count(&task), 1);
    drop((pair.connection, channel));
}

#[test]
fn flood_of_small_frames_is_parsed_in_turns_and_to_its_end() {
    let (mut pair, _channel) = Pair::with_channel();
    // Until the read buffer takes all of it at once.
    let heartbeats = amqp_spec::frame::HEARTBEAT.repeat(100_000);
    pair.feed(&heartbeats);
    let reason = wire::short("low on memory");
    let blocked = wire::method(0, &amqp_spec::connection::Blocked { reason });
    let unblocked = wire::method(0, &amqp_spec::connection::Unblocked {});
    let flood = [blocked.as_slice(), &unblocked].concat().repeat(2000);
    let frames = |pair: &Pair| pair.connection.counters().frames_received;
    let before = frames(&pair);
    pair.core.turn(now());
    let n = pair.read_once(&flood);
    let mut last = before;
    let mut turns = 0;
    while pair.core.interest().again {
        assert!(frames(&pair) - last <= 512, "{}", frames(&pair) - last);
        assert!(!pair.core.interest().read);
        last = frames(&pair);
        pair.core.turn(now());
        turns += 1;
    }
    assert!(turns > 1, "{n} octets in one turn");
    pair.feed(&flood[n..]);
    assert_eq!(frames(&pair) - before, 4000);
    assert!(pair.connection.blocked_reason().is_none());
}
