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
