//! Waiting: who is called when, and by what rules a task's waker is handled.
//!
//! | type | what it is |
//! |---|---|
//! | [`Latch`] | a value that is set once, and the tasks that wait for it |
//! | [`LockedLatch`] | the same with a lock of its own |
//! | [`Waiters`] | a list of tasks that wait, in order |
//! | [`Sleeper`] | a task that is being polled and may have to wait |
//! | [`Watch`] | a future made of two closures: look, and give the place up |
//! | [`wake()`], [`wake_by_ref`], [`wake_all`] | calling wakers |
//! | [`sync`] | functions that take locks and touch atomics, so that tests may decide on the order |
//!
//! Nothing here has a clock or a task of its own. Lists and latches are kept under the locks of
//! what uses them, or a latch has one of its own.
//!
//! A waker is foreign code: calling it may run a whole task, dropping it may drop one, with every
//! handle that the task holds, and either may panic. Even a clone is code of the executor's. So
//! under a lock wakers are only moved and compared:
//!
//! * what waits is cloned before the lock is taken ([`Sleeper`]);
//! * what is to be called is gathered in a `Vec<Waker>` and called once the lock is released;
//! * what is replaced or forgotten is handed back, to be dropped once the lock is released.

mod latch;
mod locked_latch;
mod sleeper;
pub(crate) mod sync;
mod waiters;
mod wake;
mod watch;

pub(crate) use self::latch::Latch;
pub(crate) use self::locked_latch::LockedLatch;
pub(crate) use self::sleeper::Sleeper;
pub(crate) use self::waiters::Waiters;
pub(crate) use self::wake::{wake, wake_all, wake_by_ref};
pub(crate) use self::watch::Watch;
