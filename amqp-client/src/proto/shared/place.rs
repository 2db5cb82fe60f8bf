//! Where a connection leads.

// An address and no socket.
use core::net::SocketAddr;

/// Where a connection leads at present: another stream may lead elsewhere.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    /// Of several hosts the one that answered.
    pub(crate) address: String,
    /// What its name was resolved to.
    pub(crate) peer: Option<SocketAddr>,
}
