//! What is there in place of TLS in a program that was built without it.

use super::{Record, Unprepared};
use crate::error::{ConnectCause, TlsError};
use crate::options::TlsOptions;

/// A session that cannot be had.
#[derive(Debug)]
pub(in crate::adapter) enum Session {}

/// A stream with TLS over it, which cannot be had.
pub(in crate::adapter) type TlsStream<S> = S;

/// What a session would be made from.
#[derive(Debug)]
pub(in crate::adapter) enum Settings {}

impl Session {
    pub(in crate::adapter) fn with(settings: &Settings, _: &str) -> Result<Self, TlsError> {
        match *settings {}
    }
}

pub(in crate::adapter) async fn prepare<'a>(
    _: &TlsOptions,
    _: impl Iterator<Item = &'a str>,
) -> Result<Settings, Unprepared> {
    Err(Unprepared {
        error: TlsError::NotBuilt,
        may_pass: false,
    })
}

pub(in crate::adapter) async fn connect<S>(
    session: Session,
    _: S,
    _: Record,
) -> Result<S, ConnectCause> {
    match session {}
}
