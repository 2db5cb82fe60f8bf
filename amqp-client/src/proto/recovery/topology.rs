//! What was declared is declared again, over a channel of its own: pipelined, but nothing before
//! what it needs has been answered.
//!
//! ```text
//! Waiting ──▶ Sent ──▶ Done
//!    ▲         ├─refused for good─▶ Failed: what needs it fails as well
//!    └─Resting◀┘ refused for a reason that may pass
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use amqp_spec::frame::{FrameTooLarge, OVERHEAD};
use amqp_spec::wire::{Request, TypedMethod};
use amqp_spec::{Method, exchange, queue};

use super::aside::Aside;
use super::passing::Passing;
use super::record::Entry;
use super::rest::{Rest, Resting};
use super::{Counts, Recovery};
use crate::error::{About, ChannelError, Entity, EntityFailure};
use crate::proto::outside::Outside;
use crate::proto::send::request::{Answer, Slot};
use crate::proto::time::after;

/// One thing to be declared.
#[derive(Debug)]
struct Task {
    entry: Entry,
    state: TaskState,
    /// It was refused for a reason that may pass.
    rest: Option<Resting>,
}

#[derive(Debug)]
enum TaskState {
    Waiting,
    Sent(Arc<Answer>),
    Done,
    /// It is tried again.
    Resting,
    Failed(ChannelError),
    /// It is nothing that can be declared.
    LeftOut,
}

/// How far a queue is.
#[derive(Debug)]
pub(super) enum QueueIs {
    /// As far as this connection goes.
    Ready,
    /// It is to be there later.
    Awaited,
    /// It was refused for a reason that may pass.
    Pending,
    /// It, or what leads to it, could not be restored.
    Missing(ChannelError),
}

/// Everything to be declared.
#[derive(Debug)]
pub(super) struct Topology {
    tasks: Vec<Task>,
    /// One at a time, since the broker has closed the channel over one of several and it is not
    /// known over which.
    one_by_one: bool,
}

/// What has come of it.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) counts: Counts,
    pub(super) renamed: Vec<(String, String)>,
    pub(super) failures: Vec<EntityFailure>,
    /// Consumers that the broker had cancelled, and that do not subscribe again: the program has said
    /// how often that is tried, so that it is not asked what follows.
    pub(super) given_up: Vec<EntityFailure>,
    /// What is tried again from now on, and why.
    pub(super) pending: Vec<EntityFailure>,
    /// What had been pending.
    pub(super) restored: Vec<Entity>,
    /// What was asked over the plan's own channel had no answer: that channel is of no use.
    pub(super) is_silent: bool,
}

impl Topology {
    pub(super) fn new(entries: Vec<Entry>, given_up: &[EntityFailure], aside: &[Aside]) -> Self {
        let task = |entry: Entry| {
            let given_up = given_up.iter().find(|known| known.entity == entry.entity);
            let aside = aside.iter().find(|one| one.covers(&entry.entity));
            let state = match (given_up, aside) {
                (Some(failure), _) => TaskState::Failed(failure.cause.clone()),
                (None, Some(_)) => TaskState::Resting,
                (None, None) => TaskState::Waiting,
            };
            Task {
                entry,
                state,
                rest: aside.map(|aside| Resting::new(aside.rest, aside.failure.clone())),
            }
        };
        Self {
            tasks: entries.into_iter().map(task).collect(),
            one_by_one: false,
        }
    }

    /// One at a time.
    pub(super) fn be_careful(&mut self) {
        self.one_by_one = true;
    }

    /// Everything else is back.
    pub(super) fn begin_aside(&mut self, now: Instant) {
        for task in &mut self.tasks {
            if let Some(resting) = &mut task.rest {
                resting.rest.begin(now);
            }
        }
    }

    /// Tells what is pending from now on.
    pub(super) fn tell_pending(&mut self, outcome: &mut Outcome, now: Instant) {
        let resting = self.tasks.iter_mut();
        let resting = resting.filter(|task| matches!(task.state, TaskState::Resting));
        let told = resting.filter_map(|task| task.rest.as_mut()?.tell(now));
        outcome.pending.extend(told);
    }

