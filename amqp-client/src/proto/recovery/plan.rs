//! What is sent on another stream, in which order, until everything is there that was there before.
//!
//! ```text
//! channels, each with its modes and limits ──────┐
//! exchanges ─▶ their bindings, queues ─▶ bindings ┴─▶ consumers ─▶ the gates open ─▶ consumers without a bound
//! ```
//!
//! What was declared is declared over a channel of the plan's own, so that what the broker objects
//! to costs itself only. What it refuses for a reason that may pass is tried again and again, and
//! holds up nothing but what depends on it. Consumers that the broker may send any number of
//! deliveries come last: these would stand in front of all further answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::channel;

use super::aside::Aside;
use super::record::Extent;
use super::returning::{Around, Returning, Which};
use super::topology::{Outcome, Topology, slot};
use super::{Counts, OnFailure, Recovery, Restore};
use crate::error::{About, ChannelError, Entity, EntityFailure};
use crate::proto::channel_use::ChannelUse;
use crate::proto::outside::Outside;
use crate::proto::send::outbox::WayBack;
use crate::proto::send::request::{Answer, Effect};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::reading::Demand;
use crate::proto::time::after;

/// What a recovery has to do on the present stream.
#[derive(Debug)]
pub(crate) struct Plan {
    policy: Recovery,
    exclusive_limit: Duration,
    given_up: Vec<EntityFailure>,
    aside: Vec<Aside>,
    /// Queues that the program does not want restored.
    left_out: BTreeSet<String>,
    topology: Topology,
    channels: BTreeMap<u16, Returning>,
    scratch: Option<Scratch>,
    /// When the last step was taken: what was due by then waits for something else.
    stepped: Option<Instant>,
    /// There was no channel to declare on: when to look again.
    without_channel: Option<Instant>,
    /// Behind the gates the stream may be read on demand only.
    demand: Option<Demand>,
    /// One thing at a time, since it is not known what the broker has closed the connection over.
    is_careful: bool,
    stage: PlanStage,
    /// How many consumers wait for their channels to be opened again.
    n_elsewhere: usize,
    outcome: Outcome,
    /// What could not be restored until everything else was.
    skipped: Vec<EntityFailure>,
    /// How many messages had been sent again when it began.
    resent_before: u64,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum PlanStage {
    /// The gates are shut.
    Shut,
    /// Consumers without a bound are started.
    Open,
    /// Everything is back, but for what is pending.
    Back,
}

/// How long the plan waits before it looks again for a channel to declare on, if all are in use.
const WITHOUT_CHANNEL: Duration = Duration::from_secs(1);

/// The channel over which things are declared.
#[derive(Debug)]
struct Scratch {
    at: ChannelUse,
    opening: Option<Arc<Answer>>,
    /// One of the program's, since there is no other.
    is_borrowed: bool,
}

/// What a step has come to, in this order.
#[derive(Debug, Default)]
pub(crate) struct Milestones {
    /// What is tried again and again from now on.
    pub(crate) pending: Vec<EntityFailure>,
    /// What had been pending.
    pub(crate) restored: Vec<Entity>,
    /// What had been pending, and is not tried any more.
    pub(crate) failed: Vec<EntityFailure>,
    /// Queues that have another name: the old and the new.
    pub(crate) renamed: Vec<(String, String)>,
    /// Everything that has to be there before publishers go on is there.
    pub(crate) opens_gates: bool,
    /// Everything is back, but for what is pending.
    pub(crate) is_back: bool,
    /// Nothing is pending any more, or ever was: the plan is done.
    pub(crate) is_done: bool,
    /// How much is pending.
    pub(crate) n_pending: usize,
}

impl Plan {
    /// What was there is what the outbox and the record know.
    pub(crate) fn new(
        policy: &Recovery,
        given_up: &[EntityFailure],
        aside: &[Aside],
        outside: &Outside,
    ) -> Self {
        let mut left_out = BTreeSet::new();
        let keep = |entity: &Entity| {
            let keeps = policy.keeps(entity);
            if let Entity::Queue(name) = entity {
                left_out.extend((!keeps).then(|| name.clone()));
            }
            keeps
        };
        let entries = match policy.restore_mode() {
            Restore::All => outside.record().entries(Extent::All, keep),
            Restore::Transient => outside.record().entries(Extent::Transient, keep),
            Restore::ConsumersOnly => Vec::new(),
        };
        Self {
            topology: Topology::new(entries, given_up, aside),
            given_up: given_up.to_vec(),
            aside: aside.to_vec(),
            left_out,
            stage: PlanStage::Shut,
            outcome: Outcome {
                failures: given_up.to_vec(),
                ..Outcome::default()
            },
            ..Self::live(policy, outside)
        }
    }

