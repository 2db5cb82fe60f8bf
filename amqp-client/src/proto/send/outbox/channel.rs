//! The sending side of one channel: what it takes, what it holds back, and how it ends.

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::frame::FrameTooLarge;
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{channel, confirm, tx};

use super::consumers::Consumers;
use super::head::Head;
use super::overdue::{GivenUp, Judge};
use super::publishing::Publishing;
use super::queue::Queue;
use super::refused::Refused;
use super::renewal::Renewal;
use super::reopening::Closed;
use super::repeatable::is_kept;
use super::requests::Requests;
use super::restoring::{Behind, LostRequests, Restoring};
use super::sending::Sending;
use super::settling::{ByNumber, Part, Settling};
use super::standing::{Stand, Standing};
use super::transactions::Transactions;
use crate::error::ChannelError;
use crate::message::Body;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Effect, Slot};
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::shared::kept::KeptMessage;

/// The sending side of one channel id.
#[derive(Debug)]
pub(super) struct OutChannel {
    /// Which use of the id this is; a handle of an earlier use is stale.
    incarnation: u32,
    pub(super) stand: Stand,
    /// It was open on an earlier stream, or has been opened anew.
    pub(super) resumed: bool,
    /// The answer to a close of an earlier use of the id was overdue, and may still come.
    close_ok_owed: bool,
    /// When the id became free; means something only if it is.
    freed: u64,
    pub(super) publishing: Publishing,
    pub(super) settling: Settling,
    pub(super) sending: Sending,
    /// Most channels publish, and have none.
    consumers: Option<Box<Consumers>>,
    /// For a channel that a publisher owns.
    renewal: Option<Box<Renewal>>,
    /// While it is brought back on another stream.
    pub(super) restoring: Option<Box<Restoring>>,
}

impl OutChannel {
    /// An id that was never used.
    pub(super) fn unused(id: u16) -> Self {
        Self {
            incarnation: 0,
            stand: Stand::new(Standing::Free),
            resumed: false,
            close_ok_owed: false,
            freed: 0,
            publishing: Publishing::default(),
            settling: Settling::default(),
            sending: Sending::new(id, Requests::default()),
            consumers: None,
            renewal: None,
            restoring: None,
        }
    }

    /// Channel 0, which carries the connection's own methods.
    pub(super) fn of_connection() -> Self {
        Self {
            stand: Stand::new(Standing::Open),
            ..Self::unused(0)
        }
    }

    /// The next use of the id begins.
    pub(super) fn begin(&mut self) -> ChannelUse {
        let id = self.sending.id();
        let incarnation = self.incarnation.wrapping_add(1);
        *self = Self {
            incarnation,
            stand: Stand::new(Standing::Opening),
            close_ok_owed: self.close_ok_owed,
            sending: Sending::new(id, Requests::with_room_for_one()),
            ..Self::unused(id)
        };
        ChannelUse {
            channel: id,
            incarnation,
        }
    }

    /// Its use of its id.
    pub(super) fn at(&self) -> ChannelUse {
        ChannelUse {
            channel: self.sending.id(),
            incarnation: self.incarnation,
        }
    }

    /// The id is free, as the `freed`th; its channel is over.
    pub(super) fn free(&mut self, freed: u64) {
        self.stand.set(Standing::Free);
        self.freed = freed;
    }

    pub(super) fn freed(&self) -> u64 {
        self.freed
    }

    // What it takes

    #[inline]
    pub(super) fn is(&self, at: ChannelUse) -> bool {
        self.incarnation == at.incarnation
    }

    /// Whether it is this use of the id, and takes whatever comes: as [`is_used`](Self::is_used),
    /// and not to be looked at.
    #[inline]
    pub(super) fn accepts(&self, at: ChannelUse) -> bool {
        self.stand.takes_anything() && self.is(at)
    }

    /// Whether it is this use of the id, and open as far as we know, or to be opened on the next
    /// stream: what it takes until then waits in its line.
    pub(super) fn is_used(&self, at: ChannelUse) -> bool {
        self.standing().is_in_use() && self.is(at)
    }

