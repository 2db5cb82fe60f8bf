//! Starting a consumer: its options, and the requests that set them.

use std::borrow::Cow;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use amqp_spec::basic;
use amqp_spec::wire::{FieldArray, ShortStr, ShortString, TableRef, ToValue};

use super::ack_mode::{AckMode, AutoAck, ManualAck};
use super::consumer::Consumer;
use super::offset::StreamOffset;
use crate::channel::Channel;
use crate::channel::request::{PendingReply, slot_about};
use crate::declare::{Arguments, stream_offset};
use crate::error::{About, ArgumentError, ChannelError, Subject};
use crate::proto::recovery::Resubscribe;
use crate::proto::send::outbox::{NotStarted, Prefetch};
use crate::proto::send::request::{Answer, Barrier, Effect, Slot};
use crate::proto::shared::consumer::{ConsumerQueue, OnOversized};
use crate::proto::shared::resubscription::Resubscription;

/// How many deliveries a consumer may have unacknowledged, unless it says otherwise.
pub const DEFAULT_PREFETCH: u16 = 200;

/// What happens when a consumer without acknowledgements is slower than the broker.
///
/// Nothing but the stream itself limits what the broker sends to such a consumer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhenSlow {
    /// The connection waits. Above 16 MiB of such deliveries that its consumers have not taken it
    /// is read only while something waits for what has to be read: a reply, a confirm, a delivery
    /// where none is at hand. Above 64 MiB it is not read at all. If anything waits then,
    /// [`Event::ReadingStopped`](crate::event::Event::ReadingStopped) says so at once; requests end
    /// after `request_timeout`, and publishes after the shorter of `confirm_timeout` and
    /// `request_timeout`, with [`ChannelError::ReadingStopped`]. A call ends after its own timeout
    /// ([`rpc::Error::Timeout`](crate::rpc::Error::Timeout)), or as a publish does if that is
    /// shorter. Waiting for deliveries does not end. The broker keeps what it cannot send. This is
    /// the default; where others share the connection, give such a consumer one of its own.
    ///
    /// Taking its deliveries lets the connection go on, and so does closing its channel: what has
    /// come is still yielded, what comes later is discarded. What is left when the consumer has
    /// ended holds up nothing.
    #[default]
    Wait,
    /// The consumer is cancelled, and the connection goes on. What it holds by then is still
    /// yielded, then [`ConsumeError::TooSlow`](crate::ConsumeError::TooSlow); what the broker
    /// sends before it has heard of the end is lost.
    Cancel {
        /// How many bytes it may hold, about. Beyond 16 MiB, of all such consumers of the
        /// connection together, the connection begins to wait nevertheless.
        above: usize,
    },
}

/// What a consumer does about a message that is larger than
/// [`max_message_size`](crate::ConnectionOptions::max_message_size). Its body is skipped as it
/// comes, and [`Event::MessageTooLarge`](crate::event::Event::MessageTooLarge) tells of each.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum WhenOversized {
    /// The consumer is cancelled, and ends with
    /// [`ConsumeError::MessageTooLarge`](crate::ConsumeError::MessageTooLarge); what becomes of the
    /// message is the program's decision. This is the default.
    #[default]
    Cancel,
    /// The message is rejected (`basic.reject` without requeue), and the consumer goes on.
    /// **Without a dead-letter exchange of the queue the message is gone**; so it is without
    /// acknowledgements, where there is nothing to reject.
    Reject,
}

/// A consumer about to be started: set options, then await it. See [`Channel::consume`].
#[must_use = "nothing is consumed before this is awaited"]
pub struct Consume<A = ManualAck> {
    channel: Channel,
    queue: String,
    tag: Option<String>,
    exclusive: bool,
    limit: Limit,
    when_slow: WhenSlow,
    on_oversized: OnOversized,
    resubscribe: Option<Resubscribe>,
    arguments: Arguments,
    acknowledgement: PhantomData<fn() -> A>,
}

