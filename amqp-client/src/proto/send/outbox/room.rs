//! Room: what messages wait in, which publishers wait for it, and who goes first.
//!
//! ```text
//! in line ──room──▶ called ──polled──▶ its message is queued
//!    ▲                └──not in time──▶ its room is open to others, its place in line is kept
//!    └──────────────────────┘
//! ```
//!
//! Publishers that wait go first: while some are in line, others that come get in line behind them,
//! and for those that have been called their room is kept until they have come. How long that takes
//! is up to their executor; a future that is not polled any more must not hold the others up for
//! good, so that after a while its room is open to all again.
//!
//! The line costs those nothing who find none: what a publish is held against is one number,
//! `mark`, which is zero while there is a line.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::gate::Gate;
use super::refused::Refused;
use crate::error::ConnectionError;
use crate::proto::config::{WhenBlocked, WhenDown};
use crate::proto::wait::{Sleeper, Waiters};

/// How many waiting publishers one swap calls at most, however little each is going to queue: they
/// are called one after the other by the task that writes.
const CALLS_PER_SWAP: usize = 64;

/// Those who come get tickets from here on; those below are for messages that were queued before,
/// and go on.
const FIRST_TICKET: u64 = 1 << 63;

/// Where a message waits, and what publishers wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Room in the small lane.
    Small,
    /// Room in the large lane, or to be parked.
    Aside,
    /// That the broker takes messages.
    Gate,
}

/// A publisher that waits for room.
#[derive(Clone, Copy, Debug)]
struct WaitingPublisher {
    channel: u16,
    /// Octets of the body that it is going to publish.
    size: usize,
}

/// Octets that wait in each of the two places that messages wait in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Filled {
    pub(super) small: usize,
    pub(super) aside: usize,
}

/// The publishers that wait for one of these. Their tickets are of all three lines, so that one
/// that moves to another keeps its place.
#[derive(Debug, Default)]
struct Publishers {
    waiting: Waiters<(), WaitingPublisher>,
    /// Those who have been called and have not come.
    called: BTreeMap<u64, Called>,
    /// The room that is kept for them, in octets.
    kept: usize,
}

#[derive(Debug)]
struct Called {
    size: usize,
    /// Since the last look at who does not come.
    recent: bool,
}

impl Publishers {
    fn has_called(&self) -> bool {
        !self.called.is_empty()
    }

    /// Whether this ticket is in line, or has been called and has not come.
    fn knows(&self, ticket: u64) -> bool {
        self.waiting.contains((), ticket) || self.called.contains_key(&ticket)
    }

    /// Calls the first in line.
    fn call_first(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let Some((ticket, WaitingPublisher { size, .. })) = self.waiting.call_first(wakers) else {
            return false;
        };
        // Even the smallest message takes room.
        let size = size.max(1);
        self.kept = self.kept.saturating_add(size);
        let recent = true;
        self.called.insert(ticket, Called { size, recent });
        true
    }

    /// Whether this one may go before all who are in line; without a ticket it has just come.
    fn is_first(&self, ticket: Option<u64>) -> bool {
        match (ticket, self.waiting.first()) {
            (_, None) => true,
            (Some(ticket), Some((_, first, _))) => ticket <= first,
            (None, Some(_)) => false,
        }
    }

    /// Takes one out: its waker, and whether room was kept for it.
    fn remove(&mut self, ticket: u64) -> (Option<Waker>, bool) {
        match self.called.remove(&ticket) {
            Some(called) => {
                self.kept -= called.size;
                (None, true)
            }
            None => (self.waiting.remove((), ticket), false),
        }
    }

    /// Keeps no more room for those who did not come since the look before this.
    fn expire(&mut self) {
        let kept = &mut self.kept;
        self.called.retain(|_, called| {
            if !called.recent {
                *kept -= called.size;
            }
            std::mem::take(&mut called.recent)
        });
    }

    /// Nothing is waited for any more.
    fn call_all(&mut self, wakers: &mut Vec<Waker>) {
        self.waiting.call_all(wakers);
        self.called.clear();
        self.kept = 0;
    }
}

