//! Shutting a connection down: nothing new is taken, what runs comes to its end, and what is left
//! is told.
//!
//! | module | what it is about |
//! |---|---|
//! | `consumers` | what goes back at once, and what is waited for |
//! | `publishers` | who may still publish, and what is confirmed |
//! | `ends` | the grace, and everything else that ends a shutdown |

mod consumers;
mod ends;
mod publishers;

use std::time::Duration;

use amqp_spec::connection;

use crate::connection::ShutdownReport;
use crate::tests::support::pair::Pair;
use crate::tests::support::task::Task;
use crate::tests::support::wire;
use crate::{Consumer, Delivery};

const GRACE: Duration = Duration::from_secs(20);

/// Shuts the connection down.
fn shut_down(pair: &Pair) -> Task<'static, ShutdownReport> {
    shut_down_within(pair, GRACE)
}

fn shut_down_within(pair: &Pair, grace: Duration) -> Task<'static, ShutdownReport> {
    let connection = pair.connection.clone();
    Task::start(async move { connection.shutdown(grace).await })
}

/// The broker answers `connection.close`, which has been sent.
#[track_caller]
fn closed(pair: &mut Pair, mut task: Task<'_, ShutdownReport>) -> ShutdownReport {
    task.pending();
    pair.says(0, &connection::CloseOk {});
    let report = task.ready();
    assert!(pair.core.is_finished());
    pair.assert_idle();
    report
}

/// The same: nothing was left.
#[track_caller]
fn closed_clean(pair: &mut Pair, task: Task<'_, ShutdownReport>) {
    let report = closed(pair, task);
    assert!(report.is_clean(), "{report}");
}

/// What was left, in numbers.
fn counts(report: &ShutdownReport) -> [u64; 3] {
    [report.unsettled, report.unconfirmed, report.unsent]
}

/// These messages are delivered in one read.
fn deliver(pair: &mut Pair, tag: &str, numbers: impl IntoIterator<Item = u64>) {
    let octets: Vec<u8> = numbers
        .into_iter()
        .flat_map(|n| wire::delivery(1, tag, n, b"m"))
        .collect();
    pair.feed(&octets);
}

/// The next delivery, which has come.
#[track_caller]
fn next(consumer: &mut Consumer) -> Delivery {
    crate::tests::support::task::done(consumer.next())
        .unwrap()
        .unwrap()
}

/// The consumer has ended, without an error.
#[track_caller]
fn assert_over(consumer: &mut Consumer) {
    assert!(crate::tests::support::task::done(consumer.next()).is_none());
}

/// Lines as `Pair::sent` gives them.
fn given_back(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
    let line = |n| format!("1 basic.nack {n} requeue");
    numbers.into_iter().map(line).collect()
}
