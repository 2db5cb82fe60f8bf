//! What can happen on a connection or a channel that a program may want to know.

use std::sync::Arc;
use std::time::Duration;

use amqp_spec::wire::ShortString;

use crate::error::{
    ChannelError, ConnectError, ConnectionError, Entity, Initiator, OversizedMessage,
};
use crate::message::ReturnedMessage;
use crate::proto::recovery::{Lost, RecoveryReport};

/// Something that happened on a connection; see [`Connection::events`](crate::Connection::events).
///
/// Channels are named by their numbers, which are used again after a channel has ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open, for the first time. Told to those who have asked for events before:
    /// of a connection that was started (`Connection::start`), for instance, whose attempts before
    /// that are told by [`Retrying`](Self::Retrying).
    Opened,
    /// The broker takes no messages for now, or has another reason for it than before.
    Blocked {
        /// Why, in the broker's words (RabbitMQ: `low on memory`).
        reason: Arc<str>,
    },
    /// The broker takes messages again.
    Unblocked,
    /// The broker asked for no more messages on a channel, or for more. RabbitMQ never does.
    ChannelFlow {
        /// The channel.
        channel: u16,
        /// Whether messages may be published.
        active: bool,
    },
    /// A [limit for the whole channel](crate::consume::QosScope::Channel) was asked for, and the
    /// broker takes it for a limit of each consumer: RabbitMQ from 4.3 on, which does not say so
    /// itself. Told once for each channel.
    LimitPerConsumer {
        /// The channel.
        channel: u16,
        /// The limit.
        prefetch_count: u16,
    },
    /// A message has come back that no [`Publisher`](crate::Publisher) waits for: it was published
    /// with [`Channel::basic_publish_mandatory`](crate::Channel::basic_publish_mandatory), or its
    /// [`Confirmation`](crate::Confirmation) was dropped.
    Returned {
        /// The channel that it was published on.
        channel: u16,
        /// The message, and why it came back.
        message: Arc<ReturnedMessage>,
    },
    /// A message came from a queue that is larger than
    /// [`max_message_size`](crate::ConnectionOptions::max_message_size): its body was skipped.
    MessageTooLarge {
        /// The channel that it came on.
        channel: u16,
        /// Which message, and whether it is lost.
        message: Arc<OversizedMessage>,
    },
    /// A consumer has ended, and its channel has not; one that the broker has cancelled may
    /// [subscribe again](crate::consume::Consume::resubscribe).
    ConsumerCancelled {
        /// Its channel.
        channel: u16,
        /// Its tag.
        consumer_tag: ShortString,
        /// The program; the broker, since the queue was deleted or its node is gone; or this
        /// library, since the consumer held too much, or a message was too large for it.
        by: Initiator,
    },
    /// Nothing is read any more, though something waits for what has to be read: consumers without
    /// acknowledgements hold [64 MiB](crate::consume::WhenSlow::Wait) that they have not taken.
    /// This names the one that holds most. Requests and publishes that wait end in time, with
    /// [`ChannelError::ReadingStopped`]. Reading goes on when consumers take what they hold, or
    /// when that consumer's channel is closed. Told once each time reading stops.
    ReadingStopped {
        /// The consumer's channel.
        channel: u16,
        /// The consumer.
        consumer_tag: ShortString,
        /// The queue that it consumes from.
        queue: String,
        /// How much it holds, in bytes.
        bytes: usize,
    },
    /// A channel has ended. Told to listeners of the connection only if the connection lives on.
    ChannelClosed {
        /// The channel.
        channel: u16,
        /// Why it ended.
        cause: ChannelError,
    },
    /// The broker has closed the channel of a publisher, which opens it anew, under the same
    /// number, for its next message; see
    /// [`Connection::open_publisher`](crate::Connection::open_publisher).
    ChannelRenewed {
        /// The channel.
        channel: u16,
        /// Why the broker has closed it.
        cause: ChannelError,
    },
    /// The connection is lost and about to come back ([`Recovery`](crate::options::Recovery)). Publishes and
    /// requests wait, consumers are silent.
    Lost {
        /// Why it was lost.
        cause: ConnectionError,
        /// What that took with it.
        lost: Lost,
    },
    /// An attempt to bring the connection back comes next, or to open one that was started.
    Retrying {
        /// Which, from 1 on. The count goes on, and the delay grows with it, if the connection has
        /// lived for less than 10 s: that is how a connection that comes and goes is slowed.
        attempt: u32,
        /// When it begins, from now.
        delay: Duration,
        /// How the one before it failed; `None` for the first after a loss.
        last: Option<ConnectError>,
    },
    /// The connection has come back, with everything but what the report says.
    Recovered(Arc<RecoveryReport>),
    /// Something could not be restored, for a reason that may pass, and is tried again, for
    /// [`entity_patience`](crate::options::Recovery::entity_patience); or a consumer that the broker
    /// has cancelled could not [subscribe again](crate::consume::Consume::resubscribe), and is tried
    /// again as often as that says. Nothing else waits for it.
    Pending {
        /// What.
        entity: Arc<Entity>,
        /// Why.
        cause: ChannelError,
    },
    /// What was [pending](Self::Pending), or depended on that, is not tried any more: the time for
    /// it is over, or the broker has refused it for good. A consumer ends with
    /// [`ConsumeError::NotRestored`](crate::ConsumeError::NotRestored).
    NotRestored {
        /// What.
        entity: Arc<Entity>,
        /// Why.
        cause: ChannelError,
    },
    /// What was [pending](Self::Pending) is restored; or a consumer that the broker had cancelled
    /// has subscribed again, or a channel that it had closed is opened again
    /// [for one](crate::consume::Resubscribe::also_when_channel_closes).
    Restored {
        /// What.
        entity: Arc<Entity>,
    },
    /// The connection has ended. Nothing follows.
    ConnectionClosed {
        /// Why it ended.
        cause: ConnectionError,
    },
    /// The listener was too slow: events that came before the next one were dropped.
    Lagged {
        /// How many.
        count: u64,
    },
}

impl Event {
    pub(crate) fn is_last_of_channel(&self) -> bool {
        matches!(self, Self::ChannelClosed { .. })
    }

    /// What it occupies besides itself.
    pub(crate) fn footprint(&self) -> usize {
        match self {
            Self::Returned { message, .. } => message.body().len() + size_of::<ReturnedMessage>(),
            Self::Recovered(report) => footprint(report),
            _ => 0,
        }
    }
}

fn footprint(report: &RecoveryReport) -> usize {
    let names = |(before, now): &(String, String)| before.len() + now.len();
    size_of::<RecoveryReport>()
        + size_of_val(report.skipped.as_slice())
        + size_of_val(report.renamed.as_slice())
        + report.renamed.iter().map(names).sum::<usize>()
}
