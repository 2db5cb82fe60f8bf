//! A broker for the tests: started before them, told to them, stopped behind them.

use std::{process::Command, time::Instant};

use amqp_testing::{Broker, BrokerOptions, broker::Installation};

use super::report::{Outcome, run_logged, test_totals};
use crate::{broker, failure::Failure, progress, workspace};

/// Runs tests with a broker of this release, started for them and stopped behind them.
pub(super) fn with_broker(
    release: &str,
    mut command: Command,
    log: &str,
) -> Result<Outcome, Failure> {
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
    set_variables(&mut command, &broker);
    command.env(BrokerOptions::DIRECTORY_VARIABLE, &directory);
    let log = run_logged(&mut command, log)?;
    let totals = test_totals(&log.text);
    // The lines in which each test binary tells its own result, and what was compared.
    for line in log.text.lines().filter(|line| is_result(line)) {
        println!("    {}", line.trim_start());
    }
    Ok(match (log.succeeded, totals.n_passed) {
        (false, _) => log.into_failure().with_tests(totals),
        (true, 0) => Outcome::failed("no test was run"),
        (true, _) => Outcome::passed(format!("RabbitMQ {version}: {totals}")).with_tests(totals),
    })
}

fn start(installation: &Installation, options: &BrokerOptions) -> Result<Broker, Failure> {
    let options = options.clone().installation(installation.clone()).tls();
    Ok(progress::during("starting RabbitMQ", || options.start())?)
}

/// Tells the tests where the broker is, and which RabbitMQ to start for those that need their own.
/// What the shell says of another broker is not for them.
fn set_variables(command: &mut Command, broker: &Broker) {
    for (name, _) in broker::program_variables(broker) {
        command.env_remove(name);
    }
    for (name, value) in broker::test_variables(broker) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

fn is_result(line: &str) -> bool {
    let line = line.trim_start();
    ["Running ", "Doc-tests ", "test result: ", "differential: "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_with_results_are_told_from_others() {
        assert!(is_result(
            "     Running tests/it/main.rs (target/debug/deps/it-1)"
        ));
        assert!(is_result("test result: ok. 1 passed; 0 failed"));
        assert!(is_result("differential: RabbitMQ 3.10.8: 1 probes"));
        assert!(!is_result("running 1 test"));
        assert!(!is_result("test a ... ok"));
    }
}
