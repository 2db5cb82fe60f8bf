//! One channel on its way back, and its consumers, one after the other.
//!
//! ```text
//! Lost ──channel.open, modes, limits──▶ all answered ──▶ consumers, each behind its limit ──▶ back
//!   ▲                                                      │
//!   └──────── the broker closes it over one of these ──────┘
//! ```
//!
//! RabbitMQ answers `basic.consume` late, so that nothing is sent behind one before its answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{ReplyCode, basic, channel, confirm, queue, tx};

use super::Recovery;
use super::aside::Aside;
use super::passing::Passing;
use super::rest::{Rest, Resting};
use super::topology::{Outcome, QueueIs, Topology, slot, too_large};
use crate::error::{About, ChannelError, Entity, EntityFailure};
use crate::proto::channel_use::ChannelUse;
use crate::proto::outside::Outside;
use crate::proto::send::outbox::{Again, Starts, ToStart, WayBack, read_on};
use crate::proto::send::request::{Answer, Barrier, Effect, Slot};
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue};
use crate::proto::time::after;

/// The queue by which a consumer asks for direct replies. Such a one has to be there before what
/// asks for replies is published.
const DIRECT_REPLIES: &[u8] = b"amq.rabbitmq.reply-to";

/// How long the answer to a consumer may take that is asked for behind the gates: RabbitMQ looks for
/// the leader of a quorum queue for as long as it likes, and the backlogs of others are in front.
const NO_HURRY: Duration = Duration::from_secs(366 * 24 * 3600);

/// A channel on its way back.
#[derive(Debug)]
pub(super) struct Returning {
    at: ChannelUse,
    /// What was sent with `channel.open`, and is not answered.
    opening: Vec<Arc<Answer>>,
    opened: bool,
    /// How many consumers have been started on it since it was opened.
    n_started: usize,
    starting: Option<Starting>,
    /// Consumers that were refused for a reason that may pass, by tag.
    resting: BTreeMap<Vec<u8>, Resting>,
    probe: Option<Probe>,
    /// The consumer that was asked for when the broker closed the channel, over nothing that it
    /// names.
    suspect: Option<Arc<ConsumerQueue>>,
    /// It cannot be brought back, and ends.
    has_ended: bool,
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
    /// Nothing waits for it.
    is_pending: bool,
    /// When the attempt is in vain without an answer, unless it is the program that does not read.
    deadline: Option<Instant>,
}

/// A look whether the queue of a consumer that was refused is there by now. A refusal closes the
/// channel that it comes on, which the program uses again.
#[derive(Debug)]
struct Probe {
    queue: Arc<ConsumerQueue>,
    /// What has been asked; `None` if nothing has.
    answer: Option<Arc<Answer>>,
    passed: bool,
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
    pub(super) aside: &'a [Aside],
    /// Queues that the program does not want restored.
    pub(super) left_out: &'a BTreeSet<String>,
    /// The gates are open: what is not answered in time costs its own try only.
    pub(super) is_live: bool,
    /// Everything is back but for what is pending: nothing waits for that.
    pub(super) is_back: bool,
}

impl Returning {
    pub(super) fn new(at: ChannelUse) -> Self {
        Self {
            at,
            opening: Vec::new(),
            opened: false,
            n_started: 0,
            starting: None,
            resting: BTreeMap::new(),
            probe: None,
            suspect: None,
            has_ended: false,
            released: false,
        }
    }

    /// One that is in use, with consumers that the broker has cancelled.
    pub(super) fn in_use(at: ChannelUse) -> Self {
        Self {
            opened: true,
            released: true,
            ..Self::new(at)
        }
    }

    pub(super) fn at(&self) -> ChannelUse {
        self.at
    }

    /// Whether a consumer has been asked for and is not answered; other than one that is pending,
    /// for which nothing waits.
    pub(super) fn is_starting(&self) -> bool {
        self.starting.as_ref().is_some_and(|one| !one.is_pending)
    }

    /// Everything else is back.
    pub(super) fn begin_aside(&mut self, now: Instant) {
        for resting in self.resting.values_mut() {
            resting.rest.begin(now);
        }
    }

