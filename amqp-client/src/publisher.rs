//! Publishing with confirms.

use std::borrow::Borrow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use amqp_spec::basic::PropertiesRef;

use crate::channel::Channel;
use crate::delivery::ReturnedMessage;
use crate::error::{ChannelError, PublishError};
use crate::message::{Body, Message};
use crate::proto::confirms::Outcome;
use crate::publish::{PreparedHead, Publish, PublishHead};

/// Publishes messages and reports what became of each.
///
/// [`publish`](Self::publish) is done when the broker has the message. [`send`](Self::send) is done
/// when it is on its way and gives a [`Confirmation`] to await later, so that many can be under way.
/// Cheap to clone; any number of tasks may publish at once.
///
/// ```no_run
/// use amqp_client::{Connection, Message, PublishError};
///
/// # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
/// let publisher = connection.open_publisher().await?.mandatory();
/// match publisher.publish("", "orders", Message::new("order 42").persistent()).await {
///     Ok(()) => println!("the broker has it"),
///     Err(PublishError::Returned(returned)) => println!("no queue: {}", returned.reply_text),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Publisher {
    channel: Channel,
    mandatory: bool,
}

impl Publisher {
    /// Turns a channel into a publisher (`confirm.select`). The channel can still be used directly.
    ///
    /// # Errors
    ///
    /// 406 if the channel is transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the channel may have been put into confirm mode.
    pub async fn new(channel: Channel) -> Result<Self, ChannelError> {
        channel.confirm_select().await?;
        Ok(Self {
            channel,
            mandatory: false,
        })
    }

    /// The same publisher, whose messages must reach at least one queue: one that does not is
    /// [returned](PublishError::Returned).
    #[must_use]
    pub fn mandatory(&self) -> Self {
        Self {
            channel: self.channel.clone(),
            mandatory: true,
        }
    }

    /// The channel that messages go through.
    #[must_use]
    pub fn channel(&self) -> &Channel {
        &self.channel
    }

    /// Publishes a message and waits until the broker has confirmed it: it has reached its queues,
    /// and their disks if that was asked for.
    ///
    /// # Errors
    ///
    /// Whatever is not a confirmation; see [`PublishError`] for what may have happened to it.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message was sent whole or not at all.
    pub async fn publish(
        &self,
        exchange: &str,
        routing_key: &str,
        message: impl Borrow<Message>,
    ) -> Result<(), PublishError> {
        self.send(exchange, routing_key, message).await?.await
    }

    /// Hands a message over for sending, waiting while too much is queued.
    ///
    /// ```no_run
    /// # use amqp_client::{Message, Publisher};
    /// # async fn example(publisher: Publisher) -> Result<(), amqp_client::PublishError> {
    /// let first = publisher.send("", "orders", Message::new("order 1")).await?;
    /// let second = publisher.send("", "orders", Message::new("order 2")).await?;
    /// first.await?;
    /// second.await?; // both are confirmed
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`PublishError::NotSent`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn send(
        &self,
        exchange: &str,
        routing_key: &str,
        message: impl Borrow<Message>,
    ) -> Result<Confirmation, PublishError> {
        let message = message.borrow();
        let properties = message.check().map_err(not_sent)?;
        let head = PublishHead::new(exchange, routing_key, properties, self.mandatory)
            .map_err(PublishError::NotSent)?;
        let body = Body::from(message.body());
        let fingerprint = head.fingerprint(&body);
        let sent = Publish::new(&self.channel, head, body)
            .returnable(fingerprint)
            .await;
        self.confirmation(sent)
    }

    /// Prepares publishing many messages that differ in their bodies only: exchange, routing key and
    /// properties are encoded once. They are not mandatory.
    ///
    /// ```no_run
    /// use amqp_client::amqp_spec::basic::Properties;
    ///
    /// # async fn example(publisher: amqp_client::Publisher) -> Result<(), Box<dyn std::error::Error>> {
    /// let persistent = Properties::new().delivery_mode(2);
    /// let readings = publisher.prepare("metrics", "temperature", persistent.as_ref())?;
    /// readings.publish("21.5").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// A name is too long. Nothing is sent here.
    pub fn prepare(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: PropertiesRef<'_>,
    ) -> Result<PreparedPublisher, ChannelError> {
        let head = PublishHead::new(exchange, routing_key, properties, false)?;
        let head = PreparedHead::new(&head, self.channel.id())?;
        Ok(PreparedPublisher {
            publisher: self.clone(),
            head,
        })
    }

    fn confirmation(&self, sent: Result<u64, ChannelError>) -> Result<Confirmation, PublishError> {
        let number = sent.map_err(PublishError::NotSent)?;
        Ok(Confirmation {
            channel: self.channel.clone(),
            number,
            done: false,
        })
    }
}

fn not_sent(error: impl Into<ChannelError>) -> PublishError {
    PublishError::NotSent(error.into())
}

/// Publishes messages that differ in their bodies only; see [`Publisher::prepare`].
#[derive(Clone, Debug)]
pub struct PreparedPublisher {
    publisher: Publisher,
    head: PreparedHead,
}

impl PreparedPublisher {
    /// As [`Publisher::publish`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::publish`].
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::publish`].
    pub async fn publish(&self, body: impl Into<Body<'_>>) -> Result<(), PublishError> {
        self.send(body).await?.await
    }

    /// As [`Publisher::send`].
    ///
    /// # Errors
    ///
    /// As [`Publisher::send`].
    ///
    /// # Cancel safety
    ///
    /// As [`Publisher::send`].
    pub async fn send(&self, body: impl Into<Body<'_>>) -> Result<Confirmation, PublishError> {
        let sent = Publish::new(&self.publisher.channel, &self.head, body.into()).await;
        self.publisher.confirmation(sent)
    }
}

/// What the broker will say of a message that was sent.
///
/// Dropping it costs nothing and changes nothing for the message.
///
/// ```no_run
/// use amqp_client::{Message, Publisher};
///
/// # async fn example(publisher: Publisher) -> Result<(), amqp_client::PublishError> {
/// let confirmation = publisher.send("", "orders", Message::new("order 42")).await?;
/// println!("message {} is on its way", confirmation.number());
/// confirmation.await?; // the broker has it
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use = "the message may be refused or returned; drop this explicitly if that does not matter"]
pub struct Confirmation {
    channel: Channel,
    number: u64,
    done: bool,
}

impl Confirmation {
    /// The number of the message on its channel, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Future for Confirmation {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = self.channel.shared();
        let polled = shared.confirms().poll(self.number, context);
        let outcome = match polled {
            Poll::Pending => {
                // If reading has stopped because of slow consumers, it must go on.
                shared.link.resume();
                return Poll::Pending;
            }
            Poll::Ready(outcome) => outcome,
        };
        self.done = true;
        Poll::Ready(match outcome {
            Ok(Outcome::Acked) => Ok(()),
            Ok(Outcome::Nacked) => Err(PublishError::Nacked),
            Ok(Outcome::NotSent(error)) => Err(PublishError::NotSent(error)),
            Ok(Outcome::Returned(message)) => Err(PublishError::Returned(Box::new(
                ReturnedMessage::new(*message),
            ))),
            Err(error) => Err(PublishError::Uncertain(error)),
        })
    }
}

impl Drop for Confirmation {
    fn drop(&mut self) {
        if !self.done {
            self.channel.shared().abandon(self.number);
        }
    }
}
