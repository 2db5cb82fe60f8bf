//! Why a connection could not be opened: each attempt, how far it came, and what happened.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{ConnectionError, Diagnosis, OptionError, TlsError, UriError};
use crate::sasl::SaslError;
use crate::text::{PAGE, Quoted, line, name, page};

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
    /// It took longer than this, which is the limit that applies to the stage.
    Timeout(Duration),
    /// The address was not tried, for the time of this limit was over before its turn came.
    NotTried(Duration),
}

impl ConnectCause {
    /// Whether we could not answer the broker's `connection.start`.
    fn is_of_login(&self) -> bool {
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

/// One attempt to reach one address, and how it failed. Its text is one line.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// How far it came.
    pub stage: Stage,
    /// The host and port that were tried, as they were configured; for a Unix socket its path.
    pub address: String,
    /// What the host name was resolved to, if it came that far.
    pub peer: Option<SocketAddr>,
    /// What happened.
    pub cause: ConnectCause,
    /// How far TLS had come, for the diagnosis.
    pub(crate) over_tls: OverTls,
    /// Trying again is no use, whatever the cause: what is wrong is with this program.
    pub(crate) is_final: bool,
    /// The password ends with a newline, which is probably not part of it.
    pub(crate) newline_in_password: bool,
}

/// How far TLS had come with a server. From its first record on, nothing that goes wrong is a reason
/// to do without TLS.
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

impl Attempt {
    pub(crate) fn new(stage: Stage, address: impl Into<String>, cause: ConnectCause) -> Self {
        // The broker's offer has come by then: what is in the way is our answer to it.
        let stage = if cause.is_of_login() {
            stage.max(Stage::Login)
        } else {
            stage
        };
        Self {
            stage,
            address: address.into(),
            peer: None,
            cause,
            over_tls: OverTls::No,
            is_final: false,
            newline_in_password: false,
        }
    }

    /// Whether it came to no host: it failed over options, credentials, certificates or keys.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_local(&self) -> bool {
        self.peer.is_none() && matches!(self.stage, Stage::Options | Stage::Tls)
    }

    #[cfg(feature = "tokio")]
    pub(crate) fn over_tls(mut self, over_tls: OverTls) -> Self {
        self.over_tls = over_tls;
        self
    }

    /// What is probably wrong, where that can be told.
    #[must_use]
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        match Diagnosis::of(self.stage, &self.cause, self.over_tls) {
            Some(Diagnosis::WrongCredentials) if self.newline_in_password => {
                Some(Diagnosis::NewlineInPassword)
            }
            diagnosis => diagnosis,
        }
    }

    /// Whether the same attempt may succeed later, or another host may accept it. Not so where the
    /// options are wrong, certificates and keys that the program gave among them, or the broker refused
    /// user, password or virtual host.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match &self.cause {
            _ if self.is_final => false,
            ConnectCause::Uri(_)
            | ConnectCause::Options(_)
            | ConnectCause::NoRuntime
            | ConnectCause::Mechanism { .. }
            | ConnectCause::Sasl(_)
            | ConnectCause::LoginTooLarge { .. } => false,
            ConnectCause::Credentials(_) => true,
            ConnectCause::Tls(error) => error.is_retryable(),
            ConnectCause::Io(_)
            | ConnectCause::Timeout(_)
            | ConnectCause::NotTried(_)
            | ConnectCause::Connection(_) => !self.diagnosis().is_some_and(Diagnosis::is_final),
        }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(&self.address))?;
        match self.peer {
            // An address in place of a name needs no second mention.
            Some(peer) if peer.to_string() != self.address => write!(f, " ({peer})")?,
            _ => {}
        }
        write!(f, " while {}: {}", self.stage, self.cause)?;
        match self.diagnosis() {
            Some(diagnosis) => write!(f, " ({diagnosis})"),
            None => Ok(()),
        }
    }
}

/// Why a connection could not be opened: every attempt, with its host, stage and cause.
///
/// [`stage`](Self::stage), [`address`](Self::address), [`cause`](Self::cause) and
/// [`diagnosis`](Self::diagnosis) are those of the attempt that came furthest, which says most; of
/// several, the last. Nothing in it, its text or its `Debug` is secret. Cheap to clone.
///
/// ```no_run
/// # async fn example() {
/// if let Err(error) = amqp_client::Connection::open("amqp://localhost").await {
///     eprintln!("{error}");
///     for attempt in error.attempts() {
///         eprintln!("{} while {}", attempt.address, attempt.stage);
///     }
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct ConnectError(Arc<Attempts>);

