//! Publishing so that nothing is lost, and fast.
//!
//! ```no_run
//! use amqp_client::{Connection, Message};
//!
//! # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = connection.open_publisher().await?;
//! let order = Message::new("order 42").persistent().content_type("text/plain");
//! publisher.publish("", "orders", &order).await?;
//! # Ok(()) }
//! ```
//!
//! When [`Publisher::publish`] returns `Ok`, the broker has confirmed the message: it is in every
//! queue that it was routed to, on disk where that was asked for, and on most of the nodes of a
//! quorum queue. There is no other `Ok`. Published to the default exchange, as here, it is in the
//! queue that it names. With other exchanges it may have been routed to no queue at all,
//! [see below](#which-messages-must-reach-a-queue).
//!
//! What is published is a message, or what [becomes one](crate::message::IntoMessage): text and
//! octets, a received message, a type of your own with `impl From<Order> for Message`. That is for
//! conversions that cannot fail; what is encoded, and may fail to be, goes in as octets:
//!
//! # Values as JSON
//!
//! ```
//! use amqp_client::{Delivery, Message, Publisher};
//!
//! #[derive(serde::Deserialize, serde::Serialize)]
//! struct Order {
//!     id: u64,
//!     item: String,
//! }
//!
//! async fn place(publisher: &Publisher, order: &Order) -> Result<(), Box<dyn std::error::Error>> {
//!     let message = Message::new(serde_json::to_vec(order)?);
//!     let message = message.content_type("application/json").persistent();
//!     Ok(publisher.publish("", "orders", message).await?)
//! }
//!
//! fn read(delivery: &Delivery) -> Result<Order, serde_json::Error> {
//!     serde_json::from_slice(delivery.body())
//! }
//! ```
//!
//! What cannot be read is best rejected ([`Delivery::reject`](crate::Delivery::reject)): given back,
//! it comes again.
//!
//! # What can become of a message
//!
//! | outcome | what happened | what to do |
//! |---|---|---|
//! | `Ok(())` | the broker has it | nothing |
//! | [`PublishError::NotSent`] | it never left, or came when the broker had closed the channel; or it cannot be sent, as a name is too long | publish it again |
//! | [`PublishError::Nacked`] | the broker nacked it: a queue is full (`x-overflow: reject-publish`) or failed | wait, publish it again |
//! | [`PublishError::Returned`] | no queue took it: there is none of that name, or the publisher is mandatory and none is bound; the message is in the error | repair the topology |
//! | [`PublishError::Refused`] | the broker closed the channel for it: there is no such exchange, it may not be published to, or the message is too large | repair the program |
//! | [`PublishError::Uncertain`] | the channel or the connection ended before the answer, or it did not come within the [confirm timeout](crate::Publisher::confirm_timeout) | publish it again, and let consumers recognise duplicates, by [`message_id`](crate::Message::message_id) for instance |
//!
//! ```no_run
//! use amqp_client::{Message, PublishError, Publisher};
//!
//! # async fn example(publisher: Publisher, order: Message) {
//! match publisher.publish("orders", "new", &order).await {
//!     Ok(()) => {}
//!     Err(PublishError::Returned(returned)) => eprintln!("no queue: {}", returned.reply_text),
//!     Err(PublishError::Refused(error)) => eprintln!("never: {error}"),
//!     Err(error @ (PublishError::Nacked | PublishError::NotSent(_))) => eprintln!("again: {error}"),
//!     Err(error) => eprintln!("perhaps twice: {error}"),
//! }
//! # }
//! ```
//!
//! [`is_retryable`](crate::PublishError::is_retryable) tells whether the same message may do
//! better; a loop that publishes again needs nothing else. It is true of every message that another
//! one has cost its channel.
//!
//! # One bad message
//!
//! A broker answers a publish to an exchange that does not exist by closing the channel, for all
//! that publish on it. A publisher from [`open_publisher`](crate::Connection::open_publisher) owns
//! its channel, and opens it anew, under the same number, when there is something to publish:
//!
//! | message | is told |
//! |---|---|
//! | that the broker objects to | [`PublishError::Refused`] |
//! | in front of it, not confirmed | [`PublishError::Uncertain`], retryable |
//! | behind it, written | [`PublishError::NotSent`], retryable: the broker ignores it |
//! | not written yet | nothing: it goes out on the new channel, in its turn |
//!
//! The broker names an exchange, not a message. Where several unanswered messages went there, none
//! of them is accused: all are uncertain, and are not retryable. Numbers, limits,
//! [`returns`](crate::Channel::returns) and [`events`](crate::Channel::events) go on; an
//! [event](crate::event::Event::ChannelRenewed) tells why the broker has closed it. When channels
//! die young the next ones are opened 0.1, 0.2, 0.4 … 5 s apart. A publisher made of a channel of
//! yours ([`Publisher::new`](crate::Publisher::new)) ends with it, and so does one whose channel is
//! used to consume or to fetch messages.
//!
//! To survive a restart of the broker a message takes a durable queue *and* to be
//! [persistent](crate::Message::persistent); quorum queues and streams keep all messages on disk.
//!
//! # Which messages must reach a queue
//!
//! | published to | no queue takes it | with `mandatory()` | with `allow_unroutable()` |
//! |---|---|---|---|
//! | the default exchange, that is straight to a queue | comes back | comes back | confirmed, and gone |
//! | any other exchange | confirmed, and gone | comes back | confirmed, and gone |
//! | the address of a direct reply (`amq.rabbitmq.reply-to.…`) | confirmed, and gone | confirmed, and gone | confirmed, and gone |
//!
//! What comes back is [`PublishError::Returned`], the error of its own publish.
//!
//! A message for the default exchange names its queue: that there is none is a mistake. A message
//! for another exchange may have no taker at the moment, as an event has that no service listens
//! to; where one must, publish through [`publisher.mandatory()`](crate::Publisher::mandatory).
//! Exchanges that keep messages for later, such as the delayed-message exchange, return every
//! mandatory message, though they have it: do without there.
//!
//! Direct replies have no queue. RabbitMQ before 4.3 returns what it has delivered to the
//! requester, and from 4.3 on confirms what it has not, so that these messages are never mandatory.
//!
//! # When the connection is lost
//!
//! A connection that is lost [comes back](super::recovery) with its publishers, whose numbers go on.
//! What a message is told then depends on how far it had come:
//!
//! | the message | is told |
//! |---|---|
//! | was written, and not confirmed | [`PublishError::Uncertain`], at once: the broker may have it. It is never published again by itself |
//! | of `publish`, was not written whole | nothing: it goes on by itself when the connection is back, in front of those that came later |
//! | of `send`, was not written whole | [`PublishError::NotSent`], by its [`Confirmation`] |
//! | is published while the connection is down | nothing: it waits, at most the recovery's [`patience`](crate::options::Recovery::patience) (30 s) and the publisher's [`confirm_timeout`](crate::Publisher::confirm_timeout); then [`PublishError::NotSent`] with [`ChannelError::Recovering`](crate::ChannelError::Recovering) |
//! | waits, or comes, where [`WhenDown::Fail`](crate::options::WhenDown::Fail) was asked for | the same, at once |
//! | was taken by a publisher with [`resend`](crate::Publisher::resend), written or not | nothing: it is kept until it is confirmed, and sent again in order, perhaps twice |
//!
//! ```no_run
//! use amqp_client::options::WhenDown;
//! use amqp_client::{ChannelError, Message, PublishError, Publisher};
//!
//! # fn store(_: &Message) {}
//! # async fn example(publisher: Publisher, order: Message) -> Result<(), PublishError> {
//! let publisher = publisher.when_down(WhenDown::Fail); // this program has another place for it
//! match publisher.publish("", "orders", &order).await {
//!     Err(PublishError::NotSent(ChannelError::Recovering { after, .. })) => {
//!         eprintln!("no broker for {after:?}");
//!         store(&order);
//!         Ok(())
//!     }
//!     Err(PublishError::Uncertain(_)) => publisher.publish("", "orders", &order).await, // perhaps twice
//!     outcome => outcome,
//! }
//! # }
//! ```
//!
//! [`when_down`](crate::Publisher::when_down) is the publisher's,
//! [`ConnectionOptions::when_down`](crate::ConnectionOptions::when_down) that of all publishers of a
//! connection. What is published again after `Uncertain` needs an identifier by which consumers
//! recognise it: [`recovery`](super::recovery#publishing-through-an-outage) has the loop.
//!
//! # Many messages
//!
//! A confirm takes a round trip, and on a quorum queue or with a persistent message a write to
//! disk. Waiting for each before the next is sent limits a task to some hundred or thousand
//! messages per second. [`Publisher::send`] hands a message over and returns a [`Confirmation`], to
//! be awaited when it suits:
//!
//! ```no_run
//! use amqp_client::{Message, Publisher};
//!
//! # async fn example(publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
//! let mut confirmations = Vec::new();
//! for n in 0..1000 {
//!     confirmations.push(publisher.send("", "orders", Message::new(format!("order {n}"))).await?);
//! }
//! for confirmation in confirmations {
//!     confirmation.await?;
//! }
//! # Ok(()) }
//! ```
//!
//! All of them cost one system call and a few round trips. Awaiting them in order is no
//! disadvantage: those behind are answered meanwhile. Any number of tasks may publish through
//! clones of one publisher; each gets the outcome of its own message.
//!
//! With [`max_outstanding`](crate::Publisher::max_outstanding) sending waits while too many are
//! without an answer, and [`wait_for_confirms`](crate::Publisher::wait_for_confirms) waits for all
//! of them and tells which failed:
//!
//! ```no_run
//! use amqp_client::{Message, Publisher};
//!
//! # async fn example(publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
//! let publisher = publisher.max_outstanding(1000);
//! for n in 0..1_000_000 {
//!     drop(publisher.send("", "orders", Message::new(format!("order {n}"))).await?);
//! }
//! publisher.wait_for_confirms().await?;
//! # Ok(()) }
//! ```
//!
//! A confirmation is waited for as long as the connection lives, unless
//! [`confirm_timeout`](crate::Publisher::confirm_timeout) says otherwise.
//!
//! Messages that differ in their bodies only are prepared once; exchange, routing key and
//! properties are then not encoded again:
//!
//! ```no_run
//! use amqp_client::{Message, Publisher};
//!
//! # async fn example(publisher: Publisher, readings: Vec<String>) -> Result<(), Box<dyn std::error::Error>> {
//! let properties = Message::new("").content_type("text/plain");
//! let prepared = publisher.prepare("metrics", "temperature", properties.properties().as_ref())?;
//! for reading in &readings {
//!     prepared.publish(reading).await?;
//! }
//! # Ok(()) }
//! ```
//!
//! # When the broker or the network is slow
//!
//! `publish` and `send` wait before they queue anything while 512 KiB
//! ([`write_buffer_limit`](crate::ConnectionOptions::write_buffer_limit)) wait to be written. That
//! is the back-pressure: memory is bounded, and a future that is dropped while it waits has sent
//! nothing.
//!
//! # Never to wait
//!
//! A program that publishes its log must not stand still because the broker does. A bounded queue in
//! front takes lines or refuses them, and one task publishes:
//!
//! ```no_run
//! use amqp_client::options::WhenBlocked;
//! use amqp_client::{ChannelError, Connection, ConnectionOptions, PublishError};
//! use std::time::Duration;
//! use tokio::sync::mpsc;
//!
//! /// Publishes until the last sender is gone.
//! async fn ship(mut lines: mpsc::Receiver<String>) -> Result<(), amqp_client::Error> {
//!     let options = ConnectionOptions::from_env()?
//!         .when_blocked(WhenBlocked::Fail) // costs lines, not time
//!         .close_timeout(Duration::from_secs(1));
//!     let connection = Connection::open_with(&options).await?;
//!     let log = connection.open_publisher().await?;
//!     let log = log.max_outstanding(1000).confirm_timeout(Duration::from_secs(5));
//!     while let Some(line) = lines.recv().await {
//!         match log.send("logs", "app", line).await {
//!             Ok(confirmation) => drop(confirmation),
//!             Err(PublishError::NotSent(ChannelError::Blocked { .. })) => {} // dropped: an alarm
//!             Err(error) => return Err(error.into()),
//!         }
//!     }
//!     let _ = log.wait_for_confirms().await; // for 5 s at most
//!     connection.close().await?;
//!     Ok(())
//! }
//!
//! # async fn example() {
//! let (log, lines) = mpsc::channel(10_000);
//! let shipping = tokio::spawn(ship(lines));
//! if log.try_send("started".to_owned()).is_err() {
//!     // full, or the shipping has ended: count it, and go on
//! }
//! drop(log); // at the end, with all of its clones
//! let _ = shipping.await;
//! # }
//! ```
//!
//! While the network is slow `send` waits, the queue fills, and `try_send` refuses. A broker with an
//! alarm reads nothing, a close neither: [`close`](crate::Connection::close) ends then with
//! [`ConnectionError::CloseTimeout`](crate::ConnectionError::CloseTimeout) and says how much was
//! left, [`close_timeout`](crate::ConnectionOptions::close_timeout) (5 s by default) after the last
//! octet that left. `tokio::time::timeout` around it bounds it altogether; the connection closes all
//! the same.
//!
//! # Without confirms
//!
//! [`Channel::basic_publish`] is `basic.publish` and nothing else: `Ok` says that the message will
//! be written if the connection lives that long. A queue that does not exist goes unnoticed, unless
//! [`Channel::basic_publish_mandatory`] sends and [`Channel::returns`] is listened to. An exchange
//! that does not exist closes the channel, later; what was published meanwhile is gone. For metrics
//! and the like that may be what you want.
//!
//! [`Channel::basic_publish`]: crate::Channel::basic_publish
//! [`Channel::basic_publish_mandatory`]: crate::Channel::basic_publish_mandatory
//! [`Channel::returns`]: crate::Channel::returns
//! [`Confirmation`]: crate::Confirmation
//! [`Publisher::publish`]: crate::Publisher::publish
//! [`Publisher::send`]: crate::Publisher::send
//! [`PublishError::Nacked`]: crate::PublishError::Nacked
//! [`PublishError::NotSent`]: crate::PublishError::NotSent
//! [`PublishError::Refused`]: crate::PublishError::Refused
//! [`PublishError::Returned`]: crate::PublishError::Returned
//! [`PublishError::Uncertain`]: crate::PublishError::Uncertain
