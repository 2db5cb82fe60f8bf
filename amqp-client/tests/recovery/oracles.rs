//! The oracles: what has to hold of a ledger when a workload has gone through a fault.
//!
//! Pure functions over what was written down, so that each of them is shown to find its fault.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::{Duration, Instant};

use crate::ledger::{Ack, CallOutcome, Outcome, Pages, Said, State};

/// What the oracles look at besides the ledger, once the workload has ended.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// Queue and tag of the consumers that the client believes to have.
    pub(crate) expected_consumers: BTreeSet<(String, String)>,
    /// And of those that the broker lists.
    pub(crate) listed_consumers: BTreeSet<(String, String)>,
    /// What was left in the durable queue when the publishers had stopped and the consumers had
    /// gone on for as long as it takes.
    pub(crate) left_in_queue: u64,
    /// Whether all that takes part has passed something through since the fault ended.
    pub(crate) flows: bool,
    /// Tasks of the workload that did not end, and tasks of the library that were left.
    pub(crate) stuck_tasks: Vec<String>,
    /// Open files more than before.
    pub(crate) leaked_files: usize,
    /// By how much memory has grown, in octets.
    pub(crate) growth: u64,
}

/// What a fault excuses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Excuses {
    /// Confirmed messages from before this moment may be lost: the queue was deleted.
    pub(crate) losses_until: Option<Instant>,
    pub(crate) losses: Losses,
}

/// How often the connection is to be lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Losses {
    /// Not at all, as in a run without a fault.
    None,
    #[default]
    One,
    /// Again perhaps while it is recovered, or soon after.
    AtLeastOne,
    Any,
}

/// More than this is a leak.
const MOST_GROWTH: u64 = 64 << 20;

/// An oracle that was not satisfied, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) oracle: &'static str,
    pub(crate) why: String,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.oracle, self.why)
    }
}

/// All that does not hold.
pub(crate) fn judge(pages: &Pages, findings: &Findings, excuses: Excuses) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let mut found = |oracle, whys: Vec<String>| {
        verdicts.extend(whys.into_iter().map(|why| Verdict { oracle, why }));
    };
    found("O1", confirmed_is_delivered(pages, excuses));
    found("O2", settled_once(pages, findings));
    found("O3", resolved(pages, findings));
    found("O4", told_in_order(pages, excuses));
    found("O5", flows_again(findings));
    found("O6", nothing_leaked(pages, findings));
    found("S1", consumers_agree(findings));
    verdicts
}

/// O1: no confirmed message is missing.
fn confirmed_is_delivered(pages: &Pages, excuses: Excuses) -> Vec<String> {
    match lost(pages, excuses).as_slice() {
        [] => Vec::new(),
        lost => vec![format!(
            "{} confirmed messages were not delivered, such as {:?}",
            lost.len(),
            lost[0]
        )],
    }
}

/// The confirmed messages that were never delivered.
pub(crate) fn lost(pages: &Pages, excuses: Excuses) -> Vec<(usize, usize)> {
    let seen: HashSet<_> = pages.deliveries.iter().map(|it| it.message).collect();
    let is_excused = |begun: Instant| excuses.losses_until.is_some_and(|until| begun < until);
    let mut lost = Vec::new();
    for (publisher, messages) in pages.published.iter().enumerate() {
        for (number, message) in messages.iter().enumerate() {
            let id = crate::ledger::MessageId { publisher, number };
            let is_promised = message.outcome == Outcome::Confirmed && !is_excused(message.begun);
            if is_promised && !seen.contains(&id) {
                lost.push((publisher, number));
            }
        }
    }
    lost
}

