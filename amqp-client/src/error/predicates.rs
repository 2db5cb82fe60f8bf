//! The questions that every error answers in the same words.

use super::{BrokerClose, ChannelError, ConnectError, ConnectionError, ConsumeError, PublishError};

/// What became of an operation that failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing was sent, or what was sent came behind the end of its channel, where the broker
    /// ignores it.
    NotSent,
    /// The broker refused to do it.
    Rejected,
    /// It may have taken effect, or not.
    Unknown,
}

/// Lets an error with `broker_close` answer for what the broker said.
macro_rules! answers_for_the_broker {
    ($($error:ty),+) => {$(
        $crate::error::answers_for_the_broker! { @all_but_access $error }

        impl $error {
            /// See [`BrokerClose::is_access_refused`](crate::error::BrokerClose::is_access_refused).
            #[must_use]
            pub fn is_access_refused(&self) -> bool {
                self.broker_close().is_some_and($crate::error::BrokerClose::is_access_refused)
            }
        }
    )+};
    // For what may be an error of connecting, which knows more of access than the broker's code.
    (@all_but_access $error:ty) => {
        impl $error {
            /// The reply code with which the broker closed the channel or the connection, if it
            /// did.
            #[must_use]
            pub fn reply_code(&self) -> Option<amqp_spec::ReplyCode> {
                self.broker_close().map(|close| close.reply_code)
            }

            $crate::error::answers_for_the_broker! { @each
                is_not_found
                is_resource_locked
                is_precondition_failed
                is_delivery_ack_timeout
                is_unknown_delivery_tag
                is_message_too_large
            }
        }
    };
    (@each $($question:ident)+) => {$(
        #[doc = concat!(
            "See [`BrokerClose::", stringify!($question),
            "`](crate::error::BrokerClose::", stringify!($question), ")."
        )]
        #[must_use]
        pub fn $question(&self) -> bool {
            self.broker_close().is_some_and($crate::error::BrokerClose::$question)
        }
    )+};
}

pub(crate) use answers_for_the_broker;

answers_for_the_broker!(ChannelError, ConnectionError, PublishError, ConsumeError);

impl ConnectionError {
    /// Whether a time was up: nothing was heard, written or answered for as long as that may take.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::HeartbeatTimeout(_)
            | Self::BlockedTimeout { .. }
            | Self::WriteTimeout(_)
            | Self::CloseTimeout { .. } => true,
            Self::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
            Self::NotRecovered { lost, last, .. } => last
                .as_ref()
                .map_or_else(|| lost.is_timeout(), ConnectError::is_timeout),
            Self::ClosedByBroker(_)
            | Self::Tls(_)
            | Self::EndOfStream
            | Self::Closed
            | Self::Protocol(_)
            | Self::DriverGone => false,
        }
    }

    /// Whether a new connection may fare better, without a change to the program.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::ClosedByBroker(close) => close.is_retryable(),
            Self::HeartbeatTimeout(_) | Self::Io(_) | Self::EndOfStream => true,
            Self::BlockedTimeout { .. } | Self::WriteTimeout(_) => true,
            Self::Tls(error) => error.is_retryable(),
            Self::NotRecovered { lost, last, .. } => last
                .as_ref()
                .map_or_else(|| lost.is_retryable(), ConnectError::is_retryable),
            Self::Closed | Self::Protocol(_) | Self::CloseTimeout { .. } | Self::DriverGone => {
                false
            }
        }
    }
}

