//! One channel on its way back, and its consumers, one after the other.
//!
//! ```text
//! Lost ──channel.open, modes, limits──▶ all answered ──▶ consumers, each behind its limit ──▶ back
//!   ▲                                                      │
//!   └──────── the broker closes it over one of these ──────┘
//! ```
//!
//! RabbitMQ answers `basic.consume` late, so that nothing is sent behind one before its answer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::wire::{FieldTable, TypedMethod as _};
use amqp_spec::{basic, channel, confirm, tx};

use super::Recovery;
use super::passing::Passing;
use super::rest::Rest;
use super::topology::{Outcome, QueueIs, Topology, slot};
use crate::error::{About, ChannelError, Entity, EntityFailure};
use crate::proto::channel_use::ChannelUse;
use crate::proto::outside::Outside;
use crate::proto::send::outbox::{Again, ToStart, WayBack};
use crate::proto::send::request::{Answer, Effect, Slot};
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue};

/// The queue by which a consumer asks for direct replies. Such a one has to be there before what
/// asks for replies is published.
const DIRECT_REPLIES: &[u8] = b"amq.rabbitmq.reply-to";

/// A channel on its way back.
#[derive(Debug)]
pub(super) struct Returning {
    at: ChannelUse,
    /// What was sent with `channel.open`, and is not answered.
    opening: Vec<Arc<Answer>>,
    opened: bool,
    starting: Option<Starting>,
    /// Consumers that were refused for a reason that may pass, by tag.
    resting: BTreeMap<Vec<u8>, Rest>,
    /// Its line flows again, whatever is still to be started.
    pub(super) released: bool,
}

/// A consumer that has been asked for.
#[derive(Debug)]
struct Starting {
    queue: Arc<ConsumerQueue>,
    answer: Arc<Answer>,
    /// The program waits for the answer.
    is_awaited: bool,
}

/// Which consumers are started now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Which {
    Bounded,
    All,
}

/// What a step needs to know besides the channel.
pub(super) struct Around<'a> {
    pub(super) policy: &'a Recovery,
    pub(super) exclusive_limit: Duration,
    pub(super) topology: &'a Topology,
    pub(super) given_up: &'a [EntityFailure],
}

impl Returning {
    pub(super) fn new(at: ChannelUse) -> Self {
        Self {
            at,
            opening: Vec::new(),
            opened: false,
            starting: None,
            resting: BTreeMap::new(),
            released: false,
        }
    }

    pub(super) fn at(&self) -> ChannelUse {
        self.at
    }

    /// Whether a consumer has been asked for and is not answered.
    pub(super) fn is_starting(&self) -> bool {
        self.starting.is_some()
    }

    /// Opens it, if it is not there.
    ///
    /// # Errors
    ///
    /// Something was not answered in time.
    pub(super) fn open(
        &mut self,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) -> Result<(), Box<EntityFailure>> {
        let id = self.at.channel;
        let mut refused = None;
        let mut all_answered = true;
        for answer in &self.opening {
            match answer.take_ready() {
                None => all_answered &= answer.is_settled(),
                Some(Ok(_)) => {}
                Some(Err(error)) => match error.broker_close() {
                    Some(close) if close.bystander => {}
                    Some(_) => refused = Some(error),
                    None => return Err(Box::new(EntityFailure::new(Entity::Channel(id), error))),
                },
            }
        }
        if let Some(cause) = refused {
            self.give_up(cause, outcome, outside);
            return Ok(());
        }
        let way_back = outside.outbox().channels().way_back(id);
        match way_back {
            WayBack::Lost => {
                self.opened = false;
                // One that was refused has been heard; without an answer it is started once more.
                self.starting = None;
                self.ask_to_open(outside);
            }
            WayBack::Open if all_answered && !self.opened => {
                self.opened = true;
                self.opening.clear();
                if !self.released {
                    outcome.counts.channels += 1;
                }
            }
            WayBack::Open | WayBack::Opening | WayBack::Gone => {}
        }
        Ok(())
    }

    fn ask_to_open(&mut self, outside: &Outside) {
        let mut answers = Vec::new();
        let make = |again| {
            let (slot, answer) = opening_slot(again, outside);
            answers.push(answer);
            slot
        };
        let opens = outside
            .outbox()
            .order_mut()
            .open_lost(self.at.channel, make);
        if opens {
            self.opening = answers;
        }
    }

    /// The broker does not open it, or not as it was: it ends.
    fn give_up(&mut self, cause: ChannelError, outcome: &mut Outcome, outside: &mut Outside) {
        let id = self.at.channel;
        outcome
            .failures
            .push(EntityFailure::new(Entity::Channel(id), cause.clone()));
        outside.outbox().end_lost(id, cause);
    }

