//! One error for all that this library returns, so that `?` needs no second type.
//!
//! It adds nothing to what it holds: text, sources and answers are those of the error within.

use std::fmt;
use std::io;
use std::str::Utf8Error;
use std::sync::Arc;

use amqp_spec::frame::{FrameError, FrameTooLarge};
use amqp_spec::wire::{DecodeError, NotRepresentable, TooLong};

use crate::error::{ArgumentError, BrokerClose, NameTooLong, OptionError, TlsError, UriError};
use crate::error::{ChannelError, ConnectError, ConnectionError, ConsumeError, PublishError};
use crate::error::{EnvironmentError, FrameOverflow, Outcome, Violation};
use crate::error::{answers_for_the_broker, text_and_sources};
use crate::publish::Unconfirmed;
use crate::rpc;
use crate::sasl::{SaslError, UnknownMechanism};

/// Any error of this library, for programs that tell them apart by what they mean rather than by
/// where they come from.
///
/// `?` turns every error that this library returns into one. Text and sources are those of the
/// error within, and so are the answers to the questions. Cheap to clone.
///
/// `main` may return it: what is printed then is its text and what is behind it, in one line; of
/// several attempts to connect, each has a line of its own.
///
/// ```no_run
/// use amqp_client::{Connection, QueueDeclare};
///
/// type Result<T> = std::result::Result<T, amqp_client::Error>;
///
/// async fn depth(uri: &str, queue: &str) -> Result<Option<u32>> {
///     let connection = Connection::open(uri).await?; // a ConnectError
///     let channel = connection.open_channel().await?; // a ChannelError
///     let depth = match channel.queue_declare(QueueDeclare::new(queue).passive()).await {
///         Ok(queue) => Some(queue.message_count),
///         Err(error) if error.is_not_found() => None,
///         Err(error) => return Err(error.into()),
///     };
///     connection.close().await?; // a ConnectionError
///     Ok(depth)
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<()> {
///     match depth("amqp://localhost", "orders").await {
///         Err(error) if error.is_retryable() => println!("later, perhaps: {error}"),
///         depth => println!("{:?}", depth?),
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// A connection could not be opened.
    Connect(ConnectError),
    /// A connection ended.
    Connection(ConnectionError),
    /// An operation on a channel failed, or the channel ended; the arguments of a call among it.
    Channel(ChannelError),
    /// A message was not confirmed.
    Publish(PublishError),
    /// Of several messages not all were confirmed.
    Unconfirmed(Box<Unconfirmed>),
    /// A consumer receives nothing more.
    Consume(ConsumeError),
    /// A call has no reply.
    Rpc(rpc::Error),
    /// A URI was not understood.
    Uri(UriError),
    /// An environment variable was not understood.
    Environment(EnvironmentError),
    /// An option has a value that it cannot have.
    Options(OptionError),
    /// TLS could not be set up or agreed on.
    Tls(Box<TlsError>),
    /// A login was given up on our side.
    Sasl(SaslError),
    /// No mechanism of that name is built in.
    Mechanism(UnknownMechanism),
    /// A body or a name is not UTF-8.
    Text(Utf8Error),
    /// A string is longer than its type on the wire.
    TooLong(TooLong),
    /// A value is not one that AMQP can carry.
    Value(NotRepresentable),
    /// Octets that were to be decoded are not what they should be.
    Decode(Box<DecodeError>),
    /// Octets are not a frame.
    Frame(FrameError),
}

/// Does the same for whatever is within; every error there has all that is asked of it.
macro_rules! within {
    ($error:expr, $variant:ident, $inner:ident => $does:expr) => {
        within!(@each $error, $variant, $inner, $does,
            Connect Connection Channel Publish Unconfirmed Consume Rpc Uri Environment Options Tls
            Sasl Mechanism Text TooLong Value Decode Frame
        )
    };
    (@each $error:expr, $variant:ident, $inner:ident, $does:expr, $($held:ident)+) => {
        match $error {$(
            Error::$held($inner) => {
                let $variant = stringify!($held);
                $does
            }
        )+}
    };
}

