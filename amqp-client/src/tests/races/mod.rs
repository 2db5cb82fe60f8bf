//! Tasks, drops and locks in every order, or in many.
//!
//! | file | what it is about |
//! |---|---|
//! | `schedules` | what tries every order of threads tries every one, and each once |
//! | `wakeups` | nothing sleeps through what it waits for, in whatever order threads get at the locks |
//! | `wakeups_limits` | the same for limits and times |
//! | `wakeups_handlers` | the same for handlers that finish elsewhere |
//! | `wakeups_rpc` | the same for calls and servers |
//! | `wakeups_successors` | the same for tasks that want the next channel |
//! | `shutdowns` | a shutdown beside what the program does |
//! | `wakers` | no lock is held when a waker is called or dropped |
//! | `fairness` | what waits for room goes first |
//! | `dropped_futures` | every future dropped at every poll |
//! | `random_tasks` | many tasks that do whatever clients do, at random |
//! | `interleaving` | the frames of a message stay together |

pub(crate) mod dropped_futures;
pub(crate) mod fairness;
pub(crate) mod interleaving;
pub(crate) mod random_tasks;
pub(crate) mod schedules;
mod shutdowns;
pub(crate) mod wakers;
pub(crate) mod wakeups;
pub(crate) mod wakeups_handlers;
pub(crate) mod wakeups_limits;
pub(crate) mod wakeups_rpc;
pub(crate) mod wakeups_successors;
