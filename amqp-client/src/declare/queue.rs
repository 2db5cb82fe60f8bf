//! Queues to be declared or deleted, and RabbitMQ's arguments for them.

use std::time::Duration;

use amqp_spec::queue;
use amqp_spec::wire::ToValue;

use super::arguments::Arguments;
use crate::error::{ChannelError, Subject};

/// A queue to be declared. Text is its name. Neither durable, exclusive nor auto-deleted unless said
/// so; RabbitMQ 4.3 deprecates such queues unless they are exclusive.
///
/// ```
/// use std::time::Duration;
/// use amqp_client::declare::Overflow;
/// use amqp_client::QueueDeclare;
///
/// let orders = QueueDeclare::new("orders")
///     .quorum()
///     .max_length(100_000)
///     .overflow(Overflow::RejectPublish)
///     .dead_letter_exchange("failed-orders")
///     .delivery_limit(5);
/// let replies = QueueDeclare::temporary().expires(Duration::from_secs(600));
/// # let _ = (orders, replies);
/// ```
///
/// What contradicts itself is refused with [`ChannelError::Invalid`] and never sent, unless it is
/// [`unchecked`](Self::unchecked). Arguments can also come from policies of the broker, which this
/// does not know of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "hand it to Channel::queue_declare"]
pub struct QueueDeclare {
    pub(crate) name: String,
    pub(super) passive: bool,
    pub(super) durable: bool,
    pub(super) exclusive: bool,
    pub(super) auto_delete: bool,
    pub(super) arguments: Arguments,
    pub(super) unchecked: bool,
}

