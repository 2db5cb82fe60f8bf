//! The measurements that are not comparisons of cost per message: memory, growth, fairness.

use std::fmt::Write;

use serde_json::Value;

use crate::broker::NullBroker;
use crate::cases::QUEUE;
use crate::clients::{self, Client};
use crate::machine::{self, Cores};
use crate::options::Options;
use crate::process::{self, Line};
use crate::programs::Programs;
use crate::results::{Cell, Spread};

/// A bench of its own: programs, a null broker, and a table that grows.
struct Extra<'a> {
    options: &'a Options,
    clients: Vec<Client>,
    programs: Programs,
    cores: Cores,
    broker: NullBroker,
    text: String,
}

impl<'a> Extra<'a> {
    fn new(options: &'a Options, title: &str, keep: fn(&Client) -> bool) -> Result<Self, String> {
        let mut clients = clients::chosen(&options.only)?;
        clients.retain(keep);
        let programs = Programs::build(&clients);
        let cores = Cores::choose(options.free);
        let broker = NullBroker::start(cores.broker.as_deref())?;
        let (today, machine) = (machine::today(), machine::describe());
        let text = format!("# {title}\n\n{today}; {machine}; {}.\n", cores.describe());
        Ok(Self {
            options,
            clients,
            programs,
            cores,
            broker,
            text,
        })
    }

    fn run(&self, client: &Client, mode: &str, more: &[&str]) -> Result<Line, String> {
        let start = self.programs.get(client)?;
        let mut command = start.command(client, mode, self.cores.clients.as_deref());
        command.args(["--url", &self.broker.url]).args(more);
        process::measure(&mut command, self.options.limit)
    }

    /// Runs several times and keeps what worked.
    fn rounds(&self, client: &Client, mode: &str, more: &[&str]) -> Cell {
        let mut cell = Cell::default();
        for _ in 0..self.options.rounds {
            match self.run(client, mode, more) {
                Ok(line) => cell.lines.push(line),
                Err(reason) => {
                    cell.failure = Some(reason);
                    break;
                }
            }
        }
        cell
    }

    fn say(&mut self, text: &str) {
        print!("{text}");
        self.text.push_str(text);
    }

    fn write(self, name: &str) -> Result<(), String> {
        std::fs::create_dir_all(&self.options.out).map_err(|error| error.to_string())?;
        let path = self.options.out.join(name);
        std::fs::write(&path, self.text).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("written to {}", path.display());
        Ok(())
    }
}

