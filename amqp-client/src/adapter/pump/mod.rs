//! The pump: moves octets between any stream and the core, in turns, by any clock and timer.
//!
//! ```text
//! turn(now): read, a few times ▶ judge what is overdue ▶ write, a few times ▶ flush ▶ set the timer
//!            └ the stream is over ▶ leave it ▶ wait ▶ dial ▶ a turn over another stream
//! ```
//!
//! An adapter is a [`Transport`], a [`Timer`] and a loop that takes the turns; all that there is to
//! decide about moving octets is decided here: how much of each a turn does, what becomes of a
//! stream that fails to write, when a deadline counts, when the timer is moved, how the stream is
//! left, and when another one is dialled. About AMQP nothing is. The core is driven between two
//! streams as well: what waits there runs out, and `close` is noticed.
//!
//! The pump names no runtime and looks at no clock (`cargo xtask tidy` holds it to that): the time
//! comes in with each turn.
//!
//! | module | what it is about |
//! |---|---|
//! | `transport` | what the pump needs of a stream and of a timer |
//! | `turn` | the turns |
//! | `redial` | what the pump needs of what connects another stream |
//! | `overdue` | when a deadline that has passed is judged |

mod overdue;
mod redial;
mod transport;
mod turn;

#[cfg(test)]
mod tests;

pub(crate) use self::redial::{Dialed, Line, Redial};
pub(crate) use self::transport::{Timer, Transport, Writes};
pub(crate) use self::turn::{Next, Pump};
