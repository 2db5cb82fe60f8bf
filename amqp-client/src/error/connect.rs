//! Why a connection could not be opened.

use std::fmt;
use std::io;
use std::time::Duration;

use super::ConnectionError;

/// How far the opening of a connection had come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Stage {
    /// Resolving the host name.
    Resolve,
    /// Connecting.
    Tcp,
    /// Waiting for `connection.start` after our protocol header.
    Start,
    /// Logging in: between `connection.start-ok` and `connection.tune`.
    Login,
    /// Opening the virtual host: between `connection.open` and `connection.open-ok`.
    Open,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolve => "resolving the host name",
            Self::Tcp => "connecting",
            Self::Start => "waiting for connection.start",
            Self::Login => "logging in",
            Self::Open => "opening the virtual host",
        })
    }
}

/// Why a connection could not be opened. Never contains the password.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectError {
    /// How far it came.
    pub stage: Stage,
    /// The host and port that were tried.
    pub address: String,
    /// What happened.
    pub cause: ConnectCause,
}

/// What happened when a connection could not be opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectCause {
    /// The URI or an option is not valid.
    Options(crate::uri::UriError),
    /// The operating system reported an error.
    Io(io::Error),
    /// The connection ended while being opened.
    Connection(ConnectionError),
    /// The broker offers none of the mechanisms that could be used; here is what it offers.
    Mechanism(String),
    /// It took longer than the bring-up timeout.
    Timeout(Duration),
}

impl ConnectError {
    /// For adapters: what [`Connection::opened`](crate::Connection::opened) said, with the address.
    pub fn new(stage: Stage, address: impl Into<String>, cause: ConnectCause) -> Self {
        Self {
            stage,
            address: address.into(),
            cause,
        }
    }

    /// What is probably wrong, in a sentence, where that can be told.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        let ConnectCause::Connection(ended) = &self.cause else {
            return None;
        };
        match (self.stage, ended) {
            (Stage::Login, ConnectionError::EndOfStream | ConnectionError::Io(_)) => {
                Some("a broker that closes here has probably refused user name or password")
            }
            (Stage::Start, ConnectionError::Protocol(_)) => {
                Some("is this the AMQP port, without TLS? (5672; 5671 is for TLS, 15672 for HTTP)")
            }
            (Stage::Open, ConnectionError::ClosedByBroker(_)) => {
                Some("does the virtual host exist, and may the user enter it?")
            }
            _ => None,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "cannot connect to {} while {}: ",
            self.address, self.stage
        )?;
        match &self.cause {
            ConnectCause::Options(error) => write!(f, "{error}")?,
            ConnectCause::Io(error) => write!(f, "{error}")?,
            ConnectCause::Connection(error) => write!(f, "{error}")?,
            ConnectCause::Mechanism(offered) => write!(
                f,
                "no authentication mechanism in common; the broker offers {offered:?}"
            )?,
            ConnectCause::Timeout(after) => write!(f, "not done after {} s", after.as_secs_f32())?,
        }
        match self.hint() {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            ConnectCause::Options(error) => Some(error),
            ConnectCause::Io(error) => Some(error),
            ConnectCause::Connection(error) => Some(error),
            ConnectCause::Mechanism(_) | ConnectCause::Timeout(_) => None,
        }
    }
}
