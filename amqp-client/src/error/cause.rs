//! What happened when a connection could not be opened, and how far the opening had come.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{ConnectionError, EntityFailure, OptionError, TlsError, UriError};
use crate::sasl::SaslError;
use crate::text::{Quoted, line};

/// How far the opening of a connection had come. Later stages compare greater.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the URI and the options. Nothing was sent anywhere.
    Options,
    /// Resolving the host name.
    Resolve,
    /// Connecting the socket.
    Tcp,
    /// Agreeing on TLS, before the first octet of AMQP.
    Tls,
    /// Waiting for `connection.start` after our protocol header.
    Start,
    /// Logging in: between `connection.start-ok` and `connection.tune`.
    Login,
    /// Agreeing on limits and opening the virtual host: between `connection.tune-ok` and
    /// `connection.open-ok`.
    Open,
    /// Restoring what the connection had before it was lost: channels, what was declared,
    /// consumers. Never of a first connection.
    Restore,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Options => "reading the options",
            Self::Resolve => "resolving the host name",
            Self::Tcp => "connecting",
            Self::Tls => "agreeing on TLS",
            Self::Start => "waiting for connection.start",
            Self::Login => "logging in",
            Self::Open => "opening the virtual host",
            Self::Restore => "restoring what it had before",
        })
    }
}

/// What happened when a connection could not be opened.
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectCause {
    /// The URI is not valid. Nothing was tried.
    Uri(UriError),
    /// An option has a value that it cannot have. Nothing was tried.
    Options(OptionError),
    /// There is no tokio runtime here that could drive the connection. Nothing was tried.
    NoRuntime,
    /// The source of credentials had none.
    Credentials(Arc<dyn std::error::Error + Send + Sync>),
    /// The operating system reported an error.
    Io(Arc<io::Error>),
    /// TLS could not be set up, or the two sides did not agree on it.
    Tls(TlsError),
    /// The connection ended while being opened.
    Connection(ConnectionError),
    /// The broker offers none of the mechanisms that may be used.
    Mechanism {
        /// What the broker offers, as it says it: `AMQPLAIN PLAIN`.
        offered: String,
        /// What may be used, in order of preference.
        wanted: String,
    },
    /// The mechanism gave up.
    Sasl(SaslError),
    /// Credentials and client properties take more than the broker takes at login. They were not
    /// sent: RabbitMQ would hang up without a word. Most often a token is too long; RabbitMQ takes
    /// 4096 octets in all, from 4.1 on 8192.
    LoginTooLarge {
        /// What they take, in octets.
        size: usize,
        /// What the broker takes, in octets.
        limit: usize,
    },
    /// The connection was opened, and this could not be restored: it was not answered in time, the
    /// connection ended over it, or [`Recovery::on_failure`](crate::options::Recovery::on_failure) decided
    /// that the attempt ends there.
    Restore(Arc<EntityFailure>),
    /// It took longer than this, which is the limit that applies to the stage.
    Timeout(Duration),
    /// The address was not tried, for the time of this limit was over before its turn came.
    NotTried(Duration),
}

impl ConnectCause {
    /// Whether we could not answer the broker's `connection.start`.
    pub(super) fn is_of_login(&self) -> bool {
        matches!(
            self,
            Self::Mechanism { .. } | Self::Sasl(_) | Self::LoginTooLarge { .. }
        )
    }
}

/// Of what the broker says the beginning.
impl fmt::Debug for ConnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, shown): (_, &dyn fmt::Debug) = match self {
            Self::NoRuntime => return f.write_str("NoRuntime"),
            Self::Mechanism { offered, wanted } => {
                return f
                    .debug_struct("Mechanism")
                    .field("offered", &Quoted(offered))
                    .field("wanted", &Quoted(wanted))
                    .finish();
            }
            Self::LoginTooLarge { size, limit } => {
                return f
                    .debug_struct("LoginTooLarge")
                    .field("size", size)
                    .field("limit", limit)
                    .finish();
            }
            Self::Uri(error) => ("Uri", error),
            Self::Options(error) => ("Options", error),
            Self::Credentials(error) => ("Credentials", error),
            Self::Io(error) => ("Io", error),
            Self::Tls(error) => ("Tls", error),
            Self::Connection(error) => ("Connection", error),
            Self::Sasl(error) => ("Sasl", error),
            Self::Restore(failure) => ("Restore", failure),
            Self::Timeout(after) => ("Timeout", after),
            Self::NotTried(limit) => ("NotTried", limit),
        };
        f.debug_tuple(name).field(shown).finish()
    }
}

impl fmt::Display for ConnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uri(error) => write!(f, "{error}"),
            Self::Options(error) => write!(f, "{error}"),
            Self::NoRuntime => f.write_str(
                "there is no tokio runtime here: use #[tokio::main], or Runtime::block_on or ::enter",
            ),
            Self::Credentials(error) => {
                write!(f, "no credentials: {}", line(&error.to_string()))
            }
            Self::Io(error) => f.write_str(&line(&error.to_string())),
            Self::Tls(error) => write!(f, "{error}"),
            Self::Connection(error) => write!(f, "{error}"),
            Self::Mechanism { offered, wanted } => write!(
                f,
                "no authentication mechanism in common; the broker offers {:?}, the client has {:?}",
                Quoted(offered),
                Quoted(wanted)
            ),
            Self::Sasl(error) => write!(f, "{error}"),
            Self::LoginTooLarge { size, limit } => write!(
                f,
                "credentials and client properties take {size} octets, the broker takes {limit}"
            ),
            Self::Restore(failure) => write!(f, "{failure}"),
            Self::Timeout(after) => write!(f, "not done after {} s", after.as_secs_f32()),
            Self::NotTried(limit) => write!(
                f,
                "not tried: the limit of {} s was reached before",
                limit.as_secs_f32()
            ),
        }
    }
}

impl From<io::Error> for ConnectCause {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// How far TLS had come with a server. From its first record on, nothing that goes wrong is a
/// reason to do without TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OverTls {
    /// Not asked for, or not answered, or not known.
    No,
    /// The server has sent a record.
    #[cfg_attr(
        not(feature = "tokio"),
        expect(dead_code, reason = "the adapter says it")
    )]
    Answered,
    /// The two sides have agreed.
    Agreed,
}
