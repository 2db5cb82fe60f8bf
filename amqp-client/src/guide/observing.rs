//! Observing: what happens on a connection, and how much.
//!
//! # Events
//!
//! [`Connection::events`](crate::Connection::events) tells what happens from then on: alarms of the
//! broker, messages that came back and that no publisher waits for, consumers that were cancelled,
//! the loss of the connection and its [recovery](super::recovery), the ends of channels and of the
//! connection. [`Channel::events`](crate::Channel::events) tells
//! what concerns one channel.
//!
//! ```no_run
//! use amqp_client::event::Event;
//! use amqp_client::Connection;
//!
//! # async fn example(connection: Connection) {
//! let mut events = connection.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         match event {
//!             Event::Blocked { reason } => eprintln!("the broker takes no messages: {reason}"),
//!             Event::Unblocked => eprintln!("the broker takes messages again"),
//!             Event::ChannelClosed { channel, cause } => eprintln!("channel {channel}: {cause}"),
//!             Event::Lost { cause, .. } => eprintln!("{cause}; about to come back"),
//!             Event::Recovered(report) => eprintln!("{report}"),
//!             Event::ConnectionClosed { cause } => eprintln!("the end: {cause}"),
//!             _ => {}
//!         }
//!     }
//! });
//! # }
//! ```
//!
//! Nothing waits for a listener: one that does not read loses the oldest events, and is told
//! [how many](crate::event::Event::Lagged). Listening is optional: errors reach the calls that
//! wait, with or without a listener.
//!
//! # Logs
//!
//! With the feature `tracing`, which is on by default, each connection is a span of the crate
//! `tracing`, and what happens to it, its channels and its consumers are events in it: opened,
//! blocked, closed and why. Nothing is told per message, and never a body or a password. Any
//! subscriber will do, that of `tracing-subscriber` for instance; `docs/observability.md` in the
//! repository lists the events.
//!
//! # Counters
//!
//! [`Connection::counters`](crate::Connection::counters) reads, at any time and for next to
//! nothing, what the connection has done (octets, frames and messages in both directions, confirms,
//! refusals) and what it holds: confirms and requests that are outstanding, octets that wait to be
//! written or to be consumed, publishers that wait. Read it now and then, and hand it to the
//! metrics that you use:
//!
//! ```no_run
//! # async fn example(connection: amqp_client::Connection) {
//! let before = connection.counters();
//! tokio::time::sleep(std::time::Duration::from_secs(10)).await;
//! let after = connection.counters();
//! println!("{} messages per second", (after.published - before.published) / 10);
//! println!("{} without an answer", after.confirms_outstanding);
//! # }
//! ```
//!
//! | if this grows | then |
//! |---|---|
//! | `confirms_outstanding` | the broker's disk, or a quorum without majority |
//! | `bytes_queued`, `publishers_waiting` | the network, or a broker that has raised an alarm |
//! | `bytes_buffered` | consumers of this program are slower than the broker |
//! | `nacked`, `returned` | full queues, missing bindings |
//! | `resubscriptions` | consumers that the broker cancels: queues that are deleted, acknowledgements that come too late |
//! | `recoveries` | the network, or a node that comes and goes; quorum queues count each as a failed delivery |
