//! The comparison: every case, round by round, all clients in turn.

use std::fs::File;
use std::io::Write;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::broker::NullBroker;
use crate::cases::{Case, DELIVER_DELAY_MS, QUEUE};
use crate::clients::{self, Client};
use crate::machine::{self, Cores};
use crate::markdown::Head;
use crate::options::Options;
use crate::process::{self, Line};
use crate::programs::{self, Programs};
use crate::results::Results;
use crate::{markdown, svg};

/// What one run should take, in seconds.
pub(crate) const FULL_RUN: f64 = 0.8;
pub(crate) const QUICK_RUN: f64 = 0.25;

/// Prints which clients there are and which can run here.
pub(crate) fn list(options: &Options) -> Result<(), String> {
    let clients = clients::chosen(&options.only)?;
    let programs = Programs::build(&clients);
    for client in &clients {
        let state = programs
            .get(client)
            .err()
            .unwrap_or_else(|| "can run".to_owned());
        println!("{:26}{:36}{state}", client.id, client.label);
    }
    Ok(())
}

/// Runs the comparison and writes its results.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let clients = clients::chosen(&options.only)?;
    let cases = Case::chosen(&options.modes, &options.sizes)?;
    let programs = Programs::build(&clients);
    let mut suite = Suite::new(options, &programs)?;
    let mut results = Results::default();
    for (index, &case) in cases.iter().enumerate() {
        suite.case(
            &format!("{}/{}", index + 1, cases.len()),
            case,
            &clients,
            &mut results,
        )?;
    }
    suite.finish();

    let head = suite.head();
    write(
        options,
        "results.md",
        &markdown::document(&head, &cases, &clients, &results),
    )?;
    for (name, picture) in svg::pictures(&head.broker, &cases, &clients, &results) {
        write(options, &name, &picture)?;
    }
    println!("written to {}", options.out.display());
    Ok(())
}

fn write(options: &Options, name: &str, text: &str) -> Result<(), String> {
    let path = options.out.join(name);
    std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))
}

struct Suite<'a> {
    options: &'a Options,
    programs: &'a Programs,
    cores: Cores,
    url: String,
    /// Dropped last, so that the null broker lives as long as the suite.
    _null_broker: Option<NullBroker>,
    jsonl: File,
    begun: Instant,
}

impl<'a> Suite<'a> {
    fn new(options: &'a Options, programs: &'a Programs) -> Result<Self, String> {
        let mut cores = Cores::choose(options.free);
        let (url, null_broker) = match &options.against {
            // A real broker was started by somebody else, and is better left all cores.
            Some((_, url)) => {
                cores = Cores {
                    broker: None,
                    clients: None,
                };
                (url.clone(), None)
            }
            None => {
                let broker = NullBroker::start(cores.broker.as_deref())?;
                (broker.url.clone(), Some(broker))
            }
        };
        let say = |error| format!("{}: {error}", options.out.display());
        std::fs::create_dir_all(&options.out).map_err(say)?;
        let jsonl = File::create(options.out.join("results.jsonl")).map_err(say)?;
        Ok(Self {
            options,
            programs,
            cores,
            url,
            _null_broker: null_broker,
            jsonl,
            begun: Instant::now(),
        })
    }

    fn head(&self) -> Head {
        Head {
            date: machine::today(),
            machine: machine::describe(),
            cores: self.cores.describe(),
            broker: match &self.options.against {
                Some((name, _)) => name.clone(),
                None => "null broker".to_owned(),
            },
            rounds: self.options.rounds,
            null_broker: self.is_null(),
        }
    }

    fn is_null(&self) -> bool {
        self.options.against.is_none()
    }

    /// One case: finds out how many messages each client manages in the time of a run, then lets
    /// them run in turn.
    fn case(
        &mut self,
        place: &str,
        case: Case,
        clients: &[Client],
        results: &mut Results,
    ) -> Result<(), String> {
        let mut able = Vec::new();
        for client in clients
            .iter()
            .filter(|client| client.takes_part_in(case.mode))
        {
            self.progress(place, case, "warming up", client);
            match self.calibrate(case, client) {
                Ok(messages) => able.push((client, messages)),
                Err(reason) => {
                    self.record(case, client, 0, Err(&reason))?;
                    results.cell(case, client).failure = Some(reason);
                }
            }
        }
        for round in 1..=self.options.rounds {
            for &(client, messages) in &able {
                self.progress(place, case, &format!("round {round}"), client);
                let outcome = self.measure(case, client, messages);
                self.record(
                    case,
                    client,
                    round,
                    outcome.as_ref().map_err(String::as_str),
                )?;
                match outcome {
                    Ok(line) => results.cell(case, client).lines.push(line),
                    Err(reason) => results.cell(case, client).failure = Some(reason),
                }
            }
        }
        Ok(())
    }