/// O2: no delivery is handed out twice or settled twice, and none is left over.
fn settled_once(pages: &Pages, findings: &Findings) -> Vec<String> {
    let mut whys = Vec::new();
    let mut highest: HashMap<usize, u64> = HashMap::new();
    for delivery in &pages.deliveries {
        let (consumer, tag) = (delivery.consumer, delivery.tag);
        let before = highest.insert(consumer, tag);
        if before.is_some_and(|before| before >= tag) {
            whys.push(format!(
                "consumer {consumer} was given delivery {tag} behind {before:?}"
            ));
        }
        match delivery.acks.as_slice() {
            [Ack::Queued | Ack::Stale | Ack::ByHandler] => {}
            [] => whys.push(format!("delivery {tag} of consumer {consumer} not settled")),
            acks => whys.push(format!(
                "delivery {tag} of consumer {consumer} settled as {acks:?}"
            )),
        }
    }
    if findings.left_in_queue > 0 {
        whys.push(format!("{} messages left", findings.left_in_queue));
    }
    whys.truncate(3);
    whys
}

/// O3: every future has resolved.
fn resolved(pages: &Pages, findings: &Findings) -> Vec<String> {
    let mut whys: Vec<_> = findings.stuck_tasks.clone();
    let messages = pages.published.iter().flatten();
    let n = messages.filter(|it| it.outcome == Outcome::Pending).count();
    if n > 0 {
        whys.push(format!("{n} publishes have not resolved"));
    }
    let calls = pages.calls.iter();
    let n = calls
        .filter(|it| it.outcome == CallOutcome::Pending)
        .count();
    if n > 0 {
        whys.push(format!("{n} calls have not resolved"));
    }
    whys
}

/// O4: what the connection says of itself is a story: lost, tried again, recovered.
fn told_in_order(pages: &Pages, excuses: Excuses) -> Vec<String> {
    let said: Vec<_> = pages.said.iter().map(|(_, said)| *said).collect();
    let mut whys = Vec::new();
    let mut is_lost = false;
    for (n, now) in said.iter().enumerate() {
        let is_right = match now {
            Said::Lost => !is_lost,
            Said::Retrying(attempt) => is_lost && *attempt > 0,
            Said::Recovered => {
                // At least one attempt is told of before it succeeds.
                is_lost && matches!(n.checked_sub(1).map(|n| said[n]), Some(Said::Retrying(_)))
            }
        };
        if !is_right {
            whys.push(format!("{now:?} as event {n} of {said:?}"));
            // What follows from it is no fault of its own.
            is_lost = false;
            break;
        }
        is_lost = !matches!(now, Said::Recovered);
    }
    if is_lost {
        whys.push("the last loss was not recovered".to_owned());
    }
    let n_lost = said.iter().filter(|it| **it == Said::Lost).count();
    let (least, most) = match excuses.losses {
        Losses::None => (0, 0),
        Losses::One => (1, 1),
        Losses::AtLeastOne => (1, usize::MAX),
        Losses::Any => (0, usize::MAX),
    };
    if n_lost < least || n_lost > most {
        whys.push(format!("lost {n_lost} times, not {:?}", excuses.losses));
    }
    whys.extend(states(&pages.states));
    whys
}

/// A connection is open, or recovering between two times of being open, until it is closed.
fn states(states: &[State]) -> Option<String> {
    let may_follow = |pair: &[State]| {
        matches!(
            pair,
            [State::Open, State::Recovering]
                | [State::Recovering, State::Open]
                | [State::Open, State::Closing | State::Closed]
                | [State::Closing, State::Closed]
        )
    };
    let is_story = states.windows(2).all(may_follow);
    let is_whole = matches!(states, [State::Open, ..]);
    (!is_story || !is_whole).then(|| format!("the states were {states:?}"))
}

/// O5: all of it flows again.
fn flows_again(findings: &Findings) -> Vec<String> {
    match findings.flows {
        true => Vec::new(),
        false => vec!["not everything flows".to_owned()],
    }
}

/// O6: nothing panicked, ended of itself, or was left behind.
fn nothing_leaked(pages: &Pages, findings: &Findings) -> Vec<String> {
    let mut whys: Vec<_> = pages.surprises.iter().take(3).cloned().collect();
    if findings.leaked_files > 0 {
        whys.push(format!("{} files left open", findings.leaked_files));
    }
    if findings.growth > MOST_GROWTH {
        whys.push(format!("memory has grown by {} KiB", findings.growth >> 10));
    }
    let wrong = pages.calls.iter();
    let n = wrong
        .filter(|it| it.outcome == CallOutcome::WrongReply)
        .count();
    if n > 0 {
        whys.push(format!("{n} calls were given the reply of another"));
    }
    whys
}

