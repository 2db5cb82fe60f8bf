//! How often a channel is opened in the place of one that the broker has closed.

use std::time::{Duration, Instant};

use super::after;

/// A channel that lived for less was opened in vain.
pub(crate) const YOUNG: Duration = Duration::from_secs(10);

/// How far apart channels are opened after the second in a row that died young; doubles each time.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// And no further apart than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to wait before the next channel is opened.
#[derive(Debug)]
pub(crate) struct Pace {
    /// When the latest was opened, or was to be.
    opened: Instant,
    /// How many in a row died young.
    died_young: u32,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        let (opened, died_young) = (now, 0);
        Self { opened, died_young }
    }

    /// One was opened, or could not be.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.opened = now;
    }

    /// One more is wanted: when it may be opened.
    pub(crate) fn wanted(&mut self, now: Instant) -> Instant {
        let lived = now.saturating_duration_since(self.opened);
        if lived >= YOUNG {
            self.died_young = 0;
            return now;
        }
        let pause = match self.died_young {
            0 => Duration::ZERO,
            n => FIRST_PAUSE
                .saturating_mul(1 << (n - 1).min(16))
                .min(LONGEST_PAUSE),
        };
        self.died_young = self.died_young.saturating_add(1);
        after(self.opened, pause)
    }
}
