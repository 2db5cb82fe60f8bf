//! The pump on a clock that only the test moves, over a stream and a timer that follow a script.
//!
//! What is promised to programs is tested through the adapters as well; here is each decision of
//! the pump, with the calls that it makes.
//!
//! | file | what it is about |
//! |---|---|
//! | `stand` | the stream, the timer, and how they are driven |
//! | `budgets` | how much one turn reads, writes and offers, and in which order |
//! | `failures` | streams that fail: what is uncertain then, and the broker's last words |
//! | `deadlines` | when the timer is moved, and when what is due is judged |
//! | `leaving` | flushing, and the end |

mod budgets;
mod deadlines;
mod failures;
mod leaving;
mod redialing;
mod stand;
