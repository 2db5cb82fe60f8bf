//! What the core is configured with, and what it agrees on with the broker.

mod heartbeat_rule;
mod limits;
mod options;

pub use self::heartbeat_rule::{Heartbeat, HeartbeatRule};
pub use self::limits::Limits;
pub use self::options::WhenBlocked;
pub(crate) use self::options::{CoreOptions, Login};
