//! What tells the handles the time.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// The clock of whatever drives a connection. A clone is the same clock.
///
/// Only what has a limit looks at it: requests, and waiting with a time. It is called without a
/// lock, since it may be a program's own.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> Instant {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
