//! Consuming: a stream of deliveries.
//!
//! | file | what it is about |
//! |---|---|
//! | `start` | options, and how a consumer starts |
//! | `consumer` | the stream |
//! | `delivery` | what waits to be acknowledged |
//! | `ack_mode` | deliveries that are acknowledged, and those that are not, as types |
//! | `basic` | fetching, settling and limiting, on a channel |
//! | `offset` | where reading a stream begins |
//! | `handler` | consuming with a function for each message |

mod ack_mode;
mod basic;
mod consumer;
mod delivery;
pub(crate) mod handler;
mod offset;
mod start;

pub use self::ack_mode::{AckMode, AutoAck, ManualAck};
pub use self::basic::QosScope;
pub use self::consumer::{Consumer, NextWithin};
pub use self::delivery::{Delivery, Fetched};
pub use self::offset::StreamOffset;
pub use self::start::{Consume, DEFAULT_PREFETCH, Oversized, WhenSlow};
