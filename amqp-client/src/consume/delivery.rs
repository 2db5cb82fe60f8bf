//! What waits to be acknowledged: deliveries and fetched messages.

use std::fmt;

use bytes::Bytes;

use crate::channel::Channel;
use crate::error::ChannelError;
use crate::message::{ReceivedMessage, Requeue, Settled, Settlement, message_getters};
use crate::proto::wait::Watch;

/// A message that waits to be acknowledged.
///
/// Settling takes the delivery, so that it cannot happen twice. One that is dropped unsettled stays
/// with us, as far as the broker is concerned, until the channel closes; then it goes back to its
/// queue. Settling writes to the connection's buffer and does not wait.
///
/// ```no_run
/// use amqp_client::consume::Settled;
/// use amqp_client::{ChannelError, Delivery, Requeue};
///
/// fn handle(delivery: Delivery) -> Result<Settled, ChannelError> {
///     match delivery.text() {
///         Ok(text) => {
///             println!("{}: {text}", delivery.routing_key());
///             delivery.ack()
///         }
///         Err(_) => delivery.reject(Requeue::No),
///     }
/// }
/// ```
pub struct Delivery {
    received: ReceivedMessage,
    channel: Channel,
}

/// As a [`ReceivedMessage`] is shown: no body, and no values of headers.
impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.received.fmt_as("Delivery", f)
    }
}

impl Delivery {
    #[inline]
    pub(crate) fn new(received: ReceivedMessage, channel: Channel) -> Self {
        Self { received, channel }
    }

    /// The message, and the channel that it is settled on.
    pub(crate) fn into_parts(self) -> (ReceivedMessage, Channel) {
        (self.received, self.channel)
    }

    /// Its number on the channel.
    #[must_use]
    pub fn delivery_tag(&self) -> u64 {
        self.received.delivery_tag()
    }

    /// Whether it may have been delivered before.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.received.redelivered()
    }

    /// Done with it: the broker may forget it (`basic.ack`).
    ///
    /// If the connection has been lost since, and is being recovered or has been, the broker has
    /// the message back and nothing is sent: that is [`Settled::Stale`], and no error, so that a
    /// loop of `delivery.ack()?` goes on.
    ///
    /// # Errors
    ///
    /// Nothing was sent: the channel or the connection has ended, and the broker has the message
    /// back. On a channel with transactions also [`ChannelError::TransactionLost`], whether the
    /// delivery is stale or not.
    pub fn ack(self) -> Result<Settled, ChannelError> {
        self.settle(Settlement::Ack)
    }

    /// Refuses it (`basic.nack`), or acknowledges it if it is of a stream: see
    /// [`Consume::offset`](crate::consume::Consume::offset). On quorum queues of RabbitMQ 4.3 a requeue does not count towards
    /// the delivery limit; that of [`reject`](Self::reject) does.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn nack(self, requeue: Requeue) -> Result<Settled, ChannelError> {
        self.settle(Settlement::Nack {
            requeue: requeue == Requeue::Yes,
        })
    }

    /// Refuses it (`basic.reject`), or acknowledges it if it is of a stream: see
    /// [`Consume::offset`](crate::consume::Consume::offset).
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn reject(self, requeue: Requeue) -> Result<Settled, ChannelError> {
        self.settle(Settlement::Reject {
            requeue: requeue == Requeue::Yes,
        })
    }

    fn settle(self, settlement: Settlement) -> Result<Settled, ChannelError> {
        let settlement = self.received.settled_by(settlement);
        self.channel
            .settle(self.received.delivery_tag(), settlement)
    }

    /// Whether it can still be settled. If not, the broker has it back: the connection was lost
    /// since, the channel or the connection has ended or is being closed, or
    /// [`Channel::basic_recover`] was called.
    #[must_use]
    pub fn is_current(&self) -> bool {
        let shared = self.channel.shared();
        let mut outbox = shared.connection.outbox();
        outbox
            .order_mut()
            .is_current(shared.at, self.received.delivery_tag())
    }

    /// Waits until it can be settled no more: the connection has been lost, whether it is recovered
    /// or not, or the channel has ended, or [`Channel::basic_recover`] has been answered. The
    /// broker then has the message back and delivers it again, here or elsewhere, beside what still
    /// works on this one. For handlers that take long, to stop then; what is never awaited costs
    /// nothing.
    ///
    /// ```no_run
    /// # async fn convert(_: &[u8]) {}
    /// # async fn example(delivery: amqp_client::Delivery) -> Result<(), amqp_client::ChannelError> {
    /// tokio::select! {
    ///     () = convert(delivery.body()) => {
    ///         delivery.ack()?;
    ///     }
    ///     () = delivery.lost() => println!("comes again"),
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn lost(&self) {
        let (shared, tag) = (self.channel.shared(), self.received.delivery_tag());
        Watch::new(
            |place, context| shared.poll_gone_back(tag, place, context),
            |place| shared.forget_gone_back(place),
        )
        .await;
    }

    /// How many times the connection had been opened again when it came: 0 on its first stream.
    /// What a program remembers of the deliveries of one generation, such as which of them it
    /// works on, means nothing in the next.
    #[must_use]
    pub fn generation(&self) -> u64 {
        u64::from(self.received.generation())
    }

    /// The body, without a copy, leaving the delivery **unsettled**: the broker keeps the message
    /// until it is settled by its [number](Self::delivery_tag), with [`Channel::basic_ack`], or
    /// goes back when the channel ends.
    #[must_use]
    pub fn into_body_unsettled(self) -> Bytes {
        self.received.into_body()
    }
}

message_getters!(Delivery.received);

/// A message fetched with [`Channel::basic_get`], or with [`Channel::basic_get_no_ack`] as
/// [`Fetched<ReceivedMessage>`](ReceivedMessage): then there is nothing to acknowledge.
#[derive(Debug)]
#[non_exhaustive]
pub struct Fetched<D = Delivery> {
    /// The message.
    pub delivery: D,
    /// How many more were ready in the queue.
    pub message_count: u32,
}

impl<D> Fetched<D> {
    /// A message as it could be fetched, for tests of what a program makes of it.
    ///
    /// ```
    /// use amqp_client::consume::Fetched;
    /// use amqp_client::ReceivedMessage;
    ///
    /// # fn main() -> Result<(), amqp_client::ChannelError> {
    /// let fetched = Fetched::new(ReceivedMessage::new("", "orders", "order 42")?, 3);
    /// assert_eq!((fetched.delivery.text(), fetched.message_count), (Ok("order 42"), 3));
    /// # Ok(()) }
    /// ```
    pub fn new(delivery: D, message_count: u32) -> Self {
        Self {
            delivery,
            message_count,
        }
    }
}
