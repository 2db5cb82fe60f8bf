//! The consumers of a channel, from `basic.consume` to the answer to `basic.cancel`, and the limits
//! (`basic.qos`) that they are started under. Both are decided with the order of what is sent, so
//! they stand under the outbox's lock.
//!
//! ```text
//! Requested ──consume-ok──▶ Active ──basic.cancel queued──▶ Cancelling ──cancel-ok──▶ gone
//!     └─ not wanted any more: cancelled at consume-ok
//! ```
//!
//! RabbitMQ closes the connection (530) when a tag is used twice on a channel. A tag is taken from
//! the moment at which `basic.consume` is queued; it is free again behind `basic.cancel`.

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::wire::ShortStr;

use super::settled::Settled;
use super::{OutChannel, Outbox, Refused, Wake};
use crate::proto::channel_use::ChannelUse;
use crate::proto::send::request::{Effect, Slot};
use crate::proto::shared::consumer::ConsumerQueue;

/// The consumers of one channel.
///
/// Each is held by the core or by its request as well, so that taking one out of here, under the
/// lock, drops nothing but a reference.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    by_tag: BTreeMap<Vec<u8>, (Arc<ConsumerQueue>, Phase)>,
    limits: Limits,
    /// Where deliveries are settled by number.
    pub(super) settled: Option<Settled>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// `basic.consume` is queued or sent.
    Requested { wanted: bool },
    /// The broker has started it.
    Active,
    /// `basic.cancel` is queued or sent: the tag may be used again.
    Cancelling,
}

/// What `basic.qos` has said on the channel. RabbitMQ lifts the limit of the channel when it sets
/// that of consumers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Levels {
    /// For each consumer started afterwards; zero is no limit.
    consumer: u16,
    /// For all consumers of the channel together; zero is no limit.
    channel: u16,
}

impl Levels {
    fn set(&mut self, qos: &basic::Qos) {
        if qos.global {
            self.channel = qos.prefetch_count;
        } else {
            *self = Self {
                consumer: qos.prefetch_count,
                channel: 0,
            };
        }
    }
}

#[derive(Debug, Default)]
struct Limits {
    /// What the program has asked for with `Channel::basic_qos`.
    own: Option<Levels>,
    /// What was queued last, for whichever reason.
    queued: Levels,
}

/// The limit that a consumer is started under.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Prefetch {
    /// Nothing is ever unacknowledged.
    NotNeeded,
    /// A limit of its own.
    Own(u16),
    /// What the program has set for the channel; this, if it has set nothing.
    Channels { default: u16 },
}

impl Limits {
    /// What has to be said before a consumer is started, in this order.
    fn before(&self, prefetch: Prefetch) -> [Option<basic::Qos>; 2] {
        let say = |prefetch_count, global| basic::Qos {
            prefetch_size: 0,
            prefetch_count,
            global,
        };
        let wanted = match (prefetch, self.own) {
            (Prefetch::NotNeeded, _) => return [None, None],
            (Prefetch::Own(count), _) | (Prefetch::Channels { default: count }, None) => {
                return [Some(say(count, false)), None];
            }
            (Prefetch::Channels { .. }, Some(own)) => own,
        };
        let differs = self.queued.consumer != wanted.consumer;
        let lifted = differs || self.queued.channel != wanted.channel;
        [
            // To set the limit of consumers lifts that of the channel, even if it is the same again.
            (differs || (lifted && wanted.channel == 0)).then(|| say(wanted.consumer, false)),
            (lifted && wanted.channel > 0).then(|| say(wanted.channel, true)),
        ]
    }
}

/// Why a consumer was not started.
#[derive(Debug)]
pub(crate) enum NotStarted {
    /// A consumer of the channel has the tag.
    TagInUse,
    /// Nothing was queued.
    Refused(Refused),
}

impl OutChannel {
    /// A request that was parked is never sent: what it would have changed is as before.
    pub(super) fn undo(&mut self, dropped: &Slot) {
        match &dropped.effect {
            Effect::Consume(queue) => {
                let tag = queue.tag.as_bytes();
                if let Some(consumers) = &mut self.consumers {
                    let known = consumers.by_tag.get(tag);
                    if known.is_some_and(|(known, _)| Arc::ptr_eq(known, queue)) {
                        consumers.by_tag.remove(tag);
                    }
                }
            }
            Effect::Recover { before } if self.recoveries().next().is_none() => {
                self.recovered = *before;
            }
            _ => {}
        }
    }

