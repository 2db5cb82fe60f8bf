//! What the broker makes us say: `flow-ok`, `cancel-ok`, settlements of what it delivers, deliveries
//! given back that nobody took.
//!
//! All else in the outbox is bounded by what the program does: publishers wait for room, there are no
//! more requests than callers, and no more `close-ok` than channels were opened. Answers are as many
//! as the broker likes, so that their octets are counted, and held against [`MOST_ANSWERS`]:
//!
//! ```text
//! in the small lane   more than that: nothing is read until the broker has taken some
//! parked              more than that: the connection ends, for what they wait for may have to be read
//! ```
//!
//! Settlements that are parked are not counted, for it is the program that makes its broker wait for
//! them: nothing but the timeouts bounds those.

use super::{OutChannel, Outbox, Refused, Wake};

/// So many octets of answers may wait in either place. A delivery given back takes 21: those of three
/// consumers with the largest prefetch limit fit.
pub(crate) const MOST_ANSWERS: usize = 4 * 1024 * 1024;

/// Octets of answers that wait.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Since the adapter last took the small lane.
    small: usize,
    /// The sum over all channels.
    parked: usize,
}

impl Outbox {
    /// Lets `queue` queue an answer, and counts it. True if it is one too many for where it waits now:
    /// behind a large body of its channel, or a transaction.
    pub(crate) fn answer(
        &mut self,
        id: u16,
        queue: impl FnOnce(&mut Self) -> Result<Wake, Refused>,
    ) -> (Wake, bool) {
        let (small, aside, counted) = (self.small.len(), self.aside, self.answers.small);
        // A channel that takes nothing any more needs no answer.
        let wake = queue(self).unwrap_or_default();
        // A settlement has counted itself.
        self.answers.small = counted + self.small.len().saturating_sub(small);
        let parked = self.aside.saturating_sub(aside);
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.parked_answers += parked;
            self.answers.parked += parked;
        }
        (wake, parked > 0 && self.answers.parked > MOST_ANSWERS)
    }

    /// Whether more answers are ready to be written than may be.
    pub(crate) fn owes_too_much(&self) -> bool {
        self.answers.small > MOST_ANSWERS
    }
}

impl Answers {
    /// The adapter has taken what is in the small lane, or it has been thrown away.
    pub(super) fn taken(&mut self) {
        self.small = 0;
    }

    /// So many octets of settlements have been queued in the small lane.
    #[inline]
    pub(super) fn settled(&mut self, octets: usize) {
        self.small += octets;
    }

    /// So many octets of the channel's line have moved to the small lane. Which of them are answers
    /// is not known; they count as such while there are any, so that none is counted that is not there.
    pub(super) fn released(&mut self, channel: &mut OutChannel, octets: usize) {
        let answers = octets.min(channel.parked_answers);
        channel.parked_answers -= answers;
        self.parked -= answers;
        self.small += answers;
    }

    /// The channel's line has been thrown away.
    pub(super) fn dropped(&mut self, channel: &mut OutChannel) {
        self.parked -= std::mem::take(&mut channel.parked_answers);
    }

    #[cfg(test)]
    pub(super) fn counted(&self) -> usize {
        self.small + self.parked
    }
}
