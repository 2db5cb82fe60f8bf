//! Consuming: taking messages, as many at a time as you can handle, without losing any.
//!
//! ```no_run
//! use amqp_client::{Connection, Requeue};
//!
//! # async fn handle(_: &[u8]) -> Result<(), std::io::Error> { Ok(()) }
//! # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let channel = connection.open_channel().await?;
//! let mut orders = channel.consume("orders").prefetch(50).await?;
//! while let Some(delivery) = orders.next().await {
//!     let delivery = delivery?;
//!     match handle(delivery.body()).await {
//!         Ok(()) => delivery.ack()?,
//!         Err(_) => delivery.reject(Requeue::No)?,
//!     };
//! }
//! # Ok(()) }
//! ```
//!
//! A [`Consumer`] is also a `futures_core::Stream`, for those who like combinators.
//!
//! # How it ends
//!
//! | what `next()` yields | why |
//! |---|---|
//! | `None` | this program cancelled the consumer, closed its channel or connection, or does not [keep](crate::options::Recovery::keep) it after a loss |
//! | [`Err(ConsumeError::CancelledByBroker)`](crate::ConsumeError), then `None` | the queue was deleted, its node went away, or a delivery was not acknowledged in time |
//! | [`Err(ConsumeError::MessageTooLarge)`](crate::ConsumeError), then `None` | a message above [`max_message_size`](crate::ConnectionOptions::max_message_size) came, was not kept, and is for the program to settle by its number; [`when_oversized`](crate::consume::Consume::when_oversized) rejects such messages instead, and without a dead-letter exchange they are gone |
//! | [`Err(ConsumeError::TooSlow)`](crate::ConsumeError), then `None` | it held too much that was not taken: see [`inbound_limit`](crate::ConnectionOptions::inbound_limit) and [`when_slow`](crate::consume::Consume::when_slow) |
//! | [`Err(ConsumeError::Channel(_))`](crate::ConsumeError), then `None` | the channel or the connection ended |
//! | [`Err(ConsumeError::NotRestored(_))`](crate::ConsumeError::NotRestored), then `None` | the connection was lost and is back, and the consumer cannot be restored |
//!
//! A connection that is lost ends no consumer: `next` waits until it is [back](super::recovery).
//! `delivery?` in a loop leaves it with the reason, and a loop that ends quietly was asked to.
//!
//! # Acknowledging
//!
//! The broker keeps each delivery until it is settled, and delivers it again, to any consumer, if
//! the channel ends before that. [`Delivery`] is settled by a method that takes it, so that it
//! cannot happen twice:
//!
//! | method | what becomes of the message |
//! |---|---|
//! | [`ack`](crate::Delivery::ack) | gone: it has been dealt with |
//! | [`reject(Requeue::Yes)`](crate::Delivery::reject) | back into the queue, to be delivered at once again, perhaps here |
//! | [`reject(Requeue::No)`](crate::Delivery::reject) | dead-lettered if the queue has a dead-letter exchange, else dropped |
//!
//! These only write into the connection's buffer: they need no `.await`, and work from any task or
//! thread. **A delivery that is dropped stays unsettled**: the broker counts it against the
//! prefetch until the channel closes. Acknowledge when the work is done, not before: that is what
//! makes it safe to crash.
//!
//! `Ok` says that it was queued, or that there was nothing to be sent any more
//! ([`Settled::Stale`](crate::consume::Settled::Stale)): the connection was lost while the message
//! was worked on and is recovered, and the broker has the message back. A loop goes on then. The
//! message comes again, here or elsewhere, beside what still works on it. What takes long asks
//! [`is_current`](crate::Delivery::is_current) now and then, or stops when
//! [`lost`](crate::Delivery::lost) is ready; a program that remembers what it works on does so for
//! each [`generation`](crate::Delivery::generation). Delivery tags go on, so that none of before can
//! be taken for one of the present: [`recovery`](super::recovery#a-consumer-with-long-work).
//!
//! Requeueing a message that always fails makes a loop that keeps the broker busy. Use a quorum
//! queue with a delivery limit, and [delayed retries](crate::QueueDeclare::delayed_retry_type) since
//! RabbitMQ 4.3, or dead-letter it; `examples/retry_with_delay.rs` and
//! `examples/poison_messages.rs` show both. To keep a message elsewhere, publish
//! [`to_message()`](crate::ReceivedMessage::to_message) of it, and acknowledge it when that is
//! confirmed:
//!
//! ```no_run
//! # use amqp_client::{Delivery, Publisher};
//! # async fn example(delivery: Delivery, publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
//! let failed = delivery.to_message().header("error", "no such customer");
//! publisher.publish("", "orders.failed", failed).await?;
//! delivery.ack()?;
//! # Ok(()) }
//! ```
//!
//! RabbitMQ gives a consumer 30 minutes for each delivery, unless configured otherwise. Before 4.3
//! it then closes the channel (406), and with it everything else on that channel. From 4.3 on
//! classic queues wait for ever, and quorum queues
//! [cancel the consumer](crate::ConsumeError::CancelledByBroker). Either way its deliveries go back
//! to the queue. Work that takes longer gets more time
//! ([`consumer_timeout`](crate::QueueDeclare::consumer_timeout)), or is acknowledged early, and its
//! state kept elsewhere.
//!
//! # Prefetch
//!
//! How many deliveries may be unsettled at once; the broker sends no more. The default is
//! [200](crate::consume::DEFAULT_PREFETCH). With 1, a slow consumer never holds messages that an
//! idle one could take, at the price of a round trip for each. With handlers of a millisecond, 100
//! to 300 keep the connection busy.
//! [`unlimited_prefetch`](crate::consume::Consume::unlimited_prefetch) lets the whole queue come at
//! once.
//!
//! What was prefetched and not looked at goes back when the consumer is dropped or its connection
//! is lost. **Quorum queues count that** towards their
//! [delivery limit](crate::QueueDeclare::delivery_limit), 20 by default since RabbitMQ 4.0, and
//! drop or dead-letter what is above it: a program that starts a consumer for each job it takes
//! loses jobs that it has never seen. (From 4.3 on only lost connections count here.) Keep the
//! consumer, give it a prefetch of 1, or fetch with [`basic_get`](crate::Channel::basic_get).
//!
//! The limit is one of each consumer. One of a whole channel
//! ([`QosScope::Channel`](crate::consume::QosScope::Channel)) exists in RabbitMQ before 4.3 only.
//!
//! # With a handler, several at a time
//!
//! [`handle`](crate::Consumer::handle) calls a function with each message and settles it by what
//! that returns. It runs as many at once as it is told, and stops when a future is ready: nothing
//! new is taken then, what was begun is finished, the rest goes back.
//!
//! ```no_run
//! use amqp_client::{Channel, ReceivedMessage};
//!
//! async fn book(order: ReceivedMessage) -> Result<(), std::str::Utf8Error> {
//!     println!("{}", order.text()?);
//!     Ok(())
//! }
//!
//! # async fn stop_signal() {}
//! # async fn example(channel: Channel) -> Result<(), Box<dyn std::error::Error>> {
//! let orders = channel.consume("orders").await?;
//! let handled = orders.handle(book).concurrency(16).until(stop_signal()).await;
//! println!("{} orders, {} failures", handled.acked, handled.failed);
//! handled.result()?; // why it ended, unless it was stopped
//! # Ok(()) }
//! ```
//!
//! A handler that returns an error or panics neither ends the consumer nor loses the message: it is
//! tried once more, then rejected, unless [`on_failure`](crate::consume::HandlerRun::on_failure)
//! says otherwise. `examples/handlers.rs` is a whole program.
//!
//! When the channel or the connection ends, the broker delivers again what was not acknowledged. No
//! handler is begun for it any more, those that run finish, and `handle` tells the end right behind
//! them.
//!
//! # In tasks of one's own
//!
//! Deliveries can be handled in tasks; the prefetch is then the number of tasks:
//!
//! ```no_run
//! use amqp_client::{Channel, Delivery};
//!
//! # async fn handle(_: &[u8]) {}
//! # async fn example(channel: Channel) -> Result<(), Box<dyn std::error::Error>> {
//! let mut jobs = channel.consume("jobs").prefetch(8).await?;
//! while let Some(job) = jobs.next().await {
//!     let job = job?;
//!     tokio::spawn(async move {
//!         handle(job.body()).await;
//!         job.ack()
//!     });
//! }
//! # Ok(()) }
//! ```
//!
//! With a prefetch of 1 and no tasks, messages of a queue with one consumer are handled in order;
//! anything else may change it, a redelivery too.
//!
//! [`recv_many`](crate::Consumer::recv_many) takes what is at hand in one go, for a database that
//! likes batches: `examples/batches.rs`. It does not wait until a batch is full. What does, has to
//! have a [`prefetch`](crate::consume::Consume::prefetch) of at least the batch: while nothing of it
//! is acknowledged the broker sends no more than that, 200 by default, and a loop that collects 500
//! waits for ever. A batch of 500, or of what has come within 100 ms of its first delivery:
//!
//! ```no_run
//! use amqp_client::{ConsumeError, Consumer, Delivery};
//! use std::time::Duration;
//! use tokio::time::{Instant, timeout_at};
//!
//! /// Empty at the end. The consumer has a prefetch of 500 or more.
//! async fn batch(consumer: &mut Consumer) -> Result<Vec<Delivery>, ConsumeError> {
//!     let mut batch = Vec::new();
//!     consumer.recv_many(&mut batch, 500).await?;
//!     let end = Instant::now() + Duration::from_millis(100);
//!     while batch.len() < 500 {
//!         let room = 500 - batch.len();
//!         match timeout_at(end, consumer.recv_many(&mut batch, room)).await {
//!             Ok(Err(error)) => return Err(error),
//!             Ok(Ok(1..)) => {}
//!             Ok(Ok(0)) | Err(_) => break, // the consumer has ended, or time is up
//!         }
//!     }
//!     Ok(batch)
//! }
//! ```
//!
//! # When nothing comes
//!
//! [`next_within`](crate::Consumer::next_within) waits no longer than it is told, and says so; the
//! consumer goes on. `tokio::time::timeout` around `next()` does as well: nothing is lost by it.
//!
//! # Streams
//!
//! [`offset`](crate::consume::Consume::offset) says where reading begins: [`StreamOffset`](crate::consume::StreamOffset).
//! Acknowledgements of a stream take nothing away, they make room for more deliveries. Nor does
//! anything go back to one: what is refused or given back, by the program, a handler that fails or
//! a consumer that is dropped, is acknowledged instead. RabbitMQ before 4.0 ends the connection over
//! a stream's message that is refused (540). That a queue is a stream is known by the offset that
//! was asked for and the one that came; say one, `Next` if nothing else.
//! `examples/stream_from_offset.rs` is a whole program.
//!
//! # Stopping
//!
//! [`Consumer::cancel`] asks the broker to send nothing more; what has come by then is still
//! yielded, then the stream ends. Dropping a consumer cancels it as well and gives back what it has
//! not yielded. Deliveries that are being handled can be settled afterwards in either case, as long
//! as the channel is open. `examples/graceful_shutdown.rs` is the whole sequence.
//!
//! To stop a service that others take over from, [`Connection::shutdown`] does all of it, for all
//! consumers: they are cancelled, what they have not yielded goes back at once, handlers that run
//! settle their messages and publish their results, those are confirmed, and the connection closes.
//! After the grace it closes whatever is left, which the report tells; keep that below what the
//! supervisor allows before it kills.
//!
//! ```no_run
//! # async fn book(order: amqp_client::ReceivedMessage) {}
//! # async fn terminated() {} // of tokio::signal
//! # async fn example(connection: amqp_client::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! let orders = connection.open_channel().await?.consume("orders").await?;
//! let working = orders.handle(book).concurrency(16);
//! let stopping = async {
//!     terminated().await; // SIGTERM, by `tokio::signal::unix`
//!     connection.shutdown(Duration::from_secs(20)).await
//! };
//! let (handled, report) = tokio::join!(working, stopping);
//! println!("{} orders; left: {report}", handled.acked);
//! # Ok(()) }
//! ```
//!
//! A handler publishes first and acknowledges then. Once nothing is unsettled, publishes that come
//! are refused as after a close; those that wait already are still let in. Nothing else is waited
//! for: a call or a request that is under way outside of a handler ends with the connection, so let
//! it come to its end first. `examples/terminated.rs` is a service that stops on SIGTERM.
//!
//! When the channel or the connection ends by itself, `next` tells so at once: what had come and
//! was not yielded is the broker's again, which delivers it anew. Deliveries that are being handled
//! come again as well, so stop at the first `ack` that fails, as `delivery.ack()?` does.
//!
//! # Without acknowledgements
//!
//! [`no_ack`](crate::consume::Consume::no_ack) makes the broker forget a message when it sends it.
//! There is nothing to settle then, and no method for it: the consumer yields [`ReceivedMessage`].
//! Messages on their way when a connection breaks are lost. It suits replies, live views and the
//! like. There is no prefetch either: a consumer that is too slow makes the connection wait, unless
//! [`when_slow`](crate::consume::Consume::when_slow) says otherwise.
//!
//! A connection that waits so reads nothing any more once 64 MiB are untaken: no confirm, no reply,
//! no delivery for other consumers. [`Event::ReadingStopped`](crate::event::Event::ReadingStopped)
//! names the consumer, and requests and publishes end with
//! [`ChannelError::ReadingStopped`](crate::ChannelError::ReadingStopped) when their time is up. To
//! get out of it, take what the consumer holds, or close its channel. To stay out of it, give such
//! a consumer a connection of its own, or [`WhenSlow::Cancel`](crate::consume::WhenSlow::Cancel).
//!
//! # What is in a delivery
//!
//! [`body`](crate::Delivery::body), [`text`](crate::Delivery::text),
//! [`properties`](crate::Delivery::properties), [`routing_key`](crate::Delivery::routing_key),
//! [`exchange`](crate::Delivery::exchange), [`redelivered`](crate::Delivery::redelivered). Each
//! property has a method as well, and so has what brokers write into the headers:
//! [`deaths`](crate::Delivery::deaths), [`delivery_count`](crate::Delivery::delivery_count),
//! [`stream_offset`](crate::Delivery::stream_offset), and what follows from them:
//! [`attempts`](crate::Delivery::attempts), how often the message has been delivered. A function
//! that only reads takes the message, [`received`](crate::Delivery::received), which handlers, fetches and consumers without
//! acknowledgements yield as it is; its [`into_body`](crate::ReceivedMessage::into_body) gives
//! `Bytes` without a copy. [`into_body_unsettled`](crate::Delivery::into_body_unsettled) does so
//! for a delivery, which is then settled by its number.
//!
//! ```
//! use amqp_client::ReceivedMessage;
//!
//! fn describe(message: &ReceivedMessage) {
//!     println!("{}", message.content_type().unwrap_or("bytes"));
//!     let tenant = message.header("tenant");
//!     println!("tenant {}", tenant.and_then(|value| value.as_str()).unwrap_or("unknown"));
//!     if message.header("retries").is_some_and(|retries| retries == 3) {
//!         println!("for the last time");
//!     }
//!     let origin = message.header("origin").and_then(|origin| origin.as_table());
//!     if let Some(region) = origin.and_then(|origin| origin.value("region")) {
//!         println!("from {region}");
//!     }
//!     for death in message.deaths() {
//!         println!("left {} {} times: {:?}", death.queue, death.count, death.reason);
//!     }
//! }
//! ```
//!
//! A message that was parked because its attempts had failed is published again with all of its
//! headers; without those that count, it begins anew:
//!
//! ```no_run
//! # use amqp_client::{Delivery, Publisher};
//! # async fn example(parked: Delivery, publisher: Publisher) -> Result<(), Box<dyn std::error::Error>> {
//! let mut again = parked.to_message();
//! for counter in ["x-death", "x-delivery-count", "x-acquired-count"] {
//!     again = again.remove_header(counter);
//! }
//! publisher.publish("", "jobs", again).await?;
//! parked.ack()?;
//! # Ok(()) }
//! ```
//!
//! Names, routing keys and properties are octets that need not be UTF-8, since other clients may
//! send anything. They are displayed as text and compare with `str`;
//! [`starts_with`](amqp_spec::wire::ShortStr::starts_with) looks at a prefix,
//! [`to_string_lossy`](amqp_spec::wire::ShortStr::to_string_lossy) gives text to match and to split,
//! and [`as_str`](amqp_spec::wire::ShortStr::as_str) checks.
//!
//! ```
//! use amqp_client::ReceivedMessage;
//!
//! fn describe(message: &ReceivedMessage) -> String {
//!     let key = message.routing_key().to_string_lossy();
//!     match &*key {
//!         "orders" => String::from("some order"),
//!         key if key.starts_with("invoices.") => String::from("an invoice"),
//!         key => match key.split('.').collect::<Vec<_>>()[..] {
//!             ["orders", region, state] => format!("an order from {region}, {state}"),
//!             _ => String::from("something else"),
//!         },
//!     }
//! }
//!
//! # fn main() -> Result<(), amqp_client::ChannelError> {
//! let paid = ReceivedMessage::new("", "orders.eu.paid", "42")?;
//! assert_eq!(describe(&paid), "an order from eu, paid");
//! # Ok(()) }
//! ```
//!
//! [`Connection::shutdown`]: crate::Connection::shutdown
//! [`Consumer`]: crate::Consumer
//! [`Consumer::cancel`]: crate::Consumer::cancel
//! [`Delivery`]: crate::Delivery
//! [`ReceivedMessage`]: crate::ReceivedMessage
