//! Tests of the wire: octets that others made, octets that are broken, and everything that can be
//! built. `vectors/README.md` says where the recorded octets come from.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "tests"
)]

mod fuzz_bodies;
mod generated {
    pub mod conformance;
}
mod random;
mod support;

mod codes;
mod corpus;
#[cfg(feature = "serde")]
mod formats;
mod frames;
mod limits;
mod methods;
mod properties;
mod recorded;
mod reencoding;
mod secrets;
mod session;
mod tables;
