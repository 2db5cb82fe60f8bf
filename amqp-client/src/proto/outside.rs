//! What the core reaches outside of itself: the state that it shares with the handles, the time
//! that the driver has told, and the tasks that are to be woken.
//!
//! Parts of the core that change something for a caller, a consumer or the broker are lent this. It
//! never calls a waker by itself: wakers are gathered here, and called by the core when no lock is
//! held.

use std::sync::{Arc, MutexGuard};
use std::task::Waker;
use std::time::Instant;

use amqp_spec::basic;

use crate::error::ChannelError;
use crate::message::Settlement;
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::{Event, Source};
use crate::proto::recovery::Record;
use crate::proto::send::outbox::{Order, Outbox, Refused, Wake};
use crate::proto::send::request::{Barrier, Effect, Reply, Slot};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::time::after;
use crate::proto::wait;

/// What the core reaches outside of itself.
pub(crate) struct Outside {
    shared: Arc<ConnectionShared>,
    /// Called when no lock is held.
    wakers: Vec<Waker>,
    /// The latest time that the driver told.
    now: Instant,
    /// What is known of the present stream.
    stream: StreamState,
    /// What a recovery declares again.
    record: Record,
    /// There may be a recovery.
    records: bool,
    /// Channels that are in use, with consumers that are to be started again.
    pending: Vec<ChannelUse>,
    /// Channels that the broker has closed, with consumers that outlive that.
    closed: Vec<Arc<ChannelShared>>,
}

#[derive(Default)]
struct StreamState {
    /// Our `connection.close` has been written: deliveries are of no use any more.
    said_goodbye: bool,
    /// Publishers wait for what is brought back on it.
    comes_back: bool,
    /// More answers are parked on this channel than may be.
    unanswerable: Option<u16>,
}

impl Outside {
    pub(crate) fn new(shared: Arc<ConnectionShared>, records: bool, now: Instant) -> Self {
        Self {
            shared,
            wakers: Vec::new(),
            now,
            stream: StreamState::default(),
            record: Record::default(),
            records,
            pending: Vec::new(),
            closed: Vec::new(),
        }
    }

    /// The broker has closed this channel, and some of its consumers outlive that.
    pub(crate) fn note_closed(&mut self, channel: Arc<ChannelShared>) {
        self.closed.push(channel);
    }

    /// The channels that were noted.
    pub(crate) fn take_closed(&mut self) -> Vec<Arc<ChannelShared>> {
        std::mem::take(&mut self.closed)
    }

    /// A consumer of this channel, which is in use, is to be started again.
    pub(crate) fn note_pending(&mut self, at: ChannelUse) {
        self.pending.push(at);
    }

    /// Whether something was noted that the broker has ended, and that is to come back.
    #[inline]
    pub(crate) fn has_pending(&self) -> bool {
        !(self.pending.is_empty() && self.closed.is_empty())
    }

    /// The channels that were noted.
    pub(crate) fn take_pending(&mut self) -> Vec<ChannelUse> {
        std::mem::take(&mut self.pending)
    }

    /// What a recovery declares again.
    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// The broker has answered a request with this payload.
    pub(crate) fn answered(&mut self, sent: &[u8], reply: &[u8]) {
        self.record.answered(sent, reply);
        self.renames_may_have_changed();
    }

    /// A request with this payload is not answered any more.
    pub(crate) fn unanswered(&mut self, sent: &[u8]) {
        self.record.unanswered(sent);
        self.renames_may_have_changed();
    }

