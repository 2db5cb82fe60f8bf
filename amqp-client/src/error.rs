//! What can go wrong, by the moment at which it does.
//!
//! [`ConnectError`] is why a connection could not be opened, [`ConnectionError`] why an open one
//! ended, [`ChannelError`] why an operation on a channel failed or the channel ended,
//! [`PublishError`] what became of a message that was not confirmed. The ends of connections and
//! channels are `Clone`: every handle reports the same cause.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::ReplyCode;
use amqp_spec::frame::{FrameError, FrameTooLarge};
use amqp_spec::wire::{DecodeError, MethodId, TooLong};

use crate::delivery::ReturnedMessage;

/// Who ended a connection or a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Initiator {
    /// The program, by calling `close` or dropping the last handle.
    Application,
    /// This library, because the peer broke the protocol or fell silent.
    Library,
    /// The broker.
    Broker,
}

/// What the broker said when it closed a connection or a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokerClose {
    /// Why, as a number: `404 NOT_FOUND`.
    pub reply_code: ReplyCode,
    /// Why, in words. RabbitMQ cuts it to 255 octets, sometimes inside a character; what is not
    /// UTF-8 has been replaced.
    pub reply_text: String,
    /// The method that provoked it, if the broker named one.
    pub method: Option<MethodId>,
}

impl fmt::Display for BrokerClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RabbitMQ's text starts with the code's name, other brokers' may not.
        let named = self.reply_code.name().is_some_and(|name| {
            self.reply_text
                .starts_with(&name.to_uppercase().replace('-', "_"))
        });
        if named {
            write!(f, "{} {}", self.reply_code.0, self.reply_text)?;
        } else {
            write!(f, "{}: {}", self.reply_code, self.reply_text)?;
        }
        match self.method.and_then(method_name) {
            Some(method) => write!(f, " (answering {method})"),
            None => Ok(()),
        }
    }
}

fn method_name(id: MethodId) -> Option<&'static str> {
    let mut methods = amqp_spec::metadata::CLASSES
        .iter()
        .flat_map(|class| class.methods);
    methods
        .find(|method| method.id == id)
        .map(|method| method.name)
}

/// How the peer broke the protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Violation {
    /// A frame could not be told from its octets.
    Frame(FrameError),
    /// The arguments of a method, or a content header, could not be read.
    Decode(DecodeError),
    /// A method came where it does not belong.
    UnexpectedMethod {
        /// The method.
        method: &'static str,
        /// The channel it came on.
        channel: u16,
    },
    /// Content came without a method that announces it, or out of order.
    UnexpectedContent {
        /// The channel it came on.
        channel: u16,
    },
    /// More body came than the header announced.
    BodyTooLong {
        /// The channel it came on.
        channel: u16,
    },
    /// A frame came on a channel that is not open.
    UnknownChannel {
        /// The channel.
        channel: u16,
    },
    /// A message is larger than the connection accepts.
    MessageTooLarge {
        /// What its header announced, in octets.
        size: u64,
        /// The limit, in octets.
        limit: u64,
    },
    /// The broker speaks another protocol; AMQP 1.0 and HTTP servers answer so.
    ProtocolHeader,
    /// What we have to say at login (credentials, client properties, virtual host) does not fit. It
    /// was not sent: RabbitMQ would refuse it without a word.
    LoginTooLarge {
        /// The largest frame allowed before tuning, in octets.
        limit: u32,
    },
    /// One side wants limits that cannot be worked with.
    Tuning {
        /// The lower of the frame sizes that both sides want, in octets.
        frame_max: u32,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame(error) => write!(f, "{error}"),
            Self::Decode(error) => write!(f, "{error}"),
            Self::UnexpectedMethod { method, channel } => {
                write!(f, "unexpected {method} on channel {channel}")
            }
            Self::UnexpectedContent { channel } => {
                write!(f, "unexpected content frame on channel {channel}")
            }
            Self::BodyTooLong { channel } => {
                write!(
                    f,
                    "more body on channel {channel} than its header announced"
                )
            }
            Self::UnknownChannel { channel } => {
                write!(f, "frame on channel {channel}, which is not open")
            }
            Self::MessageTooLarge { size, limit } => {
                write!(f, "message of {size} octets, the limit is {limit}")
            }
            Self::ProtocolHeader => f.write_str("the server does not speak AMQP 0-9-1"),
            Self::LoginTooLarge { limit } => write!(
                f,
                "credentials and client properties do not fit the {limit} octets allowed at login, \
                 or the name of the virtual host its 255"
            ),
            Self::Tuning { frame_max } => {
                write!(
                    f,
                    "frame_max of {frame_max} octets is below the minimum of 4096"
                )
            }
        }
    }
}

/// Why a connection ended. Cheap to clone; every handle of the connection reports the same.
#[derive(Clone, Debug)]
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
    /// The broker ended the stream without a word.
    EndOfStream,
    /// The program closed it, and the broker did not answer in time. What was accepted before may
    /// not all have been written.
    CloseTimeout,
    /// The task or thread that drove the connection is gone: its runtime was shut down.
    DriverGone,
}

