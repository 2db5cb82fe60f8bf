//! What is there in place of TLS in a program that was built without it.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Fault;
use crate::error::{ConnectCause, ConnectionError, TlsError};
use crate::options::TlsOptions;

/// A client of TLS that cannot be had.
#[derive(Debug)]
pub(crate) enum TlsClient {}

/// What a client would be made from.
#[derive(Debug)]
pub(crate) enum Settings {}

impl Settings {
    pub(crate) fn client(&self, _: &str) -> Result<TlsClient, TlsError> {
        match *self {}
    }
}

impl TlsClient {
    pub(crate) async fn prepare<'a>(
        _: &TlsOptions,
        _: impl Iterator<Item = &'a str>,
    ) -> Result<Settings, Fault> {
        Err(TlsError::NotBuilt.into())
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
