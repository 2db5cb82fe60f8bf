//! Tasks, drops and locks in every order, or in many.

pub(crate) mod busy;
pub(crate) mod drops;
pub(crate) mod fairness;
pub(crate) mod interleaving;
pub(crate) mod wakers;
pub(crate) mod wakeups;
pub(crate) mod wakeups_handlers;
pub(crate) mod wakeups_limits;
pub(crate) mod wakeups_rpc;
pub(crate) mod wakeups_successors;