    /// Whether it is this use of the id, and takes what a transaction cannot be lost for.
    #[cold]
    pub(super) fn takes_requests(&self, at: ChannelUse) -> bool {
        self.is_used(at) || self.is_renewed(at)
    }

    /// Whether one that does not take anything takes this.
    #[cold]
    pub(super) fn check(&mut self, at: ChannelUse, part: Part) -> Result<(), Refused> {
        if self.takes_requests(at) {
            self.settling.check(part)
        } else {
            Err(Refused::NotOpen)
        }
    }

    /// Whether it is this use of the id, and waits to be opened anew.
    pub(super) fn is_renewed(&self, at: ChannelUse) -> bool {
        let closing = self.renewal.as_ref().is_none_or(|one| one.is_closing());
        self.is(at) && self.rests() && !closing
    }

    /// Whether it is brought back on another stream, and not all of it is there.
    pub(super) fn is_restoring(&self) -> bool {
        self.restoring.is_some()
    }

    /// Whether the broker has closed it, and it is or will be at rest.
    fn rests(&self) -> bool {
        matches!(self.standing(), Standing::Resting | Standing::Finishing)
    }

    pub(super) fn is_free(&self) -> bool {
        self.standing() == Standing::Free
    }

    /// Whether there has been a channel with this id.
    pub(super) fn was_used(&self) -> bool {
        self.incarnation > 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.standing() == Standing::Open
    }

    /// Whether its publishes are answered, now or when it has been opened anew.
    pub(super) fn answers(&self) -> bool {
        matches!(self.standing(), Standing::Open | Standing::Closing) || self.renewal.is_some()
    }

    pub(super) fn standing(&self) -> Standing {
        self.stand.get()
    }

    /// Whether it counts as an open channel.
    pub(super) fn counts_as_open(&self) -> bool {
        self.standing().is_in_use()
    }

    /// Whether the program closes it, and the close has its place in line.
    pub(super) fn is_closing(&self) -> bool {
        let renewed = self.renewal.as_ref().is_some_and(|one| one.is_closing());
        let restored = self.restoring.as_ref().is_some_and(|one| one.closing);
        match self.standing() {
            Standing::Closing => true,
            Standing::Lost => restored,
            _ => self.rests() && renewed,
        }
    }

    pub(super) fn consumers(&mut self) -> &mut Consumers {
        self.consumers.get_or_insert_default()
    }

    /// Its consumers, to look at.
    pub(super) fn look_at_consumers(&self) -> Option<&Consumers> {
        self.consumers.as_deref()
    }

    pub(super) fn consumers_if_any(&mut self) -> Option<&mut Consumers> {
        self.consumers.as_deref_mut()
    }

    // Sending

    /// Appends a message, or parks it.
    pub(super) fn publish(
        &mut self,
        head: &impl Head,
        body: &Body<'_>,
        queue: &mut Queue,
    ) -> Result<(), FrameTooLarge> {
        self.sending.publish(head, body, queue)?;
        self.want(queue);
        Ok(())
    }

    /// Parks a message again, under the number that it had.
    pub(super) fn publish_again(
        &mut self,
        message: &KeptMessage,
        queue: &mut Queue,
    ) -> Result<(), FrameTooLarge> {
        let number = message.number();
        let fingerprint = message.queue_again(self.sending.id(), |head, body| {
            self.publish(head, body, queue)
        })?;
        self.publishing.expect_return_again(number, fingerprint);
        Ok(())
    }

    /// Queues a method that expects no reply.
    pub(super) fn send<'m, M: TypedMethod<'m>>(
        &mut self,
        method: &M,
        queue: &mut Queue,
    ) -> Result<(), FrameTooLarge> {
        self.sending.send(method, queue)?;
        self.want(queue);
        Ok(())
    }

