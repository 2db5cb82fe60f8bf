//! Queues, exchanges and bindings: where messages go, and where they wait.
//!
//! A publisher names an **exchange** and a **routing key**. **Bindings** say which **queues** get a
//! copy. Consumers take from queues.
//!
//! ```no_run
//! use amqp_client::{Connection, ExchangeDeclare, QueueDeclare};
//!
//! # async fn example(connection: Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let channel = connection.open_channel().await?;
//! channel.exchange_declare(ExchangeDeclare::topic("orders").durable()).await?;
//! channel.queue_declare(QueueDeclare::new("invoices").quorum()).await?;
//! channel.queue_bind("invoices", "orders", "order.*.paid").await?;
//! # Ok(()) }
//! ```
//!
//! Declaring what exists already, with the same attributes, changes nothing; so programs declare
//! what they need when they start. Declaring it with other attributes is refused (406,
//! `inequivalent arg`) and costs the channel: attributes of a queue cannot be changed, only those
//! that a policy sets.
//!
//! # Which exchange
//!
//! | exchange | a message goes to the queues bound with |
//! |---|---|
//! | the default exchange, `""` | nothing: the routing key is the queue's name |
//! | [`ExchangeDeclare::direct`] | exactly its routing key |
//! | [`ExchangeDeclare::fanout`] | anything: each bound queue gets a copy |
//! | [`ExchangeDeclare::topic`] | a matching pattern: `*` is one word, `#` any number, words are separated by dots |
//! | [`ExchangeDeclare::headers`] | headers that it has: [`Binding::headers`](crate::declare::Binding::headers) |
//!
//! A message that no binding matches is dropped, and confirmed all the same, unless it is published
//! as [mandatory](crate::Publisher::mandatory) or the exchange has an
//! [alternate exchange](crate::ExchangeDeclare::alternate_exchange). One for the default exchange
//! whose queue is not there comes back to its [`Publisher`](crate::Publisher).
//!
//! # Which queue
//!
//! | what for | how |
//! |---|---|
//! | work that must not be lost | [`QueueDeclare::quorum`]: replicated, on disk, with a limit of deliveries for messages that kill their consumers |
//! | work on a single node | [`QueueDeclare::durable`]: a classic queue; publish messages as [persistent](crate::Message::persistent) |
//! | replies, live updates | [`QueueDeclare::temporary`]: named by the broker, exclusive, gone with the connection; with [`auto_delete`](crate::QueueDeclare::auto_delete) already with its last consumer, and all messages in it |
//! | a log that many read | [`QueueDeclare::stream`]: messages stay, and each consumer starts where it likes |
//!
//! A queue is neither durable, exclusive nor auto-deleted unless you say so, as in the protocol.
//! RabbitMQ has deprecated shared queues that are not durable: say one of them.
//!
//! Names have up to 255 octets; those that begin with `amq.` are the broker's. With an empty name
//! the broker chooses one, and [`DeclaredQueue::name`](crate::declare::DeclaredQueue) tells it.
//!
//! # Limits, dead letters and the rest
//!
//! RabbitMQ's extensions are arguments of the queue, each of which has a method:
//!
//! ```
//! use amqp_client::declare::Overflow;
//! use amqp_client::QueueDeclare;
//! use std::time::Duration;
//!
//! let jobs = QueueDeclare::new("jobs")
//!     .quorum()
//!     .max_length(10_000)
//!     .overflow(Overflow::RejectPublish)
//!     .message_ttl(Duration::from_secs(3600))
//!     .delivery_limit(5)
//!     .dead_letter_exchange("failed-jobs");
//! ```
//!
//! What contradicts itself (an exclusive quorum queue, a stream with a time to live) is refused
//! before it is sent, and names both sides. What has no method is set with
//! [`argument`](crate::QueueDeclare::argument), integers of any width, strings and booleans as they
//! are; RabbitMQ ignores arguments that it does not know, misspelt ones included.
//!
//! What may change later, limits above all, is better set by a policy of the broker than by arguments.
//!
//! # Several things at once
//!
//! A [`Topology`](crate::declare::Topology) is all that a program needs, as one value: put together
//! in the program, or read from a file (feature `serde`, whose page of the guide is `files`). It
//! declares exchanges, then queues, then bindings, one after the other.
//!
//! Each declaration is a round trip. Those that need no answer go out together through
//! [`no_wait`](crate::Channel::no_wait); the next answered request tells whether all went well.
//!
//! # Is it there, and how full is it?
//!
//! A passive declare looks and changes nothing. If there is no such queue the broker answers 404
//! and closes the channel, so ask on a channel of its own.
//!
//! ```no_run
//! use amqp_client::QueueDeclare;
//!
//! # async fn example(connection: amqp_client::Connection) -> Result<(), Box<dyn std::error::Error>> {
//! let asking = connection.open_channel().await?;
//! match asking.queue_declare(QueueDeclare::new("invoices").passive()).await {
//!     Ok(queue) => println!("{} messages, {} consumers", queue.message_count, queue.consumer_count),
//!     Err(error) if error.is_not_found() => println!("there is no such queue"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok(()) }
//! ```
//!
//! Messages that are delivered and not yet acknowledged are not counted, nor are those that the
//! queue has not yet seen: the count is for people and for tests, not for decisions.
//!
//! [`ExchangeDeclare::direct`]: crate::ExchangeDeclare::direct
//! [`ExchangeDeclare::fanout`]: crate::ExchangeDeclare::fanout
//! [`ExchangeDeclare::topic`]: crate::ExchangeDeclare::topic
//! [`ExchangeDeclare::headers`]: crate::ExchangeDeclare::headers
//! [`QueueDeclare::durable`]: crate::QueueDeclare::durable
//! [`QueueDeclare::stream`]: crate::QueueDeclare::stream
//! [`QueueDeclare::quorum`]: crate::QueueDeclare::quorum
//! [`QueueDeclare::temporary`]: crate::QueueDeclare::temporary
