//! Reads the AMQP 0-9-1 specification, checks it, and emits Rust.
pub mod model;
