//! The sending side of one channel: what it takes, what it holds back, and how it ends.

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
use super::requests::Requests;
use super::sending::Sending;
use super::settling::{ByNumber, Settling};
use crate::error::ChannelError;
use crate::message::Body;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Effect, Slot};

/// Where a channel stands, as far as sending goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Standing {
    #[default]
    Free,
    Opening,
    Open,
    Closing,
    /// Both sides have closed it at once. The broker answers our close as well, and the id is not
    /// free before; RabbitMQ 4 loses that answer now and then, so that one day it is free anyway.
    Crossed,
    /// The broker has closed it, in the middle of a large body of ours. RabbitMQ discards the rest,
    /// but counts it: with `channel.close-ok` amid content it closes the connection with 505.
    Finishing,
    /// The broker has closed it, and it is opened anew in its place for the next publish.
    Resting,
    /// Closed by us without a word: the request that our close must not pass was not answered. The
    /// broker may still have it open, so that the id is not used again, unless it closes it too.
    GivenUp,
    /// Its stream is gone, and it has not been opened on another.
    Lost,
}

/// The sending side of one channel id.
#[derive(Debug)]
pub(super) struct OutChannel {
    /// Which use of the id this is; a handle of an earlier use is stale.
    incarnation: u32,
    standing: Standing,
    /// It was open on an earlier stream, or has been opened anew.
    resumed: bool,
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
}

impl OutChannel {
    /// An id that was never used.
    pub(super) fn unused(id: u16) -> Self {
        Self {
            incarnation: 0,
            standing: Standing::Free,
            resumed: false,
            close_ok_owed: false,
            freed: 0,
            publishing: Publishing::default(),
            settling: Settling::default(),
            sending: Sending::new(id, Requests::default()),
            consumers: None,
            renewal: None,
        }
    }

    /// Channel 0, which carries the connection's own methods.
    pub(super) fn of_connection() -> Self {
        Self {
            standing: Standing::Open,
            ..Self::unused(0)
        }
    }

    /// The next use of the id begins.
    pub(super) fn begin(&mut self) -> ChannelUse {
        let id = self.sending.id();
        let incarnation = self.incarnation.wrapping_add(1);
        *self = Self {
            incarnation,
            standing: Standing::Opening,
            close_ok_owed: self.close_ok_owed,
            sending: Sending::new(id, Requests::with_room_for_one()),
            ..Self::unused(id)
        };
        ChannelUse {
            channel: id,
            incarnation,
        }
    }

    /// The id is free, as the `freed`th; its channel is over.
    pub(super) fn free(&mut self, freed: u64) {
        self.standing = Standing::Free;
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

    /// Whether it is this use of the id, and open as far as we know, or to be opened on the next
    /// stream: what it takes until then waits in its line.
    #[inline]
    pub(super) fn accepts(&self, at: ChannelUse) -> bool {
        let takes = matches!(
            self.standing,
            Standing::Open | Standing::Opening | Standing::Lost
        );
        takes && self.is(at)
    }

    /// Whether it is this use of the id, and waits to be opened anew.
    pub(super) fn is_renewed(&self, at: ChannelUse) -> bool {
        let closing = self.renewal.as_ref().is_none_or(|one| one.is_closing());
        self.is(at) && self.rests() && !closing
    }

    /// Whether the broker has closed it, and it is or will be at rest.
    fn rests(&self) -> bool {
        matches!(self.standing, Standing::Resting | Standing::Finishing)
    }

    pub(super) fn is_free(&self) -> bool {
        self.standing == Standing::Free
    }

    /// Whether there has been a channel with this id.
    pub(super) fn was_used(&self) -> bool {
        self.incarnation > 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.standing == Standing::Open
    }

    /// Whether the broker has not closed it yet.
    pub(super) fn is_open_at_broker(&self) -> bool {
        match self.standing {
            Standing::Opening | Standing::Open | Standing::Closing | Standing::GivenUp => true,
            Standing::Free
            | Standing::Crossed
            | Standing::Finishing
            | Standing::Resting
            | Standing::Lost => false,
        }
    }

    /// Whether its publishes are answered, now or when it has been opened anew.
    pub(super) fn answers(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::Closing) || self.renewal.is_some()
    }

    /// Whether it counts as an open channel.
    pub(super) fn counts_as_open(&self) -> bool {
        matches!(self.standing, Standing::Open | Standing::Opening)
    }

