//! Testing a program that uses this crate: without a broker, with one, and with one that fails.
//!
//! The crate `amqp-testing`, in the same repository, has what this project tests itself with:
//!
//! ```toml
//! [dev-dependencies]
//! amqp-testing = { path = "where/this/is/amqp-testing" } # features = ["memory"], ["tls"]
//! ```
//!
//! # A handler by itself
//!
//! A handler is a function of a [`ReceivedMessage`](crate::ReceivedMessage), which can be made by
//! hand, as it would come if it were published so:
//!
//! ```
//! use amqp_client::{Disposition, Message, ReceivedMessage};
//!
//! async fn book(order: ReceivedMessage) -> Disposition {
//!     match order.header("attempts").and_then(|attempts| attempts.as_i64()) {
//!         Some(3..) => Disposition::Reject,
//!         _ => Disposition::Ack,
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), amqp_client::ChannelError> {
//! let message = Message::new("order 42").header("attempts", 3);
//! let order = ReceivedMessage::new("", "orders", message)?;
//! assert_eq!(book(order).await, Disposition::Reject);
//! # Ok(()) }
//! ```
//!
//! What calls return has a `new` as well, where a program takes it apart:
//! [`ReturnedMessage`](crate::message::ReturnedMessage::new),
//! [`BrokerClose`](crate::error::BrokerClose::new),
//! [`DeclaredQueue`](crate::declare::DeclaredQueue::new),
//! [`Fetched`](crate::consume::Fetched::new), [`Unconfirmed`](crate::publish::Unconfirmed::new).
//! What stands in the place of a publisher in a test can so fail in every way that a publisher does.
//!
//! # Without a broker
//!
//! `amqp_testing::Peer` plays a broker that follows a script. It suits tests of how your program
//! takes what a broker may say: a refusal, a returned message, a connection that ends in the middle
//! of something. `examples/without_broker.rs` is a whole program.
//!
//! An async test awaits `finished()` at its end. `join()` is for tests that block: it holds the
//! thread, which for `#[tokio::test]` is the only one, so that the client cannot say what the
//! script waits for, and the script gives up after a minute.
//!
//! ```
//! use amqp_client::amqp_spec::{basic, confirm};
//! use amqp_client::{Connection, Message, PublishError};
//! use amqp_testing::Peer;
//!
//! # #[tokio::main(flavor = "current_thread")] // as tokio::test has it
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Peer::start(|listener| {
//!     let mut client = listener.accept();
//!     client.open_connection();
//!     client.open_channel(1);
//!     client.expect(1, "confirm.select");
//!     client.send(1, &confirm::SelectOk {});
//!     client.expect(1, "basic.publish");
//!     client.expect_content(1);
//!     client.send(1, &basic::Nack { delivery_tag: 1, multiple: false, requeue: false });
//!     client.expect(1, "channel.close");
//! })?;
//!
//! let connection = Connection::open(broker.url()).await?;
//! let publisher = connection.open_publisher().await?;
//! let outcome = publisher.publish("", "orders", Message::new("order 42")).await;
//! assert!(matches!(outcome, Err(PublishError::Nacked)));
//! drop(publisher);
//! broker.finished().await; // panics if the conversation went another way
//! # Ok(()) }
//! ```
//!
//! # Testing recovery
//!
//! A script that accepts a second time is a broker that comes back. Delays of milliseconds keep the
//! test short, and events tell it when everything is there again:
//!
//! ```
//! use amqp_client::amqp_spec::{basic, confirm};
//! use amqp_client::event::Event;
//! use amqp_client::options::Recovery;
//! use amqp_client::{Connection, ConnectionOptions};
//! use amqp_testing::Peer;
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")] // as tokio::test has it
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = Peer::start(|listener| {
//!     let mut first = listener.accept();
//!     first.open_connection();
//!     first.open_channel(1);
//!     first.expect(1, "confirm.select");
//!     first.send(1, &confirm::SelectOk {});
//!     drop(first); // the connection is lost
//!     let mut second = listener.accept();
//!     second.open_connection();
//!     second.open_channel(1); // what there was is brought back
//!     second.expect(1, "confirm.select");
//!     second.send(1, &confirm::SelectOk {});
//!     second.expect(1, "basic.publish");
//!     second.expect_content(1);
//!     second.send(1, &basic::Ack { delivery_tag: 1, multiple: false });
//!     second.close_connection();
//! })?;
//!
//! let delays = Duration::from_millis(1)..=Duration::from_millis(10);
//! let options: ConnectionOptions = broker.url().parse()?;
//! let options = options.recovery(Recovery::new().delays(delays));
//! let connection = Connection::open_with(&options).await?;
//! let mut events = connection.events();
//! let publisher = connection.open_publisher().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::Recovered(report) = event {
//!         assert_eq!(report.restored.channels, 1);
//!         break;
//!     }
//! }
//! publisher.publish("", "orders", "order 42").await?; // the same handle
//! connection.close().await?;
//! broker.finished().await;
//! # Ok(()) }
//! ```
//!
//! A test that is not about recovery turns it off, or a request waits for a broker that does not
//! come back until its own time is up: `?recovery=off`, or
//! [`Recovery::off`](crate::options::Recovery::off).
//!
//! # A broker in memory
//!
//! `amqp_testing::memory::Kernel` (feature `memory`) behaves as RabbitMQ does, with its codes and
//! texts, and does no input and output: a test moves the octets between it and the core that
//! [`Connection::with_core`](crate::Connection::with_core) makes. It suits tests of what a program
//! does with its messages, and of time: clock and deadlines are the test's, so that a day of
//! heartbeats passes at once. `examples/in_memory.rs` is a whole test; its `World` can be copied:
//!
//! * `run` polls a future and moves octets until it is ready, or nothing moves any more: the
//!   program waits for something that only the test can bring about;
//! * the test acts on the broker past all connections (`declare_queue`, `publish`, `block`,
//!   `close_connection`, `set_confirming` for confirms that wait) and looks at its queues; a full
//!   queue that overflows with `reject-publish` answers with nacks;
//! * `pass` lets time pass, from deadline to deadline.
//!
//! What drives a connection by tokio, `Connection::open` that is, takes a stream and tokio's clock:
//! such a program is tested with a `Peer` or a `Broker`, or made of functions that are given their
//! [`Connection`](crate::Connection), as the example has it. What the broker in memory does not
//! model it refuses, with a 540 that says so and ends the connection; a test prints that error.
//!
//! # With a broker
//!
//! `amqp_testing::Broker` starts a private RabbitMQ (the package `rabbitmq-server` has to be
//! installed) on free ports, with its own data, and takes it away with the test. That takes four
//! seconds; many tests share one by each having a virtual host of its own, which takes ten
//! milliseconds:
//!
//! ```no_run
//! use amqp_client::Connection;
//! use amqp_testing::BrokerOptions;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let broker = BrokerOptions::new().start()?;
//! let vhost = broker.vhost()?;
//! let connection = Connection::open(vhost.url()).await?;
//! // …
//! # drop(connection);
//! # Ok(()) }
//! ```
//!
//! # With one that fails
//!
//! `amqp_testing::Proxy` stands between your program and a broker and cuts, resets, delays,
//! throttles or swallows what passes, in either direction. A `Broker` can also be killed, paused
//! and restarted.
//!
//! # Over any stream
//!
//! [`Connection::open_stream`](crate::Connection::open_stream) takes any stream,
//! `tokio::io::duplex` too, if you want both ends in one task.