fn number(line: &Line, field: &str) -> f64 {
    line.get(field).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

/// A slow consumer, idle connections and idle channels.
pub(crate) fn memory(options: &Options) -> Result<(), String> {
    let mut extra = Extra::new(options, "Memory", |client| {
        client.takes_part_in("consume-noack")
    })?;
    slow_consumer(&mut extra);
    idle(
        &mut extra,
        "conns",
        "200",
        "Idle connections, 200 of them, one channel open on some clients:",
        "kB per connection",
    );
    idle(
        &mut extra,
        "channels",
        "1000",
        "Idle channels, 1000 of them on one connection:",
        "kB per channel",
    );
    extra.write("memory.md")
}

/// 4096 bodies of 64 KiB are 268 MB; 500 µs for each leave the broker time to offer all of them.
fn slow_consumer(extra: &mut Extra<'_>) {
    extra.say(
        "\nA consumer without acknowledgements that takes at least 500 µs per message of 64 KiB, \
         while the broker offers 268 MB at once:\n\n\
         | client | MB beyond the idle process |\n|---|---:|\n",
    );
    for client in extra
        .clients
        .clone()
        .iter()
        .filter(|client| !client.is_raw())
    {
        let options = [
            "--messages",
            "4096",
            "--size",
            "65536",
            "--queue",
            "deliver-4096-65536-20",
            "--slow-us",
            "500",
        ];
        let row = match extra.run(client, "consume-noack", &options) {
            Ok(line) => grown(&line),
            Err(reason) => reason,
        };
        extra.say(&format!("| {} | {row} |\n", client.label));
    }
}

/// What the process grew by, in MB; without a figure from before, what it had at most.
fn grown(line: &Line) -> String {
    let before = line.get("rss_before_kb").and_then(Value::as_f64);
    let most = number(line, "max_rss_kb");
    let sign = if before.is_none() { "at most " } else { "" };
    format!("{sign}{:.1}", (most - before.unwrap_or(0.0)) * 1024.0 / 1e6)
}

fn idle(extra: &mut Extra<'_>, mode: &str, count: &str, title: &str, unit: &str) {
    extra.say(&format!("\n{title}\n\n| client | {unit} | threads | µs of processor time for each |\n|---|---:|---:|---:|\n"));
    for client in &extra.clients.clone() {
        let row = match extra.run(client, mode, &["--messages", count, "--queue", QUEUE]) {
            Ok(line) => {
                let grown = number(&line, "rss_kb") - number(&line, "rss_before_kb");
                let each = grown * 1.024 / number(&line, "n");
                let (threads, cpu) = (number(&line, "threads"), number(&line, "cpu_us_per_msg"));
                format!("{each:.1} | {threads:.0} | {cpu:.0}")
            }
            Err(reason) => format!("{reason} | – | –"),
        };
        extra.say(&format!("| {} | {row} |\n", client.label));
    }
}

/// Many tasks and many channels. The example `perf` takes `--tasks` and `--channels` for this:
/// so many tasks publish in turn, spread over so many channels of one connection.
pub(crate) fn growth(options: &Options) -> Result<(), String> {
    let mut extra = Extra::new(options, "Growth", Client::is_ours)?;
    extra
        .clients
        .retain(|client| client.takes_part_in("confirm"));
    let steps: [(&str, &[&str]); 2] = [
        ("--tasks", &["1", "4", "16", "64"]),
        ("--channels", &["1", "100", "2000"]),
    ];
    for client in extra.clients.clone() {
        for (option, counts) in steps {
            extra.say(&format!(
                "\n{}, publishing 16 B with `{option}`:\n\n\
                 | {option} | µs of processor time per message | times the first |\n|---:|---:|---:|\n",
                client.label
            ));
            let mut first = None;
            for count in counts {
                let options = [
                    "--messages",
                    "2000000",
                    "--size",
                    "16",
                    "--queue",
                    QUEUE,
                    option,
                    count,
                ];
                let cell = extra.rounds(&client, "publish", &options);
                let row = match cell.spread("cpu_us_per_msg") {
                    Some(Spread { median, min, max }) => {
                        let base = *first.get_or_insert(median);
                        format!("{median:.3} ({min:.3}–{max:.3}) | {:.2}", median / base)
                    }
                    None => format!("{} | –", cell.failure.unwrap_or_default()),
                };
                extra.say(&format!("| {count} | {row} |\n"));
            }
        }
    }
    extra.write("growth.md")
}

/// Small confirmed publishes beside large ones. The example `perf` has the mode `fairness` for
/// this: it measures `--messages` small publishes alone, then beside a channel that publishes
/// bodies of `--size` bytes all the time, and reports `p50_alone_us`, `p99_alone_us`, `p50_us` and
/// `p99_us`.
pub(crate) fn fairness(options: &Options) -> Result<(), String> {
    let mut extra = Extra::new(options, "Fairness", Client::is_ours)?;
    extra
        .clients
        .retain(|client| client.takes_part_in("confirm"));
    extra.say(
        "\nSmall confirmed publishes, alone and while another channel publishes bodies of 64 MiB, in µs:\n\n\
         | client | p50 alone | p99 alone | p50 beside | p99 beside | p99 ratio |\n|---|---:|---:|---:|---:|---:|\n",
    );
    for client in extra.clients.clone() {
        let options = ["--messages", "1000", "--size", "67108864", "--queue", QUEUE];
        let cell = extra.rounds(&client, "fairness", &options);
        let fields = ["p50_alone_us", "p99_alone_us", "p50_us", "p99_us"];
        let medians: Vec<_> = fields
            .iter()
            .filter_map(|field| Some(cell.spread(field)?.median))
            .collect();
        let mut row = String::new();
        // Writing to a string does not fail.
        let _ = match medians[..] {
            [p50_alone, p99_alone, p50, p99] => write!(
                row,
                "{p50_alone:.0} | {p99_alone:.0} | {p50:.0} | {p99:.0} | {:.2}",
                p99 / p99_alone
            ),
            _ => write!(row, "{} | – | – | – | –", cell.failure.unwrap_or_default()),
        };
        extra.say(&format!("| {} | {row} |\n", client.label));
    }
    extra.write("fairness.md")
}
