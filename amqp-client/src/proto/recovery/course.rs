//! The course of a connection over its streams: live, lost, waiting for the next, brought back.
//!
//! ```text
//! First ──opened──▶ Live ──lost──▶ Down ──connected──▶ Connecting ──opened──▶ Restoring ──all is back──▶ Live
//!   │                               ▲ └──not_connected──┘ │ the stream is lost   │ the stream is lost, or
//!   │                               └─────────────────────┴──────────────────────┘ something has no answer
//!   └──────────────▶ Over ◀── closed, given up, recovery off: from everywhere
//! ```
//!
//! It decides what comes behind the end of a stream, and remembers what the program is told of it.

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::ReplyCode;

use super::aside::{Aside, SetAside};
use super::closed::ClosedChannels;
use super::{Attempts, Counts, Plan, Recovery, RecoveryReport, Verdict};
use crate::error::{ConnectError, ConnectionError, Entity, EntityFailure};
use crate::proto::outside::Outside;

/// Where a connection is on its course.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stretch {
    /// On its first stream, which is being opened.
    First,
    /// Everything is there.
    Live,
    /// It waits for another stream, which is not to be connected before this time.
    Down { at: Instant },
    /// It is being opened on another stream.
    Connecting,
    /// What it had is brought back.
    Restoring,
    /// Nothing follows.
    Over,
}

/// What a driver does when its stream is over
/// ([`Core::is_finished`](crate::proto::Core::is_finished)).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Sequel {
    /// Nothing: the connection is over.
    Over,
    /// It connects another stream, but not before this time.
    Redial {
        /// The time.
        at: Instant,
    },
}

/// What follows the end of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Next {
    /// Nothing.
    End,
    /// The same attempt goes on: with another host, perhaps.
    SameAttempt,
    /// Another attempt.
    Attempt { delay: std::time::Duration },
}

/// The course of one connection.
#[derive(Debug)]
pub(crate) struct Course {
    policy: Recovery,
    attempts: Attempts,
    stretch: Stretch,
    /// Why the connection was lost, if it is not back.
    lost: Option<ConnectionError>,
    /// How the last attempt failed.
    last: Option<ConnectError>,
    plan: Option<Box<Plan>>,
    /// What the broker closed the connection over while it was restored, and how often in a row.
    blamed: Option<(Entity, u32)>,
    /// The broker has closed the connection over something, and it is not known over what.
    is_careful: bool,
    /// What is not tried any more in this outage.
    given_up: Vec<EntityFailure>,
    aside: SetAside,
    closed: ClosedChannels,
    /// Queues that have had other names since the connection was lost: those of before, and those
    /// of now.
    renamed: Vec<(String, String)>,
    /// The program has been told that the connection is lost, and not yet that it is back.
    is_away: bool,
    /// The program has never been told that the connection is open.
    is_new: bool,
}

/// How often in a row the broker may close the connection over the same thing.
const MOST_CLOSES: u32 = 2;

impl Course {
    pub(crate) fn new(policy: Recovery, seed: u64) -> Self {
        Self {
            attempts: Attempts::new(policy.clone(), seed),
            policy,
            stretch: Stretch::First,
            lost: None,
            last: None,
            plan: None,
            blamed: None,
            is_careful: false,
            given_up: Vec::new(),
            aside: SetAside::default(),
            closed: ClosedChannels::default(),
            renamed: Vec::new(),
            is_away: false,
            is_new: true,
        }
    }

    /// It begins without a stream, and the first one is connected as any other.
    #[allow(dead_code, reason = "only adapters that dial by themselves begin so")]
    pub(crate) fn wait_for_the_first(&mut self, now: Instant) {
        self.attempts.starting(now);
        self.stretch = Stretch::Down { at: now };
        self.is_away = true;
    }

    pub(crate) fn policy(&self) -> &Recovery {
        &self.policy
    }

    pub(crate) fn stretch(&self) -> Stretch {
        self.stretch
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stretch == Stretch::Over
    }

    /// Whether a stream is waited for, or has not brought back everything.
    #[inline]
    pub(crate) fn is_recovering(&self) -> bool {
        matches!(
            self.stretch,
            Stretch::Down { .. } | Stretch::Connecting | Stretch::Restoring
        )
    }

    pub(crate) fn sequel(&self) -> Sequel {
        match self.stretch {
            Stretch::Down { at } => Sequel::Redial { at },
            _ => Sequel::Over,
        }
    }

