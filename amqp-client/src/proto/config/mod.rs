//! What the core is configured with, and what it agrees on with the broker.
//!
//! | module | what it is about |
//! |---|---|
//! | `options` | what the core is told before it begins |
//! | `heartbeat_rule` | how both sides agree on heartbeats |
//! | `limits` | what both sides have agreed on |

mod heartbeat_rule;
mod limits;
mod options;

pub use self::heartbeat_rule::{Heartbeat, HeartbeatRule};
pub use self::limits::Limits;
pub(crate) use self::options::{CoreOptions, Login};
pub use self::options::{WhenBlocked, WhenDown};