impl QueueDeclare {
    /// A queue of this name: up to 255 octets, not beginning with `amq.`; empty to let the broker
    /// choose one.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            ..Self::default()
        }
    }

    /// A queue that the broker names, [exclusive](Self::exclusive): for replies and subscriptions.
    /// It goes with the connection, and not before: consumers may come and go, and what is
    /// published while there is none waits. With [`auto_delete`](Self::auto_delete) it goes with
    /// its last consumer.
    pub fn temporary() -> Self {
        Self::default().exclusive()
    }

    /// Only checks that the queue is there. Nothing else that is set matters then. Makes it the
    /// queue that was declared last on the channel, too.
    pub fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Survives a restart of the broker. Its messages do if they are
    /// [persistent](crate::Message::persistent).
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// For this connection only, and deleted with it. Others get 405, for a moment also after the
    /// connection was lost.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Deleted **with all its messages** as soon as its last consumer goes: is cancelled or
    /// dropped, or its channel ends. Not before it has had one. So a consumer is replaced by
    /// starting the next one first. Default: it stays; see [`expires`](Self::expires) for one that
    /// goes some time after.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    // Its type

    /// On one node (`x-queue-type: classic`). The default, unless the virtual host has another.
    pub fn classic(self) -> Self {
        self.argument("x-queue-type", "classic")
    }

    /// Replicated over the nodes of a cluster (`x-queue-type: quorum`); durable, as those must be.
    pub fn quorum(self) -> Self {
        self.durable().argument("x-queue-type", "quorum")
    }

    /// An append-only log that consumers read without taking anything away
    /// (`x-queue-type: stream`); durable, as those must be. They cannot be purged nor fetched from,
    /// and their consumers need a prefetch and acknowledgements.
    pub fn stream(self) -> Self {
        self.durable().argument("x-queue-type", "stream")
    }

    // Its limits

    /// How long messages may wait before they are dropped or dead-lettered (`x-message-ttl`): from
    /// 0, which means "unless they can be delivered at once", to 10 years, in milliseconds, rounded
    /// up. Default: for ever. Not for streams.
    pub fn message_ttl(mut self, ttl: Duration) -> Self {
        self.arguments.set_millis("x-message-ttl", ttl);
        self
    }

    /// After how long without consumers, `basic.get` and declarations the queue is deleted, with
    /// all its messages (`x-expires`): 1 ms to 10 years, rounded up to milliseconds. Default:
    /// never. Not for streams.
    pub fn expires(mut self, after: Duration) -> Self {
        self.arguments.set_millis("x-expires", after);
        self
    }

    /// How many messages may be ready (`x-max-length`), up to 2⁶³ - 1; [`overflow`](Self::overflow)
    /// says what happens then. Default: no limit. Not for streams.
    pub fn max_length(mut self, n_messages: u64) -> Self {
        self.arguments.set("x-max-length", n_messages);
        self
    }

    /// How many octets of bodies may be ready (`x-max-length-bytes`), up to 2⁶³ - 1. Streams drop
    /// their oldest segments. Default: no limit.
    pub fn max_length_bytes(mut self, n_octets: u64) -> Self {
        self.arguments.set("x-max-length-bytes", n_octets);
        self
    }

    /// What happens when a limit is reached (`x-overflow`). Default: [`Overflow::DropHead`]. Not
    /// for streams.
    pub fn overflow(self, overflow: Overflow) -> Self {
        self.argument("x-overflow", overflow.as_str())
    }

    /// How many priorities the queue tells apart (`x-max-priority`): 0 to 255, each costs memory;
    /// up to 10 are sensible. Default: none. Classic queues only.
    pub fn max_priority(self, priority: u8) -> Self {
        self.argument("x-max-priority", i32::from(priority))
    }

    // Dead letters

    /// Where messages go that are refused without requeueing, expired, over a length limit or over
    /// the delivery limit (`x-dead-letter-exchange`); empty for the default exchange. It need not
    /// exist yet; messages are dropped while it does not. Default: they are dropped. Not for
    /// streams.
    pub fn dead_letter_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-exchange", exchange.as_ref())
    }

    /// The routing key that dead letters get (`x-dead-letter-routing-key`). Default: their own.
    /// Needs a [`dead_letter_exchange`](Self::dead_letter_exchange).
    pub fn dead_letter_routing_key(self, routing_key: impl AsRef<str>) -> Self {
        self.argument("x-dead-letter-routing-key", routing_key.as_ref())
    }

    /// Dead letters go straight into this queue: the default exchange, with the queue's name as
    /// routing key.
    ///
    /// ```
    /// use amqp_client::QueueDeclare;
    /// use std::time::Duration;
    ///
    /// // What is refused in one queue comes back a minute later, through the other.
    /// let jobs = QueueDeclare::new("jobs").durable().dead_letter_queue("jobs.wait");
    /// let minute = Duration::from_secs(60);
    /// let wait = QueueDeclare::new("jobs.wait").durable().message_ttl(minute).dead_letter_queue("jobs");
    /// ```
    pub fn dead_letter_queue(self, queue: impl AsRef<str>) -> Self {
        self.dead_letter_exchange("").dead_letter_routing_key(queue)
    }

    /// Whether dead letters may get lost on their way (`x-dead-letter-strategy`). Default:
    /// [`DeadLetterStrategy::AtMostOnce`]. Quorum queues only.
    pub fn dead_letter_strategy(self, strategy: DeadLetterStrategy) -> Self {
        self.argument("x-dead-letter-strategy", strategy.as_str())
    }

    /// How many times a message may come back unacknowledged before it is dropped or dead-lettered
    /// (`x-delivery-limit`). Default: 20 since RabbitMQ 4.0, none before; -1 as an
    /// [argument](Self::argument) is none since 4.0. Quorum queues only.
    ///
    /// Before RabbitMQ 4.3 every return counts, also that of a message which was only prefetched: a
    /// consumer that is dropped, or whose connection is lost, gives back up to its
    /// [prefetch](crate::consume::Consume::prefetch). From 4.3 on
    /// [`nack`](crate::Delivery::nack) does not count, nor what a dropped consumer gives back;
    /// [`reject`](crate::Delivery::reject) and lost connections do. Have a
    /// [dead-letter exchange](Self::dead_letter_exchange), or what is over the limit is gone.
    pub fn delivery_limit(mut self, n_deliveries: u32) -> Self {
        self.arguments
            .set("x-delivery-limit", i64::from(n_deliveries));
        self
    }

    // Delayed retries

    /// Which of the messages that come back wait before they are delivered again
    /// (`x-delayed-retry-type`). Needs [`delayed_retry_min`](Self::delayed_retry_min), without which
    /// RabbitMQ silently delays nothing. Default: none. Quorum queues only, since RabbitMQ 4.3;
    /// ignored before.
    ///
    /// ```
    /// use amqp_client::QueueDeclare;
    /// use amqp_client::declare::DelayedRetryType;
    /// use std::time::Duration;
    ///
    /// // Half a minute after the first failure, a minute after the second, five at most.
    /// let jobs = QueueDeclare::new("jobs")
    ///     .quorum()
    ///     .delayed_retry_type(DelayedRetryType::Failed)
    ///     .delayed_retry_min(Duration::from_secs(30))
    ///     .delayed_retry_max(Duration::from_secs(300))
    ///     .delivery_limit(10)
    ///     .dead_letter_queue("jobs.failed");
    /// ```
    pub fn delayed_retry_type(self, which: DelayedRetryType) -> Self {
        self.argument("x-delayed-retry-type", which.as_str())
    }

    /// How long a message waits that [comes back](Self::delayed_retry_type)
    /// (`x-delayed-retry-min`): from 1 ms, rounded up to milliseconds. So long the first time;
    /// with each [failure](DelayedRetryType::Failed) more as much again, up to
    /// [`delayed_retry_max`](Self::delayed_retry_max).
    pub fn delayed_retry_min(mut self, least: Duration) -> Self {
        self.arguments.set_millis("x-delayed-retry-min", least);
        self
    }

    /// The longest time that a message waits that comes back (`x-delayed-retry-max`), in
    /// milliseconds, rounded up: at least the [least](Self::delayed_retry_min). Default: as long as
    /// that, each time.
    pub fn delayed_retry_max(mut self, most: Duration) -> Self {
        self.arguments.set_millis("x-delayed-retry-max", most);
        self
    }

    // Consumers

    /// One consumer at a time receives; another takes over when it goes
    /// (`x-single-active-consumer`). Default: all share. Not for streams.
    pub fn single_active_consumer(self) -> Self {
        self.argument("x-single-active-consumer", true)
    }

    /// How long a consumer may keep a delivery unacknowledged (`x-consumer-timeout`), in
    /// milliseconds, rounded up; 0 is at once. A consumer may have a time [of its
    /// own](crate::consume::Consume::consumer_timeout). Default: that of the broker, half an hour
    /// unless it is configured.
    ///
    /// Since RabbitMQ 4.3 it is for quorum queues, and other queues refuse it (406): the broker takes
    /// the deliveries back and cancels the consumer
    /// ([`ConsumeError::CancelledByBroker`](crate::ConsumeError::CancelledByBroker)). 4.0 knows it
    /// for classic queues as well, looks once a minute, and closes the channel
    /// ([`is_delivery_ack_timeout`](crate::ChannelError::is_delivery_ack_timeout)). 3.10 ignores it.
    pub fn consumer_timeout(mut self, limit: Duration) -> Self {
        self.arguments.set_millis("x-consumer-timeout", limit);
        self
    }

    /// For how long the deliveries of a consumer are kept for it while its node cannot be reached
    /// from that of the queue's leader (`x-consumer-disconnected-timeout`), in milliseconds, rounded
    /// up; then they go back to the queue. A connection that ends gives them back at once. Default:
    /// a minute. Quorum queues only, since RabbitMQ 4.3; ignored before.
    pub fn consumer_disconnected_timeout(mut self, limit: Duration) -> Self {
        self.arguments
            .set_millis("x-consumer-disconnected-timeout", limit);
        self
    }

    // Nodes and disks

    /// On which node the queue's leader starts (`x-queue-leader-locator`). Default:
    /// [`LeaderLocator::ClientLocal`]. Quorum queues and streams; classic ones since RabbitMQ 4.0.
    pub fn queue_leader_locator(self, locator: LeaderLocator) -> Self {
        self.argument("x-queue-leader-locator", locator.as_str())
    }

    /// On how many nodes a quorum queue starts (`x-quorum-initial-group-size`): from 1. Default: 3,
    /// or as many as there are.
    pub fn quorum_initial_group_size(mut self, n_nodes: u32) -> Self {
        self.arguments
            .set("x-quorum-initial-group-size", i64::from(n_nodes));
        self
    }

    /// On how many nodes a stream starts (`x-initial-cluster-size`): from 1. Default: on all.
    pub fn initial_cluster_size(mut self, n_nodes: u32) -> Self {
        self.arguments
            .set("x-initial-cluster-size", i64::from(n_nodes));
        self
    }

    /// How long a stream keeps messages (`x-max-age`), in seconds, rounded up: from 1. What is
    /// older goes when its whole segment is. Default: for ever.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.arguments.set_age("x-max-age", age);
        self
    }

    /// How large a stream's segments may grow, in octets (`x-stream-max-segment-size-bytes`): up to
    /// 3 000 000 000. Limits of age and length apply to whole segments. Default: 500 000 000.
    pub fn stream_max_segment_size_bytes(mut self, n_octets: u64) -> Self {
        self.arguments
            .set("x-stream-max-segment-size-bytes", n_octets);
        self
    }

    /// The size of a stream's filters in octets (`x-stream-filter-size-bytes`): 16 to 255. Default:
    /// 16. Since RabbitMQ 3.13; ignored before.
    pub fn stream_filter_size_bytes(self, n_octets: u8) -> Self {
        self.argument("x-stream-filter-size-bytes", i32::from(n_octets))
    }

    /// The storage format of a classic queue (`x-queue-version`): 1 or 2. Default: 1, and 2 since
    /// RabbitMQ 4.0. RabbitMQ from 4.3 on has only 2, and refuses 1 (406).
    pub fn queue_version(self, version: u8) -> Self {
        self.argument("x-queue-version", i32::from(version))
    }

    /// Keeps a classic queue's messages on disk (`x-queue-mode: lazy`). Without effect since
    /// RabbitMQ 3.12, where all of them do.
    pub fn lazy(self) -> Self {
        self.argument("x-queue-mode", "lazy")
    }

    /// An argument that has no method here, or not with that value. Integers of any width will do.
    /// In place of an earlier one of that name.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl ToValue) -> Self {
        self.arguments.set(name.as_ref(), value);
        self
    }

    /// Sends what is set, sense or no sense: for a broker that knows more than this library.
    pub fn unchecked(mut self) -> Self {
        self.unchecked = true;
        self
    }
}

