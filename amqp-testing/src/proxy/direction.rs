//! The two ways through the proxy.

/// The way that octets go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// From clients to the broker.
    ToBroker,
    /// From the broker to clients.
    ToClient,
}
