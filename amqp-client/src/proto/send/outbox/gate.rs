//! What holds publishers back although there is room: an alarm at the broker
//! (`connection.blocked`), `channel.flow`, or a stream that is lost and has no successor yet.
//!
//! ```text
//! Open ──connection.blocked──▶ Blocked ──connection.unblocked, end of the stream──▶ Open
//! Up ──the stream is lost──▶ Down ──another is in its place, end of the connection──▶ Up
//! per channel:  Flowing ──flow active=0──▶ Stopped ──flow active=1, end of the channel──▶ Flowing
//! ```
//!
//! Only publishes wait here. What was queued before goes on, and so do settlements, requests and
//! closes: RabbitMQ does not read a blocked connection at all, but loses nothing of what it was
//! sent. While the gate is shut the mark that every publish is held against is zero, so that an
//! open gate costs nothing.
//!
//! An alarm ends with its stream; if it is still on when the next one is opened the broker says so
//! again.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::refused::Refused;
use crate::error::ConnectionError;
use crate::proto::config::{WhenBlocked, WhenDown};
use crate::proto::wait::{Sleeper, Waiters};

/// Whether the broker takes messages.
#[derive(Debug, Default)]
pub(super) struct Gate {
    /// Why the broker takes none on the whole connection, and since when.
    blocked: Option<(Arc<str>, Instant)>,
    /// What the stream was lost to that has no successor yet, and when.
    down: Option<(ConnectionError, Instant)>,
    /// The same of the last that has a successor: a channel may still wait for what it had on it.
    lost: Option<(ConnectionError, Instant)>,
    /// What publishers do about an alarm.
    policy: WhenBlocked,
    /// What they do about a loss.
    pub(super) when_down: WhenDown,
    /// Channels whose content it does not want (`channel.flow`).
    stopped: BTreeSet<u16>,
    /// Those that want to know when the connection is not blocked any more.
    waiters: Waiters,
}

impl Gate {
    pub(super) fn set_policy(&mut self, policy: WhenBlocked) {
        self.policy = policy;
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.is_some()
    }

    pub(super) fn blocked(&self) -> Option<Arc<str>> {
        let (reason, _) = self.blocked.as_ref()?;
        Some(Arc::clone(reason))
    }

    pub(super) fn check_policy(&self) -> Result<(), Refused> {
        if self.policy != WhenBlocked::Fail {
            return Ok(());
        }
        self.blocked()
            .map_or(Ok(()), |reason| Err(Refused::Blocked(reason)))
    }

    pub(super) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    pub(super) fn down(&self) -> Option<&(ConnectionError, Instant)> {
        self.down.as_ref()
    }

    /// The last stream that was lost, if it has a successor.
    pub(super) fn lost(&self) -> Option<&(ConnectionError, Instant)> {
        self.lost.as_ref()
    }

    /// Whether it is shut for any channel.
    pub(super) fn is_shut(&self) -> bool {
        self.is_shut_for_all() || !self.stopped.is_empty()
    }

    fn is_shut_for_all(&self) -> bool {
        self.is_blocked() || self.is_down()
    }

    /// Whether publishes on the channel have to wait, room or not.
    pub(super) fn holds(&self, channel: u16) -> bool {
        self.is_shut_for_all() || self.stopped.contains(&channel)
    }

    /// True unless it was blocked before.
    pub(super) fn block(&mut self, reason: Arc<str>, now: Instant) -> bool {
        let before = self.blocked.take();
        let since = before.as_ref().map_or(now, |&(_, since)| since);
        self.blocked = Some((reason, since));
        before.is_none()
    }

    /// For how long it was blocked, if it was.
    pub(super) fn unblock(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> Option<Duration> {
        let (_, since) = self.blocked.take()?;
        self.waiters.call_all(wakers);
        Some(now.saturating_duration_since(since))
    }

    pub(super) fn stop(&mut self, channel: u16) -> bool {
        self.stopped.insert(channel)
    }

    pub(super) fn resume(&mut self, channel: u16) -> bool {
        self.stopped.remove(&channel)
    }

    /// The stream is lost, and another one is to take its place. One that was lost on the way there
    /// changes nothing but the cause.
    pub(super) fn go_down(&mut self, cause: &ConnectionError, now: Instant) {
        let since = self.down.as_ref().map_or(now, |&(_, since)| since);
        self.down = Some((cause.clone(), since));
    }

    /// For how long it was down, if it was.
    pub(super) fn come_up(&mut self, now: Instant) -> Option<Duration> {
        let lost = self.down.take()?;
        let since = lost.1;
        self.lost = Some(lost);
        Some(now.saturating_duration_since(since))
    }

    /// The stream is gone, and the broker's alarm with it.
    pub(super) fn end_alarm(&mut self, wakers: &mut Vec<Waker>) {
        self.blocked = None;
        self.waiters.call_all(wakers);
    }

    /// The connection is over: nothing is waited for any more.
    pub(super) fn end(&mut self, wakers: &mut Vec<Waker>) {
        (self.down, self.lost) = (None, None);
        self.end_alarm(wakers);
    }

    pub(super) fn wait(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) {
        self.waiters.wait(ticket, sleeper);
    }

    pub(super) fn forget(&mut self, ticket: u64) -> Option<Waker> {
        self.waiters.forget(ticket)
    }

    #[cfg(test)]
    pub(super) fn n_waiting(&self) -> usize {
        self.waiters.len()
    }
}
