//! The handshake of a connection, and where the caller of `open` waits for its outcome.

pub(crate) mod handshake;
pub(crate) mod outcome;
