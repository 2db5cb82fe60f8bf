//! The test binaries of the workspace: built once, and run several at a time, for most of them wait
//! for something most of the time.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;

use serde_json::Value;

use super::report::{Log, Outcome, Totals, run_logged_quietly, test_totals};
use super::steps::Variables;
use crate::{failure::Failure, progress, workspace};

/// How many run at a time. The client's own tests keep two cores busy; those beside them wait for
/// brokers and timers.
pub(super) const AT_A_TIME: usize = 3;

/// The same for those of a further release, which run beside all that.
pub(super) const AT_A_TIME_BESIDE: usize = 2;

/// Those that take longest, which begin first: package and target.
const LONGEST: &[(&str, &str)] = &[
    ("amqp-client", "amqp_client"),
    ("amqp-client", "broker"),
    ("amqp-client", "recovery"),
    ("amqp-testing", "launcher"),
    ("amqp-testing", "differential"),
    ("amqp-codegen", "compile"),
    ("xtask", "it"),
];

/// Variables of the environment to be set, or removed.
pub(super) type Environment = Vec<(&'static str, Option<OsString>)>;

/// One test binary.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TestBinary {
    package: String,
    target: String,
    /// Of the package, in which it is run.
    folder: PathBuf,
    executable: PathBuf,
    /// What this run of it is told besides.
    variables: Variables,
}

impl TestBinary {
    pub(super) fn is(&self, (package, target): (&str, &str)) -> bool {
        self.package == package && self.target == target
    }

    /// The same, told something besides.
    pub(super) fn with(&self, variables: Variables) -> Self {
        Self {
            variables,
            ..self.clone()
        }
    }

    /// Runs its tests.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.folder);
        workspace::forget_own_package(&mut command);
        command
    }

    fn run(&self, environment: &Environment, log: &str) -> Result<Log, Failure> {
        let mut command = self.command();
        set(&mut command, environment);
        command.envs(self.variables.iter().copied());
        let mut name = format!("{log}-{}-{}", self.package, self.target);
        for (variable, _) in self.variables {
            name = format!("{name}-{variable}");
        }
        run_logged_quietly(&mut command, &name)
    }
}

/// Sets these variables.
pub(super) fn set(command: &mut Command, environment: &Environment) {
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

/// Builds all test binaries of the workspace, with all features.
pub(super) fn build() -> Result<Vec<TestBinary>, Failure> {
    let mut command = workspace::cargo();
    command.args(["test", "--workspace", "--all-features", "--no-run"]);
    command.arg("--message-format=json-render-diagnostics");
    let output = progress::during("building the tests", || command.output());
    let output = output.map_err(Failure::program("cargo"))?;
    if !output.status.success() {
        let diagnostics = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!(
            "{diagnostics}\nthe tests do not compile"
        )));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut binaries: Vec<_> = messages.lines().filter_map(binary).collect();
    let rank = |binary: &TestBinary| LONGEST.iter().position(|one| binary.is(*one));
    binaries.sort_by_key(|binary| rank(binary).unwrap_or(LONGEST.len()));
    Ok(binaries)
}

/// The test binary that a message of cargo's is about.
fn binary(message: &str) -> Option<TestBinary> {
    let message: Value = serde_json::from_str(message).ok()?;
    let is_test = message.pointer("/profile/test")?.as_bool()?;
    let executable = message.get("executable")?.as_str()?;
    let manifest = Path::new(message.get("manifest_path")?.as_str()?);
    let folder = manifest.parent()?;
    is_test.then(|| {
        Some(TestBinary {
            package: folder.file_name()?.to_str()?.to_owned(),
            target: message.pointer("/target/name")?.as_str()?.to_owned(),
            folder: folder.to_owned(),
            executable: executable.into(),
            variables: &[],
        })
    })?
}

/// Runs these, prints the result lines of each when it has ended, and says how it went.
pub(super) fn run(
    binaries: Vec<TestBinary>,
    at_a_time: usize,
    environment: &Environment,
    log: &str,
) -> Result<(Totals, Vec<Outcome>), Failure> {
    let waiting = Mutex::new(VecDeque::from(binaries));
    let ended = Mutex::new((Totals::default(), Vec::new()));
    let lane = || -> Result<(), Failure> {
        loop {
            let next = lock(&waiting).pop_front();
            let Some(binary) = next else {
                return Ok(());
            };
            let log = binary.run(environment, log)?;
            let mut ended = lock(&ended);
            let totals = test_totals(&log.text);
            ended.0.add(totals);
            progress::say(&format!(
                "    Running {} of {}",
                binary.target, binary.package
            ));
            log.print_results();
            if !log.succeeded {
                ended.1.push(log.into_failure());
            }
        }
    };
    progress::during("running the tests", || {
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..at_a_time).map(|_| scope.spawn(lane)).collect();
            lanes.into_iter().try_for_each(|lane| {
                let panicked = |_| Err(Failure::new("a thread that ran tests panicked"));
                lane.join().unwrap_or_else(panicked)
            })
        })
    })?;
    Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_binaries_are_told_from_what_else_cargo_builds() {
        let message = |test: bool, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/amqp-client/Cargo.toml",
                "target":{{"name":"broker"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let found = binary(&message(true, r#""/w/target/broker-1""#)).unwrap();
        assert!(found.is(("amqp-client", "broker")));
        assert_eq!(found.folder, Path::new("/w/amqp-client"));
        assert_eq!(found.executable, Path::new("/w/target/broker-1"));
        assert_eq!(binary(&message(false, r#""/w/target/example""#)), None);
        assert_eq!(binary(&message(true, "null")), None);
        assert_eq!(
            binary(r#"{"reason":"build-finished","success":true}"#),
            None
        );
        assert_eq!(binary("Compiling"), None);
    }
}