impl ChannelError {
    /// Whether a time was up: that of the operation, or one of the connection's
    /// ([`ConnectionError::is_timeout`]).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_timeout(),
            Self::Timeout { .. }
            | Self::BlockedTimeout { .. }
            | Self::ReadingStopped { .. }
            | Self::Recovering { .. } => true,
            _ => false,
        }
    }

    /// Whether the same operation may succeed later without a change of the program: on the same
    /// channel if that is still usable, otherwise on a new one. See [`BrokerClose::is_retryable`]
    /// for what the broker has refused. One that only shared the channel with what was refused may.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connection(error) => error.is_retryable(),
            Self::ClosedByBroker(close) => close.is_retryable(),
            Self::Timeout { .. }
            | Self::BlockedTimeout { .. }
            | Self::ReadingStopped { .. }
            | Self::Blocked { .. }
            | Self::Recovering { .. }
            | Self::ChannelLimit { .. }
            | Self::IdInUse { .. }
            | Self::ConsumerTagInUse { .. } => true,
            Self::Closed
            | Self::TooLong(_)
            | Self::FrameTooLarge(_)
            | Self::IdOutOfRange { .. }
            | Self::Invalid(_)
            // It is refused until the transaction is rolled back.
            | Self::TransactionLost
            | Self::MessageTooLarge(_) => false,
        }
    }

    /// What became of the operation that failed with this error.
    ///
    /// When the broker has closed the channel it does nothing more that was sent on it. So of what
    /// waited for an answer, or came later, the operation that provoked the close was
    /// [rejected](Outcome::Rejected), and each [bystander](BrokerClose::bystander) stood behind it:
    /// it was [not sent](Outcome::NotSent), or not looked at. What was sent without waiting for an
    /// answer (`basic_publish`, `no_wait`, acknowledgements) is not told by this.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            // What the broker said to an attempt is not about the operation.
            Self::Connection(ConnectionError::NotRecovered { .. }) => Outcome::Unknown,
            Self::Connection(error) => match error.broker_close() {
                Some(close) if close.method.is_some() && !close.bystander => Outcome::Rejected,
                _ => Outcome::Unknown,
            },
            Self::Closed
            | Self::Timeout { .. }
            | Self::BlockedTimeout { .. }
            | Self::ReadingStopped { .. } => Outcome::Unknown,
            Self::ClosedByBroker(close) if close.bystander => Outcome::NotSent,
            Self::ClosedByBroker(_) | Self::MessageTooLarge(_) => Outcome::Rejected,
            Self::TooLong(_)
            | Self::FrameTooLarge(_)
            | Self::Blocked { .. }
            | Self::Recovering { .. }
            | Self::TransactionLost
            | Self::ChannelLimit { .. }
            | Self::IdInUse { .. }
            | Self::IdOutOfRange { .. }
            | Self::ConsumerTagInUse { .. }
            | Self::Invalid(_) => Outcome::NotSent,
        }
    }
}

impl PublishError {
    /// Whether a time was up: see [`ChannelError::is_timeout`]. It may be that of the confirm
    /// ([`confirm_timeout`](crate::Publisher::confirm_timeout)).
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        match self {
            Self::NotSent(error) | Self::Refused(error) | Self::Uncertain(error) => {
                error.is_timeout()
            }
            Self::Nacked | Self::Returned(_) => false,
        }
    }

    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::NotSent(error) | Self::Refused(error) | Self::Uncertain(error) => {
                error.broker_close()
            }
            Self::Nacked | Self::Returned(_) => None,
        }
    }

    /// Whether publishing the message again may succeed without a change to the program. One
    /// whose [outcome](Self::outcome) is unknown may then be in its queues twice.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotSent(error) | Self::Refused(error) => error.is_retryable(),
            // It may be this message that ended the connection.
            Self::Uncertain(error) => {
                let close = error.broker_close();
                error.is_retryable() && !close.is_some_and(BrokerClose::is_unreadable_message)
            }
            Self::Nacked => true,
            Self::Returned(_) => false,
        }
    }

    /// What became of the message.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent(_) => Outcome::NotSent,
            Self::Nacked | Self::Returned(_) | Self::Refused(_) => Outcome::Rejected,
            Self::Uncertain(_) => Outcome::Unknown,
        }
    }
}

