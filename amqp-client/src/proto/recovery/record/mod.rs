//! What has been declared on a connection and is to be declared again on the next stream.
//!
//! One record serves the whole connection, so that what one channel deletes is not declared again
//! for another. It is told each request with the broker's answer, and is pure: no locks, no I/O, no
//! time. Each thing is recorded once, however often it was declared.
//!
//! ```text
//! declare, bind ──▶ exchanges, queues, bindings ──▶ entries, in an order in which they can be
//!                       │                           restored
//!                       ├─ delete, unbind           takes bindings along at both ends
//!                       └─ last consumer, last binding of what is deleted automatically: forgotten
//! ```
//!
//! Never recorded: passive declarations, what begins with `amq.` and is the broker's own, the
//! default exchange and the bindings to it, and what is not UTF-8, which RabbitMQ refuses. An empty
//! queue name, "the one declared last on the channel", is resolved where it is sent; one that is
//! left is passed over.
//!
//! Consumers, limits and modes of channels are not here: they stand in the outbox.
//!
//! | file | what it is about |
//! |---|---|
//! | `requests` | what each request changes, and what goes with what |
//! | `declared` | exchanges and queues, as they were declared |
//! | `bindings` | each binding once, and which exchange has any |
//! | `entries` | what is restored, in which order, and what depends on what |

mod bindings;
mod declared;
mod entries;
mod requests;
#[cfg(test)]
mod tests;

pub(crate) use self::entries::{Entry, Extent};
pub(crate) use self::requests::Record;
