//! How far the writing is, which the time of requests depends on.

use std::time::Instant;

/// How far the writing is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Octets that have been written since the connection began.
    pub(crate) written: u64,
    /// When the last of them were, heartbeats apart.
    pub(crate) at: Instant,
}
