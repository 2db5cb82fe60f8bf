//! An AMQP 0-9-1 client for RabbitMQ and other brokers that speak it.
//!
//! ```no_run
//! use amqp_client::{Connection, Message, QueueDeclare};
//!
//! # async fn example() -> Result<(), amqp_client::Error> {
//! let connection = Connection::open("amqp://localhost").await?;
//! let channel = connection.open_channel().await?;
//! channel.queue_declare(QueueDeclare::new("orders").durable()).await?;
//!
//! let publisher = connection.open_publisher().await?;
//! publisher.publish("", "orders", Message::new("order 42").persistent()).await?; // confirmed
//!
//! let mut orders = channel.consume("orders").prefetch(100).await?;
//! while let Some(delivery) = orders.next().await {
//!     let delivery = delivery?;
//!     println!("{}", String::from_utf8_lossy(delivery.body()));
//!     delivery.ack()?; // at most once, by type
//! }
//! connection.close().await?;
//! # Ok(()) }
//! ```
//!
//! A connection that is lost comes back in place, with its channels, what was declared on them, and
//! their consumers; the options have the [policy](options::Recovery).
//!
//! [`guide`] has a page for each topic: connecting, publishing, consuming, recovery, errors, testing
//! and more. What nearly every program needs is here; the modules have the rest, by topic.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `tokio` | yes | [`Connection::open`] and friends: connections driven by a task on tokio |
//! | `tracing` | yes | spans and events for subscribers of `tracing`; nothing per message |
//! | `rustls` | no | TLS: `rustls-ring` and `rustls-native-roots` |
//! | `rustls-core` | no | TLS without cryptography and without authorities, which are then given as values |
//! | `rustls-ring` | no | `rustls-core` with the cryptography of *ring* |
//! | `rustls-native-roots` | no | `rustls-core` with the authorities that the operating system trusts |
//! | `rustls-webpki-roots` | no | `rustls-core` with the authorities that Mozilla trusts, built in |
//! | `rustls-encrypted-keys` | no | `rustls-core` and client keys that are protected by a password |
//! | `serde` | no | options, declarations and tables in TOML, JSON and other formats |
//!
//! Features add; none changes what the others do. Without any, the protocol core and the handles
//! remain; with `rustls` alone there is TLS for them, too, in the module `tls`. `cargo doc --all-features` documents what all of them add, as docs.rs does.
//!
//! # How it is built
//!
//! [`proto`] is the protocol without input and output; the handles here meet it at a few short
//! locks. With the feature `tokio` (default), [`Connection::open`] drives it in one task per
//! connection; without, [`Connection::with_core`] leaves that to the application, as the page of
//! [`proto`] says. The methods, properties and constants of the protocol are generated from its
//! specification, in [`amqp_spec`].

#![cfg_attr(
    not(feature = "tokio"),
    doc = "",
    doc = "[`Connection::open`]: #features",
    doc = "[`guide`]: #features"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter;
mod any_error;
pub mod channel;
pub mod connection;
pub mod consume;
pub mod declare;
pub mod error;
mod from_errors;
#[cfg(feature = "tokio")]
pub mod guide;
mod handle;
pub mod message;
mod nearest;
pub mod options;
pub mod proto;
pub mod publish;
mod rounding;
pub mod rpc;
pub mod sasl;
#[cfg(feature = "serde")]
mod settings;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "rustls-core")]
pub mod tls;
mod uri;

/// Events of connections and channels, and messages that come back.
///
/// [`Connection::events`] and [`Channel::events`] give a stream of [`Event`](event::Event)s,
/// [`Channel::returns`] one of the messages that come back and that no [`Publisher`] waits for.
/// [`Recovered`](event::Event::Recovered) has a [`RecoveryReport`](event::RecoveryReport).
pub mod event {
    pub use crate::connection::events::{Events, ReturnedMessages};
    pub use crate::proto::observe::Event;
    pub use crate::proto::recovery::{Counts, Lost, RecoveryReport};
}

pub use amqp_spec;
#[doc(inline)]
pub use amqp_spec::{
    ReplyCode,
    basic::Properties,
    field_table,
    wire::{FieldTable, Value},
};

pub use self::any_error::Error;
pub use self::channel::lifecycle::Channel;
pub use self::connection::lifecycle::Connection;
pub use self::consume::consumer::Consumer;
pub use self::consume::delivery::Delivery;
pub use self::consume::handler::disposition::Disposition;
pub use self::declare::exchange::ExchangeDeclare;
pub use self::declare::queue::QueueDeclare;
pub use self::error::channel::ChannelError;
pub use self::error::connect::ConnectError;
pub use self::error::connection::ConnectionError;
pub use self::error::consume::ConsumeError;
pub use self::error::publish::PublishError;
pub use self::message::outgoing::Message;
pub use self::message::received::ReceivedMessage;
pub use self::message::settlement::Requeue;
pub use self::options::connection::ConnectionOptions;
pub use self::options::tls::TlsOptions;
pub use self::publish::publisher::{Confirmation, Publisher};

/// Compiles the examples of the repository's README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// Compiles the examples of the crate for tests.
#[cfg(doctest)]
#[doc = include_str!("../../amqp-testing/README.md")]
struct Testing;

/// Compiles the examples of the answers to frequent questions.
#[cfg(doctest)]
#[doc = include_str!("../../docs/faq.md")]
struct Faq;

/// Compiles the examples for those who come from lapin.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-lapin.md")]
struct FromLapin;

/// Compiles the examples for those who come from pika.
#[cfg(doctest)]
#[doc = include_str!("../../docs/from-pika.md")]
struct FromPika;
