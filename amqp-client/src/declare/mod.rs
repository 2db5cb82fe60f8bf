//! What queues, exchanges and bindings are declared, bound and deleted with.
//!
//! The builders know RabbitMQ's arguments by name, unit and range. What contradicts itself is refused
//! here, before anything is sent, with the two things that do not go together; see `check.rs` for
//! the rules. `unchecked` leaves the judgement to the broker.

mod arguments;
mod binding;
mod check;
mod exchange;
mod method;
mod queue;

pub(crate) use self::arguments::Arguments;
pub use self::binding::{Binding, Match};
pub(crate) use self::check::stream_offset;
pub use self::exchange::{ExchangeDeclare, ExchangeDelete};
pub use self::queue::{
    DeadLetterStrategy, DeclaredQueue, LeaderLocator, Overflow, QueueDeclare, QueueDelete,
};
