//! Consuming with a handler: what it returns settles the message, and a panic settles it too.
//!
//! ```text
//! Consumer ──▶ handler(message) ──▶ up to `concurrency` futures ──▶ ack, requeue, reject
//!    │
//!    └──stop, cancel, end──▶ nothing more is taken ──▶ running handlers finish ──▶ HandlerSummary
//! ```
//!
//! Everything happens in the one future that the caller polls: there are no tasks, so that any
//! executor will do. Nothing here knows what AMQP looks like on the wire.
//!
//! | file | what it is about |
//! |---|---|
//! | `run` | the future: what is taken, begun and settled |
//! | `jobs` | the handlers that run |
//! | `unsettled` | a message that a handler has, with the means to settle it |
//! | `ending` | the end of the channel, which nothing is begun behind |
//! | `disposition` | what handlers say, and what is made of it |
//! | `summary` | what was done, and why it ended |

pub(crate) mod disposition;
mod ending;
mod jobs;
mod run;
mod summary;
mod unsettled;

pub(crate) use self::disposition::{Decided, Disposition};
pub use self::disposition::{FailureCause, HandlerFailure, IntoDisposition};
pub use self::ending::HandlerEnd;
pub use self::run::HandlerRun;
pub(crate) use self::run::Report;
pub use self::summary::HandlerSummary;