    /// Takes the answer to the consumer that has been asked for, if that has come.
    ///
    /// # Errors
    ///
    /// It was not answered in time.
    pub(super) fn hear(
        &mut self,
        around: &Around<'_>,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) -> Result<(), Box<EntityFailure>> {
        let Some(starting) = self.starting.take_if(|one| one.answer.is_settled()) else {
            return Ok(());
        };
        if starting.is_awaited {
            // Its caller has the answer.
            return Ok(());
        }
        let tag = starting.queue.tag.as_bytes().to_vec();
        match starting.answer.take_ready() {
            None => {}
            Some(Ok(_)) => {
                outcome.counts.consumers += 1;
                if self.resting.remove(&tag).is_some() {
                    outcome.restored.push(self.entity(&starting.queue));
                }
            }
            Some(Err(error)) => match error.broker_close() {
                Some(close) if close.bystander => {}
                Some(_) => self.refused(&starting.queue, error, around, outcome, outside),
                None => {
                    return Err(Box::new(EntityFailure::new(
                        self.entity(&starting.queue),
                        error,
                    )));
                }
            },
        }
        Ok(())
    }

    fn refused(
        &mut self,
        queue: &Arc<ConsumerQueue>,
        cause: ChannelError,
        around: &Around<'_>,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) {
        let tag = queue.tag.as_bytes().to_vec();
        let before = self.resting.get(&tag).copied();
        let rest = Passing::of(&cause).and_then(|passing| {
            let limit = around.exclusive_limit;
            Rest::after(before, passing, around.policy, limit, outside.now())
        });
        match rest {
            None => {
                self.resting.remove(&tag);
                self.fail(queue, cause, outcome, outside);
            }
            Some(rest) => {
                if before.is_none() {
                    let failure = EntityFailure::new(self.entity(queue), cause);
                    outcome.pending.push(failure);
                }
                self.resting.insert(tag, rest);
            }
        }
    }

    /// A consumer cannot be restored: its stream ends.
    fn fail(
        &self,
        queue: &Arc<ConsumerQueue>,
        cause: ChannelError,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) {
        let waiting = outside
            .outbox()
            .channels_mut()
            .drop_lost_consumer(self.at, queue);
        if let Some(slot) = waiting {
            let _ = slot.answer.settle(Err(cause.clone()), outside.wakers());
        }
        queue.end(ConsumerEnd::NotRestored(cause.clone()), outside.wakers());
        let failure = EntityFailure::new(self.entity(queue), cause);
        outcome.failures.push(failure);
    }

    /// The program does not want it restored.
    fn leave_out(&self, queue: &Arc<ConsumerQueue>, outside: &mut Outside) {
        let waiting = outside
            .outbox()
            .channels_mut()
            .drop_lost_consumer(self.at, queue);
        if let Some(slot) = waiting {
            slot.done(outside.wakers());
        }
        queue.end(ConsumerEnd::Cancelled, outside.wakers());
    }

    /// Starts the next consumer, if one can be started.
    pub(super) fn start_next(
        &mut self,
        which: Which,
        around: &Around<'_>,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) {
        if !self.opened || self.starting.is_some() {
            return;
        }
        for one in self.to_start(outside) {
            let entity = self.entity(&one.queue);
            let given_up = around.given_up.iter().find(|known| known.entity == entity);
            if let Some(failure) = given_up {
                self.fail(&one.queue, failure.cause.clone(), outcome, outside);
                continue;
            }
            if !around.policy.keeps(&entity) {
                self.leave_out(&one.queue, outside);
                continue;
            }
            let consume = present(&one, outside);
            match around.topology.queue(&source_of(&consume)) {
                QueueIs::Missing(cause) => self.fail(&one.queue, cause, outcome, outside),
                QueueIs::Ready if self.may_start(&one, which, outside.now()) => {
                    self.start(&one, &consume, outside);
                    return;
                }
                QueueIs::Ready | QueueIs::Awaited | QueueIs::Pending => {}
            }
        }
    }

    /// Its consumers that are to be started: those that ask for direct replies come first.
    fn to_start(&self, outside: &Outside) -> Vec<ToStart> {
        let mut all = outside.outbox().channels().to_start(self.at.channel);
        all.sort_by_key(|one| !is_direct(one));
        all
    }

    fn may_start(&self, one: &ToStart, which: Which, now: Instant) -> bool {
        let rests = self.resting.get(one.queue.tag.as_bytes());
        let bounded = one.is_bounded || is_direct(one);
        (which == Which::All || bounded) && rests.is_none_or(|rest| rest.until <= now)
    }

