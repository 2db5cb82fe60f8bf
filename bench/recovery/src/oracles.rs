//! The oracles: what a program's lines say about what its client lost, doubled and hung.
//!
//! They are the same for all clients, know nothing of any, and are pure, so that each of them is
//! shown to find its fault.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use recovery_log::{Attempt, Line, N_CONSUMERS, N_PUBLISHERS, Part};

/// How long a publish may be without an outcome, once the fault is over.
pub(crate) const HANG: Duration = Duration::from_secs(30);

/// How long is waited for everything to flow again, once the fault is over.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A line, and when it was read.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: Instant,
    pub(crate) line: Line,
}

/// What the lines do not say.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// When the fault was over.
    pub(crate) over: Instant,
    /// What was sent before this moment may be lost: the queue was deleted.
    pub(crate) excused_until: Option<Instant>,
    /// When the program was stopped.
    pub(crate) stopped: Instant,
    /// What was in the queue when the program had ended.
    pub(crate) left: Vec<Attempt>,
    /// How many consumers the broker listed when everything flowed, or was waited for in vain.
    pub(crate) n_listed: usize,
    /// Whether the program has ended before it was to.
    pub(crate) crashed: bool,
}

/// What became of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    /// Messages that were confirmed.
    pub(crate) n_confirmed: usize,
    /// Attempts that ended with an error.
    pub(crate) n_failed: usize,
    /// Confirmed messages that were neither delivered nor left in the queue.
    pub(crate) n_lost: usize,
    /// Deliveries of what had been acknowledged before, as its consumer was told.
    pub(crate) n_again: usize,
    /// Attempts that reached the queue beside another attempt at the same message.
    pub(crate) n_twice: usize,
    /// Messages that were in the queue, or held by consumers that were not given them, when nothing
    /// had happened for a while.
    pub(crate) n_left: usize,
    /// Publishes that were without an outcome for [`HANG`] behind the fault.
    pub(crate) n_hung: usize,
    /// Parts that were told that they do not go on, and what they were told.
    pub(crate) ended: BTreeMap<Part, String>,
    /// Parts that were told nothing and did not flow again within [`PATIENCE`].
    pub(crate) silent: Vec<Part>,
    /// Consumers that the broker listed.
    pub(crate) n_listed: usize,
    /// How long it took behind the fault until everything flowed that did at all; `None` if
    /// nothing did.
    pub(crate) still: Option<Duration>,
    /// Whether the program has ended before it was to.
    pub(crate) crashed: bool,
}

/// All parts of a program.
pub(crate) fn parts() -> impl Iterator<Item = Part> {
    let publishers = (0..N_PUBLISHERS).map(Part::Publisher);
    publishers.chain((0..N_CONSUMERS).map(Part::Consumer))
}

/// When each part first passed something through that began after this moment: a publisher a
/// message that was confirmed, a consumer a message that was delivered.
pub(crate) fn flowed(entries: &[Entry], since: Instant) -> HashMap<Part, Instant> {
    let from = entries.partition_point(|entry| entry.at <= since);
    let mut begun = HashSet::new();
    let mut flowed = HashMap::new();
    for Entry { at, line } in &entries[from..] {
        let part = match line {
            Line::Sent(attempt) => {
                begun.insert(*attempt);
                continue;
            }
            Line::Confirmed(attempt) if begun.contains(attempt) => {
                Part::Publisher(attempt.publisher)
            }
            Line::Delivered(consumer, attempt) if begun.contains(attempt) => {
                Part::Consumer(*consumer)
            }
            _ => continue,
        };
        flowed.entry(part).or_insert(*at);
    }
    flowed
}

/// The parts that were told that they do not go on.
pub(crate) fn ended(entries: &[Entry]) -> BTreeMap<Part, String> {
    let ends = entries.iter().filter_map(|entry| match &entry.line {
        Line::Ended(part, why) => Some((*part, why.clone())),
        _ => None,
    });
    ends.collect()
}

/// How many publishes have begun and have no outcome.
pub(crate) fn n_open(entries: &[Entry]) -> usize {
    let mut open = HashSet::new();
    for entry in entries {
        match &entry.line {
            Line::Sent(attempt) => open.insert(*attempt),
            Line::Confirmed(attempt) | Line::Failed(attempt, _) => open.remove(attempt),
            _ => continue,
        };
    }
    open.len()
}

/// Judges a run.
pub(crate) fn judge(entries: &[Entry], facts: &Facts) -> Verdict {
    let flowed = flowed(entries, facts.over);
    let ended = ended(entries);
    let in_time = |part: &Part| {
        let at = flowed.get(part)?;
        let took = at.duration_since(facts.over);
        (took <= PATIENCE && !ended.contains_key(part)).then_some(took)
    };
    let silent = parts().filter(|part| in_time(part).is_none() && !ended.contains_key(part));
    let confirmed = confirmed(entries);
    let arrived = arrived(entries, facts);
    Verdict {
        n_confirmed: confirmed.len(),
        n_failed: n_failed(entries),
        n_lost: n_lost(&confirmed, &arrived, facts),
        n_again: n_again(entries),
        n_twice: n_twice(&arrived),
        n_left: facts.left.len(),
        n_hung: n_hung(entries, facts),
        silent: silent.collect(),
        n_listed: facts.n_listed,
        still: parts().filter_map(|part| in_time(&part)).max(),
        crashed: facts.crashed,
        ended,
    }
}

