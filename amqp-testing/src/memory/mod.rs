//! A broker in the test's own process: no port, no thread, no clock, and RabbitMQ's behaviour.
//!
//! [`Kernel`] is one node with virtual hosts and users. It does no I/O: the octets that a client
//! writes are handed to [`Kernel::receive`], those that the client is to read come out of
//! [`Kernel::take_output`], and time passes when [`Kernel::advance`] says so. The same calls give
//! the same octets.
//!
//! ```
//! use std::time::Instant;
//!
//! use amqp_testing::memory::{Kernel, Like};
//!
//! let now = Instant::now();
//! let mut broker = Kernel::new(Like::RabbitMq4_0, now);
//! let client = broker.connect(now);
//! broker.receive(client, &amqp_spec::frame::PROTOCOL_HEADER, now);
//! let start = broker.take_output(client);
//! ```
//!
//! What is not modelled refuses loudly: `540 NOT_IMPLEMENTED - not modelled by
//! amqp_testing::memory: …`.

#![allow(
    dead_code,
    clippy::needless_pass_by_value,
    reason = "the names are there before what stands behind them"
)]

mod kernel;
mod like;
mod limits;
mod message;
mod users;
mod views;

pub use self::kernel::{ConnectionId, Kernel};
pub use self::like::Like;
pub use self::limits::{Confirming, Limits};
pub use self::users::{Access, Permissions, User};
pub use self::views::{
    BindingView, ConnectionView, Destination, ExchangeView, MessageView, QueueView,
};
