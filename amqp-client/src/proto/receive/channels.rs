//! The channels as the core sees them: who their deliveries and confirms are for, and what uses of
//! channel ids leave behind.
//!
//! ```text
//! open ──the broker closes it──▶ resting ──opened anew──▶ open      the channel of a publisher
//! open ──closed────────────────▶ (gone)                             leaves strays to the next use
//! ```
//!
//! Deliveries and confirms are gathered while a read is parsed, and handed over once: one lock and
//! at most one wake-up for each consumer, one lock for each channel's run of confirms. What changes
//! a channel has them handed over first.

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::wire::TypedMethod;

use super::ack_run::AckRun;
use super::channel::{InChannel, Left, Strays};
use super::whole_delivery::WholeDelivery;
use crate::error::Violation;
use crate::message::{RawDelivery, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::outside::Outside;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::connection::ConnectionShared;
use crate::proto::shared::consumer::ConsumerQueue;

/// The channels of one connection, and what has been gathered for them.
pub(crate) struct InChannels {
    connection: Arc<ConnectionShared>,
    by_id: Vec<Option<Box<InChannel>>>,
    /// Channels that the broker has closed and that are opened anew.
    resting: BTreeMap<u16, Arc<ChannelShared>>,
    /// What uses of channel ids have left to the next, by id.
    strays: BTreeMap<u16, Box<Strays>>,
    /// Consumers that have deliveries to be handed over: channel id and position.
    dirty: Vec<(u16, usize)>,
    acks: AckRun,
    /// How many octets of deliveries with acknowledgements may be held; zero: any number.
    inbound_limit: usize,
}

impl InChannels {
    pub(crate) fn new(connection: Arc<ConnectionShared>, inbound_limit: usize) -> Self {
        Self {
            connection,
            by_id: Vec::new(),
            resting: BTreeMap::new(),
            strays: BTreeMap::new(),
            dirty: Vec::new(),
            acks: AckRun::default(),
            inbound_limit,
        }
    }

    #[inline]
    pub(crate) fn get(&self, id: u16) -> Option<&InChannel> {
        self.by_id.get(usize::from(id))?.as_deref()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: u16) -> Option<&mut InChannel> {
        self.by_id.get_mut(usize::from(id))?.as_deref_mut()
    }

    /// The channel of a frame; `None` if its frames are to be discarded.
    pub(crate) fn of_frame(&mut self, id: u16) -> Result<Option<&mut InChannel>, Violation> {
        match self.by_id.get_mut(usize::from(id)) {
            Some(Some(channel)) => Ok(Some(channel)),
            // Frames for a channel that has just been closed may still be under way.
            Some(None) if id != 0 && self.connection.outbox().channels().was_used(id) => Ok(None),
            _ => Err(Violation::UnknownChannel { channel: id }),
        }
    }

    /// The frames of a content follow each other on their channel (AMQP 0-9-1 §4.2.6).
    pub(crate) fn check_not_amid_content(
        &self,
        id: u16,
        method: &'static str,
    ) -> Result<(), Violation> {
        let channel = self.get(id);
        channel.map_or(Ok(()), |channel| channel.check_not_amid_content(method))
    }

    /// All that are open.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InChannel> {
        self.by_id.iter().flatten().map(AsRef::as_ref)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut InChannel> {
        self.by_id.iter_mut().flatten().map(AsMut::as_mut)
    }

    /// All consumers, and the channel of each.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (ChannelUse, &Arc<ConsumerQueue>)> {
        self.iter().flat_map(|channel| {
            let at = channel.at();
            channel.queues().map(move |queue| (at, queue))
        })
    }

    /// `channel.open-ok` has come.
    pub(crate) fn open(&mut self, id: u16, shared: Arc<ChannelShared>) {
        let index = usize::from(id);
        if self.by_id.len() <= index {
            self.by_id.resize_with(index + 1, || None);
        }
        let strays = self.strays.remove(&id);
        if let Some(channel) = self.by_id.get_mut(index) {
            *channel = Some(Box::new(InChannel::new(shared, strays)));
        }
    }

    /// Takes out a channel that is over, if it was open. One that the broker has closed leaves its
    /// strays to the next use of its id; after a close of ours RabbitMQ sends nothing more.
    pub(crate) fn close(
        &mut self,
        id: u16,
        by_broker: bool,
        outside: &Outside,
    ) -> Option<Box<InChannel>> {
        let mut channel = self.by_id.get_mut(usize::from(id))?.take()?;
        if by_broker {
            let left = channel.leave(outside.now());
            self.strays.extend(left.map(|left| (id, left)));
        }
        Some(channel)
    }

    /// A channel has been taken out, and is opened anew.
    pub(crate) fn rest(&mut self, shared: Arc<ChannelShared>) {
        self.resting.insert(shared.at.channel, shared);
    }

    /// These are opened on this stream, or the next.
    pub(crate) fn rest_all(&mut self, channels: BTreeMap<u16, Arc<ChannelShared>>) {
        self.resting.extend(channels);
    }

    /// All that rest.
    pub(crate) fn all_resting(&self) -> impl Iterator<Item = &Arc<ChannelShared>> {
        self.resting.values()
    }

    pub(crate) fn resting(&self, id: u16) -> Option<&Arc<ChannelShared>> {
        self.resting.get(&id)
    }

    pub(crate) fn take_resting(&mut self, id: u16) -> Option<Arc<ChannelShared>> {
        self.resting.remove(&id)
    }

    /// Takes out all that rest.
    pub(crate) fn take_all_resting(&mut self) -> BTreeMap<u16, Arc<ChannelShared>> {
        std::mem::take(&mut self.resting)
    }

    /// Takes out all that are open.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Box<InChannel>> + use<> {
        std::mem::take(&mut self.by_id).into_iter().flatten()
    }

    /// Takes a delivery that is at hand as a whole; false if it has to be looked at frame by frame.
    #[inline]
    pub(super) fn take_whole(&mut self, whole: &WholeDelivery<'_>) -> bool {
        let Some(channel) = self.get_mut(whole.channel) else {
            return false;
        };
        if !channel.content.is_idle() {
            return false;
        }
        let Some(consumer) = channel.find(whole.consumer_tag) else {
            return false;
        };
        let numbering = channel.numbering();
        if channel.gather(consumer, whole.copy(numbering)) {
            self.dirty.push((whole.channel, consumer));
        }
        true
    }

    /// Gathers a delivery for the consumer with this tag; gives it back if there is none.
    pub(super) fn gather(
        &mut self,
        id: u16,
        tag: &[u8],
        delivery: RawDelivery,
    ) -> Option<RawDelivery> {
        let Some(channel) = self.get_mut(id) else {
            return Some(delivery);
        };
        let Some(at) = channel.find(tag) else {
            return Some(delivery);
        };
        if channel.gather(at, delivery) {
            self.dirty.push((id, at));
        }
        None
    }

    /// Gathers a confirm.
    #[inline]
    pub(super) fn confirmed(
        &mut self,
        id: u16,
        (number, multiple, nack): (u64, bool, bool),
        outside: &mut Outside,
    ) -> Result<(), Violation> {
        if !self.acks.is_of(id) {
            self.begin_acks(id, nack, outside)?;
        }
        self.acks.push(number, multiple, nack);
        Ok(())
    }

    fn begin_acks(&mut self, id: u16, nack: bool, outside: &mut Outside) -> Result<(), Violation> {
        self.hand_over_confirms(outside);
        let method = if nack {
            basic::Nack::NAME
        } else {
            basic::Ack::NAME
        };
        self.of_frame(id)?;
        self.check_not_amid_content(id, method)?;
        self.acks.begin(id);
        Ok(())
    }

    /// Hands over what has been gathered. Wakers are left to be called.
    pub(crate) fn hand_over(&mut self, outside: &mut Outside) {
        self.hand_over_confirms(outside);
        self.hand_over_deliveries(outside);
    }

    pub(super) fn hand_over_confirms(&mut self, outside: &mut Outside) {
        let Some(id) = self.acks.end() else {
            return;
        };
        match self.by_id.get_mut(usize::from(id)) {
            Some(Some(channel)) => self.acks.settle(channel, outside),
            _ => self.acks.discard(),
        }
    }

    pub(super) fn hand_over_deliveries(&mut self, outside: &mut Outside) {
        if self.dirty.is_empty() {
            return;
        }
        let wanted = !outside.has_said_goodbye();
        let mut left = Left::default();
        for (id, at) in self.dirty.drain(..) {
            if let Some(Some(channel)) = self.by_id.get_mut(usize::from(id)) {
                channel.hand_over(at, wanted, &mut left, outside.wakers());
            }
        }
        self.see_to(left, outside);
    }

    /// Hands a delivery to the suspect with this tag, if it is one of this use of the channel; all
    /// that came before it has been handed over.
    pub(super) fn hand_to_suspect(
        &mut self,
        id: u16,
        tag: &[u8],
        delivery: RawDelivery,
        outside: &mut Outside,
    ) {
        let wanted = !outside.has_said_goodbye();
        let Some(channel) = self.get_mut(id) else {
            return;
        };
        let mut left = Left::default();
        if channel.hand_to_suspect(tag, delivery, wanted, &mut left, outside.wakers()) {
            self.see_to(left, outside);
        }
    }

    /// Gives back what nothing takes, and cancels what holds too much.
    fn see_to(&self, left: Left, outside: &mut Outside) {
        for (at, delivery_tag, settlement) in left.unwanted {
            outside.settle(at, delivery_tag, settlement);
        }
        for (at, queue) in left.overflown {
            outside.cancel_unawaited(at, &queue);
        }
        if self.inbound_limit > 0 && self.connection.reading.manual() > self.inbound_limit {
            self.shed(outside);
        }
    }

    /// Consumers with acknowledgements hold more than the connection may: those that hold most are
    /// cancelled, and what they have not taken goes back to the broker.
    #[cold]
    fn shed(&self, outside: &mut Outside) {
        let limit = self.inbound_limit;
        while self.connection.reading.manual() > limit {
            let manual = self.consumers().filter(|(_, queue)| !queue.no_ack);
            let most = manual.max_by_key(|(_, queue)| queue.untaken());
            let Some((at, queue)) = most.filter(|(_, queue)| queue.untaken() > 0) else {
                // They work on it.
                return;
            };
            let trace = &outside.shared().trace;
            trace.consumer_too_slow(at.channel, queue.tag.as_ref(), limit);
            let untaken = queue.end_too_slow(outside.wakers());
            // Before the deliveries go back, lest they come here again.
            outside.cancel_unawaited(at, queue);
            for delivery in untaken {
                let requeue = delivery.settled_by(Settlement::Nack { requeue: true });
                let tag = delivery.delivery_tag;
                let settled = outside.outbox().order_mut().settle(at, tag, requeue);
                settled.ok().flatten().unwrap_or_default().not_amid_a_turn();
            }
        }
    }

    /// The tags of the consumers that deliveries on this channel may be for.
    #[cfg(test)]
    pub(crate) fn consumer_tags(&self, id: u16) -> Vec<String> {
        self.get(id).map_or_else(Vec::new, InChannel::tags)
    }
}