    /// The attempt that is under way or comes next, from 1 on.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempts.count().max(1)
    }

    /// Why the connection was lost, if it is not back.
    pub(crate) fn lost(&self) -> Option<&ConnectionError> {
        self.lost.as_ref()
    }

    pub(crate) fn last(&self) -> Option<&ConnectError> {
        self.last.as_ref()
    }

    /// Nothing follows.
    pub(crate) fn end(&mut self, cause: &ConnectionError, outside: &mut Outside) {
        self.stretch = Stretch::Over;
        self.plan = None;
        for shared in outside.take_closed() {
            self.closed.add(shared, outside.now());
        }
        self.closed.end(cause, outside);
    }

    /// Another stream is there.
    pub(crate) fn connecting(&mut self) {
        self.stretch = Stretch::Connecting;
    }

    /// The connection is open on its stream. True if there is something to be brought back.
    pub(crate) fn opened(&mut self, now: Instant) -> bool {
        let restores = self.stretch == Stretch::Connecting;
        if restores {
            self.stretch = Stretch::Restoring;
        } else {
            self.stretch = Stretch::Live;
            self.attempts.opened(now);
        }
        restores
    }

    pub(crate) fn begin_plan(&mut self, mut plan: Plan) {
        if self.is_careful {
            plan.be_careful();
        }
        self.plan = Some(Box::new(plan));
    }

    /// Takes what the broker has ended on this stream, and is to come back: channels that it has
    /// closed, which are opened again in time, and consumers of channels that are in use. Gives the
    /// channels that have been.
    pub(crate) fn look_after(&mut self, outside: &mut Outside) -> Vec<Entity> {
        if self.is_over() {
            return Vec::new();
        }
        for shared in outside.take_closed() {
            self.closed.add(shared, outside.now());
        }
        let mut reopened = Vec::new();
        if !self.is_recovering() {
            reopened = self.closed.reopen_due(outside);
        }
        let pending = outside.take_pending();
        let is_wanted = !pending.is_empty() || self.closed.next().is_some();
        if is_wanted && !self.is_recovering() {
            let live = || Box::new(Plan::live(&self.policy, outside));
            self.plan.get_or_insert_with(live);
        }
        if let Some(plan) = &mut self.plan {
            pending.into_iter().for_each(|at| plan.look_after(at));
        }
        reopened
    }

    /// How many consumers wait for their channels to be opened again.
    pub(crate) fn n_waiting_for_channels(&self) -> usize {
        self.closed.n_consumers()
    }

    /// When something is to be done at the latest.
    pub(crate) fn next(&self) -> Option<Instant> {
        let plan = self.plan.as_deref().and_then(Plan::next);
        let closed = self.closed.next().filter(|_| !self.is_recovering());
        [plan, closed].into_iter().flatten().min()
    }

    pub(crate) fn take_plan(&mut self) -> Option<Box<Plan>> {
        self.plan.take()
    }

    pub(crate) fn keep_plan(&mut self, plan: Box<Plan>) {
        self.plan = Some(plan);
    }

    #[inline]
    pub(crate) fn has_plan(&self) -> bool {
        self.plan.is_some()
    }

    /// What is not tried any more in this outage.
    pub(crate) fn given_up(&self) -> &[EntityFailure] {
        &self.given_up
    }

    /// What is not tried before everything else is back.
    pub(crate) fn aside(&self) -> &[Aside] {
        self.aside.all()
    }

    /// Something is back that was pending.
    pub(crate) fn restored(&mut self, entity: &Entity) {
        self.aside.restored(entity);
    }

    /// Nothing is pending any more.
    pub(crate) fn all_restored(&mut self) {
        self.aside.clear();
    }

    /// The program has not been told that the connection is back.
    pub(crate) fn is_away(&self) -> bool {
        self.is_away
    }

    /// The program is told that the connection is open. True if that is the first time.
    pub(crate) fn is_open_at_last(&mut self) -> bool {
        std::mem::replace(&mut self.is_new, false)
    }

    /// A queue has another name.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        for (_, now) in &mut self.renamed {
            if now == from {
                to.clone_into(now);
                return;
            }
        }
        self.renamed.push((from.to_owned(), to.to_owned()));
    }

    /// What publishers wait for is back.
    pub(crate) fn gates_open(&mut self, now: Instant) {
        self.stretch = Stretch::Live;
        self.attempts.opened(now);
    }

    /// Everything is back, but for what is tried again and again.
    pub(crate) fn recovered(
        &mut self,
        restored: Counts,
        skipped: Vec<EntityFailure>,
        resent: u64,
        now: Instant,
    ) -> RecoveryReport {
        (self.lost, self.last, self.blamed) = (None, None, None);
        self.given_up.clear();
        self.is_careful = false;
        self.is_away = false;
        let began = self.attempts.began().unwrap_or(now);
        RecoveryReport {
            attempts: self.attempts.count(),
            outage: now.saturating_duration_since(began),
            restored,
            skipped,
            renamed: std::mem::take(&mut self.renamed),
            resent,
        }
    }

    /// The stream has ended, over `failure` if that is known.
    pub(crate) fn stream_lost(
        &mut self,
        cause: &ConnectionError,
        failure: Option<ConnectError>,
        now: Instant,
    ) -> Next {
        if let Some(plan) = self.plan.take() {
            match plan.blamed() {
                Some(failure) => self.blame(failure, now),
                None => self.is_careful |= is_over_something(cause),
            }
        }
        let verdict = match self.stretch {
            Stretch::First | Stretch::Over => Verdict::GiveUp,
            // The driver may have other hosts.
            Stretch::Connecting | Stretch::Down { .. } => {
                self.stretch = Stretch::Down { at: now };
                return Next::SameAttempt;
            }
            Stretch::Live => {
                self.lost.get_or_insert_with(|| cause.clone());
                self.attempts.lost(cause, now)
            }
            Stretch::Restoring => match failure {
                Some(failure) => {
                    let verdict = self.attempts.failed(&failure, now);
                    self.last = Some(failure);
                    verdict
                }
                None => self.attempts.lost(cause, now),
            },
        };
        self.follow(verdict)
    }

    /// No stream could be connected.
    pub(crate) fn not_connected(&mut self, error: ConnectError, now: Instant) -> Next {
        if !matches!(self.stretch, Stretch::Down { .. } | Stretch::Connecting) {
            return Next::SameAttempt;
        }
        let verdict = self.attempts.failed(&error, now);
        self.last = Some(error);
        self.follow(verdict)
    }

    /// The program is told that the connection is lost. False if it knows.
    pub(crate) fn goes_away(&mut self) -> bool {
        !std::mem::replace(&mut self.is_away, true)
    }

    fn follow(&mut self, verdict: Verdict) -> Next {
        match verdict {
            Verdict::GiveUp => Next::End,
            Verdict::Redial { at, delay } => {
                self.stretch = Stretch::Down { at };
                Next::Attempt { delay }
            }
        }
    }

    /// This has ended an attempt: the program wants that, or it had no answer.
    pub(crate) fn attempt_ended(&mut self, failure: &EntityFailure, now: Instant) {
        if failure.cause.is_timeout() && !failure.entity.is_channel() {
            self.blame(failure.clone(), now);
        }
    }

    /// The broker has closed the connection over this, or has not answered it. What may be answered
    /// later is set aside; of a silence that is thought only the second time, for it may be that of
    /// the broker.
    fn blame(&mut self, failure: EntityFailure, now: Instant) {
        let before = match &self.blamed {
            Some((entity, n)) if *entity == failure.entity => *n,
            _ => 0,
        };
        self.blamed = Some((failure.entity.clone(), before + 1));
        let close = failure.cause.broker_close();
        let is_internal = close.is_some_and(|close| close.reply_code == ReplyCode::INTERNAL_ERROR);
        if !is_internal && before + 1 < MOST_CLOSES {
            return;
        }
        self.blamed = None;
        let may_pass = is_internal || close.is_none();
        if !may_pass || !self.aside.put(&failure, &self.policy, now) {
            self.given_up.push(failure);
        }
    }

    /// Why the connection has ended, if it has done so for this.
    pub(crate) fn final_cause(&self, cause: &ConnectionError) -> ConnectionError {
        // Without an attempt there is nothing more to be told.
        let lost = self.lost.as_ref().filter(|_| self.attempts.count() > 0);
        match (lost, cause) {
            // The program, or its runtime, has ended it.
            (_, ConnectionError::Closed | ConnectionError::DriverGone) => cause.clone(),
            // It was never open.
            (None, _) if self.lost.is_none() && self.last.is_some() => {
                ConnectionError::NotRecovered {
                    lost: Arc::new(cause.clone()),
                    last: self.last.clone(),
                    attempts: self.attempts.count(),
                }
            }
            (None, _) => self.lost.as_ref().unwrap_or(cause).clone(),
            (Some(lost), _) => ConnectionError::NotRecovered {
                lost: Arc::new(lost.clone()),
                last: self.last.clone(),
                attempts: self.attempts.count(),
            },
        }
    }
}

/// Whether the broker has closed the connection over something that it was asked for.
fn is_over_something(cause: &ConnectionError) -> bool {
    let close = cause.broker_close();
    close.is_some_and(|close| close.reply_code != ReplyCode::CONNECTION_FORCED)
}
