//! Recovery: a connection that is lost comes back in place.
//!
//! **A program under a supervisor** (systemd, Kubernetes) that is to be restarted when its broker is
//! gone turns recovery off (in a URI: `?recovery=off`), or gives it a limit; then `closed()` tells
//! the end:
//!
//! ```no_run
//! use amqp_client::options::Recovery;
//! use amqp_client::{Connection, ConnectionOptions};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let options: ConnectionOptions = "amqp://broker.example".parse()?;
//! let at_once = options.clone().recovery(Recovery::off());
//! let in_the_end = options.recovery(Recovery::new().give_up_after(Duration::from_secs(600)));
//! # drop(at_once);
//! let connection = Connection::open_with(&in_the_end).await?;
//! // …
//! let cause = connection.closed().await;
//! eprintln!("{cause}"); // why it was lost, and how the last attempt failed
//! std::process::exit(1);
//! # }
//! ```
//!
//! Its **readiness probe** asks [`Connection::state`], and what has to wait for the broker waits for
//! [`Connection::ready`]:
//!
//! ```no_run
//! use amqp_client::Connection;
//! use amqp_client::connection::State;
//!
//! fn is_ready(connection: &Connection) -> bool {
//!     // `Open { pending: 0, .. }` is stricter: a queue whose node is away counts as well.
//!     matches!(connection.state(), State::Open { .. })
//! }
//! ```
//!
//! `docs/recovery.md` in the repository is the contract: what each operation sees, what is restored,
//! the defaults, the traps. `examples/recovery.rs` is a program that loses its connection.
//!
//! # Nothing to write
//!
//! Recovery is on for each connection that the library dials. Handles stay valid; what was declared
//! on the connection is declared again, and its consumers go on:
//!
//! ```no_run
//! use amqp_client::{Connection, QueueDeclare};
//!
//! # async fn example() -> Result<(), amqp_client::Error> {
//! let connection = Connection::open("amqp://localhost").await?;
//! let channel = connection.open_channel().await?;
//! channel.queue_declare(QueueDeclare::new("orders").durable()).await?;
//! let mut orders = channel.consume("orders").await?;
//! while let Some(delivery) = orders.next().await {
//!     delivery?.ack()?; // the loop goes on across a loss
//! }
//! # Ok(()) }
//! ```
//!
//! `next` yields nothing at a loss: it waits for the next delivery. It ends with
//! [`ConsumeError::NotRestored`](crate::ConsumeError::NotRestored) if the consumer cannot be
//! restored, since its queue is gone for instance. What the broker ends while the connection lives
//! stays ended unless the program says otherwise: a channel that it closes, a consumer that it
//! [cancels](#a-consumer-that-the-broker-cancels).
//!
//! # Being told
//!
//! ```no_run
//! use amqp_client::Connection;
//! use amqp_client::event::Event;
//!
//! # async fn example(connection: Connection) {
//! let mut events = connection.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::Lost { cause, .. } => eprintln!("{cause}"),
//!             Event::Retrying { attempt, delay, .. } => eprintln!("attempt {attempt} in {delay:?}"),
//!             Event::Recovered(report) => {
//!                 println!("{report}"); // recovered after 2.1 s in 2 attempts: 3 channels, 1 queue
//!                 for failure in &report.skipped {
//!                     eprintln!("not restored: {failure}");
//!                 }
//!             }
//!             Event::Pending { entity, cause } => eprintln!("{entity} comes later: {cause}"),
//!             Event::NotRestored { entity, cause } => eprintln!("{entity} does not: {cause}"),
//!             _ => {}
//!         }
//!     }
//! });
//! # }
//! ```
//!
//! `tracing` is told the same, and the counter
//! [`recoveries`](crate::connection::Counters::recoveries) shows a connection that comes and goes.
//!
//! # Publishing through an outage
//!
//! [`Publisher::publish`](crate::Publisher::publish) waits while the connection comes back, at most
//! the policy's [`patience`](crate::options::Recovery::patience) (30 s) and the publisher's [`confirm_timeout`](crate::Publisher::confirm_timeout). A message that
//! had not been written goes on by itself. One that may have left is
//! [`Uncertain`](crate::PublishError::Uncertain) at once, and is not published again by the
//! library: the program decides. To publish it again is right if consumers recognise it:
//!
//! ```no_run
//! use amqp_client::{Message, PublishError, Publisher};
//!
//! # async fn example(publisher: Publisher) -> Result<(), PublishError> {
//! // The same identifier each time: consumers drop what they have seen.
//! let order = Message::new("order 42").persistent().message_id("order-42");
//! loop {
//!     match publisher.publish("", "orders", &order).await {
//!         Err(PublishError::Uncertain(cause)) => eprintln!("once more: {cause}"),
//!         outcome => break outcome, // `NotSent` once it has waited long enough
//!     }
//! }
//! # }
//! ```
//!
//! Or the publisher does it itself: it keeps what is not confirmed, up to a number of octets, and sends
//! it again in order. `publish` then waits across the loss, and consumers see by a header which
//! messages may be there twice:
//!
//! ```no_run
//! use amqp_client::publish::Resend;
//!
//! # async fn example(connection: amqp_client::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let resend = Resend::up_to(16 << 20).mark_with("x-resent");
//! let publisher = connection.open_publisher().await?.resend(resend);
//! publisher.publish("", "orders", "order 42").await?; // `Ok` once it is confirmed
//! # Ok(()) }
//! ```
//!
//! [`resend`](crate::Publisher::resend) has what is still told: what the broker refuses, what comes
//! back, and what was unconfirmed at three closes by the broker.
//!
//! A publisher that is to fail at once instead says
//! [`WhenDown::Fail`](crate::options::WhenDown::Fail).
//!
//! Messages that are published without confirms ([`Channel::basic_publish`]) and were on their way
//! are lost without a word, as ever.
//!
//! # A transaction
//!
//! A channel with transactions comes back with them, but what stood in the open one is gone. What
//! follows is refused with [`TransactionLost`](crate::ChannelError::TransactionLost), so that a
//! second half is never committed without the first, until
//! [`tx_rollback`](crate::Channel::tx_rollback): the transaction begins anew from there.
//! [`tx_select`](crate::Channel::tx_select) has the loop. A commit that was under way ends with the
//! connection's error, and may have come about.
//!
//! # A consumer with long work
//!
//! The broker delivers again what was not settled when the connection was lost, perhaps to another
//! program, while the work of before still runs. To settle the delivery of before is no error but
//! [`Settled::Stale`](crate::consume::Settled::Stale), and writes nothing:
//!
//! ```no_run
//! use amqp_client::consume::Settled;
//! use amqp_client::{ChannelError, Delivery};
//!
//! # async fn resize(_: &[u8]) {}
//! # fn undo() {}
//! # fn store(_: &[u8]) {}
//! async fn work(delivery: Delivery) -> Result<(), ChannelError> {
//!     tokio::select! {
//!         () = resize(delivery.body()) => {}
//!         () = delivery.lost() => return Ok(()), // comes again: stop
//!     }
//!     if !delivery.is_current() {
//!         return Ok(()); // a look before a step that is not to happen twice
//!     }
//!     store(delivery.body());
//!     if delivery.ack()? == Settled::Stale {
//!         undo(); // it will be done once more
//!     }
//!     Ok(())
//! }
//! ```
//!
//! `Ok(Settled::Queued)` says that the acknowledgement was handed over, not that the broker has it:
//! a message whose acknowledgement was on its way comes again, too. Handlers that may run twice for
//! a message are the only complete answer. **Quorum queues count each loss as a failed delivery** of
//! everything outstanding, towards a limit of 20: keep the
//! [prefetch](super::consuming#prefetch) low where connections come and go.
//!
//! A queue that the broker has named has another name after a loss. The methods that take a queue's
//! name take the old one; what others are to answer to, a `reply_to`, is asked for each time:
//! [`Connection::current_name`]. A publish that waited across a loss was made before it, and carries
//! the `reply_to` of then.
//!
//! # A consumer that the broker cancels
//!
//! The broker ends a consumer whose queue is deleted or whose queue's node fails, and RabbitMQ 4.3
//! one that does not acknowledge in time. With
//! [`resubscribe`](crate::consume::Consume::resubscribe) it subscribes again by itself, as soon as
//! the queue is there, and the loop goes on:
//!
//! ```no_run
//! use amqp_client::Channel;
//! use amqp_client::consume::Resubscribe;
//! use std::time::Duration;
//!
//! # async fn example(channel: Channel) -> Result<(), Box<dyn std::error::Error>> {
//! let resubscribe = Resubscribe::new()
//!     .delays(Duration::from_secs(1)..=Duration::from_secs(60)) // default: 0.5 s to 30 s
//!     .attempts(100); // default: for as long as it takes
//! let mut orders = channel.consume("orders").resubscribe(resubscribe).await?;
//! while let Some(order) = orders.next().await {
//!     order?.ack()?; // `NotRestored`, with the last refusal, behind the last attempt
//! }
//! # Ok(()) }
//! ```
//!
//! An error of whichever operation on its channel ends a consumer, too, since the broker closes the
//! channel over it. One that says
//! [`also_when_channel_closes`](crate::consume::Resubscribe::also_when_channel_closes) has the
//! channel opened again, and comes back with it.
//!
//! What had come is yielded and settled first. The queue is not declared again: that is for its
//! owner. For a loss of the connection it is not needed; a consumer that waits goes on across one.
//!
//! # A policy of one's own
//!
//! ```no_run
//! use amqp_client::options::{OnFailure, Recovery, Restore};
//! use amqp_client::{Connection, ConnectionOptions};
//! use std::time::Duration;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let recovery = Recovery::new()
//!     .delays(Duration::from_millis(200)..=Duration::from_secs(10)) // doubling, by chance
//!     .give_up_after(Duration::from_secs(3600)) // default: never
//!     .refused_for(Duration::ZERO) // a password that is refused once is wrong
//!     .restore(Restore::Transient) // durable things are an operator's
//!     .keep(|entity| !entity.name().starts_with("tmp."))
//!     .on_failure(|failure| match failure.entity.is_queue() {
//!         true => OnFailure::Abort, // no work without the queues: try again
//!         false => OnFailure::Skip,
//!     });
//! let options: ConnectionOptions = "amqp://rabbit-1,rabbit-2".parse()?;
//! // Returns at once, and opens in the background, as after a loss.
//! let connection = Connection::start(&options.recovery(recovery));
//! let publisher = connection.open_publisher().await?; // waits
//! # drop(publisher);
//! connection.ready().await?; // `Err`: it has ended for good; events tell `Opened`
//! # Ok(()) }
//! ```
//!
//! The time of [`give_up_after`](crate::options::Recovery::give_up_after) begins when the loss is
//! noticed, which heartbeats may take a while for, and is that in which the last attempt begins: it
//! may go on for another [`open_timeout`](crate::ConnectionOptions::open_timeout). The time of
//! [`refused_for`](crate::options::Recovery::refused_for) begins with the first of several refusals
//! in a row. Neither is for the first connection, unless the policy is meant for that as well.
//!
//! [`Connection::open_with`] opens the first connection by
//! [`connection_attempts`](crate::ConnectionOptions::connection_attempts), unless the policy says
//! [`from_the_start`](crate::options::Recovery::from_the_start). Functions of the policy are called
//! by the connection's own task, and should be quick.
//!
//! [`Channel::basic_publish`]: crate::Channel::basic_publish
//! [`Connection::current_name`]: crate::Connection::current_name
//! [`Connection::open_with`]: crate::Connection::open_with
//! [`Connection::ready`]: crate::Connection::ready
//! [`Connection::state`]: crate::Connection::state
