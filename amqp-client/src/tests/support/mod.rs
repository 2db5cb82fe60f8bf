//! What the tests are written with: a client in memory, the broker that a test plays, futures polled by hand.

pub(crate) mod broker;
pub(crate) mod crowd;
pub(crate) mod operations;
pub(crate) mod pair;
pub(crate) mod random;
pub(crate) mod schedule;
pub(crate) mod task;
pub(crate) mod wire;
