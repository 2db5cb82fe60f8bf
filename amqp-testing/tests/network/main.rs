//! The proxy and the scripted peer, with plain sockets on either side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod peer;
mod proxy;
