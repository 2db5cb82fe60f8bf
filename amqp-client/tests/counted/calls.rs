//! Calls that read and write, as system calls would be: few and large when there is much to do, one
//! each when there is little.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use amqp_client::{Confirmation, Message, QueueDeclare};

use crate::at_most;
use crate::peer::{Confirming, Counts};
use crate::stream::Session;

/// What a saturated connection moves with one call at least, on average.
const CHUNK: u64 = 128 * 1024;

fn message(size: usize) -> Message {
    Message::new(vec![b'x'; size])
}

#[track_caller]
fn writes(what: &str, moved: Counts, bound: u64) {
    let octets = moved.octets_written;
    at_most(
        &format!("writes, {what}, {octets} octets"),
        moved.writes,
        bound,
    );
}

#[track_caller]
fn reads(what: &str, moved: Counts, bound: u64) {
    let octets = moved.octets_read;
    at_most(
        &format!("reads, {what}, {octets} octets"),
        moved.reads,
        bound,
    );
}

#[track_caller]
fn idle_reads(what: &str, moved: Counts, bound: u64) {
    at_most(&format!("reads in vain, {what}"), moved.idle_reads, bound);
}

#[test]
fn saturated_publishing_writes_large_pieces() {
    for (size, n) in [
        (16, 50_000),
        (1024, 10_000),
        (64 * 1024, 200),
        (1024 * 1024, 16),
    ] {
        let session = Session::open();
        let channel = session.channel();
        let message = message(size);
        let steady = session.steadily(async || {
            let before = session.remote.peer().published;
            for _ in 0..n {
                let published = channel.basic_publish("", "queue", &message);
                published.await.unwrap();
            }
            session.remote.published(before + n).await;
        });
        let what = format!("{n} × publish {size} B");
        let moved = steady.moved;
        // A large body leaves frame by frame at first, and its last frame may be short; later it
        // leaves at once, and its publisher is called before the next look.
        let short = if size > 128 * 1024 { n } else { 0 };
        writes(&what, moved, moved.octets_written / CHUNK + 1 + short);
        reads(&what, moved, 0);
        idle_reads(&what, moved, moved.writes + 1 + short);
    }
}

/// While a large batch is written, its publishers have only just been called: what they have queued
/// by then waits for what they queue in their turn.
#[test]
fn what_is_queued_during_a_large_write_waits_for_more() {
    let session = Session::open();
    let channel = session.channel();
    let n = 300;
    let (small, large) = (message(16), message(1024));
    let steady = session.steadily(async || {
        let before = session.remote.peer().published;
        for _ in 0..n {
            let published = channel.basic_publish("", "queue", &large);
            published.await.unwrap();
        }
        let other = channel.clone();
        session.remote.during_write(move || {
            let message = message(16);
            let published = pin!(other.basic_publish("", "queue", &message));
            let published = published.poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(published, Poll::Ready(Ok(()))));
        });
        session.remote.published(before + n).await;
        let published = channel.basic_publish("", "queue", &small);
        published.await.unwrap();
        session.remote.published(before + n + 2).await;
    });
    let what = format!("{n} × publish 1 KiB, one meanwhile, one afterwards");
    writes(&what, steady.moved, 2);
}

/// The last turn of the driver finds an answer to each write, and the first one room for a whole
/// window.
#[test]
fn a_window_of_confirmations_shares_its_calls() {
    const WINDOW: u64 = 1000;
    for confirming in [Confirming::Multiple, Confirming::Each] {
        let n = 10_000;
        let (session, publisher) = Session::publisher(confirming);
        let message = message(16);
        let steady = session.steadily(async || {
            let mut window: VecDeque<Confirmation> = VecDeque::new();
            for _ in 0..n {
                if window.len() as u64 == WINDOW {
                    if let Some(oldest) = window.pop_front() {
                        oldest.await.unwrap();
                    }
                }
                window.push_back(publisher.send("", "queue", &message).await.unwrap());
            }
            for confirmation in window {
                confirmation.await.unwrap();
            }
        });
        let what = format!("{n} × confirmed publish 16 B, {confirming:?}");
        writes(&what, steady.moved, n / WINDOW);
        reads(&what, steady.moved, n / WINDOW);
        idle_reads(&what, steady.moved, 2 * n / WINDOW);
    }
}

