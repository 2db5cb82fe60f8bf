//! The time of requests while octets that stand before them are leaving.
//!
//! ```text
//! parked behind an unanswered request      its time runs
//! behind octets that are leaving           its time stands still up to the last write that took some
//! written                                  its time runs
//! ```
//!
//! So a request does not time out because a message in front of it is large, or the network slow; if
//! nothing leaves at all, it does. The same holds for `connection.close`, whose time therefore begins
//! anew with each write. Each request notes the position at which it ends among all octets that leave.
//! The core tells when one has been written, which costs nothing where there are none, and the rest is
//! worked out when a deadline passes, which may be too early, never too late.

use std::sync::Arc;
use std::time::Instant;

use crate::proto::channel_use::ChannelUse;

use super::{OutChannel, Outbox, Parked};
use crate::proto::send::request::{Barrier, Effect, Slot};
use crate::proto::shared::consumer::ConsumerQueue;

/// How far the writing is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Octets that have been written since the connection began.
    pub(crate) written: u64,
    /// When the last of them were, heartbeats apart.
    pub(crate) at: Instant,
}

impl Outbox {
    /// A request has been put into the small lane.
    pub(super) fn await_reply(&mut self, id: u16, mut slot: Slot) {
        let end = self.handed + self.small.len() as u64;
        slot.end = Some(end);
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            channel.add_in_flight(slot);
            self.unwritten.push_back((end, id));
        }
    }

    /// Where the first request ends that is not known to be written.
    pub(crate) fn next_unwritten(&self) -> u64 {
        self.unwritten.front().map_or(u64::MAX, |&(end, _)| end)
    }

    /// Records how much has been written by now: the time of the requests in it begins to run. If
    /// nothing had left since one of them was queued, the last of them `before`, it has run already.
    pub(crate) fn wrote(&mut self, progress: Progress, before: Instant) {
        while self.next_unwritten() <= progress.written {
            let Some((_, id)) = self.unwritten.pop_front() else {
                return;
            };
            if let Some(channel) = self.channels.get_mut(usize::from(id)) {
                channel.wrote(progress, before);
            }
        }
    }

    /// Whether a `basic.cancel` of this consumer waits for its reply, and has time left.
    pub(crate) fn is_cancelled_in_time(&self, at: ChannelUse, queue: &Arc<ConsumerQueue>) -> bool {
        let channel = self.channels.get(usize::from(at.channel));
        let channel = channel.filter(|channel| channel.incarnation == at.incarnation);
        channel.is_some_and(|channel| {
            let parked = channel.parked.iter().filter_map(Parked::request);
            let mut slots = channel.in_flight.iter().chain(parked);
            slots.any(|slot| match &slot.effect {
                Effect::Cancel(cancelled) => Arc::ptr_eq(cancelled, queue) && !slot.overdue,
                _ => false,
            })
        })
    }

    /// Octets of our `connection.close` that are queued in the small lane, or taken and not written.
    pub(crate) fn unwritten_farewell(&self, progress: Progress) -> usize {
        let mut sent = self
            .channels
            .iter()
            .take(1)
            .flat_map(|channel| &channel.in_flight);
        let leaving = sent.any(|slot| slot.is_farewell() && slot.is_leaving(progress));
        if leaving { self.farewell_len } else { 0 }
    }

    /// Messages have been taken out of the small lane: what stood behind them ends sooner.
    pub(super) fn move_up(&mut self) {
        let last = self.handed + self.small.len() as u64;
        for (end, id) in &mut self.unwritten {
            *end = last.min(*end);
            let channel = self.channels.get_mut(usize::from(*id));
            for slot in channel
                .into_iter()
                .flat_map(|channel| &mut channel.in_flight)
            {
                slot.end = slot.end.map(|end| last.min(end));
            }
        }
    }
}

impl OutChannel {
    fn wrote(&mut self, progress: Progress, before: Instant) {
        let written = self.in_flight.iter_mut();
        let written = written.filter(|slot| slot.end.is_some_and(|end| end <= progress.written));
        let mut holds_back = false;
        for slot in written {
            if before > slot.since {
                slot.stood_still_until(progress.at);
            }
            slot.end = None;
            holds_back |= slot.barrier != Barrier::Nothing;
        }
        if !holds_back {
            return;
        }
        let parked = self.parked.iter_mut().filter_map(Parked::request_mut);
        for slot in parked.filter(|slot| before > slot.since) {
            slot.stood_still_until(progress.at);
        }
    }

    /// What stood before those that are parked has left by now.
    pub(super) fn parked_stood_still_until(&mut self, now: Instant) {
        for slot in self.parked.iter_mut().filter_map(Parked::request_mut) {
            slot.stood_still_until(now);
        }
    }

    /// The time of those that are parked has run until now.
    pub(super) fn parked_ran_until(&mut self, now: Instant) {
        for slot in self.parked.iter_mut().filter_map(Parked::request_mut) {
            slot.since = slot.since.max(now);
        }
    }

    /// Whether those that are parked are behind octets that are leaving.
    pub(super) fn is_leaving(&self, progress: Progress) -> bool {
        let last = self.in_flight.back();
        self.held || last.is_some_and(|slot| slot.is_leaving(progress))
    }
}

impl Slot {
    /// The time until now does not count.
    pub(super) fn stood_still_until(&mut self, now: Instant) {
        self.deadline += now.saturating_duration_since(self.since);
        self.since = self.since.max(now);
    }

    /// Whether it has its place in the small lane, and has not been written.
    pub(super) fn is_leaving(&self, progress: Progress) -> bool {
        self.end.is_some_and(|end| end > progress.written)
    }

    /// Its deadline, if it is behind octets that are leaving.
    pub(super) fn deadline_behind(&self, progress: Progress) -> Instant {
        self.deadline + progress.at.saturating_duration_since(self.since)
    }
}

impl Parked {
    fn request(&self) -> Option<&Slot> {
        match self {
            Self::Request(_, slot) => Some(slot),
            Self::Frames(_) | Self::Large { .. } => None,
        }
    }

    fn request_mut(&mut self) -> Option<&mut Slot> {
        match self {
            Self::Request(_, slot) => Some(slot),
            Self::Frames(_) | Self::Large { .. } => None,
        }
    }
}
