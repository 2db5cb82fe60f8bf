//! The client against a real RabbitMQ.
//!
//! `cargo xtask test` starts one, says where it is in `AMQP_TEST_URL` and
//! `AMQP_TEST_MANAGEMENT_URL`, and runs this again for every release that it knows; what differs
//! between releases is asserted for each. Without the variables every test says so and passes,
//! unless `CI` is set.
//!
//! Each test has a virtual host of its own, so that they can run at once and in any order. Those
//! that harm a broker start one for themselves.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod arguments;
mod attempts;
mod blocked;
mod channels;
mod confirms;
mod connect;
mod consuming;
mod crowd;
mod declare;
mod ending;
mod errors;
mod events;
mod faults;
mod giving_back;
mod handlers;
mod headers;
mod login;
mod memory;
mod messages;
mod methods;
mod newest;
mod oversized;
mod publishing;
mod reaching;
mod rpc;
mod settling;
mod shutdown;
mod strays;
mod streams;
mod support;
#[cfg(feature = "rustls")]
mod tls;
mod topology;
mod values;