impl<T: AsRef<str>> From<T> for QueueDeclare {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// Copies it, so that it can be used again.
impl From<&Self> for QueueDeclare {
    fn from(declare: &Self) -> Self {
        declare.clone()
    }
}

/// What a queue does at its limit; see [`QueueDeclare::overflow`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Overflow {
    /// Drops or dead-letters its oldest messages.
    DropHead,
    /// Refuses new messages (`basic.nack` to publishers with confirms), without dead-lettering
    /// them.
    RejectPublish,
    /// Refuses new messages and dead-letters them. Classic queues only: RabbitMQ silently takes it
    /// for `DropHead` on quorum queues.
    RejectPublishDlx,
}

impl Overflow {
    fn as_str(self) -> &'static str {
        match self {
            Self::DropHead => "drop-head",
            Self::RejectPublish => "reject-publish",
            Self::RejectPublishDlx => "reject-publish-dlx",
        }
    }
}

/// How sure dead letters arrive; see [`QueueDeclare::dead_letter_strategy`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DeadLetterStrategy {
    /// They may get lost on their way.
    AtMostOnce,
    /// They are kept until their queues have confirmed them. Needs [`Overflow::RejectPublish`] and
    /// a dead letter exchange: RabbitMQ silently falls back to `AtMostOnce` without.
    AtLeastOnce,
}

