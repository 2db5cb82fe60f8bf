//! A connection: octets become frames, frames go to channels, and the connection itself opens and
//! closes.
//!
//! ```text
//!  Header ─▶ Starting ─▶ Tuning ─▶ Opening ─▶ Running ─▶ Closed ─▶ Ended
//!     │          └───────────┴─────────┴──────────┴───▶ Silent ─▶    ▲
//!     └────────────────────────────────────────────────────────────-─┘
//! ```
//!
//! `Closed` has said or heard `connection.close` and waits for the other end to go; `Silent` reads
//! nothing more and ends when RabbitMQ has slept for three seconds.

mod channels;
mod clock;
mod cut;
mod ending;
mod handshake;
mod opening;
mod reading;
mod state;

pub(super) use self::state::Connection;
