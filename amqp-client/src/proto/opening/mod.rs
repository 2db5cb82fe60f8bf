//! The opening of a connection.
//!
//! | module | what it is about |
//! |---|---|
//! | `handshake` | what the broker says, and what is answered |
//! | `tuning` | what both sides agree on |
//! | `outcome` | where the caller of `open` waits |

pub(crate) mod handshake;
pub(crate) mod outcome;
mod tuning;
