//! Allocations per message and per request, in the steady state, of everything that the client
//! does: handles, core and adapter.

use std::collections::VecDeque;

use amqp_client::publish::Resend;
use amqp_client::{Message, QueueDeclare};
use bytes::Bytes;

use crate::peer::Confirming;
use crate::stream::{Session, Steady};
use crate::{at_most, percent};

/// Messages of one run.
const N: u64 = 10_000;

/// How many confirmations are awaited behind the last publish.
const WINDOW: usize = 1000;

/// Where confirmed messages go: what is published straight to a queue may come back.
const EXCHANGES: [&str; 2] = ["exchange", ""];

/// Octets of the bodies.
const SIZES: [usize; 2] = [16, 1024];

/// What a run allocates once: the runtime's list of tasks that yield, a window of confirmations.
const ONCE: u64 = 2;

fn cases() -> impl Iterator<Item = (usize, &'static str)> {
    let exchanges = |size| EXCHANGES.map(|exchange| (size, exchange));
    SIZES.into_iter().flat_map(exchanges)
}

fn message(size: usize) -> Message {
    Message::new(vec![b'x'; size]).persistent()
}

/// Shows and checks the number of allocations for `n` of something.
#[track_caller]
fn allocates(what: &str, n: u64, steady: &Steady, bound: u64) {
    let what = format!("allocations, {n} × {what}");
    at_most(&what, steady.allocated.count_total, bound);
}

#[test]
fn publishing_allocates_nothing() {
    for size in SIZES {
        let session = Session::open();
        let channel = session.channel();
        let message = message(size);
        let steady = session.steadily(async || {
            let before = session.remote.peer().published;
            for _ in 0..N {
                let published = channel.basic_publish("exchange", "queue", &message);
                published.await.unwrap();
            }
            session.remote.published(before + N).await;
        });
        allocates(&format!("publish {size} B"), N, &steady, ONCE);
    }
}

#[test]
fn prepared_publishing_allocates_nothing() {
    for size in SIZES {
        let session = Session::open();
        let channel = session.channel();
        let message = message(size);
        let properties = message.properties().as_ref();
        let prepared = channel.prepare("exchange", "queue", properties).unwrap();
        let steady = session.steadily(async || {
            let before = session.remote.peer().published;
            for _ in 0..N {
                prepared.publish(message.body()).await.unwrap();
            }
            session.remote.published(before + N).await;
        });
        allocates(&format!("prepared publish {size} B"), N, &steady, ONCE);
    }
}

/// A thousand under way, the oldest awaited first, as one task does that wants its messages safe.
#[test]
fn confirmed_publishing_allocates_nothing() {
    for confirming in [Confirming::Multiple, Confirming::Each] {
        for (size, exchange) in cases() {
            let (session, publisher) = Session::publisher(confirming);
            let message = message(size);
            let steady = session.steadily(async || {
                let mut window = VecDeque::with_capacity(WINDOW);
                for _ in 0..N {
                    if window.len() == WINDOW {
                        if let Some(oldest) = window.pop_front() {
                            let oldest: amqp_client::Confirmation = oldest;
                            oldest.await.unwrap();
                        }
                    }
                    let sent = publisher.send(exchange, "queue", &message);
                    window.push_back(sent.await.unwrap());
                }
                for confirmation in window {
                    confirmation.await.unwrap();
                }
            });
            let what = format!("confirmed publish {size} B to {exchange:?}, {confirming:?}");
            allocates(&what, N, &steady, ONCE);
        }
    }
}

#[test]
fn publishing_one_at_a_time_allocates_nothing() {
    for (size, exchange) in cases() {
        let (session, publisher) = Session::publisher(Confirming::Each);
        let message = message(size);
        let steady = session.steadily(async || {
            for _ in 0..N {
                let published = publisher.publish(exchange, "queue", &message);
                published.await.unwrap();
            }
        });
        allocates(
            &format!("publish and await {size} B to {exchange:?}"),
            N,
            &steady,
            ONCE,
        );
    }
}

/// What each takes that is kept to be sent again: its place, and what stands in front of the body;
/// and the list of bodies that are dropped once it is answered, here one.
const KEPT: u64 = 3;

/// Bodies that were handed over are shared by what is kept, and borrowed ones copied once, in front
/// of which the head stands.
#[test]
fn messages_that_are_kept_allocate_little_and_share_their_bodies() {
    const SIZE: usize = 10_000;
    for confirming in [Confirming::Multiple, Confirming::Each] {
        let (session, publisher) = Session::publisher(confirming);
        let publisher = publisher.resend(Resend::up_to(1 << 20).mark_with("x-resent"));
        let message = message(SIZE);
        let properties = message.properties().as_ref();
        let prepared = publisher.prepare("exchange", "queue", properties).unwrap();
        let shared = session.steadily(async || {
            for _ in 0..N {
                let sent = publisher.send("exchange", "queue", &message).await;
                sent.unwrap().await.unwrap();
            }
        });
        allocates("send and keep a shared body", N, &shared, KEPT * N + ONCE);
        let octets = shared.allocated.bytes_total;
        at_most("octets of these", octets, 512 * N);
        let borrowed = session.steadily(async || {
            for _ in 0..N {
                let sent = prepared.send(message.body().as_ref()).await;
                sent.unwrap().await.unwrap();
            }
        });
        allocates(
            "send and keep a borrowed body",
            N,
            &borrowed,
            KEPT * N + ONCE,
        );
        let octets = borrowed.allocated.bytes_total;
        at_most("octets of these", octets, (SIZE as u64 + 512) * N);
    }
}

