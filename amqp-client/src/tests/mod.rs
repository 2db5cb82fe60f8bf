//! Tests of the core: two ends in memory and a virtual clock, no runtime, no sleeping.
//!
//! A [`pair::Pair`] holds a core and its connection handle and plays the broker; a [`task::Task`]
//! is a future polled by hand, which insists on being woken. Tests read as conversations: what the
//! client sent is a list of lines such as `1 queue.declare orders`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod core;
mod handles;
pub(crate) mod races;
pub(crate) mod support;