    /// Of a stream on which everything is there, but for consumers that the broker has cancelled.
    pub(crate) fn live(policy: &Recovery, outside: &Outside) -> Self {
        let heartbeat = outside.shared().limits().heartbeat;
        Self {
            policy: policy.clone(),
            exclusive_limit: policy.exclusive_limit(heartbeat),
            given_up: Vec::new(),
            aside: Vec::new(),
            left_out: BTreeSet::new(),
            topology: Topology::new(Vec::new(), &[], &[]),
            channels: BTreeMap::new(),
            scratch: None,
            stepped: None,
            without_channel: None,
            demand: None,
            is_careful: false,
            stage: PlanStage::Back,
            n_elsewhere: 0,
            outcome: Outcome::default(),
            skipped: Vec::new(),
            resent_before: outside.shared().totals.resent.get(),
        }
    }

    /// Consumers of this channel, which is in use, are to be started again.
    pub(crate) fn look_after(&mut self, at: ChannelUse) {
        let known = self.channels.entry(at.channel);
        let known = known.or_insert_with(|| Returning::in_use(at));
        if known.at() != at {
            *known = Returning::in_use(at);
        }
    }

    /// So many consumers wait for their channels to be opened again.
    pub(crate) fn wait_for(&mut self, n_consumers: usize) {
        self.n_elsewhere = n_consumers;
    }

    /// One thing at a time, since it is not known what the broker has closed the connection over.
    pub(crate) fn be_careful(&mut self) {
        self.is_careful = true;
        self.topology.be_careful();
    }

    /// How much has been restored, what has not been, and how many messages were sent again.
    pub(crate) fn take_report(&mut self, outside: &Outside) -> (Counts, Vec<EntityFailure>, u64) {
        let resent = outside.shared().totals.resent.get() - self.resent_before;
        (
            self.outcome.counts,
            std::mem::take(&mut self.skipped),
            resent,
        )
    }

    /// When the next step is to be taken at the latest.
    pub(crate) fn next(&self) -> Option<Instant> {
        let since = self.stepped;
        let channels = self.channels.values().flat_map(Returning::times);
        let all = channels.chain(self.topology.times());
        all.chain(self.without_channel)
            .filter(|&at| since.is_none_or(|since| at > since))
            .min()
    }

    /// What the broker has closed the connection over, if that is known.
    pub(crate) fn blamed(&self) -> Option<EntityFailure> {
        let careful = self.is_careful;
        let consumers = self.channels.values();
        let mut consumers = consumers.filter_map(|channel| channel.blamed(careful));
        let topology = self.topology.blamed(careful);
        topology.or_else(|| consumers.next())
    }

