//! TLS between TCP and AMQP, by rustls.
//!
//! [`TlsOptions`](crate::TlsOptions) say what is wanted; here it becomes a configuration of rustls
//! and a handshake. The provider of cryptography is always given explicitly, so that another crate's
//! choice of one never matters. Without the feature `rustls` (or one of its parts) no TLS library is
//! compiled, and asking for TLS is an error that says so.

#[cfg(not(feature = "rustls-core"))]
mod absent;
#[cfg(feature = "rustls-core")]
mod client;
#[cfg(feature = "rustls-core")]
mod failure;
mod heard;
#[cfg(feature = "rustls-core")]
mod identity;
#[cfg(feature = "rustls-core")]
pub(crate) mod options;
#[cfg(feature = "rustls-core")]
mod trust;

pub(crate) use self::heard::{Heard, Record};

#[cfg(not(feature = "rustls-core"))]
pub(crate) use self::absent::{Client, of_stream};
#[cfg(feature = "rustls-core")]
pub(crate) use self::{client::Client, failure::of_stream};