    /// Queues a method that expects a reply. True if the adapter has to hear of an earlier
    /// deadline. On a refusal the slot comes back unanswered.
    pub(super) fn request<'m, M: TypedMethod<'m>>(
        &mut self,
        method: &M,
        mut slot: Slot,
        queue: &mut Queue,
    ) -> Result<bool, (Refused, Box<Slot>)> {
        let must_wait = match self.sending.encode_request(method, queue) {
            Ok(must_wait) => must_wait,
            Err(error) => return Err((error.into(), Box::new(slot))),
        };
        let mut sooner = queue.deadline.note(slot.deadline);
        if M::ID == channel::Close::ID && must_wait.is_some() {
            // With the request that it must not pass, the channel is given up.
            let last = self.sending.requests.last();
            sooner |= last.is_some_and(|last| queue.deadline.note(last.deadline));
        }
        if queue.keeps_requests && is_kept(M::ID) {
            let mut sent = Vec::new();
            method.encode(&mut sent);
            slot.sent = Some(sent.into());
        }
        self.note_request(M::ID, &mut slot, queue);
        self.sending.expect(must_wait, slot, queue);
        self.want(queue);
        Ok(sooner)
    }

    /// Some requests change the channel as soon as they have a place in line.
    fn note_request(&mut self, id: MethodId, slot: &mut Slot, queue: &mut Queue) {
        self.settling.end_transaction(slot);
        slot.after = self.publishing.published();
        if let Some(renewal) = &mut self.renewal {
            renewal.note_use(id);
        }
        if id == channel::Close::ID {
            match self.standing() {
                // The broker has nothing to close.
                Standing::Lost => {
                    self.restoring.get_or_insert_default().closing = true;
                    queue.deadline.note(queue.now);
                }
                // One that is opened anew first still has to say what it has accepted.
                Standing::Resting | Standing::Finishing => {}
                _ => self.stand.set(Standing::Closing),
            }
        } else if id == confirm::Select::ID {
            // Publishes behind it on the wire are numbered, whenever the reply comes.
            self.publishing.begin_confirming();
        } else if id == tx::Select::ID {
            self.settling.begin_transactions();
            self.stand.watch(true);
        }
    }

    /// Waits for the reply to a `channel.close` that another task has asked for.
    pub(super) fn join_close(&mut self, slot: Slot, queue: &mut Queue) {
        queue.deadline.note(slot.deadline);
        self.sending.join(slot, queue);
        self.want(queue);
    }

    // How it ends

    /// `channel.open-ok` has come: a life begins, behind deliveries with numbers up to this one.
    pub(super) fn opened(&mut self, delivered: u64) {
        if self.standing() == Standing::Opening {
            self.stand.set(Standing::Open);
        }
        self.settling.begin_life(delivered);
        self.settling.gone_back_to(delivered, &mut self.sending);
    }

    /// What a settlement by number says on the wire; `None` if it is of what has gone back. Number 0
    /// is all there are. To the broker that would be all that it has sent; in a life that is not
    /// the first it is what was `yielded` to the program, which may mean one of before.
    pub(super) fn by_number(
        &self,
        number: u64,
        multiple: bool,
        (delivered, yielded): (u64, u64),
    ) -> Option<ByNumber> {
        match number {
            0 if !self.resumed => self.settling.all_of_first_life(delivered),
            0 => self.settling.by_number(yielded, multiple, delivered),
            number => self.settling.by_number(number, multiple, delivered),
        }
    }

    /// The broker has closed it: takes out its messages, but for a large one that the adapter has
    /// begun to write, and returns the number of the last one that is sent. Those taken out may be
    /// published again without fear of a second copy.
    pub(super) fn drop_publishes(&mut self, queue: &mut Queue) -> u64 {
        self.renewal = None;
        let published = self.publishing.published();
        self.sending.drop_publishes(published, queue)
    }