/// Whether publishers may go on, and those that may not.
#[derive(Debug)]
pub(crate) struct Room {
    /// No message enters while this many octets wait in its place.
    write_buffer_limit: usize,
    /// What the octets in the small lane are held against: `write_buffer_limit` less what is kept for those
    /// who have been called, or zero while the gate is shut for any channel or there is a line.
    mark: usize,
    /// The same for those aside.
    mark_aside: usize,
    small: Publishers,
    aside: Publishers,
    gated: Publishers,
    gate: Gate,
    /// Publishers have been called that may not have come.
    unclaimed: bool,
    last_ticket: u64,
}

impl Room {
    pub(super) fn new(write_buffer_limit: usize) -> Self {
        // With no room at all nothing could ever be published.
        let write_buffer_limit = write_buffer_limit.max(1);
        Self {
            write_buffer_limit,
            mark: write_buffer_limit,
            mark_aside: write_buffer_limit,
            small: Publishers::default(),
            aside: Publishers::default(),
            gated: Publishers::default(),
            gate: Gate::default(),
            unclaimed: false,
            last_ticket: FIRST_TICKET,
        }
    }

    /// Whether a message may enter the small lane at once.
    #[inline]
    pub(super) fn is_free(&self, small: usize) -> bool {
        small < self.mark
    }

    /// Whether a message may enter this place at once.
    #[inline]
    pub(super) fn is_free_at(&self, place: Place, filled: Filled) -> bool {
        match place {
            Place::Small => filled.small < self.mark,
            Place::Aside | Place::Gate => filled.aside < self.mark_aside,
        }
    }

    fn publishers(&mut self, place: Place) -> &mut Publishers {
        match place {
            Place::Small => &mut self.small,
            Place::Aside => &mut self.aside,
            Place::Gate => &mut self.gated,
        }
    }

    fn all(&self) -> [&Publishers; 3] {
        [&self.small, &self.aside, &self.gated]
    }

    fn all_mut(&mut self) -> [&mut Publishers; 3] {
        [&mut self.small, &mut self.aside, &mut self.gated]
    }

    /// How many publishers wait.
    pub(super) fn n_waiting(&self) -> usize {
        self.all().iter().map(|line| line.waiting.len()).sum()
    }

    /// The same, and those who have been called and have not come.
    pub(super) fn n_publishers(&self) -> usize {
        let called = self.all().into_iter().map(|line| line.called.len());
        self.n_waiting() + called.sum::<usize>()
    }

