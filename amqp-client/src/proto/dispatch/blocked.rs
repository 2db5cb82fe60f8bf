//! What stands still: the connection during an alarm at the broker, and a message that was fetched
//! and does not come to its end.

use std::sync::Arc;
use std::time::Instant;

use crate::error::ConnectionError;
use crate::proto::core::Core;
use crate::proto::observe::{Event, Source};
use crate::proto::send::request::after;

impl Core {
    /// `connection.blocked` has come.
    pub(crate) fn blocked(&mut self, reason: &Arc<str>) {
        let known = Arc::clone(reason);
        let first = self
            .shared
            .outbox()
            .block(known, self.now, &mut self.wakers);
        if self.shared.outbox().check_policy().is_err() {
            for channel in self.channels.iter().flatten() {
                channel.shared.confirms().refuse_room(&mut self.wakers);
            }
        }
        self.shared.trace.blocked(reason);
        let reason = Arc::clone(reason);
        self.emit(Source::Connection, &Event::Blocked { reason });
        if first {
            self.blocked_until = self.blocked_timeout.map(|limit| after(self.now, limit));
        }
    }

    /// `connection.unblocked` has come.
    pub(crate) fn unblocked(&mut self) {
        self.blocked_until = None;
        self.forgive_stall();
        let timeout = self.shared.request_timeout;
        let ended = self
            .shared
            .outbox()
            .unblock(self.now, timeout, &mut self.wakers);
        if ended {
            self.shared.trace.unblocked();
            self.resume_fetching();
            self.emit(Source::Connection, &Event::Unblocked);
        }
    }

    /// The broker does not read, so that there is nothing to be said.
    pub(crate) fn blocked_for_too_long(&mut self) {
        self.blocked_until = None;
        let blocked = self.shared.outbox().blocked();
        if let (Some(reason), Some(after)) = (blocked, self.blocked_timeout) {
            self.lost(ConnectionError::BlockedTimeout { reason, after });
        }
    }

    /// `basic.get-ok` has come; who asked does not wait for the message for ever.
    pub(crate) fn fetching_until(&mut self, deadline: Instant) {
        let soonest = self.fetching_until.map_or(deadline, |at| at.min(deadline));
        self.fetching_until = Some(soonest);
    }

    /// Tells those whose message has stalled. What comes of it later goes back to its queue.
    pub(crate) fn expire_fetching(&mut self, now: Instant) {
        if self.fetching_until.is_none_or(|until| now < until) {
            return;
        }
        self.fetching_until = None;
        if self.shared.outbox().blocked().is_some() {
            // Looked at again when the alarm ends.
            return;
        }
        let mut next: Option<Instant> = None;
        for channel in self.channels.iter().flatten() {
            let Some(slot) = channel.content.fetching() else {
                continue;
            };
            if slot.answer.is_settled() {
                continue;
            }
            if slot.deadline <= now {
                let error = self.shared.reading.no_reply(slot.name);
                slot.answer.time_out(error, &mut self.wakers);
            } else {
                next = Some(next.map_or(slot.deadline, |next| next.min(slot.deadline)));
            }
        }
        self.fetching_until = next;
    }

    /// An alarm has ended: what stalled meanwhile has all of its time again.
    fn resume_fetching(&mut self) {
        let latest = after(self.now, self.shared.request_timeout);
        let contents = self.channels.iter_mut().flatten();
        for slot in contents.filter_map(|channel| channel.content.fetching_mut()) {
            slot.deadline = slot.deadline.max(latest);
            self.fetching_until = Some(latest);
        }
    }
}
