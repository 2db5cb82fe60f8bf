//! What a recovery sends to bring channels back on another stream: past what waits in their lines.
//!
//! A channel is opened and made what it was, gets its consumers one after the other, and is let go
//! when all of it is there. What the broker closes over one of these requests is lost once more.

use std::sync::Arc;

use amqp_spec::frame::FrameTooLarge;
use amqp_spec::wire::TypedMethod;
use amqp_spec::{basic, channel};

use super::channel::OutChannel;
use super::channels::Channels;
use super::queue::Queue;
use super::repeatable::method_frame;
use super::restoring::{self, Again, LostRequests, Restoring};
use super::standing::Standing;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Answer, Effect, Slot};
use crate::proto::shared::consumer::ConsumerQueue;

/// What is asked for to start a consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Starts<'q> {
    /// Its tag is free.
    TagFree,
    Limit,
    Consumer(&'q Arc<ConsumerQueue>),
}

/// Brings channels back.
#[derive(Debug)]
pub(crate) struct Restorer<'o> {
    channels: &'o mut Channels,
    queue: &'o mut Queue,
}

impl<'o> Restorer<'o> {
    pub(super) fn new(channels: &'o mut Channels, queue: &'o mut Queue) -> Self {
        Self { channels, queue }
    }

    /// Takes an id for a channel of the recovery's own, and queues `channel.open` for it. `None` if
    /// none is free.
    pub(crate) fn open_scratch(
        &mut self,
        channel_max: u16,
        slot: impl FnOnce(ChannelUse) -> Slot,
    ) -> Option<ChannelUse> {
        let id = self.channels.take_id(channel_max, None)?;
        let channel = self.channels.get_mut(id)?;
        let at = channel.begin();
        channel.restoring = Some(Box::new(Restoring::scratch()));
        channel.sending.line.set_held(true);
        pass(
            channel,
            &channel::Open {}.to_frame(id),
            slot(at),
            self.queue,
        );
        Some(at)
    }

    /// The recovery does not need its channel any more: queues `channel.close`.
    pub(crate) fn close_scratch(&mut self, at: ChannelUse, close: Slot) {
        let channel = self.channels.get_mut(at.channel);
        let Some(channel) = channel.filter(|channel| channel.is(at)) else {
            return;
        };
        channel.restoring = None;
        channel.sending.line.set_held(false);
        match channel.standing() {
            // The answer to its opening may still be on its way.
            Standing::Open | Standing::Opening => {
                channel.stand.set(Standing::Closing);
                let frame = restoring::close(at.channel);
                pass(channel, &frame, close, self.queue);
            }
            Standing::Lost => self.channels.free(at.channel),
            _ => {}
        }
    }

    /// Opens a channel that was open on the stream before, and makes it what it was; `slot` makes
    /// the slot of a request that is none of the program's. False if there is nothing to open.
    pub(crate) fn open_lost(&mut self, id: u16, mut slot: impl FnMut(Again) -> Slot) -> bool {
        let Some(channel) = self.channels.get_mut(id) else {
            return false;
        };
        if channel.standing() != Standing::Lost || channel.is_closing() {
            return false;
        }
        channel.stand.set(Standing::Opening);
        channel.sending.line.set_held(true);
        let restoring = channel.restoring.get_or_insert_default();
        let open = restoring.opening.take();
        let open = open.unwrap_or_else(|| slot(Again::Open));
        pass(channel, &channel::Open {}.to_frame(id), open, self.queue);
        let limits = channel.consumers().own_limits();
        let modes = channel.modes();
        for (again, frame) in restoring::modes_and_limits(id, modes, limits) {
            pass(channel, &frame, slot(again), self.queue);
        }
        channel.consumers().note_own_limits();
        true
    }

    /// Queues a method, given by its payload.
    pub(crate) fn pass(&mut self, id: u16, payload: &[u8], slot: Slot) {
        if let Some(channel) = self.channels.get_mut(id) {
            pass(channel, &method_frame(id, payload), slot, self.queue);
        }
    }

