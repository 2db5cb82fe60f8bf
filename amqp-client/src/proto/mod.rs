//! The protocol core: AMQP without input and output.
//!
//! No sockets, no clock, no threads, no tasks, no randomness. [`Core`] takes octets and the time
//! and gives octets and deadlines; the handles of this crate meet it at a few short locks. An
//! application with its own event loop drives it directly; the [adapters](crate::adapter) do no more
//! than that.
//!
//! | module | what it is about |
//! |---|---|
//! | `outbox` | the order of everything that is sent |
//! | `request` | what waits for which reply |
//! | `confirms`, `unconfirmed`, `lost` | publisher confirms of one channel |
//! | `consumer`, `batches`, `tags` | where deliveries wait to be picked up, and the names made up for consumers |
//! | `wait` | lists of tasks that wait, and how wakers are handled |
//! | `timers` | what is to be called at which time |
//! | `observe` | what can be watched: events, totals, `tracing` |
//! | `reading` | whether the stream is read, and what waits for something that has to be read |
//! | `pace` | how often a channel is opened in the place of one that the broker has closed |
//! | `link`, `channel` | what handles and core share, of a connection and of a channel |
//! | `sync` | locks and atomics, which the tests of wake-ups take in every order |
//! | `config` | what the core is told before it begins, and what it agrees on with the broker |
//! | `core` | the connection's state, its octets and its deadlines |
//! | `turn` | what its driver waits for, and whether it reads |
//! | `in_channel` | who the deliveries of a channel are for, and those of an earlier use of its id |
//! | `inbound`, `methods`, `whole`, `content`, `piecewise` | what arrives |
//! | `closes` | the ends of channels, and what each operation is told |
//! | `alarm`, `stall` | what stands still: alarms, messages that stall, a peer that takes nothing |
//! | `oversized` | messages that are larger than accepted |
//! | `handshake`, `opening`, `heartbeat` | the connection itself |
//! | `broker_version` | which RabbitMQ the broker is |
//! | `progress` | how far the writing is, and what a close leaves behind |
//! | `unsent` | publishes that were never written |
//! | `transmit`, `rope`, `read_buffer` | octets on their way out and in |

mod alarm;
pub(crate) mod batches;
mod broker_version;
pub(crate) mod channel;
mod closes;
pub(crate) mod config;
pub(crate) mod confirms;
pub(crate) mod consumer;
mod content;
mod core;
mod handshake;
mod heartbeat;
mod in_channel;
mod inbound;
pub(crate) mod link;
pub(crate) mod lost;
mod methods;
pub(crate) mod observe;
pub(crate) mod opening;
pub(crate) mod outbox;
mod oversized;
pub(crate) mod pace;
mod piecewise;
mod progress;
mod read_buffer;
pub(crate) mod reading;
pub(crate) mod request;
mod rope;
mod stall;
pub(crate) mod sync;
pub(crate) mod tags;
pub(crate) mod timers;
mod transmit;
mod turn;
mod unconfirmed;
mod unsent;
pub(crate) mod wait;
mod whole;

#[cfg(test)]
pub(crate) mod tests;

pub use self::config::{CoreOptions, Limits, Login};
pub use self::core::Core;
pub use self::transmit::Transmit;
pub use self::turn::Interest;