    /// The broker has closed it, and its messages have been taken out: queues `channel.close-ok`,
    /// behind the rest of a large body if one is under way. Returns the requests that will have no
    /// reply, whether the id is free, and what the channel was.
    pub(super) fn closed_by_broker(&mut self, queue: &mut Queue) -> (Vec<Slot>, bool, Box<Closed>) {
        let close_sent = self.sending.requests.has_close();
        let (limits, consumers) = self
            .consumers
            .as_ref()
            .map(|all| all.keep())
            .unwrap_or_default();
        let slots = self.clear(queue);
        let transactions = self.settling.disconnect();
        let closed = Box::new(Closed::new(transactions, limits, consumers));
        let close = slots.iter().find(|slot| close_sent && slot.is_close());
        if let Some(close) = close {
            queue.answer_close(self.sending.id());
            // Who asked for it knows enough with the broker's.
            self.sending
                .requests
                .push(close.for_nobody(), &mut queue.quiet);
            self.stand.set(Standing::Crossed);
            return (slots, false, closed);
        }
        self.stand.set(Standing::Finishing);
        let is_free = !self.sending.line.is_held() && self.finish(queue);
        (slots, is_free, closed)
    }

    /// Whether the answer to the broker's close, or to both sides', is still to come.
    pub(super) fn is_being_finished(&self) -> bool {
        matches!(self.standing(), Standing::Finishing | Standing::Crossed)
    }

    /// Whether it has confirms, and transactions.
    pub(super) fn modes(&self) -> (bool, bool) {
        (
            self.publishing.is_confirming(),
            self.settling.has_transactions(),
        )
    }

    /// The broker has closed it, and it is opened again with these transactions. What was published
    /// has been told.
    pub(super) fn begin_again(&mut self, transactions: Option<Box<Transactions>>) {
        self.settling.end_life();
        self.settling.begin_again(transactions);
        self.publishing.answered(self.publishing.published());
        self.resumed = true;
        self.stand.set(Standing::Opening);
    }

    /// Queues the `channel.close-ok` that has been owed until now. True if the id is free.
    fn finish(&mut self, queue: &mut Queue) -> bool {
        queue.answer_close(self.sending.id());
        !self.rest_for_renewal(queue)
    }

    /// The last frame of its large body is on its way: what waited for it may follow. True if the
    /// id is free.
    pub(super) fn large_sent(&mut self, queue: &mut Queue) -> bool {
        self.sending.line.set_held(false);
        self.sending.line.stood_still_until(queue.now);
        if self.standing() == Standing::Finishing {
            return self.finish(queue);
        }
        if self.standing() == Standing::Closing && self.sending.requests.is_stuck() {
            // Our close is behind it, and may have to give the channel up.
            queue.deadline.note(queue.now);
        }
        self.sending.release(queue);
        false
    }

    /// Drops what was to be sent, but for the rest of a large body, and hands back the requests.
    pub(super) fn clear(&mut self, queue: &mut Queue) -> Vec<Slot> {
        let mut slots = self.sending.clear(queue);
        if let Some(restoring) = self.restoring.take() {
            slots.extend(restoring.opening);
        }
        if let Some(mut consumers) = self.consumers.take() {
            // The core holds those that are there, and those that are not have been asked for.
            slots.extend(consumers.take_waiting());
        }
        self.renewal = None;
        slots
    }

    /// The consumers that wait for another stream, or are pending on this one, which nothing else
    /// knows.
    fn waiting_consumers(&self) -> Vec<Arc<ConsumerQueue>> {
        match &self.consumers {
            None => Vec::new(),
            Some(consumers) if self.is_restoring() => consumers.all(),
            Some(consumers) => consumers.not_back().collect(),
        }
    }

