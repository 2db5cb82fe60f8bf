//! Remote procedure calls over RabbitMQ's direct reply-to.
//!
//! ```text
//! Client ──request (reply-to, correlation id)──▶ queue ──▶ Server ──▶ handler
//!   ▲                                                         │
//!   └─────── amq.rabbitmq.reply-to ◀──reply, confirmed────────┘
//! ```
//!
//! A [`Client`] makes [`Call`]s, which end with a reply or an [`Error`]. A [`Server`] calls a
//! handler for each request, which returns the reply or [what becomes one](IntoReply), and ends
//! with a [`ServeSummary`].
//!
//! # Which queue
//!
//! An [exclusive](crate::QueueDeclare::exclusive) queue of the requests is its server's own: it goes
//! when the server's connection does, and from then on a call ends at once, with
//! [`Error::Unroutable`]. Several servers share a durable queue, [quorum](crate::QueueDeclare::quorum)
//! for instance; there a request waits for the next server, and its call for as long as it may. Give
//! such requests an [expiration](crate::Message::expiration). A shared queue that is not durable is
//! one that RabbitMQ has deprecated.
//!
//! # Errors of a handler
//!
//! A handler that returns `Err`, or panics, is given the request once more
//! ([`Disposition::Retry`](crate::Disposition::Retry), unless [`Server::on_failure`] says otherwise),
//! and then the request is rejected. **The caller hears nothing of it**: its call ends when its time
//! is up. What the caller should know is a reply, which a header may mark:
//!
//! ```
//! use amqp_client::{Message, ReceivedMessage};
//!
//! async fn square(request: ReceivedMessage) -> Message {
//!     match compute(&request) {
//!         Ok(n) => Message::new(n.to_string()),
//!         Err(error) => Message::new("").header("error", error.to_string()),
//!     }
//! }
//!
//! fn compute(request: &ReceivedMessage) -> Result<u64, Box<dyn std::error::Error>> {
//!     let n: u32 = request.text()?.parse()?;
//!     Ok(u64::from(n).pow(2))
//! }
//!
//! # use amqp_client::rpc;
//! async fn ask(client: &rpc::Client, n: &str) -> Result<u64, Box<dyn std::error::Error>> {
//!     let reply = client.call("", "square", n).await?;
//!     match reply.header("error").and_then(|error| error.as_str()) {
//!         Some(error) => Err(error.into()),
//!         None => Ok(reply.text()?.parse()?),
//!     }
//! }
//! ```
//!
//! # Several calls at once
//!
//! A [`Call`] is a future that sends its request when it is first polled: as with all of them,
//! `join!`, `join_all`, `select!` and `timeout` take it as it is.
//!
//! ```no_run
//! # async fn example(client: amqp_client::rpc::Client) -> Result<(), Box<dyn std::error::Error>> {
//! let (four, nine) = tokio::try_join!(
//!     client.call("", "square", "2"),
//!     client.call("", "square", "3"),
//! )?;
//! println!("{} {}", four.text()?, nine.text()?);
//! # Ok(()) }
//! ```

// | file | what it is about |
// |---|---|
// | `client` | calls, and their replies |
// | `pending` | which calls wait, and which one gets which reply |
// | `server` | requests, and answers to them |
// | `replies` | what becomes of a reply, and of its request |
// | `turns` | which replies may be under way beside each other |
// | `memory` | requests whose reply was under way when something ended |
// | `address` | where a reply goes, and what may not be published to |
// | `error` | why a call has no reply |

mod address;
mod client;
mod error;
mod memory;
mod pending;
mod replies;
mod server;
mod turns;

pub use self::client::{Call, Client, Counters, OpenClient};
pub use self::error::Error;
pub use self::server::{IntoReply, ServeSummary, Server};
