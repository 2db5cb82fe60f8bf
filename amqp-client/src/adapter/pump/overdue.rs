//! When a deadline that has passed is judged: not before what the process would have found in time,
//! had it not been suspended or busy, has been read and written.

use std::time::{Duration, Instant};

/// More than systems usually hold of one connection (Linux 6 MiB). As much is read at most once
/// writing has failed, so that what came before a reset is heard, and before something overdue is
/// judged.
pub(super) const MOST_HELD: usize = 8 * 1024 * 1024;

/// What reading in one turn has come to.
pub(super) struct Read {
    pub(super) octets: usize,
    /// The stream has nothing more, and wakes the task when it does.
    pub(super) drained: bool,
    /// There is more to be had, or to be parsed, which the core wants.
    pub(super) goes_on: bool,
}

impl Read {
    /// There is nothing to read from.
    pub(super) const NOTHING: Self = Self {
        octets: 0,
        drained: true,
        goes_on: false,
    };
}

/// A deadline, and whether it has passed.
#[derive(Default)]
pub(super) struct Overdue {
    passed: Option<Passed>,
}

struct Passed {
    /// Nothing is judged before.
    until: Instant,
    /// As many octets are read at most before it is judged, of a peer that never stops.
    octets: usize,
}

impl Overdue {
    /// Whether what was due is to be done now: the stream has told what had come when the deadline
    /// passed, and all of that has been read. `current` is how long the former takes.
    pub(super) fn judge(
        &mut self,
        due: Option<Instant>,
        read: &Read,
        current: Duration,
        now: Instant,
    ) -> bool {
        if due.is_none_or(|due| now < due) {
            self.passed = None;
            return false;
        }
        let Some(passed) = &mut self.passed else {
            self.passed = Some(Passed {
                until: now + current,
                octets: MOST_HELD,
            });
            return false;
        };
        passed.octets = passed.octets.saturating_sub(read.octets);
        let has_read = !read.goes_on || passed.octets == 0;
        let judge = passed.until <= now && has_read;
        if judge {
            self.passed = None;
        }
        judge
    }

    /// When there is something to judge, if not when it is due.
    pub(super) fn until(&self) -> Option<Instant> {
        self.passed.as_ref().map(|passed| passed.until)
    }
}