/// S1: the broker's consumers are exactly ours.
fn consumers_agree(findings: &Findings) -> Vec<String> {
    let (ours, theirs) = (&findings.expected_consumers, &findings.listed_consumers);
    match ours == theirs {
        true => Vec::new(),
        false => vec![format!("ours are {ours:?}, the broker's {theirs:?}")],
    }
}

/// A line of the table: numbers of a run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) messages: usize,
    pub(crate) confirmed: usize,
    pub(crate) uncertain: usize,
    pub(crate) not_sent: usize,
    pub(crate) refused: usize,
    pub(crate) delivered: usize,
    pub(crate) duplicates: usize,
    pub(crate) stale: usize,
    pub(crate) lost: usize,
    pub(crate) calls: usize,
    pub(crate) failed_calls: usize,
    /// The longest time between two confirms.
    pub(crate) without_flow: Duration,
    pub(crate) losses: usize,
    pub(crate) attempts: usize,
}

impl Numbers {
    pub(crate) fn of(pages: &Pages, excuses: Excuses) -> Self {
        let all = || pages.published.iter().flatten();
        let n_of = |outcome| all().filter(|it| it.outcome == outcome).count();
        let different: HashSet<_> = pages.deliveries.iter().map(|it| it.message).collect();
        let acks = pages.deliveries.iter().flat_map(|it| &it.acks);
        let confirmed = all().filter(|it| it.outcome == Outcome::Confirmed);
        let mut confirmed: Vec<_> = confirmed.filter_map(|it| it.ended).collect();
        confirmed.sort();
        let pauses = confirmed.windows(2).map(|pair| pair[1] - pair[0]);
        let n_said = |is: fn(&Said) -> bool| pages.said.iter().filter(|(_, it)| is(it)).count();
        let calls = pages.calls.iter();
        Self {
            messages: all().count(),
            confirmed: confirmed.len(),
            uncertain: n_of(Outcome::Uncertain),
            not_sent: n_of(Outcome::NotSent),
            refused: n_of(Outcome::Refused),
            delivered: pages.deliveries.len(),
            duplicates: pages.deliveries.len() - different.len(),
            stale: acks.filter(|ack| **ack == Ack::Stale).count(),
            lost: lost(pages, excuses).len(),
            calls: pages.calls.len(),
            failed_calls: calls.filter(|it| it.outcome == CallOutcome::Failed).count(),
            without_flow: pauses.max().unwrap_or_default(),
            losses: n_said(|said| *said == Said::Lost),
            attempts: n_said(|said| matches!(said, Said::Retrying(_))),
        }
    }
}

impl Numbers {
    /// Those of another run as well.
    pub(crate) fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.confirmed += other.confirmed;
        self.uncertain += other.uncertain;
        self.not_sent += other.not_sent;
        self.refused += other.refused;
        self.delivered += other.delivered;
        self.duplicates += other.duplicates;
        self.stale += other.stale;
        self.lost += other.lost;
        self.calls += other.calls;
        self.failed_calls += other.failed_calls;
        self.without_flow = self.without_flow.max(other.without_flow);
        self.losses += other.losses;
        self.attempts += other.attempts;
    }
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (plain, calls) = (self.messages, self.calls);
        write!(f, "{plain} messages, {} confirmed, ", self.confirmed)?;
        write!(
            f,
            "{} uncertain, {} not sent, ",
            self.uncertain, self.not_sent
        )?;
        write!(
            f,
            "{} refused, {} delivered, ",
            self.refused, self.delivered
        )?;
        write!(f, "{} duplicates, {} stale, ", self.duplicates, self.stale)?;
        write!(f, "{} lost, {calls} calls, ", self.lost)?;
        write!(f, "{} of them failed, ", self.failed_calls)?;
        let seconds = self.without_flow.as_secs_f32();
        write!(f, "{seconds:.2} s without flow, {} losses, ", self.losses)?;
        write!(f, "{} attempts", self.attempts)
    }
}
