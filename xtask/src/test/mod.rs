//! `cargo xtask test`: everything that has to hold, in one command.
//!
//! The steps are ordered so that cheap ones fail first, and chosen so that the workspace is compiled
//! twice only: once for clippy, once for the tests. The broker tests of further RabbitMQ releases
//! run the same binaries again.

mod features;
mod report;

use std::{process::Command, time::Instant};

use amqp_testing::{Broker, BrokerOptions, Endpoint, broker::Installation};

use self::report::{Outcome, Report, run_logged, test_totals};
use crate::{broker, failure::Failure, progress, regenerate, tidy, workspace};

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

/// The test binaries that look at RabbitMQ's behaviour, as opposed to ours alone.
const BROKER_BINARIES: &[(&str, &str)] = &[
    ("amqp-client", "broker"),
    ("amqp-client", "examples"),
    ("amqp-testing", "launcher"),
];

/// The RabbitMQ of the machine this runs on, and the one after it.
const DEFAULT_BROKERS: &[&str] = &[broker::SYSTEM, "trixie"];

#[derive(Debug)]
struct Request {
    brokers: Vec<String>,
    only: Vec<String>,
    list: bool,
}

/// One thing to do.
#[derive(Clone, Debug)]
enum Step {
    /// A cargo command.
    Cargo {
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
    },
    Tidy,
    Generated,
    /// Each feature of the client alone, with its documentation.
    Features,
    /// All tests, those that need a broker against this one.
    AllTests {
        broker: String,
    },
    /// Only the broker tests, which the first broker has run already.
    BrokerTests {
        broker: String,
    },
}

/// The step without which no tests can run.
const COMPILING: &str = "compiling the tests";

/// Runs the tests, also those behind a binary in which one has failed.
const RUN_TESTS: &[&str] = &["test", "--workspace", "--all-features", "--no-fail-fast"];

/// Links that lead nowhere are errors.
const STRICT_DOCUMENTATION: Variables = &[("RUSTDOCFLAGS", "-D warnings")];

type Variables = &'static [(&'static str, &'static str)];

impl Step {
    fn runs_tests(&self) -> bool {
        matches!(self, Self::AllTests { .. } | Self::BrokerTests { .. })
    }

    fn name(&self) -> String {
        match self {
            Self::Cargo { name, .. } => (*name).to_owned(),
            Self::Tidy => "house rules".to_owned(),
            Self::Generated => "generated files".to_owned(),
            Self::Features => "features".to_owned(),
            Self::AllTests { broker } => format!("all tests, broker {broker}"),
            Self::BrokerTests { broker } => format!("broker tests, broker {broker}"),
        }
    }
}

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
    request.carry_out(extra_steps())
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
        let mut report = Report::default();
        for step in &steps {
            let name = step.name();
            report.begin(&name);
            let started = Instant::now();
            let outcome = if step.runs_tests() && report.has_failed(COMPILING) {
                Outcome::skipped("the tests do not compile")
            } else {
                carry_out(step).unwrap_or_else(|failure| Outcome::failed(failure.message()))
            };
            report.end(name, outcome, started.elapsed());
        }
        report.finish(workspace::in_ci())
    }
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
            Long("broker") if has_brokers => request.brokers.push(arguments.value()?.string()?),
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