/// Exchange, routing key, properties and body of a message lie in one piece of memory. The one
/// percent is for messages that a read cuts through: one in two hundred, and two allocations more.
#[test]
fn receiving_allocates_once_for_each_message() {
    for size in SIZES {
        let session = Session::open();
        let channel = session.channel();
        let starting = async { channel.consume("queue").no_ack().await };
        let mut consumer = session.run(starting).unwrap();
        let body = vec![b'x'; size];
        let steady = session.steadily(async || {
            session.remote.deliver(N, &body);
            for _ in 0..N {
                let received = consumer.next().await.unwrap().unwrap();
                assert_eq!(received.body().len(), size);
            }
        });
        let what = format!("deliver {size} B without ack");
        allocates(&what, N, &steady, N + percent(N));
    }
}

#[test]
fn acknowledging_allocates_nothing_more() {
    for size in SIZES {
        let session = Session::open();
        let channel = session.channel();
        let starting = async { channel.consume("queue").await };
        let mut consumer = session.run(starting).unwrap();
        let body = vec![b'x'; size];
        let steady = session.steadily(async || {
            // As many at once as the default prefetch allows.
            for _ in 0..N / 200 {
                session.remote.deliver(200, &body);
                for _ in 0..200 {
                    let delivery = consumer.next().await.unwrap().unwrap();
                    delivery.ack().unwrap();
                }
                session.remote.acked().await;
            }
        });
        let what = format!("deliver {size} B and ack");
        allocates(&what, N, &steady, N + percent(N));
    }
}

/// A body that is taken out goes on living in the message's own memory.
#[test]
fn taking_a_body_out_allocates_nothing() {
    let session = Session::open();
    let channel = session.channel();
    let starting = async { channel.consume("queue").no_ack().await };
    let mut consumer = session.run(starting).unwrap();
    let steady = session.steadily(async || {
        session.remote.deliver(N, &[b'x'; 1024]);
        for _ in 0..N {
            let received = consumer.next().await.unwrap().unwrap();
            assert_eq!(received.into_body().len(), 1024);
        }
    });
    allocates("deliver 1 KiB, body taken out", N, &steady, N + percent(N));
}

/// No copy of a body that was handed over: one would be an allocation of a mebibyte.
#[test]
fn large_bodies_are_not_copied_on_their_way_out() {
    const BODIES: u64 = 20;
    for size in [64 * 1024, 1024 * 1024] {
        let session = Session::open();
        let channel = session.channel();
        let body = Bytes::from(vec![b'x'; size]);
        let message = Message::new(body.clone());
        let steady = session.steadily(async || {
            let before = session.remote.peer().published;
            for _ in 0..BODIES {
                let published = channel.basic_publish("exchange", "queue", &message);
                published.await.unwrap();
            }
            session.remote.published(before + BODIES).await;
        });
        let what = format!("publish {} KiB", size / 1024);
        allocates(&what, BODIES, &steady, 4 * BODIES);
        let octets = steady.allocated.bytes_total;
        at_most(
            &format!("octets allocated, {BODIES} × {what}"),
            octets,
            512 * BODIES,
        );
    }
}

/// One allocation of the right size; the octets that follow the first ones are read into it.
#[test]
fn large_bodies_are_allocated_once_on_their_way_in() {
    const BODIES: u64 = 20;
    let size = 1024 * 1024;
    let session = Session::open();
    let channel = session.channel();
    let starting = async { channel.consume("queue").no_ack().await };
    let mut consumer = session.run(starting).unwrap();
    let body = vec![b'x'; size];
    let steady = session.steadily(async || {
        session.remote.deliver(BODIES, &body);
        for _ in 0..BODIES {
            let received = consumer.next().await.unwrap().unwrap();
            assert_eq!(received.body().len(), size);
        }
    });
    allocates("deliver 1 MiB", BODIES, &steady, 4 * BODIES);
    let octets = steady.allocated.bytes_total;
    let bound = BODIES * (size as u64 + 512);
    at_most(
        &format!("octets allocated, {BODIES} × deliver 1 MiB"),
        octets,
        bound,
    );
}

#[test]
fn requests_allocate_little() {
    let session = Session::open();
    let channel = session.channel();
    let steady = session.steadily(async || {
        for _ in 0..N {
            let declare = QueueDeclare::new("orders").passive();
            let declared = channel.queue_declare(declare).await.unwrap();
            assert_eq!(declared.name, "orders");
        }
    });
    // The name to declare, the place where the reply is awaited, the reply, the name in it.
    allocates("queue_declare", N, &steady, 4 * N);
}
