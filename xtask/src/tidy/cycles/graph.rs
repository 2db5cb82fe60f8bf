//! What leads to what, and where that leads back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Files by name, each with those that it uses and the line on which it first does.
#[derive(Debug, Default)]
pub(super) struct Graph {
    edges: BTreeMap<String, BTreeMap<String, usize>>,
}

/// A file that uses another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Edge {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) line: usize,
}

/// Files each of which leads to each other one.
#[derive(Debug)]
pub(super) struct Cycle {
    pub(super) files: BTreeSet<String>,
    /// The shortest way round within them.
    pub(super) shortest: Vec<Edge>,
}

impl Graph {
    pub(super) fn add(&mut self, from: &str, to: &str, line: usize) {
        if from != to {
            let edges = self.edges.entry(from.to_owned()).or_default();
            let first = edges.entry(to.to_owned()).or_insert(line);
            *first = line.min(*first);
        }
    }

    pub(super) fn cycles(&self) -> Vec<Cycle> {
        let reached: BTreeMap<_, _> = self
            .edges
            .keys()
            .map(|file| (file.as_str(), self.reached_from(file)))
            .collect();
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let mut cycles = Vec::new();
        for (file, others) in &reached {
            if !others.contains(file) || seen.contains(file) {
                continue;
            }
            let leads_back =
                |other: &&&str| reached.get(**other).is_some_and(|all| all.contains(file));
            let files: BTreeSet<&str> = others.iter().filter(leads_back).copied().collect();
            seen.extend(&files);
            cycles.push(Cycle {
                shortest: self.shortest(&files),
                files: files.into_iter().map(str::to_owned).collect(),
            });
        }
        cycles
    }

    fn used_by(&self, file: &str) -> impl Iterator<Item = (&str, usize)> {
        let edges = self.edges.get(file).into_iter().flatten();
        edges.map(|(to, line)| (to.as_str(), *line))
    }

    fn reached_from(&self, file: &str) -> BTreeSet<&str> {
        let mut reached = BTreeSet::new();
        let mut left: Vec<_> = self.used_by(file).collect();
        while let Some((next, _)) = left.pop() {
            if reached.insert(next) {
                left.extend(self.used_by(next));
            }
        }
        reached
    }

    /// The shortest cycle among these files.
    fn shortest(&self, files: &BTreeSet<&str>) -> Vec<Edge> {
        let rounds = files.iter().filter_map(|file| self.round(file));
        rounds.min_by_key(Vec::len).unwrap_or_default()
    }

    /// The shortest way from a file back to it.
    fn round(&self, file: &str) -> Option<Vec<Edge>> {
        let mut came_from: BTreeMap<&str, Edge> = BTreeMap::new();
        let mut left = VecDeque::from([file]);
        while let Some(from) = left.pop_front() {
            for (to, line) in self.used_by(from) {
                if !came_from.contains_key(to) {
                    let (from, name) = (from.to_owned(), to.to_owned());
                    came_from.insert(
                        to,
                        Edge {
                            from,
                            to: name,
                            line,
                        },
                    );
                    left.push_back(to);
                }
            }
        }
        let mut round = Vec::new();
        let mut at = file;
        loop {
            let edge = came_from.get(at)?;
            at = &edge.from;
            round.push(edge.clone());
            if at == file {
                round.reverse();
                return Some(round);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycles(edges: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut graph = Graph::default();
        for (line, (from, to)) in (1..).zip(edges) {
            graph.add(from, to, line);
        }
        let shown = |cycle: Cycle| {
            let files: Vec<_> = cycle.files.into_iter().collect();
            let edges = cycle.shortest.iter();
            let round: String = edges
                .map(|edge| format!("{}:{}>", edge.from, edge.line))
                .collect();
            (files.concat(), round)
        };
        graph.cycles().into_iter().map(shown).collect()
    }

    #[test]
    fn what_leads_nowhere_back_is_no_cycle() {
        assert_eq!(
            cycles(&[("a", "b"), ("a", "c"), ("b", "c"), ("c", "c")]),
            []
        );
    }

    #[test]
    fn cycles_are_found_with_their_shortest_way_round() {
        let edges = [
            ("a", "b"),
            ("b", "c"),
            ("c", "a"),
            ("c", "b"),
            ("d", "a"),
            ("e", "f"),
            ("f", "e"),
        ];
        let expected = [("abc", "b:2>c:4>"), ("ef", "e:6>f:7>")];
        assert_eq!(
            cycles(&edges),
            expected.map(|(a, b)| (a.to_owned(), b.to_owned()))
        );
    }

    #[test]
    fn first_line_counts() {
        let mut graph = Graph::default();
        graph.add("a", "b", 7);
        graph.add("a", "b", 3);
        graph.add("b", "a", 1);
        assert_eq!(graph.cycles()[0].shortest[0].line, 3);
    }
}