impl DeadLetterStrategy {
    fn as_str(self) -> &'static str {
        match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        }
    }
}

/// Which messages that come back wait; see [`QueueDeclare::delayed_retry_type`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum DelayedRetryType {
    /// None.
    Disabled,
    /// Those that failed, which also counts towards the
    /// [delivery limit](QueueDeclare::delivery_limit): [rejected](crate::Delivery::reject) with
    /// requeueing, or lost with their consumer's connection.
    Failed,
    /// Those that were given back without having failed: [`nack`](crate::Delivery::nack) with
    /// requeueing, or what a consumer had that was cancelled.
    Returned,
    /// All of them.
    All,
}

impl DelayedRetryType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Failed => "failed",
            Self::Returned => "returned",
            Self::All => "all",
        }
    }
}

/// Where a queue's leader starts; see [`QueueDeclare::queue_leader_locator`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum LeaderLocator {
    /// On the node that the connection goes to.
    ClientLocal,
    /// Where there are few leaders.
    Balanced,
}

impl LeaderLocator {
    fn as_str(self) -> &'static str {
        match self {
            Self::ClientLocal => "client-local",
            Self::Balanced => "balanced",
        }
    }
}

/// A queue as the broker knows it.
///
/// ```no_run
/// use amqp_client::{Channel, QueueDeclare};
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// let replies = channel.queue_declare(QueueDeclare::temporary()).await?;
/// println!("replies come to {}", replies.name);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeclaredQueue {
    /// Its name; the broker's choice if none was asked for.
    pub name: String,
    /// Messages that are ready to be delivered; those unacknowledged are not counted.
    pub message_count: u32,
    /// Consumers that it has.
    pub consumer_count: u32,
}