    /// Whether the program closes it, and the close has its place in line.
    pub(super) fn is_closing(&self) -> bool {
        let renewed = self.renewal.as_ref().is_some_and(|one| one.is_closing());
        self.standing == Standing::Closing || (self.rests() && renewed)
    }

    pub(super) fn consumers(&mut self) -> &mut Consumers {
        self.consumers.get_or_insert_default()
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
        self.note_request(M::ID, &mut slot);
        self.sending.expect(must_wait, slot, queue);
        self.want(queue);
        Ok(sooner)
    }

    /// Some requests change the channel as soon as they have a place in line.
    fn note_request(&mut self, id: MethodId, slot: &mut Slot) {
        self.settling.end_transaction(slot);
        slot.after = self.publishing.published();
        if let Some(renewal) = &mut self.renewal {
            renewal.note_use(id);
        }
        if id == channel::Close::ID {
            // One that is opened anew first still has to say what it has accepted.
            if !self.rests() {
                self.standing = Standing::Closing;
            }
        } else if id == confirm::Select::ID {
            // Publishes behind it on the wire are numbered, whenever the reply comes.
            self.publishing.begin_confirming();
        } else if id == tx::Select::ID {
            self.settling.begin_transactions();
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
        if self.standing == Standing::Opening {
            self.standing = Standing::Open;
        }
        self.settling.begin_life(delivered);
        self.gone_back(delivered);
    }

    /// What was delivered has gone back to the broker.
    fn end_life(&mut self) {
        self.settling.end_life();
        self.resumed = true;
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
    /// reply, and whether the id is free.
    pub(super) fn closed_by_broker(&mut self, queue: &mut Queue) -> (Vec<Slot>, bool) {
        let close_sent = self.sending.requests.has_close();
        let slots = self.clear(queue);
        let close = slots.iter().find(|slot| close_sent && slot.is_close());
        if let Some(close) = close {
            queue.answer_close(self.sending.id());
            // Who asked for it knows enough with the broker's.
            self.sending.requests.push(close.for_nobody());
            self.standing = Standing::Crossed;
            return (slots, false);
        }
        self.standing = Standing::Finishing;
        let is_free = !self.sending.line.is_held() && self.finish(queue);
        (slots, is_free)
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
        if self.standing == Standing::Finishing {
            return self.finish(queue);
        }
        if self.standing == Standing::Closing && self.sending.requests.is_stuck() {
            // Our close is behind it, and may have to give the channel up.
            queue.deadline.note(queue.now);
        }
        self.sending.release(queue);
        false
    }

    /// Drops what was to be sent, but for the rest of a large body, and hands back the requests.
    pub(super) fn clear(&mut self, queue: &mut Queue) -> Vec<Slot> {
        // The core, or a request, holds each of them as well.
        self.consumers = None;
        self.renewal = None;
        self.sending.clear(queue)
    }

    /// The stream is gone: drops what was to be sent, and hands back the requests. The broker has
    /// closed all channels. One that was open stays in use; a publisher's own is opened anew for
    /// its next message.
    pub(super) fn disconnect(&mut self, queue: &mut Queue) -> Vec<Slot> {
        let slots = self.sending.clear(queue);
        self.sending.line.set_held(false);
        self.end_life();
        self.close_ok_owed = false;
        let goes_on = self.renewal.as_ref().is_some_and(|one| one.goes_on());
        self.standing = match self.standing {
            // Nothing of channel 0 outlives the stream but its being there.
            standing if self.sending.id() == 0 => standing,
            Standing::Open | Standing::Lost if !goes_on => Standing::Lost,
            _ if goes_on => Standing::Resting,
            _ => Standing::Free,
        };
        self.renewal = self.renewal.take().filter(|_| goes_on);
        if let Some(renewal) = &mut self.renewal {
            renewal.put_off();
            self.sending.line.set_held(true);
        }
        if self.standing == Standing::Lost {
            self.sending.line.set_held(true);
        }
        match &mut self.consumers {
            Some(consumers) if self.standing == Standing::Lost => consumers.disconnect(),
            consumers => *consumers = None,
        }
        slots
    }

    /// Opens it on the present stream, if it was open on the one before.
    #[cfg(test)]
    pub(super) fn open_lost(&mut self, now: Instant, within: Duration, queue: &mut Queue) {
        if self.standing == Standing::Lost {
            let deadline = crate::proto::time::after(now, within);
            let open = Slot::new::<channel::Open>(std::sync::Arc::default(), now, deadline)
                .with_effect(Effect::RenewChannel);
            self.standing = Standing::Opening;
            queue.deadline.note(deadline);
            queue
                .small
                .append_raw(&channel::Open {}.to_frame(self.sending.id()));
            self.sending.await_reply(open, queue);
            self.sending.line.set_held(false);
            self.sending.release(queue);
        }
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
        let gone_back = self.settling.gone_back();
        self.sending
            .recoveries()
            .next()
            .map_or(gone_back, |before| *before)
    }

    /// `basic.recover-ok` has come: deliveries up to this number have gone back.
    pub(super) fn recovered(&mut self, delivery_tag: u64) {
        self.gone_back(delivery_tag);
        self.settling.skip_to(delivery_tag);
    }

    /// Deliveries up to this number have gone back, and all others will if there is another
    /// `basic.recover` under way.
    fn gone_back(&mut self, delivery_tag: u64) {
        let mut another = false;
        for before in self.sending.recoveries() {
            *before = delivery_tag;
            another = true;
        }
        if !another {
            self.settling.set_gone_back(delivery_tag);
        }
    }

    // When time is up

    /// Visits its requests whose time is up. Returns those that are never sent.
    pub(super) fn expire_parked(
        &mut self,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
        queue: &mut Queue,
    ) -> Vec<Slot> {
        let mut dropped = self.sending.expire_parked(judge, queue);
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
        let stuck = self.standing == Standing::Closing && self.sending.is_close_stuck(queue);
        stuck.then(|| self.give_up(ChannelError::Closed, queue))
    }

    /// Closes it without a word to the broker, which may still have it open.
    fn give_up(&mut self, cause: ChannelError, queue: &mut Queue) -> GivenUp {
        let sent = self.sending.last_unparked(self.publishing.published());
        let slots = self.clear(queue);
        // The rest of a body that has begun still leaves, and `close-ok` may not stand amid content.
        let is_sending = queue.large.channels().any(|id| id == self.sending.id());
        self.sending.line.set_held(is_sending);
        self.standing = Standing::GivenUp;
        GivenUp {
            id: self.sending.id(),
            slots,
            sent,
            cause,
        }
    }

    /// The broker does not answer a close that its own has crossed: it is not waited for any
    /// longer. True if the id is free for that.
    pub(super) fn forget_crossed(&mut self) -> bool {
        let forgotten = self.standing == Standing::Crossed
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
        self.end_life();
        self.standing = Standing::Finishing;
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
        self.standing = Standing::Resting;
        self.sending.line.set_held(true);
        self.want(queue);
        true
    }

    /// Something waits in its line: if it rests it is opened for that.
    #[inline]
    fn want(&mut self, queue: &mut Queue) {
        if self.standing == Standing::Resting && !self.sending.line.is_empty() {
            if let Some(renewal) = &mut self.renewal {
                let due = renewal.want(queue.now, self.sending.line.has_messages());
                queue.deadline.note(due);
            }
        }
    }

    /// When it is to be opened anew, if it rests.
    pub(super) fn due(&self) -> Option<Instant> {
        let renewal = self.renewal.as_deref()?;
        if self.standing == Standing::Resting {
            renewal.due()
        } else {
            None
        }
    }

    /// Opens it if it rests and it is time. One that the broker does not open is given up.
    pub(super) fn renew_in_time(&mut self, now: Instant, queue: &mut Queue) -> Option<GivenUp> {
        if self.standing == Standing::Opening && self.renewal.is_some() {
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
        let closes = self.standing == Standing::Resting && self.is_closing();
        (closes && !self.sending.line.has_messages())
            .then(|| self.give_up(ChannelError::Closed, queue))
    }

    /// Queues `channel.open` and `confirm.select`, and what waits behind them.
    fn open_anew(&mut self, now: Instant, queue: &mut Queue) {
        let Some(renewal) = &mut self.renewal else {
            return;
        };
        let closing = renewal.is_closing();
        let [open, select] = renewal.open(now);
        self.standing = Standing::Opening;
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
            self.standing = Standing::Closing;
        }
    }
}