    fn consumers(&mut self) -> &mut Consumers {
        self.consumers.get_or_insert_default()
    }

    /// What holds again if a `basic.recover` that is not answered is never sent: the same for each.
    fn recoveries(&mut self) -> impl Iterator<Item = &mut u64> {
        self.slots().filter_map(|slot| match &mut slot.effect {
            Effect::Recover { before } => Some(before),
            _ => None,
        })
    }
}

impl Outbox {
    /// Queues `basic.consume`, behind the limit that the consumer is to be started under: nothing
    /// comes between the two. `qos_slots` make the slots of the requests that set it. On a refusal
    /// nothing was queued.
    pub(crate) fn consume(
        &mut self,
        at: ChannelUse,
        consume: &basic::Consume<'_>,
        queue: &Arc<ConsumerQueue>,
        prefetch: Prefetch,
        slot: Slot,
        mut qos_slot: impl FnMut() -> Slot,
    ) -> Result<Vec<Wake>, NotStarted> {
        self.check_fits(consume)
            .map_err(|error| NotStarted::Refused(error.into()))?;
        let channel = self.channel(at).map_err(NotStarted::Refused)?;
        let consumers = channel.consumers();
        let tag = consume.consumer_tag.as_bytes();
        if consumers.takes(tag) {
            return Err(NotStarted::TagInUse);
        }
        let before = consumers.limits.before(prefetch);
        let mut wakes = Vec::new();
        for qos in before.into_iter().flatten() {
            let queued = self.request(at, &qos, qos_slot());
            wakes.push(queued.map_err(|(refused, _)| NotStarted::Refused(refused))?);
            self.note_limit(at, &qos);
        }
        let queued = self.request(at, consume, slot);
        wakes.push(queued.map_err(|(refused, _)| NotStarted::Refused(refused))?);
        if let Ok(channel) = self.channel(at) {
            let consumers = channel.consumers();
            // Known to be there, or not at all, where acknowledgements matter.
            let limit = match prefetch {
                Prefetch::NotNeeded => 0,
                Prefetch::Own(_) | Prefetch::Channels { .. } => consumers.limits.queued.consumer,
            };
            queue.started_under(limit);
            let entry = (Arc::clone(queue), Phase::Requested { wanted: true });
            consumers.by_tag.insert(tag.to_vec(), entry);
        }
        Ok(wakes)
    }

    /// Queues the program's own `basic.qos`.
    pub(crate) fn limit(
        &mut self,
        at: ChannelUse,
        qos: &basic::Qos,
        slot: Slot,
    ) -> Result<Wake, (Refused, Box<Slot>)> {
        let wake = self.request(at, qos, slot)?;
        self.note_limit(at, qos);
        if let Ok(channel) = self.channel(at) {
            let own = &mut channel.consumers().limits.own;
            own.get_or_insert_default().set(qos);
        }
        Ok(wake)
    }

    /// Queues `basic.recover`: behind it nothing can be settled that was delivered before its answer.
    pub(crate) fn recover(
        &mut self,
        at: ChannelUse,
        recover: &basic::Recover,
        mut slot: Slot,
    ) -> Result<Wake, (Refused, Box<Slot>)> {
        let before = match self.channel(at) {
            Ok(channel) => {
                let recovered = channel.recovered;
                channel
                    .recoveries()
                    .next()
                    .map_or(recovered, |before| *before)
            }
            Err(refused) => return Err((refused, Box::new(slot))),
        };
        slot.effect = Effect::Recover { before };
        let wake = self.request(at, recover, slot)?;
        if let Ok(channel) = self.channel(at) {
            channel.recovered = u64::MAX;
        }
        Ok(wake)
    }

    /// `basic.recover-ok` has come: deliveries up to this tag have gone back.
    pub(crate) fn recovered(&mut self, id: u16, delivery_tag: u64) {
        if let Some(channel) = self.channels.get_mut(usize::from(id)) {
            let mut another = false;
            for before in channel.recoveries() {
                *before = delivery_tag;
                another = true;
            }
            if !another {
                channel.recovered = delivery_tag;
            }
            let consumers = channel.consumers.as_mut();
            if let Some(settled) = consumers.and_then(|consumers| consumers.settled.as_mut()) {
                settled.skip_to(delivery_tag);
            }
        }
    }

