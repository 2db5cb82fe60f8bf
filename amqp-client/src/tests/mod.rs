//! Tests that need the inside of the crate: two ends in memory and a virtual clock, no runtime, no
//! sleeping.
//!
//! A `Pair` holds a core and its connection handle and plays the broker; a `Task` is a future
//! polled by hand, which insists on being woken. Tests read as conversations: what the client sent
//! is a list of lines such as `1 queue.declare orders`. Tests of one small part stand beside it, in
//! its file.
//!
//! | wing | what it is about |
//! |---|---|
//! | `core` | bytes in, bytes out: what arrives, what leaves, time, the contract with drivers |
//! | `handles` | what users hold: what it sends, and what it tells |
//! | `recovery` | a lost connection comes back |
//! | `races` | tasks, drops and locks in every order, or in many |
//! | `support` | what the tests are written with |

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
mod recovery;
pub(crate) mod support;
