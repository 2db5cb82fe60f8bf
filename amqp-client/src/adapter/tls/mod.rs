//! TLS over tokio's streams. What TLS itself is about is in [`tls`](crate::tls); without a feature
//! that begins with `rustls` no TLS library is compiled, and asking for TLS is an error that says
//! so.

#[cfg(not(feature = "rustls-core"))]
mod absent;
#[cfg(feature = "rustls-core")]
mod prepare;
#[cfg(feature = "rustls-core")]
mod stream;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{ConnectionError, TlsError};

#[cfg(not(feature = "rustls-core"))]
pub(super) use self::absent::{Session, Settings, TlsStream, connect, prepare};
#[cfg(feature = "rustls-core")]
pub(super) use self::{
    prepare::prepare,
    stream::{TlsStream, connect},
};
#[cfg(feature = "rustls-core")]
pub(super) use crate::tls::{Session, Settings};

/// Why TLS could not be set up here, before anything was sent.
#[derive(Debug)]
pub(super) struct Unprepared {
    pub(super) error: TlsError,
    /// Another attempt may fare better, since files are read again; otherwise only a change of the
    /// program or its options helps.
    pub(super) may_pass: bool,
}

/// Whether the server has sent any TLS. Can be asked while the two sides still agree.
#[derive(Clone, Debug, Default)]
pub(super) struct Record(Arc<AtomicBool>);

impl Record {
    #[cfg(feature = "rustls-core")]
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_come(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a stream failed, over which TLS may be spoken.
pub(super) fn of_stream(error: io::Error) -> ConnectionError {
    #[cfg(feature = "rustls-core")]
    if let Some(error) = crate::tls::of_io(&error) {
        return ConnectionError::Tls(Arc::new(error));
    }
    ConnectionError::Io(Arc::new(error))
}
