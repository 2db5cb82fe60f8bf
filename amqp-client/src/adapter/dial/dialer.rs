//! Rounds and hosts, and the steps of one host.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::contact::Contact;
use super::plan::{Plan, Rounds, Target, Targets, Way};
use super::race::{Losers, Race, Turn};
use super::step::{Action, ActionId, Failure, Outcome, Step};
use super::time::{Budget, Deadline};
use crate::error::{Attempt, AttemptFailures, ConnectCause, ConnectError, OverTls, Stage};
use crate::options::ConnectionOptions;
use crate::proto::time::after;

/// Decides what to do until a connection is open, or cannot be.
///
/// [`poll`](Self::poll) tells what to do until it says to wait; then something is
/// [reported](Self::report), or the time has come. Credentials are asked for and names resolved
/// anew at each attempt, files read anew in each round: while they cannot be had, no host is tried.
/// Every attempt that fails is kept for the error. What was refused for good (a wrong password,
/// say) is not tried again, nor elsewhere: the hosts are taken for one cluster.
#[derive(Debug)]
pub(crate) struct Dialer {
    targets: Targets,
    rounds: Rounds,
    /// Which round this is, the first being 0.
    round: u32,
    budget: Budget,
    connect_timeout: Duration,
    handshake_timeout: Duration,
    over_tls: bool,
    /// All hosts, for people.
    everywhere: String,
    contact: Contact,
    phase: Phase,
    n_actions: u64,
    /// What is to be told as abandoned.
    abandoned: VecDeque<ActionId>,
    failures: AttemptFailures,
}

#[derive(Debug)]
enum Phase {
    /// Until the next round begins.
    Pausing {
        until: Instant,
    },
    Acting(Single),
    Racing(Race),
    Opened,
    Failed(ConnectError),
}

/// An action that nothing else runs beside: each but those of a race.
#[derive(Debug)]
struct Single {
    id: ActionId,
    action: Action,
    is_told: bool,
    deadline: Deadline,
}

/// What comes after an attempt that has failed.
enum Next {
    Host,
    Round { at: Instant },
}

impl Dialer {
    /// Nothing is done yet, but the time that all of it may take begins to run.
    ///
    /// # Errors
    ///
    /// An option has a value that it cannot have.
    pub(crate) fn new(
        options: &ConnectionOptions,
        plan: Plan,
        now: Instant,
    ) -> Result<Self, ConnectError> {
        let everywhere = plan.way.address(options);
        let over_tls = options.tls.is_some() && matches!(plan.way, Way::Network { .. });
        let valid = options.validate();
        let targets = valid.and_then(|()| Targets::new(plan.way, plan.last, options));
        let targets = targets.map_err(|error| {
            let cause = ConnectCause::Options(error);
            ConnectError::new(Stage::Options, &everywhere, cause)
        })?;
        Ok(Self {
            targets,
            rounds: plan.rounds,
            round: 0,
            budget: Budget::new(plan.limit, plan.look, now),
            connect_timeout: options.connect_timeout,
            handshake_timeout: options.handshake_timeout,
            over_tls,
            contact: Contact::new(everywhere.clone()),
            everywhere,
            phase: Phase::Pausing { until: now },
            n_actions: 0,
            abandoned: VecDeque::new(),
            failures: AttemptFailures::default(),
        })
    }

    /// The address of the host that was reached for last, if one was.
    pub(crate) fn last_tried(&self) -> Option<String> {
        let address = &self.contact.address;
        (*address != self.everywhere).then(|| address.clone())
    }

    /// What to do now. Once it says to wait, it goes on saying so until something is reported or
    /// the time has come.
    pub(crate) fn poll(&mut self, now: Instant) -> Step {
        loop {
            if let Some(id) = self.abandoned.pop_front() {
                return Step::Abandon(id);
            }
            if let Some(step) = self.turn(now) {
                return step;
            }
        }
    }

    /// The next step, unless only the phase has changed.
    fn turn(&mut self, now: Instant) -> Option<Step> {
        match &mut self.phase {
            Phase::Pausing { until } if now < *until => Some(Step::Wait(Some(*until))),
            Phase::Pausing { .. } => {
                self.begin_round(now);
                None
            }
            Phase::Acting(single) => {
                let step = single.poll(now);
                if step.is_none() {
                    self.give_up(now);
                }
                step
            }
            Phase::Racing(race) => match race.poll(ActionId(self.n_actions), now) {
                Turn::Start(address) => {
                    let id = ActionId(self.n_actions);
                    self.n_actions += 1;
                    Some(Step::Begin(id, Action::Connect(address)))
                }
                Turn::Wait(until) => Some(Step::Wait(Some(until))),
                Turn::Lost { losers, late } => {
                    self.abandoned.extend(late);
                    self.lost(losers, now);
                    None
                }
            },
            Phase::Opened => Some(Step::Opened),
            Phase::Failed(error) => Some(Step::Failed(error.clone())),
        }
    }

    /// Takes note of what has become of an action. False if that is of no use, because the action
    /// does not run (any more): what it has brought is to be dropped.
    pub(crate) fn report(&mut self, id: ActionId, outcome: Outcome, now: Instant) -> bool {
        match (&mut self.phase, outcome) {
            (Phase::Acting(single), outcome) if single.id == id && single.is_told => {
                self.report_single(outcome, now)
            }
            (Phase::Racing(race), Outcome::Failed(failure)) => race.failed(id, failure.cause, now),
            (Phase::Racing(race), Outcome::Done) => {
                let Some(peer) = race.won(id) else {
                    return false;
                };
                self.abandoned.extend(race.running());
                self.contact.peer = Some(peer);
                self.connected(now);
                true
            }
            _ => false,
        }
    }