    /// The stream is gone: drops what was to be sent. If another follows, what was open stays in use,
    /// and what can be asked once more waits in its line; all other requests are left to `lost`.
    pub(super) fn disconnect(
        &mut self,
        behind: Behind,
        queue: &mut Queue,
        lost: &mut LostRequests,
    ) {
        let id = self.sending.id();
        let goes_on = behind == Behind::AnotherStream && self.goes_on();
        let was_closing = self.is_closing();
        self.resumed = true;
        self.close_ok_owed = false;
        if !goes_on {
            self.settling.end_life();
            lost.consumers.extend(self.waiting_consumers());
            let slots = self.clear(queue);
            self.sending.line.set_held(false);
            if behind == Behind::AnotherStream && was_closing {
                lost.closed.insert(id);
                lost.done.extend(slots);
            } else {
                lost.failed.extend(slots);
            }
            if id > 0 {
                self.stand.set(Standing::Free);
            }
            return;
        }
        self.stand.set(Standing::Lost);
        let consumers = self.consumers.get_or_insert_default();
        let mut transaction = self.settling.disconnect();
        let opening = self
            .sending
            .disconnect(consumers, transaction.as_deref_mut(), queue, lost);
        self.settling.begin_again(transaction);
        lost.unwanted.extend(consumers.disconnect());
        let restoring = self.restoring.get_or_insert_default();
        restoring.opening = restoring.opening.take().or(opening);
        if let Some(renewal) = &mut self.renewal {
            renewal.put_off();
        }
    }

    /// Whether it is opened on the next stream when its own is gone now.
    fn goes_on(&self) -> bool {
        let renewed = self.renewal.as_ref().is_some_and(|one| one.goes_on());
        match self.standing() {
            // Nothing of channel 0 outlives the stream but its being there.
            _ if self.sending.id() == 0 || self.is_scratch() => false,
            Standing::Lost => !self.is_closing(),
            // One that no caller waits for is not opened.
            Standing::Opening if self.renewal.is_none() && !self.is_restoring() => {
                self.resumed || self.sending.is_opening_wanted()
            }
            standing => standing.goes_on(renewed),
        }
    }

    // How it is brought back on another stream

    pub(super) fn is_scratch(&self) -> bool {
        self.restoring.as_ref().is_some_and(|one| one.is_scratch)
    }

    /// It is asked for while there is no stream: it is opened on the next.
    pub(super) fn open_later(&mut self, opening: Slot, queue: &mut Queue) {
        self.stand.set(Standing::Lost);
        self.sending.line.set_held(true);
        queue.deadline.note(opening.deadline);
        self.restoring.get_or_insert_default().opening = Some(opening);
    }

    /// It cannot be brought back: it ends for this, in time.
    pub(super) fn end_lost(&mut self, cause: ChannelError, queue: &mut Queue) {
        let restoring = self.restoring.get_or_insert_default();
        (restoring.closing, restoring.ends) = (true, Some(cause));
        queue.deadline.note(queue.now);
    }

    /// A consumer that waits for another stream is not started there. Returns the request of the
    /// program that waits for it.
    pub(super) fn drop_lost_consumer(&mut self, queue: &Arc<ConsumerQueue>) -> Option<Slot> {
        let (_, waiting) = self.consumers.as_mut()?.cancel(queue)?;
        waiting
    }

    /// Whether a `channel.close-ok` is still owed for an earlier use of the id; it comes once.
    pub(super) fn take_owed_close_ok(&mut self) -> bool {
        std::mem::take(&mut self.close_ok_owed)
    }

    /// A request that was parked is never sent: what it would have changed is as before.
    fn undo(&mut self, dropped: &mut Slot) {
        self.settling
            .resume_transaction(dropped, &mut self.sending.line);
        match &dropped.effect {
            Effect::Consume(queue) => {
                if let Some(consumers) = &mut self.consumers {
                    consumers.forget(queue);
                }
            }
            Effect::Recover { before } if self.sending.recoveries().next().is_none() => {
                self.settling.set_gone_back(*before);
            }
            _ => {}
        }
    }

    /// Up to which number deliveries have gone back, if a further `basic.recover` is never sent.
    pub(super) fn recovered_before(&mut self) -> u64 {
        self.settling.recovered_before(&mut self.sending)
    }

