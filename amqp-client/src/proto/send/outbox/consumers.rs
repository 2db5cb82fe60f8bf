//! The consumers of a channel, from `basic.consume` to the answer to `basic.cancel`, and the limits
//! (`basic.qos`) that they are started under. Both are decided with the order of what is sent, so
//! they stand under the outbox's lock.
//!
//! ```text
//! Requested ──consume-ok──▶ Active ──basic.cancel queued──▶ Cancelling ──cancel-ok──▶ gone
//!   ▲ └─ not wanted any more: cancelled at consume-ok
//!   └──────────────────── Lost ◀──the stream is gone── Active, Requested
//!                          ▲──cancelled by the broker── Active, if it subscribes again by itself
//! ```
//!
//! RabbitMQ closes the connection (530) when a tag is used twice on a channel. A tag is taken from
//! the moment at which `basic.consume` is queued; it is free again behind `basic.cancel`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use amqp_spec::basic;
use amqp_spec::wire::{ShortStr, TypedMethod as _};

use super::overdue::Judge;
use super::refused::Refused;
use crate::proto::send::request::{Effect, Slot};
use crate::proto::shared::consumer::ConsumerQueue;

/// The consumers of one channel.
///
/// Each is held by the core or by its request as well, so that taking one out of here, under the
/// lock, drops nothing but a reference.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    by_tag: BTreeMap<Vec<u8>, Known>,
    limits: ConsumerLimits,
}

#[derive(Debug)]
struct Known {
    queue: Arc<ConsumerQueue>,
    phase: ConsumerPhase,
    /// How it was asked for, if it may be asked for once more.
    asked: Option<Box<Asked>>,
    /// The program's own request, if that has not been answered and waits for another stream.
    slot: Option<Box<Slot>>,
}

/// How a consumer is asked for.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The payload of `basic.consume`.
    pub(super) consume: Vec<u8>,
    pub(super) prefetch: Prefetch,
}

impl Asked {
    pub(super) fn new(consume: &basic::Consume<'_>, prefetch: Prefetch) -> Self {
        let mut payload = Vec::new();
        consume.encode(&mut payload);
        Self {
            consume: payload,
            prefetch,
        }
    }
}

