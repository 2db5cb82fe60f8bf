//! How much time opening a connection has: for each step, and in all.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout, timeout_at};

use super::tokio::REACTOR_LOOKS;
use crate::error::{ConnectCause, Stage};
use crate::options::ConnectionOptions;

/// Awaits the future until the deadline. A process that was suspended or busy finds that it has
/// passed before it has looked at its sockets, so that the reactor looks once more before it
/// counts.
pub(super) async fn within<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match timeout_at(deadline, future.as_mut()).await {
        Ok(output) => Ok(output),
        Err(_) => timeout(REACTOR_LOOKS, future).await,
    }
}

/// How much time there is in all.
pub(super) struct Budget {
    total: Option<(Duration, Instant)>,
}

/// How much time a step has.
pub(super) struct TimedStep {
    /// The limit that applies, for people.
    pub(super) limit: Duration,
    pub(super) deadline: Instant,
}

impl Budget {
    /// Begins to count. Every way to a broker begins so, and all that follows needs a runtime:
    /// without one tokio would panic.
    pub(super) fn new(options: &ConnectionOptions) -> Result<Self, (Stage, ConnectCause)> {
        if Handle::try_current().is_err() {
            return Err((Stage::Options, ConnectCause::NoRuntime));
        }
        let total = options.open_timeout;
        Ok(Self {
            total: total.map(|limit| (limit, after(Instant::now(), limit))),
        })
    }

    /// The time for a step that may take this long.
    pub(super) fn step(&self, limit: Duration) -> TimedStep {
        let deadline = after(Instant::now(), limit);
        match self.total {
            Some((total, end)) if end < deadline => TimedStep {
                limit: total,
                deadline: end,
            },
            _ => TimedStep { limit, deadline },
        }
    }

    pub(super) fn is_over_at(&self, time: Instant) -> bool {
        self.total.is_some_and(|(_, end)| end <= time)
    }
}

/// A time in the future, were it as far away as time goes.
pub(super) fn after(now: Instant, delay: Duration) -> Instant {
    const YEARS: Duration = Duration::from_secs(86_400 * 365 * 30);
    now + delay.min(YEARS)
}
