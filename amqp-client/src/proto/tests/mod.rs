//! Tests of the core: two ends in memory and a virtual clock, no runtime, no sleeping.
//!
//! A [`pair::Pair`] holds a core and its connection handle and plays the broker; a [`task::Task`]
//! is a future polled by hand, which insists on being woken. Tests read as conversations: what the
//! client sent is a list of lines such as `1 queue.declare orders`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod broker;
mod crowd;
mod operations;
mod pace;
mod pair;
mod random;
pub(super) mod schedule;
mod stalled;
mod strays;
mod stuck;
pub(crate) mod task;
mod wire;

mod answers;
mod blame;
mod blocked;
mod busy;
mod cancellation;
mod channels;
mod closing;
mod confirms;
mod consumers;
mod content;
mod contract;
mod counters;
mod cut;
mod deliveries;
mod drops;
mod events;
mod fairness;
mod field_values;
mod guilt;
mod handlers;
mod handshake;
mod headers;
mod heartbeats;
mod hostile;
mod interleaving;
mod large;
mod late;
mod leaving;
mod login;
mod names;
mod numbers;
mod order;
mod oversized;
mod paused;
mod publishers;
mod reading;
mod registry;
mod renewal;
mod renewed;
mod renewed_edges;
mod requests;
mod returns;
mod robustness;
mod room;
mod routing;
mod rpc;
mod rpc_again;
mod rpc_channels;
mod rpc_server;
mod secrets;
mod settling;
mod shown;
mod standstill;
#[cfg(feature = "tracing")]
mod tracing;
mod transactions;
mod turns;
mod unsent;
mod values;
mod wakers;
mod wakeups;
mod wakeups_limits;
mod wakeups_successors;
#[cfg(feature = "tracing")]
mod walk;
mod whole;
