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

use super::refused::Refused;
use crate::proto::shared::consumer::ConsumerQueue;

/// The consumers of one channel.
///
/// Each is held by the core or by its request as well, so that taking one out of here, under the
/// lock, drops nothing but a reference.
#[derive(Debug, Default)]
pub(super) struct Consumers {
    by_tag: BTreeMap<Vec<u8>, (Arc<ConsumerQueue>, ConsumerPhase)>,
    limits: ConsumerLimits,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ConsumerPhase {
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

impl ConsumerLimits {
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
            // To set the limit of consumers lifts that of the channel, even if it is the same
            // again.
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

/// What becomes of a wish to cancel a consumer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cancelling {
    /// `basic.cancel` is to be queued, behind which its tag may be used again.
    Now,
    /// That has been done, or will be as soon as the broker has started the consumer.
    ByItself,
}

impl Consumers {
    /// The stream is gone: what the broker was told has no meaning on the next. What the program
    /// has asked for holds there, too.
    pub(super) fn disconnect(&mut self) {
        self.by_tag.clear();
        self.limits.queued = Levels::default();
    }

    /// Whether the tag is taken.
    pub(super) fn takes(&self, tag: &[u8]) -> bool {
        let known = self.by_tag.get(tag);
        known.is_some_and(|(_, phase)| *phase != ConsumerPhase::Cancelling)
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

    /// `basic.consume` has been queued, behind the limit.
    pub(super) fn start(&mut self, queue: &Arc<ConsumerQueue>, prefetch: Prefetch) {
        // Known to be there, or not at all, where acknowledgements matter.
        let limit = match prefetch {
            Prefetch::NotNeeded => 0,
            Prefetch::Own(_) | Prefetch::Channels { .. } => self.limits.queued.consumer,
        };
        queue.started_under(limit);
        let entry = (Arc::clone(queue), ConsumerPhase::Requested { wanted: true });
        self.by_tag.insert(queue.tag.as_bytes().to_vec(), entry);
    }

    fn phase(&mut self, queue: &Arc<ConsumerQueue>) -> Option<&mut ConsumerPhase> {
        let (known, phase) = self.by_tag.get_mut(queue.tag.as_bytes())?;
        // A tag may have gone to another consumer.
        Arc::ptr_eq(known, queue).then_some(phase)
    }

    /// The broker has started a consumer. False if it is to be cancelled at once, since it is not
    /// wanted any more.
    pub(super) fn started(&mut self, queue: &Arc<ConsumerQueue>) -> bool {
        let Some(phase) = self.phase(queue) else {
            return true;
        };
        let wanted = *phase != ConsumerPhase::Requested { wanted: false };
        if matches!(phase, ConsumerPhase::Requested { .. }) {
            *phase = ConsumerPhase::Active;
        }
        wanted
    }

    /// A consumer is to end; `None` if it is not known.
    pub(super) fn cancel(&mut self, queue: &Arc<ConsumerQueue>) -> Option<Cancelling> {
        Some(match self.phase(queue)? {
            phase @ ConsumerPhase::Active => {
                *phase = ConsumerPhase::Cancelling;
                Cancelling::Now
            }
            ConsumerPhase::Requested { wanted } => {
                *wanted = false;
                Cancelling::ByItself
            }
            ConsumerPhase::Cancelling => Cancelling::ByItself,
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
        let (queue, _) = self.by_tag.get(tag.as_bytes())?;
        Some(Arc::clone(queue))
    }

    /// All of them, whatever their phase.
    pub(super) fn all(&self) -> Vec<Arc<ConsumerQueue>> {
        let all = self.by_tag.values();
        all.map(|(queue, _)| Arc::clone(queue)).collect()
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
        let wanted = all.filter(|(_, (_, phase))| wanted(*phase));
        wanted
            .map(|(tag, _)| String::from_utf8_lossy(tag).into_owned())
            .collect()
    }
}
