//! Why an operation on a channel failed, or the channel ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::basic;
use amqp_spec::frame::FrameTooLarge;
use amqp_spec::wire::{ShortStr, TypedMethod as _};

use super::debug_is_text;
use super::{
    ArgumentError, BrokerClose, ConnectionError, FrameOverflow, NameTooLong, OversizedMessage,
    Subject,
};
use crate::text::{Quoted, line};

/// Why an operation on a channel failed. Cheap to clone.
///
/// ```no_run
/// use amqp_client::{Channel, QueueDeclare};
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// match channel.queue_declare(QueueDeclare::new("orders").passive()).await {
///     Ok(queue) => println!("{} messages", queue.message_count),
///     Err(error) if error.is_not_found() => println!("there is no such queue"),
///     Err(error) => return Err(error),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum ChannelError {
    /// The connection ended. The operation may have taken effect.
    Connection(ConnectionError),
    /// The broker closed the channel, and said why; the channel cannot be used any more. All
    /// operations on the channel get the same text: the one that provoked it, which it
    /// [names](BrokerClose::operation), and whatever else was waiting or comes later. Those are
    /// [bystanders](BrokerClose::bystander), which [may be tried again](Self::is_retryable) on a
    /// new channel.
    ClosedByBroker(Arc<BrokerClose>),
    /// The program closed the channel.
    Closed,
    /// No reply came in time. The operation may have taken effect, unless it was held back until
    /// then; the channel is still usable and the late reply will be discarded.
    Timeout {
        /// What was waited for: `queue.declare`.
        method: &'static str,
    },
    /// The time for a publish or its confirm is up
    /// ([`confirm_timeout`](crate::Publisher::confirm_timeout)), and the broker has blocked the
    /// connection: it takes no messages for now. The channel is still usable.
    BlockedTimeout {
        /// Why, in the broker's words.
        reason: Arc<str>,
    },
    /// No reply came in time, since nothing is read: a consumer of the connection that consumes
    /// without acknowledgements does not take its deliveries
    /// ([`WhenSlow::Wait`](crate::consume::WhenSlow::Wait)). The operation may have taken effect;
    /// the channel is still usable, and the reply is read when that consumer goes on, or its
    /// channel is closed.
    ReadingStopped {
        /// What was waited for: `queue.declare`.
        method: &'static str,
        /// The consumer, and what it holds.
        by: Arc<SlowConsumer>,
    },
    /// A name or a text is longer than its field, which holds 255 bytes. Nothing was sent; the
    /// channel is still usable.
    TooLong(Box<NameTooLong>),
    /// A method, or the properties of a message with its headers, do not fit the negotiated frame
    /// size. Nothing was sent; the channel is still usable.
    FrameTooLarge(Box<FrameOverflow>),
    /// All channel ids up to the negotiated `channel_max` are in use. Nothing was sent.
    ChannelLimit {
        /// The limit.
        channel_max: u16,
    },
    /// The id that a channel was to have is in use, or its last user is not quite closed. Nothing
    /// was sent.
    IdInUse {
        /// The id.
        id: u16,
    },
    /// The id that a channel was to have is 0 or above the negotiated `channel_max`. Nothing was
    /// sent.
    IdOutOfRange {
        /// The id.
        id: u16,
        /// The highest that there can be.
        channel_max: u16,
    },
    /// The call makes no sense, for the reason given. Nothing was sent; the channel is still
    /// usable.
    Invalid(ArgumentError),
    /// A consumer of this channel already has that tag. Nothing was sent; the channel is still
    /// usable.
    ConsumerTagInUse {
        /// The tag.
        consumer_tag: String,
    },
    /// The broker has blocked the connection, and
    /// [`WhenBlocked::Fail`](crate::options::WhenBlocked::Fail) was asked for. Nothing was sent;
    /// the channel is still usable.
    Blocked {
        /// Why, in the broker's words.
        reason: Arc<str>,
    },
    /// The connection was lost, and is not recovered yet: what waited for that has waited long
    /// enough. Nothing was sent; the channel is still usable, and takes up again when the
    /// connection is back.
    Recovering {
        /// For how long the connection has been down.
        after: Duration,
        /// What it was lost to.
        lost: Box<ConnectionError>,
    },
    /// The connection was lost amid a transaction of the channel: what stood in it has gone, or it
    /// is not known whether its commit came about, which its caller has been told. Nothing was sent,
    /// so that what follows is not committed without what came before; the channel is usable again
    /// after [`tx_rollback`](crate::Channel::tx_rollback), on the recovered connection as well as
    /// before.
    TransactionLost,
    /// The message that was fetched is larger than
    /// [`max_message_size`](crate::ConnectionOptions::max_message_size): its body was not kept.
    /// Unless it is [lost](OversizedMessage::lost) it is unacknowledged, to be settled by its
    /// number; the channel is still usable.
    MessageTooLarge(Arc<OversizedMessage>),
}

/// A consumer without acknowledgements that does not take its deliveries; see
/// [`ChannelError::ReadingStopped`].
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SlowConsumer {
    /// Its channel.
    pub channel: u16,
    /// Its tag.
    pub consumer_tag: String,
    /// The queue that it consumes from.
    pub queue: String,
    /// How much it held when reading stopped, in bytes.
    pub bytes: usize,
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
}

