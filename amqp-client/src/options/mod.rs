//! What options of connections are set with.
//!
//! [`ConnectionOptions`] and [`TlsOptions`] are at the root of the crate. Here are the order in
//! which hosts are tried ([`HostOrder`]), TCP ([`TcpOptions`]), heartbeats ([`Heartbeat`]), what
//! publishing does while the broker has blocked the connection ([`WhenBlocked`]), what happens when
//! the connection is lost ([`Recovery`]), and what publishing does until it is back ([`WhenDown`]).

// Setters take any value and give the options back; `ConnectionOptions::validate`, which opening a
// connection calls first, tells the first one that cannot be. A URI says the same things (`uri`),
// and so do environment variables.

pub(crate) mod connection;
mod equality;
#[cfg(feature = "serde")]
mod files;
mod host;
mod hosts;
mod limits;
mod login;
#[cfg(feature = "rustls-core")]
mod rustls;
mod tcp;
pub(crate) mod tls;
mod validate;

pub(crate) use self::connection::ConnectionOptions;
#[cfg(any(feature = "serde", feature = "tokio"))]
pub(crate) use self::host::Address;
pub(crate) use self::host::{Host, without_credentials};
pub use self::host::{HostOrder, ToHost};
pub use self::tcp::TcpOptions;
pub(crate) use self::tls::{ServerName, TlsOptions, Verify};
pub use crate::proto::config::{Heartbeat, HeartbeatRule, WhenBlocked, WhenDown};
pub use crate::proto::recovery::{OnFailure, Recovery, Restore};