    /// `basic.recover-ok` has come: deliveries up to this number have gone back.
    pub(super) fn recovered(&mut self, delivery_tag: u64) {
        self.settling.gone_back_to(delivery_tag, &mut self.sending);
        self.settling.skip_to(delivery_tag);
    }

    // When time is up

    /// Visits its requests whose time is up. Returns those that are never sent.
    pub(super) fn expire_parked(
        &mut self,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
        queue: &mut Queue,
    ) -> Vec<Slot> {
        let (sending, held) = (&mut self.sending, self.restoring.is_some());
        let mut dropped = sending.expire_parked(held, judge, queue);
        if let Some(consumers) = &mut self.consumers {
            dropped.extend(consumers.expire(self.sending.id(), judge));
        }
        for slot in &mut dropped {
            self.undo(slot);
        }
        if !dropped.is_empty() {
            self.sending.release(queue);
        }
        dropped
    }

    /// Our close waits behind a request whose time is up: sends it if it may pass that, otherwise
    /// gives the channel up.
    pub(super) fn close_stuck(&mut self, queue: &mut Queue) -> Option<GivenUp> {
        let stuck = self.standing() == Standing::Closing && self.sending.is_close_stuck(queue);
        stuck.then(|| self.give_up(ChannelError::Closed, queue))
    }

    /// Closes it without a word to the broker, which may still have it open.
    fn give_up(&mut self, cause: ChannelError, queue: &mut Queue) -> GivenUp {
        let sent = self.sending.last_unparked(self.publishing.published());
        let consumers = self.waiting_consumers();
        let slots = self.clear(queue);
        // The rest of a body that has begun still leaves, and `close-ok` may not stand amid content.
        let is_sending = queue.large.channels().any(|id| id == self.sending.id());
        self.sending.line.set_held(is_sending);
        self.stand.set(Standing::GivenUp);
        GivenUp {
            id: self.sending.id(),
            slots,
            consumers,
            sent,
            cause,
        }
    }

    /// The broker does not answer a close that its own has crossed: it is not waited for any
    /// longer. True if the id is free for that.
    pub(super) fn forget_crossed(&mut self) -> bool {
        let forgotten = self.standing() == Standing::Crossed
            && self.sending.requests.iter().all(|slot| slot.overdue);
        if forgotten {
            drop(self.sending.requests.take_all());
            self.close_ok_owed = true;
        }
        forgotten
    }

    // How it is opened anew

    /// It belongs to a publisher: from here on it is opened anew when the broker closes it.
    pub(super) fn renew_when_closed(&mut self, now: Instant, request_timeout: Duration) {
        self.renewal = Some(Box::new(Renewal::new(now, request_timeout)));
    }

    pub(super) fn renewal(&mut self) -> Option<&mut Renewal> {
        self.renewal.as_deref_mut()
    }

    /// Whether it is opened anew when the broker closes it now.
    pub(super) fn can_be_renewed(&self) -> bool {
        self.is_open() && self.renewal.as_ref().is_some_and(|one| one.goes_on())
    }

    /// The broker has closed it, and it is to be opened anew: keeps what has not been written, and
    /// returns the requests that will have no reply, and the number of the last publish that is
    /// sent.
    pub(super) fn finish_for_renewal(&mut self, queue: &mut Queue) -> (Vec<Slot>, u64) {
        let (sent, parked) = self
            .sending
            .keep_publishes(self.publishing.published(), queue);
        let mut slots = self.sending.requests.take_all();
        slots.extend(parked);
        self.consumers = None;
        self.settling.end_life();
        self.stand.watch(false);
        self.resumed = true;
        self.stand.set(Standing::Finishing);
        (slots, sent)
    }

    /// It has no large body under way any more: `channel.close-ok` is queued, and it rests.
    pub(super) fn come_to_rest(&mut self, queue: &mut Queue) {
        if !self.sending.line.is_held() {
            self.finish(queue);
        }
    }

