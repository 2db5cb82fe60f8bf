//! Room: what messages wait in, which publishers wait for it, and who goes first.
//!
//! ```text
//! in line ──room──▶ called ──polled──▶ its message is queued
//!    ▲                └──not in time──▶ its room is open to others, its place in line is kept
//!    └──────────────────────┘
//! ```
//!
//! Publishers that wait go first: while some are in line, others that come get in line behind them,
//! and for those that have been called their room is kept until they have come. How long that takes is
//! up to their executor; a future that is not polled any more must not hold the others up for good, so
//! that after a while its room is open to all again.
//!
//! The line costs those nothing who find none: what a publish is held against is one number, `mark`,
//! which is zero while there is a line.

use std::collections::BTreeMap;
use std::task::Waker;

use crate::proto::channel_use::ChannelUse;

use super::{LARGE, OutChannel, Outbox, Refused, Wake};
use crate::proto::config::WhenBlocked;
use crate::proto::wait::{Sleeper, Waiters};

/// How many waiting publishers one swap calls at most, however little each is going to queue: they
/// are called one after the other by the task that writes.
const CALLS_PER_SWAP: usize = 64;

/// What a message waits in, and publishers wait for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Room {
    /// The small lane.
    Small,
    /// The large lane and what is parked.
    Aside,
    /// None: the broker takes no messages.
    Gate,
}

impl Room {
    pub(super) const ALL: [Self; 3] = [Self::Small, Self::Aside, Self::Gate];
}

/// A publisher that waits for room.
#[derive(Clone, Copy, Debug)]
pub(super) struct InLine {
    pub(super) channel: u16,
    /// Octets of the body that it is going to publish.
    pub(super) size: usize,
}

/// Those who wait for one room. Their tickets are those of the outbox, so that who moves to another
/// line keeps its place.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) waiting: Waiters<(), InLine>,
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

impl Line {
    pub(super) fn has_called(&self) -> bool {
        !self.called.is_empty()
    }