impl Error {
    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::Connect(error) => error.broker_close(),
            Self::Connection(error) => error.broker_close(),
            Self::Channel(error) => error.broker_close(),
            Self::Publish(error) => error.broker_close(),
            Self::Unconfirmed(error) => error.broker_close(),
            Self::Consume(error) => error.broker_close(),
            Self::Rpc(error) => error.broker_close(),
            _ => None,
        }
    }

    /// The broker refused access: see [`ConnectError::is_access_refused`] where a connection could
    /// not be opened, else [`BrokerClose::is_access_refused`]. Not for a wrong password, though the
    /// broker's code is the same, 403: that is an
    /// [authentication failure](Self::is_authentication_failure).
    #[must_use]
    pub fn is_access_refused(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_access_refused(),
            error => {
                let close = error.broker_close();
                close.is_some_and(BrokerClose::is_access_refused)
            }
        }
    }

    /// The broker refused user or password when a connection was to be opened: see
    /// [`ConnectError::is_authentication_failure`].
    #[must_use]
    pub fn is_authentication_failure(&self) -> bool {
        matches!(self, Self::Connect(error) if error.is_authentication_failure())
    }

    /// Whether a time was up, as the error within answers it.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_timeout(),
            Self::Connection(error) => error.is_timeout(),
            Self::Channel(error) => error.is_timeout(),
            Self::Publish(error) => error.is_timeout(),
            Self::Unconfirmed(error) => error.is_timeout(),
            Self::Consume(error) => error.is_timeout(),
            Self::Rpc(error) => error.is_timeout(),
            _ => false,
        }
    }

    /// This library's error in a chain: the first that is one, of the error given and its
    /// [sources](std::error::Error::source). For errors that are collected by
    /// `Box<dyn std::error::Error>`, `anyhow` or `eyre`, which keep the error that a call returned,
    /// not an `amqp_client::Error`, so that `downcast_ref` would have to be asked for each.
    ///
    /// ```
    /// use std::error::Error;
    ///
    /// fn is_worth_another_try(error: &(dyn Error + 'static)) -> bool {
    ///     amqp_client::Error::find(error).is_some_and(|error| error.is_retryable())
    /// }
    ///
    /// let error: Box<dyn Error> = amqp_client::ConnectionError::EndOfStream.into();
    /// assert!(is_worth_another_try(&*error));
    /// ```
    #[must_use]
    pub fn find(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = Self::of(error) {
                return Some(found);
            }
            next = match error.downcast_ref::<io::Error>() {
                // What it wraps is no source of its own.
                Some(error) => error
                    .get_ref()
                    .map(|inner| inner as &(dyn std::error::Error + 'static)),
                None => error.source(),
            };
        }
        None
    }

    /// Whether the same may succeed later without a change to the program, as the error within
    /// answers it. Never so for what is wrong with a value: an option, a URI, a text.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect(error) => error.is_retryable(),
            Self::Connection(error) => error.is_retryable(),
            Self::Channel(error) => error.is_retryable(),
            Self::Publish(error) => error.is_retryable(),
            Self::Unconfirmed(error) => error.is_retryable(),
            Self::Consume(error) => error.is_retryable(),
            Self::Rpc(error) => error.is_retryable(),
            Self::Tls(error) => error.is_retryable(),
            _ => false,
        }
    }

    /// What became of the operation that failed, as the error within answers it; `None` where there
    /// was none that the broker could have carried out: a connection that was not opened or has
    /// ended, a consumer that has ended, a value that is wrong.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Channel(error) => Some(error.outcome()),
            Self::Publish(error) => Some(error.outcome()),
            Self::Unconfirmed(error) => Some(error.outcome()),
            Self::Rpc(error) => Some(error.outcome()),
            _ => None,
        }
    }
}

answers_for_the_broker! { @all_but_access Error }

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        within!(self, _variant, error => fmt::Display::fmt(error, f))
    }
}

/// The text and what is behind it, for `main` and `unwrap`; the parts with `{:#?}`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            _ if f.alternate() => {
                within!(self, variant, error => f.debug_tuple(variant).field(error).finish())
            }
            // One attempt below the other.
            Self::Connect(error) => fmt::Debug::fmt(error, f),
            error => text_and_sources(f, error),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        within!(self, _variant, error => error.source())
    }
}

/// Where each error is held, and what it passes through on its way there.
macro_rules! held {
    ($($error:ty: $variant:ident $(, $by:expr)?;)+) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                $(let error = $by(error);)?
                Self::$variant(error)
            }
        }
    )+

        /// Compiles if `from_errors!` has all of them.
        #[cfg(test)]
        fn become_a_program_s() {
            fn becomes<E>() where tests::Program: From<E> {}
            $(becomes::<$error>();)+
        }

    impl Error {
        /// The error itself, if it is one of those that are held.
        fn of(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
            if let Some(error) = error.downcast_ref::<Self>() {
                return Some(error.clone());
            }
            $(
                if let Some(error) = error.downcast_ref::<$error>() {
                    return Some(error.clone().into());
                }
            )+
            error.downcast_ref::<BrokerClose>().map(|close| close.clone().into())
        }
    }};
}

