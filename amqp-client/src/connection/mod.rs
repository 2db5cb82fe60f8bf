//! The connection handle.
//!
//! | file | what it is about |
//! |---|---|
//! | `lifecycle` | opening it and its channels, closing, the end |
//! | `blocked` | alarms of the broker |
//! | `capabilities` | what the broker says it can do |
//! | `counters` | what has been done so far, in numbers |
//! | `events` | what happens, as it happens |
//! | `renewal` | credentials that expire |

mod blocked;
pub(crate) mod capabilities;
pub(crate) mod counters;
pub(crate) mod events;
mod lifecycle;
mod renewal;

pub use self::lifecycle::Connection;
