//! Why a connection ended.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::{BrokerClose, ConnectError, Initiator, TlsError, Violation, debug_is_text};
use crate::text::line;

/// Why a connection ended. Cheap to clone; every handle of the connection reports the same.
///
/// ```no_run
/// use amqp_client::{Connection, ConnectionError};
///
/// # async fn example(connection: Connection) {
/// match connection.closed().await {
///     ConnectionError::Closed => println!("as we wanted"),
///     ConnectionError::ClosedByBroker(close) => println!("the broker: {}", close.reply_text),
///     lost => println!("{lost}; again: {}", lost.is_retryable()),
/// }
/// # }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The program closed it. Messages accepted before were written.
    Closed,
    /// The broker closed it, and said why. Publishes that are not confirmed may have been routed.
    ClosedByBroker(Arc<BrokerClose>),
    /// The broker broke the protocol, or something between us and it damaged the stream.
    Protocol(Arc<Violation>),
    /// Nothing was heard from the broker for this long. Publishes that are not confirmed may have
    /// been routed.
    HeartbeatTimeout(Duration),
    /// The operating system reported an error. Publishes that are not confirmed may have been
    /// routed.
    Io(Arc<io::Error>),
    /// TLS failed: the broker ended it with an alert, or what came was not as it was sent.
    /// Publishes that are not confirmed may have been routed.
    Tls(Arc<TlsError>),
    /// The broker ended the stream without a word.
    EndOfStream,
    /// The program closed it, and the rest was not written in time, or the broker did not answer in
    /// time.
    CloseTimeout {
        /// Bytes of what was accepted before and not written; 0 if the broker did not answer.
        unwritten_bytes: usize,
        /// Messages of which not all was written.
        unwritten_messages: u64,
    },
    /// The broker had blocked the connection for longer than
    /// [`blocked_connection_timeout`](crate::ConnectionOptions::blocked_connection_timeout).
    /// Publishes that are not confirmed may be routed once the alarm is over: RabbitMQ reads what
    /// it was sent before.
    BlockedTimeout {
        /// Why it was blocked, in the broker's words.
        reason: Arc<str>,
        /// The limit.
        after: Duration,
    },
    /// Nothing of what was to be written left for this long, although the broker announced no alarm
    /// ([`write_timeout`](crate::ConnectionOptions::write_timeout)). Publishes that are not
    /// confirmed may have been routed.
    WriteTimeout(Duration),
    /// The task or thread that drove the connection is gone: its runtime was shut down.
    DriverGone,
    /// The connection was lost and has not come back as it was: the policy
    /// ([`Recovery`](crate::options::Recovery)) has no further attempt, or what failed is no use to try
    /// again. Publishes that are not confirmed may have been routed.
    #[non_exhaustive]
    NotRecovered {
        /// Why the connection was lost.
        lost: Arc<Self>,
        /// What became of the last attempt that failed. `None` if none did: each succeeded, and
        /// the connection was lost again within 10 s.
        last: Option<ConnectError>,
        /// How many attempts there were.
        attempts: u32,
    },
}

impl ConnectionError {
    pub(crate) fn closed_by_us() -> Self {
        Self::Closed
    }

    /// Who ended it. Of one that [was not recovered](Self::NotRecovered) by whom it was lost.
    #[must_use]
    pub fn initiator(&self) -> Initiator {
        match self {
            Self::Closed | Self::CloseTimeout { .. } | Self::DriverGone => Initiator::Application,
            Self::Protocol(_)
            | Self::HeartbeatTimeout(_)
            | Self::WriteTimeout(_)
            | Self::BlockedTimeout { .. } => Initiator::Library,
            Self::Tls(error) if !error.is_of_broker() => Initiator::Library,
            Self::ClosedByBroker(_) | Self::Io(_) | Self::Tls(_) | Self::EndOfStream => {
                Initiator::Broker
            }
            Self::NotRecovered { lost, .. } => lost.initiator(),
        }
    }

    /// What the broker said, if it said something. Of one that
    /// [was not recovered](Self::NotRecovered) what it said to the last attempt, if one failed.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::ClosedByBroker(close) => Some(close),
            Self::NotRecovered { lost, last, .. } => match last {
                Some(last) => last.broker_close(),
                None => lost.broker_close(),
            },
            _ => None,
        }
    }

    /// Whether TLS failed.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Tls(_) => true,
            Self::NotRecovered { lost, last, .. } => last
                .as_ref()
                .map_or_else(|| lost.is_tls(), ConnectError::is_tls),
            _ => false,
        }
    }
}

