//! The client over the tokio adapter, against a broker whose part each test writes out: exact
//! conversations over a stream in memory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod blocked;
mod collected;
mod connecting;
mod ending;
mod flood;
mod gated;
mod habits;
mod layers;
mod leaving;
mod login;
mod messages;
mod no_wait;
mod opening;
mod outcomes;
mod paused;
mod peer;
mod redialing;
mod shutdown;
mod suspended;
#[cfg(feature = "rustls")]
mod tls;
#[cfg(feature = "rustls")]
mod tls_ends;
#[cfg(feature = "rustls")]
mod tls_hints;
#[cfg(feature = "rustls")]
mod tls_setup;
#[path = "../../src/tests/support/wire.rs"]
#[expect(dead_code, reason = "the tests of the core use more of it")]
mod wire;
mod without_broker;
