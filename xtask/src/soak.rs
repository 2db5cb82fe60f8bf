//! `cargo xtask soak`: the workload of the recovery tests, under faults chosen by chance.
//!
//! The work is done by a test of the client (`amqp-client/tests/recovery/soak.rs`), which starts its
//! own broker; this builds it and tells it what to do.

use amqp_testing::broker::Installation;

use crate::test::recovery_tests;
use crate::{broker, failure::Failure};

const HELP: &str = "\
Publishes, consumes and calls over one connection, while private RabbitMQ nodes
and the network between are harmed by chance, and reports what was lost, what
came twice, what hung, and what is still held at the end. Nothing else should
run on the machine meanwhile.

usage: cargo xtask soak --minutes N [--seed S] [--nodes N] [--release NAME]

options:
  --minutes N     how long, from 1 to 10000; resident memory is judged from 25 on
  --seed S        faults are the same for the same seed; 1 by default
  --nodes N       the broker's nodes: 1, the default, or 3
  --release NAME  the RabbitMQ of this Debian release
  --help          print this
";

#[derive(Debug, Eq, PartialEq)]
struct Request {
    minutes: u64,
    seed: u64,
    nodes: u64,
    release: Option<String>,
}

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let Some(request) = parse(arguments)? else {
        print!("{HELP}");
        return Ok(());
    };
    let installation = broker::installation(request.release.as_deref(), false)?;
    let tests = recovery_tests()?;
    let mut command = tests.command();
    command
        .args(["soak::", "--nocapture"])
        .env("SOAK_SECONDS", (request.minutes * 60).to_string())
        .env("SOAK_SEED", request.seed.to_string())
        .env("SOAK_NODES", request.nodes.to_string());
    match installation.root() {
        Some(root) => command.env(Installation::ROOT_VARIABLE, root),
        None => command.env_remove(Installation::ROOT_VARIABLE),
    };
    let status = command.status().map_err(Failure::program("the soak"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new("the soak has found something")),
    }
}

/// `None` if help is asked for.
fn parse(arguments: &mut lexopt::Parser) -> Result<Option<Request>, Failure> {
    use lexopt::prelude::*;
    let mut minutes = None;
    let mut request = Request {
        minutes: 0,
        seed: 1,
        nodes: 1,
        release: None,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("minutes") => minutes = Some(arguments.value()?.parse()?),
            Long("seed") => request.seed = arguments.value()?.parse()?,
            Long("nodes") => request.nodes = arguments.value()?.parse()?,
            Long("release") => {
                let name = arguments.value()?.string()?;
                request.release = Some(broker::release("--release", &name)?);
            }
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    let usage = |message: &str| Err(Failure::Usage(message.to_owned()));
    request.minutes = match minutes {
        Some(minutes @ 1..=10_000) => minutes,
        Some(_) => return usage("--minutes is from 1 to 10000"),
        None => return usage("--minutes says how long; see --help"),
    };
    if !matches!(request.nodes, 1 | 3) {
        return usage("--nodes is 1 or 3");
    }
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &str) -> Result<Option<Request>, String> {
        let words = words.split_whitespace();
        parse(&mut lexopt::Parser::from_args(words)).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn command_line_says_how_long_and_on_how_many_nodes() {
        let request = parsed("--minutes 30 --seed 7 --nodes 3").unwrap().unwrap();
        assert_eq!((request.minutes, request.seed, request.nodes), (30, 7, 3));
        let request = parsed("--minutes 1").unwrap().unwrap();
        assert_eq!((request.seed, request.nodes), (1, 1));
        assert_eq!(parsed("--help"), Ok(None));
        for wrong in [
            "",
            "--minutes 0",
            "--minutes 10001",
            "--minutes one",
            "--minutes 1 --nodes 2",
            "--minutes 1 more",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
    }
}
