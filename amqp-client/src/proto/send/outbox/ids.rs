//! Which channel id is used next: the one that has been unused the longest.
//!
//! Deliveries of a channel that RabbitMQ has closed come up to 12 ms behind the `open-ok` of the next
//! use of its id. So an id that has just become free is used again last, and while fewer than
//! [`ROTATION`] are free, one that was never used is taken instead. More would be safer still, but each
//! id keeps its entry in the table of channels (at most 192 octets) for as long as the connection lasts: a
//! program that opens and closes one channel again and again has 256 of them, 48 KiB, instead of the
//! 2047 that RabbitMQ allows. A program that keeps its channels has no more entries than channels.

use std::collections::BTreeSet;

use super::{OutChannel, OutState, Outbox};

/// How many ids are in rotation before one is used again. An opening and a close take a round trip
/// each, so that an id comes to its next use a good deal later than what is under way for it.
pub(super) const ROTATION: usize = 256;

/// The ids that are free, in the order in which they will be used.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// When each became free, in ids that had become free by then: 0 if it was never used.
    free: BTreeSet<(u64, u16)>,
    freed: u64,
}

impl Outbox {
    /// Takes this id, or the one that has been unused the longest, out of those that are free. `None`
    /// if it is in use, or all of `channel_max` are.
    pub(super) fn take_id(&mut self, channel_max: u16, number: Option<u16>) -> Option<u16> {
        let longest_unused = self.ids.free.first().copied();
        let unused = u16::try_from(self.channels.len())
            .ok()
            .filter(|&id| id <= channel_max);
        let id = match (number, longest_unused, unused) {
            (Some(number), ..) => number,
            (None, Some((freed, _)), Some(unused)) if freed > 0 && !self.ids.are_enough() => unused,
            (None, Some((_, id)), _) | (None, None, Some(id)) => id,
            (None, None, None) => return None,
        };
        self.make_known(id);
        let channel = self.channels.get(usize::from(id))?;
        // Those that are in use are not among them.
        self.ids.free.remove(&(channel.freed, id)).then_some(id)
    }

    /// Makes the table reach up to this id.
    fn make_known(&mut self, id: u16) {
        for unused in self.channels.len()..=usize::from(id) {
            self.channels.push(OutChannel::default());
            self.ids
                .free
                .extend(u16::try_from(unused).map(|id| (0, id)));
        }
    }

    /// Both sides are done with this use of the id.
    pub(super) fn free_id(&mut self, id: u16) {
        let Some(channel) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        channel.state = OutState::Free;
        self.ids.freed += 1;
        channel.freed = self.ids.freed;
        self.ids.free.insert((channel.freed, id));
    }
}

impl Ids {
    fn are_enough(&self) -> bool {
        self.free.len() >= ROTATION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_in_rotation_cost_little() {
        assert!(ROTATION * size_of::<OutChannel>() <= 48 * 1024);
    }
}
