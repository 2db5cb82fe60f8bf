//! Where a connection stands.
//!
//! ```text
//! Opening ──open-ok──▶ Open ──close from either side, error──▶ Ended
//! ```

/// Where the connection stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    /// The handshake is under way.
    Opening,
    Open,
    /// Nothing is read any more; what is queued (the close exchange) is written, then it is over.
    Ended,
}
