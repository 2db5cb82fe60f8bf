//! The launcher against real RabbitMQ nodes.
//!
//! Without RabbitMQ on the machine these tests say so and pass, except in CI, where it has to be
//! there.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod broker;
mod support;
#[cfg(feature = "tls")]
mod tls;
