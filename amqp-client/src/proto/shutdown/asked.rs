//! What the program asks for when it shuts a connection down, and where it finds what was left.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::report::ShutdownReport;
use crate::error::ConnectionError;
use crate::proto::wait::sync::lock;

/// How long a close may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CloseTimes {
    /// The broker's answer, from the last octets that were written.
    pub(crate) close_timeout: Duration,
    /// All that is left must be written in this time.
    pub(crate) write_timeout: Option<Duration>,
}

/// A shutdown that was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// When the connection is closed at the latest.
    pub(crate) until: Instant,
    pub(crate) times: CloseTimes,
}

/// Where handles ask for a shutdown, and the core tells what it leaves.
#[derive(Debug, Default)]
pub(crate) struct ShutdownWatch {
    /// Looked at in each turn of the core.
    is_asked: AtomicBool,
    parts: Mutex<Parts>,
}

#[derive(Debug, Default)]
struct Parts {
    asked: Option<Asked>,
    left: ShutdownReport,
}

impl ShutdownWatch {
    /// A shutdown is asked for; of several, the earliest end counts. The driver is to be woken
    /// then.
    pub(crate) fn ask(&self, asked: Asked) {
        let mut parts = lock(&self.parts);
        let sooner = |known: &Asked| known.until <= asked.until;
        if !parts.asked.as_ref().is_some_and(sooner) {
            parts.asked = Some(asked);
        }
        drop(parts);
        self.is_asked.store(true, Ordering::Relaxed);
    }

    /// What was asked for, if anything was.
    #[inline]
    pub(crate) fn asked(&self) -> Option<Asked> {
        if !self.is_asked.load(Ordering::Relaxed) {
            return None;
        }
        lock(&self.parts).asked
    }

    /// The connection ends, and leaves this if it was shut down.
    pub(crate) fn tell(&self, left: Option<ShutdownReport>) {
        if let Some(left) = left {
            lock(&self.parts).left = left;
        }
    }

    /// What was left when the connection ended for this.
    pub(crate) fn report(&self, cause: ConnectionError) -> ShutdownReport {
        let left = lock(&self.parts).left.clone();
        let cause = match cause {
            ConnectionError::Closed => None,
            cause => Some(cause),
        };
        ShutdownReport { cause, ..left }
    }
}
