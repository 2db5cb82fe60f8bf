//! What both sides have agreed on.

use std::time::Duration;

/// What both sides agreed on when the connection was opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The most channels that may be open at once.
    pub channel_max: u16,
    /// The largest frame that may be sent, in octets.
    pub frame_max: u32,
    /// After how much silence the connection counts as dead; zero: never.
    pub heartbeat: Duration,
}
