//! TLS between TCP and AMQP, by rustls.
//!
//! [`TlsOptions`](crate::TlsOptions) say what is wanted; here it becomes a configuration of rustls
//! and a handshake. The provider of cryptography is always given explicitly, so that another
//! crate's choice of one never matters. Without the feature `rustls` (or one of its parts) no TLS
//! library is compiled, and asking for TLS is an error that says so.

#[cfg(not(feature = "rustls-core"))]
mod absent;
#[cfg(feature = "rustls-core")]
mod client;
#[cfg(feature = "rustls-encrypted-keys")]
mod decrypt;
#[cfg(feature = "rustls-core")]
mod failure;
#[cfg(feature = "rustls-core")]
mod forms;
mod heard;
#[cfg(feature = "rustls-core")]
mod identity;
#[cfg(feature = "rustls-core")]
mod pem;
#[cfg(feature = "rustls-core")]
mod trust;

use crate::error::TlsError;

pub(crate) use self::heard::{Heard, Record};

#[cfg(not(feature = "rustls-core"))]
pub(crate) use self::absent::{Settings, TlsClient, of_stream};
#[cfg(feature = "rustls-core")]
pub(crate) use self::{client::Settings, client::TlsClient, failure::of_stream};

/// Why TLS could not be set up here, before anything was sent.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: TlsError,
    /// Another attempt may fare better, since files are read again; otherwise only a change of the
    /// program or its options helps.
    pub(crate) may_pass: bool,
}

impl From<TlsError> for Fault {
    fn from(error: TlsError) -> Self {
        Self {
            error,
            may_pass: false,
        }
    }
}

/// Where certificates or keys come from.
#[cfg(feature = "rustls-core")]
#[derive(Clone, Copy, Debug)]
enum PemSource<'a> {
    File(&'a std::path::Path),
    /// The program gave them, as this.
    Given(&'static str),
}

#[cfg(feature = "rustls-core")]
impl PemSource<'_> {
    fn fault(self, error: TlsError) -> Fault {
        Fault {
            error,
            may_pass: matches!(self, Self::File(_)),
        }
    }
}

#[cfg(feature = "rustls-core")]
impl std::fmt::Display for PemSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Given(what) => f.write_str(what),
        }
    }
}
