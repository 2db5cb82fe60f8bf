//! What is there in place of TLS in a program that was built without it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{ConnectCause, ConnectionError, TlsError};
use crate::options::TlsOptions;

/// A client of TLS that cannot be had.
#[derive(Debug)]
pub(crate) enum Client {}

impl Client {
    pub(crate) async fn prepare(_: &TlsOptions, _: &str) -> Result<Self, TlsError> {
        Err(TlsError::NotBuilt)
    }

    pub(crate) async fn connect<S>(self, _: S) -> Result<S, ConnectCause>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match self {}
    }
}

/// With TLS, errors of the stream may be errors of TLS.
pub(crate) fn of_stream(error: io::Error) -> ConnectionError {
    ConnectionError::Io(error.into())
}
