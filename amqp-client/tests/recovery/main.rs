//! Recovery against real brokers: a workload that goes on through a fault, a ledger of all that
//! happened, and oracles that say what has to hold of it.
//!
//! * `ledger` is what the workload writes down.
//! * `oracles` judges it; `proofs` shows that each oracle finds its fault.
//! * `workload` publishes, consumes and calls.
//! * `stage` has the broker and the connection, and takes a workload through a fault.
//! * `faults` are those of one node, `cluster` those of three, and `transactions` are cut in two by
//!   some.
//! * `resending` has no workload either: numbered messages of publishers that send again, none of
//!   which may be missing.
//! * `flapping` has no workload: it counts what a quorum queue makes of losses.
//!
//! Each fault prints a line of numbers, which `--nocapture` shows. One is on at a time, for they
//! count open files and memory, and harm their broker. Those that take minutes, and clusters, run
//! with `RECOVERY_FAULTS=long`, as a step of `cargo xtask ci-extra`.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod cluster;
mod faults;
mod flapping;
mod ledger;
mod oracles;
mod proofs;
mod resending;
mod soak;
mod stage;
mod told;
mod transactions;
mod workload;

use std::time::Duration;

/// Longer than anything takes that does not hang, on a slow machine too.
const HANG: Duration = Duration::from_secs(120);
