//! The broker in the test's process, as a client sees it: conversations, and octets that are none.
#![cfg(feature = "memory")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod acknowledging;
mod closing;
mod consuming;
mod declaring;
mod hostile;
mod opening;
mod publishing;
mod support;
mod timing;
