//! The outbox as callers and the adapter see it: the order of what is sent, and the publishers that
//! wait to enter it.

#![expect(
    clippy::module_inception,
    reason = "the folder has its parts, and this is the whole"
)]

use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use amqp_spec::frame::{self, FrameTooLarge};

use super::channel::OutChannel;
use super::channels::Channels;
use super::driver::Wake;
use super::earliest::Earliest;
use super::head::{Head, LARGE};
use super::order::Order;
use super::overdue::{HeldBack, Judge, Overdue};
use super::refused::Refused;
use super::restoring::{Behind, LostRequests};
use super::room::{Filled, Place, Room};
use crate::error::{ChannelError, ConnectionError};
use crate::message::Settlement;
use crate::proto::channel_use::ChannelUse;
use crate::proto::config::WhenDown;
use crate::proto::observe::Held;
use crate::proto::send::progress::Progress;
use crate::proto::send::request::Slot;
use crate::proto::send::rope::Rope;
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::consumer::{ConsumerQueue, Taken};
use crate::proto::time::after;
use crate::proto::wait::Sleeper;

/// Everything that waits to be sent, and what its order decides.
#[derive(Debug)]
pub(crate) struct Outbox {
    order: Order,
    room: Room,
}

/// What the adapter is to write next.
#[derive(Debug)]
pub(crate) enum Lane {
    /// Nothing; the adapter will be woken.
    Empty,
    /// The spare now holds what was queued.
    Small,
    /// Nothing is queued, yet there is more to do: large bodies, or publishers to be called. Ask
    /// again soon.
    Again,
}

impl Outbox {
    pub(crate) fn new(write_buffer_limit: usize, now: Instant) -> Self {
        Self {
            order: Order::new(now),
            room: Room::new(write_buffer_limit),
        }
    }

    /// A stream has been connected: the protocol header is queued for it.
    pub(crate) fn begin_stream(&mut self, now: Instant) {
        self.order.queue.begin_stream(now);
        self.order.channels.begin_stream();
        self.order.push_raw(&frame::PROTOCOL_HEADER);
    }

    /// What is to be sent.
    #[inline]
    pub(crate) fn order(&self) -> &Order {
        &self.order
    }

    /// The same, to add to it.
    #[inline]
    pub(crate) fn order_mut(&mut self) -> &mut Order {
        &mut self.order
    }

    /// The channels: what is known of each.
    #[inline]
    pub(crate) fn channels(&self) -> &Channels {
        &self.order.channels
    }

    /// The channels, to record what has come for them.
    #[inline]
    pub(crate) fn channels_mut(&mut self) -> &mut Channels {
        &mut self.order.channels
    }

    /// The publishers that wait, and the gate.
    #[inline]
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// The same, to change who waits.
    #[inline]
    pub(crate) fn room_mut(&mut self) -> &mut Room {
        &mut self.room
    }

    /// Queues a small message if nothing is in its way, and returns its number on the channel (0
    /// without `confirm.select`). Otherwise nothing has changed: it has to wait, or to be refused,
    /// or takes more than appending it; [`admit`](Self::admit) and [`publish`](Order::publish)
    /// tell.
    #[inline]
    pub(crate) fn publish_at_once(
        &mut self,
        at: ChannelUse,
        head: &impl Head,
        body: &[u8],
    ) -> Option<(u64, Wake)> {
        if !self.room.is_free(self.order.queue.small.len()) {
            return None;
        }
        self.order.publish_at_once(at, head, body)
    }