    fn note_limit(&mut self, at: ChannelUse, qos: &basic::Qos) {
        if let Ok(channel) = self.channel(at) {
            channel.consumers().limits.queued.set(qos);
        }
    }

    fn consumers_of(&mut self, at: ChannelUse) -> Option<&mut Consumers> {
        let channel = self.channels.get_mut(usize::from(at.channel))?;
        let same_use = channel.incarnation == at.incarnation;
        channel.consumers.as_deref_mut().filter(|_| same_use)
    }

    /// The broker has started a consumer. False if it is to be cancelled at once, since it is not
    /// wanted any more.
    pub(crate) fn consumer_started(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) -> bool {
        let Some(phase) = self.phase(at, queue) else {
            return true;
        };
        let wanted = *phase != Phase::Requested { wanted: false };
        if matches!(phase, Phase::Requested { .. }) {
            *phase = Phase::Active;
        }
        wanted
    }

    /// Asks for the end of a consumer: queues `basic.cancel`, behind which its tag may be used again.
    /// `None` if that has been done, or will be as soon as the broker has started the consumer.
    pub(crate) fn cancel(
        &mut self,
        at: ChannelUse,
        queue: &Arc<ConsumerQueue>,
        slot: Slot,
    ) -> Option<Result<Wake, Refused>> {
        match self.phase(at, queue)? {
            phase @ Phase::Active => *phase = Phase::Cancelling,
            Phase::Requested { wanted } => {
                *wanted = false;
                return None;
            }
            Phase::Cancelling => return None,
        }
        let cancel = basic::Cancel {
            consumer_tag: queue.tag.as_ref(),
            no_wait: false,
        };
        let queued = self.request(at, &cancel, slot);
        Some(queued.map_err(|(refused, _)| refused))
    }

    /// A consumer has ended, or was never started.
    pub(crate) fn forget_consumer(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        let tag = queue.tag.as_bytes();
        if self.phase(at, queue).is_some() {
            if let Some(consumers) = self.consumers_of(at) {
                consumers.by_tag.remove(tag);
            }
        }
    }

    fn phase(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) -> Option<&mut Phase> {
        let consumers = self.consumers_of(at)?;
        let (known, phase) = consumers.by_tag.get_mut(queue.tag.as_bytes())?;
        // A tag may have gone to another consumer.
        Arc::ptr_eq(known, queue).then_some(phase)
    }

    /// The consumer of this tag: asked for, started, or being cancelled.
    pub(crate) fn consumer(
        &mut self,
        at: ChannelUse,
        tag: ShortStr<'_>,
    ) -> Option<Arc<ConsumerQueue>> {
        let (queue, _) = self.consumers_of(at)?.by_tag.get(tag.as_bytes())?;
        Some(Arc::clone(queue))
    }

    /// All consumers of a channel, whatever their phase.
    pub(crate) fn consumers(&mut self, at: ChannelUse) -> Vec<Arc<ConsumerQueue>> {
        let consumers = self.consumers_of(at);
        let all = consumers.into_iter().flat_map(|all| all.by_tag.values());
        all.map(|(queue, _)| Arc::clone(queue)).collect()
    }

    /// The tags of the consumers that the broker has started and that are not being cancelled, in
    /// order.
    pub(crate) fn consumer_tags(&mut self, at: ChannelUse) -> Vec<String> {
        let consumers = self.consumers_of(at);
        let all = consumers.into_iter().flat_map(|all| &all.by_tag);
        let active = all.filter(|(_, (_, phase))| *phase == Phase::Active);
        active
            .map(|(tag, _)| String::from_utf8_lossy(tag).into_owned())
            .collect()
    }

    /// The tags that are taken, in order.
    #[cfg(test)]
    pub(crate) fn tags_taken(&mut self, at: ChannelUse) -> Vec<String> {
        let consumers = self.consumers_of(at);
        let all = consumers.into_iter().flat_map(|all| &all.by_tag);
        let taken = all.filter(|(_, (_, phase))| *phase != Phase::Cancelling);
        taken
            .map(|(tag, _)| String::from_utf8_lossy(tag).into_owned())
            .collect()
    }
}

impl Consumers {
    /// Whether the tag is taken.
    fn takes(&self, tag: &[u8]) -> bool {
        let known = self.by_tag.get(tag);
        known.is_some_and(|(_, phase)| *phase != Phase::Cancelling)
    }
}
