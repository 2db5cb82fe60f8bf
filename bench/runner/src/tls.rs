//! The client over TLS beside the same bytes over TLS without any protocol.

use std::path::PathBuf;

use serde_json::Value;

use crate::broker::NullBroker;
use crate::cases::{Case, size_name};
use crate::machine::{self, Cores};
use crate::options::Options;
use crate::process::{self, Line};
use crate::results::{Cell, Spread};
use crate::suite::{self, FULL_RUN, QUICK_RUN};
use crate::{places, programs};

/// The modes in which bytes are moved; where messages wait for each other, TLS adds a constant.
const MODES: [&str; 3] = ["publish", "confirm", "consume-noack"];
const SIZES: [usize; 3] = [16, 1024, 65_536];

/// Program and runtime; the limit comes first.
const CONTENDERS: [(&str, &str); 3] = [
    ("tls-raw", "multi"),
    ("tls-ours", "multi"),
    ("tls-ours", "current"),
];

struct Bench<'a> {
    options: &'a Options,
    folder: PathBuf,
    certificate: PathBuf,
    cores: Cores,
    broker: NullBroker,
}

/// Runs them in turn and writes `tls.md`.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let cases = chosen(options)?;
    let bench = Bench::new(options)?;
    let mut text = format!(
        "# TLS\n\n{}; {}; {}.\n\n\
         Processor time of the client's process per message in µs, median (least–most) of {} \
         rounds, and how many times the raw median that is.\n\
         rustls with ring and TLS 1.3 on both ends; *raw TLS* moves the same bytes through rustls \
         on a blocking socket, without any protocol.\n\n\
         | mode | size | raw TLS | ours | ratio | ours, current-thread | ratio |\n\
         |---|---|---:|---:|---:|---:|---:|\n",
        machine::today(),
        machine::describe(),
        bench.cores.describe(),
        options.rounds,
    );
    print!("{text}");
    for case in cases {
        let row = row(case, &bench.case(case));
        print!("{row}");
        text.push_str(&row);
    }
    std::fs::create_dir_all(&options.out).map_err(|error| error.to_string())?;
    let path = options.out.join("tls.md");
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

fn chosen(options: &Options) -> Result<Vec<Case>, String> {
    let modes = if options.modes.is_empty() {
        MODES.map(str::to_owned).to_vec()
    } else {
        options.modes.clone()
    };
    if let Some(mode) = modes.iter().find(|mode| !MODES.contains(&mode.as_str())) {
        return Err(format!(
            "{mode:?} is not measured over TLS; there are {}",
            MODES.join(", ")
        ));
    }
    let sizes = if options.sizes.is_empty() {
        &SIZES[..]
    } else {
        &options.sizes
    };
    Case::chosen(&modes, sizes)
}

fn row(case: Case, cells: &[Cell]) -> String {
    let spreads: Vec<_> = cells
        .iter()
        .map(|cell| cell.spread("cpu_us_per_msg"))
        .collect();
    let limit = spreads.first().copied().flatten();
    let mut row = format!("| {} | {} |", case.mode, size_name(case.size));
    for (index, (cell, spread)) in cells.iter().zip(&spreads).enumerate() {
        match spread {
            Some(Spread { median, min, max }) => {
                row += &format!(" {median:.3} ({min:.3}–{max:.3}) |");
            }
            None => row += &format!(" {} |", cell.failure.as_deref().unwrap_or("–")),
        }
        if index > 0 {
            match (spread, limit) {
                (Some(ours), Some(raw)) => row += &format!(" {:.2} |", ours.median / raw.median),
                _ => row += " – |",
            }
        }
    }
    row.push('\n');
    row
}

impl<'a> Bench<'a> {
    fn new(options: &'a Options) -> Result<Self, String> {
        eprintln!("building the TLS programs");
        programs::build_package("bench-tls")?;
        let cores = Cores::choose(options.free);
        let target = places::bench_target();
        let certificate = target.join("tls-certificate.der");
        let broker = NullBroker::start_tls(cores.broker.as_deref(), &certificate)?;
        Ok(Self {
            options,
            folder: target.join("release"),
            certificate,
            cores,
            broker,
        })
    }

    /// The cells of a case, in the order of the contenders.
    fn case(&self, case: Case) -> Vec<Cell> {
        let mut cells = vec![Cell::default(); CONTENDERS.len()];
        let counts: Vec<_> = CONTENDERS
            .iter()
            .map(|&contender| self.calibrate(case, contender))
            .collect();
        for _ in 0..self.options.rounds {
            for ((&contender, count), cell) in CONTENDERS.iter().zip(&counts).zip(&mut cells) {
                let measured = count
                    .clone()
                    .and_then(|messages| self.measure(case, contender, messages));
                match measured {
                    Ok(line) => cell.lines.push(line),
                    Err(reason) => cell.failure = Some(reason),
                }
            }
        }
        cells
    }

    /// How many messages fit into the time of a run, found out as the comparison does.
    fn calibrate(&self, case: Case, contender: (&str, &str)) -> Result<u64, String> {
        let seconds = if self.options.quick {
            QUICK_RUN
        } else {
            FULL_RUN
        };
        let most = case.most(false);
        let probe = case.probe().min(most);
        let mut messages = probe;
        for share in [0.1, 1.0] {
            let line = self.measure(case, contender, messages)?;
            let rate = line.get("msgs_per_s").and_then(Value::as_f64);
            let wanted = rate.unwrap_or(1.0) * seconds * share;
            messages = (wanted as u64).clamp(probe, most);
        }
        Ok(messages)
    }

    fn measure(
        &self,
        case: Case,
        (program, runtime): (&str, &str),
        messages: u64,
    ) -> Result<Line, String> {
        let program = self.folder.join(program);
        let mut command = machine::on_cores(self.cores.clients.as_deref(), &program);
        command
            .env("BENCH_CERTIFICATE", &self.certificate)
            .args([case.mode, "--runtime", runtime])
            .args(case.options(&self.broker.url, messages, false));
        let mut line = process::measure(&mut command, self.options.limit)?;
        suite::verify(case, messages, &line)?;
        if case.consumes() {
            suite::without_delay(&mut line, messages);
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(cost: f64) -> Cell {
        let line = serde_json::json!({ "cpu_us_per_msg": cost });
        Cell {
            lines: vec![line.as_object().cloned().unwrap_or_default()],
            failure: None,
        }
    }

    #[test]
    fn ratios_are_to_the_limit_and_failures_are_named() {
        let case = Case {
            mode: "publish",
            size: 1024,
        };
        let failed = Cell {
            failure: Some("it broke".to_owned()),
            ..Cell::default()
        };
        assert_eq!(
            row(case, &[cell(2.0), cell(3.0), failed.clone()]),
            "| publish | 1 KiB | 2.000 (2.000–2.000) | 3.000 (3.000–3.000) | 1.50 | it broke | – |\n"
        );
        assert_eq!(
            row(case, &[failed, cell(3.0)]),
            "| publish | 1 KiB | it broke | 3.000 (3.000–3.000) | – |\n"
        );
    }
}
