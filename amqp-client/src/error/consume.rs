//! Why a consumer receives nothing more.

use std::fmt;
use std::sync::Arc;

use super::{ChannelError, OversizedMessage, debug_is_text};
use crate::text::name;

/// Why a consumer receives nothing more, unless the program cancelled it.
#[derive(Clone)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The broker cancelled it: the queue was deleted, its node is gone, or, with quorum queues of
    /// RabbitMQ from 4.3 on, a delivery was not acknowledged in time. The channel is still usable,
    /// and what was delivered can still be settled, unless the broker has taken it back: then
    /// acknowledging it has no effect.
    #[non_exhaustive]
    CancelledByBroker {
        /// The consumer's tag.
        consumer_tag: Box<str>,
        /// The queue that it consumed from.
        queue: Box<str>,
    },
    /// Deliveries came faster than they were taken, and the consumer has been cancelled. With
    /// acknowledgements: it held most of what all consumers of the connection held above
    /// [`inbound_limit`](crate::ConnectionOptions::inbound_limit); what it had not taken has gone
    /// back to its queue. Without: [`WhenSlow::Cancel`](crate::consume::WhenSlow::Cancel) was asked
    /// for, and what came beyond the limit is lost. The channel is still usable.
    #[non_exhaustive]
    TooSlow {
        /// The consumer's tag.
        consumer_tag: Box<str>,
        /// The queue that it consumed from.
        queue: Box<str>,
    },
    /// A message came that is larger than
    /// [`max_message_size`](crate::ConnectionOptions::max_message_size), and the consumer has been
    /// cancelled; see [`WhenOversized`](crate::consume::WhenOversized) for the alternative. Nothing
    /// was decided about the message, whose body was not kept: it is unacknowledged, and
    /// [`Channel::basic_reject`](crate::Channel::basic_reject) with its number rejects it. As long
    /// as it is not, it stays with this channel; given back, it comes again to the next consumer of
    /// the queue. A consumer without acknowledgements has [lost](OversizedMessage::lost) it, and
    /// ends behind everything else that came before the broker had heard of its end.
    MessageTooLarge(Arc<OversizedMessage>),
    /// The channel or the connection ended. What was delivered and not acknowledged goes back to
    /// its queue.
    Channel(ChannelError),
    /// The connection was lost and has come back, but the consumer could not be restored, for this
    /// reason: its queue is gone or may not be consumed from any more, or what it needs could not
    /// be restored. Or the broker had cancelled it, and it could not
    /// [subscribe again](crate::consume::Consume::resubscribe), as often as that was tried; this is
    /// the last refusal. The channel is still usable.
    NotRestored(ChannelError),
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelledByBroker {
                consumer_tag,
                queue,
            } => {
                let (tag, queue) = (name(consumer_tag), name(queue));
                write!(
                    f,
                    "consumer '{tag}' of queue '{queue}' cancelled by the broker"
                )
            }
            Self::TooSlow {
                consumer_tag,
                queue,
            } => {
                let (tag, queue) = (name(consumer_tag), name(queue));
                write!(
                    f,
                    "consumer '{tag}' of queue '{queue}' cancelled, since it was too slow"
                )
            }
            Self::MessageTooLarge(message) => write!(f, "consumer cancelled: {message}"),
            Self::Channel(error) => write!(f, "{error}"),
            Self::NotRestored(error) => write!(f, "consumer not restored: {error}"),
        }
    }
}

debug_is_text!(ConsumeError {
    CancelledByBroker { consumer_tag, queue },
    TooSlow { consumer_tag, queue },
    MessageTooLarge(message),
    Channel(error),
    NotRestored(error),
});

impl std::error::Error for ConsumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CancelledByBroker { .. } | Self::TooSlow { .. } | Self::MessageTooLarge(_) => {
                None
            }
            Self::Channel(error) | Self::NotRestored(error) => error.source(),
        }
    }
}
