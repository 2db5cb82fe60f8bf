//! What queues, exchanges and bindings are declared, bound and deleted with, besides
//! [`QueueDeclare`] and [`ExchangeDeclare`].
//!
//! The builders know RabbitMQ's arguments by name, unit and range. What contradicts itself is refused
//! before anything is sent, with the two things that do not go together. `unchecked` leaves the
//! judgement to the broker.

// `check` has the rules.

mod arguments;
mod binding;
mod check;
pub(crate) mod exchange;
mod method;
pub(crate) mod queue;

pub(crate) use self::arguments::Arguments;
pub use self::binding::{Binding, Match};
pub(crate) use self::check::stream_offset;
pub(crate) use self::exchange::ExchangeDeclare;
pub use self::exchange::ExchangeDelete;
pub(crate) use self::queue::QueueDeclare;
pub use self::queue::{DeadLetterStrategy, DeclaredQueue, LeaderLocator, Overflow, QueueDelete};
