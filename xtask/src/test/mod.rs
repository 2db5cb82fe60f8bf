//! `cargo xtask test`: everything that has to hold, in one command.
//!
//! The steps are ordered so that cheap ones fail first, and chosen so that the workspace is
//! compiled twice only: once for clippy, once for the tests. The broker tests of further RabbitMQ
//! releases run the same binaries again, beside those of the first: they wait most of the time.

mod binaries;
mod brokers;
mod features;
mod packages;
mod report;
mod steps;

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use self::binaries::TestBinary;
use self::brokers::{Tests, with_broker};
use self::report::{Outcome, Report, run_logged};
use self::steps::{COMPILING, Step, Variables, extra_steps, steps};
use crate::{broker, failure::Failure, regenerate, tidy, workspace};

const HELP: &str = "\
Runs everything that has to hold: formatting, clippy, house rules, generated
files, documentation, and all tests, those of the client against real RabbitMQ
nodes that are started for the purpose.

usage: cargo xtask test [--broker NAME]… [--only STEP]…
       cargo xtask test --list

options:
  --broker NAME  the RabbitMQ to test against: system, or the name of a Debian
                 release; by default both system and trixie. Releases need root;
                 without it they are skipped, except in CI.
  --only STEP    run only the steps whose name contains this
  --list         print the names of the steps

Missing Debian packages are installed for root and in CI. In CI (with CI set),
a step that cannot run fails.
";

