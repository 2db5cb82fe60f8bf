//! The channels of a connection: the only place where one is looked up.

use std::sync::Arc;

use amqp_spec::wire::{MethodId, ShortStr};

use super::channel::OutChannel;
use super::consumers::{Consumers, ToStart};
use super::ids::Ids;
use super::queue::Queue;
use super::reopening::Closed;
use super::restoring::{Behind, LostRequests, WayBack};
use crate::error::{Entity, Provoker, method_name};
use crate::message::fingerprint::Fingerprint;
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Answer, Slot};
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::shared::lost::Suspects;

/// The sending sides of all channels.
#[derive(Debug)]
pub(crate) struct Channels {
    /// By id; grows to the highest id in use.
    table: Vec<OutChannel>,
    free: Ids,
    /// What the channel was that the broker has just closed, for the core to take.
    pub(super) closed: Option<(u16, Box<Closed>)>,
}

impl Channels {
    pub(super) fn new() -> Self {
        Self {
            table: vec![OutChannel::of_connection()],
            free: Ids::default(),
            closed: None,
        }
    }

    /// Another stream begins.
    pub(super) fn begin_stream(&mut self) {
        self.free.begin_stream();
    }

    #[inline]
    pub(super) fn get(&self, id: u16) -> Option<&OutChannel> {
        self.table.get(usize::from(id))
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u16) -> Option<&mut OutChannel> {
        self.table.get_mut(usize::from(id))
    }

    /// The channel, if it is this use of its id and takes something.
    #[inline]
    pub(super) fn accepting(&mut self, at: ChannelUse) -> Option<&mut OutChannel> {
        let channel = self.get_mut(at.channel)?;
        (channel.accepts(at) || channel.takes_requests(at)).then_some(channel)
    }

