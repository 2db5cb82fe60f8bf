//! A shutdown beside what the program does, in every order.

use std::time::Duration;

use super::wakeups::{apart, drive, every_order, until_sent};
use crate::consume::Settled;
use crate::tests::support::pair::Pair;
use crate::tests::support::schedule::Model;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Consumer, Delivery};

const GRACE: Duration = Duration::from_secs(20);

/// A consumer that has taken two deliveries and yielded one.
fn working() -> (Pair, Consumer, Delivery) {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "c");
    let octets: Vec<u8> = (1..=2)
        .flat_map(|n| wire::delivery(1, "c", n, b"m"))
        .collect();
    pair.feed(&octets);
    let first = done(consumer.next()).unwrap().unwrap();
    (pair, consumer, first)
}

#[test]
fn shutdown_hears_of_the_last_settlement() {
    every_order(|| {
        let (mut pair, consumer, first) = working();
        let service = pair.connection.clone();
        let mut task = Task::start(async move { service.shutdown(GRACE).await });
        pair.sent();
        pair.feed(&wire::cancel_ok(1, "c"));
        task.pending();
        let (core, connection) = apart(pair);
        Model::new()
            .actor("handler", move || {
                assert_eq!(first.ack().unwrap(), Settled::Queued);
            })
            .actor("adapter", move || {
                drive(core, until_sent(1, "connection.close"))
            })
            .check(move || drop((connection, consumer)))
    });
}
