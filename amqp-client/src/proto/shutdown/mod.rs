//! Shutting a connection down: nothing new is taken, what runs comes to its end, and then the
//! connection is closed.
//!
//! ```text
//! asked ──▶ consumers are cancelled, what they have not yielded goes back
//!       ──▶ the program settles what it has; it may publish
//!       ──▶ publishers that wait are let in, others are not; all is confirmed
//!       ──▶ connection.close ──▶ what is left is told
//! ```
//!
//! No step waits for longer than the grace, at whose end `connection.close` is sent. What the
//! program has asked for stands under the outbox's lock
//! ([`Outbox::is_ending`](super::send::outbox::Outbox::is_ending)), since it decides who may
//! publish; the core looks how far it is in each of its turns, while there is a shutdown. Before
//! that, and without one, nothing here is touched.
//!
//! | file | what it is about |
//! |---|---|
//! | `asked` | what the program asks for, and what it is told at the end |
//! | `close` | `connection.close` |
//! | `report` | what was left |
//! | `winding` | the steps |

mod asked;
mod close;
mod report;
mod winding;

pub(crate) use self::asked::{Asked, CloseTimes, ShutdownWatch};
pub(crate) use self::close::{begin_close, closed_by_the_application};
pub use self::report::ShutdownReport;
pub(crate) use self::winding::{Left, expire, left, wind_up};
