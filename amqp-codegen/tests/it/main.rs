//! The generator's front end, from text to model, over files that anybody can read.
//!
//! `UPDATE_EXPECT=1 cargo test -p amqp-codegen` rewrites the expected texts; review the diff.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod accepts;
mod agreement;
mod corpus;
mod growth;
mod hostile;
mod mutations;
mod names;
mod rejects;
mod slips;
mod support;
mod texts;
