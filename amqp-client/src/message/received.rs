//! A message as it was received: a delivery, fetched, or come back.

use std::borrow::Borrow;
use std::fmt;
use std::str::Utf8Error;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::ShortStr;
use bytes::Bytes;

use super::incoming::Incoming;
use super::numbered::Numbered;
use super::outgoing::{IntoMessage, Message};
use super::settlement::Settlement;
use super::shown::{Name, Shown};
use crate::error::{ChannelError, Subject};

/// One delivery, not yet in the hands of the application.
#[derive(Clone, Debug)]
pub(crate) struct RawDelivery {
    pub(crate) message: Incoming,
    pub(crate) delivery_tag: u64,
    /// How many streams the connection had before the one on which it came.
    pub(crate) generation: u32,
    /// [`REDELIVERED`], [`OVERSIZED`] and [`WITH_OFFSET`]. A number, not a `bool`: in the values
    /// that a `bool` does not have, the compiler would tell `None` and errors from deliveries. It
    /// would then move deliveries in pieces that overlap, and the processor would wait for each.
    flags: u8,
}

impl RawDelivery {
    #[inline]
    pub(crate) fn new(message: Incoming, numbered: Numbered, redelivered: bool) -> Self {
        Self {
            message,
            delivery_tag: numbered.delivery_tag,
            generation: numbered.generation,
            flags: u8::from(redelivered),
        }
    }

    /// A message without its body, which was too large.
    pub(crate) fn oversized(message: Incoming, numbered: Numbered, size: u64) -> Self {
        Self {
            message: message.with_body(&size.to_be_bytes()),
            delivery_tag: numbered.delivery_tag,
            generation: numbered.generation,
            flags: OVERSIZED,
        }
    }

    /// How large the body was, if it was too large.
    pub(crate) fn oversized_size(&self) -> Option<u64> {
        let size = self.message.body().try_into().map(u64::from_be_bytes);
        size.ok().filter(|_| self.flags & OVERSIZED != 0)
    }

    pub(crate) fn redelivered(&self) -> bool {
        self.flags & REDELIVERED != 0
    }

    /// Its consumer was started with an offset.
    pub(crate) fn set_with_offset(&mut self) {
        self.flags |= WITH_OFFSET;
    }

    /// Whether it was read from a stream. An offset that was asked for does not tell alone, for
    /// brokers other than RabbitMQ may take one for any queue; nor does one that came, for a message
    /// that was published again has it, too.
    #[inline]
    pub(crate) fn is_from_stream(&self) -> bool {
        self.flags & WITH_OFFSET != 0 && self.message.has_offset()
    }

    /// What settles it, where this is meant: of a stream's messages none can be refused.
    #[inline]
    pub(crate) fn settled_by(&self, settlement: Settlement) -> Settlement {
        match settlement {
            Settlement::Ack => Settlement::Ack,
            refusal => refusal.of(self.is_from_stream()),
        }
    }
}

/// It may have been delivered before.
const REDELIVERED: u8 = 1;

/// The body was too large, and its size is in its place.
const OVERSIZED: u8 = 2;

/// Its consumer was started with an offset.
const WITH_OFFSET: u8 = 4;

/// A message as it was received. Everything of it lies in one piece of memory, which its body keeps
/// when it is [taken out](Self::into_body), and which clones share: cloning counts a reference.
///
/// ```
/// use amqp_client::ReceivedMessage;
///
/// fn describe(message: &ReceivedMessage) -> Result<String, std::str::Utf8Error> {
///     let again = if message.redelivered() { ", again" } else { "" };
///     Ok(format!("{} by {}{again}", message.text()?, message.routing_key()))
/// }
/// ```
#[derive(Clone)]
pub struct ReceivedMessage(RawDelivery);

/// The properties, with the names of headers but not their values, and the length of the body.
impl fmt::Debug for ReceivedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("ReceivedMessage", f)
    }
}

