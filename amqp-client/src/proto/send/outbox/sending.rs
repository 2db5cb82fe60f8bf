//! What one channel sends: the requests that are on the wire, and what must wait behind them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::frame::FrameTooLarge;
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel, connection};
use bytes::Bytes;

use super::consumers::Consumers;
use super::head::Head;
use super::line::{Line, Parked, last_publish};
use super::overdue::Judge;
use super::queue::Queue;
use super::repeatable::{is_asked_again, method_frame};
use super::requests::Requests;
use super::restoring::LostRequests;
use super::transactions::Transactions;
use crate::message::Body;
use crate::proto::send::progress::Progress;
use crate::proto::send::request::{Barrier, Effect, Slot};
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::consumer::ConsumerQueue;

/// What a channel sends.
#[derive(Debug, Default)]
pub(super) struct Sending {
    id: u16,
    pub(super) requests: Requests,
    pub(super) line: Line,
}

impl Sending {
    /// Of a channel that is opened, or of an id that is not in use.
    pub(super) fn new(id: u16, requests: Requests) -> Self {
        let line = Line::default();
        Self { id, requests, line }
    }

    /// The channel's id.
    pub(super) fn id(&self) -> u16 {
        self.id
    }

    /// Whether a frame may go straight to the small lane.
    #[inline]
    pub(super) fn is_direct(&self) -> bool {
        !self.line.is_held()
            && self.line.is_empty()
            && self.requests.barrier() != Barrier::Everything
    }

    /// Whether a request may go straight to the small lane.
    pub(super) fn takes_request(&self) -> bool {
        !self.line.is_held() && self.line.is_empty() && self.requests.barrier() == Barrier::Nothing
    }

