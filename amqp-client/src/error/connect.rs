//! Why a connection could not be opened: each attempt, how far it came, and what happened.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use amqp_spec::ReplyCode;

use super::shown::sources;
use super::{BrokerClose, CertificateFault, ConnectCause, Diagnosis, OverTls, Stage, TlsError};
use crate::text::{PAGE, name, page};

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
    /// Why its login may have been refused.
    pub(crate) clue: LoginClue,
}

/// What is known of a login that may be why it is refused.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum LoginClue {
    #[default]
    Nothing,
    /// The password ends with a newline, which is probably not part of it.
    NewlineInPassword,
    /// The user is `guest`.
    #[cfg_attr(
        not(feature = "tokio"),
        allow(dead_code, reason = "told by what dials, which comes with an adapter")
    )]
    Guest,
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
            clue: LoginClue::Nothing,
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
            Some(Diagnosis::WrongCredentials) if self.clue == LoginClue::NewlineInPassword => {
                Some(Diagnosis::NewlineInPassword)
            }
            diagnosis => diagnosis,
        }
    }

    /// What is to be said of RabbitMQ's own user.
    fn about_guest(&self, diagnosis: Diagnosis) -> &'static str {
        match (diagnosis, self.clue) {
            (Diagnosis::WrongCredentials, LoginClue::Guest) => {
                " The user guest may only connect from the broker's host"
            }
            _ => "",
        }
    }

    /// Whether the broker's certificate was not accepted, for a reason that does not pass.
    fn is_of_certificate(&self) -> bool {
        let ConnectCause::Tls(TlsError::Certificate { fault, .. }) = &self.cause else {
            return false;
        };
        *fault != CertificateFault::NotYetValid
    }

    /// Whether it failed over what no later attempt has otherwise, neither here nor at another host.
    fn is_of_options(&self) -> bool {
        self.is_final
            || match &self.cause {
                ConnectCause::Uri(_) | ConnectCause::Options(_) | ConnectCause::NoRuntime => true,
                ConnectCause::Tls(error) => !error.is_retryable(),
                _ => false,
            }
    }

    /// Whether the same attempt may succeed later, or another host may accept it. Not so where the
    /// options are wrong, certificates and keys that the program gave among them, or the broker
    /// refused user, password or virtual host.
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
            ConnectCause::Restore(failure) => failure.cause.is_retryable(),
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
            Some(diagnosis) => write!(f, " ({diagnosis}{})", self.about_guest(diagnosis)),
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
pub(crate) struct AttemptFailures {
    latest: Vec<Attempt>,
    n_attempts: usize,
    furthest: Option<Attempt>,
}