    fn report_single(&mut self, outcome: Outcome, now: Instant) -> bool {
        let Phase::Acting(single) = &self.phase else {
            return false;
        };
        match (&single.action, outcome) {
            (Action::ReadFiles, Outcome::Done) => self.ask(now),
            (Action::Ask, Outcome::Credentials { clue }) => {
                self.contact.clue = clue;
                self.reach(now);
            }
            (Action::Resolve { .. }, Outcome::Resolved(addresses)) => {
                let race = Race::new(addresses, single.deadline, now);
                self.phase = Phase::Racing(race);
            }
            (Action::ConnectLocal, Outcome::Done) => self.connected(now),
            (Action::Encrypt { .. }, Outcome::Heard) => self.contact.over_tls = OverTls::Answered,
            (Action::Encrypt { .. }, Outcome::Done) => {
                self.contact.over_tls = OverTls::Agreed;
                self.shake_hands(now);
            }
            (Action::ShakeHands { .. }, Outcome::Done) => self.phase = Phase::Opened,
            (action, Outcome::Failed(failure)) => {
                let limit = single.deadline.limit;
                let attempt = self.contact.failed(action, failure, limit);
                self.go_on(attempt, now);
            }
            _ => return false,
        }
        true
    }

    fn begin_round(&mut self, now: Instant) {
        self.targets.begin_round();
        if self.over_tls {
            self.contact = Contact::new(self.everywhere.clone());
            self.begin(Action::ReadFiles, self.connect_timeout, now);
        } else {
            self.ask(now);
        }
    }

    /// The first step of each host.
    fn ask(&mut self, now: Instant) {
        self.contact = Contact::new(self.everywhere.clone());
        self.begin(Action::Ask, self.connect_timeout, now);
    }

    fn reach(&mut self, now: Instant) {
        let target = self.targets.current();
        self.contact.address = target.address();
        let action = match target {
            Target::Host { name, port } => Action::Resolve {
                host: name.clone(),
                port: *port,
            },
            Target::Local(_) => Action::ConnectLocal,
            Target::Brought(_) => return self.shake_hands(now),
        };
        self.begin(action, self.connect_timeout, now);
    }

    fn connected(&mut self, now: Instant) {
        match self.targets.current() {
            Target::Host { name, .. } if self.over_tls => {
                let host = name.clone();
                self.begin(Action::Encrypt { host }, self.handshake_timeout, now);
            }
            _ => self.shake_hands(now),
        }
    }

    fn shake_hands(&mut self, now: Instant) {
        let limit = self.handshake_timeout;
        let action = Action::ShakeHands {
            address: self.contact.address.clone(),
            peer: self.contact.peer,
            within: self.budget.step(limit, now).left(now),
        };
        self.begin(action, limit, now);
    }

    /// Nothing else runs now.
    fn begin(&mut self, action: Action, limit: Duration, now: Instant) {
        self.phase = Phase::Acting(Single {
            id: ActionId(self.n_actions),
            action,
            is_told: false,
            deadline: self.budget.step(limit, now),
        });
        self.n_actions += 1;
    }

    /// The time of what runs is over.
    fn give_up(&mut self, now: Instant) {
        let Phase::Acting(single) = &self.phase else {
            return;
        };
        self.abandoned.push_back(single.id);
        let limit = single.deadline.limit;
        let failure = Failure::from(ConnectCause::Timeout(limit));
        let attempt = self.contact.failed(&single.action, failure, limit);
        self.go_on(attempt, now);
    }

    /// No address of the host could be connected to.
    fn lost(&mut self, losers: Losers, now: Instant) {
        let mut losers = losers.into_iter().map(|(peer, cause)| Attempt {
            peer: Some(peer),
            ..self.contact.attempt(Stage::Tcp, cause)
        });
        let last = losers.next_back().unwrap_or_else(|| {
            let error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            self.contact.attempt(Stage::Resolve, error.into())
        });
        losers.for_each(|loser| self.failures.push(loser));
        self.go_on(last, now);
    }

    /// This has failed: what comes next, if anything.
    fn go_on(&mut self, failed: Attempt, now: Instant) {
        let Some(next) = self.next(&failed, now) else {
            let failures = std::mem::take(&mut self.failures);
            self.phase = Phase::Failed(failures.end_with(failed));
            return;
        };
        self.failures.push(failed);
        match next {
            Next::Host => self.ask(now),
            Next::Round { at } => {
                self.round += 1;
                self.phase = Phase::Pausing { until: at };
            }
        }
    }

    fn next(&mut self, failed: &Attempt, now: Instant) -> Option<Next> {
        if !failed.is_retryable() || self.budget.is_over_at(now) {
            return None;
        }
        // What is wrong here other hosts would not change.
        if !failed.is_local() && self.targets.next() {
            return Some(Next::Host);
        }
        let pause = self.rounds.pause_before(self.round + 1)?;
        let at = after(now, pause);
        (!self.budget.is_over_at(at)).then_some(Next::Round { at })
    }
}

impl Single {
    /// `None` if its time is over.
    fn poll(&mut self, now: Instant) -> Option<Step> {
        if !self.is_told {
            self.is_told = true;
            return Some(Step::Begin(self.id, self.action.clone()));
        }
        match self.action {
            // The core keeps the time.
            Action::ShakeHands { .. } => Some(Step::Wait(None)),
            _ => {
                let until = self.deadline.poll(now)?;
                Some(Step::Wait(Some(until)))
            }
        }
    }
}