    /// Whether `connection.close` waits for what is parked here.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.requests.is_stuck() && !self.requests.has_close() && self.line.has_accepted()
    }

    /// How many requests are not answered, sent or parked.
    pub(super) fn n_requests(&self) -> usize {
        self.requests.len() + self.line.requests().count()
    }

    /// Every request that is not answered, sent or parked.
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.requests.iter().chain(self.line.requests())
    }

    fn slots_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.requests.iter_mut().chain(self.line.requests_mut())
    }

    /// Appends a message, or parks it.
    pub(super) fn publish(
        &mut self,
        head: &impl Head,
        body: &Body<'_>,
        queue: &mut Queue,
    ) -> Result<(), FrameTooLarge> {
        let id = self.id;
        if self.is_direct() && body.as_slice().len() <= queue.max_payload() {
            queue.append_uncopied(id, head, body)?;
        } else {
            let parked = queue.encode_aside(id, head, body)?;
            self.line.push(parked, &mut queue.parking);
            self.release(queue);
        }
        Ok(())
    }

    /// Queues a method that expects no reply.
    pub(super) fn send<'m, M: TypedMethod<'m>>(
        &mut self,
        method: &M,
        queue: &mut Queue,
    ) -> Result<(), FrameTooLarge> {
        let id = self.id;
        if self.is_direct() {
            queue.append_method(id, method)?;
        } else {
            let frames = queue.encode_method(id, method)?;
            self.line.push(Parked::Frames(frames), &mut queue.parking);
        }
        Ok(())
    }

    /// A request has been put into the small lane.
    pub(super) fn await_reply(&mut self, mut slot: Slot, queue: &mut Queue) {
        let end = queue.small.end();
        slot.end = Some(end);
        slot.asked = true;
        self.requests.push(slot, &mut queue.quiet);
        queue.leaving.push(end, self.id);
    }

    /// Moves what need not wait any longer from the line into the lanes.
    pub(super) fn release(&mut self, queue: &mut Queue) {
        while let Some(parked) = self.next_released(queue) {
            match parked {
                Parked::Frames(frames) => {
                    let answers = self.line.take_answers(frames.len(), &mut queue.parking);
                    queue.small.append_parked(frames);
                    queue.small.add_owed(answers);
                }
                Parked::Request(frames, mut slot) => {
                    queue.small.append_parked(frames);
                    slot.ran_until(queue.now);
                    self.await_reply(slot, queue);
                }
                Parked::Large { head, body } => {
                    queue.small.append_head(head);
                    self.line.set_held(true);
                    self.line.ran_until(queue.now);
                    queue.large.push(self.id, body);
                }
            }
        }
    }

    fn next_released(&mut self, queue: &mut Queue) -> Option<Parked> {
        if queue.small.is_sealed() {
            return None;
        }
        let closes = self.requests.has_close();
        self.line
            .next_released(&self.requests, closes, &mut queue.parking)
    }

    /// Takes the requests out of a line that is stuck: what stands between them may then go.
    pub(super) fn pass_requests(&mut self, queue: &mut Queue) -> Vec<Slot> {
        if !self.requests.is_stuck() || self.line.is_empty() {
            return Vec::new();
        }
        let passed = self.line.take_requests(|_| true, &mut queue.parking);
        self.release(queue);
        passed
    }

    /// Octets that were parked are an answer to the broker.
    pub(super) fn add_answers(&mut self, octets: usize, queue: &mut Queue) {
        self.line.add_answers(octets, &mut queue.parking);
    }

    /// Takes the request that waits longest, if the reply is one of its.
    pub(super) fn take_request(&mut self, reply: MethodId, queue: &mut Queue) -> Option<Slot> {
        let slot = self.requests.take_answered_by(reply, &mut queue.quiet)?;
        if reply != channel::CloseOk::ID && reply != connection::CloseOk::ID {
            self.release(queue);
        }
        Some(slot)
    }

    /// Requests of it have been written. What waits in line does not wait for that if the channel is
    /// `restoring`.
    pub(super) fn wrote(&mut self, progress: Progress, before: Instant, restoring: bool) {
        if self.requests.wrote(progress, before) && !restoring {
            self.line.stood_still_since(before, progress.at);
        }
    }

    /// Takes its messages out of the lanes; returns the body of a large one.
    fn take_messages(&mut self, unsent: &mut Unwritten, queue: &mut Queue) -> Option<Bytes> {
        let id = self.id;
        queue.drop_messages(id, unsent);
        let large = queue.large.remove_unbegun(id);
        if large.is_some() {
            // Its method and header were in the small lane.
            self.line.set_held(false);
        }
        large
    }

    /// The same as [`drop_publishes`](Self::drop_publishes), for a channel that is opened anew:
    /// what is taken out is parked here, in order and in front of what is parked already. What does
    /// not belong to messages is dropped; the requests are returned.
    pub(super) fn keep_publishes(&mut self, published: u64, queue: &mut Queue) -> (u64, Vec<Slot>) {
        let mut unsent = Unwritten::default();
        let mut frames = queue.small.copy_messages(self.id);
        let large = self.take_messages(&mut unsent, queue).map(|body| {
            // Its method and header are the last of them.
            let head = frames.split_off(last_publish(&frames));
            Parked::Large { head, body }
        });
        self.line.count_unsent(&mut unsent);
        let frames = (!frames.is_empty()).then_some(Parked::Frames(frames));
        let id = self.id;
        let requests = self
            .line
            .keep_messages(id, [frames, large], &mut queue.parking);
        (self.last_sent(published, &unsent), requests)
    }

    /// Whether a `basic.cancel` of this consumer waits for its reply, and has time left.
    pub(super) fn is_cancelled_in_time(&self, queue: &Arc<ConsumerQueue>) -> bool {
        self.slots().any(|slot| match &slot.effect {
            Effect::Cancel(cancelled) => Arc::ptr_eq(cancelled, queue) && !slot.overdue,
            _ => false,
        })
    }

    /// The connection was blocked until `now`, for so long: time did not run, up to the `latest`
    /// deadline that a request may get. Gives the deadlines.
    pub(super) fn time_stood_still(
        &mut self,
        now: Instant,
        blocked_for: Duration,
        latest: Instant,
    ) -> impl Iterator<Item = Instant> {
        self.slots_mut().map(move |slot| {
            if !slot.is_farewell() {
                let stood_still = match slot.end {
                    // It waits to be written, and the broker did not read.
                    Some(_) => now.saturating_duration_since(slot.since),
                    None => blocked_for,
                };
                let shifted = (slot.deadline + stood_still).min(latest);
                slot.deadline = slot.deadline.max(shifted);
                slot.ran_until(now);
            }
            slot.deadline
        })
    }

    /// What holds again if a `basic.recover` that is not answered is never sent: the same for each.
    pub(super) fn recoveries(&mut self) -> impl Iterator<Item = &mut u64> {
        self.slots_mut().filter_map(|slot| match &mut slot.effect {
            Effect::Recover { before } => Some(before),
            _ => None,
        })
    }

    /// The number of the last of `published` messages that is sent.
    fn last_sent(&self, published: u64, unsent: &Unwritten) -> u64 {
        published.saturating_sub(unsent.of(self.id))
    }

    /// Encodes a request, into the lane if it may go there; otherwise it is returned, and has to
    /// wait.
    pub(super) fn encode_request<'m, M: TypedMethod<'m>>(
        &self,
        method: &M,
        queue: &mut Queue,
    ) -> Result<Option<Vec<u8>>, FrameTooLarge> {
        if self.takes_request() || M::ID == channel::Close::ID && self.lets_a_close_pass() {
            queue.append_method(self.id, method)?;
            return Ok(None);
        }
        queue.encode_method(self.id, method).map(Some)
    }

    fn lets_a_close_pass(&self) -> bool {
        self.line.lets_a_close_pass(self.line.len(), &self.requests)
    }

    /// Whether a caller waits for the answer to `channel.open`.
    pub(super) fn is_opening_wanted(&self) -> bool {
        let mut sent = self.requests.iter();
        sent.any(|slot| matches!(slot.effect, Effect::OpenChannel(_)) && !slot.answer.is_settled())
    }

    /// Whether a limit that the program has set waits in the line.
    pub(super) fn has_limit_in_line(&self) -> bool {
        let mut waiting = self.line.requests();
        waiting.any(|slot| slot.expects.contains(&basic::QosOk::ID))
    }

    /// A request has been encoded: waits for its reply, or for its turn if it `must_wait`.
    pub(super) fn expect(&mut self, must_wait: Option<Vec<u8>>, slot: Slot, queue: &mut Queue) {
        match must_wait {
            None => self.await_reply(slot, queue),
            Some(frames) => {
                let parked = Parked::Request(frames, slot);
                self.line.push(parked, &mut queue.parking);
            }
        }
    }

    /// A request that joins one that was sent, without anything to send itself.
    pub(super) fn join(&mut self, slot: Slot, queue: &mut Queue) {
        if self.takes_request() {
            self.await_reply(slot, queue);
        } else {
            self.line.push_silent(slot);
        }
    }

    /// Takes out all messages, but for a large one that the adapter has begun to write. Returns the
    /// number of the last of the `published` that is sent.
    pub(super) fn drop_publishes(&mut self, published: u64, queue: &mut Queue) -> u64 {
        let mut unsent = Unwritten::default();
        let large = self.take_messages(&mut unsent, queue);
        queue.dropped().extend(large);
        self.line.count_unsent(&mut unsent);
        self.last_sent(published, &unsent)
    }

    /// Drops what was to be sent, but for the rest of a large body. Returns the requests.
    pub(super) fn clear(&mut self, queue: &mut Queue) -> Vec<Slot> {
        let mut slots = self.requests.take_all();
        slots.extend(queue.clear_line(&mut self.line));
        slots
    }

    /// The stream is gone, and the channel is to be opened on another: what can be asked once more
    /// waits in the line, in front of what waits there already. Messages are dropped, consumers are
    /// left to `consumers`, all other requests to `lost`. Returns the `channel.open`, if that has
    /// not been answered.
    pub(super) fn disconnect(
        &mut self,
        consumers: &mut Consumers,
        transactions: Option<&mut Transactions>,
        queue: &mut Queue,
        lost: &mut LostRequests,
    ) -> Option<Slot> {
        let mut opening = None;
        let mut again = Vec::new();
        let mut ends = Vec::new();
        for mut slot in self.requests.take_all() {
            if consumers.takes_back(&mut slot) {
                continue;
            }
            match &slot.effect {
                Effect::OpenChannel(_) => opening = Some(slot),
                // Those are of the recovery, which begins anew.
                Effect::RenewChannel | Effect::ConsumeAgain(_) => {}
                Effect::Consume(_) | Effect::Cancel(_) | Effect::LimitConsumer => {
                    lost.done.push(slot);
                }
                Effect::Nothing if is_asked_again(&slot) => {
                    slot.end = None;
                    again.push(slot);
                }
                Effect::EndTransaction(_) => ends.push(slot),
                _ => lost.failed.push(slot),
            }
        }
        for mut slot in queue.disconnect_line(&mut self.line) {
            if consumers.takes_back(&mut slot) {
                continue;
            }
            match &slot.effect {
                Effect::EndTransaction(_) => ends.push(slot),
                _ => lost.done.push(slot),
            }
        }
        match transactions {
            Some(transactions) => transactions.lose(ends, lost),
            None => lost.failed.extend(ends),
        }
        let id = self.id;
        for slot in again.into_iter().rev() {
            let frame = slot.sent.as_deref().map(|sent| method_frame(id, sent));
            let parked = Parked::Request(frame.unwrap_or_default(), slot);
            self.line.push_front(parked, &mut queue.parking);
        }
        self.line.set_held(true);
        opening
    }

    /// The number of the last of the `published` that is not parked.
    pub(super) fn last_unparked(&self, published: u64) -> u64 {
        let mut unsent = Unwritten::default();
        self.line.count_unsent(&mut unsent);
        self.last_sent(published, &unsent)
    }

    /// Visits the requests in line whose time is up, which runs even while the line is held if the
    /// channel is `restoring`: then that is not for octets that leave. Returns those that are never
    /// sent.
    pub(super) fn expire_parked(
        &mut self,
        restoring: bool,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
        queue: &mut Queue,
    ) -> Vec<Slot> {
        let last = self.requests.last();
        let is_held = self.line.is_held() && !restoring;
        let leaving = is_held || last.is_some_and(|slot| slot.is_leaving(judge.progress));
        if !self.line.expire(self.id, leaving, judge) {
            return Vec::new();
        }
        let is_dropped = |slot: &Slot| slot.overdue && !slot.keeps_its_place();
        self.line.take_requests(is_dropped, &mut queue.parking)
    }

    /// A close waits behind a request whose time is up: takes out the requests that it passes, so
    /// that it may go. True if it cannot.
    pub(super) fn is_close_stuck(&mut self, queue: &mut Queue) -> bool {
        let is_parked = !self.requests.has_close() && !self.line.is_empty();
        // What is behind a large body is looked at when that has left.
        if !is_parked || !self.requests.is_stuck() || self.line.is_held() {
            return false;
        }
        // The others will never be sent. Messages between them may be, unless it is behind a
        // commit.
        let others = |slot: &Slot| !slot.is_close();
        let requests = self.line.take_requests(others, &mut queue.parking);
        self.release(queue);
        for slot in requests {
            self.line.push_silent(slot);
        }
        let sends_more = self.line.is_held() || self.requests.waits_for_consume();
        !sends_more && !self.requests.has_close()
    }
}