    /// Looks at what has come, and sends what can be sent.
    ///
    /// # Errors
    ///
    /// The attempt is in vain: something was not answered in time, or the program wants it to end
    /// over something that was refused.
    pub(crate) fn step(&mut self, outside: &mut Outside) -> Result<Milestones, Box<EntityFailure>> {
        let now = outside.now();
        self.stepped = Some(now);
        self.without_channel = None;
        let is_live = self.stage > PlanStage::Shut;
        let limits = (&self.policy, self.exclusive_limit);
        self.topology
            .hear(limits, is_live, &mut self.outcome, now)?;
        for (from, to) in &self.outcome.renamed {
            outside.renamed(from, to);
        }
        self.find_channels(outside);
        for channel in self.channels.values_mut() {
            let around = Around {
                policy: &self.policy,
                exclusive_limit: self.exclusive_limit,
                topology: &self.topology,
                given_up: &self.given_up,
                aside: &self.aside,
                left_out: &self.left_out,
                is_live: self.stage > PlanStage::Shut,
                is_back: self.stage == PlanStage::Back,
            };
            channel.hear(&around, &mut self.outcome, outside)?;
            channel.open(&mut self.outcome, outside)?;
        }
        if std::mem::take(&mut self.outcome.is_silent) {
            self.leave_scratch(outside);
        }
        self.declare(outside)?;
        if self.topology.is_settled(now) {
            self.start_consumers(outside);
        }
        self.look_for_queues(outside)?;
        self.demand_answers(outside);
        self.topology.tell_pending(&mut self.outcome, now);
        for channel in self.channels.values_mut() {
            channel.tell_pending(&mut self.outcome, now);
        }
        let mut milestones = self.milestones(outside);
        if milestones.is_back {
            self.topology.begin_aside(now);
            for channel in self.channels.values_mut() {
                channel.begin_aside(now);
            }
        }
        self.judge_failures()?;
        self.skipped.append(&mut self.outcome.given_up);
        if self.stage == PlanStage::Back && !milestones.is_back {
            milestones.failed = std::mem::take(&mut self.skipped);
        }
        Ok(milestones)
    }

    /// Channels may be asked for while others are being restored.
    fn find_channels(&mut self, outside: &Outside) {
        let restoring: Vec<_> = outside.outbox().channels().restoring().collect();
        for at in restoring {
            let known = self.channels.entry(at.channel);
            let known = known.or_insert_with(|| Returning::new(at));
            if known.at() != at {
                *known = Returning::new(at);
            }
        }
    }

    /// Declares what can be declared.
    fn declare(&mut self, outside: &mut Outside) -> Result<(), Box<EntityFailure>> {
        if !self.topology.wants_channel(outside.now()) {
            return Ok(());
        }
        if let Some(id) = self.scratch_channel(outside)? {
            self.topology.send(id, &mut self.outcome, outside);
        }
        Ok(())
    }

    /// What has been asked behind the gates is to be read. Not the answers to consumers, which may
    /// take as long as they like.
    fn demand_answers(&mut self, outside: &Outside) {
        let opening = self.scratch.as_ref().and_then(|one| one.opening.as_ref());
        let waits = self.topology.is_amid()
            || opening.is_some_and(|answer| !answer.is_settled())
            || self.channels.values().any(Returning::is_asking);
        match waits && self.stage > PlanStage::Shut {
            true => {
                let demand = || Demand::new(outside.shared());
                self.demand.get_or_insert_with(demand);
            }
            false => self.demand = None,
        }
    }

    /// Consumers that were refused are not asked for again before their queues have been seen.
    fn look_for_queues(&mut self, outside: &mut Outside) -> Result<(), Box<EntityFailure>> {
        if !self.channels.values().any(Returning::wants_to_look) {
            return Ok(());
        }
        if let Some(id) = self.scratch_channel(outside)? {
            for channel in self.channels.values_mut() {
                channel.look(id, outside);
            }
        }
        Ok(())
    }

