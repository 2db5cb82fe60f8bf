//! Publishers of one channel that wait: until fewer messages are unanswered, or less is kept to be
//! sent again.
//!
//! Who waits goes first: a place is kept for each that has been called, so that all who are still in
//! line, and all who come, find as many taken as they will find published. One with a higher limit
//! passes those with a lower one, who wait for something else; one whose message is kept passes no
//! other of its kind.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::proto::wait::{Sleeper, Waiters};

/// What a publisher waits for before it sends one more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// As long as fewer than this are unanswered.
    outstanding: u64,
    /// What is kept takes at most this many octets with this message, or there is nothing.
    kept: Option<usize>,
    /// How many octets are to be kept.
    size: usize,
}

impl Limits {
    /// How many may be unanswered, and of a message that is kept its size and how much may be.
    pub(crate) fn new(outstanding: Option<u64>, kept: Option<(usize, usize)>) -> Self {
        Self {
            outstanding: outstanding.unwrap_or(u64::MAX),
            kept: kept.map(|(_, up_to)| up_to),
            size: kept.map_or(0, |(size, _)| size),
        }
    }

    /// Whether there is room for one more, beside this.
    pub(super) fn admit(&self, taken: Taken) -> bool {
        let fits = |up_to| taken.kept == 0 || taken.kept.saturating_add(self.size) <= up_to;
        taken.outstanding < self.outstanding && self.kept.is_none_or(fits)
    }
}

/// What there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    /// How many messages are not answered.
    pub(super) outstanding: u64,
    /// How many octets are kept.
    pub(super) kept: usize,
}

/// The publishers that wait.
#[derive(Debug, Default)]
pub(super) struct AtLimit {
    waiting: Waiters<(), Limits>,
    /// By ticket, those who have been called and have not come.
    called: BTreeMap<u64, Called>,
    /// How many octets these are going to have kept.
    octets: usize,
}

/// A publisher that has been called.
#[derive(Debug)]
struct Called {
    /// Since the last look at who does not come.
    recent: bool,
    size: usize,
}

impl AtLimit {
    /// Whether none is in line.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many are in line, or have been called and have not come.
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.called.len()
    }

    pub(super) fn contains(&self, ticket: u64) -> bool {
        self.waiting.contains((), ticket)
    }

    /// Whether one more may be published; if not, the task is called when it may.
    pub(super) fn admit(
        &mut self,
        limits: Limits,
        taken: Taken,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> bool {
        // Plain publishes take no place in line, so that even the place of one that was called may
        // be gone.
        let called = ticket.and_then(|ticket| self.called.get(&ticket));
        let others = match called {
            Some(called) => Taken {
                outstanding: taken.outstanding,
                kept: taken.kept.saturating_add(self.octets - called.size),
            },
            None => self.with_called(taken),
        };
        let is_behind = limits.kept.is_some() && called.is_none() && self.is_behind(*ticket);
        if !is_behind && limits.admit(others) {
            return true;
        }
        self.waiting.wait_at((), limits, ticket, sleeper);
        if let Some(ticket) = ticket {
            self.forget_called(*ticket);
        }
        false
    }

    fn with_called(&self, taken: Taken) -> Taken {
        Taken {
            outstanding: taken.outstanding + self.called.len() as u64,
            kept: taken.kept.saturating_add(self.octets),
        }
    }

    /// Whether one whose message is kept is in line, in front of this one.
    fn is_behind(&self, ticket: Option<u64>) -> bool {
        let first = self.waiting.find(|limits| limits.kept.is_some());
        first.is_some_and(|first| ticket.is_none_or(|ticket| first < ticket))
    }

    fn forget_called(&mut self, ticket: u64) {
        if let Some(called) = self.called.remove(&ticket) {
            self.octets -= called.size;
        }
    }

    /// One goes away, or has what it waited for.
    #[must_use = "dropped once the lock is released"]
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Waker> {
        self.forget_called(ticket);
        self.waiting.remove((), ticket)
    }

    /// Calls as many as there is room for, those who have waited longest first. True if some were
    /// called.
    pub(super) fn call(&mut self, taken: Taken, wakers: &mut Vec<Waker>) -> bool {
        let Taken {
            mut outstanding,
            mut kept,
        } = self.with_called(taken);
        let (called, octets) = (&mut self.called, &mut self.octets);
        let before = called.len();
        let mut is_full = false;
        self.waiting.call_if(
            |ticket, limits| {
                let keeps = limits.kept.is_some();
                let taken = Taken { outstanding, kept };
                let fits = !(keeps && is_full) && limits.admit(taken);
                if fits {
                    let (recent, size) = (true, limits.size);
                    (outstanding, kept) = (outstanding + 1, kept.saturating_add(size));
                    *octets = octets.saturating_add(size);
                    called.insert(ticket, Called { recent, size });
                }
                // One that waits for more is not passed by those who need less.
                is_full |= keeps && !fits;
                fits
            },
            wakers,
        );
        called.len() > before
    }

    /// Keeps no place any more for those who were called before the last time and have not come.
    /// True if any have been called: others may have those places, and some may be kept still.
    pub(super) fn expire_called(&mut self) -> bool {
        let (any, octets) = (!self.called.is_empty(), &mut self.octets);
        self.called.retain(|_, called| {
            if !called.recent {
                *octets -= called.size;
            }
            std::mem::take(&mut called.recent)
        });
        any
    }

    /// Calls all who wait, to wait for something else.
    pub(super) fn call_all(&mut self, wakers: &mut Vec<Waker>) {
        self.waiting.call_all(wakers);
        self.called.clear();
        self.octets = 0;
    }

    /// Publishing fails from here on: those who wait are to hear of it.
    pub(super) fn refuse(&mut self, wakers: &mut Vec<Waker>) {
        self.waiting.call_all(wakers);
    }
}