    /// Our `channel.close-ok` is queued. False if the channel is not opened anew.
    fn rest_for_renewal(&mut self, queue: &mut Queue) -> bool {
        if self.renewal.is_none() {
            return false;
        }
        self.stand.set(Standing::Resting);
        self.sending.line.set_held(true);
        self.want(queue);
        true
    }

    /// Something waits in its line: if it rests it is opened for that.
    #[inline]
    fn want(&mut self, queue: &mut Queue) {
        if self.standing() == Standing::Resting && !self.sending.line.is_empty() {
            if let Some(renewal) = &mut self.renewal {
                let due = renewal.want(queue.now, self.sending.line.has_messages());
                queue.deadline.note(due);
            }
        }
    }

    /// The deadlines of its requests that wait for another stream.
    pub(super) fn waiting_deadlines(&self) -> impl Iterator<Item = Instant> {
        let opening = self.restoring.iter().flat_map(|one| &one.opening);
        let consumers = self.consumers.iter().flat_map(|all| all.deadlines());
        let parked = self.sending.slots().chain(opening);
        parked.map(|slot| slot.deadline).chain(consumers)
    }

    /// The program's `channel.open` has waited for a stream for too long: its caller is told, and the
    /// channel is never opened.
    pub(super) fn expire_opening(&mut self, judge: &mut Judge<impl FnMut(u16, &Slot)>) {
        let id = self.sending.id();
        let Some(restoring) = &mut self.restoring else {
            return;
        };
        if let Some(slot) = &mut restoring.opening {
            judge.judge(id, slot, false, true);
            restoring.closing |= slot.overdue;
        }
    }

    /// When it is to be opened anew, if it rests.
    pub(super) fn due(&self) -> Option<Instant> {
        let renewal = self.renewal.as_deref()?;
        if self.standing() == Standing::Resting {
            renewal.due()
        } else {
            None
        }
    }

    /// Opens it if it rests and it is time. One that the broker does not open is given up.
    pub(super) fn renew_in_time(&mut self, now: Instant, queue: &mut Queue) -> Option<GivenUp> {
        if self.is_restoring() {
            // What restores it watches the times of its requests.
            return None;
        }
        if self.standing() == Standing::Opening && self.renewal.is_some() {
            let method = self.sending.requests.overdue_opening()?;
            return Some(self.give_up(ChannelError::Timeout { method }, queue));
        }
        match self.due().filter(|_| !queue.small.is_sealed())? {
            due if due <= now => self.open_anew(now, queue),
            due => {
                queue.deadline.note(due);
            }
        }
        None
    }

    /// The program closes it while it rests, with nothing to be sent before: there is nothing that
    /// the broker has to hear, and the id is free.
    pub(super) fn close_at_rest(&mut self, queue: &mut Queue) -> Option<GivenUp> {
        let closes = match self.standing() {
            Standing::Lost => self.is_closing(),
            Standing::Resting => self.is_closing() && !self.sending.line.has_messages(),
            _ => false,
        };
        let ends = self.restoring.as_mut().and_then(|one| one.ends.take());
        closes.then(|| self.give_up(ends.unwrap_or(ChannelError::Closed), queue))
    }

    /// Queues `channel.open` and `confirm.select`, and what waits behind them.
    fn open_anew(&mut self, now: Instant, queue: &mut Queue) {
        let Some(renewal) = &mut self.renewal else {
            return;
        };
        let closing = renewal.is_closing();
        let [open, select] = renewal.open(now);
        self.stand.set(Standing::Opening);
        self.sending.line.set_held(false);
        queue.deadline.note(open.deadline);
        let id = self.sending.id();
        queue.small.append_raw(&channel::Open {}.to_frame(id));
        self.sending.await_reply(open, queue);
        let confirm = confirm::Select { no_wait: false };
        queue.small.append_raw(&confirm.to_frame(id));
        self.sending.await_reply(select, queue);
        self.sending.release(queue);
        if closing {
            // The program has closed it meanwhile: that is behind what was to be sent.
            self.stand.set(Standing::Closing);
        }
    }
}