    /// The channel to declare on, once it is open.
    fn scratch_channel(
        &mut self,
        outside: &mut Outside,
    ) -> Result<Option<u16>, Box<EntityFailure>> {
        if self.stage > PlanStage::Shut && outside.shared().reading.is_full() {
            // No answer would be read.
            self.without_channel = Some(after(outside.now(), WITHOUT_CHANNEL));
            return Ok(None);
        }
        let Some(scratch) = &mut self.scratch else {
            self.open_scratch(outside);
            return Ok(None);
        };
        let id = scratch.at.channel;
        if scratch.is_borrowed && self.channels.get(&id).is_none_or(|one| one.released) {
            // Its program uses it again.
            self.topology.interrupted();
            self.scratch = None;
            self.open_scratch(outside);
            return Ok(None);
        }
        if let Some(Err(error)) = scratch
            .opening
            .as_ref()
            .and_then(|answer| answer.take_ready())
        {
            if matches!(error, ChannelError::ReadingStopped { .. }) {
                self.leave_scratch(outside);
                self.without_channel = Some(after(outside.now(), WITHOUT_CHANNEL));
                return Ok(None);
            }
            // Behind the gates its answer may come late.
            if error.broker_close().is_none() && self.stage < PlanStage::Back {
                return Err(Box::new(EntityFailure::new(Entity::Channel(id), error)));
            }
        }
        let way_back = outside.outbox().channels().way_back(id);
        match way_back {
            WayBack::Open => return Ok(Some(id)),
            WayBack::Opening => {}
            WayBack::Gone => {
                self.topology.interrupted();
                self.scratch = None;
                self.open_scratch(outside);
            }
            // One of the program's is opened with all others.
            WayBack::Lost if scratch.is_borrowed => self.topology.interrupted(),
            WayBack::Lost => {
                self.topology.interrupted();
                let (open, answer) = slot::<channel::Open>(About::default(), outside);
                let mut open = Some(open.with_effect(Effect::RenewChannel));
                let mut outbox = outside.outbox();
                // It has no modes, and asks for its opening alone.
                outbox.order_mut().restorer().open_lost(id, |_| {
                    let (spare, _) = slot::<channel::Open>(About::default(), outside);
                    open.take().unwrap_or(spare)
                });
                drop(outbox);
                if let Some(scratch) = &mut self.scratch {
                    scratch.opening = Some(answer);
                }
            }
        }
        Ok(None)
    }

    fn open_scratch(&mut self, outside: &Outside) {
        let connection = outside.shared();
        let channel_max = connection.limits().channel_max;
        let (slot, answer) = slot::<channel::Open>(About::default(), outside);
        let opened = outside
            .outbox()
            .order_mut()
            .restorer()
            .open_scratch(channel_max, |at| {
                let shared = ChannelShared::internal(at, Arc::clone(connection));
                slot.with_effect(Effect::OpenChannel(Arc::new(shared)))
            });
        self.scratch = match opened {
            Some(at) => Some(Scratch {
                at,
                opening: Some(answer),
                is_borrowed: false,
            }),
            // All are in use.
            None => self.borrowed(),
        };
        if self.scratch.is_none() {
            self.without_channel = Some(after(outside.now(), WITHOUT_CHANNEL));
        }
    }

    /// A channel of the program's to declare on. What is refused there closes it, so that it is none
    /// that the program uses.
    fn borrowed(&self) -> Option<Scratch> {
        let mut held = self.channels.values().filter(|one| !one.released);
        held.next().map(|channel| Scratch {
            at: channel.at(),
            opening: None,
            is_borrowed: true,
        })
    }

    fn start_consumers(&mut self, outside: &mut Outside) {
        let mut one_is_starting = self.channels.values().any(Returning::is_starting);
        for channel in self.channels.values_mut() {
            if self.is_careful && one_is_starting {
                return;
            }
            let around = Around {
                policy: &self.policy,
                exclusive_limit: self.exclusive_limit,
                topology: &self.topology,
                given_up: &self.given_up,
                aside: &self.aside,
                left_out: &self.left_out,
                is_live: self.stage > PlanStage::Shut,
                is_back: self.stage == PlanStage::Back,
            };
            channel.start_next(Which::Bounded, &around, &mut self.outcome, outside);
            one_is_starting |= self.is_careful && channel.is_starting();
            // Of the others one at a time, for its deliveries may stand in front of all answers.
            if self.stage > PlanStage::Shut && !one_is_starting {
                channel.start_next(Which::All, &around, &mut self.outcome, outside);
                one_is_starting |= channel.is_starting();
            }
        }
    }

