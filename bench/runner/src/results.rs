//! What was measured, and medians of it.

use std::collections::BTreeMap;

use crate::cases::Case;
use crate::clients::Client;
use crate::process::Line;

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let upper = values[values.len() / 2];
        let lower = values[(values.len() - 1) / 2];
        Some(Self {
            median: f64::midpoint(lower, upper),
            min,
            max,
        })
    }
}

/// The runs of one client in one case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) lines: Vec<Line>,
    /// Why there is none, or one less.
    pub(crate) failure: Option<String>,
}

impl Cell {
    /// The spread of a field.
    pub(crate) fn spread(&self, field: &str) -> Option<Spread> {
        Spread::of(
            self.lines
                .iter()
                .filter_map(|line| line.get(field)?.as_f64())
                .collect(),
        )
    }

    /// The spread of the memory that a run took beyond what it had before, in KiB.
    pub(crate) fn growth(&self) -> Option<Spread> {
        let growth = |line: &Line| {
            Some(line.get("max_rss_kb")?.as_f64()? - line.get("rss_before_kb")?.as_f64()?)
        };
        Spread::of(self.lines.iter().filter_map(growth).collect())
    }
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    cells: BTreeMap<(Case, &'static str), Cell>,
}

impl Results {
    pub(crate) fn cell(&mut self, case: Case, client: &Client) -> &mut Cell {
        self.cells.entry((case, client.id)).or_default()
    }

    pub(crate) fn get(&self, case: Case, client: &Client) -> Option<&Cell> {
        self.cells.get(&(case, client.id))
    }

    /// The clients that took part in a mode: the limit first, then ours, then the others by cost
    /// at the smallest size. Those without a number come last.
    pub(crate) fn ranked(&self, cases: &[Case], clients: &[Client]) -> Vec<Client> {
        let cost = |client: &Client| {
            let spreads = cases
                .iter()
                .filter_map(|case| self.get(*case, client)?.spread("cpu_us_per_msg"));
            spreads
                .map(|spread| spread.median)
                .next()
                .unwrap_or(f64::INFINITY)
        };
        let took_part =
            |client: &&Client| cases.iter().any(|case| self.get(*case, client).is_some());
        let mut ranked: Vec<_> = clients.iter().filter(took_part).copied().collect();
        ranked.sort_by(|a, b| {
            let group = |client: &Client| (!client.is_raw(), !client.is_ours());
            group(a).cmp(&group(b)).then(cost(a).total_cmp(&cost(b)))
        });
        ranked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_number_is_between_the_middle_two() {
        let spread = Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                median: 2.5,
                min: 1.0,
                max: 4.0
            }
        );
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
