//! What arrives: deliveries, fetched messages, returned messages.

use std::fmt;
use std::ops::Deref;
use std::str::Utf8Error;

use amqp_spec::ReplyCode;
use amqp_spec::basic::{PropertiesRef, Return};
use amqp_spec::wire::{Reader, ShortStr, TypedMethod};
use bytes::Bytes;

use crate::channel::{Channel, Requeue};
use crate::error::ChannelError;
use crate::proto::consumer::RawDelivery;
use crate::proto::incoming::Incoming;
use crate::proto::outbox::Settlement;

/// A message as it was received. Everything of it lies in one piece of memory, which its body keeps
/// when it is [taken out](Self::into_body).
///
/// ```
/// use amqp_client::Received;
///
/// fn describe(message: &Received) -> Result<String, std::str::Utf8Error> {
///     let again = if message.redelivered() { ", again" } else { "" };
///     Ok(format!("{} by {}{again}", message.text()?, message.routing_key()))
/// }
/// ```
#[derive(Debug)]
pub struct Received(RawDelivery);

impl Received {
    #[inline]
    /// How large the body was, if it was too large and is not here.
    pub(crate) fn oversized_size(&self) -> Option<u64> {
        self.0.oversized_size()
    }

    pub(crate) fn new(raw: RawDelivery) -> Self {
        Self(raw)
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.0.message.body()
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// It is not UTF-8.
    pub fn text(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.body())
    }

    /// The body, without a copy.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.0.message.into_body()
    }

    /// The properties.
    #[must_use]
    pub fn properties(&self) -> PropertiesRef<'_> {
        self.0.message.properties()
    }

    /// The exchange that it was published to; empty for the default exchange.
    #[must_use]
    pub fn exchange(&self) -> ShortStr<'_> {
        self.0.message.exchange()
    }

    /// The routing key that it was published with. Not necessarily UTF-8.
    #[must_use]
    pub fn routing_key(&self) -> ShortStr<'_> {
        self.0.message.routing_key()
    }

    /// Whether it may have been delivered before.
    #[must_use]
    pub fn redelivered(&self) -> bool {
        self.0.redelivered()
    }

    /// Its number on the channel.
    #[must_use]
    pub fn delivery_tag(&self) -> u64 {
        self.0.delivery_tag
    }
}

/// A message that waits to be acknowledged.
///
/// Settling takes the delivery, so that it cannot happen twice. One that is dropped unsettled stays
/// with us, as far as the broker is concerned, until the channel closes; then it goes back to its
/// queue. Settling writes to the connection's buffer and does not wait.
///
/// ```no_run
/// use amqp_client::{ChannelError, Delivery, Requeue};
///
/// fn handle(delivery: Delivery) -> Result<(), ChannelError> {
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
    received: Received,
    channel: Channel,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.received.fmt(f)
    }
}

impl Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
}

impl Delivery {
    #[inline]
    pub(crate) fn new(received: Received, channel: Channel) -> Self {
        Self { received, channel }
    }

    /// The message, and what settles it: the incarnation of its channel, and the channel.
    pub(crate) fn into_parts(self) -> (Received, u32, Channel) {
        let incarnation = self.received.0.incarnation;
        (self.received, incarnation, self.channel)
    }

    /// Done with it: the broker may forget it (`basic.ack`).
    ///
    /// # Errors
    ///
    /// Nothing was sent: the channel or the connection has ended, and the broker has the message
    /// back.
    pub fn ack(self) -> Result<(), ChannelError> {
        self.settle(Settlement::Ack)
    }

    /// Refuses it (`basic.nack`). On quorum queues of RabbitMQ 4.3 a requeue does not count towards
    /// the delivery limit; that of [`reject`](Self::reject) does.
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn nack(self, requeue: Requeue) -> Result<(), ChannelError> {
        self.settle(Settlement::Nack {
            requeue: requeue == Requeue::Yes,
        })
    }

    /// Refuses it (`basic.reject`).
    ///
    /// # Errors
    ///
    /// As [`ack`](Self::ack).
    pub fn reject(self, requeue: Requeue) -> Result<(), ChannelError> {
        self.settle(Settlement::Reject {
            requeue: requeue == Requeue::Yes,
        })
    }

    fn settle(self, settlement: Settlement) -> Result<(), ChannelError> {
        let raw = &self.received.0;
        self.channel
            .settle(raw.delivery_tag, raw.incarnation, settlement)
    }

    /// The body, without a copy, leaving the delivery unsettled: settle it by number, with
    /// [`Channel::basic_ack`].
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.received.into_body()
    }
}

/// A message fetched with [`Channel::basic_get`], or with [`Channel::basic_get_no_ack`] as
/// [`Got<Received>`](Received): then there is nothing to acknowledge.
#[derive(Debug)]
#[non_exhaustive]
pub struct Got<D = Delivery> {
    /// The message.
    pub delivery: D,
    /// How many more were ready in the queue.
    pub message_count: u32,
}

/// A message that had to reach a queue and came back, since there was none for it.
///
/// ```no_run
/// use amqp_client::{Message, PublishError, Publisher};
///
/// # async fn example(publisher: Publisher, order: Message) {
/// if let Err(PublishError::Returned(back)) = publisher.publish("", "orders", &order).await {
///     eprintln!("{} {}: {} octets", back.reply_code.0, back.reply_text, back.body().len());
/// }
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ReturnedMessage {
    /// Why: 312 `NO_ROUTE`.
    pub reply_code: ReplyCode,
    /// Why, in words.
    pub reply_text: String,
    message: Received,
}

impl ReturnedMessage {
    pub(crate) fn new(message: Incoming) -> Self {
        let mut reader = Reader::new(message.arguments());
        let returned = Return::decode_arguments(&mut reader);
        let (code, text) = match &returned {
            Ok(returned) => (returned.reply_code, returned.reply_text.as_bytes()),
            Err(_) => (ReplyCode::NO_ROUTE.0, b"".as_slice()),
        };
        Self {
            reply_code: ReplyCode(code),
            reply_text: String::from_utf8_lossy(text).into_owned(),
            message: Received::new(RawDelivery::new(message, 0, false, 0)),
        }
    }

    /// The message as it came back.
    #[must_use]
    pub fn into_message(self) -> Received {
        self.message
    }
}

impl Deref for ReturnedMessage {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.message
    }
}
