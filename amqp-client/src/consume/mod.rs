//! Consuming: a stream of deliveries.
//!
//! | file | what it is about |
//! |---|---|
//! | `start` | options, and how a consumer starts |
//! | `consumer` | the stream |
//! | `delivery` | what waits to be acknowledged |
//! | `acknowledgement` | deliveries that are acknowledged, and those that are not, as types |
//! | `basic` | fetching, settling and limiting, on a channel |
//! | `offset` | where reading a stream begins |
//! | `handler` | consuming with a function for each message |

mod acknowledgement;
mod basic;
mod consumer;
mod delivery;
pub(crate) mod handler;
mod offset;
mod start;

pub use self::acknowledgement::{Acknowledgement, Automatic, Manual};
pub use self::basic::QosScope;
pub use self::consumer::{Consumer, NextWithin};
pub use self::delivery::{Delivery, Got};
pub use self::offset::StreamOffset;
pub use self::start::{Consume, DEFAULT_PREFETCH, Oversized, WhenSlow};
