//! How far one host has been reached, and what is told of it if that fails.

use std::net::SocketAddr;
use std::time::Duration;

use super::step::{Action, Failure};
use crate::error::{Attempt, ConnectCause, ConnectionError, LoginClue, OverTls, Stage, TlsError};

/// What is known of the host that is being tried.
#[derive(Debug)]
pub(super) struct Contact {
    /// What an error names: the host, and until it is its turn all of them.
    pub(super) address: String,
    /// The address that has answered.
    pub(super) peer: Option<SocketAddr>,
    pub(super) over_tls: OverTls,
    pub(super) clue: LoginClue,
}

impl Contact {
    pub(super) fn new(address: String) -> Self {
        Self {
            address,
            peer: None,
            over_tls: OverTls::No,
            clue: LoginClue::Nothing,
        }
    }

    /// The action, for which there was this much time, has failed.
    pub(super) fn failed(&self, action: &Action, failure: Failure, limit: Duration) -> Attempt {
        let is_final = failure.is_final;
        let (stage, cause) = match action {
            // No server has been asked for TLS yet.
            Action::ReadFiles if matches!(failure.cause, ConnectCause::Timeout(_)) => {
                (Stage::Options, failure.cause)
            }
            Action::ReadFiles => (Stage::Tls, failure.cause),
            Action::Ask => (Stage::Options, failure.cause),
            Action::Resolve { .. } => (Stage::Resolve, failure.cause),
            Action::Connect(_) | Action::ConnectLocal => (Stage::Tcp, failure.cause),
            Action::Encrypt { .. } => (Stage::Tls, self.not_encrypted(failure.cause)),
            Action::ShakeHands { .. } => self.not_opened(failure, limit),
        };
        Attempt {
            is_final,
            ..self.attempt(stage, cause)
        }
    }

    /// An attempt that came this far.
    pub(super) fn attempt(&self, stage: Stage, cause: ConnectCause) -> Attempt {
        Attempt {
            peer: self.peer,
            clue: self.clue,
            ..Attempt::new(stage, self.address.clone(), cause)
        }
        .over_tls(self.over_tls)
    }

    /// Before the first record of TLS, what cannot be read is no TLS.
    fn not_encrypted(&self, cause: ConnectCause) -> ConnectCause {
        match (self.over_tls, cause) {
            (OverTls::No, ConnectCause::Tls(TlsError::Damaged(_))) => {
                ConnectCause::Tls(TlsError::NotTls)
            }
            (_, cause) => cause,
        }
    }

    /// With TLS 1.3 a client is done before the server has looked at its certificate: what the
    /// server says of it looks like a failure of the first read.
    fn not_opened(&self, failure: Failure, limit: Duration) -> (Stage, ConnectCause) {
        let stage = failure.stage.unwrap_or(Stage::Start);
        match (self.over_tls, failure.cause) {
            (OverTls::Agreed, ConnectCause::Connection(ConnectionError::Tls(error))) => {
                (Stage::Tls, ConnectCause::Tls((*error).clone()))
            }
            // The core was given what was left of the time; people know the limit.
            (_, ConnectCause::Timeout(_)) => (stage, ConnectCause::Timeout(limit)),
            (_, cause) => (stage, cause),
        }
    }
}