held! {
    ConnectError: Connect;
    ConnectionError: Connection;
    ChannelError: Channel;
    PublishError: Publish;
    Unconfirmed: Unconfirmed, Box::new;
    ConsumeError: Consume;
    rpc::Error: Rpc;
    UriError: Uri;
    EnvironmentError: Environment;
    OptionError: Options;
    TlsError: Tls, Box::new;
    SaslError: Sasl;
    UnknownMechanism: Mechanism;
    TooLong: TooLong;
    NotRepresentable: Value;
    DecodeError: Decode, Box::new;
    FrameError: Frame;
    // What is wrong with a call, and how a connection ends.
    ArgumentError: Channel, ChannelError::from;
    NameTooLong: Channel, ChannelError::from;
    FrameTooLarge: Channel, ChannelError::from;
    FrameOverflow: Channel, ChannelError::from;
    Violation: Connection, ConnectionError::from;
}

/// Not looked for in a chain: there it may be anything's.
impl From<Utf8Error> for Error {
    fn from(error: Utf8Error) -> Self {
        Self::Text(error)
    }
}

/// The end of the channel or the connection that it is about.
impl From<BrokerClose> for Error {
    fn from(close: BrokerClose) -> Self {
        let close = Arc::new(close);
        match close.channel {
            0 => Self::Connection(ConnectionError::ClosedByBroker(close)),
            _ => Self::Channel(ChannelError::ClosedByBroker(close)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{About, ConnectCause, Provoker, Stage};
    use amqp_spec::queue;
    use amqp_spec::wire::TypedMethod as _;
    use std::time::Duration;

    /// An error of a program.
    #[derive(Debug)]
    pub(super) enum Program {
        Broker(Error),
        Text(Utf8Error),
    }

    crate::from_errors!(Program);

    impl From<Error> for Program {
        fn from(error: Error) -> Self {
            Self::Broker(error)
        }
    }

    impl From<Utf8Error> for Program {
        fn from(error: Utf8Error) -> Self {
            Self::Text(error)
        }
    }

    #[test]
    fn program_s_errors_are_made_of_all_of_them() {
        fn refused() -> Result<(), Program> {
            Err(ChannelError::ClosedByBroker(close(1, 404).into()))?;
            Ok(())
        }
        let Err(Program::Broker(error)) = refused() else {
            panic!("one of this library");
        };
        assert!(error.is_not_found());
        become_a_program_s();
        let text = String::from_utf8(vec![0xff]).unwrap_err().utf8_error();
        let Program::Text(text) = Program::from(text) else {
            panic!("the program's own");
        };
        assert_eq!(text.valid_up_to(), 0);
    }

    #[test]
    fn it_is_no_larger_than_what_programs_return_anyway() {
        assert!(size_of::<Error>() <= 64, "{}", size_of::<Error>());
        assert!(size_of::<Result<(), Error>>() <= 64);
    }

    #[test]
    fn it_passes_between_threads_and_into_handlers() {
        fn holds<E: Clone + Send + Sync + std::error::Error + 'static>() {}
        holds::<Error>();
    }

    fn close(channel: u16, code: u16) -> BrokerClose {
        let about = Provoker::of(&About::queue("q"));
        BrokerClose::read(channel, code, b"", queue::Declare::ID, &about).0
    }

    #[test]
    fn it_answers_as_the_error_within() {
        let missing = Error::from(close(1, 404));
        assert!(matches!(
            missing,
            Error::Channel(ChannelError::ClosedByBroker(_))
        ));
        assert!(missing.is_not_found() && !missing.is_retryable());
        assert_eq!(missing.reply_code(), Some(amqp_spec::ReplyCode::NOT_FOUND));
        assert_eq!(missing.outcome(), Some(Outcome::Rejected));
        let forced = Error::from(close(0, 320));
        assert!(matches!(forced, Error::Connection(_)) && forced.is_retryable());
        assert_eq!(forced.outcome(), None);
        let refused = Error::from(rpc::Error::Refused(ChannelError::ClosedByBroker(
            close(1, 403).into(),
        )));
        assert!(refused.is_access_refused() && !refused.is_retryable());
        assert_eq!(refused.outcome(), Some(Outcome::Rejected));
        let port = Error::from(UriError::Port);
        assert!(!port.is_retryable() && port.reply_code().is_none());
        // The broker's code for a wrong password is that for a queue that may not be read.
        let ended = ConnectionError::ClosedByBroker(close(0, 403).into());
        let login = ConnectError::new(Stage::Login, "h", ConnectCause::Connection(ended));
        let login = Error::from(login);
        assert!(!login.is_access_refused() && login.is_authentication_failure());
        assert_eq!(
            login.reply_code(),
            Some(amqp_spec::ReplyCode::ACCESS_REFUSED)
        );
    }

    #[test]
    fn a_time_that_was_up_is_told_wherever_it_was() {
        let after = Duration::from_secs(1);
        let channel = ChannelError::Timeout {
            method: "queue.declare",
        };
        let connection = ConnectionError::HeartbeatTimeout(after);
        let connecting = ConnectError::new(Stage::Tcp, "h", ConnectCause::Timeout(after));
        let of_several = Unconfirmed::new([]);
        let timed_out: [Error; 10] = [
            connecting.into(),
            connection.clone().into(),
            ConnectionError::WriteTimeout(after).into(),
            ConnectionError::Io(Arc::new(io::ErrorKind::TimedOut.into())).into(),
            channel.clone().into(),
            ChannelError::Connection(connection).into(),
            PublishError::Uncertain(channel.clone()).into(),
            ConsumeError::Channel(channel.clone()).into(),
            rpc::Error::Timeout {
                after,
                sent: true,
                exchange: "".into(),
                routing_key: "q".into(),
            }
            .into(),
            Unconfirmed {
                cause: Some(channel),
                ..of_several.clone()
            }
            .into(),
        ];
        for error in timed_out {
            assert!(error.is_timeout(), "{error}");
        }
        let others: [Error; 6] = [
            ConnectionError::EndOfStream.into(),
            ChannelError::Closed.into(),
            PublishError::Nacked.into(),
            rpc::Error::Nacked.into(),
            of_several.into(),
            UriError::Port.into(),
        ];
        for error in others {
            assert!(
                !error.is_timeout() && !error.is_authentication_failure(),
                "{error}"
            );
        }
    }

    #[test]
    fn it_is_found_in_what_errors_are_collected_in() {
        #[derive(Debug, thiserror::Error)]
        #[error("the order was not placed")]
        struct OrderError(#[source] ChannelError);

        let missing = || ChannelError::ClosedByBroker(close(1, 404).into());
        let boxed: Box<dyn std::error::Error + Send + Sync> = missing().into();
        let within = io::Error::other(missing());
        let anyhow = anyhow::Error::new(missing()).context("while asking");
        let eyre = eyre::Report::new(OrderError(missing())).wrap_err("while asking");
        let found = [
            Error::find(&*boxed),
            Error::find(&within),
            Error::find(&*anyhow),
            Error::find(&*eyre),
            Error::find(&Error::from(missing())),
            Error::find(&close(1, 404)),
        ];
        for found in found {
            assert!(
                matches!(&found, Some(Error::Channel(error)) if error.is_not_found()),
                "{found:?}"
            );
        }
        // The error that a call returned, not what is behind it.
        let publish = PublishError::NotSent(missing());
        assert!(matches!(Error::find(&publish), Some(Error::Publish(_))));
        let text = String::from_utf8(vec![0xff]).unwrap_err();
        assert!(Error::find(&text.utf8_error()).is_none() && Error::find(&fmt::Error).is_none());
    }

    #[test]
    fn several_messages_count_by_the_worst_outcome() {
        let of = |uncertain, nacked, not_sent, returned| Unconfirmed {
            nacked,
            returned,
            refused: 0,
            not_sent,
            uncertain,
            failures: Vec::new(),
            cause: (uncertain + not_sent > 0).then_some(ConnectionError::EndOfStream.into()),
        };
        let table = [
            (of(1, 1, 1, 1), Outcome::Unknown, false),
            (of(1, 1, 1, 0), Outcome::Unknown, true),
            (of(0, 1, 1, 0), Outcome::Rejected, true),
            (of(0, 0, 0, 1), Outcome::Rejected, false),
            (of(0, 0, 1, 0), Outcome::NotSent, true),
        ];
        for (unconfirmed, outcome, retryable) in table {
            let error = Error::from(unconfirmed);
            assert_eq!(error.outcome(), Some(outcome), "{error}");
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }
}
