//! What stands still: the connection during an alarm at the broker, and a message that was fetched
//! and does not come to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::ConnectionError;
use crate::proto::core::Core;
use crate::proto::observe::{Event, Source};
use crate::proto::time::after;
use crate::proto::time::deadlines::DeadlineOf;

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
            self.clocks.alarm(self.now);
        }
    }

    /// `connection.unblocked` has come.
    pub(crate) fn unblocked(&mut self) {
        self.clocks.all_clear(self.now);
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
    pub(crate) fn blocked_for_too_long(&mut self, after: Duration) {
        let blocked = self.shared.outbox().blocked();
        if let Some(reason) = blocked {
            self.lost(ConnectionError::BlockedTimeout { reason, after });
        }
    }

    /// Tells those whose message has stalled. What comes of it later goes back to its queue.
    pub(crate) fn expire_fetching(&mut self, now: Instant) {
        if !self.clocks.take_expired(DeadlineOf::Fetching, now) {
            return;
        }
        if self.shared.outbox().blocked().is_some() {
            // Looked at again when the alarm ends.
            return;
        }
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
                self.clocks.look_for_fetched(slot.deadline);
            }
        }
    }

    /// An alarm has ended: what stalled meanwhile has all of its time again.
    fn resume_fetching(&mut self) {
        let latest = after(self.now, self.shared.request_timeout);
        let contents = self.channels.iter_mut().flatten();
        for slot in contents.filter_map(|channel| channel.content.fetching_mut()) {
            slot.deadline = slot.deadline.max(latest);
            self.clocks.look_for_fetched_at(latest);
        }
    }
}