#[derive(Debug)]
struct Attempts {
    /// In the order in which they failed; never empty.
    latest: Vec<Attempt>,
    /// How many there were; only the latest are kept.
    n_attempts: usize,
    furthest: Attempt,
}

/// Who tries for days should not collect the reasons of days.
#[cfg(feature = "tokio")]
const KEPT: usize = 64;

/// Attempts that failed, while others are still to come.
#[cfg(feature = "tokio")]
#[derive(Debug, Default)]
pub(crate) struct Failures {
    latest: Vec<Attempt>,
    n_attempts: usize,
    furthest: Option<Attempt>,
}

#[cfg(feature = "tokio")]
impl Failures {
    /// One that is like the one before and came to no host is what is still wrong here: it is told
    /// once.
    pub(crate) fn push(&mut self, attempt: Attempt) {
        let is_known = |latest: &Attempt| latest.to_string() == attempt.to_string();
        if attempt.is_local() && self.latest.last().is_some_and(is_known) {
            return;
        }
        let furthest = self.furthest.as_ref();
        if furthest.is_none_or(|furthest| furthest.stage <= attempt.stage) {
            self.furthest = Some(attempt.clone());
        }
        if self.latest.len() == KEPT {
            self.latest.remove(0);
        }
        self.latest.push(attempt);
        self.n_attempts += 1;
    }

    /// All of them, of which this is the last.
    pub(crate) fn end_with(mut self, last: Attempt) -> ConnectError {
        self.push(last.clone());
        self.end().unwrap_or_else(|| ConnectError::of(last))
    }

    /// All of them, if there is one.
    pub(crate) fn end(self) -> Option<ConnectError> {
        let furthest = self.furthest?;
        Some(ConnectError(Arc::new(Attempts {
            latest: self.latest,
            n_attempts: self.n_attempts,
            furthest,
        })))
    }
}

impl ConnectError {
    /// For adapters: what [`Connection::opened`](crate::Connection::opened) said, with the address.
    pub fn new(stage: Stage, address: impl Into<String>, cause: ConnectCause) -> Self {
        Self::of(Attempt::new(stage, address, cause))
    }

    pub(crate) fn of(attempt: Attempt) -> Self {
        Self(Arc::new(Attempts {
            latest: vec![attempt.clone()],
            n_attempts: 1,
            furthest: attempt,
        }))
    }

    /// As many attempts as there are here.
    #[cfg(test)]
    pub(crate) fn of_all(latest: Vec<Attempt>) -> Self {
        let (n_attempts, furthest) = (latest.len(), latest.first().cloned());
        let furthest = furthest.unwrap_or_else(|| unreachable!("none"));
        Self(Arc::new(Attempts {
            latest,
            n_attempts,
            furthest,
        }))
    }

    /// Every attempt, in the order in which they failed; at least one, at most the latest 64. A
    /// host whose name has several addresses counts once for each that could not be connected to.
    #[must_use]
    pub fn attempts(&self) -> &[Attempt] {
        &self.0.latest
    }

    /// The attempt that came furthest.
    #[must_use]
    pub fn furthest(&self) -> &Attempt {
        &self.0.furthest
    }

