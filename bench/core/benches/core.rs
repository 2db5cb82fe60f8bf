//! What the core costs without sockets. `cargo bench` in this folder.

use std::hint::black_box;
use std::pin::pin;

use amqp_client::amqp_spec::basic::{Ack, Properties};
use amqp_client::{Confirmation, Message};
use bytes::Bytes;
use core_bench::{Pair, block_on, delivery, poll, thread_waker};
use divan::counter::ItemsCount;
use divan::{Bencher, main as run};

fn main() {
    run();
}

const MESSAGES: usize = 10_000;

/// Threads publish through one channel while this one takes what they queued.
#[divan::bench(args = [1, 2, 4])]
fn outbox_publish_16_octets(bencher: Bencher<'_, '_>, threads: usize) {
    let mut pair = Pair::open();
    let channel = pair.channel();
    let properties = Properties::new().delivery_mode(1);
    let body = Bytes::from_static(&[b'x'; 16]);
    bencher.counter(ItemsCount::new(MESSAGES)).bench_local(|| {
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        for _ in 0..MESSAGES / threads {
                            let publish = channel.basic_publish_body(
                                "",
                                "orders.new",
                                properties.as_ref(),
                                &body,
                            );
                            block_on(publish).expect("the connection is open");
                        }
                    })
                })
                .collect();
            let waker = thread_waker();
            while !workers.iter().all(|worker| worker.is_finished()) {
                black_box(pair.drain_with(&waker));
            }
            pair.drain_with(&waker);
        });
    });
}

/// One read of 64 KiB of deliveries, to the last of them in the consumer's hands.
#[divan::bench(args = [16, 1024])]
fn inbound_batch_of_64_kib(bencher: Bencher<'_, '_>, size: usize) {
    let mut pair = Pair::open();
    let mut consumer = pair.consumer();
    let one = delivery(&vec![b'x'; size]);
    let n = 64 * 1024 / one.len();
    let batch = one.repeat(n);
    bencher.counter(ItemsCount::new(n)).bench_local(|| {
        pair.feed(&batch);
        for _ in 0..n {
            assert!(poll(pin!(consumer.next())).is_ready());
        }
    });
}

fn published(pair: &mut Pair) -> Vec<Confirmation> {
    let publisher = pair.publisher();
    let message = Message::new(&b"xxxxxxxxxxxxxxxx"[..]);
    (0..MESSAGES)
        .map(|_| {
            let confirmation = block_on(publisher.send("", "orders.new", &message));
            pair.drain();
            confirmation.expect("the connection is open")
        })
        .collect()
}

fn acks(numbers: impl Iterator<Item = u64>, multiple: bool) -> Vec<u8> {
    numbers
        .flat_map(|delivery_tag| {
            Ack {
                delivery_tag,
                multiple,
            }
            .to_frame(1)
        })
        .collect()
}

fn confirm(bencher: Bencher<'_, '_>, answers: &[u8], awaited: bool) {
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .with_inputs(|| {
            let mut pair = Pair::open();
            let mut confirmations = published(&mut pair);
            if awaited {
                for confirmation in &mut confirmations {
                    assert!(poll(pin!(confirmation)).is_pending());
                }
            }
            (pair, confirmations)
        })
        .bench_local_values(|(mut pair, confirmations)| {
            pair.feed(answers);
            for confirmation in confirmations {
                assert!(poll(pin!(confirmation)).is_ready());
            }
            pair
        });
}

#[divan::bench]
fn confirms_one_by_one(bencher: Bencher<'_, '_>) {
    confirm(bencher, &acks(1..=MESSAGES as u64, false), false);
}

#[divan::bench]
fn confirms_out_of_order(bencher: Bencher<'_, '_>) {
    confirm(bencher, &acks((1..=MESSAGES as u64).rev(), false), false);
}

#[divan::bench]
fn confirms_all_at_once(bencher: Bencher<'_, '_>) {
    confirm(
        bencher,
        &acks(std::iter::once(MESSAGES as u64), true),
        false,
    );
}

#[divan::bench]
fn confirms_all_awaited_by_tasks(bencher: Bencher<'_, '_>) {
    confirm(bencher, &acks(std::iter::once(MESSAGES as u64), true), true);
}

#[divan::bench]
fn confirms_abandoned(bencher: Bencher<'_, '_>) {
    let answers = acks(std::iter::once(MESSAGES as u64), true);
    bencher
        .counter(ItemsCount::new(MESSAGES))
        .with_inputs(|| {
            let mut pair = Pair::open();
            let confirmations = published(&mut pair);
            (pair, confirmations)
        })
        .bench_local_values(|(mut pair, confirmations)| {
            drop(confirmations);
            pair.feed(&answers);
            pair
        });
}