    /// How far it is.
    fn milestones(&mut self, outside: &mut Outside) -> Milestones {
        self.release_closing(outside);
        let around = Around {
            policy: &self.policy,
            exclusive_limit: self.exclusive_limit,
            topology: &self.topology,
            given_up: &self.given_up,
            aside: &self.aside,
            left_out: &self.left_out,
            is_live: self.stage > PlanStage::Shut,
            is_back: self.stage == PlanStage::Back,
        };
        let pending = self.channels.values();
        let pending = pending.map(|channel| channel.n_pending(outside));
        let mut milestones = Milestones {
            n_pending: pending.sum::<usize>() + self.topology.n_pending() + self.n_elsewhere,
            pending: std::mem::take(&mut self.outcome.pending),
            restored: std::mem::take(&mut self.outcome.restored),
            renamed: std::mem::take(&mut self.outcome.renamed),
            ..Milestones::default()
        };
        if !self.topology.is_settled(outside.now()) {
            return milestones;
        }
        let all = |which, channels: &BTreeMap<u16, Returning>| {
            let mut channels = channels.values();
            channels.all(|channel| channel.is_back(which, &around, outside))
        };
        if self.stage == PlanStage::Shut && all(Which::Bounded, &self.channels) {
            self.stage = PlanStage::Open;
            milestones.opens_gates = true;
        }
        if self.stage == PlanStage::Open && all(Which::All, &self.channels) {
            self.stage = PlanStage::Back;
            milestones.is_back = true;
        }
        if self.stage > PlanStage::Shut {
            for channel in self
                .channels
                .values_mut()
                .filter(|channel| !channel.released)
            {
                if channel.is_back(Which::All, &around, outside) {
                    release(channel, outside);
                }
            }
        }
        if self.stage == PlanStage::Back && milestones.n_pending == 0 && self.topology.is_done() {
            milestones.is_done = true;
            self.close_scratch(outside);
        }
        milestones
    }

    /// Those that the program closes have nothing to wait for, and others may need their ids.
    fn release_closing(&mut self, outside: &mut Outside) {
        let held = self.channels.values_mut().filter(|one| !one.released);
        for channel in held {
            let way_back = outside.outbox().channels().way_back(channel.at().channel);
            if way_back == WayBack::Gone {
                release(channel, outside);
            }
        }
    }

    /// What was asked over it has no answer, nor has what is behind that: another one is opened.
    fn leave_scratch(&mut self, outside: &mut Outside) {
        self.topology.interrupted();
        for channel in self.channels.values_mut() {
            channel.look_again();
        }
        self.close_scratch(outside);
    }

    fn close_scratch(&mut self, outside: &Outside) {
        let scratch = self.scratch.take().filter(|scratch| !scratch.is_borrowed);
        if let Some(Scratch { at, .. }) = scratch {
            let (close, _) = slot::<channel::Close<'_>>(About::default(), outside);
            outside
                .outbox()
                .order_mut()
                .restorer()
                .close_scratch(at, close);
        }
    }

    /// What was refused is reported, and may end the attempt.
    fn judge_failures(&mut self) -> Result<(), Box<EntityFailure>> {
        for failure in std::mem::take(&mut self.outcome.failures) {
            if self.policy.judge(&failure) == OnFailure::Abort {
                return Err(Box::new(failure));
            }
            self.skipped.push(failure);
        }
        Ok(())
    }
}

/// What waited on a channel goes on, with the names that queues have by now.
fn release(channel: &mut Returning, outside: &mut Outside) {
    channel.released = true;
    let translate = |sent: &[u8]| outside.record().translated(sent);
    let too_large = outside.outbox().channel_restored(channel.at(), translate);
    for (error, slot) in too_large {
        let _ = slot.answer.settle(Err(error.into()), outside.wakers());
    }
}
