//! How to connect: where, as whom, within which limits.
//!
//! Setters take any value and give the options back; [`ConnectionOptions::validate`], which opening
//! a connection calls first, tells the first one that cannot be. A URI says the same things
//! (`uri`), and so do environment variables.

mod connection;
mod equality;
mod host;
mod hosts;
mod limits;
mod login;
#[cfg(feature = "rustls-core")]
mod rustls;
mod tcp;
mod tls;
mod validate;

pub use self::connection::ConnectionOptions;
#[cfg(feature = "tokio")]
pub(crate) use self::host::Address;
pub use self::host::HostOrder;
pub(crate) use self::host::{Host, without_credentials};
pub use self::tcp::TcpOptions;
pub use self::tls::TlsOptions;
pub(crate) use self::tls::{ServerName, Verify};
