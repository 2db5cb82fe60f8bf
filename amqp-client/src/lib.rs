//! An AMQP 0-9-1 client for RabbitMQ and other brokers that speak it.
//!
//! ```no_run
//! use amqp_client::{Connection, Message, QueueDeclare};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
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
//! [`guide`] has a page for each topic: connecting, publishing, consuming, errors, testing and more.
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
//!
//! Features add; none changes what the others do. Without any, the protocol core and the handles
//! remain. `cargo doc --all-features` documents what all of them add, as docs.rs does.
//!
//! # How it is built
//!
//! [`proto`] is the protocol without input and output; the handles here meet it at a few short
//! locks. With the feature `tokio` (default), [`Connection::open`] drives it in one task per
//! connection; without, [`Connection::with_core`] leaves that to the application, as the page of [`proto`]
//! says. The methods, properties and constants of the protocol are generated from its specification, in
//! [`amqp_spec`].

#![cfg_attr(
    not(feature = "tokio"),
    doc = "",
    doc = "[`Connection::open`]: #features",
    doc = "[`guide`]: #features"
)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adapter;
mod channel;
mod connection;
mod consume;
mod declare;
mod error;
#[cfg(feature = "tokio")]
pub mod guide;
mod handle;
mod message;
mod options;
pub mod proto;
mod publish;
mod rounding;
mod rpc;
mod sasl;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "tokio")]
mod tls;
mod uri;

pub use amqp_spec;

pub use self::channel::no_wait::NoWait;
pub use self::channel::tx::RolledBack;
pub use self::channel::{Channel, Flow};
pub use self::connection::Connection;
pub use self::connection::capabilities::ServerCapabilities;
pub use self::connection::counters::Counters;
pub use self::connection::events::{Events, ReturnedMessages};
pub use self::consume::handler::{
    Disposition, FailureCause, HandlerEnd, HandlerFailure, HandlerRun, HandlerSummary,
    IntoDisposition,
};
pub use self::consume::{
    AckMode, AutoAck, Consume, Consumer, DEFAULT_PREFETCH, Delivery, Fetched, ManualAck,
    NextWithin, Oversized, QosScope, StreamOffset, WhenSlow,
};
pub use self::declare::{
    Binding, DeadLetterStrategy, DeclaredQueue, ExchangeDeclare, ExchangeDelete, LeaderLocator,
    Match, Overflow, QueueDeclare, QueueDelete,
};
pub use self::error::{
    ArgumentError, Attempt, BrokerClose, CertificateFault, ChannelError, ConnectCause,
    ConnectError, ConnectionError, ConsumeError, Diagnosis, Entity, Initiator, NameTooLong,
    OptionError, Outcome, OversizedMessage, PublishError, SlowConsumer, Stage, TlsError, UriError,
    Violation,
};
pub use self::message::{
    Body, Death, DeathOrigin, DeathReason, DeliveryMode, Message, Multiple, ReceivedMessage,
    Requeue, ReturnedMessage,
};
pub use self::options::{ConnectionOptions, HostOrder, TcpOptions, TlsOptions};
pub use self::proto::config::{Heartbeat, HeartbeatRule, WhenBlocked};
pub use self::proto::observe::Event;
pub use self::publish::{
    Confirmation, FailedPublish, PreparedPublish, PreparedPublisher, Publisher, Unconfirmed,
};
pub use self::rpc::{
    Answer, Call, OpenRpcClient, RpcClient, RpcCounters, RpcError, RpcServer, ServeSummary,
};
pub use self::sasl::{
    AuthMechanism, Credentials, SaslError, SaslExchange, SaslMechanism, Secret, UnknownMechanism,
};
pub use self::uri::EnvironmentError;

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
