//! A message as it was received: a delivery, fetched, or come back.

use std::str::Utf8Error;

use amqp_spec::basic::PropertiesRef;
use amqp_spec::wire::ShortStr;
use bytes::Bytes;

use super::incoming::Incoming;

/// One delivery, not yet in the hands of the application.
#[derive(Clone, Debug)]
pub(crate) struct RawDelivery {
    pub(crate) message: Incoming,
    pub(crate) delivery_tag: u64,
    /// Which use of the channel id the tag belongs to.
    pub(crate) incarnation: u32,
    /// A number, not a `bool`: in the values that a `bool` does not have, the compiler would tell
    /// `None` and errors from deliveries. It would then move deliveries in pieces that overlap, and
    /// the processor would wait for each.
    redelivered: u8,
}

impl RawDelivery {
    #[inline]
    pub(crate) fn new(
        message: Incoming,
        delivery_tag: u64,
        redelivered: bool,
        incarnation: u32,
    ) -> Self {
        Self {
            message,
            delivery_tag,
            incarnation,
            redelivered: u8::from(redelivered),
        }
    }

    /// A message without its body, which was too large.
    pub(crate) fn oversized(
        message: Incoming,
        delivery_tag: u64,
        incarnation: u32,
        size: u64,
    ) -> Self {
        Self {
            message: message.with_body(&size.to_be_bytes()),
            delivery_tag,
            incarnation,
            redelivered: OVERSIZED,
        }
    }

    /// How large the body was, if it was too large.
    pub(crate) fn oversized_size(&self) -> Option<u64> {
        let size = self.message.body().try_into().map(u64::from_be_bytes);
        size.ok().filter(|_| self.redelivered == OVERSIZED)
    }

    pub(crate) fn redelivered(&self) -> bool {
        self.redelivered == 1
    }
}

/// In the place of `redelivered`.
const OVERSIZED: u8 = 2;

/// A message as it was received. Everything of it lies in one piece of memory, which its body keeps
/// when it is [taken out](Self::into_body).
///
/// ```
/// use amqp_client::ReceivedMessage;
///
/// fn describe(message: &ReceivedMessage) -> Result<String, std::str::Utf8Error> {
///     let again = if message.redelivered() { ", again" } else { "" };
///     Ok(format!("{} by {}{again}", message.text()?, message.routing_key()))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct ReceivedMessage(RawDelivery);

impl ReceivedMessage {
    /// How large the body was, if it was too large and is not here.
    #[inline]
    pub(crate) fn oversized_size(&self) -> Option<u64> {
        self.0.oversized_size()
    }

    pub(crate) fn new(raw: RawDelivery) -> Self {
        Self(raw)
    }

    /// Which use of the channel id its number belongs to.
    #[inline]
    pub(crate) fn incarnation(&self) -> u32 {
        self.0.incarnation
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