impl ConnectionError {
    /// The same, as it is told to an operation that is not known to have provoked it.
    pub(crate) fn for_bystander(&self) -> Self {
        match self {
            Self::ClosedByBroker(close) => Self::ClosedByBroker(close.for_bystander()),
            Self::NotRecovered {
                lost,
                last,
                attempts,
            } => Self::NotRecovered {
                lost: Arc::new(lost.for_bystander()),
                last: last.clone(),
                attempts: *attempts,
            },
            error => error.clone(),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("connection closed by the application"),
            Self::ClosedByBroker(close) => write!(f, "connection closed by the broker: {close}"),
            Self::Protocol(violation) => write!(f, "connection closed: {violation}"),
            Self::HeartbeatTimeout(silence) => {
                write!(
                    f,
                    "connection lost: nothing heard for {}",
                    Seconds(*silence)
                )
            }
            Self::Io(error) => write!(f, "connection lost: {}", line(&error.to_string())),
            Self::Tls(error) => write!(f, "connection lost: {error}"),
            Self::EndOfStream => f.write_str("connection lost: the broker ended the stream"),
            Self::CloseTimeout {
                unwritten_bytes: 0, ..
            } => f.write_str("no answer to connection.close in time"),
            Self::CloseTimeout {
                unwritten_bytes,
                unwritten_messages,
            } => write!(
                f,
                "connection closed before everything was written: {unwritten_bytes} bytes, \
                 {unwritten_messages} messages were left"
            ),
            Self::BlockedTimeout { reason, after } => write!(
                f,
                "connection given up: blocked by the broker for {} s: {}",
                after.as_secs_f32(),
                line(reason)
            ),
            Self::WriteTimeout(after) => write!(
                f,
                "connection lost: the broker took nothing for {}",
                Seconds(*after)
            ),
            Self::DriverGone => f.write_str("connection lost: its task was shut down"),
            Self::NotRecovered {
                lost,
                last,
                attempts,
            } => {
                let plural = if *attempts == 1 { "" } else { "s" };
                write!(f, "{lost}; not recovered in {attempts} attempt{plural}: ")?;
                match last {
                    Some(last) => write!(f, "{last}"),
                    None => f.write_str("each connection was lost again soon"),
                }
            }
        }
    }
}

/// A time that was measured, to a tenth of a second.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.as_millis().saturating_add(50) / 100;
        match tenths % 10 {
            0 => write!(f, "{} s", tenths / 10),
            tenth => write!(f, "{}.{tenth} s", tenths / 10),
        }
    }
}

debug_is_text!(ConnectionError {
    Closed,
    ClosedByBroker(close),
    Protocol(violation),
    HeartbeatTimeout(silence),
    Io(error),
    Tls(error),
    EndOfStream,
    CloseTimeout { unwritten_bytes, unwritten_messages },
    BlockedTimeout { reason, after },
    WriteTimeout(after),
    DriverGone,
    NotRecovered { lost, last, attempts },
});

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            Self::Tls(error) => error.source(),
            Self::Protocol(violation) => violation.source(),
            Self::NotRecovered { last, .. } => last.as_ref()?.source(),
            _ => None,
        }
    }
}

impl From<TlsError> for ConnectionError {
    fn from(error: TlsError) -> Self {
        Self::Tls(Arc::new(error))
    }
}

impl From<Violation> for ConnectionError {
    fn from(violation: Violation) -> Self {
        Self::Protocol(Arc::new(violation))
    }
}

#[cfg(test)]
mod tests {
    use amqp_spec::ReplyCode;

    use super::*;
    use crate::error::{ChannelError, ConnectCause, Entity, EntityFailure, Outcome, Stage};

    fn closed(code: u16, text: &str) -> ConnectionError {
        ConnectionError::ClosedByBroker(Arc::new(BrokerClose::new(0, code, text)))
    }

    fn failed(stage: Stage, cause: ConnectCause) -> ConnectError {
        ConnectError::new(stage, "broker:5672", cause)
    }

    fn not_recovered(
        lost: ConnectionError,
        last: impl Into<Option<ConnectError>>,
    ) -> ConnectionError {
        ConnectionError::NotRecovered {
            lost: Arc::new(lost),
            last: last.into(),
            attempts: 3,
        }
    }