    fn start(&mut self, one: &ToStart, consume: &[u8], outside: &Outside) {
        let mut is_awaited = true;
        let make = |queue: Option<&Arc<ConsumerQueue>>| match queue {
            None => {
                let (slot, _) = slot::<basic::Qos>(About::default(), outside);
                slot.with_effect(Effect::LimitConsumer)
            }
            Some(queue) => {
                is_awaited = false;
                let about = About::queue(&source_of(consume));
                let (slot, _) = slot::<basic::Consume<'_>>(about, outside);
                slot.with_effect(Effect::ConsumeAgain(Arc::clone(queue)))
            }
        };
        let answer = outside
            .outbox()
            .order_mut()
            .consume_lost(self.at, &one.queue, consume, make);
        self.starting = answer.map(|answer| Starting {
            queue: Arc::clone(&one.queue),
            answer,
            is_awaited,
        });
    }

    /// Whether the channel is there, and all of these consumers, but for those that are pending.
    pub(super) fn is_back(&self, which: Which, around: &Around<'_>, outside: &Outside) -> bool {
        if outside.outbox().channels().way_back(self.at.channel) == WayBack::Gone {
            return true;
        }
        let now = outside.now();
        self.opened
            && self.starting.is_none()
            && self.to_start(outside).iter().all(|one| {
                let wanted = which == Which::All || one.is_bounded || is_direct(one);
                let rest = self.resting.get(one.queue.tag.as_bytes());
                !wanted
                    || rest.is_some_and(|rest| !rest.is_short(now))
                    || self.is_pending(one, around, outside)
            })
    }

    fn is_pending(&self, one: &ToStart, around: &Around<'_>, outside: &Outside) -> bool {
        let source = source_of(&present(one, outside));
        matches!(around.topology.queue(&source), QueueIs::Pending)
    }

    /// How many consumers are pending.
    pub(super) fn n_pending(&self, outside: &Outside) -> usize {
        outside.outbox().channels().to_start(self.at.channel).len()
    }

    /// When something is to be tried again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.resting.values().map(|rest| rest.until).min()
    }

    /// What the broker has closed the connection over.
    pub(super) fn blamed(&self) -> Option<EntityFailure> {
        let starting = self.starting.as_ref().filter(|one| !one.is_awaited)?;
        let error = starting.answer.take_ready()?.err()?;
        let close = error.broker_close()?;
        (!close.bystander).then(|| EntityFailure::new(self.entity(&starting.queue), error.clone()))
    }

    fn entity(&self, queue: &ConsumerQueue) -> Entity {
        Entity::Consumer {
            channel: self.at.channel,
            consumer_tag: String::from_utf8_lossy(queue.tag.as_bytes()).into_owned(),
            queue: queue.source.clone(),
        }
    }
}

fn is_direct(one: &ToStart) -> bool {
    one.queue.source.as_bytes() == DIRECT_REPLIES
}

/// The payload of `basic.consume` as it is to be sent now: with the present name of the queue, and
/// from where a stream is to be read on.
fn present(one: &ToStart, outside: &Outside) -> Vec<u8> {
    let translated = outside.record().translated(&one.consume);
    let consume = translated.unwrap_or_else(|| one.consume.clone());
    let Some(offset) = one.queue.resume_offset() else {
        return consume;
    };
    let Ok(method) = basic::Consume::decode(&consume) else {
        return consume;
    };
    let mut arguments = FieldTable::new();
    for (name, value) in method.arguments.iter().flatten() {
        if name.as_bytes() != b"x-stream-offset" {
            arguments.insert(name, value);
        }
    }
    arguments.insert("x-stream-offset", i64::try_from(offset).unwrap_or(i64::MAX));
    let mut payload = Vec::new();
    basic::Consume {
        arguments: arguments.as_ref(),
        ..method
    }
    .encode(&mut payload);
    payload
}

/// The name of the queue that is consumed from.
fn source_of(consume: &[u8]) -> String {
    basic::Consume::decode(consume)
        .map(|method| String::from_utf8_lossy(method.queue.as_bytes()).into_owned())
        .unwrap_or_default()
}

/// The slot of a request that makes a channel what it was.
fn opening_slot(again: Again, outside: &Outside) -> (Slot, Arc<Answer>) {
    let about = About::default();
    match again {
        Again::Open => {
            let (slot, answer) = slot::<channel::Open>(about, outside);
            (slot.with_effect(Effect::RenewChannel), answer)
        }
        Again::ConfirmSelect => slot::<confirm::Select>(about, outside),
        Again::TxSelect => slot::<tx::Select>(about, outside),
        Again::Qos => slot::<basic::Qos>(about, outside),
    }
}
