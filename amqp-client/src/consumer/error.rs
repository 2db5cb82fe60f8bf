//! Why a consumer receives nothing more.

use std::fmt;

use crate::error::ChannelError;

/// Why a consumer receives nothing more, if nobody here cancelled it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ConsumeError {
    /// The broker cancelled it: the queue was deleted, its node is gone, or, with quorum queues of
    /// RabbitMQ from 4.3 on, a delivery was not acknowledged in time. The channel is still usable,
    /// and what was delivered can still be settled, unless the broker has taken it back: then
    /// acknowledging it has no effect.
    CancelledByBroker,
    /// Deliveries came faster than they were taken, and the consumer has been cancelled. With
    /// acknowledgements: it held most of what all consumers of the connection held above
    /// [`inbound_limit`](crate::ConnectionOptions::inbound_limit); what it had not taken has gone
    /// back to its queue. Without: [`WhenSlow::Cancel`](crate::WhenSlow::Cancel) was asked for, and
    /// what came beyond the limit is lost. The channel is still usable.
    TooSlow,
    /// The channel or the connection ended. What was delivered and not acknowledged goes back to
    /// its queue.
    Channel(ChannelError),
}

impl fmt::Display for ConsumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CancelledByBroker => f.write_str("consumer cancelled by the broker"),
            Self::TooSlow => f.write_str("consumer cancelled, since it was too slow"),
            Self::Channel(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for ConsumeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::CancelledByBroker | Self::TooSlow => None,
            Self::Channel(error) => error.source(),
        }
    }
}