/// A consumer that is to be started on the present stream.
#[derive(Debug)]
pub(crate) struct ToStart {
    pub(crate) queue: Arc<ConsumerQueue>,
    /// The payload of `basic.consume`.
    pub(crate) consume: Vec<u8>,
    /// The broker sends it no more than it acknowledges.
    pub(crate) is_bounded: bool,
    /// The program has asked for it meanwhile, and waits for the answer.
    pub(crate) is_awaited: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ConsumerPhase {
    /// The stream is gone, and it has not been asked for on the next; or the broker has cancelled
    /// it, and it has not been asked for again.
    Lost,
    /// `basic.consume` is queued or sent; `again`: it had been started before.
    Requested { wanted: bool, again: bool },
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

/// What the program has asked for with `Channel::basic_qos`, if it has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OwnLimits(Option<Levels>);

impl OwnLimits {
    /// As it is to be said once more, in this order.
    pub(super) fn to_say(self) -> [Option<basic::Qos>; 2] {
        let own = self.0.unwrap_or_default();
        [
            (own.consumer > 0).then(|| qos(own.consumer, false)),
            (own.channel > 0).then(|| qos(own.channel, true)),
        ]
    }
}

#[derive(Debug, Default)]
struct ConsumerLimits {
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

impl Prefetch {
    /// Whether the broker sends no more than is acknowledged, under what holds for the channel.
    fn is_bounded(self, own: Option<Levels>) -> bool {
        match self {
            Self::NotNeeded | Self::Own(0) => false,
            Self::Own(_) => true,
            Self::Channels { default } => match own {
                Some(own) => own.consumer > 0 || own.channel > 0,
                None => default > 0,
            },
        }
    }
}

impl ConsumerLimits {
    /// What has to be said before a consumer is started, in this order.
    fn before(&self, prefetch: Prefetch) -> [Option<basic::Qos>; 2] {
        let say = qos;
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
            // To set the limit of consumers lifts that of the channel, even if it is the same
            // again.
            (differs || (lifted && wanted.channel == 0)).then(|| say(wanted.consumer, false)),
            (lifted && wanted.channel > 0).then(|| say(wanted.channel, true)),
        ]
    }
}

/// A `basic.qos`.
fn qos(prefetch_count: u16, global: bool) -> basic::Qos {
    basic::Qos {
        prefetch_size: 0,
        prefetch_count,
        global,
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

/// What becomes of a wish to cancel a consumer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cancelling {
    /// `basic.cancel` is to be queued, behind which its tag may be used again.
    Now,
    /// The broker has none to cancel: its stream is gone.
    Done,
    /// That has been done, or will be as soon as the broker has started the consumer.
    ByItself,
}

impl Consumers {
    /// The stream is gone: what the broker was told has no meaning on the next. What the program
    /// has asked for holds there, too: those that were started, or are waited for, wait for it. Gives
    /// those that were not wanted any more.
    pub(super) fn disconnect(&mut self) -> Vec<Arc<ConsumerQueue>> {
        self.limits.queued = Levels::default();
        let mut unwanted = Vec::new();
        self.by_tag.retain(|_, known| {
            let goes_on = match known.phase {
                ConsumerPhase::Lost | ConsumerPhase::Active => true,
                ConsumerPhase::Requested {
                    wanted: true,
                    again,
                } => again || known.slot.is_some(),
                ConsumerPhase::Requested {
                    wanted: false,
                    again,
                } => {
                    if again {
                        unwanted.push(Arc::clone(&known.queue));
                    }
                    false
                }
                ConsumerPhase::Cancelling => false,
            };
            known.phase = ConsumerPhase::Lost;
            goes_on && known.asked.is_some()
        });
        unwanted
    }

    /// A request for a consumer that has not been answered: it waits for another stream, if its
    /// caller waits. Leaves an empty slot.
    pub(super) fn takes_back(&mut self, slot: &mut Slot) -> bool {
        let Effect::Consume(queue) = &slot.effect else {
            return false;
        };
        if slot.answer.is_settled() {
            return false;
        }
        let known = self.by_tag.get_mut(queue.tag.as_bytes());
        let Some(known) = known.filter(|known| Arc::ptr_eq(&known.queue, queue)) else {
            return false;
        };
        let empty = slot.for_nobody();
        let mut slot = std::mem::replace(slot, empty);
        slot.end = None;
        known.slot = Some(Box::new(slot));
        true
    }

    /// A consumer is asked for while its channel is being restored: it is started with all others.
    pub(super) fn wait(&mut self, queue: &Arc<ConsumerQueue>, asked: Asked, slot: Slot) {
        let known = Known {
            queue: Arc::clone(queue),
            phase: ConsumerPhase::Lost,
            asked: Some(Box::new(asked)),
            slot: Some(Box::new(slot)),
        };
        self.by_tag.insert(queue.tag.as_bytes().to_vec(), known);
    }

    /// Those that wait to be started on the present stream.
    pub(super) fn to_start(&self) -> impl Iterator<Item = ToStart> {
        let lost = self.by_tag.values();
        let lost = lost.filter(|known| known.phase == ConsumerPhase::Lost);
        let own = self.limits.own;
        lost.filter_map(move |known| {
            let asked = known.asked.as_ref()?;
            Some(ToStart {
                queue: Arc::clone(&known.queue),
                consume: asked.consume.clone(),
                is_bounded: asked.prefetch.is_bounded(own),
                is_awaited: known.slot.is_some(),
            })
        })
    }

    /// How many those are.
    pub(super) fn n_to_start(&self) -> usize {
        let lost = self.by_tag.values();
        let lost = lost.filter(|known| known.phase == ConsumerPhase::Lost && known.asked.is_some());
        lost.count()
    }

    /// One that waited is asked for now: under which limit, and the program's own request, if it
    /// waits.
    pub(super) fn start_again(
        &mut self,
        queue: &Arc<ConsumerQueue>,
    ) -> Option<(Prefetch, Option<Slot>)> {
        let known = self.known(queue)?;
        if known.phase != ConsumerPhase::Lost {
            return None;
        }
        let slot = known.slot.take();
        let again = slot.is_none();
        known.phase = ConsumerPhase::Requested {
            wanted: true,
            again,
        };
        let prefetch = known.asked.as_ref()?.prefetch;
        Some((prefetch, slot.map(|slot| *slot)))
    }

    /// Visits the requests of those that wait whose time is up. Returns those that are never sent.
    pub(super) fn expire(
        &mut self,
        id: u16,
        judge: &mut Judge<impl FnMut(u16, &Slot)>,
    ) -> Vec<Slot> {
        let mut dropped = Vec::new();
        self.by_tag.retain(|_, known| {
            if let Some(slot) = &mut known.slot {
                judge.judge(id, slot, false, true);
            }
            match known.slot.take_if(|slot| slot.overdue) {
                None => true,
                Some(slot) => {
                    dropped.push(*slot);
                    false
                }
            }
        });
        dropped
    }

    /// Those that had been started on an earlier stream, and have not been on the present one.
    pub(super) fn not_back(&self) -> impl Iterator<Item = Arc<ConsumerQueue>> {
        let all = self.by_tag.values().filter(|known| known.slot.is_none());
        let not_back = all.filter(|known| {
            let phase = known.phase;
            phase == ConsumerPhase::Lost
                || matches!(phase, ConsumerPhase::Requested { again: true, .. })
        });
        not_back.map(|known| Arc::clone(&known.queue))
    }

    /// The program's requests that wait for another stream.
    pub(super) fn take_waiting(&mut self) -> Vec<Slot> {
        let all = self.by_tag.values_mut();
        all.filter_map(|known| known.slot.take().map(|slot| *slot))
            .collect()
    }

    /// When the time of those that wait is up.
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let all = self.by_tag.values();
        all.filter_map(|known| known.slot.as_ref().map(|slot| slot.deadline))
    }

    /// The limits that the program has set, as they are to be set on another stream.
    pub(super) fn own_limits(&self) -> [Option<basic::Qos>; 2] {
        OwnLimits(self.limits.own).to_say()
    }

    /// The broker has closed the channel: what the program has asked for, to be asked for again.
    pub(super) fn keep(&self) -> (OwnLimits, Vec<(Arc<ConsumerQueue>, Asked)>) {
        let wanted = self.by_tag.values().filter(|known| match known.phase {
            ConsumerPhase::Requested { wanted, .. } => wanted,
            ConsumerPhase::Active | ConsumerPhase::Lost => true,
            ConsumerPhase::Cancelling => false,
        });
        let kept = wanted.filter_map(|known| {
            let asked = Asked::clone(known.asked.as_deref()?);
            Some((Arc::clone(&known.queue), asked))
        });
        (OwnLimits(self.limits.own), kept.collect())
    }

    /// The program had asked for these limits, which have not been queued.
    pub(super) fn set_own(&mut self, own: OwnLimits) {
        self.limits.own = own.0;
    }

    /// The limits that the program has set have been queued.
    pub(super) fn note_own_limits(&mut self) {
        self.limits.queued = self.limits.own.unwrap_or_default();
    }

    /// What waited is sent now: if the program's own limit is among it, that holds from then on.
    pub(super) fn limits_waited(&mut self, own: bool) {
        if let Some(limits) = self.limits.own.filter(|_| own) {
            self.limits.queued = limits;
        }
    }

    /// Whether the tag is taken.
    pub(super) fn takes(&self, tag: &[u8]) -> bool {
        let known = self.by_tag.get(tag);
        known.is_some_and(|known| known.phase != ConsumerPhase::Cancelling)
    }

    /// What has to be said before a consumer is started under this limit, in this order.
    pub(super) fn limits_before(&self, prefetch: Prefetch) -> [Option<basic::Qos>; 2] {
        self.limits.before(prefetch)
    }

    /// This has been queued.
    pub(super) fn note_limit(&mut self, qos: &basic::Qos) {
        self.limits.queued.set(qos);
    }

    /// The program has asked for this.
    pub(super) fn note_own_limit(&mut self, qos: &basic::Qos) {
        self.limits.own.get_or_insert_default().set(qos);
    }

    /// The limit for which this consumer is started, which has been queued.
    pub(super) fn note_started_under(&self, queue: &ConsumerQueue, prefetch: Prefetch) {
        // Known to be there, or not at all, where acknowledgements matter.
        let limit = match prefetch {
            Prefetch::NotNeeded => 0,
            Prefetch::Own(_) | Prefetch::Channels { .. } => self.limits.queued.consumer,
        };
        queue.started_under(limit);
    }

    /// `basic.consume` has been queued, behind the limit.
    pub(super) fn start(
        &mut self,
        queue: &Arc<ConsumerQueue>,
        prefetch: Prefetch,
        asked: Option<Asked>,
    ) {
        self.note_started_under(queue, prefetch);
        let known = Known {
            queue: Arc::clone(queue),
            phase: ConsumerPhase::Requested {
                wanted: true,
                again: false,
            },
            asked: asked.map(Box::new),
            slot: None,
        };
        self.by_tag.insert(queue.tag.as_bytes().to_vec(), known);
    }

    fn known(&mut self, queue: &Arc<ConsumerQueue>) -> Option<&mut Known> {
        let known = self.by_tag.get_mut(queue.tag.as_bytes())?;
        // A tag may have gone to another consumer.
        Arc::ptr_eq(&known.queue, queue).then_some(known)
    }

    fn phase(&mut self, queue: &Arc<ConsumerQueue>) -> Option<&mut ConsumerPhase> {
        self.known(queue).map(|known| &mut known.phase)
    }

    /// The broker has started a consumer. False if it is to be cancelled at once, since it is not
    /// wanted any more.
    pub(super) fn started(&mut self, queue: &Arc<ConsumerQueue>) -> bool {
        let Some(phase) = self.phase(queue) else {
            return true;
        };
        match *phase {
            ConsumerPhase::Requested { wanted, .. } => {
                *phase = ConsumerPhase::Active;
                wanted
            }
            ConsumerPhase::Lost | ConsumerPhase::Active | ConsumerPhase::Cancelling => true,
        }
    }

    /// A consumer is to end; `None` if it is not known. The request of the program that waits to
    /// start it has nothing to wait for any more.
    pub(super) fn cancel(
        &mut self,
        queue: &Arc<ConsumerQueue>,
    ) -> Option<(Cancelling, Option<Slot>)> {
        let known = self.known(queue)?;
        let cancelling = match &mut known.phase {
            phase @ ConsumerPhase::Active => {
                *phase = ConsumerPhase::Cancelling;
                Cancelling::Now
            }
            ConsumerPhase::Requested { wanted, .. } => {
                *wanted = false;
                Cancelling::ByItself
            }
            ConsumerPhase::Cancelling => Cancelling::ByItself,
            ConsumerPhase::Lost => Cancelling::Done,
        };
        let waiting = known.slot.take().map(|slot| *slot);
        if cancelling == Cancelling::Done {
            self.by_tag.remove(queue.tag.as_bytes());
        }
        Some((cancelling, waiting))
    }

    /// A consumer whose channel is opened again for it waits to be asked for.
    pub(super) fn subscribe_later(&mut self, queue: &Arc<ConsumerQueue>, asked: Asked) {
        let known = Known {
            queue: Arc::clone(queue),
            phase: ConsumerPhase::Lost,
            asked: Some(Box::new(asked)),
            slot: None,
        };
        self.by_tag.insert(queue.tag.as_bytes().to_vec(), known);
    }

    /// The broker has cancelled a consumer that subscribes again by itself: it waits to be asked
    /// for. False if it does not, since it is being cancelled.
    pub(super) fn wait_again(&mut self, queue: &Arc<ConsumerQueue>) -> bool {
        let known = self.known(queue);
        let known = known.filter(|known| known.phase == ConsumerPhase::Active);
        known.is_some_and(|known| {
            known.phase = ConsumerPhase::Lost;
            known.asked.is_some()
        })
    }

    /// A consumer has ended, or was never started.
    pub(super) fn forget(&mut self, queue: &Arc<ConsumerQueue>) {
        if self.phase(queue).is_some() {
            self.by_tag.remove(queue.tag.as_bytes());
        }
    }

    /// The consumer of this tag: asked for, started, or being cancelled.
    pub(super) fn get(&self, tag: ShortStr<'_>) -> Option<Arc<ConsumerQueue>> {
        let known = self.by_tag.get(tag.as_bytes())?;
        Some(Arc::clone(&known.queue))
    }

    /// All of them, whatever their phase.
    pub(super) fn all(&self) -> Vec<Arc<ConsumerQueue>> {
        let all = self.by_tag.values();
        all.map(|known| Arc::clone(&known.queue)).collect()
    }

    /// The tags of those that the broker has started and that are not being cancelled, in order.
    pub(super) fn tags(&self) -> Vec<String> {
        self.tags_in(|phase| phase == ConsumerPhase::Active)
    }

    /// The tags that are taken, in order.
    #[cfg(test)]
    pub(super) fn tags_taken(&self) -> Vec<String> {
        self.tags_in(|phase| phase != ConsumerPhase::Cancelling)
    }

    fn tags_in(&self, wanted: impl Fn(ConsumerPhase) -> bool) -> Vec<String> {
        let all = self.by_tag.iter();
        let wanted = all.filter(|(_, known)| wanted(known.phase));
        wanted
            .map(|(tag, _)| String::from_utf8_lossy(tag).into_owned())
            .collect()
    }
}