    /// Tells what is pending from now on.
    pub(super) fn tell_pending(&mut self, outcome: &mut Outcome, now: Instant) {
        let resting = self.resting.values_mut();
        outcome
            .pending
            .extend(resting.filter_map(|one| one.tell(now)));
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
        let channel_max = outside.shared().limits().channel_max;
        if self.has_ended {
            return Ok(());
        }
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
            WayBack::Lost if id > channel_max => {
                self.give_up(
                    ChannelError::IdOutOfRange { id, channel_max },
                    outcome,
                    outside,
                );
            }
            WayBack::Lost => {
                // It is counted once more.
                let counts = &mut outcome.counts;
                counts.channels -= usize::from(self.opened && !self.released);
                counts.consumers -= std::mem::take(&mut self.n_started);
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
            WayBack::Opening if !self.released => {
                // The program's own request, perhaps.
                let overdue = outside.outbox().channels().overdue_opening(id);
                if let Some(method) = overdue {
                    let error = ChannelError::Timeout { method };
                    return Err(Box::new(EntityFailure::new(Entity::Channel(id), error)));
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
            .restorer()
            .open_lost(self.at.channel, make);
        if opens {
            self.opening = answers;
        }
    }

    /// The broker does not open it, or not as it was: it ends.
    fn give_up(&mut self, cause: ChannelError, outcome: &mut Outcome, outside: &mut Outside) {
        let id = self.at.channel;
        self.has_ended = true;
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
        self.hear_of_queue(around, outcome, outside)?;
        self.look_at_the_time(outside)?;
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
                self.n_started += 1;
                if self.resting.remove(&tag).is_some_and(|one| one.is_told()) {
                    outcome.restored.push(self.entity(&starting.queue));
                }
            }
            Some(Err(error)) => match error.broker_close() {
                Some(close) if close.bystander && !self.is_suspect(&starting.queue) => {
                    self.suspect = Some(starting.queue);
                }
                // It has ended with its channel.
                Some(_) if self.released => self.failed(&starting.queue, error, outcome),
                Some(_) => {
                    let passing = Passing::of(&error);
                    self.refused(&starting.queue, (error, passing), around, outcome, outside);
                }
                None if self.is_gone(outside) => {}
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

    /// Whether the program has closed the channel, or the broker has.
    fn is_gone(&self, outside: &Outside) -> bool {
        outside.outbox().channels().way_back(self.at.channel) == WayBack::Gone
    }

    /// A consumer without a bound may have no answer since what another one was sent is not read.
    fn look_at_the_time(&mut self, outside: &Outside) -> Result<(), Box<EntityFailure>> {
        let now = outside.now();
        let starting = self.starting.as_mut();
        let Some(starting) = starting.filter(|one| {
            !one.answer.is_settled() && one.deadline.is_some_and(|deadline| deadline <= now)
        }) else {
            return Ok(());
        };
        let shared = outside.shared();
        if shared.reading.is_paused() {
            starting.deadline = Some(after(now, shared.request_timeout));
            return Ok(());
        }
        let method = basic::Consume::NAME;
        let queue = Arc::clone(&starting.queue);
        let failure = EntityFailure::new(self.entity(&queue), ChannelError::Timeout { method });
        Err(Box::new(failure))
    }

    /// Whether it has been asked for twice running when the broker closed the channel over nothing
    /// that it names: of what was asked for then it is the only one that can be meant.
    fn is_suspect(&self, queue: &Arc<ConsumerQueue>) -> bool {
        let suspect = self.suspect.as_ref();
        suspect.is_some_and(|suspect| Arc::ptr_eq(suspect, queue))
    }

    /// Whether a consumer may be asked for on its channel: at once while that is brought back; one
    /// that was refused on a channel that the program uses again only once its queue has been seen.
    fn has_been_seen(&mut self, one: &ToStart) -> bool {
        if !self.released || !self.resting.contains_key(one.queue.tag.as_bytes()) {
            return true;
        }
        match &self.probe {
            // A consumer that does not take what it has is not given more of the same.
            None if one.queue.waits_to_subscribe() && !one.queue.is_drained() => false,
            None => {
                if let Some(resubscription) = one.queue.resubscription() {
                    resubscription.tried();
                }
                self.probe = Some(Probe {
                    queue: Arc::clone(&one.queue),
                    answer: None,
                    passed: false,
                });
                false
            }
            Some(probe) if Arc::ptr_eq(&probe.queue, &one.queue) => {
                self.probe.take_if(|probe| probe.passed).is_some()
            }
            Some(_) => false,
        }
    }

    /// Whether it has a queue to look for.
    pub(super) fn wants_to_look(&self) -> bool {
        let probe = self.probe.as_ref();
        probe.is_some_and(|probe| probe.answer.is_none() && !probe.passed)
    }

    /// Whether something other than a consumer is asked for.
    pub(super) fn is_asking(&self) -> bool {
        let probe = self.probe.as_ref();
        !self.opening.is_empty() || probe.is_some_and(|probe| probe.answer.is_some())
    }

    /// Looks for the queue, over this channel, which is open.
    pub(super) fn look(&mut self, over: u16, outside: &Outside) {
        let Some(probe) = self.probe.as_mut().filter(|probe| probe.answer.is_none()) else {
            return;
        };
        let name = probe.queue.source.to_string();
        let present = outside.record().present(&name);
        let mut payload = Vec::new();
        queue::Declare {
            queue: present.try_into().unwrap_or_default(),
            passive: true,
            ..queue::Declare::default()
        }
        .encode(&mut payload);
        let (slot, answer) = slot::<queue::Declare<'_>>(About::queue(present), outside);
        outside
            .outbox()
            .order_mut()
            .restorer()
            .pass(over, &payload, slot);
        probe.answer = Some(answer);
    }

    /// The channel is gone on which it was looked for.
    pub(super) fn look_again(&mut self) {
        if let Some(probe) = &mut self.probe {
            probe.answer.take_if(|answer| !answer.is_settled());
        }
    }

    /// Takes the answer to that.
    fn hear_of_queue(
        &mut self,
        around: &Around<'_>,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) -> Result<(), Box<EntityFailure>> {
        let Some(probe) = &mut self.probe else {
            return Ok(());
        };
        let answer = probe.answer.take_if(|answer| answer.is_settled());
        let Some(result) = answer.and_then(|answer| answer.take_ready()) else {
            return Ok(());
        };
        let queue = Arc::clone(&probe.queue);
        let refusal = match result {
            Ok(reply) => {
                let known = self.resting.get(queue.tag.as_bytes());
                let known = known.and_then(|resting| Some(&resting.failure()?.cause));
                let exclusive = known.filter(|cause| Passing::is_exclusive_use(cause));
                let declared = queue::DeclareOk::decode(&reply.payload);
                let in_use = declared.is_ok_and(|ok| ok.consumer_count > 0);
                let exclusive = exclusive.filter(|_| in_use).cloned();
                exclusive.map(|cause| (cause, Some(Passing::Exclusive)))
            }
            Err(error) => match error.broker_close() {
                Some(close) if close.bystander => return Ok(()),
                Some(close) => {
                    let is_gone = close.reply_code == ReplyCode::NOT_FOUND;
                    let passing = Passing::of(&error);
                    (is_gone || passing.is_some()).then_some((error, passing))
                }
                None if around.is_live && error.is_timeout() => {
                    outcome.is_silent = true;
                    Some((error, Some(Passing::OutOfReach)))
                }
                None => return Err(Box::new(EntityFailure::new(self.entity(&queue), error))),
            },
        };
        match refusal {
            // If not even that may be asked, the consumer itself tells.
            None => probe.passed = true,
            Some(cause) => {
                self.probe = None;
                self.refused(&queue, cause, around, outcome, outside);
            }
        }
        Ok(())
    }

    /// Forgets what was known of consumers that do not wait any more.
    fn forget_started(&mut self, waiting: &[ToStart]) {
        let waits = |tag: &[u8]| waiting.iter().any(|one| one.queue.tag.as_bytes() == tag);
        self.resting.retain(|tag, _| waits(tag));
        self.probe
            .take_if(|probe| !waits(probe.queue.tag.as_bytes()));
    }

    fn refused(
        &mut self,
        queue: &Arc<ConsumerQueue>,
        (cause, passing): (ChannelError, Option<Passing>),
        around: &Around<'_>,
        outcome: &mut Outcome,
        outside: &mut Outside,
    ) {
        let tag = queue.tag.as_bytes().to_vec();
        let before = self.resting.get(&tag).map(|resting| resting.rest);
        let now = outside.now();
        let resubscription = queue.resubscription().filter(|one| one.waits());
        let rest = match resubscription {
            Some(resubscription) => resubscription
                .refused()
                .map(|delay| Rest::cancelled(before, delay, now, around.is_back)),
            None => passing.and_then(|passing| {
                Rest::after(before, passing, around.policy, around.exclusive_limit, now)
            }),
        };
        match rest {
            None => {
                self.resting.remove(&tag);
                self.fail(queue, cause, outcome, outside);
            }
            Some(rest) => {
                let failure = EntityFailure::new(self.entity(queue), cause);
                match self.resting.get_mut(&tag) {
                    Some(resting) => resting.again(rest, failure),
                    None => drop(self.resting.insert(tag, Resting::new(rest, failure))),
                }
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
        if self.end_consumer(queue, cause.clone(), outside) {
            self.failed(queue, cause, outcome);
        }
    }

    /// That is told.
    fn failed(&self, queue: &ConsumerQueue, cause: ChannelError, outcome: &mut Outcome) {
        let failure = EntityFailure::new(self.entity(queue), cause);
        match queue.waits_to_subscribe() {
            true => outcome.given_up.push(failure),
            false => outcome.failures.push(failure),
        }
    }

    /// The same, without a report. False if it was not there before: it was asked for meanwhile, and
    /// its caller is told.
    fn end_consumer(
        &self,
        queue: &Arc<ConsumerQueue>,
        cause: ChannelError,
        outside: &mut Outside,
    ) -> bool {
        let waiting = outside
            .outbox()
            .channels_mut()
            .drop_lost_consumer(self.at, queue);
        let was_there = waiting.is_none();
        match waiting {
            Some(slot) => {
                let _ = slot.answer.settle(Err(cause.clone()), outside.wakers());
            }
            None => outside.consumer_ended(queue),
        }
        queue.end(ConsumerEnd::NotRestored(cause), outside.wakers());
        was_there
    }

    /// The program does not want it restored.
    fn leave_out(&self, queue: &Arc<ConsumerQueue>, outside: &mut Outside) {
        drop(
            outside
                .outbox()
                .channels_mut()
                .drop_lost_consumer(self.at, queue),
        );
        outside.consumer_ended(queue);
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
        let waiting = self.to_start(outside);
        self.forget_started(&waiting);
        for one in waiting {
            let entity = self.entity(&one.queue);
            let given_up = around.given_up.iter().find(|known| known.entity == entity);
            if let Some(failure) = given_up.filter(|_| !one.is_awaited) {
                // It has been reported.
                self.end_consumer(&one.queue, failure.cause.clone(), outside);
                continue;
            }
            let consume = present(&one, outside);
            let source = source_of(&consume);
            let waits = one.queue.waits_to_subscribe();
            let is_kept = (waits && around.is_back)
                || !around.left_out.contains(&source) && around.policy.keeps(&entity);
            if !one.is_awaited && !is_kept {
                self.leave_out(&one.queue, outside);
                continue;
            }
            if let Some(error) = too_large(&consume, outside) {
                self.fail(&one.queue, error.into(), outcome, outside);
                continue;
            }
            self.set_aside(&one, &entity, around);
            if waits {
                self.let_rest(&one.queue, around, outside.now());
            }
            match around.topology.queue(&source) {
                // One that waits to subscribe finds out by itself.
                QueueIs::Missing(cause) if !waits => self.fail(&one.queue, cause, outcome, outside),
                QueueIs::Ready | QueueIs::Missing(_)
                    if self.may_start(&one, which, outside.now()) && self.has_been_seen(&one) =>
                {
                    self.start(&one, &consume, around, outside);
                    return;
                }
                _ => {}
            }
        }
    }

    /// The broker has cancelled it, and it has not been tried on this stream.
    fn let_rest(&mut self, queue: &ConsumerQueue, around: &Around<'_>, now: Instant) {
        let Some(resubscription) = queue.resubscription() else {
            return;
        };
        let tag = queue.tag.as_bytes();
        if !self.resting.contains_key(tag) {
            let delay = resubscription.delay();
            let rest = Rest::cancelled(None, delay, now, around.is_back);
            self.resting.insert(tag.to_vec(), Resting::cancelled(rest));
        }
    }

    /// Whatever costs an attempt is not asked for until everything else is back.
    fn set_aside(&mut self, one: &ToStart, entity: &Entity, around: &Around<'_>) {
        let tag = one.queue.tag.as_bytes();
        let aside = around.aside.iter().find(|aside| aside.covers(entity));
        let Some(aside) = aside.filter(|_| !one.is_awaited && !around.is_live) else {
            return;
        };
        if !self.resting.contains_key(tag) {
            let cause = aside.failure.cause.clone();
            let failure = EntityFailure::new(entity.clone(), cause);
            let resting = Resting::new(aside.rest, failure);
            self.resting.insert(tag.to_vec(), resting);
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
        (which == Which::All || bounded) && rests.is_none_or(|one| one.rest.is_over(now))
    }

    fn start(&mut self, one: &ToStart, consume: &[u8], around: &Around<'_>, outside: &Outside) {
        let mut is_awaited = true;
        // Nothing waits for one that is pending, and its broker may take its time.
        let is_pending = around.is_back || self.resting.contains_key(one.queue.tag.as_bytes());
        let make = |starts: Starts<'_>| match starts {
            Starts::TagFree => {
                let (slot, _) = slot::<basic::Cancel<'_>>(About::default(), outside);
                slot.with_barrier(Barrier::Requests)
            }
            Starts::Limit => {
                let (slot, _) = slot::<basic::Qos>(About::default(), outside);
                slot.with_effect(Effect::LimitConsumer)
            }
            Starts::Consumer(queue) => {
                is_awaited = false;
                let about = About::queue(&source_of(consume));
                let (mut slot, _) = slot::<basic::Consume<'_>>(about, outside);
                if around.is_live {
                    slot.deadline = after(outside.now(), NO_HURRY);
                }
                slot.with_barrier(Barrier::Requests)
                    .with_effect(Effect::ConsumeAgain(Arc::clone(queue)))
            }
        };
        let answer = outside
            .outbox()
            .order_mut()
            .restorer()
            .consume_lost(self.at, &one.queue, consume, make);
        let deadline = after(outside.now(), outside.shared().request_timeout);
        let deadline = Some(deadline).filter(|_| around.is_live && !is_pending && !is_awaited);
        self.starting = answer.map(|answer| Starting {
            queue: Arc::clone(&one.queue),
            answer,
            is_awaited,
            is_pending,
            deadline,
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
                    || rest.is_some_and(|one| !one.rest.is_short(now))
                    || self.is_pending(one, around, outside)
            })
    }

    fn is_pending(&self, one: &ToStart, around: &Around<'_>, outside: &Outside) -> bool {
        let source = source_of(&present(one, outside));
        matches!(around.topology.queue(&source), QueueIs::Pending)
    }

    /// How many consumers are pending, the one included that has been asked for.
    pub(super) fn n_pending(&self, outside: &Outside) -> usize {
        let waiting = outside.outbox().channels().n_to_start(self.at.channel);
        waiting + usize::from(self.starting.is_some())
    }

    /// When something is to be tried again.
    pub(super) fn times(&self) -> impl Iterator<Item = Instant> {
        let starting = self.starting.as_ref().and_then(|one| one.deadline);
        let resting = self.resting.values().flat_map(Resting::times);
        resting.chain(starting)
    }

    /// What the broker has closed the connection over.
    /// If it was the only one, without a word of the broker's about it.
    pub(super) fn blamed(&self, only_one: bool) -> Option<EntityFailure> {
        let starting = self.starting.as_ref().filter(|one| !one.is_awaited)?;
        let error = starting.answer.take_ready()?.err()?;
        let close = error.broker_close()?;
        (only_one || !close.bystander)
            .then(|| EntityFailure::new(self.entity(&starting.queue), error.clone()))
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
    read_on(consume, &one.queue)
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