/// How many deliveries may be unacknowledged at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Limit {
    /// What the channel was told, or the default.
    Channels,
    /// Zero is refused when it is to be sent.
    Own(u16),
    Unlimited,
}

impl<A> fmt::Debug for Consume<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consume")
            .field("queue", &self.queue)
            .field("prefetch", &self.limit)
            .finish_non_exhaustive()
    }
}

impl Consume {
    pub(crate) fn new(channel: Channel, queue: &str) -> Self {
        Self {
            channel,
            queue: queue.to_owned(),
            tag: None,
            exclusive: false,
            limit: Limit::Channels,
            when_slow: WhenSlow::Wait,
            on_oversized: OnOversized::Cancel,
            resubscribe: None,
            arguments: Arguments::default(),
            acknowledgement: PhantomData,
        }
    }

    /// How many deliveries may be unacknowledged at once, from 1 to 65535. Zero is refused with
    /// [`ChannelError::Invalid`]: AMQP means "no limit" by it, for which there is
    /// [`unlimited_prefetch`](Self::unlimited_prefetch). Default: 200, or what
    /// [`Channel::basic_qos`] has set, if it was called on the channel before. RabbitMQ takes a
    /// limit of the consumer's own for the end of the channel's.
    ///
    /// The more, the better the network is used, and the more is delivered again when the consumer
    /// goes, which quorum queues [count](crate::QueueDeclare::delivery_limit): with 1 for consumers that
    /// take few messages and go, no message comes back often. Quorum queues do not go beyond 2000. In
    /// memory a consumer holds *count × size of a
    /// message* at most.
    #[doc(alias = "prefetch_count")]
    pub fn prefetch(mut self, count: u16) -> Self {
        self.limit = Limit::Own(count);
        self
    }

    /// No limit of what is unacknowledged (a prefetch of zero): the whole queue may come at once,
    /// and is kept in memory here until it is consumed, up to
    /// [`inbound_limit`](crate::ConnectionOptions::inbound_limit); what is above that goes back,
    /// and the consumer ends with [`ConsumeError::TooSlow`](crate::ConsumeError::TooSlow). Streams
    /// refuse it with 406.
    pub fn unlimited_prefetch(mut self) -> Self {
        self.limit = Limit::Unlimited;
        self
    }

    /// Takes deliveries without acknowledging them (`no_ack`). Faster, and what is under way when a
    /// connection breaks is lost. There is no prefetch; see [`WhenSlow`] for what that means.
    /// Not for streams: RabbitMQ closes the channel (406), or the connection (540) if
    /// [`Channel::basic_qos`] has set a limit.
    #[doc(alias = "auto_ack")]
    pub fn no_ack(self) -> Consume<AutoAck> {
        Consume {
            channel: self.channel,
            queue: self.queue,
            tag: self.tag,
            exclusive: self.exclusive,
            limit: Limit::Channels,
            when_slow: self.when_slow,
            on_oversized: self.on_oversized,
            resubscribe: self.resubscribe,
            arguments: self.arguments,
            acknowledgement: PhantomData,
        }
    }
}

impl Consume<AutoAck> {
    /// What happens when deliveries come faster than they are taken. Default: [`WhenSlow::Wait`].
    pub fn when_slow(mut self, when_slow: WhenSlow) -> Self {
        self.when_slow = when_slow;
        self
    }
}

impl<A: AckMode> Consume<A> {
    /// The consumer's name at the broker. It travels with every delivery. Default: one that is made
    /// up, which differs from those of all other connections, and from those in use on the channel.
    ///
    /// A tag that a consumer of the channel has already is refused with
    /// [`ChannelError::ConsumerTagInUse`]; RabbitMQ would close the connection with 530. One that
    /// is being cancelled may be used again at once.
    #[doc(alias = "consumer_tag")]
    pub fn tag(mut self, tag: impl AsRef<str>) -> Self {
        self.tag = Some(tag.as_ref().to_owned());
        self
    }