impl ReceivedMessage {
    /// A message as it would be received if it were published so: to test a handler without a
    /// broker. Delivered for the first time, with the delivery tag 1;
    /// [`with_redelivered`](Self::with_redelivered) and
    /// [`with_delivery_tag`](Self::with_delivery_tag) say otherwise. Headers that brokers write,
    /// such as `x-death`, are [set](Message::header) on the message.
    ///
    /// ```
    /// use amqp_client::{Disposition, Message, ReceivedMessage};
    ///
    /// async fn resize(job: ReceivedMessage) -> Disposition {
    ///     match job.text().map(str::parse::<u32>) {
    ///         Ok(Ok(_)) => Disposition::Ack,
    ///         _ => Disposition::Reject,
    ///     }
    /// }
    ///
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), amqp_client::ChannelError> {
    /// let job = ReceivedMessage::new("", "resize", Message::new("42").message_id("job-1"))?;
    /// assert_eq!(resize(job).await, Disposition::Ack);
    /// let garbage = ReceivedMessage::new("", "resize", "forty-two")?.with_redelivered(true);
    /// assert_eq!(resize(garbage).await, Disposition::Reject);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// What publishing it would be refused for: a name of more than 255 octets, a property or a
    /// header that cannot be sent.
    pub fn new(
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Result<Self, ChannelError> {
        let message = message.into_message();
        Self::made(exchange.as_ref(), routing_key.as_ref(), message.borrow())
    }

    fn made(exchange: &str, routing_key: &str, message: &Message) -> Result<Self, ChannelError> {
        if let Some(refusal) = message.refusal(exchange, routing_key) {
            return Err(refusal);
        }
        let subject = Subject::published(exchange, routing_key);
        let incoming = Incoming::made(
            Subject::Nothing.short("exchange", exchange)?,
            subject.short("routing_key", routing_key)?,
            message.properties().as_ref(),
            message.body(),
        );
        Ok(Self(RawDelivery::new(incoming, Numbered::first(1), false)))
    }

    /// The same, [delivered before](Self::redelivered) or not.
    #[must_use]
    pub fn with_redelivered(mut self, redelivered: bool) -> Self {
        self.0.flags = self.0.flags & !REDELIVERED | u8::from(redelivered);
        self
    }

    /// The same with another [number](Self::delivery_tag).
    #[must_use]
    pub fn with_delivery_tag(mut self, delivery_tag: u64) -> Self {
        self.0.delivery_tag = delivery_tag;
        self
    }

    /// A message to be published, with the properties and the body of this one: headers in their
    /// order, and everything that a broker or another client has put there. The body is shared, not
    /// copied.
    ///
    /// Some of what is kept works again when it is published: an expiration, the routing keys in
    /// the headers `CC` and `BCC`, a `user_id`, which RabbitMQ compares with the user of the
    /// connection (406 if they differ). A header that cannot be sent as it is, such as a decimal
    /// number, is refused when the message is published; see [`Message::allow_decimals`].
    ///
    /// What brokers have counted comes along, too, and [`deaths`](Self::deaths) and
    /// [`attempts`](Self::attempts) read it again: a message that leaves the queue where it was
    /// parked has had its attempts. To begin anew, take out `x-death`, `x-delivery-count` and
    /// `x-acquired-count` with [`remove_header`](Message::remove_header). When the message dies
    /// again, RabbitMQ before 4.0 goes on counting from the `x-death` that it was published with;
    /// from 4.0 on it begins at 1, in the place of that header. `x-first-death-…` stays as it was
    /// published.
    ///
    /// ```no_run
    /// # use amqp_client::{Delivery, Publisher};
    /// # async fn example(delivery: Delivery, publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
    /// // First kept elsewhere, then acknowledged: the other way round it could be lost.
    /// let again = delivery.to_message().header("attempts", 2);
    /// publisher.publish("", "retry", again).await?;
    /// delivery.ack()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn to_message(&self) -> Message {
        Message::new(self.0.message.body_shared()).with_properties(self.properties().to_owned())
    }

    /// Shows the message in what holds nothing else to be shown.
    pub(crate) fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("exchange", &Name(self.exchange()))
            .field("routing_key", &Name(self.routing_key()))
            .field("properties", &Shown(self.properties()))
            .field("body_len", &self.body().len())
            .field("delivery_tag", &self.delivery_tag())
            .field("redelivered", &self.redelivered())
            .finish()
    }

    /// How large the body was, if it was too large and is not here.
    #[inline]
    pub(crate) fn oversized_size(&self) -> Option<u64> {
        self.0.oversized_size()
    }

    pub(crate) fn of(raw: RawDelivery) -> Self {
        Self(raw)
    }

    /// How many streams the connection had before the one on which it came.
    pub(crate) fn generation(&self) -> u32 {
        self.0.generation
    }

    /// Whether it was read from a stream.
    pub(crate) fn is_from_stream(&self) -> bool {
        self.0.is_from_stream()
    }

    /// What settles it, where this is meant.
    #[inline]
    pub(crate) fn settled_by(&self, settlement: Settlement) -> Settlement {
        self.0.settled_by(settlement)
    }

    /// The body.
    #[must_use]
    #[doc(alias = "data")]
    #[doc(alias = "payload")]
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

    /// The routing key that it was published with. Not necessarily UTF-8:
    /// [`to_string_lossy`](ShortStr::to_string_lossy) is its text to match and to split,
    /// [`as_str`](ShortStr::as_str) the one to publish with.
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
