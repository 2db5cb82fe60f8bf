//! The time of requests while octets that stand before them are leaving.
//!
//! ```text
//! parked behind an unanswered request      its time runs
//! behind octets that are leaving           its time stands still up to the last write that took some
//! written                                  its time runs
//! ```
//!
//! So a request does not time out because a message in front of it is large, or the network slow;
//! if nothing leaves at all, it does. The same holds for `connection.close`, whose time therefore
//! begins anew with each write. Each request notes the position at which it ends among all octets
//! that leave. The core tells when one has been written, which costs nothing where there are none,
//! and the rest is worked out when a deadline passes, which may be too early, never too late.

use std::collections::VecDeque;

/// Requests that are not known to be written: the position behind each, and its channel; in order.
#[derive(Debug, Default)]
pub(super) struct Leaving(VecDeque<(u64, u16)>);

impl Leaving {
    pub(super) fn push(&mut self, end: u64, channel: u16) {
        self.0.push_back((end, channel));
    }

    /// Where the first one ends.
    pub(super) fn next(&self) -> u64 {
        self.0.front().map_or(u64::MAX, |&(end, _)| end)
    }

    /// Takes the channel of the first one, if it has been written.
    pub(super) fn pop_written(&mut self, written: u64) -> Option<u16> {
        if self.next() > written {
            return None;
        }
        let (_, channel) = self.0.pop_front()?;
        Some(channel)
    }

    /// Octets have been taken out, perhaps: nothing ends behind `last`. Says on which channels requests
    /// end sooner.
    pub(super) fn move_up(&mut self, last: u64) -> impl Iterator<Item = u16> {
        let behind = self.0.partition_point(|&(end, _)| end <= last);
        self.0.range_mut(behind..).map(move |(end, channel)| {
            *end = last;
            *channel
        })
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Gives memory back that is not in use.
    pub(super) fn rest(&mut self) {
        if self.0.is_empty() {
            self.0 = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_sooner_is_moved_up() {
        let mut leaving = Leaving::default();
        for (end, channel) in [(10, 1), (20, 2), (30, 3), (40, 3)] {
            leaving.push(end, channel);
        }
        assert_eq!(leaving.move_up(40).count(), 0);
        assert_eq!(leaving.move_up(20).collect::<Vec<_>>(), [3, 3]);
        assert_eq!(leaving.0, [(10, 1), (20, 2), (20, 3), (20, 3)]);
    }
}
