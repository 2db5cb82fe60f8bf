//! Which channel id is used next: the one that has been unused the longest.
//!
//! Deliveries of a channel that RabbitMQ has closed come up to 12 ms behind the `open-ok` of the
//! next use of its id. So an id that has just become free is used again last, and while fewer than
//! [`ROTATION`] are free, one that was never used is taken instead. More would be safer still, but
//! each id keeps its entry in the table of channels (at most 208 octets) for as long as the
//! connection lasts: a program that opens and closes one channel again and again has 256 of them,
//! 52 KiB, instead of the 2047 that RabbitMQ allows. A program that keeps its channels has no more
//! entries than channels. On the next stream of a connection that comes back nothing is late, so
//! that its ids are as good as new: however often it is lost, it has no more of them.

use std::collections::BTreeSet;

/// How many ids are in rotation before one is used again. An opening and a close take a round trip
/// each, so that an id comes to its next use a good deal later than what is under way for it.
pub(super) const ROTATION: usize = 256;

/// The ids that are free, in the order in which they will be used.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// When each became free, in ids that had become free by then: 0 if it was never used.
    free: BTreeSet<(u64, u16)>,
    freed: u64,
    /// How many had become free when the present stream began.
    freed_before: u64,
}

impl Ids {
    /// Another stream begins.
    pub(super) fn begin_stream(&mut self) {
        self.freed_before = self.freed;
    }

    /// This id was never used.
    pub(super) fn add(&mut self, id: u16) {
        self.free.insert((0, id));
    }

    /// The id that has been unused the longest of those up to `channel_max`, which may be lower than
    /// on an earlier stream; `next` has no entry yet, if there is such a one.
    pub(super) fn longest_unused(&self, channel_max: u16, next: Option<u16>) -> Option<u16> {
        let first = self.free.iter().find(|&&(_, id)| id <= channel_max);
        match (first, next) {
            (Some(&(freed, _)), Some(next))
                if freed > self.freed_before && self.free.len() < ROTATION =>
            {
                Some(next)
            }
            (Some(&(_, id)), _) => Some(id),
            (None, next) => next,
        }
    }

    /// Takes an id that became free as the `freed`th. False if it is in use.
    pub(super) fn take(&mut self, id: u16, freed: u64) -> bool {
        self.free.remove(&(freed, id))
    }

    /// Both sides are done with a use of the id; says as which one it has become free.
    pub(super) fn give_back(&mut self, id: u16) -> u64 {
        self.freed += 1;
        self.free.insert((self.freed, id));
        self.freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::send::outbox::channel::OutChannel;

    #[test]
    fn ids_in_rotation_cost_little() {
        assert!(ROTATION * size_of::<OutChannel>() <= 52 * 1024);
    }
}