impl ConnectionError {
    pub(crate) fn closed_by_us() -> Self {
        Self::Closed
    }

    /// Who ended it.
    #[must_use]
    pub fn initiator(&self) -> Initiator {
        match self {
            Self::Closed | Self::CloseTimeout | Self::DriverGone => Initiator::Application,
            Self::Protocol(_) | Self::HeartbeatTimeout(_) => Initiator::Library,
            Self::ClosedByBroker(_) | Self::Io(_) | Self::EndOfStream => Initiator::Broker,
        }
    }

    /// What the broker said, if it said something.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::ClosedByBroker(close) => Some(close),
            _ => None,
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
                    "connection lost: nothing heard for {} s",
                    silence.as_secs_f32()
                )
            }
            Self::Io(error) => write!(f, "connection lost: {error}"),
            Self::EndOfStream => f.write_str("connection lost: the broker ended the stream"),
            Self::CloseTimeout => f.write_str("no answer to connection.close in time"),
            Self::DriverGone => f.write_str("connection lost: its task was shut down"),
        }
    }
}

impl std::error::Error for ConnectionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<Violation> for ConnectionError {
    fn from(violation: Violation) -> Self {
        Self::Protocol(Arc::new(violation))
    }
}

/// Why an operation on a channel failed. Cheap to clone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ChannelError {
    /// The connection ended. The operation may have taken effect.
    Connection(ConnectionError),
    /// The broker closed the channel, and said why; the channel cannot be used any more.
    ClosedByBroker(Arc<BrokerClose>),
    /// The program closed the channel.
    Closed,
    /// No reply came in time. The operation may have taken effect; the channel is still usable and
    /// the late reply will be discarded.
    Timeout {
        /// What was waited for: `queue.declare`.
        method: &'static str,
    },
    /// A name is longer than 255 octets. Nothing was sent; the channel is still usable.
    TooLong(TooLong),
    /// A method or content header does not fit the negotiated frame size. Nothing was sent; the
    /// channel is still usable.
    FrameTooLarge(FrameTooLarge),
    /// All channel numbers up to the negotiated `channel_max` are in use. Nothing was sent.
    ChannelLimit {
        /// The limit.
        channel_max: u16,
    },
    /// The delivery comes from an earlier life of the channel: the broker has taken it back and
    /// delivers it again. Nothing was sent; the channel is still usable.
    Stale,
}

impl ChannelError {
    /// What the broker said when it closed the channel or the connection, if it did.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::ClosedByBroker(close) => Some(close),
            Self::Connection(error) => error.broker_close(),
            _ => None,
        }
    }

    /// The reply code with which the broker closed the channel or the connection, if it did.
    #[must_use]
    pub fn reply_code(&self) -> Option<ReplyCode> {
        self.broker_close().map(|close| close.reply_code)
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "{error}"),
            Self::ClosedByBroker(close) => write!(f, "channel closed by the broker: {close}"),
            Self::Closed => f.write_str("channel closed by the application"),
            Self::Timeout { method } => write!(f, "no reply to {method} in time"),
            Self::TooLong(error) => write!(f, "{error}"),
            Self::FrameTooLarge(error) => write!(f, "{error}"),
            Self::ChannelLimit { channel_max } => {
                write!(f, "all {channel_max} channels of the connection are in use")
            }
            Self::Stale => f.write_str("delivery of an earlier life of the channel"),
        }
    }
}

impl std::error::Error for ChannelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::TooLong(error) => Some(error),
            Self::FrameTooLarge(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ConnectionError> for ChannelError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<TooLong> for ChannelError {
    fn from(error: TooLong) -> Self {
        Self::TooLong(error)
    }
}

impl From<FrameTooLarge> for ChannelError {
    fn from(error: FrameTooLarge) -> Self {
        Self::FrameTooLarge(error)
    }
}

/// What became of a message that the broker did not confirm.
#[derive(Debug)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing was sent: for the reason given, the message certainly did not reach the broker.
    NotSent(ChannelError),
    /// The broker refused it (`basic.nack`), for instance because a queue is full
    /// (`x-overflow: reject-publish`). It is in no queue, or not in all of them.
    Nacked,
    /// The message was mandatory and no queue was bound for it; here it is again.
    Returned(Box<ReturnedMessage>),
    /// The channel or the connection ended before the broker answered: the message may have been
    /// routed, or not.
    Uncertain(ChannelError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "message not sent: {error}"),
            Self::Nacked => f.write_str("message refused by the broker (basic.nack)"),
            Self::Returned(returned) => write!(
                f,
                "message returned by the broker: {} {}",
                returned.reply_code.0, returned.reply_text
            ),
            Self::Uncertain(error) => write!(f, "message may or may not be routed: {error}"),
        }
    }
}

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSent(error) | Self::Uncertain(error) => Some(error),
            Self::Nacked | Self::Returned(_) => None,
        }
    }
}

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