impl DeclaredQueue {
    /// A queue as a broker could know it, for tests of what a program makes of it.
    ///
    /// ```
    /// use amqp_client::declare::DeclaredQueue;
    ///
    /// let queue = DeclaredQueue::new("orders", 42, 0);
    /// assert_eq!((queue.name.as_str(), queue.message_count), ("orders", 42));
    /// ```
    pub fn new(name: impl AsRef<str>, message_count: u32, consumer_count: u32) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            message_count,
            consumer_count,
        }
    }

    pub(crate) fn read(ok: queue::DeclareOk<'_>, asked_for: String) -> Self {
        // Mostly the same, and then needs no copy; but the broker may have chosen it, or taken a
        // newline out.
        let name = if ok.queue.as_bytes() == asked_for.as_bytes() {
            asked_for
        } else {
            String::from_utf8_lossy(ok.queue.as_bytes()).into_owned()
        };
        Self {
            name,
            message_count: ok.message_count,
            consumer_count: ok.consumer_count,
        }
    }
}

/// A queue to be deleted. Text is its name.
///
/// ```no_run
/// use amqp_client::declare::QueueDelete;
/// use amqp_client::Channel;
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// let n_lost = channel.queue_delete("orders").await?;
/// channel.queue_delete(QueueDelete::new("invoices").if_unused().if_empty()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "hand it to Channel::queue_delete"]
pub struct QueueDelete {
    pub(crate) name: String,
    if_unused: bool,
    if_empty: bool,
}

impl QueueDelete {
    /// The queue of this name, with consumers and messages or without; empty for the one declared
    /// last on the channel.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            if_unused: false,
            if_empty: false,
        }
    }

    /// Only if it has no consumers; otherwise it stays, and the broker closes the channel with 406.
    /// For classic queues: over a quorum queue RabbitMQ closes the connection with 540, and a
    /// stream it **deletes, consumers or not**.
    pub fn if_unused(mut self) -> Self {
        self.if_unused = true;
        self
    }

    /// Only if it has no messages that are ready; otherwise it stays, and the broker closes the
    /// channel with 406. For classic queues: over a quorum queue RabbitMQ closes the connection
    /// with 540, and a stream it **deletes with all that is in it**.
    pub fn if_empty(mut self) -> Self {
        self.if_empty = true;
        self
    }

    pub(crate) fn as_method(&self) -> Result<queue::Delete<'_>, ChannelError> {
        Ok(queue::Delete {
            queue: Subject::Nothing.short("queue", &self.name)?,
            if_unused: self.if_unused,
            if_empty: self.if_empty,
            no_wait: false,
        })
    }
}

impl<T: AsRef<str>> From<T> for QueueDelete {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// Copies it, so that it can be used again.
impl From<&Self> for QueueDelete {
    fn from(delete: &Self) -> Self {
        delete.clone()
    }
}
