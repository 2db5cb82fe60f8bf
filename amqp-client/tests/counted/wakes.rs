//! Wake-ups: one for a burst, whoever is woken and however long the burst.

use std::sync::Arc;
use std::task::Poll;

use amqp_client::amqp_spec::tx;
use amqp_client::{Confirmation, Message, QueueDeclare};

use crate::at_most;
use crate::by_hand::{ByHand, Task, Wakes, done};

const BURST: u64 = 1000;

fn message(size: usize) -> Message {
    Message::new(vec![b'x'; size])
}

#[test]
fn a_burst_wakes_the_driver_once() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let publisher = client.publisher();
    let message = message(16);
    let properties = message.properties().as_ref();
    let prepared = channel.prepare("", "queue", properties).unwrap();

    for _ in 0..BURST {
        done(channel.basic_publish("", "queue", &message)).unwrap();
    }
    at_most(
        "wake-ups of the driver, 1000 × publish",
        client.driver.take(),
        1,
    );
    client.turn();
    for _ in 0..BURST {
        done(prepared.publish(message.body())).unwrap();
    }
    at_most(
        "wake-ups of the driver, 1000 × prepared publish",
        client.driver.take(),
        1,
    );
    client.turn();
    for _ in 0..BURST {
        drop(done(publisher.send("", "queue", &message)).unwrap());
    }
    at_most(
        "wake-ups of the driver, 1000 × confirmed publish",
        client.driver.take(),
        1,
    );
    client.turn();
    assert_eq!(client.peer.published, 3 * BURST);
}

#[test]
fn a_burst_of_acks_wakes_the_driver_once() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let mut consumer = client
        .finish(async { channel.consume("queue").await })
        .unwrap();
    client.peer.deliver(BURST, &[b'x'; 16]);
    client.turn();
    client.driver.take();
    for _ in 0..BURST {
        done(consumer.next()).unwrap().unwrap().ack().unwrap();
    }
    at_most(
        "wake-ups of the driver, 1000 × ack",
        client.driver.take(),
        1,
    );
    client.turn();
    assert_eq!((client.peer.acked, client.peer.acks), (BURST, 1));
}

/// While it writes, it looks at the outbox again anyway.
#[test]
fn a_driver_that_is_writing_is_not_woken() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let message = message(16);
    done(channel.basic_publish("", "queue", &message)).unwrap();
    client.driver.take();

    assert!(client.core.transmit().is_some());
    for _ in 0..BURST {
        done(channel.basic_publish("", "queue", &message)).unwrap();
    }
    at_most(
        "wake-ups of a busy driver, 1000 × publish",
        client.driver.take(),
        0,
    );
    client.turn();
    assert_eq!(client.peer.published, 1 + BURST);
}

#[test]
fn a_read_wakes_its_consumer_once() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let mut consumer = client
        .finish(async { channel.consume("queue").no_ack().await })
        .unwrap();
    // The read buffer grows to its full size.
    client.peer.deliver(10 * BURST, &[b'x'; 16]);
    client.turn();
    for _ in 0..10 * BURST {
        done(consumer.next()).unwrap().unwrap();
    }

    let mut next = Task::new(consumer.next());
    let wakes = Arc::clone(&next.wakes);
    next.pending();
    client.peer.deliver(BURST, &[b'x'; 16]);
    client.read_once();
    assert!(client.peer.is_silent(), "not in one read");
    at_most("wake-ups of a consumer, 1000 × deliver", wakes.take(), 1);
    next.ready().unwrap().unwrap();
    drop(next);
    for _ in 1..BURST {
        done(consumer.next()).unwrap().unwrap();
    }
}

/// Confirmations of one channel, sent, none of them answered.
fn unanswered(client: &mut ByHand, n: u64) -> Vec<Confirmation> {
    let publisher = client.publisher();
    let message = message(16);
    let mut sent = Vec::new();
    for _ in 0..n {
        sent.push(done(publisher.send("", "queue", &message)).unwrap());
    }
    client.turn();
    sent
}

/// In a task that awaits one after the other, only the oldest waits.
#[test]
fn a_batch_of_confirms_wakes_its_waiter_once() {
    for multiple in [true, false] {
        let mut client = ByHand::open();
        let mut sent = unanswered(&mut client, BURST).into_iter();
        let mut oldest = Task::new(sent.next().unwrap());
        oldest.pending();
        for number in 1..=BURST {
            if !multiple || number == BURST {
                client.peer.say_confirmed(number, multiple);
            }
        }
        client.turn();
        let what = format!("wake-ups of a waiter, 1000 × confirm, multiple: {multiple}");
        at_most(&what, oldest.wakes.take(), 1);
        oldest.ready().unwrap();
        for confirmation in sent {
            done(confirmation).unwrap();
        }
    }
}

