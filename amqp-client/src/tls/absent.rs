//! What is there in place of TLS in a program that was built without it.

use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::{ConnectCause, Stage, TlsError};
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
pub(crate) fn explain(failure: (Stage, ConnectCause)) -> (Stage, ConnectCause) {
    failure
}
