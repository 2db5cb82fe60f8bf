//! Who waits for a message that has to be read, though no request of the protocol is open: the reply
//! to a call. While there is one, reading goes on though slow consumers hold much, as it does for
//! confirms and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::link::Link;
use super::sync::touch;

/// How many wait.
#[derive(Debug, Default)]
pub(crate) struct Expectations(AtomicUsize);

impl Expectations {
    pub(super) fn are_any(&self) -> bool {
        touch(&self.0).load(Ordering::SeqCst) > 0
    }
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub(crate) struct Expecting(Arc<Link>);

impl Expecting {
    pub(crate) fn new(link: &Arc<Link>) -> Self {
        touch(&link.expectations.0).fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(link))
    }

    /// If reading has stopped because of slow consumers, it must go on.
    pub(crate) fn resume(&self) {
        self.0.resume();
    }
}

impl Drop for Expecting {
    fn drop(&mut self) {
        touch(&self.0.expectations.0).fetch_sub(1, Ordering::SeqCst);
    }
}