/// When the attempt was sent that was confirmed, by message.
fn confirmed(entries: &[Entry]) -> HashMap<(usize, u64), Instant> {
    let mut sent = HashMap::new();
    let mut confirmed = HashMap::new();
    for entry in entries {
        match &entry.line {
            Line::Sent(attempt) => {
                sent.insert(*attempt, entry.at);
            }
            Line::Confirmed(attempt) => {
                let at = sent.get(attempt).copied().unwrap_or(entry.at);
                confirmed.insert(attempt.message(), at);
            }
            _ => {}
        }
    }
    confirmed
}

/// The attempts that have reached the queue.
fn arrived(entries: &[Entry], facts: &Facts) -> BTreeSet<Attempt> {
    let delivered = entries.iter().filter_map(|entry| match entry.line {
        Line::Delivered(_, attempt) => Some(attempt),
        _ => None,
    });
    delivered.chain(facts.left.iter().copied()).collect()
}

fn n_lost(
    confirmed: &HashMap<(usize, u64), Instant>,
    arrived: &BTreeSet<Attempt>,
    facts: &Facts,
) -> usize {
    let messages: HashSet<_> = arrived.iter().map(|attempt| attempt.message()).collect();
    let is_excused = |sent: &Instant| facts.excused_until.is_some_and(|until| *sent < until);
    let mut lost = confirmed.iter();
    let is_lost = |(message, sent): (&(usize, u64), &Instant)| {
        !messages.contains(message) && !is_excused(sent)
    };
    lost.by_ref().filter(|it| is_lost(*it)).count()
}

fn n_again(entries: &[Entry]) -> usize {
    let mut acked = HashSet::new();
    let mut n_again = 0;
    for entry in entries {
        match &entry.line {
            Line::Acked(_, attempt) => {
                acked.insert(*attempt);
            }
            Line::Delivered(_, attempt) if acked.contains(attempt) => n_again += 1,
            _ => {}
        }
    }
    n_again
}

fn n_twice(arrived: &BTreeSet<Attempt>) -> usize {
    let messages: HashSet<_> = arrived.iter().map(|attempt| attempt.message()).collect();
    arrived.len() - messages.len()
}

fn n_failed(entries: &[Entry]) -> usize {
    let failed = |entry: &&Entry| matches!(entry.line, Line::Failed(..));
    entries.iter().filter(failed).count()
}

