//! The end of the connection: our `connection.close` behind everything that was accepted, and the
//! cause that every later caller is told.

use std::time::Instant;

use super::channels::Channels;
use super::overdue::Judge;
use super::queue::Queue;
use super::refused::Refused;
use crate::error::ConnectionError;
use crate::proto::send::request::Slot;
use crate::proto::shared::consumer::ConsumerQueue;

/// What the program has asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, PartialOrd)]
enum Wish {
    /// Nothing.
    #[default]
    GoOn,
    /// A shutdown; the core has not heard of it.
    ShutDown,
    /// A shutdown, which has begun: consumers have been cancelled.
    WindUp,
    /// The same; nothing is being worked on any more, and publishes are taken of those alone that
    /// wait already.
    Flush,
    /// `connection.close`: nothing more is accepted.
    Close,
}

/// How far the connection is from its end.
#[derive(Debug, Default)]
pub(super) struct CloseOfConnection {
    /// Why nothing can be sent any more.
    cause: Option<ConnectionError>,
    wish: Wish,
    /// Our `connection.close`, until everything accepted before it is in the small lane.
    farewell: Option<(Vec<u8>, Slot)>,
    farewell_len: usize,
    /// When it has to be written at the latest.
    close_by: Option<Instant>,
    /// Requests that it has passed, and that are never sent.
    passed: Vec<Slot>,
}

impl CloseOfConnection {
    /// Whether the connection takes anything more.
    #[inline]
    pub(super) fn accepts_anything(&self) -> bool {
        self.cause.is_none() && self.wish < Wish::Close
    }

    /// Whether it takes publishes of those that come now.
    #[inline]
    pub(super) fn accepts_newcomers(&self) -> bool {
        self.cause.is_none() && self.wish < Wish::Flush
    }

    /// The same as a result. If it takes nothing at all, that is told elsewhere.
    pub(super) fn check_newcomer(&self) -> Result<(), Refused> {
        match self.accepts_newcomers() || !self.accepts_anything() {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    /// Whether a consumer may be started: while the connection is shut down, those that receive the
    /// replies to calls.
    pub(super) fn takes_consumer(&self, queue: &ConsumerQueue) -> Result<(), Refused> {
        match self.wish == Wish::GoOn || queue.is_of_replies() {
            true => Ok(()),
            false => Err(self.refusal()),
        }
    }

    #[inline]
    pub(super) fn check_open(&self) -> Result<(), Refused> {
        if self.accepts_anything() {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    #[cold]
    fn refusal(&self) -> Refused {
        let cause = self.cause.clone();
        Refused::Connection(cause.unwrap_or_else(ConnectionError::closed_by_us))
    }

    /// Why nothing can be sent any more.
    pub(super) fn cause(&self) -> Option<&ConnectionError> {
        self.cause.as_ref()
    }

    /// Whether `connection.close` was asked for.
    pub(super) fn is_closing(&self) -> bool {
        self.wish == Wish::Close
    }

    /// Whether that was asked for, or a shutdown.
    pub(super) fn has_begun(&self) -> bool {
        self.wish != Wish::GoOn
    }

    /// The connection is to be shut down: whether that is new. `None` if it is being closed.
    pub(super) fn shut_down(&mut self) -> Option<bool> {
        if !self.accepts_anything() {
            return None;
        }
        let is_new = self.wish == Wish::GoOn;
        if is_new {
            self.wish = Wish::ShutDown;
        }
        Some(is_new)
    }

    /// The core has heard of the shutdown. True if it had not before.
    pub(super) fn wind_up(&mut self) -> bool {
        let begins = self.wish == Wish::ShutDown;
        if begins {
            self.wish = Wish::WindUp;
        }
        begins
    }

    /// Nothing is being worked on any more.
    pub(super) fn flush(&mut self) {
        if self.wish == Wish::WindUp {
            self.wish = Wish::Flush;
        }
    }

    /// Whether `connection.close` has its place in the small lane.
    pub(super) fn has_said_farewell(&self) -> bool {
        self.is_closing() && self.farewell.is_none()
    }

    /// Whether it waits for what was accepted before it.
    pub(super) fn waits(&self) -> bool {
        self.farewell.is_some()
    }

    /// `connection.close` is to be sent, and written `by` then.
    pub(super) fn begin(&mut self, frame: Vec<u8>, slot: Slot, by: Option<Instant>) {
        self.wish = Wish::Close;
        self.close_by = by;
        self.farewell_len = frame.len();
        self.farewell = Some((frame, slot));
    }

    /// Puts `connection.close` into the small lane, if nothing that was accepted before it has to
    /// be sent first. What stands behind a request whose time is up is not waited for.
    pub(super) fn say_farewell(&mut self, channels: &mut Channels, queue: &mut Queue) {
        if self.farewell.is_none() || !queue.large.is_empty() {
            return;
        }
        for channel in channels.iter_mut() {
            self.passed.extend(channel.sending.pass_requests(queue));
        }
        if !queue.large.is_empty()
            || channels
                .iter()
                .any(|channel| channel.sending.is_waited_for())
        {
            return;
        }
        if let (Some((frame, slot)), Some(channel)) = (self.farewell.take(), channels.get_mut(0)) {
            queue.small.seal(&frame);
            channel.sending.await_reply(slot, queue);
        }
    }

    /// `connection.close`, if it was asked for and is not queued.
    pub(super) fn farewell(&self) -> Option<&[u8]> {
        let farewell = self.farewell.as_ref();
        farewell.map(|(frame, _)| frame.as_slice())
    }

    /// Octets of `connection.close`.
    pub(super) fn farewell_len(&self) -> usize {
        self.farewell_len
    }

    /// The deadlines of the close, while it has not been written.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let farewell = self.farewell.as_ref();
        let waiting = farewell.map(|(_, slot)| slot.deadline);
        waiting.into_iter().chain(self.close_by)
    }

    /// Judges the close, which may wait as long as octets leave, but not for ever.
    pub(super) fn expire(&self, channels: &Channels, judge: &mut Judge<impl FnMut(u16, &Slot)>) {
        if let Some((_, slot)) = &self.farewell {
            judge.judge_farewell(slot, true, self.close_by);
        }
        for slot in channels.requests(0).filter(|slot| slot.is_farewell()) {
            let leaving = slot.is_leaving(judge.progress);
            judge.judge_farewell(slot, leaving, self.close_by);
        }
    }

    /// The connection has ended; returns the requests that will have no reply.
    pub(super) fn close(&mut self, cause: &ConnectionError) -> Vec<Slot> {
        self.cause.get_or_insert_with(|| cause.clone());
        let farewell = self.farewell.take().map(|(_, slot)| slot);
        let passed = std::mem::take(&mut self.passed);
        farewell.into_iter().chain(passed).collect()
    }
}
