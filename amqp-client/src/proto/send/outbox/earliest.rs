//! The earliest of many deadlines.

use std::time::Instant;

/// The earliest of the times that were noted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earliest(Option<Instant>);

impl Earliest {
    /// Whether it is earlier than all before.
    pub(super) fn note(&mut self, at: Instant) -> bool {
        let earlier = self.0.is_none_or(|earliest| at < earliest);
        if earlier {
            self.0 = Some(at);
        }
        earlier
    }

    pub(super) fn get(self) -> Option<Instant> {
        self.0
    }

    pub(super) fn has_come(self, now: Instant) -> bool {
        self.0.is_some_and(|earliest| earliest <= now)
    }
}

impl Extend<Instant> for Earliest {
    fn extend<T: IntoIterator<Item = Instant>>(&mut self, times: T) {
        for at in times {
            self.note(at);
        }
    }
}
