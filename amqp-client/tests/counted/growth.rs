//! Memory where something grows: confirmations, channels, deliveries that are not taken, messages
//! that are not written; and what is left of it when it is over.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use allocation_counter::measure;
use amqp_client::{Confirmation, Message, Publisher};
use bytes::Bytes;

use crate::at_most;
use crate::by_hand::{ByHand, Task, Wakes, done};
use crate::stream::Session;

const MILLION: u64 = 1_000_000;
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// Publishes so many small messages, which the broker takes and does not confirm.
fn send(client: &mut ByHand, publisher: &Publisher, n: u64, mut sent: impl FnMut(Confirmation)) {
    let message = Message::new(vec![b'x'; 16]);
    for number in 1..=n {
        sent(done(publisher.send("", "queue", &message)).unwrap());
        if number % 1000 == 0 {
            client.discard();
        }
    }
    client.discard();
}

/// Octets, as a test wants to compare them.
fn octets(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

#[test]
fn a_million_confirmations_that_nobody_awaits_need_no_memory() {
    let mut client = ByHand::open();
    let publisher = client.publisher().allow_unroutable();
    let mut unanswered = Vec::with_capacity(usize::try_from(MILLION).unwrap());
    let sending = measure(|| {
        send(&mut client, &publisher, MILLION, |sent| {
            unanswered.push(sent);
        });
    });
    // The outbox and its spare.
    at_most(
        "octets, a million confirmations sent",
        sending.bytes_max,
        MIB,
    );

    client.peer.say_confirmed(MILLION, true);
    let answering = measure(|| client.turn());
    at_most(
        "octets, a million confirmed at once",
        answering.bytes_total,
        KIB,
    );
    let asking = measure(|| {
        for confirmation in unanswered.drain(..) {
            done(confirmation).unwrap();
        }
    });
    at_most(
        "allocations, a million confirmations awaited",
        asking.count_total,
        0,
    );
}

/// Published straight to a queue: what tells each of them when it comes back is kept.
#[test]
fn a_million_messages_that_may_come_back_cost_little_and_leave_less() {
    let mut client = ByHand::open();
    let publisher = client.publisher();
    let sending = measure(|| send(&mut client, &publisher, MILLION, drop));
    // 24 octets, and what a list that grows has spare; a slot for what nobody asks about.
    at_most(
        "octets, a million messages that may come back",
        sending.bytes_max,
        128 * MILLION,
    );
    client.peer.say_confirmed(MILLION, true);
    let answering = measure(|| client.turn());
    let left = sending.bytes_current + answering.bytes_current;
    at_most("octets, when all are confirmed", octets(left), MIB);
}

#[test]
fn a_million_confirmations_that_are_awaited_cost_a_slot_each() {
    let mut client = ByHand::open();
    let publisher = client.publisher().allow_unroutable();
    let mut unanswered = Vec::with_capacity(usize::try_from(MILLION).unwrap());
    send(&mut client, &publisher, MILLION, |sent| {
        unanswered.push(sent);
    });
    let task = Arc::<Wakes>::default();
    let waker = Waker::from(Arc::clone(&task));
    let mut context = Context::from_waker(&waker);
    let references = Arc::strong_count(&task);

    let waiting = measure(|| {
        for confirmation in &mut unanswered {
            assert!(Pin::new(confirmation).poll(&mut context).is_pending());
        }
    });
    at_most(
        "octets, a million confirmations awaited",
        waiting.bytes_max,
        64 * MILLION,
    );
    let kept = Arc::strong_count(&task) - references;
    at_most(
        "wakers kept, a million confirmations awaited",
        kept as u64,
        MILLION,
    );

    client.peer.say_confirmed(MILLION, true);
    let answering = measure(|| client.turn());
    at_most(
        "octets, a million awaited confirmed at once",
        answering.bytes_total,
        KIB,
    );
    at_most(
        "wake-ups of the one who waits for a million",
        task.take(),
        1,
    );
    assert_eq!(Arc::strong_count(&task), references, "wakers are left over");
    for confirmation in &mut unanswered {
        assert!(Pin::new(confirmation).poll(&mut context).is_ready());
    }
    let left = waiting.bytes_current + answering.bytes_current;
    at_most("octets left of a million slots", octets(left), 256 * KIB);
}

#[test]
fn a_million_confirmations_that_are_dropped_leave_nothing() {
    let mut client = ByHand::open();
    let publisher = client.publisher();
    let whole = measure(|| {
        let sending = measure(|| send(&mut client, &publisher, MILLION, drop));
        at_most(
            "octets, a million confirmations dropped",
            sending.bytes_max,
            64 * MILLION,
        );
        client.peer.say_confirmed(MILLION, true);
        client.turn();
    });
    at_most(
        "octets left of a million dropped",
        octets(whole.bytes_current),
        MIB,
    );
}

#[test]
fn a_channel_costs_little() {
    const CHANNELS: u64 = 2000;
    let mut client = ByHand::open();
    let mut channels = Vec::with_capacity(2000);
    let opening = measure(|| {
        for _ in 0..CHANNELS {
            channels.push(client.channel());
        }
    });
    let each = octets(opening.bytes_current) / CHANNELS;
    at_most("octets, one of 2000 channels", each, KIB);
    let closing = measure(|| {
        for channel in channels.drain(..) {
            client.finish(channel.close()).unwrap();
        }
    });
    let left = octets(opening.bytes_current + closing.bytes_current) / CHANNELS;
    at_most("octets left of one of 2000 channels", left, 512);
}

#[test]
fn an_idle_connection_costs_little() {
    let mut session = None;
    let opening = measure(|| session = Some(Session::open()));
    let empty = measure(|| drop(std::hint::black_box(Session::runtime())));
    println!("octets, a runtime: {}", empty.bytes_max);
    let connection = octets(opening.bytes_current).saturating_sub(empty.bytes_max);
    at_most("octets, an idle connection", connection, 16 * KIB);
}

/// What was busy once is not forever large; the lists of its consumers stay as long as a read's.
#[test]
fn a_connection_that_was_busy_gives_memory_back() {
    let mut client = ByHand::open();
    let channel = client.channel();
    let starting = async { channel.consume("queue").no_ack().await };
    let mut consumer = client.finish(starting).unwrap();
    let message = Message::new(vec![b'x'; 1024]);
    let busy = measure(|| {
        for _ in 0..20 {
            while Task::new(channel.basic_publish("", "queue", &message))
                .poll()
                .is_ready()
            {}
            client.turn();
            client.peer.deliver(1000, &[b'x'; 1024]);
            client.turn();
            for _ in 0..1000 {
                done(consumer.next()).unwrap().unwrap();
            }
        }
    });
    println!("octets, busy: {}", busy.bytes_max);
    let idle = measure(|| {
        let before = client.peer.counts.writes;
        let mut n_looks = 0;
        while client.peer.counts.writes == before {
            n_looks += 1;
            assert!(n_looks < 10, "no heartbeat");
            let deadline = client.core.deadline().unwrap();
            client.core.handle_timeout(deadline);
            client.turn();
        }
    });
    let left = octets(busy.bytes_current + idle.bytes_current);
    at_most("octets left of a busy connection", left, 272 * KIB);
}

/// Reading stops, so that the broker keeps what nobody takes.
#[test]
fn f24_deliveries_that_nobody_takes_are_bounded() {
    const OFFERED: u64 = 256 * MIB;
    for size in [16, 1024, 64 * KIB] {
        let mut client = ByHand::open();
        let channel = client.channel();
        let starting = async { channel.consume("queue").no_ack().await };
        let mut consumer = client.finish(starting).unwrap();
        let body = vec![b'x'; usize::try_from(size).unwrap()];
        let piece = MIB / size;
        let mut offered = 0;
        let slow = measure(|| {
            while client.peer.is_silent() {
                assert!(offered < OFFERED, "reads on and on");
                client.peer.deliver(piece, &body);
                offered += piece * size;
                client.read();
            }
        });
        at_most(
            &format!("octets, slow consumer of {size} B"),
            slow.bytes_max,
            32 * MIB,
        );

        // Whoever takes what there is gets the rest.
        client.write();
        client.driver.take();
        let taking = measure(|| {
            let mut woken = 0;
            for _ in 0..offered / size {
                let mut next = Task::new(consumer.next());
                if next.poll().is_ready() {
                    continue;
                }
                woken += client.driver.take();
                client.read();
                next.ready().unwrap().unwrap();
            }
            at_most(
                &format!("wake-ups of a driver that has paused, {size} B"),
                woken,
                1,
            );
        });
        let left = octets(slow.bytes_current + taking.bytes_current);
        at_most(
            &format!("octets left, slow consumer of {size} B"),
            left,
            4 * MIB,
        );
    }
}

#[test]
fn s9_messages_that_nobody_writes_are_bounded() {
    for (size, bound) in [
        (16, MIB),
        (1024, MIB),
        (64 * 1024, 64 * KIB),
        (1024 * 1024, 64 * KIB),
    ] {
        let client = ByHand::open();
        let mut client = client;
        let channel = client.channel();
        let body = Bytes::from(vec![b'x'; size]);
        let message = Message::new(body);
        let mut accepted = 0;
        let stuck = measure(|| {
            while Task::new(channel.basic_publish("", "queue", &message))
                .poll()
                .is_ready()
            {
                accepted += size as u64;
            }
        });
        at_most(
            &format!("octets, outbox full of {size} B"),
            stuck.bytes_max,
            bound,
        );
        let bound = 512 * KIB + size as u64;
        at_most(
            &format!("octets accepted, outbox full of {size} B"),
            accepted,
            bound,
        );
    }
}
