//! What can be watched of the core: events, totals, and what `tracing` is told.
//!
//! Nothing waits for a listener, and no subscriber is called under a lock.
//!
//! | module | what it is about |
//! |---|---|
//! | `event` | what can happen that a program may want to know |
//! | `listeners` | where that is left for those who listen |
//! | `totals` | what the core counts |
//! | `trace` | what `tracing` is told |

mod event;
mod listeners;
mod totals;
mod trace;

pub use self::event::Event;
#[cfg(test)]
pub(crate) use self::listeners::EVENTS;
pub(crate) use self::listeners::{EventQueue, Listeners, Scope, Source};
pub(crate) use self::totals::{Held, Queued, Totals};
pub(crate) use self::trace::Trace;