    /// Whether no publisher waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.all().iter().all(|line| line.waiting.is_empty())
    }

    /// Sets what the octets that wait are held against.
    fn set_marks(&mut self) {
        let shut = self.gate.is_shut();
        let mark = |line: &Publishers| {
            if shut || !line.waiting.is_empty() {
                return 0;
            }
            self.write_buffer_limit.saturating_sub(line.kept)
        };
        (self.mark, self.mark_aside) = (mark(&self.small), mark(&self.aside));
    }

    /// Whether a publish may enter this place, where there is not room enough for all that want it,
    /// or a line. If not, the task is called when there is room for its `size`, and `ticket` keeps
    /// its place in line.
    pub(super) fn get_in_line(
        &mut self,
        (channel, size): (u16, usize),
        place: Place,
        filled: Filled,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Result<bool, Refused> {
        self.check_policy()?;
        let (place, filled) = match place {
            _ if self.gate.holds(channel) => (Place::Gate, usize::MAX),
            Place::Small => (place, filled.small),
            Place::Aside | Place::Gate => (place, filled.aside),
        };
        let write_buffer_limit = self.write_buffer_limit;
        let line = self.publishers(place);
        let is_called = ticket.is_some_and(|ticket| line.called.contains_key(&ticket));
        let has_room = filled < write_buffer_limit.saturating_sub(line.kept);
        if is_called || (has_room && line.is_first(*ticket)) {
            return Ok(true);
        }
        let number = *ticket.get_or_insert_with(|| {
            self.last_ticket += 1;
            self.last_ticket
        });
        for other in [Place::Small, Place::Aside, Place::Gate] {
            if other != place {
                let (waker, _) = self.publishers(other).remove(number);
                sleeper.discard(waker);
            }
        }
        let publisher = WaitingPublisher { channel, size };
        let line = self.publishers(place);
        line.waiting.wait_at((), publisher, ticket, sleeper);
        self.set_marks();
        Ok(false)
    }

    /// A publisher's message has been queued: it is not in line any more.
    #[inline]
    pub(crate) fn enter(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) {
        if let Some(ticket) = ticket.take() {
            self.enter_from_line(ticket, sleeper);
        }
    }

    fn enter_from_line(&mut self, ticket: u64, sleeper: &mut Sleeper<'_>) {
        for line in self.all_mut() {
            let (waker, _) = line.remove(ticket);
            sleeper.discard(waker);
        }
        self.set_marks();
    }

    /// Gives up a place in line. The waker is to be dropped once the lock is released. True if
    /// others may have the room that was kept.
    pub(super) fn leave(&mut self, ticket: u64) -> (Option<Waker>, bool) {
        let (mut waker, mut had_room) = (None, false);
        for line in self.all_mut() {
            let (known, kept) = line.remove(ticket);
            waker = waker.or(known);
            had_room |= kept;
        }
        self.set_marks();
        (waker, had_room && !self.is_empty())
    }

    /// What those who wait are to look at has changed; they keep their tickets, and with them their
    /// places in line.
    pub(crate) fn call_all(&mut self, wakers: &mut Vec<Waker>) {
        for line in self.all_mut() {
            line.waiting.call_if(|_, _| true, wakers);
        }
        self.set_marks();
    }

    /// The channel has ended: those who wait to publish on it are to hear of that.
    pub(crate) fn call_those_of(&mut self, channel: u16, wakers: &mut Vec<Waker>) {
        for line in self.all_mut() {
            line.waiting
                .call_if(|_, waiter| waiter.channel == channel, wakers);
        }
        self.set_marks();
    }

    /// Calls as many of those in line as there is room for what they are going to queue. None while
    /// there is none: they would only get in line again, and again. True if there may be room for
    /// more.
    pub(super) fn call_first(&mut self, filled: Filled, wakers: &mut Vec<Waker>) -> bool {
        let mut more = false;
        for (line, filled) in [
            (&mut self.small, filled.small),
            (&mut self.aside, filled.aside),
        ] {
            let free = self.write_buffer_limit.saturating_sub(filled);
            let mut n_calls = 0;
            while n_calls < CALLS_PER_SWAP && line.kept < free && line.call_first(wakers) {
                n_calls += 1;
            }
            more |= n_calls == CALLS_PER_SWAP;
            self.unclaimed |= n_calls > 0;
        }
        if self.unclaimed {
            self.set_marks();
        }
        more
    }

    /// Whether publishers have been called that may not have come, here or at their limit of what
    /// is unconfirmed.
    pub(crate) fn has_unclaimed(&self) -> bool {
        self.unclaimed
    }

    /// Publishers at their limit of what is unconfirmed have been called.
    pub(crate) fn note_called(&mut self) {
        self.unclaimed = true;
    }

    /// Keeps no more room for those who were called before the last time and have not come.
    pub(crate) fn expire_called(&mut self) {
        self.all_mut().into_iter().for_each(Publishers::expire);
        self.unclaimed = self.all().iter().any(|line| line.has_called());
        self.set_marks();
    }

    /// The connection has ended: nothing is waited for any more.
    pub(super) fn end(&mut self, wakers: &mut Vec<Waker>) {
        for line in self.all_mut() {
            line.call_all(wakers);
        }
        self.gate.end(wakers);
    }

    // The gate

    /// The stream is lost, and another one is to take its place: every publish waits at the gate
    /// until it [comes up](Self::come_up). Those who wait already keep their places, and are called
    /// to see how long they wait from here on.
    pub(crate) fn go_down(
        &mut self,
        cause: &ConnectionError,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) {
        self.gate.end_alarm(wakers);
        self.gate.go_down(cause, now);
        for line in [&mut self.small, &mut self.aside] {
            while let Some(waiting) = line.waiting.take_first() {
                self.gated.waiting.put(waiting);
            }
        }
        self.gated.waiting.call_all_in_place(wakers);
        self.set_marks();
    }

    /// Another stream is in the place of the one that was lost: for how long there was none, if it
    /// was lost. The gate is to be [opened](Self::open_gate).
    pub(super) fn come_up(&mut self, now: Instant) -> Option<Duration> {
        self.gate.come_up(now)
    }

    /// What the stream was lost to that has no successor yet, and when.
    pub(crate) fn down(&self) -> Option<&(ConnectionError, Instant)> {
        self.gate.down()
    }

    /// The last stream that was lost, if it has a successor.
    pub(super) fn lost(&self) -> Option<&(ConnectionError, Instant)> {
        self.gate.lost()
    }

    /// A place in line for a publish that goes on as one that had this number on its channel: in
    /// front of all who have not been sent yet, and in the order of the numbers.
    pub(crate) fn place_of(&self, channel: u16, number: u64) -> Option<u64> {
        let ticket = number.checked_mul(1 << 16)? | u64::from(channel);
        // Another can have it only if it is of an earlier use of the channel.
        let is_taken = self.all().iter().any(|line| line.knows(ticket));
        (ticket < FIRST_TICKET && !is_taken).then_some(ticket)
    }

    /// What publishers do while the connection is blocked.
    pub(crate) fn set_when_blocked(&mut self, policy: WhenBlocked) {
        self.gate.set_policy(policy);
    }

    /// What publishers do while a connection that was lost comes back.
    pub(crate) fn set_when_down(&mut self, policy: WhenDown) {
        self.gate.when_down = policy;
    }

    pub(super) fn when_down(&self) -> WhenDown {
        self.gate.when_down
    }

    /// Why the connection is blocked, if it is.
    pub(crate) fn blocked(&self) -> Option<Arc<str>> {
        self.gate.blocked()
    }

    /// An error if the broker takes no messages and publishers do not want to wait.
    pub(crate) fn check_policy(&self) -> Result<(), Refused> {
        self.gate.check_policy()
    }

    /// `connection.blocked` has come. True unless it was blocked before; then only the reason is
    /// new.
    pub(crate) fn block(
        &mut self,
        reason: Arc<str>,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) -> bool {
        let is_new = self.gate.block(reason, now);
        self.set_marks();
        if self.check_policy().is_err() {
            // Those who wait for room are to hear of it; those of a stopped channel too.
            for line in self.all_mut() {
                line.waiting.call_all(wakers);
            }
        }
        is_new
    }

    /// `connection.unblocked` has come: for how long it was blocked, if it was.
    pub(super) fn unblock(&mut self, now: Instant, wakers: &mut Vec<Waker>) -> Option<Duration> {
        self.gate.unblock(now, wakers)
    }

    /// The broker takes no messages of this channel (`channel.flow`). False if that is not new.
    pub(super) fn stop(&mut self, channel: u16) -> bool {
        let is_new = self.gate.stop(channel);
        self.set_marks();
        is_new
    }

    /// The broker takes the messages of this channel again, or the channel is over. False if that
    /// is not new.
    pub(super) fn resume(&mut self, channel: u16) -> bool {
        let is_new = self.gate.resume(channel);
        if is_new {
            self.set_marks();
        }
        is_new
    }

    /// Those that the gate does not hold back any more wait for room like all others, in the place
    /// that `place` tells for a channel and a size; the adapter calls as many as there is room for.
    pub(super) fn open_gate(&mut self, place: impl Fn(u16, usize) -> Place) {
        let mut gated = std::mem::take(&mut self.gated.waiting);
        while let Some(waiting) = gated.take_first() {
            let WaitingPublisher { channel, size } = *waiting.about();
            let place = if self.gate.holds(channel) {
                Place::Gate
            } else {
                place(channel, size)
            };
            self.publishers(place).waiting.put(waiting);
        }
        self.set_marks();
    }

    /// Whether the connection is blocked.
    pub(super) fn is_blocked(&self) -> bool {
        self.gate.is_blocked()
    }

    /// Where those wait that want to know when the connection is not blocked any more.
    pub(super) fn wait_at_gate(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) {
        self.gate.wait(ticket, sleeper);
    }

    /// A task that waited for the end of the alarm does so no longer.
    #[must_use = "dropped once the lock is released"]
    pub(crate) fn forget_unblocked(&mut self, ticket: u64) -> Option<Waker> {
        self.gate.forget(ticket)
    }
}

/// What tests look at.
#[cfg(test)]
impl Room {
    /// How many tasks want to know when the connection is not blocked any more.
    pub(crate) fn n_gate_watchers(&self) -> usize {
        self.gate.n_waiting()
    }

    /// How many lines have publishers that were called and have not come.
    pub(super) fn n_lines_with_called(&self) -> usize {
        let lines = self.all().into_iter();
        lines.filter(|line| line.has_called()).count()
    }
}