    /// The channel, if it is this use of its id.
    fn current(&mut self, at: ChannelUse) -> Option<&mut OutChannel> {
        self.get_mut(at.channel).filter(|channel| channel.is(at))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &OutChannel> {
        self.table.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut OutChannel> {
        self.table.iter_mut()
    }

    /// The ids of all channels that there have been, from that of the connection on. They are
    /// counted as `usize`: the last is 65535, and its successor is no id.
    pub(super) fn ids(&self) -> impl Iterator<Item = u16> + use<> {
        (0..self.table.len()).map_while(|id| u16::try_from(id).ok())
    }

    /// Takes this id, or the one that has been unused the longest, out of those that are free.
    /// `None` if it is in use, or all of `channel_max` are.
    pub(super) fn take_id(&mut self, channel_max: u16, id: Option<u16>) -> Option<u16> {
        let next = u16::try_from(self.table.len()).ok();
        let next = next.filter(|&id| id <= channel_max);
        let id = id.or_else(|| self.free.longest_unused(channel_max, next))?;
        for unused in self.table.len()..=usize::from(id) {
            let unused = u16::try_from(unused).ok()?;
            self.table.push(OutChannel::unused(unused));
            self.free.add(unused);
        }
        // Those that are in use are not among them.
        let freed = self.get(id)?.freed();
        self.free.take(id, freed).then_some(id)
    }

    /// Both sides are done with this use of the id.
    pub(super) fn free(&mut self, id: u16) {
        if let Some(channel) = self.table.get_mut(usize::from(id)) {
            channel.free(self.free.give_back(id));
        }
    }

    /// The stream is gone: as [`OutChannel::disconnect`].
    pub(super) fn disconnect(
        &mut self,
        id: u16,
        behind: Behind,
        queue: &mut Queue,
        lost: &mut LostRequests,
    ) {
        let Some(channel) = self.table.get_mut(usize::from(id)) else {
            return;
        };
        let was_free = channel.is_free();
        channel.disconnect(behind, queue, lost);
        if channel.is_free() && !was_free {
            self.free(id);
        }
    }

    /// Messages have been taken out of the small lane, perhaps: the requests behind them end sooner.
    pub(super) fn move_up(&mut self, queue: &mut Queue) {
        let last = queue.small.end();
        for id in queue.leaving.move_up(last) {
            if let Some(channel) = self.table.get_mut(usize::from(id)) {
                channel.sending.requests.move_up(last);
            }
        }
    }

    /// Whether there has been a channel with this id.
    pub(crate) fn was_used(&self, id: u16) -> bool {
        self.get(id).is_some_and(OutChannel::was_used)
    }

    /// Whether what stood in the channel's transaction was lost, and has not been rolled back.
    pub(crate) fn has_lost_transaction(&self, at: ChannelUse) -> bool {
        let channel = self.get(at.channel).filter(|channel| channel.is_used(at));
        channel.is_some_and(|channel| channel.settling.has_lost_transaction())
    }

    /// Whether the channel is brought back on this stream, and not all of it is there.
    pub(crate) fn is_restoring(&self, id: u16) -> bool {
        self.get(id).is_some_and(OutChannel::is_restoring)
    }

    /// How far this use of a channel is on its way back.
    pub(crate) fn way_back(&self, id: u16) -> WayBack {
        let channel = self.get(id);
        channel.map_or(WayBack::Gone, |channel| channel.standing().way_back())
    }

    /// What opens a channel and has not been answered in time, if that is so.
    pub(crate) fn overdue_opening(&self, id: u16) -> Option<&'static str> {
        self.get(id)?.sending.requests.overdue_opening()
    }

    /// The consumers of a channel that wait to be started on this stream.
    pub(crate) fn to_start(&self, id: u16) -> Vec<ToStart> {
        let consumers = self.get(id).and_then(OutChannel::look_at_consumers);
        consumers.map_or_else(Vec::new, |all| all.to_start().collect())
    }

    /// How many those are.
    pub(crate) fn n_to_start(&self, id: u16) -> usize {
        let consumers = self.get(id).and_then(OutChannel::look_at_consumers);
        consumers.map_or(0, Consumers::n_to_start)
    }

    /// The consumers of a channel that had been started, and are not back.
    pub(crate) fn not_back(&self, id: u16) -> Vec<Arc<ConsumerQueue>> {
        let consumers = self.get(id).and_then(OutChannel::look_at_consumers);
        consumers.map_or_else(Vec::new, |all| all.not_back().collect())
    }

    /// The channels that are being restored, but for the recovery's own.
    pub(crate) fn restoring(&self) -> impl Iterator<Item = ChannelUse> {
        let all = self.table.iter();
        let restoring = all.filter(|channel| channel.is_restoring() && !channel.is_scratch());
        restoring.map(OutChannel::at)
    }

    /// A consumer that waits for another stream is not started there. Returns the request of the
    /// program that waits for it.
    pub(crate) fn drop_lost_consumer(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
    ) -> Option<Slot> {
        self.current(at)?.drop_lost_consumer(queue)
    }

    /// What a channel was that the broker has closed.
    pub(crate) fn take_closed(&mut self, id: u16) -> Option<Box<Closed>> {
        let closed = self.closed.take_if(|(closed, _)| *closed == id)?;
        Some(closed.1)
    }

    /// Whether the id is in use, at least until a close is complete.
    pub(crate) fn is_in_use(&self, id: u16) -> bool {
        self.get(id).is_some_and(|channel| !channel.is_free())
    }

    /// Whether the broker has not closed the channel yet: it does so once. To answer each of many
    /// would cost a look at all that is queued.
    pub(crate) fn is_open_at_broker(&self, id: u16) -> bool {
        let channel = self.get(id);
        channel.is_some_and(|channel| channel.standing().is_open_at_broker())
    }

    /// `channel.open-ok` has come: a life begins, behind deliveries with numbers up to this one.
    pub(crate) fn opened(&mut self, id: u16, delivered: u64) {
        if let Some(channel) = self.get_mut(id) {
            channel.opened(delivered);
        }
    }

    /// Whether a `channel.close-ok` that answers nothing of the present is the answer to a close
    /// that was overdue when the id became free; it comes once. RabbitMQ's channels answer each for
    /// itself, so that it may even come behind the next `open-ok`. While a close of the present use
    /// waits for its answer the two cannot be told apart, and the other one is left over.
    pub(crate) fn forgive_close_ok(&mut self, id: u16) -> bool {
        self.get_mut(id).is_some_and(OutChannel::take_owed_close_ok)
    }

    /// The channel ends when the broker closes it, although a publisher owns it.
    pub(crate) fn end_when_closed(&mut self, at: ChannelUse) {
        if let Some(renewal) = self.accepting(at).and_then(OutChannel::renewal) {
            renewal.give_up();
        }
    }

    // Publishes

    /// The number of the last publish on the channel.
    pub(crate) fn published(&self, id: u16) -> u64 {
        let channel = self.get(id);
        channel.map_or(0, |channel| channel.publishing.published())
    }

    /// How many of these publishes have no number: their channels did not confirm when they were
    /// queued.
    pub(crate) fn n_plain(&self, unsent: &Unwritten) -> u64 {
        let plain = |channel: &OutChannel| {
            let numbered = channel.publishing.published();
            unsent.of(channel.at().channel).saturating_sub(numbered)
        };
        self.iter().map(plain).sum()
    }

    /// The number of the last publish of this use of a channel; `None` when its id has been taken
    /// by another.
    pub(crate) fn published_by(&self, at: ChannelUse) -> Option<u64> {
        let channel = self.get(at.channel).filter(|channel| channel.is(at))?;
        Some(channel.publishing.published())
    }

    /// Remembers that the last publish of a channel may come back.
    #[inline]
    pub(crate) fn expect_return(&mut self, at: ChannelUse, fingerprint: Fingerprint, size: usize) {
        if let Some(channel) = self.get_mut(at.channel) {
            let is_current = channel.is(at);
            channel
                .publishing
                .expect_return(fingerprint, size, is_current);
        }
    }

    /// The number of the last publish on the channel. All up to `resolved` have been answered, and
    /// do not come back any more.
    pub(crate) fn answered(&mut self, id: u16, resolved: u64) -> u64 {
        let Some(channel) = self.get_mut(id) else {
            return 0;
        };
        channel.publishing.answered(resolved);
        channel.publishing.published()
    }

    /// The size of the largest message of the channel that may come, or have come, back.
    pub(crate) fn largest_mandatory(&self, id: u16) -> u64 {
        let channel = self.get(id);
        channel.map_or(0, |channel| channel.publishing.largest_mandatory())
    }

    /// Finds the publish that a returned message belongs to.
    pub(crate) fn claim_returned(
        &mut self,
        id: u16,
        fingerprint: Fingerprint,
        is_unanswered: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let publishing = &mut self.get_mut(id)?.publishing;
        publishing.claim_returned(fingerprint, is_unanswered)
    }

    /// Which of the publishes that were sent and are not answered the broker may have closed the
    /// channel for, as it says over this.
    pub(crate) fn suspects(
        &self,
        id: u16,
        about: Option<&Entity>,
        unanswered: impl Iterator<Item = u64>,
    ) -> Suspects {
        let channel = self.get(id);
        channel.map_or(Suspects::Unknown, |channel| {
            channel.publishing.suspects(about, unanswered)
        })
    }

    // Requests

    /// Looks at the requests of a channel that have been sent and not been answered.
    pub(crate) fn requests(&self, id: u16) -> impl Iterator<Item = &Slot> {
        let channel = self.get(id).into_iter();
        channel.flat_map(|channel| channel.sending.requests.iter())
    }

    /// What the request was about that the broker closes this channel for (0: the connection, of
    /// which it does not say on which channel). It is of this method and one of the oldest, since
    /// everything before it has been answered; of several the broker's text must tell which. Also
    /// gives where those wait that have asked for them.
    pub(crate) fn provoker(&self, id: u16, method: MethodId) -> (Provoker, Vec<Arc<Answer>>) {
        let name = method_name(method);
        let mut provoker = Provoker::default();
        let mut answers = Vec::new();
        let channels = self.table.iter().enumerate().skip(1);
        let asked = channels.filter(|&(other, _)| id == 0 || other == usize::from(id));
        for (_, channel) in asked {
            if channel.sending.requests.forgot() {
                provoker.add_unknown();
            }
            for slot in channel.sending.requests.iter() {
                if Some(slot.name) == name {
                    provoker.add(&slot.answer.about);
                    answers.push(Arc::clone(&slot.answer));
                }
                if slot.has_reply() {
                    break;
                }
            }
        }
        (provoker, answers)
    }

    // Consumers

    /// The consumers of this use of a channel; `None` if there are none.
    pub(super) fn consumers_of(&mut self, at: ChannelUse) -> Option<&mut Consumers> {
        self.current(at)?.consumers_if_any()
    }

    /// The broker has started a consumer. False if it is to be cancelled at once, since it is not
    /// wanted any more.
    pub(crate) fn consumer_started(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) -> bool {
        let consumers = self.consumers_of(at);
        consumers.is_none_or(|consumers| consumers.started(queue))
    }

    /// As [`Consumers::wait_again`].
    pub(crate) fn consumer_waits_again(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
    ) -> bool {
        let consumers = self.consumers_of(at);
        consumers.is_some_and(|consumers| consumers.wait_again(queue))
    }

    /// A consumer has ended, or was never started.
    pub(crate) fn forget_consumer(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        if let Some(consumers) = self.consumers_of(at) {
            consumers.forget(queue);
        }
    }

    /// The consumer of this tag: asked for, started, or being cancelled.
    pub(crate) fn consumer(
        &mut self,
        at: ChannelUse,
        tag: ShortStr<'_>,
    ) -> Option<Arc<ConsumerQueue>> {
        self.consumers_of(at)?.get(tag)
    }

    /// All consumers of a channel, whatever their phase.
    pub(crate) fn consumers(&mut self, at: ChannelUse) -> Vec<Arc<ConsumerQueue>> {
        let consumers = self.consumers_of(at);
        consumers.map_or_else(Vec::new, |consumers| consumers.all())
    }

    /// The tags of the consumers that the broker has started and that are not being cancelled, in
    /// order.
    pub(crate) fn consumer_tags(&mut self, at: ChannelUse) -> Vec<String> {
        let consumers = self.consumers_of(at);
        consumers.map_or_else(Vec::new, |consumers| consumers.tags())
    }

    /// Whether a `basic.cancel` of this consumer waits for its reply, and has time left.
    pub(crate) fn is_cancelled_in_time(&self, at: ChannelUse, queue: &Arc<ConsumerQueue>) -> bool {
        let channel = self.get(at.channel).filter(|channel| channel.is(at));
        channel.is_some_and(|channel| channel.sending.is_cancelled_in_time(queue))
    }

    /// `basic.recover-ok` has come: deliveries up to this tag have gone back.
    pub(crate) fn recovered(&mut self, id: u16, delivery_tag: u64) {
        if let Some(channel) = self.get_mut(id) {
            channel.recovered(delivery_tag);
        }
    }
}

/// What tests look at.
#[cfg(test)]
impl Channels {
    /// How many publishes have been looked at to find returned ones.
    pub(crate) fn n_looks(&self, id: u16) -> u64 {
        let mandatory = self.table[usize::from(id)].publishing.mandatory();
        mandatory.map_or(0, |mandatory| mandatory.looks)
    }

    /// How many publishes may come back, and for how many there is memory.
    pub(crate) fn n_expected(&self, id: u16) -> (usize, usize) {
        let mandatory = self.table[usize::from(id)].publishing.mandatory();
        mandatory.map_or((0, 0), |mandatory| mandatory.n_expected())
    }

    /// The tags that are taken on a channel, in order.
    pub(crate) fn tags_taken(&mut self, at: ChannelUse) -> Vec<String> {
        let consumers = self.consumers_of(at);
        consumers.map_or_else(Vec::new, |consumers| consumers.tags_taken())
    }

    /// How many channel ids have an entry.
    pub(crate) fn n_known(&self) -> usize {
        self.table.len()
    }

    /// How many channel ids are in use.
    pub(crate) fn n_in_use(&self) -> usize {
        let channels = self.table.iter().skip(1);
        channels.filter(|channel| !channel.is_free()).count()
    }
}
