//! Publishing without being told what becomes of the message (AMQP 0-9-1 §1.8.3).

use std::borrow::Borrow;

use amqp_spec::basic::PropertiesRef;

use super::sending::{self, PreparedHead, Publish, PublishHead};
use crate::channel::Channel;
use crate::error::ChannelError;
use crate::message::fingerprint::Common;
use crate::message::{Body, IntoMessage, Message, field_values};
use crate::proto::send::outbox::Head;

/// Publishing.
impl Channel {
    /// Hands a message over for sending (`basic.publish`), waiting while too much is queued.
    ///
    /// `Ok` means that it will be written, if the connection lives that long; it does **not** mean
    /// that the broker has it. [`Publisher::publish`](crate::Publisher::publish) does. What reaches
    /// no queue is dropped by the broker without a word, also if it names its queue by way of the
    /// default exchange: here is nothing that would wait for an answer.
    /// [`basic_publish_mandatory`](Self::basic_publish_mandatory) has such a message sent back, to
    /// [`returns`](Self::returns).
    ///
    /// # Errors
    ///
    /// Nothing was sent. What the broker thinks of it comes later, as the end of the channel: 404
    /// if there is no such exchange, 403 without permission. On a channel with transactions,
    /// [`ChannelError::TransactionLost`] after a loss of the connection.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent; there is nothing between.
    pub async fn basic_publish(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Result<(), ChannelError> {
        let (exchange, routing_key) = (exchange.as_ref(), routing_key.as_ref());
        let message = message.into_message();
        let message: &Message = message.borrow();
        if let Some(refusal) = message.refusal(exchange, routing_key) {
            return Err(refusal);
        }
        let (properties, body) = (message.properties().as_ref(), message.body());
        if let Some(number) = self.publish_at_once(exchange, routing_key, properties, body) {
            self.ask_nothing(number);
            return Ok(());
        }
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        self.publish_plainly(head, Body::from(body)).await
    }

    /// As [`basic_publish`](Self::basic_publish), with a body that need not be put into a
    /// [`Message`] first.
    ///
    /// # Errors
    ///
    /// As [`basic_publish`](Self::basic_publish).
    ///
    /// # Cancel safety
    ///
    /// As [`basic_publish`](Self::basic_publish).
    pub async fn basic_publish_body(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        properties: PropertiesRef<'_>,
        body: impl Into<Body<'_>>,
    ) -> Result<(), ChannelError> {
        let (exchange, routing_key) = (exchange.as_ref(), routing_key.as_ref());
        if let Some(refusal) = field_values::refusal(properties, exchange, routing_key) {
            return Err(refusal);
        }
        let body = body.into();
        let octets = body.as_slice();
        if let Some(number) = self.publish_at_once(exchange, routing_key, properties, octets) {
            self.ask_nothing(number);
            return Ok(());
        }
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        self.publish_plainly(head, body).await
    }

    /// As [`basic_publish`](Self::basic_publish), for a message that must reach at least one queue:
    /// one that does not comes back, to [`returns`](Self::returns) and as
    /// [`Event::Returned`](crate::event::Event::Returned).
    /// A [`Publisher`](crate::Publisher) tells each publish what became of it.
    ///
    /// # Errors
    ///
    /// As [`basic_publish`](Self::basic_publish).
    ///
    /// # Cancel safety
    ///
    /// As [`basic_publish`](Self::basic_publish).
    pub async fn basic_publish_mandatory(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        message: impl IntoMessage,
    ) -> Result<(), ChannelError> {
        let (exchange, routing_key) = (exchange.as_ref(), routing_key.as_ref());
        let message = message.into_message();
        let message: &Message = message.borrow();
        if let Some(refusal) = message.refusal(exchange, routing_key) {
            return Err(refusal);
        }
        let properties = message.properties().as_ref();
        let head = PublishHead::new(exchange, routing_key, properties, true)?;
        let body = Body::from(message.body());
        // On a channel with confirms, so that no publisher mistakes it for its own when it comes
        // back.
        let fingerprint = head.fingerprint(message.body());
        let mut publish = Publish::new(self, head, body);
        publish.set_returnable(fingerprint);
        self.ask_nothing(publish.await?);
        Ok(())
    }

    /// Queues a message if nothing has to be waited for, and says which number it has.
    pub(crate) fn publish_at_once(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
        body: &[u8],
    ) -> Option<u64> {
        let head = PublishHead::fitting(exchange, routing_key, properties, false)?;
        sending::at_once(self, &head, body)
    }

    /// The same for a message that may come back.
    #[inline]
    pub(crate) fn publish_at_once_returnable(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
        body: &[u8],
    ) -> Option<u64> {
        let head = PublishHead::fitting(exchange, routing_key, properties, true)?;
        let (exchange, routing_key) = (exchange.as_bytes(), routing_key.as_bytes());
        let fingerprint = Common::new(exchange, routing_key, properties).with(body);
        sending::at_once_returnable(self, &head, body, fingerprint)
    }

    async fn publish_plainly(
        &self,
        head: impl Head + Unpin,
        body: Body<'_>,
    ) -> Result<(), ChannelError> {
        self.ask_nothing(Publish::new(self, head, body).await?);
        Ok(())
    }

    /// If the channel has confirms: what the broker says of this message is not to be kept.
    #[inline]
    pub(crate) fn ask_nothing(&self, number: u64) {
        if number > 0 {
            self.shared().abandon(number);
        }
    }

    /// Prepares publishing many messages that differ in their bodies only: exchange, routing key
    /// and properties are encoded once.
    ///
    /// # Errors
    ///
    /// A name is too long, or a header has a value that cannot be sent. Nothing is sent here.
    pub fn prepare(
        &self,
        exchange: impl AsRef<str>,
        routing_key: impl AsRef<str>,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublish, ChannelError> {
        self.prepare_for(exchange.as_ref(), routing_key.as_ref(), properties)
    }

    fn prepare_for(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublish, ChannelError> {
        if let Some(refusal) = field_values::refusal(properties, exchange, routing_key) {
            return Err(refusal);
        }
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        let head = PreparedHead::new(&head, self.id())?;
        Ok(PreparedPublish {
            channel: self.clone(),
            head,
        })
    }
}

/// Publishes messages that differ in their bodies only; see [`Channel::prepare`].
#[derive(Clone, Debug)]
pub struct PreparedPublish {
    channel: Channel,
    head: PreparedHead,
}

impl PreparedPublish {
    /// As [`Channel::basic_publish`].
    ///
    /// # Errors
    ///
    /// As [`Channel::basic_publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Channel::basic_publish`].
    pub async fn publish(&self, body: impl Into<Body<'_>>) -> Result<(), ChannelError> {
        let body = body.into();
        if let Some(number) = self.at_once(body.as_slice()) {
            self.channel.ask_nothing(number);
            return Ok(());
        }
        self.channel.publish_plainly(&self.head, body).await
    }

    fn at_once(&self, body: &[u8]) -> Option<u64> {
        sending::at_once(&self.channel, &self.head, body)
    }
}
