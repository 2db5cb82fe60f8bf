//! The protocol core: AMQP without input and output.
//!
//! No sockets, no clock, no threads, no tasks, no randomness. [`Core`] takes octets and the time
//! and gives octets and deadlines; the handles of this crate meet it at a few short locks. An
//! application with its own event loop drives it directly; the [adapters](crate::adapter) do no more
//! than that.
//!
//! | module | what it is about |
//! |---|---|
//! | `core` | the connection's state, its octets and its deadlines |
//! | `turn` | what its driver waits for, and whether it reads |
//! | `config` | what the core is told before it begins, and what it agrees on with the broker |
//! | `opening` | the handshake |
//! | `receive` | what arrives, from octets to what consumers and callers get |
//! | `dispatch` | what a method that has arrived does |
//! | `send` | what is sent, from a place in line to octets |
//! | `shared` | what handles and core share, of a connection, a channel and a consumer |
//! | `observe` | what can be watched: events, totals, `tracing` |
//! | `time` | heartbeats, a peer that takes nothing, how often channels are opened anew |
//! | `wait` | lists of tasks that wait, how wakers are handled, and locks, which the tests of wake-ups take in every order |
//! | `channel_use` | one use of one channel id |
//! | `broker_version` | which RabbitMQ the broker is |

mod broker_version;
pub(crate) mod channel_use;
pub(crate) mod config;
mod core;
mod dispatch;
pub(crate) mod observe;
pub(crate) mod opening;
mod receive;
pub(crate) mod send;
pub(crate) mod shared;
pub(crate) mod time;
mod turn;
pub(crate) mod wait;

pub use self::config::{CoreOptions, Limits, Login};
pub use self::core::Core;
pub use self::send::transmit::Transmit;
pub use self::turn::Interest;
