//! Declaring, binding and deleting queues and exchanges.
//!
//! [`QueueDeclare`] and [`ExchangeDeclare`] are at the root of the crate. Here is what they are set
//! with, what the broker answers ([`DeclaredQueue`]), what binds ([`Binding`]) and deletes
//! ([`QueueDelete`], [`ExchangeDelete`]), and a list of all that a program needs ([`Topology`]).
//!
//! The builders know RabbitMQ's arguments by name, unit and range. Settings that contradict each
//! other are refused before anything is sent, and the error names both. `unchecked` leaves the
//! judgement to the broker.

// `check` has the rules.

mod arguments;
mod binding;
mod check;
pub(crate) mod exchange;
#[cfg(feature = "serde")]
mod files;
mod method;
pub(crate) mod queue;
mod topology;

pub(crate) use self::arguments::{Arguments, has_same_entries};
pub use self::binding::{Binding, Match};
pub(crate) use self::check::stream_offset;
pub(crate) use self::exchange::ExchangeDeclare;
pub use self::exchange::ExchangeDelete;
pub(crate) use self::queue::QueueDeclare;
pub use self::queue::{
    DeadLetterStrategy, DeclaredQueue, DelayedRetryType, LeaderLocator, Overflow, QueueDelete,
};
pub(crate) use self::topology::Bound;
pub use self::topology::Topology;
