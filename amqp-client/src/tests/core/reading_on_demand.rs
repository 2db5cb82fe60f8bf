//! A connection that is not read, for consumers hold too much, is read on while a task waits for
//! what only reading brings.

use amqp_spec::{connection, queue};

use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Message, QueueDeclare};

/// More than is read without anybody waiting.
const MUCH: usize = 17 * 1024 * 1024;

/// The adapter looks whether to read, as it does in each of its turns.
#[track_caller]
fn assert_paused(pair: &mut Pair) {
    assert!(!pair.wants_read());
    pair.sent();
    assert!(!pair.driver_woken());
}

#[test]
fn publishers_that_wait_for_room_keep_a_broker_that_cannot_write_from_being_stuck() {
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(100));
    let channel = pair.channel();
    pair.core.shared().reading.add(MUCH, true);
    // The broker writes to us, and reads no more until that is through.
    pair.write_limit = 0;
    let message = Message::new(vec![b'.'; 100]);
    done(channel.basic_publish("", "first", &message)).unwrap();
    assert_paused(&mut pair);
    let second = Task::start(channel.basic_publish("", "second", &message));
    assert!(pair.driver_woken(), "the adapter has to look again");
    assert!(pair.wants_read());

    drop(second);
    assert!(!pair.wants_read(), "nothing waits any more");
}

#[test]
fn whoever_waits_for_the_end_of_an_alarm_hears_of_it_although_consumers_hold_too_much() {
    let mut pair = Pair::open();
    let reason = wire::short("low on memory");
    pair.says(0, &connection::Blocked { reason });
    pair.core.shared().reading.add(MUCH, true);
    assert_paused(&mut pair);
    let connection = pair.connection.clone();
    let mut waiting = Task::start(async move { connection.unblocked().await });
    assert!(pair.driver_woken(), "the adapter has to look again");
    assert!(pair.wants_read());
    pair.says(0, &connection::Unblocked {});
    waiting.ready().unwrap();
}

#[test]
fn request_is_read_for_although_an_earlier_deadline_stands_and_nothing_can_be_written() {
    let (mut pair, channel) = Pair::with_channel();
    // Its deadline is looked at no sooner than when it has come.
    let earlier = channel.clone();
    let mut declaring =
        Task::start(async move { earlier.queue_declare(QueueDeclare::new("q")).await });
    pair.sent();
    pair.feed(&wire::declare_ok(1, "q"));
    declaring.ready().unwrap();
    Pair::sleep(std::time::Duration::from_secs(5));

    pair.core.shared().reading.add(MUCH, true);
    pair.write_limit = 0;
    let message = Message::new("body");
    done(channel.basic_publish("", "key", &message)).unwrap();
    assert_paused(&mut pair);
    let mut purging = Task::start(channel.queue_purge("q"));
    assert!(pair.driver_woken(), "the adapter has to look again");
    assert!(pair.wants_read());
    pair.write_limit = usize::MAX;
    pair.sent();
    pair.says(1, &queue::PurgeOk { message_count: 3 });
    assert_eq!(purging.ready().unwrap(), 3);
}