fn steps(brokers: &[String]) -> Vec<Step> {
    let with = |variables| {
        move |name, arguments| Step::Cargo {
            name,
            arguments,
            variables,
        }
    };
    let (cargo, documentation) = (with(&[]), with(STRICT_DOCUMENTATION));
    let mut steps = vec![
        cargo("formatting", &["fmt", "--all", "--check"]),
        Step::Tidy,
        Step::Generated,
        cargo(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ],
        ),
        cargo(
            "clippy, the core alone",
            &[
                "clippy",
                "-p",
                "amqp-client",
                "--no-default-features",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Step::Features,
        // All features last: those pages are then left in the target folder.
        documentation(
            "documentation, no features",
            &[
                "doc",
                "-p",
                "amqp-client",
                "-p",
                "amqp-testing",
                "--no-deps",
                "--no-default-features",
            ],
        ),
        documentation(
            "documentation, default features",
            &["doc", "--workspace", "--no-deps"],
        ),
        documentation(
            "documentation",
            &["doc", "--workspace", "--no-deps", "--all-features"],
        ),
        cargo(
            COMPILING,
            &["test", "--workspace", "--all-features", "--no-run"],
        ),
        // What is said of TLS by a program that has none.
        cargo(
            "the client without TLS",
            &[
                "test",
                "-p",
                "amqp-client",
                "--test",
                "scripted",
                "connecting",
            ],
        ),
    ];
    let mut brokers = brokers.iter().cloned();
    steps.extend(brokers.next().map(|broker| Step::AllTests { broker }));
    steps.extend(brokers.map(|broker| Step::BrokerTests { broker }));
    steps
}

fn carry_out(step: &Step) -> Result<Outcome, Failure> {
    match step {
        Step::Tidy => tidy::check().map(Outcome::passed),
        Step::Generated => regenerate::check().map(Outcome::passed),
        Step::Features => features::check(),
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
        Step::AllTests { broker } => with_broker(broker, cargo(RUN_TESTS), "all-tests"),
        Step::BrokerTests { broker } => {
            // The same selection of packages and features as above, or cargo would compile anew.
            let mut command = cargo(RUN_TESTS);
            for (package, binary) in BROKER_BINARIES {
                if workspace::root()
                    .join(format!("{package}/tests/{binary}/main.rs"))
                    .exists()
                {
                    command.args(["--test", binary]);
                }
            }
            with_broker(broker, command, &format!("broker-tests-{broker}"))
        }
    }
}

/// What `cargo xtask ci-extra` runs.
fn extra_steps() -> Vec<Step> {
    vec![
        Step::Cargo {
            name: "every edit of the specification",
            arguments: &["test", "-p", "amqp-codegen", "--test", "edits"],
            variables: &[("EVERY_EDIT", "1")],
        },
        Step::Cargo {
            name: "more specifications that are made up",
            arguments: &["test", "-p", "amqp-codegen", "--test", "compile"],
            variables: &[("RANDOM_MODELS", "100"), ("RANDOM_SEED", "1000")],
        },
    ]
}

/// Runs tests with a broker of this release, started for them and stopped behind them.
fn with_broker(release: &str, mut command: Command, log: &str) -> Result<Outcome, Failure> {
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
    set_variables(&mut command, &broker, &installation);
    command.env(BrokerOptions::DIRECTORY_VARIABLE, &directory);
    let log = run_logged(&mut command, log)?;
    let totals = test_totals(&log.text);
    // The lines in which each test binary tells its own result.
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
fn set_variables(command: &mut Command, broker: &Broker, installation: &Installation) {
    command.env(Endpoint::URL_VARIABLE, broker.url());
    command.env(Endpoint::MANAGEMENT_VARIABLE, broker.management().url());
    if let Some(root) = installation.root() {
        command.env(Installation::ROOT_VARIABLE, root);
    }
    if let (Some(url), Some(certificates)) = (broker.first().tls_url(), broker.certificates()) {
        command.env("AMQP_TEST_TLS_URL", url);
        command.env("AMQP_TEST_CA", certificates.authority());
        command.env("AMQP_TEST_CLIENT_CERTIFICATE", certificates.client());
        command.env("AMQP_TEST_CLIENT_KEY", certificates.client_key());
    }
}

fn is_result(line: &str) -> bool {
    let line = line.trim_start();
    ["Running ", "Doc-tests ", "test result: "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = workspace::cargo();
    command.args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broker_runs_all_tests_and_the_others_their_own() {
        let names: Vec<_> = steps(&["system".into(), "trixie".into()])
            .iter()
            .map(Step::name)
            .collect();
        let tail = &names[names.len() - 2..];
        assert_eq!(
            tail,
            ["all tests, broker system", "broker tests, broker trixie"]
        );
    }

    #[test]
    fn documentation_is_strict_for_every_set_of_features() {
        let steps = steps(&["system".into()]);
        let documented: Vec<_> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Cargo {
                    arguments: ["doc", arguments @ ..],
                    variables,
                    ..
                } => {
                    assert_eq!(*variables, STRICT_DOCUMENTATION);
                    Some(arguments.last().copied().unwrap_or_default())
                }
                _ => None,
            })
            .collect();
        let expected = ["--no-default-features", "--no-deps", "--all-features"];
        assert_eq!(documented, expected);
    }

    #[test]
    fn lines_with_results_are_told_from_others() {
        assert!(is_result(
            "     Running tests/it/main.rs (target/debug/deps/it-1)"
        ));
        assert!(is_result("test result: ok. 1 passed; 0 failed"));
        assert!(!is_result("running 1 test"));
        assert!(!is_result("test a ... ok"));
    }
}
