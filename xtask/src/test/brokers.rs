//! A broker for the tests: started before them, told to them, stopped behind them.

use std::time::Instant;

use amqp_testing::{Broker, BrokerOptions, broker::Installation};

use super::binaries::{self, Environment, TestBinary};
use super::report::{Outcome, run_logged, test_totals};
use super::steps::Variables;
use crate::{broker, failure::Failure, progress, workspace};

/// What is run against a broker.
pub(super) struct Tests {
    pub(super) binaries: Vec<TestBinary>,
    /// The examples in the documentation as well.
    pub(super) documentation: bool,
    /// What else they are told.
    pub(super) variables: Variables,
    /// How many of the binaries run at a time.
    pub(super) at_a_time: usize,
}

/// Runs tests with a broker of this release, started for them and stopped behind them.
pub(super) fn with_broker(release: &str, tests: Tests, log: &str) -> Result<Outcome, Failure> {
    let is_system = release == broker::SYSTEM;
    if !is_system && !workspace::is_root() {
        return Ok(Outcome::skipped(format!(
            "RabbitMQ of Debian {release} needs root"
        )));
    }
    let installation = broker::installation((!is_system).then_some(release), false)?;
    let started = Instant::now();
    let directory = workspace::scratch().join("test-brokers");
    let broker = start(&installation, &BrokerOptions::new().directory(&directory))?;
    let version = broker.management().version()?;
    println!(
        "    RabbitMQ {version}, started in {:.1} s",
        started.elapsed().as_secs_f32()
    );
    let mut environment = environment(&broker);
    environment.push((BrokerOptions::DIRECTORY_VARIABLE, Some(directory.into())));
    let more = tests.variables.iter();
    environment.extend(more.map(|(name, value)| (*name, Some((*value).into()))));
    let (mut totals, mut failures) =
        binaries::run(tests.binaries, tests.at_a_time, &environment, log)?;
    if tests.documentation {
        let mut command = workspace::cargo();
        command.args(DOCUMENTATION_TESTS);
        binaries::set(&mut command, &environment);
        let log = run_logged(&mut command, "examples in the documentation")?;
        log.print_results();
        totals.add(test_totals(&log.text));
        if !log.succeeded {
            failures.push(log.into_failure());
        }
    }
    let outcome = if let Some(failed) = Outcome::all_failed(failures) {
        failed
    } else if totals.n_passed == 0 {
        Outcome::failed("no test was run")
    } else {
        Outcome::passed(format!("RabbitMQ {version}: {totals}"))
    };
    Ok(outcome.with_tests(totals))
}

/// The examples in the documentation, also those behind a crate in which one has failed.
const DOCUMENTATION_TESTS: &[&str] = &[
    "test",
    "--doc",
    "--workspace",
    "--all-features",
    "--no-fail-fast",
];

fn start(installation: &Installation, options: &BrokerOptions) -> Result<Broker, Failure> {
    let options = options.clone().installation(installation.clone()).tls();
    Ok(progress::during("starting RabbitMQ", || options.start())?)
}

/// Tells the tests where the broker is, and which RabbitMQ to start for those that need their own.
/// What the shell says of another broker is not for them.
fn environment(broker: &Broker) -> Environment {
    let shell = broker::program_variables(broker).into_iter();
    let shell = shell.map(|(name, _)| (name, None));
    shell.chain(broker::test_variables(broker)).collect()
}
