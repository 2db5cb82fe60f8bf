//! What failed among the publishes of one channel, for those who ask about all of them at once.

/// How many failures are kept one by one; of more, only the number is known.
const KEPT: usize = 1024;

/// How a publish failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Nacked,
    Returned,
}

/// The failures since somebody last asked.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) nacked: u64,
    pub(crate) returned: u64,
    /// The first of them, in the order of their answers; at most `KEPT`.
    pub(crate) first: Vec<(u64, Failure)>,
}

impl Failures {
    pub(super) fn push(&mut self, number: u64, failure: Failure) {
        match failure {
            Failure::Nacked => self.nacked += 1,
            Failure::Returned => self.returned += 1,
        }
        if self.first.len() < KEPT {
            self.first.push((number, failure));
        }
    }
}
