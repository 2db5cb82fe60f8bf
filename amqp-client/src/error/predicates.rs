//! The questions that every error answers in the same words.

use super::{BrokerClose, ChannelError, ConnectionError, PublishError};
use crate::consumer::ConsumeError;

/// What became of an operation that failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was sent.
    NotSent,
    /// The broker did not do it.
    Rejected,
    /// It may have taken effect, or not.
    Unknown,
}

/// Lets an error with `broker_close` answer for what the broker said.
macro_rules! answers_for_the_broker {
    ($($error:ty),*) => {$(
        impl $error {
            /// The reply code with which the broker closed the channel or the connection, if it did.
            #[must_use]
            pub fn reply_code(&self) -> Option<amqp_spec::ReplyCode> {
                self.broker_close().map(|close| close.reply_code)
            }

            /// See [`BrokerClose::is_not_found`].
            #[must_use]
            pub fn is_not_found(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_not_found)
            }

            /// See [`BrokerClose::is_access_refused`].
            #[must_use]
            pub fn is_access_refused(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_access_refused)
            }

            /// See [`BrokerClose::is_resource_locked`].
            #[must_use]
            pub fn is_resource_locked(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_resource_locked)
            }

            /// See [`BrokerClose::is_precondition_failed`].
            #[must_use]
            pub fn is_precondition_failed(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_precondition_failed)
            }

            /// See [`BrokerClose::is_delivery_ack_timeout`].
            #[must_use]
            pub fn is_delivery_ack_timeout(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_delivery_ack_timeout)
            }

            /// See [`BrokerClose::is_unknown_delivery_tag`].
            #[must_use]
            pub fn is_unknown_delivery_tag(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_unknown_delivery_tag)
            }

            /// See [`BrokerClose::is_message_too_large`].
            #[must_use]
            pub fn is_message_too_large(&self) -> bool {
                self.broker_close().is_some_and(BrokerClose::is_message_too_large)
            }
        }
    )*};
}

answers_for_the_broker!(ChannelError, ConnectionError, PublishError, ConsumeError);

impl ConnectionError {
    /// Whether a new connection may fare better, without anybody changing the program.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ClosedByBroker(close) => close.is_retryable(),
            Self::HeartbeatTimeout(_) | Self::Io(_) | Self::EndOfStream => true,
            Self::BlockedTimeout { .. } => true,
            Self::Closed | Self::Protocol(_) | Self::CloseTimeout | Self::DriverGone => false,
        }
    }
}

impl ChannelError {
    /// Whether the same operation may succeed later without anybody changing the program: on the
    /// same channel if that is still usable, otherwise on a new one. See
    /// [`BrokerClose::is_retryable`] for what the broker has refused.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_retryable(),
            Self::ClosedByBroker(close) => close.is_retryable(),
            Self::Timeout { .. }
            | Self::Blocked { .. }
            | Self::ChannelLimit { .. }
            | Self::NumberInUse { .. }
            | Self::ConsumerTagInUse { .. } => true,
            Self::Closed
            | Self::TooLong(_)
            | Self::FrameTooLarge(_)
            | Self::NumberOutOfRange { .. }
            | Self::Invalid(_)
            | Self::Stale => false,
        }
    }

    /// What became of the operation that failed with this error.
    ///
    /// With the end of the channel: once the broker has closed it, it does nothing more that was
    /// sent on it, whichever operation provoked it ([`Outcome::Rejected`]). What was sent without
    /// waiting for an answer (`basic_publish`, `no_wait`, acknowledgements) is not told by this.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Connection(_) | Self::Closed | Self::Timeout { .. } => Outcome::Unknown,
            Self::ClosedByBroker(_) => Outcome::Rejected,
            Self::TooLong(_)
            | Self::FrameTooLarge(_)
            | Self::Blocked { .. }
            | Self::ChannelLimit { .. }
            | Self::NumberInUse { .. }
            | Self::NumberOutOfRange { .. }
            | Self::ConsumerTagInUse { .. }
            | Self::Invalid(_)
            | Self::Stale => Outcome::NotSent,
        }
    }
}

impl PublishError {
    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::NotSent(error) | Self::Uncertain(error) => error.broker_close(),
            Self::Nacked | Self::Returned(_) => None,
        }
    }

    /// Whether publishing the message again may succeed without anybody changing the program. One
    /// whose [outcome](Self::outcome) is unknown may then be in its queues twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSent(error) | Self::Uncertain(error) => error.is_retryable(),
            Self::Nacked => true,
            Self::Returned(_) => false,
        }
    }

    /// What became of the message.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent(_) => Outcome::NotSent,
            Self::Nacked | Self::Returned(_) => Outcome::Rejected,
            Self::Uncertain(_) => Outcome::Unknown,
        }
    }
}

impl ConsumeError {
    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::Channel(error) => error.broker_close(),
            Self::CancelledByBroker | Self::TooSlow => None,
        }
    }

    /// Whether consuming again may succeed without anybody changing the program. After a
    /// cancellation it does if the queue has moved to another node, and not if it was deleted.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Channel(error) => error.is_retryable(),
            Self::CancelledByBroker | Self::TooSlow => true,
        }
    }
}