    /// Whether a publish may enter: there is room below the high-water mark and no one in line for
    /// it, or nothing to wait for since it would be refused. If not, the task is called when there
    /// is room for this `size`, and `ticket` keeps its place in line. Who has a ticket has to
    /// [`leave`](Self::leave) or [`enter`](Room::enter).
    #[inline]
    pub(crate) fn admit(
        &mut self,
        at: ChannelUse,
        size: usize,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Result<bool, Refused> {
        let place = place(
            &self.order.channels,
            self.order.queue.max_payload(),
            at.channel,
            size,
        );
        let filled = self.filled();
        if ticket.is_none() && self.room.is_free_at(place, filled) {
            return Ok(true);
        }
        if !self.order.is_open(at) {
            return Ok(true);
        }
        let wanted = (at.channel, size);
        self.room
            .get_in_line(wanted, place, filled, ticket, sleeper)
    }

    /// What the stream was lost to, and when, if what this channel had on it is not back.
    pub(crate) fn recovering(&self, at: ChannelUse) -> Option<&(ConnectionError, Instant)> {
        let is_restoring = self.order.channels.is_restoring(at.channel);
        let lost = self.room.lost().filter(|_| is_restoring);
        self.room.down().or(lost)
    }

    /// The same, and which channels that is true of.
    pub(crate) fn held_back(&self) -> Option<HeldBack> {
        let is_down = self.room.down().is_some();
        let (lost, since) = self.room.down().or_else(|| self.room.lost())?.clone();
        let restoring = self.order.channels.restoring();
        let channels = restoring.map(|at| at.channel).collect();
        Some(HeldBack {
            lost,
            since,
            channels: (!is_down).then_some(channels),
        })
    }

    /// An error if a publish is not to wait: what stood in its transaction is lost, or the stream,
    /// and it does not want to wait for another; `own` is what its publisher does about that, if not
    /// what the connection's do.
    pub(crate) fn check_wait(&self, at: ChannelUse, own: Option<WhenDown>) -> Result<(), Refused> {
        if self.order.channels.has_lost_transaction(at) {
            return Err(Refused::TransactionLost);
        }
        if own.unwrap_or_else(|| self.room.when_down()) == WhenDown::Wait {
            return Ok(());
        }
        let lost = self.recovering(at).cloned();
        lost.map_or(Ok(()), |lost| Err(Refused::Recovering(Box::new(lost))))
    }

    #[inline]
    fn filled(&self) -> Filled {
        Filled {
            small: self.order.queue.small.len(),
            aside: self.order.queue.aside(),
        }
    }

    /// Gives up a place in line. The waker is to be dropped, and the adapter to be woken, once the
    /// lock is released: those behind may have the room that was kept.
    pub(crate) fn leave(&mut self, ticket: u64) -> (Option<Waker>, Wake) {
        let (waker, others) = self.room.leave(ticket);
        let wake = if others {
            self.order.queue.driver.wake()
        } else if self.order.ending.has_begun() {
            // A shutdown may wait for this one.
            self.order.queue.driver.wake_always()
        } else {
            Wake::default()
        };
        (waker, wake)
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
        let Some(blocked_for) = self.room.unblock(now, wakers) else {
            return false;
        };
        let latest = after(now, request_timeout);
        self.order.queue.deadline = Earliest::default();
        let deadline = &mut self.order.queue.deadline;
        deadline.extend(self.order.ending.deadlines());
        for channel in self.order.channels.iter_mut() {
            deadline.extend(channel.due());
            deadline.extend(channel.sending.time_stood_still(now, blocked_for, latest));
        }
        self.open_gate();
        true
    }

    /// The stream is lost, and another one is to take its place: publishers wait at the gate, in
    /// their places.
    pub(crate) fn go_down(
        &mut self,
        cause: &ConnectionError,
        now: Instant,
        wakers: &mut Vec<Waker>,
    ) {
        self.order.is_down = true;
        self.order.queue.go_down();
        self.room.go_down(cause, now, wakers);
    }

    /// Another stream is in the place of the one that was lost, and ready: publishers go on as far
    /// as there is room, in their order. For how long they waited, if it was lost.
    pub(crate) fn come_up(&mut self, now: Instant) -> Option<Duration> {
        let down_for = self.room.come_up(now)?;
        self.open_gate();
        Some(down_for)
    }

    /// `channel.flow` has come. False if it changes nothing.
    pub(crate) fn flow(&mut self, id: u16, active: bool) -> bool {
        if !self.order.channels.get(id).is_some_and(OutChannel::is_open) {
            return false;
        }
        if !active {
            return self.room.stop(id);
        }
        let changed = self.room.resume(id);
        self.open_gate();
        changed
    }

    /// Those that the gate does not hold back any more wait for room.
    fn open_gate(&mut self) {
        let (channels, max_payload) = (&self.order.channels, self.order.queue.max_payload());
        self.room
            .open_gate(|id, size| place(channels, max_payload, id, size));
        // The adapter has just read what opens the gate, and looks what there is to write.
        self.order.queue.driver.looks_again();
    }

    /// Waits until the connection is not blocked, or has ended.
    pub(crate) fn poll_unblocked(
        &mut self,
        ticket: &mut Option<u64>,
        sleeper: &mut Sleeper<'_>,
    ) -> Poll<Result<(), ConnectionError>> {
        if let Some(cause) = self.order.ending.cause() {
            return Poll::Ready(Err(cause.clone()));
        }
        if !self.room.is_blocked() {
            return Poll::Ready(Ok(()));
        }
        self.room.wait_at_gate(ticket, sleeper);
        Poll::Pending
    }

    // The shutdown

    /// The connection is to be shut down: whether that is new. `None` if it is being closed.
    pub(crate) fn shut_down(&mut self) -> Option<(bool, Wake)> {
        let is_new = self.order.ending.shut_down()?;
        Some((is_new, self.order.queue.driver.wake_always()))
    }

    /// Whether the connection is being closed, or shut down.
    pub(crate) fn is_ending(&self) -> bool {
        self.order.ending.has_begun()
    }

    /// The core has heard of the shutdown. True if it had not before.
    pub(crate) fn wind_up(&mut self) -> bool {
        self.order.ending.wind_up()
    }

    /// Nothing is being worked on any more: publishes are taken of those alone that wait already.
    pub(crate) fn flush(&mut self) {
        self.order.ending.flush();
    }

    /// An error for a publish that has just come, if only those that wait already are taken.
    #[inline]
    pub(crate) fn check_newcomer(&self) -> Result<(), Refused> {
        self.order.ending.check_newcomer()
    }

    /// Gives back what this consumer has taken and not yielded. It may be yielding at this moment:
    /// what the program settles of that comes here later, and is stale; what it has settled it had
    /// yielded before.
    pub(crate) fn give_back(&mut self, at: ChannelUse, queue: &ConsumerQueue, taken: &Taken) {
        let requeue = taken.settled_by(Settlement::Nack { requeue: true });
        for number in taken.above(queue.yielded()) {
            if let Some(channel) = self.order.channels.accepting(at) {
                channel.settling.never_merge();
            }
            let settled = self.order.settle(at, number, requeue);
            if let (Ok(Some(wake)), Some(channel)) = (settled, self.order.channels.accepting(at)) {
                wake.not_amid_a_turn();
                channel.settling.give_back(number);
            }
        }
    }

    /// Whether consumers of this channel have not ended, those of replies to calls apart.
    pub(crate) fn has_consumers(&mut self, at: ChannelUse) -> bool {
        let consumers = self.order.channels.consumers(at);
        consumers.iter().any(|queue| !queue.is_of_replies())
    }

    /// These deliveries need no acknowledgement, on a channel with others that do.
    pub(crate) fn note_automatic(&mut self, at: ChannelUse, run: (u64, u64)) {
        if let Some(channel) = self.order.channels.accepting(at) {
            channel.settling.note_automatic(run);
        }
    }

    /// How many deliveries of this channel are the program's to settle, of those with numbers up to
    /// this one; `automatic`, that are not known here, need not be.
    pub(crate) fn n_unsettled(&self, id: u16, delivered: u64, automatic: u64) -> u64 {
        let channel = self.order.channels.get(id);
        channel.map_or(0, |channel| {
            channel.settling.n_unsettled(delivered, automatic)
        })
    }

    /// How many publishers wait, or have been called and have not come.
    pub(crate) fn n_publishers(&self) -> usize {
        self.room.n_publishers()
    }

    /// `channel.close-ok` has come: the id is free. Returns the requests that will have no reply.
    pub(crate) fn channel_closed(&mut self, id: u16) -> Vec<Slot> {
        let slots = self.clear_channel(id);
        self.order.channels.free(id);
        slots
    }

    /// Drops what was to be sent on the channel, but for the rest of a large body, and hands back
    /// the requests.
    fn clear_channel(&mut self, id: u16) -> Vec<Slot> {
        self.room.resume(id);
        let channel = self.order.channels.get_mut(id);
        channel.map_or_else(Vec::new, |channel| channel.clear(&mut self.order.queue))
    }

    /// The broker has closed the channel: queues `channel.close-ok`, behind the rest of a large
    /// body if one is under way. After that the id is free. Returns the requests that will have no
    /// reply, and the number of the last publish that is sent.
    pub(crate) fn channel_closed_by_broker(&mut self, id: u16) -> (Vec<Slot>, u64, Wake) {
        self.room.resume(id);
        let (mut slots, mut sent, mut is_free) = (Vec::new(), 0, false);
        if let Some(channel) = self.order.channels.get_mut(id) {
            sent = channel.drop_publishes(&mut self.order.queue);
        }
        self.order.channels.move_up(&mut self.order.queue);
        if let Some(channel) = self.order.channels.get_mut(id) {
            let closed;
            (slots, is_free, closed) = channel.closed_by_broker(&mut self.order.queue);
            self.order.channels.closed = Some((id, closed));
        }
        if is_free {
            self.order.channels.free(id);
        }
        (slots, sent, self.order.queue.driver.wake())
    }

    /// The broker has closed the channel. If it is to be opened anew, queues `channel.close-ok` and
    /// keeps what has not been written; returns the requests that will have no reply, and the
    /// number of the last publish that is sent.
    pub(crate) fn channel_rests(&mut self, id: u16) -> Option<(Vec<Slot>, u64, Wake)> {
        let can_be_renewed = self.order.ending.cause().is_none();
        let channel = self.order.channels.get_mut(id)?;
        if !can_be_renewed || !channel.can_be_renewed() {
            return None;
        }
        let (slots, sent) = channel.finish_for_renewal(&mut self.order.queue);
        self.order.channels.move_up(&mut self.order.queue);
        if self.room.resume(id) {
            self.open_gate();
        }
        if let Some(channel) = self.order.channels.get_mut(id) {
            channel.come_to_rest(&mut self.order.queue);
        }
        Some((slots, sent, self.order.queue.driver.wake_always()))
    }

    /// Exchanges the queued octets for the empty `spare`.
    ///
    /// With nothing to send the adapter is woken at the next entry. `wakers` receives the
    /// publishers that may go on; call them once the lock is released.
    pub(crate) fn swap(&mut self, spare: &mut Rope, now: Instant, wakers: &mut Vec<Waker>) -> Lane {
        self.order.queue.now = now;
        if self.rests() {
            return Lane::Empty;
        }
        self.order
            .ending
            .say_farewell(&mut self.order.channels, &mut self.order.queue);
        self.order.queue.large.heads_are_taken();
        let taken = self.order.queue.small.take(spare);
        if taken.others {
            self.order.queue.large.is_not_alone();
        }
        let more = self.room.call_first(self.filled(), wakers);
        let lane = if taken.anything {
            Lane::Small
        } else if more || !self.order.queue.large.is_empty() {
            Lane::Again
        } else {
            Lane::Empty
        };
        self.order
            .queue
            .driver
            .has_looked(matches!(lane, Lane::Empty));
        lane
    }

    /// Whether nothing has changed since the last look, which found nothing: a caller that
    /// queues something wakes the adapter, and it looks several times in each of its turns.
    #[inline]
    fn rests(&self) -> bool {
        self.order.queue.driver.is_idle()
            && self.order.queue.small.is_empty()
            && self.room.is_empty()
    }

    /// Visits every request whose time is up and has a caller that waits, and sets the next
    /// deadline. While the connection is blocked, only the time of its close runs.
    pub(crate) fn expire(
        &mut self,
        now: Instant,
        progress: Progress,
        expired: impl FnMut(u16, &Slot),
    ) -> Overdue {
        self.order.queue.now = now;
        let mut overdue = Overdue {
            done: std::mem::take(&mut self.order.done),
            ..Overdue::default()
        };
        if !self.order.queue.deadline.has_come(now) {
            return overdue;
        }
        self.order.queue.deadline = Earliest::default();
        let mut judge = Judge::new(now, progress, expired);
        self.order.ending.expire(&self.order.channels, &mut judge);
        for id in self.order.channels.ids() {
            let channel = self.order.channels.get_mut(id);
            let closed = channel.and_then(|channel| channel.close_at_rest(&mut self.order.queue));
            if let Some(closed) = closed {
                self.room.resume(id);
                self.order.channels.free(id);
                overdue.given_up.push(closed);
            }
        }
        if !self.room.is_blocked() {
            for id in self.order.channels.ids() {
                self.expire_channel(id, &mut judge, &mut overdue);
            }
        }
        self.order.queue.deadline.extend(judge.next.get());
        // What waited for one of them may go now.
        self.order.queue.driver.looks_again();
        overdue
    }

    fn expire_channel(
        &mut self,
        id: u16,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
        overdue: &mut Overdue,
    ) {
        let queue = &mut self.order.queue;
        let Some(channel) = self.order.channels.get_mut(id) else {
            return;
        };
        channel.expire_opening(judge);
        channel.sending.requests.expire(id, judge);
        // First, so that a close whose time is up as well is no failure.
        let stuck = channel.close_stuck(queue);
        overdue.dropped.extend(channel.expire_parked(judge, queue));
        let is_free = channel.forget_crossed();
        let not_renewed = channel.renew_in_time(judge.now, queue);
        for given_up in stuck.into_iter().chain(not_renewed) {
            self.room.resume(id);
            overdue.given_up.push(given_up);
        }
        if is_free {
            self.order.channels.free(id);
        }
    }

    /// The stream is gone: what was to leave through it is dropped. If another follows, what can be
    /// asked once more waits for that, and so do the publishers; otherwise all who wait are called.
    /// `unsent` has been shown what the adapter has not written, and is shown what is dropped here.
    /// Those who wait are told by what follows: [`close`](Self::close), or
    /// [`go_down`](Self::go_down).
    pub(crate) fn disconnect(&mut self, unsent: &mut Unwritten, behind: Behind) -> LostRequests {
        self.order.count_unsent(unsent);
        let mut lost = LostRequests::default();
        for id in self.order.channels.ids() {
            self.room.resume(id);
            self.order
                .channels
                .disconnect(id, behind, &mut self.order.queue, &mut lost);
        }
        self.order.queue.close();
        self.order.is_down = behind == Behind::AnotherStream;
        for channel in self.order.channels.iter() {
            self.order
                .queue
                .deadline
                .extend(channel.waiting_deadlines());
        }
        lost.done.append(&mut self.order.done);
        lost
    }

    /// The broker has closed a channel over a request that restores it: as
    /// [`lose_again`](super::restorer::Restorer::lose_again).
    pub(crate) fn channel_lost_again(&mut self, id: u16) -> LostRequests {
        self.room.resume(id);
        let lost = self.order.restorer().lose_again(id);
        self.order.queue.driver.looks_again();
        lost
    }

    /// What was on the stream before is on this one, but for what these channels still wait for:
    /// publishers go on, elsewhere.
    pub(crate) fn open_gates(&mut self, now: Instant) {
        self.order.is_down = false;
        let restoring: Vec<_> = self.order.channels.restoring().collect();
        for at in restoring {
            self.room.stop(at.channel);
        }
        self.come_up(now);
    }

    /// All of this channel is there: what waited in its line goes on; `translate` gives the payloads
    /// of requests that have to be said otherwise by now.
    pub(crate) fn channel_restored(
        &mut self,
        at: ChannelUse,
        translate: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Vec<(FrameTooLarge, Slot)> {
        let mut restorer = self.order.restorer();
        let too_large = restorer.take_too_large(at);
        if restorer.let_go(at, translate) {
            self.room.resume(at.channel);
            self.open_gate();
        }
        too_large
    }

    /// A channel cannot be brought back: it ends for this, in time.
    pub(crate) fn end_lost(&mut self, id: u16, cause: ChannelError) {
        if let Some(channel) = self.order.channels.get_mut(id) {
            channel.end_lost(cause, &mut self.order.queue);
        }
    }

    /// The connection is over: nothing can be sent from here on, but for what the close exchange
    /// needs. Returns the requests that will have no reply, and calls all who wait.
    pub(crate) fn close(&mut self, cause: &ConnectionError, wakers: &mut Vec<Waker>) -> Vec<Slot> {
        self.room.end(wakers);
        self.order.ending.close(cause)
    }

    /// What has been counted, and what is held now.
    pub(crate) fn held_now(&self) -> Held {
        let mut held = Held {
            totals: self.order.queue.totals(),
            octets: self.order.queued(),
            waiting: self.room.n_waiting(),
            requests: usize::from(self.order.ending.waits()),
            ..Held::default()
        };
        let goes_on = self.order.ending.cause().is_none();
        for (id, channel) in self.order.channels.iter().enumerate() {
            held.requests += channel.sending.n_requests();
            held.channels += usize::from(goes_on && id > 0 && channel.counts_as_open());
            if goes_on && channel.answers() {
                held.numbered += channel.publishing.published();
            }
        }
        held
    }

    /// Everything that is queued or waits, in words.
    #[cfg(test)]
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let mut leftovers = Vec::new();
        let mut note = |what: &str, n: usize| {
            if n > 0 {
                leftovers.push(format!("{what}: {n}"));
            }
        };
        let queue = &self.order.queue;
        note("octets in the small lane", queue.small.len());
        note("octets aside", queue.aside());
        let answers = queue.small.owed() + queue.parking.answers();
        note("octets of answers", answers);
        note("large bodies", queue.large.len());
        note("publishers that wait", self.room.n_waiting());
        let called = self.room.n_lines_with_called();
        note("lines with publishers that were called", called);
        note("connection.close", usize::from(self.order.ending.waits()));
        for (id, channel) in self.order.channels.iter().enumerate() {
            let requests = channel
                .sending
                .requests
                .iter()
                .filter(|slot| slot.has_reply());
            note(&format!("requests on channel {id}"), requests.count());
            note(
                &format!("parked on channel {id}"),
                channel.sending.line.len(),
            );
        }
        leftovers
    }
}

/// Where a message of this size would wait on this channel.
#[inline]
fn place(channels: &Channels, max_payload: usize, id: u16, size: usize) -> Place {
    let channel = channels.get(id);
    let direct = channel.is_none_or(|channel| channel.sending.is_direct());
    if direct && (size < LARGE || size <= max_payload) {
        Place::Small
    } else {
        Place::Aside
    }
}
