//! Dialling as a decision: from options to an open connection, without doing any of it.
//!
//! ```text
//! for each round:   [read files]
//!     for each host:   ask for credentials ▶ resolve ▶ race of the addresses ▶ [TLS] ▶ handshake
//! ```
//!
//! A [`Dialer`] is told what has become of what it asked for, and the time; it says what to do next.
//! The adapter around it resolves, connects and waits, and decides nothing: what is tried when and
//! for how long, what is tried again, and which error is told in the end is decided here.
//!
//! | module | what it is about |
//! |---|---|
//! | `step` | what is asked of the adapter, and what it reports |
//! | `dialer` | rounds and hosts, and the steps of one host |
//! | `race` | several addresses of one host |
//! | `plan` | what is dialled, how often, and in which order |
//! | `time` | how long a step may take, and all of them |
//! | `contact` | how far one host has been reached, and what is told if that fails |
//!
//! Nothing here knows a socket, a clock, a task or a runtime: seed and time come in.

mod contact;
mod dialer;
mod plan;
mod race;
mod step;
mod time;

#[cfg(test)]
mod tests;

pub(super) use self::dialer::Dialer;
pub(super) use self::plan::{Plan, Rounds, Way};
pub(super) use self::step::{Action, ActionId, Failure, Outcome, Step};