    fn restore(cause: ConnectionError) -> ConnectError {
        let failure = EntityFailure::new(Entity::Queue("orders".into()), cause);
        failed(Stage::Restore, ConnectCause::Restore(Arc::new(failure)))
    }

    #[test]
    fn what_was_not_recovered_tells_the_loss_and_the_last_attempt() {
        let refused: ConnectCause = io::Error::from(io::ErrorKind::ConnectionRefused).into();
        let last = failed(Stage::Tcp, refused);
        let error = not_recovered(ConnectionError::EndOfStream, last.clone());
        let expected = format!(
            "connection lost: the broker ended the stream; not recovered in 3 attempts: {last}"
        );
        assert_eq!(error.to_string(), expected);
        let one = ConnectionError::NotRecovered {
            lost: Arc::new(ConnectionError::EndOfStream),
            last: None,
            attempts: 1,
        };
        assert_eq!(
            one.to_string(),
            "connection lost: the broker ended the stream; not recovered in 1 attempt: each \
             connection was lost again soon"
        );
        let error = not_recovered(
            ConnectionError::EndOfStream,
            restore(ConnectionError::HeartbeatTimeout(Duration::from_secs(9))),
        );
        assert!(
            error.to_string().ends_with(
                "cannot connect to broker:5672 while restoring what it had before: queue \
                 'orders': connection lost: nothing heard for 9 s"
            ),
            "{error}"
        );
    }

    #[test]
    fn what_was_not_recovered_answers_for_the_last_attempt_that_failed() {
        let silent = ConnectionError::HeartbeatTimeout(Duration::from_secs(9));
        let wrong = closed(403, "ACCESS_REFUSED - Login was refused");
        let login = failed(Stage::Login, ConnectCause::Connection(wrong));
        let error = not_recovered(silent.clone(), login);
        assert!(!error.is_timeout() && !error.is_retryable() && error.is_access_refused());
        assert_eq!(
            error.broker_close().unwrap().reply_code,
            ReplyCode::ACCESS_REFUSED
        );
        assert_eq!(error.initiator(), Initiator::Library);

        // None failed: it answers for the loss.
        let error = not_recovered(silent.clone(), None);
        assert!(error.is_timeout() && error.is_retryable());
        assert!(error.broker_close().is_none());
        let error = not_recovered(closed(320, "CONNECTION_FORCED"), None);
        assert_eq!(
            error.broker_close().unwrap().reply_code,
            ReplyCode::CONNECTION_FORCED
        );
        assert_eq!(error.initiator(), Initiator::Broker);

        let tls = TlsError::NotTls;
        let last = failed(Stage::Tls, ConnectCause::Tls(tls));
        assert!(not_recovered(silent.clone(), last).is_tls());
        assert!(!not_recovered(silent, None).is_tls());
        let lost = ConnectionError::Tls(Arc::new(TlsError::NotTls));
        assert!(not_recovered(lost, None).is_tls());
    }

    #[test]
    fn what_could_not_be_restored_answers_for_its_cause() {
        let error = restore(closed(503, "COMMAND_INVALID - unknown exchange type 'x'"));
        assert_eq!(error.reply_code(), Some(ReplyCode::COMMAND_INVALID));
        assert!(!error.is_retryable() && !error.is_timeout() && error.diagnosis().is_none());
        assert!(!error.is_access_refused() && !error.is_authentication_failure());
        let failure = EntityFailure::new(
            Entity::Queue("orders".into()),
            ChannelError::Timeout {
                method: "queue.declare",
            },
        );
        let error = failed(Stage::Restore, ConnectCause::Restore(Arc::new(failure)));
        assert!(error.is_timeout() && error.is_retryable());
        assert!(error.broker_close().is_none());
        assert_eq!(error.stage(), Stage::Restore);
    }

    #[test]
    fn what_the_broker_said_to_an_attempt_is_not_about_the_operation() {
        let mut close = BrokerClose::new(0, 403, "ACCESS_REFUSED");
        close.method = Some(amqp_spec::wire::MethodId::new(50, 10));
        let provoked = ConnectionError::ClosedByBroker(Arc::new(close));
        let last = failed(Stage::Open, ConnectCause::Connection(provoked.clone()));
        for error in [
            not_recovered(ConnectionError::EndOfStream, last),
            not_recovered(provoked.clone(), None),
        ] {
            assert_eq!(ChannelError::Connection(error).outcome(), Outcome::Unknown);
        }
        let error = not_recovered(provoked, None).for_bystander();
        assert!(error.broker_close().unwrap().bystander);
    }
}
