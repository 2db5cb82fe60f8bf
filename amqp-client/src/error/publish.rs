//! What became of a message that was not confirmed.

use std::fmt;

use super::{CameBack, ChannelError, debug_is_text};
use crate::message::ReturnedMessage;

/// What became of a message that the broker did not confirm.
///
/// ```
/// use amqp_client::PublishError;
///
/// /// Whether the broker certainly does not have it, so that publishing it again makes no duplicate.
/// fn may_be_repeated(error: &PublishError) -> bool {
///     match error {
///         PublishError::NotSent(_) | PublishError::Returned(_) | PublishError::Refused(_) => true,
///         PublishError::Nacked => false, // it may be in some of its queues
///         PublishError::Uncertain(_) | _ => false,
///     }
/// }
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum PublishError {
    /// Nothing was sent: for the reason given, the message certainly did not reach the broker.
    NotSent(ChannelError),
    /// The broker nacked it (`basic.nack`), for instance because a queue is full
    /// (`x-overflow: reject-publish`). It is in no queue, or not in all of them.
    Nacked,
    /// No queue took the message, which had to reach one; here it is again. Published to the
    /// default exchange: there is no queue of that name. To another one by a
    /// [mandatory](crate::Publisher::mandatory) publisher: no queue is bound for it.
    Returned(Box<ReturnedMessage>),
    /// The broker closed the channel for this message: there is no such exchange, or it may not be
    /// published to, or the message is larger than the broker takes. It is in no queue.
    Refused(ChannelError),
    /// The channel or the connection ended before the broker answered, or the answer did not come
    /// in time: the message may have been routed, or not. With [`ChannelError::ClosedByBroker`] the
    /// broker objected to another operation, unless this is one of several that may be meant; its
    /// [predicates](Self::is_not_found) tell.
    Uncertain(ChannelError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(error) => write!(f, "message not sent: {error}"),
            Self::Nacked => f.write_str("message nacked by the broker (basic.nack)"),
            Self::Returned(returned) => write!(f, "message {}", CameBack(returned)),
            Self::Refused(error) => write!(f, "message refused by the broker: {error}"),
            Self::Uncertain(error) => write!(f, "message may or may not be routed: {error}"),
        }
    }
}

debug_is_text!(PublishError {
    NotSent(error),
    Nacked,
    Returned(message),
    Refused(error),
    Uncertain(error),
});

impl std::error::Error for PublishError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSent(error) | Self::Refused(error) | Self::Uncertain(error) => error.source(),
            Self::Nacked | Self::Returned(_) => None,
        }
    }
}
