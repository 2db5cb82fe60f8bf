//! Starting consumers, ways of acknowledging, fetching, and handlers.
//!
//! [`Consumer`], [`Delivery`] and [`Disposition`](crate::Disposition) are at the root of the crate.
//!
//! * [`Channel::consume`](crate::Channel::consume) gives a [`Consume`], which has the options of a
//!   consumer: [`StreamOffset`], [`WhenSlow`], [`WhenOversized`], [`Resubscribe`]. Its type parameter, an
//!   [`AckMode`], says whether deliveries are acknowledged: [`ManualAck`] or [`AutoAck`].
//! * [`Channel::basic_get`](crate::Channel::basic_get) fetches one message: [`Fetched`].
//! * [`Consumer::handle`](crate::Consumer::handle) calls a function for each message: a
//!   [`HandlerRun`], which ends with a [`HandlerSummary`]. What the function returns is an
//!   [`IntoDisposition`]; what goes wrong is a [`HandlerFailure`].
//! * Settling a delivery gives a [`Settled`].
//! * Settling by number takes [`Multiple`], limits take a [`QosScope`].

// | file | what it is about |
// |---|---|
// | `start` | options, and how a consumer starts |
// | `consumer` | the stream |
// | `delivery` | what waits to be acknowledged |
// | `ack_mode` | deliveries that are acknowledged, and those that are not, as types |
// | `basic` | fetching, settling and limiting, on a channel |
// | `offset` | where reading a stream begins |
// | `handler` | consuming with a function for each message |

mod ack_mode;
mod basic;
pub(crate) mod consumer;
pub(crate) mod delivery;
pub(crate) mod handler;
mod offset;
mod start;

pub use self::ack_mode::{AckMode, AutoAck, ManualAck};
pub use self::basic::QosScope;
pub(crate) use self::consumer::Consumer;
pub use self::consumer::NextWithin;
pub(crate) use self::delivery::Delivery;
pub use self::delivery::Fetched;
pub use self::handler::{
    FailureCause, HandlerEnd, HandlerFailure, HandlerRun, HandlerSummary, IntoDisposition,
};
pub use self::offset::StreamOffset;
pub use self::start::{Consume, DEFAULT_PREFETCH, WhenOversized, WhenSlow};
pub use crate::message::settlement::{Multiple, Settled};
pub use crate::proto::recovery::Resubscribe;