    /// How far it came.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.furthest().stage
    }

    /// The host and port that were tried.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.furthest().address
    }

    /// What happened.
    #[must_use]
    pub fn cause(&self) -> &ConnectCause {
        &self.furthest().cause
    }

    /// What is probably wrong, where that can be told. Its text is the hint in ours.
    #[must_use]
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        self.furthest().diagnosis()
    }

    /// Whether the broker refused user or password, or hung up in a way that probably means so, or
    /// shares no authentication mechanism with us.
    #[must_use]
    pub fn is_authentication_failure(&self) -> bool {
        use Diagnosis::{LoginTooLarge, NewlineInPassword, NoCommonMechanism};
        use Diagnosis::{ProbablyWrongCredentials, WrongCredentials};
        matches!(
            self.diagnosis(),
            Some(
                WrongCredentials
                    | NewlineInPassword
                    | ProbablyWrongCredentials
                    | LoginTooLarge
                    | NoCommonMechanism
            )
        )
    }

    /// Whether the virtual host does not exist or the user may not enter it, or the broker hung up
    /// in a way that probably means so.
    #[must_use]
    pub fn is_access_refused(&self) -> bool {
        use Diagnosis::{ProbablyVirtualHost, VirtualHostNotFound, VirtualHostRefused};
        matches!(
            self.diagnosis(),
            Some(VirtualHostNotFound | VirtualHostRefused | ProbablyVirtualHost)
        )
    }

    /// Whether the server probably does not speak AMQP 0-9-1 at that port, or only behind TLS.
    #[must_use]
    pub fn is_incompatible_protocol(&self) -> bool {
        use Diagnosis::{Amqp10, AnotherVersion, HungUpAtStart, NotAmqp, SameVersion, SpeaksHttp};
        use Diagnosis::{TlsExpected, TlsNotSpoken};
        matches!(
            self.diagnosis(),
            Some(
                NotAmqp
                    | SpeaksHttp
                    | Amqp10
                    | AnotherVersion
                    | SameVersion
                    | TlsExpected
                    | TlsNotSpoken
                    | HungUpAtStart
            )
        )
    }

    /// Whether time ran out, at whatever stage.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self.cause() {
            ConnectCause::Timeout(_) | ConnectCause::NotTried(_) => true,
            ConnectCause::Io(error) => error.kind() == io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    /// Whether TLS could not be set up or agreed on.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.stage() == Stage::Tls
    }

    /// Whether trying again later may succeed without a change of the options or at the broker: no
    /// attempt was refused for good.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.attempts().iter().all(Attempt::is_retryable)
    }
}

/// How many attempts one line shows.
const SHOWN: usize = 8;

/// One line. Of more than eight attempts the latest; with `{:#}` all that are kept, below each other. Where
/// they are long, fewer: a line takes 4096 bytes, the list three times as much.
impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.attempts() {
            [one] if one.stage == Stage::Options => write!(f, "cannot connect: {}", one.cause),
            [one] => write!(f, "cannot connect to {one}"),
            kept => {
                write!(f, "cannot connect, {} attempts failed:", self.0.n_attempts)?;
                let (most, room, between) = match f.alternate() {
                    true => (kept.len(), 3 * PAGE, "\n  "),
                    false => (SHOWN, PAGE, "; "),
                };
                let mut shown: Vec<String> = Vec::new();
                let mut len = 0;
                for text in kept.iter().rev().take(most).map(ToString::to_string) {
                    len += text.len() + between.len();
                    if len > room && !shown.is_empty() {
                        break;
                    }
                    shown.push(text);
                }
                let mut separator = if f.alternate() { between } else { " " };
                if self.0.n_attempts > shown.len() {
                    write!(f, "{separator}…")?;
                    separator = between;
                }
                for one in shown.iter().rev() {
                    write!(f, "{separator}{one}")?;
                    separator = between;
                }
                Ok(())
            }
        }
    }
}

/// The text, each attempt on a line of its own, for that is what `main` prints of an error that it
/// returns, and `unwrap` of one that it meets; the parts with `{:#?}`.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            page(f, &self.0)
        } else {
            write!(f, "{self:#}")
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self.cause() {
            ConnectCause::Uri(error) => error.source(),
            ConnectCause::Options(error) => error.source(),
            ConnectCause::Credentials(error) => error.source(),
            ConnectCause::Sasl(error) => error.source(),
            ConnectCause::Io(error) => error.source(),
            ConnectCause::Tls(error) => error.source(),
            ConnectCause::Connection(error) => error.source(),
            ConnectCause::NoRuntime
            | ConnectCause::Mechanism { .. }
            | ConnectCause::LoginTooLarge { .. }
            | ConnectCause::Timeout(_)
            | ConnectCause::NotTried(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_main_prints_of_it_is_its_text() {
        let cause = ConnectCause::Io(Arc::new(io::ErrorKind::ConnectionRefused.into()));
        let error = ConnectError::new(Stage::Tcp, "localhost:5672", cause);
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(format!("{error:#?}").contains("stage: Tcp"));
    }
}
