//! What a handler's run has done, and why it ended.

use super::ending::HandlerEnd;
use crate::error::ConsumeError;

/// What [`Consumer::handle`](crate::Consumer::handle) has done.
#[derive(Clone, Debug)]
#[must_use = "says why messages are no longer handled"]
#[non_exhaustive]
pub struct HandlerSummary {
    /// Handlers that came to an end, of whatever kind.
    pub handled: u64,
    /// Messages acknowledged.
    pub acked: u64,
    /// Messages sent back to the queue after they were handled.
    pub requeued: u64,
    /// Messages rejected.
    pub rejected: u64,
    /// Messages handled that could not be settled, since the channel had ended: the broker delivers
    /// them again.
    pub unsettled: u64,
    /// Messages handled that had gone back to the broker by then, with a connection that was lost
    /// and is recovered: the broker delivers them again, beside what was done of them. See
    /// [`Settled::Stale`](crate::consume::Settled::Stale).
    pub stale: u64,
    /// Handlers that returned an error.
    pub failed: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Messages that had come and went back to the queue without having been begun.
    pub given_back: u64,
    /// Handlers that were dropped because they took longer than
    /// [`HandlerRun::grace`](super::HandlerRun::grace) allows. Their messages went back to the
    /// queue.
    pub dropped: u64,
    /// Why nothing more was taken.
    pub end: HandlerEnd,
}

impl HandlerSummary {
    pub(super) fn new() -> Self {
        Self {
            handled: 0,
            acked: 0,
            requeued: 0,
            rejected: 0,
            unsettled: 0,
            stale: 0,
            failed: 0,
            panicked: 0,
            given_back: 0,
            dropped: 0,
            end: HandlerEnd::Cancelled,
        }
    }

    /// The same as a result, for `?`.
    ///
    /// # Errors
    ///
    /// Why it ended, if the program did not want it to.
    pub fn result(self) -> Result<(), ConsumeError> {
        match self.end {
            HandlerEnd::Stopped | HandlerEnd::Cancelled => Ok(()),
            HandlerEnd::Failed(error) => Err(error),
        }
    }
}