impl ConsumeError {
    /// Whether a time was up: see [`ChannelError::is_timeout`].
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Channel(error) | Self::NotRestored(error) if error.is_timeout())
    }

    /// What the broker said when it closed the channel or the connection, if that is why.
    #[must_use]
    pub fn broker_close(&self) -> Option<&BrokerClose> {
        match self {
            Self::Channel(error) | Self::NotRestored(error) => error.broker_close(),
            Self::CancelledByBroker { .. } | Self::TooSlow { .. } | Self::MessageTooLarge(_) => {
                None
            }
        }
    }

    /// Whether consuming again may succeed without a change to the program. After a
    /// cancellation it does if the queue has moved to another node, and not if it was deleted.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Channel(error) | Self::NotRestored(error) => error.is_retryable(),
            Self::CancelledByBroker { .. } | Self::TooSlow { .. } => true,
            // As long as it heads its queue it comes again.
            Self::MessageTooLarge(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;
    use std::time::Duration;

    use amqp_spec::wire::{MethodId, TypedMethod};
    use amqp_spec::{basic, queue};

    use super::{ChannelError, ConnectionError, ConsumeError, Outcome, PublishError};
    use crate::error::about::Provoker;
    use crate::error::{ArgumentError, BrokerClose, NameTooLong, Violation};

    fn close(code: u16, method: MethodId) -> Arc<BrokerClose> {
        let (said, _) = BrokerClose::read(1, code, b"", method, &Provoker::default());
        Arc::new(said)
    }

    #[test]
    fn connections_worth_opening_again_are_told() {
        let table = [
            (ConnectionError::Closed, false),
            (
                ConnectionError::ClosedByBroker(close(320, MethodId::new(0, 0))),
                true,
            ),
            (
                ConnectionError::ClosedByBroker(close(530, MethodId::new(0, 0))),
                false,
            ),
            (Violation::BodyTooLong { channel: 1 }.into(), false),
            (ConnectionError::HeartbeatTimeout(Duration::ZERO), true),
            (
                ConnectionError::Io(Arc::new(io::ErrorKind::BrokenPipe.into())),
                true,
            ),
            (ConnectionError::EndOfStream, true),
            (
                ConnectionError::CloseTimeout {
                    unwritten_bytes: 0,
                    unwritten_messages: 0,
                },
                false,
            ),
            (ConnectionError::DriverGone, false),
        ];
        for (error, expected) in table {
            assert_eq!(error.is_retryable(), expected, "{error}");
            let error = ChannelError::Connection(error);
            assert_eq!(
                (error.is_retryable(), error.outcome()),
                (expected, Outcome::Unknown)
            );
        }
    }

    #[test]
    fn operations_worth_trying_again_and_their_outcomes_are_told() {
        let too_long = NameTooLong::new("queue", &"q".repeat(256));
        let table = [
            (ChannelError::Closed, false, Outcome::Unknown),
            (
                ChannelError::Timeout {
                    method: "tx.commit",
                },
                true,
                Outcome::Unknown,
            ),
            (
                ChannelError::ClosedByBroker(close(404, queue::Bind::ID)),
                false,
                Outcome::Rejected,
            ),
            (
                ChannelError::ClosedByBroker(close(405, queue::Bind::ID)),
                true,
                Outcome::Rejected,
            ),
            (ChannelError::from(too_long), false, Outcome::NotSent),
            (
                ChannelError::ChannelLimit { channel_max: 1 },
                true,
                Outcome::NotSent,
            ),
            (ChannelError::IdInUse { id: 1 }, true, Outcome::NotSent),
            (
                ChannelError::IdOutOfRange {
                    id: 2,
                    channel_max: 1,
                },
                false,
                Outcome::NotSent,
            ),
            (
                ChannelError::Invalid(ArgumentError::DeliveryTagZero),
                false,
                Outcome::NotSent,
            ),
            (
                ChannelError::Recovering {
                    after: Duration::from_secs(30),
                    lost: Box::new(ConnectionError::EndOfStream),
                },
                true,
                Outcome::NotSent,
            ),
            (ChannelError::TransactionLost, false, Outcome::NotSent),
        ];
        for (error, retryable, outcome) in table {
            assert_eq!(
                (error.is_retryable(), error.outcome()),
                (retryable, outcome),
                "{error}"
            );
            let consumed = ConsumeError::Channel(error.clone());
            assert_eq!(consumed.is_retryable(), retryable);
            let uncertain = PublishError::Uncertain(error.clone());
            assert_eq!(
                (uncertain.is_retryable(), uncertain.outcome()),
                (retryable, Outcome::Unknown)
            );
            let not_sent = PublishError::NotSent(error);
            assert_eq!(
                (not_sent.is_retryable(), not_sent.outcome()),
                (retryable, Outcome::NotSent)
            );
        }
        assert!(PublishError::Nacked.is_retryable());
        assert_eq!(PublishError::Nacked.outcome(), Outcome::Rejected);
    }

    #[test]
    fn questions_reach_what_the_broker_said_through_every_error() {
        let unknown_tag = ChannelError::ClosedByBroker(close(406, basic::Ack::ID));
        assert!(unknown_tag.is_precondition_failed() && unknown_tag.is_unknown_delivery_tag());
        assert!(!unknown_tag.is_delivery_ack_timeout() && !unknown_tag.is_not_found());
        assert!(ConsumeError::Channel(unknown_tag).is_unknown_delivery_tag());
        let too_large = ChannelError::ClosedByBroker(close(311, basic::Publish::ID));
        assert!(PublishError::Uncertain(too_large).is_message_too_large());
        let locked = ConnectionError::ClosedByBroker(close(405, queue::Declare::ID));
        assert!(locked.is_resource_locked() && !locked.is_access_refused());
        assert!(ChannelError::Connection(locked).is_resource_locked());
        assert!(PublishError::Nacked.reply_code().is_none());
    }
}