    /// Takes the answers that have come. Behind the gates (`is_live`) what is not answered in time
    /// costs its own try only.
    ///
    /// # Errors
    ///
    /// Something was not answered in time.
    pub(super) fn hear(
        &mut self,
        (policy, exclusive_limit): (&Recovery, Duration),
        is_live: bool,
        outcome: &mut Outcome,
        now: Instant,
    ) -> Result<(), Box<EntityFailure>> {
        let (mut accused, mut bystanders) = (false, false);
        let renamed = outcome.renamed.len();
        for task in &mut self.tasks {
            let TaskState::Sent(answer) = &task.state else {
                continue;
            };
            match answer.take_ready() {
                None => {}
                Some(Ok(reply)) => task.done(&reply.payload, outcome),
                Some(Err(error)) => match error.broker_close() {
                    Some(close) if close.bystander && !self.one_by_one => {
                        bystanders = true;
                        task.state = TaskState::Waiting;
                    }
                    Some(_) => {
                        accused = true;
                        let passing = Passing::of(&error);
                        task.refused(error, passing, (policy, exclusive_limit), outcome, now);
                    }
                    None if is_live && error.is_timeout() => {
                        outcome.is_silent = true;
                        let passing = Some(Passing::OutOfReach);
                        task.refused(error, passing, (policy, exclusive_limit), outcome, now);
                    }
                    None => {
                        return Err(Box::new(EntityFailure::new(
                            task.entry.entity.clone(),
                            error,
                        )));
                    }
                },
            }
        }
        self.one_by_one |= bystanders && !accused;
        for (before, now) in outcome.renamed.get(renamed..).unwrap_or_default() {
            self.rename(before, now);
        }
        Ok(())
    }

    /// A queue has another name.
    fn rename(&mut self, before: &str, now: &str) {
        for task in &mut self.tasks {
            if task.entry.queue.as_deref() == Some(before) {
                task.entry.queue = Some(now.to_owned());
            }
        }
    }

    /// Sends what may be sent over this channel, which is open.
    pub(super) fn send(&mut self, over: u16, outcome: &mut Outcome, outside: &Outside) {
        let now = outside.now();
        for task in &mut self.tasks {
            if matches!(task.state, TaskState::Resting) && task.rests_no_longer(now) {
                task.state = TaskState::Waiting;
            }
        }
        for at in 0..self.tasks.len() {
            if self.one_by_one && self.is_amid() {
                return;
            }
            match self.needs_of(at) {
                Needs::There => self.send_one(at, over, outcome, outside),
                Needs::Nothing => {}
                Needs::Missing(cause) => {
                    if let Some(task) = self.tasks.get_mut(at) {
                        let failure = EntityFailure::new(task.entry.entity.clone(), cause.clone());
                        outcome.failures.push(failure);
                        task.state = TaskState::Failed(cause);
                    }
                }
                Needs::LeftOut => {
                    if let Some(task) = self.tasks.get_mut(at) {
                        task.state = TaskState::LeftOut;
                    }
                }
            }
        }
    }

    fn send_one(&mut self, at: usize, over: u16, outcome: &mut Outcome, outside: &Outside) {
        let Some(task) = self.tasks.get_mut(at) else {
            return;
        };
        // With the names that queues have by now.
        let present = outside.record().translated(&task.entry.method);
        let method = present.as_ref().unwrap_or(&task.entry.method);
        if let Some(error) = too_large(method, outside) {
            let cause = ChannelError::from(error);
            let failure = EntityFailure::new(task.entry.entity.clone(), cause.clone());
            outcome.failures.push(failure);
            task.state = TaskState::Failed(cause);
            return;
        }
        let Some((slot, answer)) = request(method, outside) else {
            task.state = TaskState::LeftOut;
            return;
        };
        outside
            .outbox()
            .order_mut()
            .restorer()
            .pass(over, method, slot);
        task.state = TaskState::Sent(answer);
    }

    fn needs_of(&self, at: usize) -> Needs {
        let Some(task) = self.tasks.get(at) else {
            return Needs::Nothing;
        };
        if !matches!(task.state, TaskState::Waiting) {
            return Needs::Nothing;
        }
        let needed = task.entry.needs.iter().filter_map(|&at| self.tasks.get(at));
        let mut needs = Needs::There;
        for task in needed {
            match &task.state {
                TaskState::Done => {}
                TaskState::Failed(cause) => return Needs::Missing(cause.clone()),
                TaskState::LeftOut => return Needs::LeftOut,
                TaskState::Waiting | TaskState::Sent(_) | TaskState::Resting => {
                    needs = Needs::Nothing;
                }
            }
        }
        needs
    }

