//! The command of the repository as its users run it.
//!
//! Where RabbitMQ is needed, tests without it say so and pass, except in CI, where it has to be
//! there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod broker;
mod demo;
mod interrupted;
mod support;
