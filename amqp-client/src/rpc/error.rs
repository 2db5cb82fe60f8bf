//! Why a call has no reply.

use std::fmt;
use std::time::Duration;

use crate::error::{
    BrokerClose, ChannelError, ConnectionError, ConsumeError, Outcome, PublishError,
};
use crate::error::{CameBack, Destination, answers_for_the_broker, debug_is_text};
use crate::message::ReturnedMessage;

/// Why a call has no reply; see [`Client::call`](crate::rpc::Client::call).
#[derive(Clone)]
#[non_exhaustive]
pub enum Error {
    /// Nothing was sent: the request certainly did not reach the broker. Whether the client is
    /// still usable depends on the cause: one whose channel the broker has closed is.
    NotSent(ConsumeError),
    /// Nothing was sent: the limit of calls that wait for their replies is reached. The client is
    /// still usable.
    TooManyCalls {
        /// The limit: [`OpenClient::max_calls`](crate::rpc::OpenClient::max_calls).
        limit: usize,
    },
    /// No queue was bound for the request: no server has it, and here it is again. The client is
    /// still usable.
    Unroutable(Box<ReturnedMessage>),
    /// The broker refused the request (`basic.nack`), for instance because a queue is full. It is
    /// in no queue, or not in all of them. The client is still usable.
    Nacked,
    /// The broker closed the channel for the request: there is no such exchange, or it may not be
    /// published to. Nothing has it. The client is still usable: its next call opens another
    /// channel.
    Refused(ChannelError),
    /// No reply came in time; one that comes later is discarded. The client is still usable.
    #[non_exhaustive]
    Timeout {
        /// The limit.
        after: Duration,
        /// Whether the request was handed over for sending. If so it may have been handled, or
        /// still be.
        sent: bool,
        /// The exchange that was called; empty for the default exchange.
        exchange: Box<str>,
        /// The routing key: of the default exchange, the queue that was called.
        routing_key: Box<str>,
    },
    /// The reply is larger than [`max_message_size`](crate::ConnectionOptions::max_message_size),
    /// and its body was not kept: the request was handled. The client is still usable.
    ReplyTooLarge {
        /// How large its body was, in bytes.
        size: u64,
    },
    /// The connection was lost before the reply came, and [recovers](crate::options::Recovery): the
    /// address that the reply was to go to is gone, so that none will come. The request may have
    /// been handled, or still be. The client is still usable: its next call waits for the recovery.
    /// See [`Call::repeat_when_lost`](crate::rpc::Call::repeat_when_lost) for requests that may be
    /// handled twice.
    Lost(ConnectionError),
    /// The channel or the connection ended before the reply came, or nothing was read any more
    /// ([`ChannelError::ReadingStopped`]): the request may have been handled. If it was the broker
    /// that closed the channel, for this request or for another one's, the client is still usable:
    /// its next call opens another channel.
    Uncertain(ConsumeError),
}

impl From<PublishError> for Error {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::NotSent(error) => Self::NotSent(ConsumeError::Channel(error)),
            PublishError::Nacked => Self::Nacked,
            PublishError::Returned(returned) => Self::Unroutable(returned),
            PublishError::Uncertain(error) => Self::Uncertain(ConsumeError::Channel(error)),
            PublishError::Refused(error) => Self::Refused(error),
        }
    }
}

answers_for_the_broker!(Error);

impl Error {
    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::Refused(error) => error.broker_close(),
            Self::NotSent(error) | Self::Uncertain(error) => error.broker_close(),
            Self::Lost(error) => error.broker_close(),
            Self::TooManyCalls { .. }
            | Self::Unroutable(_)
            | Self::Nacked
            | Self::Timeout { .. }
            | Self::ReplyTooLarge { .. } => None,
        }
    }

    /// Whether a time was up: the call's, or see [`ChannelError::is_timeout`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Refused(error) => error.is_timeout(),
            Self::NotSent(error) | Self::Uncertain(error) => error.is_timeout(),
            Self::Lost(error) => error.is_timeout(),
            Self::TooManyCalls { .. }
            | Self::Unroutable(_)
            | Self::Nacked
            | Self::ReplyTooLarge { .. } => false,
        }
    }

    /// Whether the same call may succeed later without a change to the program. One whose
    /// [outcome](Self::outcome) is unknown may then be handled twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSent(error) => error.is_retryable(),
            Self::Refused(error) => error.is_retryable(),
            // It may be this request that ended the connection.
            Self::Uncertain(error) => {
                let close = error.broker_close();
                error.is_retryable() && !close.is_some_and(BrokerClose::is_unreadable_message)
            }
            // The connection comes back; but it may be this request that ended it.
            Self::Lost(error) => {
                let close = error.broker_close();
                !close.is_some_and(BrokerClose::is_unreadable_message)
            }
            Self::TooManyCalls { .. } | Self::Nacked | Self::Timeout { .. } => true,
            Self::Unroutable(_) | Self::ReplyTooLarge { .. } => false,
        }
    }

    /// What became of the request. A reply that is too large means that it was handled, which no
    /// outcome says: it counts as [unknown](Outcome::Unknown).
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent(_) | Self::TooManyCalls { .. } | Self::Timeout { sent: false, .. } => {
                Outcome::NotSent
            }
            Self::Unroutable(_) | Self::Nacked | Self::Refused(_) => Outcome::Rejected,
            Self::Timeout { sent: true, .. }
            | Self::ReplyTooLarge { .. }
            | Self::Lost(_)
            | Self::Uncertain(_) => Outcome::Unknown,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "request not sent: {error}"),
            Self::TooManyCalls { limit } => {
                write!(f, "request not sent: {limit} calls wait for their replies")
            }
            Self::Unroutable(returned) => write!(f, "request {}", CameBack(returned)),
            Self::Nacked => f.write_str("request nacked by the broker (basic.nack)"),
            Self::Refused(error) => write!(f, "request refused by the broker: {error}"),
            Self::Timeout {
                after,
                sent,
                exchange,
                routing_key,
            } => {
                let what = if *sent {
                    "no reply"
                } else {
                    "request not sent"
                };
                let destination = Destination {
                    exchange,
                    routing_key,
                };
                write!(f, "{what} within {} s ({destination})", after.as_secs_f32())
            }
            Self::ReplyTooLarge { size } => {
                write!(f, "reply of {size} bytes is above max_message_size")
            }
            Self::Lost(error) => write!(
                f,
                "no reply will come, and the request may or may not be handled: {error}"
            ),
            Self::Uncertain(error) => write!(f, "request may or may not be handled: {error}"),
        }
    }
}

debug_is_text!(Error {
    NotSent(error),
    TooManyCalls { limit },
    Unroutable(message),
    Nacked,
    Refused(error),
    Timeout { after, sent, exchange, routing_key },
    ReplyTooLarge { size },
    Lost(error),
    Uncertain(error),
});

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(error) => error.source(),
            Self::NotSent(error) | Self::Uncertain(error) => error.source(),
            Self::Lost(error) => error.source(),
            Self::TooManyCalls { .. }
            | Self::Unroutable(_)
            | Self::Nacked
            | Self::ReplyTooLarge { .. }
            | Self::Timeout { .. } => None,
        }
    }
}