#[cfg(feature = "tokio")]
impl AttemptFailures {
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
    /// For adapters of one's own: how far the opening of a connection came at this address, and
    /// what happened then.
    pub fn new(stage: Stage, address: impl AsRef<str>, cause: ConnectCause) -> Self {
        Self::of(Attempt::new(stage, address.as_ref(), cause))
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

    /// What the broker said when it closed the connection, if it did.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self.cause() {
            ConnectCause::Connection(error) => error.broker_close(),
            ConnectCause::Restore(failure) => failure.cause.broker_close(),
            _ => None,
        }
    }

    /// The reply code with which the broker closed the connection, if it did.
    #[must_use]
    pub fn reply_code(&self) -> Option<ReplyCode> {
        self.broker_close().map(|close| close.reply_code)
    }

    /// Whether the broker refused user or password (403, as for what
    /// [may not be accessed](crate::error::BrokerClose::is_access_refused) later), or hung up in a
    /// way that probably means so, or shares no authentication mechanism with us.
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
    /// in a way that probably means so. Not for a wrong password, though brokers say `403
    /// ACCESS_REFUSED` of it: that is an
    /// [authentication failure](Self::is_authentication_failure).
    #[must_use]
    pub fn is_access_refused(&self) -> bool {
        use Diagnosis::{EmptyVirtualHost, ProbablyVirtualHost};
        use Diagnosis::{VirtualHostNotFound, VirtualHostRefused};
        matches!(
            self.diagnosis(),
            Some(VirtualHostNotFound | EmptyVirtualHost | VirtualHostRefused | ProbablyVirtualHost)
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
            ConnectCause::Restore(failure) => failure.cause.is_timeout(),
            _ => false,
        }
    }

    /// Whether TLS could not be set up or agreed on.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.stage() == Stage::Tls
    }

    /// Whether an attempt failed over options, or over certificates and keys that are no files, so
    /// that each later attempt would fail likewise.
    pub(crate) fn is_of_options(&self) -> bool {
        self.attempts().iter().any(Attempt::is_of_options)
    }

    /// Whether the broker refused the login or the virtual host, or we cannot log in as it wants
    /// it, by the attempt that came furthest. Not where it only hung up.
    pub(crate) fn is_refusal(&self) -> bool {
        let furthest = self.furthest();
        matches!(furthest.cause, ConnectCause::Sasl(_))
            || furthest.diagnosis().is_some_and(Diagnosis::is_final)
    }

    /// Whether trying again later may succeed without a change to the program: no attempt was
    /// refused for good, and one at least failed over something that may pass.
    ///
    /// A certificate of the broker's that was not accepted does not pass, unless it is not valid
    /// yet: the broker needs another one, or the options another authority or name. (The other
    /// hosts are tried all the same: each has a certificate of its own.) What a file of one's own
    /// is wrong about may pass, a file that is missing included: files with certificates and keys
    /// are read anew by each attempt, and replaced while programs run.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        let attempts = self.attempts();
        attempts.iter().all(Attempt::is_retryable)
            && !attempts.iter().all(Attempt::is_of_certificate)
    }
}

/// How many attempts one line shows.
const SHOWN: usize = 8;

/// One line. Of more than eight attempts the latest; with `{:#}` all that are kept, below each
/// other. Where they are long, fewer: a line takes 4096 bytes, the list three times as much.
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
/// returns, and `unwrap` of one that it meets; behind a single attempt what its cause leaves to its
/// sources. The parts with `{:#?}`.
impl fmt::Debug for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            return page(f, &self.0);
        }
        write!(f, "{self:#}")?;
        match self.attempts() {
            [_] => sources(f, self),
            _ => Ok(()),
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
            ConnectCause::Restore(failure) => failure.cause.source(),
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
    fn certificates_that_do_not_pass_are_not_retryable_unless_something_else_is() {
        let of = |fault| {
            let error = Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("invalid"));
            let cause = ConnectCause::Tls(TlsError::Certificate { fault, error });
            Attempt::new(Stage::Tls, "localhost:5671", cause)
        };
        use CertificateFault::{Expired, NotYetValid, UnknownAuthority, WrongName};
        for fault in [Expired, UnknownAuthority, WrongName] {
            // Another host may have a better one.
            assert!(of(fault).is_retryable());
            assert!(!ConnectError::of(of(fault)).is_retryable(), "{fault:?}");
        }
        assert!(ConnectError::of(of(NotYetValid)).is_retryable());
        let cause = ConnectCause::Io(Arc::new(io::ErrorKind::ConnectionRefused.into()));
        let refused = Attempt::new(Stage::Tcp, "localhost:5672", cause);
        assert!(ConnectError::of_all(vec![of(Expired), refused]).is_retryable());
        let missing = ConnectCause::Tls(TlsError::File {
            path: "ca.pem".into(),
            error: Arc::new(io::ErrorKind::NotFound.into()),
        });
        assert!(ConnectError::new(Stage::Tls, "localhost:5671", missing).is_retryable());
    }

    #[test]
    fn what_main_prints_of_it_is_its_text() {
        let cause = ConnectCause::Io(Arc::new(io::ErrorKind::ConnectionRefused.into()));
        let error = ConnectError::new(Stage::Tcp, "localhost:5672", cause);
        assert_eq!(format!("{error:?}"), error.to_string());
        assert!(format!("{error:#?}").contains("stage: Tcp"));
    }
}
