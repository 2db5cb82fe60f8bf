//! What happens because time has passed: heartbeats, a peer that takes nothing, and how often a
//! channel is opened in the place of one that the broker has closed.

pub(crate) mod heartbeat;
pub(crate) mod pace;
pub(crate) mod write_timeout;
