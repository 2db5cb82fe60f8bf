//! TLS between a stream and AMQP, by rustls, without input and output.
//!
//! [`TlsOptions`](crate::TlsOptions) say what is wanted; here it becomes a configuration of rustls
//! and a [`Session`], which drivers of one's own put between their stream and the core, as the page
//! of [`proto`](crate::proto) shows. What connects by itself does so on its own.
//!
//! The provider of cryptography is always given explicitly, so that another crate's choice of one
//! never matters.

#[cfg(feature = "rustls-encrypted-keys")]
mod decrypt;
mod failure;
mod forms;
mod heard;
mod identity;
mod pem;
mod session;
mod settings;
mod trust;

use crate::error::TlsError;

pub use self::session::Session;
#[cfg(feature = "tokio")]
pub(crate) use self::{failure::of_io, settings::Settings};

/// Why TLS could not be set up here, before anything was sent.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) error: TlsError,
    /// Another attempt may fare better, since files are read again; otherwise only a change of the
    /// program or its options helps.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(dead_code, reason = "for adapters that try again")
    )]
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
#[derive(Clone, Copy, Debug)]
enum PemSource<'a> {
    File(&'a std::path::Path),
    /// The program gave them, as this.
    Given(&'static str),
}

impl PemSource<'_> {
    fn fault(self, error: TlsError) -> Fault {
        Fault {
            error,
            may_pass: matches!(self, Self::File(_)),
        }
    }
}

impl std::fmt::Display for PemSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Given(what) => f.write_str(what),
        }
    }
}