#[test]
fn a_lone_publish_is_one_write_and_one_read() {
    let n = 1000;
    let (session, publisher) = Session::publisher(Confirming::Each);
    let message = message(16);
    let steady = session.steadily(async || {
        for _ in 0..n {
            publisher.publish("", "queue", &message).await.unwrap();
        }
    });
    let what = format!("{n} × publish and await 16 B");
    writes(&what, steady.moved, n);
    reads(&what, steady.moved, n);
    idle_reads(&what, steady.moved, 2 * n);
}

#[test]
fn a_request_is_one_write_and_one_read() {
    let n = 1000;
    let session = Session::open();
    let channel = session.channel();
    let steady = session.steadily(async || {
        for _ in 0..n {
            let declare = QueueDeclare::new("orders").passive();
            channel.queue_declare(declare).await.unwrap();
        }
    });
    let what = format!("{n} × queue_declare");
    writes(&what, steady.moved, n);
    reads(&what, steady.moved, n);
    idle_reads(&what, steady.moved, 2 * n);
}

/// Large bodies are read straight into their messages: one read for the rest of each frame, one for
/// the head of the next.
#[test]
fn saturated_consuming_reads_large_pieces() {
    let cases: [(usize, u64, Option<u64>); 4] = [
        (16, 50_000, None),
        (1024, 10_000, None),
        (64 * 1024, 200, Some(200)),
        (1024 * 1024, 16, Some(16 * 9)),
    ];
    for (size, n, large_frames) in cases {
        let session = Session::open();
        let channel = session.channel();
        let starting = async { channel.consume("queue").no_ack().await };
        let mut consumer = session.run(starting).unwrap();
        let body = vec![b'x'; size];
        let steady = session.steadily(async || {
            session.remote.deliver(n, &body);
            for _ in 0..n {
                consumer.next().await.unwrap().unwrap();
            }
        });
        let what = format!("{n} × deliver {size} B");
        let moved = steady.moved;
        let bound = large_frames.map_or(moved.octets_read / CHUNK + 1, |n| 2 * n + 10);
        reads(&what, moved, bound);
        writes(&what, moved, 0);
        idle_reads(&what, moved, moved.reads / 4 + 1);
    }
}

/// However many deliveries one read brings, their acks are one frame in one write.
#[test]
fn acks_of_one_read_are_one_frame() {
    const ACK: u64 = 21;
    let batch = 200;
    let rounds = 50;
    let session = Session::open();
    let channel = session.channel();
    let starting = async { channel.consume("queue").await };
    let mut consumer = session.run(starting).unwrap();
    let steady = session.steadily(async || {
        for _ in 0..rounds {
            session.remote.deliver(batch, &[b'x'; 16]);
            for _ in 0..batch {
                consumer.next().await.unwrap().unwrap().ack().unwrap();
            }
            session.remote.acked().await;
        }
    });
    let what = format!("{rounds} × deliver {batch} × 16 B and ack");
    writes(&what, steady.moved, rounds);
    reads(&what, steady.moved, rounds);
    idle_reads(&what, steady.moved, 3 * rounds);
    at_most(
        &format!("octets written, {what}"),
        steady.moved.octets_written,
        ACK * rounds,
    );
}

/// Acks in the wrong order cannot be merged, but they still leave in one write.
#[test]
fn acks_in_the_wrong_order_share_a_write() {
    const ACK: u64 = 21;
    let batch = 200;
    let session = Session::open();
    let channel = session.channel();
    let starting = async { channel.consume("queue").await };
    let mut consumer = session.run(starting).unwrap();
    let steady = session.steadily(async || {
        session.remote.deliver(batch, &[b'x'; 16]);
        let mut deliveries = Vec::new();
        for _ in 0..batch {
            deliveries.push(consumer.next().await.unwrap().unwrap());
        }
        while let Some(last) = deliveries.pop() {
            last.ack().unwrap();
        }
        session.remote.acked().await;
    });
    let what = format!("ack {batch} × 16 B, the last first");
    writes(&what, steady.moved, 1);
    at_most(
        &format!("octets written, {what}"),
        steady.moved.octets_written,
        ACK * batch,
    );
}