/// A task that waits for all at once, as `join_all` does, is one task.
#[test]
fn a_batch_of_confirms_wakes_a_task_once_that_waits_for_all() {
    let mut client = ByHand::open();
    let task = Arc::<Wakes>::default();
    let sent = unanswered(&mut client, BURST);
    let mut all: Vec<_> = sent
        .into_iter()
        .map(|confirmation| Task::woken_by(&task, confirmation))
        .collect();
    for confirmation in &mut all {
        confirmation.pending();
    }
    client.peer.say_confirmed(BURST, true);
    client.turn();
    at_most("wake-ups of a task with 1000 confirmations", task.take(), 1);
    for confirmation in &mut all {
        confirmation.ready().unwrap();
    }
}

#[test]
fn a_request_wakes_each_side_once() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let mut task = Task::new(channel.queue_declare(QueueDeclare::new("orders")));
    for _ in 0..3 {
        // Later ones find a deadline that is due earlier than theirs.
        drop(std::mem::replace(
            &mut task,
            Task::new(channel.queue_declare(QueueDeclare::new("orders"))),
        ));
        task.pending();
        at_most(
            "wake-ups of the driver, queue_declare",
            client.driver.take(),
            1,
        );
        client.turn();
        at_most(
            "wake-ups of the caller, queue_declare",
            task.wakes.take(),
            1,
        );
        task.ready().unwrap();
    }
}

/// Publishers that find no room are woken as room comes, not all of them each time.
#[test]
fn waiting_publishers_are_not_woken_in_vain() {
    for (size, wakes_per_message) in [(16, 1), (1024, 1), (15 * 1024, 4)] {
        let mut client = ByHand::open();
        let channel = client.channel();
        let message = message(size);
        let fill = Message::new(vec![b'x'; 15 * 1024]);
        // Up to the high-water mark.
        while Task::new(channel.basic_publish("", "queue", &fill))
            .poll()
            .is_ready()
        {}
        client.driver.take();

        let publishing = || Task::new(channel.basic_publish("", "queue", &message));
        let mut waiting: Vec<_> = (0..BURST).map(|_| publishing()).collect();
        for task in &mut waiting {
            task.pending();
        }
        let (mut wakes, mut driver_wakes, mut turns) = (0, 0, 0);
        while !waiting.is_empty() {
            turns += 1;
            assert!(turns < BURST, "nothing happens any more");
            client.write();
            driver_wakes += client.driver.take();
            waiting.retain_mut(|task| match task.wakes.take() {
                0 => true,
                n => {
                    wakes += n;
                    task.poll().map(Result::unwrap) == Poll::Pending
                }
            });
        }
        let what = format!("1000 publishers of {size} B that wait for room");
        at_most(
            &format!("wake-ups, {what}"),
            wakes,
            wakes_per_message * BURST,
        );
        at_most(
            &format!("wake-ups of the driver, {what}"),
            driver_wakes,
            2 * turns,
        );
    }
}

/// What waits behind a transaction takes up room until the broker answers. Nobody can do anything
/// about that, so nobody is woken.
#[test]
fn without_any_room_everybody_sleeps() {
    let mut client = ByHand::open();
    let channel = client.channel();
    client.finish(channel.tx_select()).unwrap();
    let mut commit = Task::new(channel.tx_commit());
    commit.pending();
    // The broker does not answer.
    client.discard();
    let message = message(1024);
    let publishing = || Task::new(channel.basic_publish("", "queue", &message));
    while publishing().poll().is_ready() {}
    let mut waiting: Vec<_> = (0..10).map(|_| publishing()).collect();
    for task in &mut waiting {
        task.pending();
    }
    client.discard();
    client.driver.take();

    let (mut wakes, mut driver_wakes) = (0, 0);
    for _ in 0..10 {
        client.discard();
        driver_wakes += client.driver.take();
        for task in &mut waiting {
            let woken = task.wakes.take();
            wakes += woken;
            if woken > 0 {
                task.pending();
            }
        }
    }
    at_most("wake-ups of 10 publishers without room", wakes, 0);
    at_most("wake-ups of the driver without room", driver_wakes, 0);

    client.peer.say(channel.id(), &tx::CommitOk {});
    client.turn();
    commit.ready().unwrap();
    let mut wakes = 0;
    for task in &mut waiting {
        wakes += task.wakes.take();
        task.ready().unwrap();
    }
    at_most("wake-ups of 10 publishers that find room", wakes, 10);
}