    /// Starts a consumer that waited for this stream, behind its limit. `slot` makes the slots of
    /// requests that are none of the program's. Gives where the answer to `basic.consume` will be;
    /// `None` if the consumer does not wait.
    ///
    /// One that the broker has cancelled is cancelled once more: RabbitMQ 4.3 keeps the tag for its
    /// own when it has waited too long for an acknowledgement, and closes the connection (530) when
    /// that is used again. Where it has not kept it, it answers all the same.
    pub(crate) fn consume_lost(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
        consume: &[u8],
        mut slot: impl FnMut(Starts<'_>) -> Slot,
    ) -> Option<Arc<Answer>> {
        let channel = self.channels.get_mut(at.channel)?;
        if !channel.is_used(at) {
            return None;
        }
        let (prefetch, own) = channel.consumers().start_again(queue)?;
        if queue.waits_to_subscribe() {
            let cancel = basic::Cancel {
                consumer_tag: queue.tag.as_ref(),
                no_wait: false,
            };
            say_in_place(channel, &cancel, slot(Starts::TagFree), self.queue);
        }
        let before = channel.consumers().limits_before(prefetch);
        for qos in before.into_iter().flatten() {
            channel.consumers().note_limit(&qos);
            say_in_place(channel, &qos, slot(Starts::Limit), self.queue);
        }
        channel.consumers().note_started_under(queue, prefetch);
        let slot = own.unwrap_or_else(|| slot(Starts::Consumer(queue)));
        let answer = Arc::clone(&slot.answer);
        let consume = basic::Consume::decode(consume).ok()?;
        say_in_place(channel, &consume, slot, self.queue);
        Some(answer)
    }

    /// The broker has closed a channel over a request that restores it: queues `channel.close-ok`,
    /// and it is lost once more.
    pub(super) fn lose_again(&mut self, id: u16) -> LostRequests {
        let mut lost = LostRequests::default();
        let Some(channel) = self.channels.get_mut(id) else {
            return lost;
        };
        self.queue.answer_close(id);
        lost.failed = channel.sending.requests.take_all();
        if channel.standing() == Standing::Closing {
            // There is nothing to close any more.
            channel.restoring.get_or_insert_default().closing = true;
            self.queue.deadline.note(self.queue.now);
        }
        channel.stand.set(Standing::Lost);
        channel.resumed = true;
        let line = &mut channel.sending.line;
        let mut bodies = Vec::new();
        line.drop_frames(&mut self.queue.parking, &mut bodies);
        self.queue.dropped().append(&mut bodies);
        let mut transactions = channel.settling.disconnect();
        if let Some(transactions) = &mut transactions {
            let is_end = |slot: &Slot| matches!(slot.effect, Effect::EndTransaction(_));
            let ends = line.take_requests(is_end, &mut self.queue.parking);
            transactions.lose(ends, &mut lost);
        }
        channel.settling.begin_again(transactions);
        let consumers = channel.consumers();
        lost.failed.retain_mut(|slot| !consumers.takes_back(slot));
        lost.unwanted = consumers.disconnect();
        lost
    }

    /// Takes out what waits in the line of this channel, and does not fit into a frame on this
    /// stream: to send it would cost the connection.
    pub(super) fn take_too_large(&mut self, at: ChannelUse) -> Vec<(FrameTooLarge, Slot)> {
        let channel = self.channels.get_mut(at.channel);
        let Some(channel) = channel.filter(|channel| channel.is(at)) else {
            return Vec::new();
        };
        let Queue {
            frame_max, parking, ..
        } = &mut *self.queue;
        channel.sending.line.take_too_large(*frame_max, parking)
    }

    /// All of this channel is there: what waited in its line goes on; `translate` gives the payloads
    /// of requests that have to be said otherwise by now. False if it was not on its way back, or is
    /// not open.
    pub(super) fn let_go(
        &mut self,
        at: ChannelUse,
        translate: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> bool {
        let channel = self.channels.get_mut(at.channel);
        let Some(channel) = channel.filter(|channel| channel.is(at)) else {
            return false;
        };
        let line = &mut channel.sending.line;
        line.translate(at.channel, translate, &mut self.queue.parking);
        if channel.restoring.is_none() || channel.standing() == Standing::Lost {
            return false;
        }
        channel.restoring = None;
        channel.sending.line.set_held(false);
        let has_limit = channel.sending.has_limit_in_line();
        channel.consumers().limits_waited(has_limit);
        channel.sending.release(self.queue);
        true
    }
}

/// Queues a request that passes the line of its channel.
fn pass(channel: &mut OutChannel, frame: &[u8], slot: Slot, queue: &mut Queue) {
    queue.deadline.note(slot.deadline);
    queue.small.append_raw(frame);
    channel.sending.await_reply(slot, queue);
}

/// Queues a request of the recovery's: past the line of a channel that is brought back; of one that
/// is in use behind what the program has asked for.
fn say_in_place<'m, M: TypedMethod<'m>>(
    channel: &mut OutChannel,
    method: &M,
    slot: Slot,
    queue: &mut Queue,
) {
    if channel.is_restoring() {
        let mut payload = Vec::new();
        method.encode(&mut payload);
        let frame = method_frame(channel.at().channel, &payload);
        pass(channel, &frame, slot, queue);
    } else {
        // What does not fit is not answered in time.
        let _ = channel.request(method, slot, queue);
    }
}