fn n_hung(entries: &[Entry], facts: &Facts) -> usize {
    let mut sent = HashMap::new();
    let mut n_hung = 0;
    let has_hung =
        |begun: Instant, end: Instant| end.saturating_duration_since(begun.max(facts.over)) >= HANG;
    for Entry { at, line } in entries {
        match line {
            Line::Sent(attempt) => {
                sent.insert(*attempt, *at);
            }
            Line::Confirmed(attempt) | Line::Failed(attempt, _) => {
                let begun = sent.remove(attempt);
                n_hung += usize::from(begun.is_some_and(|begun| has_hung(begun, *at)));
            }
            _ => {}
        }
    }
    let open = sent.into_values();
    n_hung + open.filter(|begun| has_hung(*begun, facts.stopped)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn attempt(publisher: usize, number: u64) -> Attempt {
        let mut attempt = Attempt::first_of(publisher);
        attempt.number = number;
        attempt
    }

    /// A run: each line with the second at which it was read, the fault over at second 10.
    struct Made {
        zero: Instant,
        entries: Vec<Entry>,
        facts: Facts,
    }

    impl Made {
        fn new(lines: Vec<(u32, Line)>) -> Self {
            let zero = Instant::now();
            let entries = lines.into_iter().map(|(second, line)| {
                let at = zero + S * second;
                Entry { at, line }
            });
            let facts = Facts {
                over: zero + S * 10,
                excused_until: None,
                stopped: zero + S * 140,
                left: Vec::new(),
                n_listed: N_CONSUMERS,
                crashed: false,
            };
            Self {
                zero,
                entries: entries.collect(),
                facts,
            }
        }

        fn verdict(&self) -> Verdict {
            judge(&self.entries, &self.facts)
        }
    }

    /// What a healthy program writes behind the fault, second by second.
    fn healthy(second: u32) -> Vec<(u32, Line)> {
        let mut lines = Vec::new();
        for publisher in 0..N_PUBLISHERS {
            let attempt = attempt(publisher, 1000);
            let consumer = publisher % N_CONSUMERS;
            lines.push((second, Line::Sent(attempt)));
            lines.push((second, Line::Confirmed(attempt)));
            lines.push((second, Line::Delivered(consumer, attempt)));
            lines.push((second, Line::Acked(consumer, attempt)));
        }
        lines
    }

    #[test]
    fn healthy_run_has_no_fault() {
        let verdict = Made::new(healthy(12)).verdict();
        assert_eq!(verdict.n_confirmed, N_PUBLISHERS);
        let faults = [
            verdict.n_failed,
            verdict.n_lost,
            verdict.n_again,
            verdict.n_twice,
            verdict.n_hung,
            verdict.ended.len(),
            verdict.silent.len(),
        ];
        assert_eq!(faults, [0; 7]);
        assert_eq!(verdict.still, Some(S * 2));
    }

    #[test]
    fn confirmed_message_that_is_nowhere_is_lost() {
        let lines = vec![
            (1, Line::Sent(attempt(0, 0))),
            (1, Line::Confirmed(attempt(0, 0))),
        ];
        let mut made = Made::new(lines);
        assert_eq!(made.verdict().n_lost, 1);
        made.facts.left.push(attempt(0, 0));
        assert_eq!(made.verdict().n_lost, 0);
        made.facts.left.clear();
        made.facts.excused_until = Some(made.zero + S * 2);
        assert_eq!(made.verdict().n_lost, 0);
        made.facts.excused_until = Some(made.zero);
        assert_eq!(made.verdict().n_lost, 1);
    }

    #[test]
    fn what_was_never_confirmed_is_not_lost() {
        let lines = vec![
            (1, Line::Sent(attempt(0, 0))),
            (2, Line::Failed(attempt(0, 0), "reset".to_owned())),
        ];
        let verdict = Made::new(lines).verdict();
        assert_eq!((verdict.n_lost, verdict.n_failed), (0, 1));
    }

    #[test]
    fn delivery_behind_an_acknowledgement_that_succeeded_is_found() {
        let (it, why) = (attempt(1, 5), || "stale".to_owned());
        let mut lines = vec![
            (1, Line::Delivered(0, it)),
            (1, Line::NotAcked(0, it, why())),
            (2, Line::Delivered(1, it)),
        ];
        assert_eq!(Made::new(lines.clone()).verdict().n_again, 0);
        lines.push((2, Line::Acked(1, it)));
        lines.push((3, Line::Delivered(0, it)));
        assert_eq!(Made::new(lines).verdict().n_again, 1);
    }

    #[test]
    fn message_that_was_published_twice_is_told_from_one_that_was_delivered_twice() {
        let it = attempt(1, 5);
        let lines = vec![
            (1, Line::Delivered(0, it)),
            (2, Line::Delivered(0, it)),
            (3, Line::Delivered(1, it.again())),
        ];
        let mut made = Made::new(lines);
        assert_eq!(made.verdict().n_twice, 1);
        made.facts.left.push(it.again().again());
        assert_eq!(made.verdict().n_twice, 2);
    }

    #[test]
    fn publish_without_an_outcome_has_hung() {
        // Before the fault is over no time counts.
        let late = |second| {
            let lines = vec![
                (1, Line::Sent(attempt(0, 0))),
                (second, Line::Confirmed(attempt(0, 0))),
            ];
            Made::new(lines).verdict().n_hung
        };
        assert_eq!((late(39), late(40)), (0, 1));
        let open = |second| {
            let made = Made::new(vec![(second, Line::Sent(attempt(0, 0)))]);
            (n_open(&made.entries), made.verdict().n_hung)
        };
        assert_eq!((open(110), open(111)), ((1, 1), (1, 0)));
    }

    #[test]
    fn part_that_does_not_flow_again_is_silent_unless_it_was_told() {
        let mut lines = healthy(12);
        lines.retain(|(_, line)| !matches!(line, Line::Delivered(1, _)));
        let verdict = Made::new(lines.clone()).verdict();
        assert_eq!(verdict.silent, [Part::Consumer(1)]);
        lines.push((13, Line::Ended(Part::Consumer(1), "gone".to_owned())));
        let verdict = Made::new(lines).verdict();
        assert_eq!(verdict.silent, []);
        assert_eq!(verdict.ended[&Part::Consumer(1)], "gone");
    }

    #[test]
    fn what_began_before_the_fault_was_over_does_not_show_that_it_flows() {
        let mut lines = vec![(9, Line::Sent(attempt(0, 1)))];
        lines.push((12, Line::Confirmed(attempt(0, 1))));
        lines.push((12, Line::Delivered(0, attempt(0, 1))));
        let verdict = Made::new(lines).verdict();
        assert_eq!(verdict.silent.len(), N_PUBLISHERS + N_CONSUMERS);
        assert_eq!(verdict.still, None);
    }

    #[test]
    fn flow_that_is_back_too_late_is_no_flow() {
        let verdict = Made::new(healthy(131)).verdict();
        assert_eq!(verdict.silent.len(), N_PUBLISHERS + N_CONSUMERS);
        assert_eq!(Made::new(healthy(130)).verdict().still, Some(S * 120));
    }
}
