//! Remote procedure calls: requests that are answered, over RabbitMQ's direct reply-to.
//!
//! ```text
//! RpcClient ──request (reply-to, correlation id)──▶ queue ──▶ RpcServer ──▶ handler
//!     ▲                                                            │
//!     └──────── amq.rabbitmq.reply-to ◀──reply, confirmed──────────┘
//! ```
//!
//! | file | what it is about |
//! |---|---|
//! | `client` | calls, and their replies |
//! | `pending` | which calls wait, and who gets which reply |
//! | `server` | requests, and answers to them |
//! | `replies` | what becomes of a reply, and of its request |
//! | `turns` | which replies may be under way beside each other |
//! | `memory` | requests whose reply was under way when something ended |
//! | `address` | where a reply goes, and what may not be published to |
//! | `error` | why a call has no reply |

mod address;
mod client;
mod error;
mod memory;
mod pending;
mod replies;
mod server;
mod turns;

pub use self::client::{Call, OpenRpcClient, RpcClient, RpcCounters};
pub use self::error::RpcError;
pub use self::server::{Answer, RpcServer, ServeSummary};