    /// Calls the first in line.
    fn call_first(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let Some((ticket, InLine { size, .. })) = self.waiting.call_first(wakers) else {
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
    pub(super) fn call_all(&mut self, wakers: &mut Vec<Waker>) {
        self.waiting.call_all(wakers);
        self.called.clear();
        self.kept = 0;
    }
}

impl Outbox {
    /// What those who wait are to look at has changed; they keep their tickets, and with them their
    /// places in line.
    pub(crate) fn call_all_in_line(&mut self, wakers: &mut Vec<Waker>) {
        for line in &mut self.lines {
            line.waiting.call_if(|_, _| true, wakers);
        }
        self.set_marks();
    }

    /// Octets that wait in each room.
    fn held(&self, room: Room) -> usize {
        match room {
            Room::Small => self.small.len(),
            Room::Aside => self.aside,
            Room::Gate => usize::MAX,
        }
    }

    /// Where a message of this size would wait.
    pub(super) fn room(&self, id: u16, size: usize) -> Room {
        let channel = self.channels.get(usize::from(id));
        let direct = channel.is_none_or(OutChannel::is_direct);
        if direct && (size < LARGE || size <= self.max_payload()) {
            Room::Small
        } else {
            Room::Aside
        }
    }

    pub(super) fn line(&mut self, room: Room) -> &mut Line {
        let [small, aside, gated] = &mut self.lines;
        match room {
            Room::Small => small,
            Room::Aside => aside,
            Room::Gate => gated,
        }
    }

    /// Sets what the octets that wait are held against.
    pub(super) fn set_marks(&mut self) {
        let mark = |line: &Line| {
            if self.shut || !line.waiting.is_empty() {
                return 0;
            }
            self.high_water.saturating_sub(line.kept)
        };
        let [small, aside, _] = &self.lines;
        (self.mark, self.mark_aside) = (mark(small), mark(aside));
    }

    /// Whether a publish may enter: there is room below the high-water mark and no one in line for
    /// it, or nothing to wait for since it would be refused. If not, the task is called when there is
    /// room for this `size`, and `ticket` keeps its place in line. Who has a ticket has to
    /// [`leave`](Self::leave) or [`enter`](Self::enter).
    #[inline]
    pub(crate) fn admit(
        &mut self,
        at: ChannelUse,
        size: usize,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Result<bool, Refused> {
        let room = self.room(at.channel, size);
        let mark = match room {
            Room::Small => self.mark,
            Room::Aside | Room::Gate => self.mark_aside,
        };
        if ticket.is_none() && self.held(room) < mark {
            return Ok(true);
        }
        self.get_in_line(at, size, ticket, sleeper)
    }

    /// The same where there is no room, or not enough for all that want it, or a line.
    fn get_in_line(
        &mut self,
        at: ChannelUse,
        size: usize,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Result<bool, Refused> {
        if self.channel(at).is_err() {
            return Ok(true);
        }
        self.check_policy()?;
        let room = if self.is_gated(at.channel) {
            Room::Gate
        } else {
            self.room(at.channel, size)
        };
        let (held, high_water) = (self.held(room), self.high_water);
        let line = self.line(room);
        let is_called = ticket.is_some_and(|ticket| line.called.contains_key(&ticket));
        let has_room = held < high_water.saturating_sub(line.kept);
        if is_called || (has_room && line.is_first(*ticket)) {
            return Ok(true);
        }
        let place = *ticket.get_or_insert_with(|| {
            self.last_ticket += 1;
            self.last_ticket
        });
        for other in Room::ALL {
            if other != room {
                let (waker, _) = self.line(other).remove(place);
                sleeper.discard(waker);
            }
        }
        let channel = at.channel;
        let in_line = InLine { channel, size };
        let line = self.line(room);
        line.waiting.wait_at((), in_line, ticket, sleeper);
        self.set_marks();
        Ok(false)
    }

    /// An error if the broker takes no messages and publishers do not want to wait.
    pub(crate) fn check_policy(&self) -> Result<(), Refused> {
        if self.gate.policy != WhenBlocked::Fail {
            return Ok(());
        }
        self.blocked()
            .map_or(Ok(()), |reason| Err(Refused::Blocked(reason)))
    }

    /// A publisher's message has been queued: it is not in line any more.
    #[inline]
    pub(crate) fn enter(&mut self, ticket: &mut Option<u64>, sleeper: &mut Sleeper<'_>) {
        if let Some(ticket) = ticket.take() {
            self.enter_from_line(ticket, sleeper);
        }
    }

    fn enter_from_line(&mut self, ticket: u64, sleeper: &mut Sleeper<'_>) {
        for room in Room::ALL {
            let (waker, _) = self.line(room).remove(ticket);
            sleeper.discard(waker);
        }
        self.set_marks();
    }

    /// Gives up a place in line. The waker is to be dropped, and the adapter to be woken, once the
    /// lock is released: those behind may have the room that was kept.
    pub(crate) fn leave(&mut self, ticket: u64) -> (Option<Waker>, Wake) {
        let (mut waker, mut had_room) = (None, false);
        for room in Room::ALL {
            let (known, kept) = self.line(room).remove(ticket);
            waker = waker.or(known);
            had_room |= kept;
        }
        self.set_marks();
        let others = self.lines.iter().any(|line| !line.waiting.is_empty());
        let wake = if had_room && others {
            self.wake()
        } else {
            Wake::default()
        };
        (waker, wake)
    }

    /// The channel has ended: those who wait to publish on it are to hear of that.
    pub(crate) fn take_waiters(&mut self, id: u16, wakers: &mut Vec<Waker>) {
        for line in &mut self.lines {
            line.waiting
                .call_if(|_, waiter| waiter.channel == id, wakers);
        }
        self.set_marks();
    }

    /// Calls as many of those in line as there is room for what they are going to queue. None while
    /// there is none: they would only get in line again, and again. True if there may be room for
    /// more.
    pub(super) fn call_waiters(&mut self, wakers: &mut Vec<Waker>) -> bool {
        let mut more = false;
        for room in [Room::Small, Room::Aside] {
            let free = self.high_water.saturating_sub(self.held(room));
            let line = self.line(room);
            if line.waiting.is_empty() {
                continue;
            }
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

    /// Whether publishers have been called that may not have come, here or at their limit of what is
    /// unconfirmed.
    pub(crate) fn has_unclaimed(&self) -> bool {
        self.unclaimed
    }

    /// Publishers at their limit of what is unconfirmed have been called.
    pub(crate) fn note_called(&mut self) {
        self.unclaimed = true;
    }

    /// Keeps no more room for those who were called before the last time and have not come.
    pub(crate) fn expire_called(&mut self) {
        self.lines.iter_mut().for_each(Line::expire);
        self.unclaimed = self.lines.iter().any(Line::has_called);
        self.set_marks();
    }
}