    /// How many messages the client sends or gets in the time of a run. A short run is mostly
    /// warming up, so a second, longer one corrects the first.
    fn calibrate(&self, case: Case, client: &Client) -> Result<u64, String> {
        let seconds = if self.options.quick {
            QUICK_RUN
        } else {
            FULL_RUN
        };
        let most = case.most(!self.is_null());
        let probe = case.probe().min(most);
        let mut messages = probe;
        for share in [0.1, 1.0] {
            let line = self.measure(case, client, messages)?;
            let rate = line
                .get("msgs_per_s")
                .and_then(Value::as_f64)
                .unwrap_or(1.0);
            messages = ((rate * seconds * share) as u64).clamp(probe, most);
        }
        Ok(messages)
    }

    fn measure(&self, case: Case, client: &Client, messages: u64) -> Result<Line, String> {
        let start = self.programs.get(client)?;
        if !self.is_null() {
            self.prepare_queue(case, messages)?;
        }
        let mut command = start.command(client, case.mode, self.cores.clients.as_deref());
        command.args(case.options(&self.url, messages, !self.is_null()));
        let mut line = process::measure(&mut command, self.options.limit)?;
        if self.is_null() {
            verify(case, messages, &line)?;
            if case.consumes() {
                without_delay(&mut line, messages);
            }
        }
        Ok(line)
    }

    /// Leaves the queue of a real broker empty, or filled with what is to be consumed.
    fn prepare_queue(&self, case: Case, messages: u64) -> Result<(), String> {
        let messages = if case.consumes() { messages } else { 0 };
        self.queue("setup", messages, case.size)
    }

    fn queue(&self, variant: &str, messages: u64, size: usize) -> Result<(), String> {
        let mut command = Command::new(programs::package("bench-raw")?);
        command.args([
            "publish",
            "--variant",
            variant,
            "--url",
            &self.url,
            "--queue",
            QUEUE,
        ]);
        command.args([
            "--messages",
            &messages.to_string(),
            "--size",
            &size.to_string(),
        ]);
        let said = process::run(&mut command, self.options.limit)?;
        if said.success {
            Ok(())
        } else {
            Err(format!("the queue: {}", said.stderr.trim()))
        }
    }

    fn finish(&self) {
        if !self.is_null() {
            if let Err(reason) = self.queue("delete", 0, 0) {
                eprintln!("{reason}");
            }
        }
        eprintln!();
    }

    fn record(
        &mut self,
        case: Case,
        client: &Client,
        round: usize,
        outcome: Result<&Line, &str>,
    ) -> Result<(), String> {
        let mut line = json!({
            "id": client.id, "case": case.mode, "case_size": case.size, "round": round,
        });
        match outcome {
            Ok(measured) => line["measured"] = Value::Object(measured.clone()),
            Err(reason) => line["failure"] = Value::String(reason.to_owned()),
        }
        writeln!(self.jsonl, "{line}").map_err(|error| error.to_string())
    }

    fn progress(&self, place: &str, case: Case, step: &str, client: &Client) {
        let elapsed = self.begun.elapsed().as_secs();
        let (minutes, seconds) = (elapsed / 60, elapsed % 60);
        // Clears the rest of the line, so that a long name leaves nothing behind.
        eprint!(
            "\r[{minutes}:{seconds:02}] case {place} {} {} B, {step}, {}\x1b[K",
            case.mode, case.size, client.label
        );
    }
}

/// A client that lost messages on the way was not fast.
pub(crate) fn verify(case: Case, messages: u64, line: &Line) -> Result<(), String> {
    let number = |field: &str| line.get(field).and_then(Value::as_u64);
    if number("n") != Some(messages) {
        return Err(format!(
            "it was asked for {messages} messages and reports {:?}",
            number("n")
        ));
    }
    match number("at_broker") {
        Some(count) if case.mode == "publish" && count != messages => {
            Err(format!("{count} of {messages} messages reached the broker"))
        }
        _ => Ok(()),
    }
}

/// Takes the broker's pause off the wall clock.
pub(crate) fn without_delay(line: &mut Line, messages: u64) {
    let Some(wall) = line.get("wall_s").and_then(Value::as_f64) else {
        return;
    };
    let wall = (wall - DELIVER_DELAY_MS as f64 / 1000.0).max(1e-6);
    line.insert("wall_s".to_owned(), json!(wall));
    line.insert("msgs_per_s".to_owned(), json!(messages as f64 / wall));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &Value) -> Line {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn lost_messages_are_noticed() {
        let case = Case {
            mode: "publish",
            size: 16,
        };
        assert!(verify(case, 10, &line(&json!({"n": 10, "at_broker": 10}))).is_ok());
        assert!(verify(case, 10, &line(&json!({"n": 10}))).is_ok());
        assert!(verify(case, 10, &line(&json!({"n": 10, "at_broker": 9}))).is_err());
        assert!(verify(case, 10, &line(&json!({"n": 9}))).is_err());
    }

    #[test]
    fn pause_is_taken_off_the_wall_clock() {
        let mut measured = line(&json!({"wall_s": 0.12, "msgs_per_s": 1.0}));
        without_delay(&mut measured, 10);
        let rate = measured["msgs_per_s"].as_f64().unwrap();
        assert!((rate - 100.0).abs() < 1e-6);
    }
}