    pub(super) fn is_amid(&self) -> bool {
        let mut tasks = self.tasks.iter();
        tasks.any(|task| matches!(task.state, TaskState::Sent(_)))
    }

    /// The channel is gone on which this was sent.
    pub(super) fn interrupted(&mut self) {
        for task in &mut self.tasks {
            if let TaskState::Sent(answer) = &task.state {
                if !answer.is_settled() {
                    task.state = TaskState::Waiting;
                }
            }
        }
    }

    /// Whether nothing is left but what has failed, or rests for longer than a moment, and what
    /// depends on that.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.tasks.iter().all(|task| match &task.state {
            TaskState::Done | TaskState::Failed(_) | TaskState::LeftOut => true,
            TaskState::Sent(_) => false,
            TaskState::Resting => !task.rests_shortly(now),
            TaskState::Waiting => self.waits_for_resting(task, now),
        })
    }

    fn waits_for_resting(&self, task: &Task, now: Instant) -> bool {
        self.waits_for(task, |resting| !resting.rests_shortly(now))
    }

    /// Whether it needs something that rests, and that is such a one.
    fn waits_for(&self, task: &Task, is_such: impl Fn(&Task) -> bool + Copy) -> bool {
        let mut needed = task.entry.needs.iter().filter_map(|&at| self.tasks.get(at));
        needed.any(|task| match task.state {
            TaskState::Resting => is_such(task),
            TaskState::Waiting => self.waits_for(task, is_such),
            _ => false,
        })
    }

    /// Whether everything has come to its end.
    pub(super) fn is_done(&self) -> bool {
        self.tasks.iter().all(|task| {
            matches!(
                task.state,
                TaskState::Done | TaskState::Failed(_) | TaskState::LeftOut
            )
        })
    }

    /// Whether a channel is needed at this time.
    pub(super) fn wants_channel(&self, now: Instant) -> bool {
        let mut tasks = self.tasks.iter().enumerate();
        tasks.any(|(at, task)| match task.state {
            TaskState::Waiting => !matches!(self.needs_of(at), Needs::Nothing),
            TaskState::Sent(_) => true,
            TaskState::Resting => task.rests_no_longer(now),
            TaskState::Done | TaskState::Failed(_) | TaskState::LeftOut => false,
        })
    }

    /// When something is to be tried again.
    pub(super) fn times(&self) -> impl Iterator<Item = Instant> {
        let resting = self
            .tasks
            .iter()
            .filter(|task| matches!(task.state, TaskState::Resting));
        let rests = resting.filter_map(|task| task.rest.as_ref());
        rests.flat_map(Resting::times)
    }

    /// How many queues and exchanges are pending.
    pub(super) fn n_pending(&self) -> usize {
        let resting = self.tasks.iter().filter(|task| task.rest.is_some());
        resting
            .filter(|task| !matches!(task.state, TaskState::Done | TaskState::Failed(_)))
            .count()
    }

    /// How far a queue is, with everything that leads to it.
    pub(super) fn queue(&self, name: &str) -> QueueIs {
        let mut is = QueueIs::Ready;
        let of_queue = self
            .tasks
            .iter()
            .filter(|task| task.entry.queue.as_deref() == Some(name));
        for task in of_queue {
            match &task.state {
                TaskState::Done | TaskState::LeftOut => {}
                TaskState::Failed(cause)
                    if task.entry.entity.is_queue() || task.entry.is_transient =>
                {
                    return QueueIs::Missing(cause.clone());
                }
                TaskState::Failed(_) => {}
                TaskState::Resting => is = QueueIs::Pending,
                TaskState::Waiting if self.waits_for(task, |_| true) => is = QueueIs::Pending,
                TaskState::Waiting | TaskState::Sent(_) => {
                    if !matches!(is, QueueIs::Pending) {
                        is = QueueIs::Awaited;
                    }
                }
            }
        }
        is
    }

    /// What the broker has closed the connection over.
    /// If it was the only one, without a word of the broker's about it.
    pub(super) fn blamed(&self, only_one: bool) -> Option<EntityFailure> {
        self.tasks.iter().find_map(|task| match &task.state {
            TaskState::Sent(answer) => {
                let error = answer.take_ready()?.err()?;
                let close = error.broker_close()?;
                (only_one || !close.bystander)
                    .then(|| EntityFailure::new(task.entry.entity.clone(), error.clone()))
            }
            _ => None,
        })
    }
}

