//! What failed among the publishes of one channel, for those who ask about all of them at once.

use std::collections::BTreeMap;

/// How many failures are kept one by one; of more, only the number is known.
const KEPT: usize = 1024;

/// How a publish failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Nacked,
    Returned,
}

/// The failures that have not been told.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    noted: Noted,
    /// How many times they have been told all at once.
    round: u64,
}

/// Failures that are told.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) nacked: u64,
    pub(crate) returned: u64,
    /// The first of them whose answers came, by number; at most `KEPT`.
    pub(crate) first: BTreeMap<u64, Failure>,
}

impl Noted {
    fn count(&mut self, failure: Failure) -> &mut u64 {
        match failure {
            Failure::Nacked => &mut self.nacked,
            Failure::Returned => &mut self.returned,
        }
    }
}

impl Failures {
    pub(crate) fn push(&mut self, number: u64, failure: Failure) {
        *self.noted.count(failure) += 1;
        if self.noted.first.len() < KEPT {
            self.noted.first.insert(number, failure);
        }
    }

    /// What tells this round of failures from others.
    pub(crate) fn round(&self) -> u64 {
        self.round
    }

    /// One that was noted in this round has been told on its own.
    pub(crate) fn told(&mut self, number: u64, failure: Failure, round: u64) {
        if round == self.round {
            let count = self.noted.count(failure);
            *count = count.saturating_sub(1);
            self.noted.first.remove(&number);
        }
    }

    /// All that have not been told.
    pub(crate) fn take(&mut self) -> Noted {
        self.round += 1;
        std::mem::take(&mut self.noted)
    }
}
