//! Compares the transcripts of both sides, and tells all differences at once.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use amqp_testing::memory::Like;

use crate::allowed::{ALLOWED, reason};
use crate::probe::{Probe, Transcripts};

/// What the broker in memory says of what it does not know.
const NOT_MODELLED: &str = "not modelled by amqp_testing::memory";

/// What came of all probes.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Probes by topic, and how many of them are the same.
    topics: BTreeMap<&'static str, (usize, usize)>,
    n_allowed: usize,
    /// What RabbitMQ said.
    transcripts: Transcripts,
    /// What is wrong, in full.
    faults: String,
}

impl Outcome {
    pub(crate) fn of(
        like: Like,
        probes: &[Probe],
        real: &Transcripts,
        memory: &Transcripts,
    ) -> Self {
        let mut outcome = Self::default();
        for probe in probes {
            let (real, memory) = (&real[probe.name], &memory[probe.name]);
            let (n_probes, n_same) = outcome.topics.entry(probe.topic).or_default();
            *n_probes += 1;
            let is_same = real == memory;
            *n_same += usize::from(is_same);
            outcome.check(like, probe, is_same, real, memory);
            outcome.transcripts.insert(probe.name, real.clone());
        }
        outcome
    }

    fn check(
        &mut self,
        like: Like,
        probe: &Probe,
        is_same: bool,
        real: &[String],
        memory: &[String],
    ) {
        let name = probe.name;
        if let Some(line) = real.iter().find(|line| line.contains("in vain")) {
            self.fault(&format!(
                "{name} waits for what RabbitMQ does not say: {line}"
            ));
        }
        match (is_same, reason(name, like)) {
            (true, None) => {}
            (true, Some(reason)) => self.fault(&format!(
                "{name} does not differ any more, take it from the list: {reason}"
            )),
            (false, Some(_)) => self.n_allowed += 1,
            (false, None) => {
                let is_modelled = !memory.iter().any(|line| line.contains(NOT_MODELLED));
                let what = if is_modelled {
                    "differs"
                } else {
                    "is not modelled"
                };
                self.fault(&format!("{name} {what}\n{}", side_by_side(real, memory)));
            }
        }
    }

    fn fault(&mut self, text: &str) {
        let _ = writeln!(self.faults, "{text}");
    }

    /// A line for each topic.
    pub(crate) fn table(&self) -> String {
        let mut table = String::new();
        for (topic, (n_probes, n_same)) in &self.topics {
            let _ = writeln!(
                table,
                "  {topic:<16} {n_probes:>4} probes, {n_same:>4} the same"
            );
        }
        table
    }

    /// How many probes there are, how many are the same, and how many may differ.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let n_probes = self.topics.values().map(|(n_probes, _)| n_probes).sum();
        let n_same = self.topics.values().map(|(_, n_same)| n_same).sum();
        (n_probes, n_same, self.n_allowed)
    }

    /// What RabbitMQ said, probe by probe.
    pub(crate) fn transcripts(&self) -> String {
        let mut text = String::new();
        for (name, lines) in &self.transcripts {
            let _ = writeln!(text, "{name}\n    {}", lines.join("\n    "));
        }
        text
    }

    /// What is wrong.
    pub(crate) fn faults(&self) -> &str {
        &self.faults
    }
}

/// Names on the list that no probe has, or that are there twice.
pub(crate) fn stray_names(probes: &[Probe]) -> Vec<&'static str> {
    let names = ALLOWED.iter().flat_map(|it| it.probes);
    let mut names: Vec<_> = names.copied().collect();
    for probe in probes {
        let found = names.iter().position(|name| *name == probe.name);
        found.map(|at| names.remove(at));
    }
    names
}

/// Both transcripts as one: lines that only one side has are marked, `-` those of RabbitMQ, `+`
/// those of the broker in memory.
fn side_by_side(real: &[String], memory: &[String]) -> String {
    let longest = common(real, memory);
    let (mut real, mut memory) = (real.iter().peekable(), memory.iter().peekable());
    let mut text = String::new();
    for line in longest.iter().map(Some).chain([None]) {
        while let Some(only) = real.next_if(|it| Some(*it) != line) {
            let _ = writeln!(text, "  - {only}");
        }
        while let Some(only) = memory.next_if(|it| Some(*it) != line) {
            let _ = writeln!(text, "  + {only}");
        }
        if let Some(line) = line {
            let _ = writeln!(text, "    {line}");
            real.next();
            memory.next();
        }
    }
    text
}

/// The longest sequence of lines that both have in this order.
fn common(real: &[String], memory: &[String]) -> Vec<String> {
    // The length of the longest one of what is left, by how much is left of both.
    let mut lengths = vec![vec![0; memory.len() + 1]; real.len() + 1];
    for (at, line) in real.iter().enumerate().rev() {
        for (other_at, other) in memory.iter().enumerate().rev() {
            lengths[at][other_at] = match line == other {
                true => lengths[at + 1][other_at + 1] + 1,
                false => lengths[at + 1][other_at].max(lengths[at][other_at + 1]),
            };
        }
    }
    let (mut at, mut other_at, mut found) = (0, 0, Vec::new());
    while at < real.len() && other_at < memory.len() {
        if real[at] == memory[other_at] {
            found.push(real[at].clone());
            (at, other_at) = (at + 1, other_at + 1);
        } else if lengths[at + 1][other_at] >= lengths[at][other_at + 1] {
            at += 1;
        } else {
            other_at += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn lines_of_one_side_alone_are_marked() {
        let shown = side_by_side(&lines("a b c d"), &lines("a c x d y"));
        assert_eq!(shown, "    a\n  - b\n    c\n  + x\n    d\n  + y\n");
    }
}