const EXTRA_HELP: &str = "\
Runs the tests that take too long for every change: the same as in `cargo xtask
test`, with more input. Run it before a larger piece of work is called done.

usage: cargo xtask ci-extra [--only STEP]…
       cargo xtask ci-extra --list

options:
  --only STEP    run only the steps whose name contains this
  --list         print the names of the steps
";

/// The RabbitMQ of the machine this runs on, and the one after it.
const DEFAULT_BROKERS: &[&str] = &[broker::SYSTEM, "trixie"];

#[derive(Debug)]
struct Request {
    brokers: Vec<String>,
    only: Vec<String>,
    list: bool,
}

/// The test binaries that look at RabbitMQ's behaviour, as opposed to ours alone.
const BROKER_BINARIES: &[(&str, &str)] = &[
    ("amqp-client", "broker"),
    ("amqp-client", "examples"),
    RECOVERY,
    ("amqp-testing", "launcher"),
    ("amqp-testing", "differential"),
];

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let Some(request) = parse(arguments, true)? else {
        print!("{HELP}");
        return Ok(());
    };
    request.carry_out(steps(&request.brokers))
}

/// `cargo xtask ci-extra`.
pub(crate) fn run_extra(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let Some(request) = parse(arguments, false)? else {
        print!("{EXTRA_HELP}");
        return Ok(());
    };
    request.carry_out(extra_steps(&request.brokers))
}

impl Request {
    /// Carries out those of the steps that are wanted.
    fn carry_out(&self, steps: Vec<Step>) -> Result<(), Failure> {
        let is_wanted = |step: &Step| {
            self.only.is_empty() || self.only.iter().any(|part| step.name().contains(part))
        };
        let steps: Vec<_> = steps.into_iter().filter(is_wanted).collect();
        if steps.is_empty() {
            return Err(Failure::Usage(
                "no step has such a name; see --list".to_owned(),
            ));
        }
        if self.list {
            steps.iter().for_each(|step| println!("{}", step.name()));
            return Ok(());
        }
        let started = Instant::now();
        let mut report = Report::default();
        // These come last, and beside each other.
        let (tests, others): (Vec<_>, Vec<_>) = steps.iter().partition(|step| step.runs_tests());
        for step in others {
            report.begin(&step.name());
            let (outcome, took) = timed(step);
            report.end(step.name(), outcome, took);
        }
        let outcomes = if report.has_failed(COMPILING) {
            let skipped =
                |_: &&Step| (Outcome::skipped("the tests do not compile"), Duration::ZERO);
            tests.iter().map(skipped).collect()
        } else {
            let names: Vec<_> = tests.iter().map(|step| step.name()).collect();
            if !names.is_empty() {
                report.begin(&names.join(", beside "));
            }
            beside_each_other(&tests)
        };
        for (step, (outcome, took)) in tests.iter().zip(outcomes) {
            report.begin(&step.name());
            report.end(step.name(), outcome, took);
        }
        report.finish(workspace::in_ci(), started.elapsed())
    }
}

/// Carries a step out, and says how long it took.
fn timed(step: &Step) -> (Outcome, Duration) {
    let started = Instant::now();
    let outcome = carry_out(step).unwrap_or_else(|failure| Outcome::failed(failure.message()));
    (outcome, started.elapsed())
}

fn beside_each_other(steps: &[&Step]) -> Vec<(Outcome, Duration)> {
    thread::scope(|scope| {
        let running: Vec<_> = steps
            .iter()
            .map(|step| scope.spawn(|| timed(step)))
            .collect();
        let panicked = |_| (Outcome::failed("the step panicked"), Duration::ZERO);
        let ended = running.into_iter().map(thread::ScopedJoinHandle::join);
        ended.map(|it| it.unwrap_or_else(panicked)).collect()
    })
}

/// `None` if help is asked for.
fn parse(arguments: &mut lexopt::Parser, has_brokers: bool) -> Result<Option<Request>, Failure> {
    use lexopt::prelude::*;
    let mut request = Request {
        brokers: Vec::new(),
        only: Vec::new(),
        list: false,
    };
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("broker") if has_brokers => {
                let name = arguments.value()?.string()?;
                request.brokers.push(broker::release("--broker", &name)?);
            }
            Long("only") => request.only.push(arguments.value()?.string()?),
            Long("list") => request.list = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    if request.brokers.is_empty() {
        request.brokers = DEFAULT_BROKERS
            .iter()
            .map(|&name| name.to_owned())
            .collect();
    }
    Ok(Some(request))
}

fn carry_out(step: &Step) -> Result<Outcome, Failure> {
    match step {
        Step::Tidy => tidy::check().map(Outcome::passed),
        Step::Generated => regenerate::check().map(Outcome::passed),
        Step::Features => features::check(),
        Step::Packages => packages::check(),
        Step::Cargo {
            name,
            arguments,
            variables,
        } => {
            let mut command = cargo(arguments);
            command.envs(variables.iter().copied());
            let log = run_logged(&mut command, name)?;
            Ok(if log.succeeded {
                Outcome::passed("")
            } else {
                log.into_failure()
            })
        }
        Step::Longer {
            name,
            tests,
            variables,
            broker,
        } => {
            let tests = Tests {
                variables,
                ..tests_of(tests)?
            };
            let log = format!("{}-{broker}", name.replace(' ', "-"));
            with_broker(broker, tests, &log)
        }
        Step::AllTests { broker } => {
            let tests = Tests {
                binaries: all_tests()?,
                documentation: true,
                variables: &[],
                at_a_time: binaries::AT_A_TIME,
            };
            with_broker(broker, tests, "all-tests")
        }
        Step::BrokerTests { broker } => {
            let tests = tests_of(BROKER_BINARIES)?;
            with_broker(broker, tests, &format!("broker-tests-{broker}"))
        }
    }
}

/// A soak of one minute: `cargo xtask soak` is for longer ones.
const SOAK: Variables = &[("SOAK_SECONDS", "60"), ("RECOVERY_FAULTS", "none")];

const RECOVERY: (&str, &str) = ("amqp-client", "recovery");

/// The tests of recovery, to be run by themselves.
pub(crate) fn recovery_tests() -> Result<TestBinary, Failure> {
    let tests = tests_of(&[RECOVERY])?.binaries.pop();
    tests.ok_or_else(|| Failure::new("there are no tests of recovery"))
}

/// All test binaries, and the soak beside the other tests of recovery.
fn all_tests() -> Result<Vec<TestBinary>, Failure> {
    let mut binaries = binaries::build()?;
    let soak: Vec<_> = binaries
        .iter()
        .filter(|binary| binary.is(RECOVERY))
        .map(|binary| binary.with(SOAK))
        .collect();
    // Early, for it takes a minute, whatever else there is.
    binaries.splice(..0, soak);
    Ok(binaries)
}

/// Those test binaries, of which each must be there.
fn tests_of(wanted: &[(&str, &str)]) -> Result<Tests, Failure> {
    let all = binaries::build()?;
    for one in wanted {
        if !all.iter().any(|binary| binary.is(*one)) {
            let (package, target) = one;
            let message = format!("there is no test `{target}` of {package}");
            return Err(Failure::new(message));
        }
    }
    let is_wanted = |binary: &TestBinary| wanted.iter().any(|one| binary.is(*one));
    Ok(Tests {
        binaries: all.into_iter().filter(is_wanted).collect(),
        documentation: false,
        variables: &[],
        at_a_time: binaries::AT_A_TIME_BESIDE,
    })
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}
