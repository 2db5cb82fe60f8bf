//! What holds publishers back although there is room: an alarm at the broker
//! (`connection.blocked`), or `channel.flow`.
//!
//! ```text
//! Open ──connection.blocked──▶ Blocked ──connection.unblocked──▶ Open
//! per channel:  Flowing ──flow active=0──▶ Stopped ──flow active=1, end of the channel──▶ Flowing
//! ```
//!
//! Only publishes wait here. What was queued before goes on, and so do settlements, requests and
//! closes: RabbitMQ does not read a blocked connection at all, but loses nothing of what it was
//! sent. While the gate is shut the mark that every publish is held against is zero, so that an
//! open gate costs nothing.

use std::mem;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::room::{InLine, Room};
use super::{OutState, Outbox};
use crate::error::ConnectionError;
use crate::proto::config::WhenBlocked;
use crate::proto::wait::{Sleeper, Waiters};

/// The connection's side of the gate; that of each channel is with the channel.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Why the broker takes no publishes, and since when.
    pub(super) blocked: Option<(Arc<str>, Instant)>,
    /// What publishers do about it.
    pub(super) policy: WhenBlocked,
    /// Who wants to know when it ends.
    waiters: Waiters,
}

impl Outbox {
    /// What publishers do while the connection is blocked.
    pub(crate) fn set_when_blocked(&mut self, policy: WhenBlocked) {
        self.gate.policy = policy;
    }

    /// Why the connection is blocked, if it is.
    pub(crate) fn blocked(&self) -> Option<Arc<str>> {
        let (reason, _) = self.gate.blocked.as_ref()?;
        Some(Arc::clone(reason))
    }

    /// `connection.blocked` has come. True unless it was blocked before; then only the reason is
    /// new.
    pub(crate) fn block(
        &mut self,
        reason: Arc<str>,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let before = self.gate.blocked.take();
        let since = before.as_ref().map_or(now, |&(_, since)| since);
        self.gate.blocked = Some((reason, since));
        self.set_gate();
        if self.gate.policy == WhenBlocked::Fail {
            // Those who wait for room are to hear of it; those of a stopped channel too.
            for line in &mut self.lines {
                line.waiting.call_all(wakers);
            }
        }
        before.is_none()
    }

    /// `connection.unblocked` has come: publishers go on as far as there is room, and the time of
    /// requests runs again. Each gets what was left of its time when the connection was blocked,
    /// but no more than `request_timeout`. False if it was not blocked.
    pub(crate) fn unblock(
        &mut self,
        now: Instant,
        request_timeout: Duration,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let Some((_, since)) = self.gate.blocked.take() else {
            return false;
        };
        let blocked_for = now.saturating_duration_since(since);
        let latest = super::after(now, request_timeout);
        self.deadline = None;
        let farewell = self.farewell.as_ref().map(|(_, slot)| slot.deadline);
        let mut soonest = farewell
            .into_iter()
            .chain(self.close_by)
            .chain(self.renewals())
            .min();
        for slot in self.channels.iter_mut().flat_map(super::OutChannel::slots) {
            if !slot.is_farewell() {
                let stood_still = match slot.end {
                    // It waits to be written, and the broker did not read.
                    Some(_) => now.saturating_duration_since(slot.since),
                    None => blocked_for,
                };
                let shifted = (slot.deadline + stood_still).min(latest);
                slot.deadline = slot.deadline.max(shifted);
                slot.since = slot.since.max(now);
            }
            soonest = Some(soonest.map_or(slot.deadline, |soonest| soonest.min(slot.deadline)));
        }
        self.deadline = soonest;
        self.gate.waiters.call_all(wakers);
        self.open_gate();
        true
    }

    /// `channel.flow` has come. False if it changes nothing.
    pub(crate) fn flow(&mut self, id: u16, active: bool) -> bool {
        let channel = self.channels.get_mut(usize::from(id));
        let Some(channel) = channel.filter(|channel| channel.state == OutState::Open) else {
            return false;
        };
        let changed = channel.stopped == active;
        channel.stopped = !active;
        if active {
            self.open_gate();
        } else {
            self.set_gate();
        }
        changed
    }

    /// Whether publishes on the channel have to wait, room or not.
    pub(super) fn is_gated(&self, id: u16) -> bool {
        self.gate.blocked.is_some()
            || self
                .channels
                .get(usize::from(id))
                .is_some_and(|channel| channel.stopped)
    }
    /// Those whom the gate does not hold back any more wait for room like everybody else; the
    /// adapter calls as many as there is room for.
    pub(super) fn open_gate(&mut self) {
        let mut gated = mem::take(&mut self.line(Room::Gate).waiting);
        while let Some(waiting) = gated.take_first() {
            let InLine { channel, size } = *waiting.about();
            let room = if self.is_gated(channel) {
                Room::Gate
            } else {
                self.room(channel, size)
            };
            self.line(room).waiting.put(waiting);
        }
        self.set_gate();
        // The adapter has just read what opens the gate, and looks what there is to write.
        self.idle = false;
    }

    /// Whether the gate is shut for any channel.
    pub(super) fn set_gate(&mut self) {
        self.shut =
            self.gate.blocked.is_some() || self.channels.iter().any(|channel| channel.stopped);
        self.set_marks();
    }

    /// The connection has ended.
    pub(super) fn close_gate(&mut self, wakers: &mut Vec<Waker>) {
        self.gate.blocked = None;
        self.gate.waiters.call_all(wakers);
    }

    /// Waits until the connection is not blocked, or has ended.
    pub(crate) fn poll_unblocked(
        &mut self,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        if let Some(cause) = &self.closed {
            return Poll::Ready(Err(cause.clone()));
        }
        if self.gate.blocked.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.gate.waiters.wait(ticket, sleeper);
        Poll::Pending
    }

    /// Whoever waited for the end of the alarm does so no longer.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget_unblocked(&mut self, ticket: u64) -> Option<Waker> {
        self.gate.waiters.forget(ticket)
    }

    #[cfg(test)]
    pub(crate) fn n_gate_watchers(&self) -> usize {
        self.gate.waiters.len()
    }
}
