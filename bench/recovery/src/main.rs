//! Takes clients through the same faults at the same time, and judges what they wrote down.
//!
//! One broker of its own; for each run of a fault a fresh program of each client with a fresh
//! virtual host and, where the fault asks for it, a network that fails on demand. The table goes to standard output, what each part was
//! told to standard error.

mod clients;
mod failure;
mod faults;
mod oracles;
mod program;
mod table;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use amqp_testing::{Broker, BrokerOptions};
use recovery_log::Line;

use clients::Client;
use failure::Failure;
use faults::{Fault, Stage};
use oracles::{Entry, Facts, HANG, PATIENCE, Verdict, judge, parts};
use program::{Program, wait_until};
use table::Row;

/// How long the programs run before the fault.
const WARM_UP: Duration = Duration::from_secs(3);

/// How long nothing has happened in a program that has drained.
const QUIET: Duration = Duration::from_secs(2);

const USAGE: &str = "bench-recovery [OPTIONS]

options:
  --runs N               how often each fault happens (3)
  --only ID,ID           only these clients: ours, lapin, amqp-client
  --faults ID,ID         only these faults: kill, kill-20, kill-20-balancer, stop, cut, blackhole,
                         close, delete, alarm";

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| compare(&options)) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, taken apart.
#[derive(Debug)]
struct Options {
    n_runs: usize,
    clients: Vec<Client>,
    faults: Vec<Fault>,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let (mut only, mut faults, mut n_runs) = (None, None, 3);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--runs" => n_runs = value.parse()?,
                "--only" => only = Some(value),
                "--faults" => faults = Some(value),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(Self {
            n_runs,
            clients: chosen(&clients::ALL, only.as_deref(), |it| it.id)?,
            faults: chosen(&faults::ALL, faults.as_deref(), |it| it.id)?,
        })
    }
}

/// Those that are named; all if none is.
fn chosen<T: Copy>(
    all: &[T],
    names: Option<&str>,
    id: fn(&T) -> &'static str,
) -> Result<Vec<T>, Failure> {
    let Some(names) = names else {
        return Ok(all.to_vec());
    };
    let find = |name: &str| {
        let found = all.iter().find(|it| id(it) == name);
        found.copied().ok_or_else(|| USAGE.into())
    };
    names.split(',').map(find).collect()
}

fn compare(options: &Options) -> Result<String, Failure> {
    let mut programs = Vec::new();
    for client in &options.clients {
        eprintln!("building {}", client.id);
        match client.build() {
            Ok(file) => programs.push((*client, file)),
            Err(problem) => eprintln!("{problem}"),
        }
    }
    // The broker says how often there are heartbeats, so that they are the same for all.
    let broker = Broker::start(&BrokerOptions::new().config("heartbeat = 10"))?;
    eprintln!("RabbitMQ {}", broker.management().version()?);
    let mut rows = Vec::new();
    for fault in &options.faults {
        let from = rows.len();
        rows.extend(programs.iter().map(|(client, _)| Row {
            fault: fault.label,
            client: client.label,
            verdicts: Vec::new(),
        }));
        for run in 0..options.n_runs {
            eprintln!("## {}, run {}", fault.label, run + 1);
            let verdicts = take_through(&broker, fault, &programs)?;
            for (row, verdict) in rows[from..].iter_mut().zip(verdicts) {
                row.verdicts.push(verdict);
            }
        }
        // What there is so far, in case it does not come to an end.
        eprintln!("{}", table::markdown(&rows[from..]));
    }
    Ok(table::markdown(&rows))
}

/// Takes all clients through a fault.
fn take_through(
    broker: &Broker,
    fault: &Fault,
    files: &[(Client, PathBuf)],
) -> Result<Vec<Verdict>, Failure> {
    let starting = files
        .iter()
        .map(|(client, file)| Program::start(*client, file, broker, fault.is_of_network));
    let mut programs: Vec<_> = starting.collect::<Result<_, _>>()?;
    let now = Instant::now();
    if !wait_until(HANG, || programs.iter().all(|it| flows(it, now))) {
        return Err("not everything flows before the fault".into());
    }
    sleep(WARM_UP);
    let stage = Stage {
        broker,
        programs: &programs,
    };
    let passed = (fault.happen)(&stage)?;
    let left = PATIENCE.saturating_sub(passed.over.elapsed());
    wait_until(left, || programs.iter().all(|it| flows(it, passed.over)));
    sleep(Duration::from_secs(1));
    let mut listed = Vec::new();
    for program in &programs {
        listed.push(broker.first().consumers(program.vhost())?.len());
    }
    programs.iter_mut().for_each(Program::drain);
    wait_until(HANG + QUIET, || programs.iter().all(has_drained));
    for program in &programs {
        eprintln!("{}: {}", program.client.id, queue(broker, program)?);
    }
    let mut verdicts = Vec::new();
    for (mut program, n_listed) in programs.into_iter().zip(listed) {
        let (stopped, crashed) = (Instant::now(), program.has_ended());
        let (client, entries) = (program.client, program.entries().clone());
        let facts = Facts {
            over: passed.over,
            excused_until: passed.excused_until,
            stopped,
            left: program.end()?,
            n_listed,
            crashed,
        };
        let verdict = judge(&entries, &facts);
        tell(client, &entries, &verdict);
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// Whether all parts of a program have passed something through since, but those that have ended.
fn flows(program: &Program, since: Instant) -> bool {
    let entries = program.entries();
    let flowed = oracles::flowed(&entries, since);
    let ended = oracles::ended(&entries);
    parts().all(|part| flowed.contains_key(&part) || ended.contains_key(&part))
}

/// What the broker says of a program's queue.
fn queue(broker: &Broker, program: &Program) -> Result<String, Failure> {
    let command = [
        "list_queues",
        "--no-table-headers",
        "-p",
        program.vhost(),
        "messages_ready",
        "messages_unacknowledged",
    ];
    let counts = broker.ctl(&command)?;
    let mut counts = counts.split_whitespace();
    let mut next = || counts.next().unwrap_or("no").to_owned();
    Ok(format!("{} messages ready, {} held", next(), next()))
}

/// Whether every publish has an outcome and nothing more happens.
fn has_drained(program: &Program) -> bool {
    let entries = program.entries();
    let is_quiet = entries.last().is_none_or(|it| it.at.elapsed() > QUIET);
    is_quiet && oracles::n_open(&entries) == 0
}

/// Writes to standard error what became of a run, and what the parts were told.
fn tell(client: Client, entries: &[Entry], verdict: &Verdict) {
    let Verdict { ended, silent, .. } = verdict;
    eprintln!(
        "{}: {} confirmed, {} lost, {} again, {} twice, {} failed, {} hung, ended {ended:?}, \
         idle {silent:?}, {} consumers listed, {} left, stood still {:?}{}",
        client.id,
        verdict.n_confirmed,
        verdict.n_lost,
        verdict.n_again,
        verdict.n_twice,
        verdict.n_failed,
        verdict.n_hung,
        verdict.n_listed,
        verdict.n_left,
        verdict.still,
        if verdict.crashed { ", crashed" } else { "" },
    );
    let mut words = BTreeMap::new();
    for entry in entries {
        let said = match &entry.line {
            Line::Failed(_, why) => format!("failed: {why}"),
            Line::NotAcked(_, _, why) => format!("not acknowledged: {why}"),
            Line::Told(part, why) => format!("told {part}: {why}"),
            _ => continue,
        };
        *words.entry(said).or_insert(0) += 1;
    }
    for (said, n) in words {
        eprintln!("    {n} × {said}");
    }
}
