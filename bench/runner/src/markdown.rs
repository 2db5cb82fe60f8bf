//! The tables.

use std::fmt::Write;

use crate::cases::{Case, size_name};
use crate::clients::Client;
use crate::results::{Cell, Results, Spread};

/// What stands above the tables.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) date: String,
    pub(crate) machine: String,
    pub(crate) cores: String,
    pub(crate) broker: String,
    pub(crate) rounds: usize,
    pub(crate) null_broker: bool,
}

/// The whole document.
pub(crate) fn document(
    head: &Head,
    cases: &[Case],
    clients: &[Client],
    results: &Results,
) -> String {
    let mut out = String::new();
    introduction(&mut out, head);
    summary(&mut out, cases, clients, results);
    let mut modes: Vec<&str> = cases.iter().map(|case| case.mode).collect();
    modes.dedup();
    for mode in modes {
        let cases: Vec<Case> = cases
            .iter()
            .copied()
            .filter(|case| case.mode == mode)
            .collect();
        let ranked = results.ranked(&cases, clients);
        section(&mut out, mode, &cases, &ranked, results);
    }
    versions(&mut out, cases, clients, results);
    failures(&mut out, cases, clients, results);
    out
}

// Writing to a string does not fail, which is why the results of `write!` are dropped here and
// below.
fn introduction(out: &mut String, head: &Head) {
    let Head {
        date,
        machine,
        cores,
        broker,
        rounds,
        ..
    } = head;
    let _ = write!(
        out,
        "# Measured against the {broker}\n\n\
         {date}; {machine}; {cores}.\n\
         Medians of {rounds} rounds in which all clients took turns, with minimum and maximum in brackets.\n\
         Processor time is that of the whole client process, all threads, user and system.\n"
    );
    if head.null_broker {
        out.push_str(
            "The null broker does as little as a server can; \
             the raw socket moves the same bytes without any protocol and is the physical limit.\n\
             It pauses before the first delivery, \
             because some clients lose what arrives before they have registered their consumer; \
             the pause is not counted.\n",
        );
    }
}

/// Ours between the limit and the best of the others, case by case.
fn summary(out: &mut String, cases: &[Case], clients: &[Client], results: &Results) {
    let best = |case: Case, wanted: fn(&Client) -> bool| {
        let costs = clients
            .iter()
            .filter(|client| wanted(client))
            .filter_map(|client| {
                let spread = results.get(case, client)?.spread("cpu_us_per_msg")?;
                Some((client.label, spread.median))
            });
        costs.min_by(|(_, a), (_, b)| a.total_cmp(b))
    };
    out.push_str(
        "\n## In short\n\n\
         µs of processor time per message: ours and the best of the others, whichever way of using \
         them is cheapest.\n\n\
         | | | raw socket | ours | × raw | best peer | | × ours |\n\
         |---|---|---:|---:|---:|---:|---|---:|\n",
    );
    for &case in cases {
        let raw = best(case, Client::is_raw);
        let ours = best(case, Client::is_ours);
        let peer = best(case, |client| !client.is_raw() && !client.is_ours());
        let shown = |cost: Option<(&str, f64)>| cost.map_or("–".into(), |(_, c)| microseconds(c));
        let ratio = |above: Option<(&str, f64)>, below: Option<(&str, f64)>| match (above, below) {
            (Some((_, above)), Some((_, below))) => format!("{:.2}", above / below),
            _ => "–".into(),
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            case.mode,
            size_name(case.size),
            shown(raw),
            shown(ours),
            ratio(ours, raw),
            shown(peer),
            peer.map_or("–", |(label, _)| label),
            ratio(peer, ours),
        );
    }
}

fn what(mode: &str) -> &'static str {
    match mode {
        "publish" => "Publishing without confirmations, then one synchronous round trip.",
        "confirm" => "Publishing with at most 1000 unconfirmed messages, or 16 MiB of them.",
        "consume-noack" => "Consuming without acknowledgements.",
        "consume-ack" => {
            "Consuming, each delivery acknowledged by a call of its own, \
             with a prefetch count of 1000, or 16 MiB."
        }
        "confirm1" => "Publishing, each message waiting for its confirmation.",
        _ => "Declaring a queue passively, one call after the other.",
    }
}