impl ChannelError {
    /// Says what the call was about, if it was refused here.
    pub(crate) fn about(self, subject: Subject<'_>) -> Self {
        match self {
            Self::TooLong(error) => error.about(subject).into(),
            Self::Invalid(error) => error.about(subject).into(),
            other => other,
        }
    }

    /// Says where the message was to go, if it does not fit a frame.
    pub(crate) fn of_message(self, subject: Subject<'_>) -> Self {
        match self {
            Self::FrameTooLarge(error) => Self::FrameTooLarge(Box::new(error.of_message(subject))),
            other => other,
        }
    }

    /// The same, as it is told to an operation that is not known to have provoked it.
    pub(crate) fn for_bystander(&self) -> Self {
        match self {
            Self::ClosedByBroker(close) => Self::ClosedByBroker(close.for_bystander()),
            Self::Connection(error) => Self::Connection(error.for_bystander()),
            error => error.clone(),
        }
    }

    /// The same, as it is told to an operation that the broker refuses for the same reason.
    pub(crate) fn for_provoker(&self) -> Self {
        match self {
            Self::ClosedByBroker(close) => Self::ClosedByBroker(close.for_provoker()),
            error => error.clone(),
        }
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => write!(f, "{error}"),
            Self::ClosedByBroker(close) => {
                write!(f, "channel {} closed by the broker: {close}", close.channel)
            }
            Self::Closed => f.write_str("channel closed by the application"),
            // Publishing is confirmed, not replied to, and has a limit only if one was set.
            Self::Timeout { method } if *method == basic::Publish::NAME => {
                f.write_str("its confirm_timeout is over")
            }
            Self::Timeout { method } => write!(f, "no reply to {method} in time"),
            Self::BlockedTimeout { reason } => write!(
                f,
                "its confirm_timeout is over: waited for the end of the alarm ({})",
                line(reason)
            ),
            Self::ReadingStopped { method, by } => write!(
                f,
                "no reply to {method} in time: nothing is read, since consumer {:?} of queue {:?} on \
                 channel {}, which needs no acknowledgements, has not taken {} bytes of deliveries",
                Quoted(&by.consumer_tag),
                Quoted(&by.queue),
                by.channel,
                by.bytes
            ),
            Self::TooLong(error) => write!(f, "{error}"),
            Self::FrameTooLarge(error) => write!(f, "{error}"),
            Self::ChannelLimit { channel_max } => {
                write!(f, "all {channel_max} channels of the connection are in use")
            }
            Self::IdInUse { id } => write!(f, "channel {id} is in use"),
            Self::IdOutOfRange { id, channel_max } => {
                write!(f, "channel {id} is not between 1 and {channel_max}")
            }
            Self::Invalid(error) => write!(f, "{error}"),
            Self::ConsumerTagInUse { consumer_tag } => {
                let tag = Quoted(consumer_tag);
                write!(f, "consumer tag {tag:?} is in use on the channel")
            }
            Self::Blocked { reason } => {
                write!(f, "connection blocked by the broker: {}", line(reason))
            }
            Self::Recovering { after, lost } => {
                write!(f, "not recovered after {after:.1?}: {lost}")
            }
            Self::TransactionLost => f.write_str(
                "the connection was lost amid the transaction, which has to be rolled back",
            ),
            Self::MessageTooLarge(message) => write!(f, "{message}"),
        }
    }
}

debug_is_text!(ChannelError {
    Connection(error),
    ClosedByBroker(close),
    Closed,
    Timeout { method },
    BlockedTimeout { reason },
    ReadingStopped { method, by },
    TooLong(error),
    FrameTooLarge(error),
    ChannelLimit { channel_max },
    IdInUse { id },
    IdOutOfRange { id, channel_max },
    Invalid(error),
    ConsumerTagInUse { consumer_tag },
    Blocked { reason },
    Recovering { after, lost },
    TransactionLost,
    MessageTooLarge(message),
});

impl std::error::Error for ChannelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => error.source(),
            Self::Recovering { lost, .. } => lost.source(),
            _ => None,
        }
    }
}

impl Subject<'_> {
    /// A name in a call that is about this.
    #[inline]
    pub(crate) fn short<'t>(
        self,
        argument: &'static str,
        text: &'t str,
    ) -> Result<ShortStr<'t>, ChannelError> {
        ShortStr::new(text.as_bytes()).map_err(|_| self.too_long(argument, text))
    }

    #[cold]
    fn too_long(self, argument: &'static str, text: &str) -> ChannelError {
        NameTooLong::new(argument, text).about(self).into()
    }
}

impl From<ConnectionError> for ChannelError {
    fn from(error: ConnectionError) -> Self {
        Self::Connection(error)
    }
}

impl From<NameTooLong> for ChannelError {
    fn from(error: NameTooLong) -> Self {
        Self::TooLong(Box::new(error))
    }
}

impl From<FrameTooLarge> for ChannelError {
    fn from(error: FrameTooLarge) -> Self {
        FrameOverflow::from(error).into()
    }
}

impl From<FrameOverflow> for ChannelError {
    fn from(error: FrameOverflow) -> Self {
        Self::FrameTooLarge(Box::new(error))
    }
}

impl From<ArgumentError> for ChannelError {
    fn from(error: ArgumentError) -> Self {
        Self::Invalid(error)
    }
}
