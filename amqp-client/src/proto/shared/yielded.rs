//! The highest number that the program has seen on a channel.
//!
//! Each consumer remembers its own, which costs a plain store for each delivery; they are compared
//! only when the program settles "all there are" of a channel that has been opened anew.

use std::sync::{Arc, Mutex};

use super::consumer::ConsumerQueue;
use crate::proto::wait::sync::lock;

/// What a channel has yielded to the program.
#[derive(Debug, Default)]
pub(crate) struct Yielded(Mutex<YieldedParts>);

#[derive(Debug, Default)]
struct YieldedParts {
    /// Those whose handles are there.
    consumers: Vec<Arc<ConsumerQueue>>,
    /// The highest number that was yielded otherwise.
    others: u64,
}

impl Yielded {
    /// A consumer has a handle, which may yield something.
    pub(crate) fn begin(&self, queue: &Arc<ConsumerQueue>) {
        lock(&self.0).consumers.push(Arc::clone(queue));
    }

    /// Its handle is gone.
    pub(crate) fn end(&self, queue: &Arc<ConsumerQueue>) {
        let mut parts = lock(&self.0);
        let at = parts
            .consumers
            .iter()
            .rposition(|one| Arc::ptr_eq(one, queue));
        let gone = at.map(|at| parts.consumers.swap_remove(at));
        parts.others = parts.others.max(queue.yielded());
        drop(parts);
        drop(gone);
    }

    /// Those whose handles are there.
    pub(crate) fn consumers(&self) -> Vec<Arc<ConsumerQueue>> {
        lock(&self.0).consumers.clone()
    }

    /// A message has been fetched that has this number.
    pub(crate) fn fetched(&self, delivery_tag: u64) {
        let mut parts = lock(&self.0);
        parts.others = parts.others.max(delivery_tag);
    }

    /// The highest number of all that was yielded; zero: nothing was.
    pub(crate) fn highest(&self) -> u64 {
        let parts = lock(&self.0);
        let consumers = parts.consumers.iter().map(|queue| queue.yielded());
        consumers.fold(parts.others, u64::max)
    }
}
