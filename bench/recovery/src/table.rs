//! The table.

use std::fmt::Write as _;
use std::time::Duration;

use recovery_log::N_CONSUMERS;

use crate::oracles::Verdict;

/// What a client made of a fault, in all runs.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) fault: &'static str,
    pub(crate) client: &'static str,
    pub(crate) verdicts: Vec<Verdict>,
}

const HEAD: &str = "| fault | client | confirmed | lost | left over | delivered again | \
    published twice | failed | hung | ended | idle | consumers | stood still, s |\n\
    |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";

/// All rows, as Markdown.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut out = HEAD.to_owned();
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", line(row));
    }
    out
}

fn line(row: &Row) -> String {
    let sum = |of: fn(&Verdict) -> usize| row.verdicts.iter().map(of).sum::<usize>();
    let (fault, client) = (row.fault, row.client);
    let numbers = [
        sum(|it| it.n_confirmed),
        sum(|it| it.n_lost),
        sum(|it| it.n_left),
        sum(|it| it.n_again),
        sum(|it| it.n_twice),
        sum(|it| it.n_failed),
        sum(|it| it.n_hung),
        sum(|it| it.ended.len()),
        sum(|it| it.silent.len()),
    ];
    let numbers = numbers.map(|number| number.to_string()).join(" | ");
    let listed = sum(|it| it.n_listed);
    let expected = row.verdicts.len() * N_CONSUMERS;
    let still = still(&row.verdicts);
    format!("| {fault} | {client} | {numbers} | {listed} of {expected} | {still} |")
}

/// How long it stood still. A run in which a part did not come back at all counts as never.
fn still(verdicts: &[Verdict]) -> String {
    let came_back = |it: &Verdict| it.ended.is_empty() && it.silent.is_empty() && !it.crashed;
    let mut times: Vec<_> = verdicts
        .iter()
        .map(|it| it.still.filter(|_| came_back(it)).unwrap_or(Duration::MAX))
        .collect();
    times.sort();
    let word = |time: &Duration| match *time {
        Duration::MAX => "never".to_owned(),
        time => format!("{:.1}", time.as_secs_f32()),
    };
    match times.as_slice() {
        [] => "–".to_owned(),
        [first, .., last] if first != last => {
            let median = &times[times.len() / 2];
            format!("{}, {}, {}", word(first), word(median), word(last))
        }
        [only, ..] => word(only),
    }
}

#[cfg(test)]
mod tests {
    use recovery_log::Part;

    use super::*;

    fn verdict(seconds: u64) -> Verdict {
        Verdict {
            n_confirmed: 100,
            n_lost: 1,
            n_listed: N_CONSUMERS,
            still: Some(Duration::from_secs(seconds)),
            ..Verdict::default()
        }
    }

    #[test]
    fn counts_are_sums_and_times_are_sorted() {
        let row = Row {
            fault: "kill",
            client: "x",
            verdicts: vec![verdict(3), verdict(1), verdict(2)],
        };
        let expected =
            "| kill | x | 300 | 3 | 0 | 0 | 0 | 0 | 0 | 0 | 0 | 6 of 6 | 1.0, 2.0, 3.0 |";
        assert_eq!(line(&row), expected);
    }

    #[test]
    fn run_in_which_a_part_does_not_come_back_stands_still_for_ever() {
        let mut idle = verdict(1);
        idle.silent.push(Part::Consumer(0));
        assert_eq!(still(&[verdict(2), idle.clone()]), "2.0, never, never");
        assert_eq!(still(&[idle]), "never");
    }

    #[test]
    fn head_and_lines_have_as_many_columns() {
        let row = Row {
            fault: "kill",
            client: "x",
            verdicts: vec![verdict(1)],
        };
        let text = markdown(&[row]);
        let columns: Vec<_> = text.lines().map(|line| line.matches('|').count()).collect();
        assert_eq!(columns, [14; 3]);
    }
}
