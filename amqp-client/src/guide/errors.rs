//! Errors: what went wrong, who caused it, what is still usable, and whether it may have happened.
//!
//! | type | when |
//! |---|---|
//! | [`ConnectError`](crate::ConnectError) | a connection could not be opened |
//! | [`ConnectionError`](crate::ConnectionError) | why an open connection ended |
//! | [`ChannelError`](crate::ChannelError) | why an operation on a channel failed, or the channel ended |
//! | [`PublishError`](crate::PublishError) | what became of a message that was not confirmed |
//! | [`ConsumeError`](crate::ConsumeError) | why a consumer gets nothing more |
//! | [`UriError`](crate::error::UriError) | what is wrong with an address |
//!
//! All of them are values that can be cloned. Every call that was waiting,
//! and every later one, gets the same cause, not a bare "channel closed".
//!
//! # One error for `?`
//!
//! Each function returns the error of its moment, which can be matched to the end. A program that
//! needs no such thing returns [`amqp_client::Error`](crate::Error): `?` turns every error of this
//! library into one, and it answers the same questions as the error within.
//!
//! ```no_run
//! use amqp_client::{Channel, Connection, Message, Publisher};
//!
//! type Result<T> = std::result::Result<T, amqp_client::Error>;
//!
//! /// Whether there was a reading to be passed on.
//! async fn pass_on(channel: &Channel, publisher: &Publisher) -> Result<bool> {
//!     let Some(fetched) = channel.basic_get("readings").await? else {
//!         return Ok(false);
//!     };
//!     let text = fetched.delivery.text()?.to_lowercase();
//!     publisher.publish("", "archive", Message::new(text)).await?;
//!     fetched.delivery.ack()?;
//!     Ok(true)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<()> {
//!     let connection = Connection::open("amqp://localhost").await?;
//!     let channel = connection.open_channel().await?;
//!     let publisher = connection.open_publisher().await?;
//!     while pass_on(&channel, &publisher).await? {}
//!     connection.close().await?;
//!     Ok(())
//! }
//! ```
//!
//! What `main` returns is printed by `Debug`, and so is what `unwrap` meets. `Debug` of the errors
//! here is their text, and behind it what their causes leave to their own sources:
//!
//! ```text
//! Error: channel 1 closed by the broker: 404 NOT_FOUND - no queue 'readings' in vhost '/' (answering basic.get of queue 'readings')
//! ```
//!
//! The parts are shown by `{:#?}`, which `dbg!` uses.
//!
//! The errors go into `anyhow`, `eyre` and `Box<dyn Error + Send + Sync>` as they are. Wherever they
//! are collected, a chain tells each cause once: the text is complete, and `source()` begins behind
//! it.
//!
//! # An error of your own
//!
//! An enum of the program's own holds [`amqp_client::Error`](crate::Error). `#[from]` is not enough
//! for `?`, which goes one step: from that error, but not from the `ChannelError` that a call
//! returns. [`from_errors!`](crate::from_errors) writes that step for each error of this library:
//!
//! ```
//! use amqp_client::{Connection, Message};
//!
//! #[derive(Debug, thiserror::Error)]
//! enum OrderError {
//!     #[error("the order was not placed")] // why is told by the next in the chain
//!     Broker(#[from] amqp_client::Error),
//!     #[error("the order is no text")]
//!     Text(#[from] std::str::Utf8Error), // of `delivery.text()`: the standard library's
//!     #[error(transparent)]
//!     File(#[from] std::io::Error),
//! }
//!
//! amqp_client::from_errors!(OrderError);
//!
//! async fn place(connection: &Connection, file: &str) -> Result<(), OrderError> {
//!     let order = std::fs::read(file)?;
//!     let publisher = connection.open_publisher().await?; // a ChannelError
//!     publisher.publish("", "orders", Message::new(order)).await?; // a PublishError
//!     Ok(())
//! }
//! ```
//!
//! Without the macro, convert where the two meet. Either by hand, `.map_err(amqp_client::Error::from)?`,
//! or once for a function that returns `amqp_client::Error`:
//!
//! ```
//! # #[derive(Debug, thiserror::Error)]
//! # enum OrderError { #[error("not placed")] Broker(#[from] amqp_client::Error) }
//! # use amqp_client::{Connection, Message};
//! async fn place(connection: &Connection, order: &str) -> Result<(), OrderError> {
//!     let channel = connection.open_channel().await.map_err(amqp_client::Error::from)?;
//!     # drop(channel);
//!     Ok(publish(connection, order).await?)
//! }
//!
//! async fn publish(connection: &Connection, order: &str) -> Result<(), amqp_client::Error> {
//!     let publisher = connection.open_publisher().await?;
//!     Ok(publisher.publish("", "orders", Message::new(order)).await?)
//! }
//! ```
//!
//! What they have collected is still of the type that the call returned, so that `downcast_ref` of
//! `anyhow` finds no `amqp_client::Error`. [`Error::find`](crate::Error::find) does, whatever the
//! type was and wherever in the chain it is:
//!
//! ```
//! use amqp_client::{ConnectionError, Error};
//!
//! fn is_worth_another_try(error: &anyhow::Error) -> bool {
//!     Error::find(&**error).is_some_and(|error| error.is_retryable())
//! }
//!
//! let error = anyhow::Error::new(ConnectionError::EndOfStream).context("while placing the order");
//! assert!(is_worth_another_try(&error));
//! ```
//!
//! # Errors close the channel
//!
//! AMQP has no failed replies. If a broker refuses something it closes the channel, or the
//! connection if it takes the fault for a graver one, and says why. The operation that provoked it
//! gets [`ChannelError::ClosedByBroker`](crate::ChannelError::ClosedByBroker), and so does
//! everything else on that channel, as a [bystander](crate::error::BrokerClose::bystander): with
//! the same text, but retryable, and with no `is_not_found` of its own. Other channels do not
//! notice. To go on, open another channel: a round trip. Or
//! [`reopen`](crate::Channel::reopen) this one, for all its handles: with confirm mode, its prefetch,
//! and its consumers, which go on where they had ended. A publisher that owns its channel
//! [does that itself](super::publishing#one-bad-message).
//!
//! ```no_run
//! use amqp_client::{Channel, ChannelError, QueueDeclare};
//!
//! # async fn example(channel: Channel) -> Result<(), ChannelError> {
//! let exists = match channel.queue_declare(QueueDeclare::new("orders").passive()).await {
//!     Ok(_) => true,
//!     Err(error) if error.is_not_found() => false,
//!     Err(error) => return Err(error),
//! };
//! # let _ = exists;
//! # Ok(()) }
//! ```
//!
//! [`broker_close`](crate::ChannelError::broker_close) has everything that the broker said: the
//! code, the text, the [operation](crate::error::BrokerClose::operation) and the queue, exchange,
//! virtual host or user [that it is about](crate::error::Entity). All errors answer the common
//! questions by themselves: `is_not_found`, `is_access_refused`, `is_resource_locked`,
//! `is_precondition_failed`, `is_delivery_ack_timeout`, `is_unknown_delivery_tag`,
//! `is_message_too_large`; and whether a time was up, `is_timeout`. A wrong password is
//! `is_authentication_failure`, though RabbitMQ says 403 of it as well.
//!
//! | code | name | the usual cause |
//! |---|---|---|
//! | 311 | content-too-large | a message is larger than the broker (or this client) accepts |
//! | 312 | no-route | in returned messages: no queue is bound |
//! | 320 | connection-forced | an operator closed the connection, or the broker shuts down |
//! | 403 | access-refused | permissions; a reserved name (`amq.…`); another consumer is exclusive |
//! | 404 | not-found | no such queue, exchange or virtual host |
//! | 405 | resource-locked | another connection's exclusive queue |
//! | 406 | precondition-failed | it exists with other attributes; an unknown delivery tag; an acknowledgement that took too long; a message that is too large |
//! | 501 to 505, 541 | | the connection: something broke the protocol |
//! | 530 | not-allowed | no such virtual host, no permission for it, or a limit |
//!
//! # May it have happened? Does it help to try again?
//!
//! [`outcome`](crate::ChannelError::outcome) tells the first,
//! [`is_retryable`](crate::ChannelError::is_retryable) the second: whether the same may succeed
//! later, without a change of the program. Both answer for the operation that failed, not for what
//! cost it the channel.
//!
//! ```
//! use amqp_client::error::Outcome;
//! use amqp_client::PublishError;
//!
//! fn what_to_do(error: &PublishError) -> &'static str {
//!     match (error.outcome(), error.is_retryable()) {
//!         (_, false) => "report it",
//!         (Outcome::Unknown, true) => "publish it again; consumers may get it twice",
//!         (_, true) => "publish it again",
//!     }
//! }
//! ```
//!
//! # Who caused it
//!
//! [`ConnectionError::initiator`](crate::ConnectionError::initiator) tells the program's own close
//! from this library's (silence, a broken protocol) and the broker's or the network's.
//!
//! ```
//! use amqp_client::error::Initiator;
//! use amqp_client::ConnectionError;
//!
//! fn is_worth_an_alarm(error: &ConnectionError) -> bool {
//!     error.initiator() != Initiator::Application
//! }
//! ```
//!
//! # What they look like
//!
//! Each is one line (but `{:#}` and `Debug` of a [`ConnectError`](crate::ConnectError) give each of
//! several attempts its own), in the words of the specification, with the broker's text, escaped where a
//! terminal would obey it, and cut where it is long (its field holds it as it came):
//!
//! ```text
//! channel 1 closed by the broker: 404 NOT_FOUND - no queue 'orders' in vhost '/' (answering queue.declare of queue 'orders')
//! message may or may not be routed: connection lost: nothing heard for 120 s
//! ```
//!
//! Passwords and message bodies are in no error and no log.