    /// A queue that the broker has named has another name.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        self.record.renamed(from, to);
        self.renames_may_have_changed();
    }

    fn renames_may_have_changed(&mut self) {
        if let Some(renames) = self.record.take_renames() {
            self.shared.set_renames(renames);
        }
    }

    /// A consumer of this queue has started, which was asked for by the program.
    pub(crate) fn consumer_started(&mut self, queue: &ConsumerQueue) {
        if self.records {
            self.record.consumer_started(&queue.source);
        }
    }

    /// A consumer of this queue has ended, or is not started once more.
    pub(crate) fn consumer_ended(&mut self, queue: &ConsumerQueue) {
        if self.records {
            self.record.consumer_ended(&queue.source);
            self.renames_may_have_changed();
        }
    }

    /// Another stream has been connected.
    pub(crate) fn begin_stream(&mut self, now: Instant) {
        self.stream = StreamState {
            comes_back: true,
            ..StreamState::default()
        };
        self.now = now;
    }

    /// What publishers wait for is back.
    pub(crate) fn open_gates(&mut self) {
        self.stream.comes_back = false;
        self.outbox().open_gates(self.now);
    }

    /// Whether the stream is read whatever consumers hold: what comes behind our
    /// `connection.close` is not kept, and what a recovery waits for comes in front of anything
    /// that is not bounded.
    #[inline]
    pub(crate) fn reads_all(&self) -> bool {
        self.stream.said_goodbye || self.stream.comes_back
    }

    #[inline]
    pub(crate) fn shared(&self) -> &Arc<ConnectionShared> {
        &self.shared
    }

    #[inline]
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.shared.outbox()
    }

    #[inline]
    pub(crate) fn wakers(&mut self) -> &mut Vec<Waker> {
        &mut self.wakers
    }

    /// The shared state, and the wakers beside it.
    #[inline]
    pub(crate) fn split(&mut self) -> (&Arc<ConnectionShared>, &mut Vec<Waker>) {
        (&self.shared, &mut self.wakers)
    }

    #[inline]
    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    #[inline]
    pub(crate) fn set_now(&mut self, now: Instant) {
        self.now = now;
    }

    /// Whether our `connection.close` has been written.
    #[inline]
    pub(crate) fn has_said_goodbye(&self) -> bool {
        self.stream.said_goodbye
    }

    #[inline]
    pub(crate) fn say_goodbye(&mut self) {
        self.stream.said_goodbye = true;
    }

    /// The channel on which more answers are parked than may be, if there is one.
    #[inline]
    pub(crate) fn take_unanswerable(&mut self) -> Option<u16> {
        self.stream.unanswerable.take()
    }

    /// Calls the wakers. No lock is held.
    #[inline]
    pub(crate) fn wake_all(&mut self) {
        wait::wake_all(&mut self.wakers);
    }

    /// Tells all listeners.
    pub(crate) fn emit(&mut self, from: Source, event: &Event) {
        self.shared.emit(from, event, &mut self.wakers);
    }

    /// Gives the caller of a request its reply.
    pub(crate) fn reply(&mut self, slot: &Slot, payload: &[u8]) {
        let reply = Reply {
            payload: payload.to_vec(),
            message: None,
        };
        // A caller that has gone has left the effect to be undone, which has been done.
        let _ = slot.answer.settle(Ok(reply), &mut self.wakers);
    }

    /// Nothing answers these any more. What provoked that has been told.
    pub(crate) fn fail_requests(&mut self, slots: Vec<Slot>, error: &ChannelError) {
        let error = error.for_bystander();
        for slot in slots {
            // A caller that has gone does not care.
            let _ = slot.answer.settle(Err(error.clone()), &mut self.wakers);
        }
    }

    /// Queues what the broker makes us say.
    pub(crate) fn answer_broker(
        &mut self,
        id: u16,
        queue: impl FnOnce(&mut Order) -> Result<Wake, Refused>,
    ) {
        let (wake, too_many) = self.outbox().order_mut().answer(id, queue);
        wake.not_amid_a_turn();
        if too_many {
            self.stream.unanswerable = Some(id);
        }
    }

    /// Gives a delivery back to the broker.
    pub(crate) fn requeue(&mut self, at: ChannelUse, delivery_tag: u64) {
        self.settle(at, delivery_tag, Settlement::Nack { requeue: true });
    }

    /// Settles a delivery that the program has not seen.
    pub(crate) fn settle(&mut self, at: ChannelUse, delivery_tag: u64, settlement: Settlement) {
        self.answer_broker(at.channel, |order| {
            let settled = order.settle(at, delivery_tag, settlement);
            settled.map(Option::unwrap_or_default)
        });
    }

    /// Cancels a consumer for which no caller waits.
    pub(crate) fn cancel_unawaited(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        self.cancel_with(Barrier::Requests, at, queue);
    }

    /// The same; what follows on the channel need not wait for the answer.
    pub(crate) fn cancel_in_passing(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        self.cancel_with(Barrier::Nothing, at, queue);
    }

    fn cancel_with(&mut self, barrier: Barrier, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        let deadline = after(self.now, self.shared.request_timeout);
        let effect = Effect::Cancel(Arc::clone(queue));
        let slot = Slot::new::<basic::Cancel<'_>>(Arc::default(), self.now, deadline)
            .with_barrier(barrier)
            .with_effect(effect);
        let queued = self.outbox().order_mut().cancel(at, queue, slot);
        if let Some(Ok(wake)) = queued {
            wake.not_amid_a_turn();
        }
    }

    /// Drops the bodies that are never sent, without a lock.
    pub(crate) fn drop_bodies(&self) {
        let bodies = self.outbox().order_mut().take_bodies();
        drop(bodies);
    }
}