    /// What happens when a message comes that is larger than
    /// [`max_message_size`](crate::ConnectionOptions::max_message_size). Default:
    /// [`WhenOversized::Cancel`].
    pub fn when_oversized(mut self, when_oversized: WhenOversized) -> Self {
        self.on_oversized = match when_oversized {
            WhenOversized::Cancel => OnOversized::Cancel,
            WhenOversized::Reject => OnOversized::Reject,
        };
        self
    }

    /// Messages that are too large are yielded without their bodies.
    pub(crate) fn mark_oversized(mut self) -> Self {
        self.on_oversized = OnOversized::Mark;
        self
    }

    /// Refuses to share the queue with other consumers.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Consumers of a higher priority get messages while they can take them (`x-priority`). Any
    /// integer; default: 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.arguments.set("x-priority", priority);
        self
    }

    /// Where reading begins, if the queue is a stream (`x-stream-offset`). Default:
    /// [`StreamOffset::Next`]. Other queues refuse it (406).
    ///
    /// What is refused or given back of a stream, by whichever way, is acknowledged instead: nothing
    /// was taken out of it, and RabbitMQ before 4.0 ends the connection over a refusal (540). By this
    /// offset and the one that comes with each message a stream is known; a consumer of one that was
    /// started without it gives back as all others do.
    ///
    /// Streams need a prefetch and acknowledgements, which are the default here: without the one
    /// RabbitMQ closes the channel (406), without the other the connection (540). So together with
    /// this it is refused here, with [`ChannelError::Invalid`].
    pub fn offset(mut self, offset: StreamOffset) -> Self {
        offset.write(&mut self.arguments);
        self
    }

    /// Of a stream, only messages that were published with one of these
    /// [filter values](crate::Message::stream_filter_value) (`x-stream-filter`), in place of those
    /// set before. Default: all messages. Since RabbitMQ 3.13; ignored before. Other queues refuse
    /// it (406), also since 3.13.
    ///
    /// The broker passes over whole chunks of the stream that have none of the values; in the
    /// others come messages of other values as well. So each delivery is to be looked at once more.
    ///
    /// ```no_run
    /// use amqp_client::consume::StreamOffset;
    ///
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), amqp_client::Error> {
    /// let orders = channel.consume("orders").offset(StreamOffset::First);
    /// let mut european = orders.stream_filter(["de", "fr"]).await?;
    /// while let Some(order) = european.next().await {
    ///     let order = order?;
    ///     let country = order.header("x-stream-filter-value");
    ///     if let Some("de" | "fr") = country.and_then(|value| value.as_str()) {
    ///         println!("{}", order.text()?);
    ///     }
    ///     order.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn stream_filter<T: AsRef<str>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        let mut filter = FieldArray::new();
        for value in values {
            filter.push(value.as_ref());
        }
        self.arguments.set("x-stream-filter", filter.as_ref());
        self
    }

    /// With a [`stream_filter`](Self::stream_filter), also messages that were published without a
    /// filter value (`x-stream-match-unfiltered`). Default: they are passed over, as far as whole
    /// chunks are.
    pub fn stream_match_unfiltered(mut self) -> Self {
        self.arguments.set("x-stream-match-unfiltered", true);
        self
    }

    /// How long a delivery may stay unacknowledged (`x-consumer-timeout`), in milliseconds, rounded
    /// up; 0 is no time at all. Then the broker takes all that are due back and cancels the
    /// consumer ([`ConsumeError::CancelledByBroker`](crate::ConsumeError::CancelledByBroker)).
    /// Default: [the queue's](crate::QueueDeclare::consumer_timeout). For quorum queues since
    /// RabbitMQ 4.3, where other queues refuse it (406); ignored before.
    pub fn consumer_timeout(mut self, limit: Duration) -> Self {
        self.arguments.set_millis("x-consumer-timeout", limit);
        self
    }

    /// Subscribes again by itself when the broker cancels the consumer: its queue was deleted, the
    /// queue's node has failed, RabbitMQ 4.3 has waited too long for an acknowledgement, or the user
    /// has lost a permission. Default: the consumer ends, with
    /// [`ConsumeError::CancelledByBroker`](crate::ConsumeError::CancelledByBroker).
    ///
    /// The stream, or the handler, goes on as if nothing had come for a while, with the same tag and
    /// on the same channel: what was delivered before is yielded and settled as ever. Then,
    /// after a [delay](Resubscribe::delays), the queue is looked for (`queue.declare`, passive) on a
    /// channel of the library's own, so that one that is missing costs nothing but the next delay;
    /// and when it is there, it is consumed from, behind a `basic.cancel` that frees the tag. A queue is not declared again. Works with and
    /// without [recovery](crate::options::Recovery); if the connection is lost meanwhile and comes
    /// back, the consumer goes on waiting.
    ///
    /// [`also_when_channel_closes`](Resubscribe::also_when_channel_closes) has the channel opened
    /// again if the broker closes that, and the consumer come back with it.
    ///
    /// A consumer that does not take what it has is not given it once more: it is not asked for
    /// before the program has taken everything that had come. So a handler that hangs does not get
    /// one message again and again, each time that RabbitMQ 4.3 gives up waiting for it; neither
    /// that, nor a `nack`, counts towards the queue's
    /// [delivery limit](crate::QueueDeclare::delivery_limit) there.
    ///
    /// [`Event::ConsumerCancelled`](crate::event::Event::ConsumerCancelled) tells the cancel,
    /// [`Event::Pending`](crate::event::Event::Pending) the first refusal,
    /// [`Event::Restored`](crate::event::Event::Restored) that the broker has started the consumer,
    /// or [`Event::NotRestored`](crate::event::Event::NotRestored) that it is not tried any more.
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// use amqp_client::consume::Resubscribe;
    ///
    /// let mut orders = channel.consume("orders").resubscribe(Resubscribe::new()).await?;
    /// while let Some(order) = orders.next().await {
    ///     order?.ack()?;
    /// }
    /// # Ok(()) }
    /// ```
    pub fn resubscribe(mut self, resubscribe: Resubscribe) -> Self {
        self.resubscribe = Some(resubscribe);
        self
    }

    /// An argument of the broker's that has no setter here, or not with that value. In place of an
    /// earlier one of that name, a setter's included.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl ToValue) -> Self {
        self.arguments.set(name.as_ref(), value);
        self
    }

    async fn start(mut self) -> Result<Consumer<A>, ChannelError> {
        if let Cow::Owned(present) = self.channel.queue_named(&self.queue) {
            self.queue = present;
        }
        let shared = self.channel.shared();
        let prefetch = match self.limit {
            _ if A::NO_ACK => Prefetch::NotNeeded,
            Limit::Own(0) => {
                let zero = ArgumentError::value("prefetch", "1 to 65535, or unlimited_prefetch");
                return Err(zero.about(Subject::Queue(&self.queue)).into());
            }
            Limit::Own(count) => Prefetch::Own(count),
            Limit::Unlimited => Prefetch::Own(0),
            Limit::Channels => Prefetch::Channels {
                default: DEFAULT_PREFETCH,
            },
        };
        let queue = Subject::Nothing.short("queue", &self.queue)?;
        let arguments = self.arguments.checked(Subject::Queue(&self.queue))?;
        if let Some(offset) = self.arguments.value("x-stream-offset") {
            let checked = stream_offset(offset);
            let checked = checked.and_then(|()| check_stream(A::NO_ACK, self.limit));
            checked.map_err(|error| error.about(Subject::Queue(&self.queue)))?;
        }
        if let Some(resubscribe) = &self.resubscribe {
            let checked = resubscribe.check();
            checked.map_err(|error| error.about(Subject::Queue(&self.queue)))?;
        }
        let chosen = match self.tag.as_deref() {
            // The broker would take an empty one for a request to choose.
            None | Some("") => None,
            Some(chosen) => {
                let subject = Subject::Queue(&self.queue);
                Some(subject.short("consumer_tag", chosen)?.to_owned())
            }
        };
        loop {
            let tag = match &chosen {
                Some(tag) => tag.clone(),
                None => {
                    let made_up = shared.connection.next_consumer_tag();
                    Subject::Nothing.short("consumer_tag", &made_up)?.to_owned()
                }
            };
            // From here on, dropping this future cancels the consumer.
            let consumer = Consumer::new(self.channel.clone(), self.queue_for(tag));
            match self.request(&consumer, queue, arguments, prefetch) {
                Ok(replies) => {
                    for reply in replies {
                        reply.await?;
                    }
                    return Ok(consumer);
                }
                Err(NotStarted::Refused(refused)) => return Err(shared.explain(refused)),
                // The program has chosen what would have been made up here.
                Err(NotStarted::TagInUse) if chosen.is_none() => {}
                Err(NotStarted::TagInUse) => {
                    return Err(ChannelError::ConsumerTagInUse {
                        consumer_tag: self.tag.clone().unwrap_or_default(),
                    });
                }
            }
        }
    }

    fn queue_for(&self, tag: ShortString) -> ConsumerQueue {
        let limit = match self.when_slow {
            WhenSlow::Cancel { above } if A::NO_ACK => above,
            WhenSlow::Cancel { .. } | WhenSlow::Wait => usize::MAX,
        };
        let connection = Arc::clone(&self.channel.shared().connection);
        let seed = connection.chance_of(&tag);
        let resubscription = self.resubscribe.clone();
        let resubscription = resubscription.map(|policy| Resubscription::new(policy, seed));
        ConsumerQueue::new(tag, &self.queue, A::NO_ACK, limit, connection)
            .on_oversized(self.on_oversized)
            .with_offset(self.arguments.has("x-stream-offset"))
            .resubscribing(resubscription)
    }

    /// Queues the requests that start a consumer; here are their replies, in order.
    fn request(
        &self,
        consumer: &Consumer<A>,
        queue: ShortStr<'_>,
        arguments: TableRef<'_>,
        prefetch: Prefetch,
    ) -> Result<Vec<PendingReply>, NotStarted> {
        let shared = self.channel.shared();
        let consume = basic::Consume {
            queue,
            consumer_tag: consumer.queue.tag.as_ref(),
            no_local: false,
            no_ack: A::NO_ACK,
            exclusive: self.exclusive,
            no_wait: false,
            arguments,
        };
        let effect = Effect::Consume(Arc::clone(&consumer.queue));
        let about = About::queue(&self.queue);
        let (consume_slot, consume_ok) =
            slot_about::<basic::Consume<'_>>(shared, about, effect, Barrier::Requests);
        let mut answers = Vec::new();
        // Called under the lock, where no clock may be.
        let (now, deadline) = (consume_slot.since, consume_slot.deadline);
        let qos_slot = || {
            let qos_ok = Arc::<Answer>::default();
            answers.push(Arc::clone(&qos_ok));
            Slot::new::<basic::Qos>(qos_ok, now, deadline).with_effect(Effect::LimitConsumer)
        };
        let wakes = shared.connection.outbox().order_mut().consume(
            shared.at,
            &consume,
            &consumer.queue,
            prefetch,
            consume_slot,
            qos_slot,
        )?;
        for wake in wakes {
            wake.now();
        }
        answers.push(consume_ok);
        let replies = answers.into_iter();
        Ok(replies
            .map(|answer| PendingReply::new(answer, &shared.connection))
            .collect())
    }
}

/// RabbitMQ requires acknowledgements and a limit of those that read a stream.
fn check_stream(no_ack: bool, limit: Limit) -> Result<(), ArgumentError> {
    let other = match limit {
        _ if no_ack => "no_ack",
        Limit::Unlimited => "unlimited_prefetch",
        _ => return Ok(()),
    };
    Err(ArgumentError::contradiction("x-stream-offset", other))
}

impl<A: AckMode + 'static> IntoFuture for Consume<A> {
    type Output = Result<Consumer<A>, ChannelError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Starts the consumer.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the consumer is cancelled as soon as the broker has started it,
    /// and what it was sent goes back to the queue.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}
