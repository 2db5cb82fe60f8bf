//! How often a channel is opened in the place of one that the broker has closed.

use std::time::{Duration, Instant};

use super::after;

/// A channel that lived for less was opened in vain.
const YOUNG: Duration = Duration::from_secs(10);

/// How far apart channels are opened after the second in a row that died young; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::pair::now;

    #[test]
    fn channels_that_die_young_are_opened_further_and_further_apart() {
        let mut at = now();
        let mut pace = Pace::new(at);
        let pauses = [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000].map(Duration::from_millis);
        for pause in pauses {
            let wanted = pace.wanted(at);
            assert_eq!(wanted, at + pause);
            at = wanted;
            pace.opened(at);
        }
        // What has passed since counts.
        let later = at + Duration::from_secs(6);
        assert!(pace.wanted(later) <= later);
        pace.opened(later);
        // One that has lived makes up for all before.
        at = later + YOUNG;
        assert_eq!(pace.wanted(at), at);
        pace.opened(at);
        assert_eq!(pace.wanted(at), at, "the first that dies young");
        pace.opened(at);
        assert_eq!(pace.wanted(at), at + FIRST_PAUSE);
    }
}