fn section(out: &mut String, mode: &str, cases: &[Case], ranked: &[Client], results: &Results) {
    let _ = write!(out, "\n## {mode}\n\n{}\n", what(mode));
    if Case::waits(mode) {
        let Some(&case) = cases.first() else { return };
        waiting_table(out, case, ranked, results);
        return;
    }
    sizes_table(
        out,
        "µs of processor time per message",
        cases,
        ranked,
        results,
        |cell| {
            cell.spread("cpu_us_per_msg")
                .map(|spread| with_range(spread, microseconds))
        },
    );
    sizes_table(out, "messages per second", cases, ranked, results, |cell| {
        cell.spread("msgs_per_s")
            .map(|spread| with_range(spread, rate))
    });
    sizes_table(
        out,
        "MB of memory beyond what the connected process had",
        cases,
        ranked,
        results,
        |cell| cell.growth().map(|spread| megabytes(spread.median)),
    );
}

fn sizes_table(
    out: &mut String,
    title: &str,
    cases: &[Case],
    ranked: &[Client],
    results: &Results,
    show: impl Fn(&Cell) -> Option<String>,
) {
    let sizes: Vec<_> = cases.iter().map(|case| size_name(case.size)).collect();
    let _ = write!(
        out,
        "\n| {title} | {} |\n|---|{}\n",
        sizes.join(" | "),
        "---:|".repeat(sizes.len())
    );
    for client in ranked {
        let cells = cases.iter().map(|case| {
            let cell = results.get(*case, client);
            cell.and_then(&show).unwrap_or_else(|| "–".to_owned())
        });
        let _ = writeln!(
            out,
            "| {} | {} |",
            client.label,
            cells.collect::<Vec<_>>().join(" | ")
        );
    }
}

fn waiting_table(out: &mut String, case: Case, ranked: &[Client], results: &Results) {
    out.push_str("\n| | p50 µs | p99 µs | µs of processor time |\n|---|---:|---:|---:|\n");
    for client in ranked {
        let shown = |field: &str| {
            let spread = results
                .get(case, client)
                .and_then(|cell| cell.spread(field));
            spread.map_or_else(|| "–".to_owned(), |spread| with_range(spread, microseconds))
        };
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} |",
            client.label,
            shown("p50_us"),
            shown("p99_us"),
            shown("cpu_us_per_msg"),
        );
    }
}

fn versions(out: &mut String, cases: &[Case], clients: &[Client], results: &Results) {
    let version = |client: &Client| {
        let lines = cases
            .iter()
            .filter_map(|case| results.get(*case, client)?.lines.first());
        lines
            .filter_map(|line| line.get("version")?.as_str().map(str::to_owned))
            .next()
    };
    out.push_str("\n## Versions\n\n");
    for client in clients {
        let version = version(client).unwrap_or_else(|| "did not run".to_owned());
        let _ = writeln!(out, "* {}: {version}", client.label);
    }
}

/// One line per client and reason, with the cases that it concerns.
fn failures(out: &mut String, cases: &[Case], clients: &[Client], results: &Results) {
    let mut lines = Vec::new();
    for client in clients {
        let failed = |case: &Case| results.get(*case, client)?.failure.as_deref();
        let mut reasons: Vec<&str> = cases.iter().filter_map(failed).collect();
        reasons.dedup();
        for reason in reasons {
            let concerned = cases.iter().filter(|case| failed(case) == Some(reason));
            let names = concerned.map(|case| format!("{} {}", case.mode, size_name(case.size)));
            let names: Vec<_> = names.collect();
            let took_part = cases
                .iter()
                .filter(|case| client.takes_part_in(case.mode))
                .count();
            let which = if names.len() == took_part {
                "all".into()
            } else {
                names.join(", ")
            };
            lines.push(format!("* {} ({which}): {reason}\n", client.label));
        }
    }
    if !lines.is_empty() {
        let _ = write!(out, "\n## What did not run or failed\n\n{}", lines.concat());
    }
}

fn with_range(spread: Spread, show: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({}–{})",
        show(spread.median),
        show(spread.min),
        show(spread.max)
    )
}

/// Three significant digits.
pub(crate) fn microseconds(value: f64) -> String {
    let decimals = match value {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

fn rate(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2} M", value / 1e6),
        value if value >= 1e4 => format!("{:.0} k", value / 1e3),
        value if value >= 1e3 => format!("{:.1} k", value / 1e3),
        _ => format!("{value:.0}"),
    }
}

fn megabytes(kilobytes: f64) -> String {
    format!("{:.1}", kilobytes * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(microseconds(0.0123), "0.012");
        assert_eq!(microseconds(5.678), "5.68");
        assert_eq!(microseconds(431.4), "431");
        assert_eq!(rate(1_660_000.0), "1.66 M");
        assert_eq!(rate(23_456.0), "23 k");
    }
}