/// What a task needs.
enum Needs {
    There,
    /// Nothing is to be done at present.
    Nothing,
    Missing(ChannelError),
    LeftOut,
}

impl Task {
    fn rests_shortly(&self, now: Instant) -> bool {
        let resting = self.rest.as_ref();
        resting.is_some_and(|resting| resting.rest.is_short(now))
    }

    fn rests_no_longer(&self, now: Instant) -> bool {
        let resting = self.rest.as_ref();
        resting.is_none_or(|resting| resting.rest.is_over(now))
    }

    fn done(&mut self, reply: &[u8], outcome: &mut Outcome) {
        self.state = TaskState::Done;
        let counts = &mut outcome.counts;
        let count = match &self.entry.entity {
            Entity::Exchange(_) => &mut counts.exchanges,
            Entity::Queue(_) => &mut counts.queues,
            Entity::ExchangeBinding { .. } => &mut counts.exchange_bindings,
            _ => &mut counts.bindings,
        };
        *count += 1;
        if self.rest.as_ref().is_some_and(Resting::is_told) {
            outcome.restored.push(self.entry.entity.clone());
        }
        if let (Entity::Queue(before), Ok(ok)) =
            (&self.entry.entity, queue::DeclareOk::decode(reply))
        {
            let now = String::from_utf8_lossy(ok.queue.as_bytes());
            if *before != now {
                outcome.renamed.push((before.clone(), now.into_owned()));
            }
        }
    }

    fn refused(
        &mut self,
        cause: ChannelError,
        passing: Option<Passing>,
        (policy, exclusive_limit): (&Recovery, Duration),
        outcome: &mut Outcome,
        now: Instant,
    ) {
        let failure = EntityFailure::new(self.entry.entity.clone(), cause.clone());
        let before = self.rest.as_ref().map(|resting| resting.rest);
        let rest =
            passing.and_then(|passing| Rest::after(before, passing, policy, exclusive_limit, now));
        match rest {
            Some(rest) => {
                match &mut self.rest {
                    Some(resting) => resting.again(rest, failure),
                    none => *none = Some(Resting::new(rest, failure)),
                }
                self.state = TaskState::Resting;
            }
            None => {
                outcome.failures.push(failure);
                self.state = TaskState::Failed(cause);
            }
        }
    }
}

/// Whether a method with this payload does not fit into a frame on this stream.
pub(super) fn too_large(payload: &[u8], outside: &Outside) -> Option<FrameTooLarge> {
    let limits = outside.shared().limits();
    let frame_max = usize::try_from(limits.frame_max).unwrap_or(usize::MAX);
    let size = payload.len() + OVERHEAD;
    (size > frame_max).then_some(FrameTooLarge { size, frame_max })
}

/// The slot of a request with this payload, and where its answer will be.
fn request(payload: &[u8], outside: &Outside) -> Option<(Slot, Arc<Answer>)> {
    let text =
        |name: amqp_spec::wire::ShortStr<'_>| String::from_utf8_lossy(name.as_bytes()).into_owned();
    Some(match Method::decode(payload).ok()? {
        Method::ExchangeDeclare(declare) => {
            slot::<exchange::Declare<'_>>(About::exchange(&text(declare.exchange)), outside)
        }
        Method::ExchangeBind(bind) => {
            let about = About::exchanges(&text(bind.destination), &text(bind.source));
            slot::<exchange::Bind<'_>>(about, outside)
        }
        Method::QueueDeclare(declare) => {
            slot::<queue::Declare<'_>>(About::queue(&text(declare.queue)), outside)
        }
        Method::QueueBind(bind) => {
            let about = About::binding(&text(bind.queue), &text(bind.exchange));
            slot::<queue::Bind<'_>>(about, outside)
        }
        _ => return None,
    })
}

/// The slot of a request of the recovery's own.
pub(super) fn slot<'m, M: TypedMethod<'m> + Request>(
    about: About,
    outside: &Outside,
) -> (Slot, Arc<Answer>) {
    let answer = Arc::new(Answer::new(about));
    let now = outside.now();
    let deadline = after(now, outside.shared().request_timeout);
    (Slot::new::<M>(Arc::clone(&answer), now, deadline), answer)
}
