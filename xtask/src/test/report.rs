//! What became of each step, told while it happens and once more at the end.

use std::{
    fmt, fs,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{failure::Failure, progress, workspace};

/// How many of the last lines of a failed step's output are printed.
const SHOWN_LINES: usize = 150;

/// How a step ended.
#[derive(Debug)]
pub(super) struct Outcome {
    verdict: Verdict,
    /// What there is to say: figures, the reason, or the output.
    remark: String,
    tests: Totals,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Passed,
    Failed,
    Skipped,
}

impl Outcome {
    pub(super) fn passed(remark: impl Into<String>) -> Self {
        Self::new(Verdict::Passed, remark.into())
    }

    pub(super) fn failed(remark: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, remark.into())
    }

    pub(super) fn skipped(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, reason.into())
    }

    /// That of work whose parts have failed like this, if any have.
    pub(super) fn all_failed(parts: Vec<Self>) -> Option<Self> {
        let remarks: Vec<_> = parts.into_iter().map(|part| part.remark).collect();
        (!remarks.is_empty()).then(|| Self::failed(remarks.join("\n")))
    }

    pub(super) fn with_tests(mut self, tests: Totals) -> Self {
        self.tests = tests;
        self
    }

    fn new(verdict: Verdict, remark: String) -> Self {
        Self {
            verdict,
            remark,
            tests: Totals::default(),
        }
    }
}

/// The steps so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    steps: Vec<(String, Outcome, Duration)>,
}

impl Report {
    pub(super) fn begin(&self, name: &str) {
        println!("=== {name}");
    }

    pub(super) fn end(&mut self, name: String, outcome: Outcome, took: Duration) {
        let seconds = took.as_secs_f32();
        match outcome.verdict {
            Verdict::Passed if outcome.remark.is_empty() => println!("    passed ({seconds:.1} s)"),
            Verdict::Passed => println!("    passed ({seconds:.1} s): {}", outcome.remark),
            Verdict::Skipped => println!("    skipped: {}", outcome.remark),
            Verdict::Failed => println!("{}\n    FAILED ({seconds:.1} s)", outcome.remark),
        }
        self.steps.push((name, outcome, took));
    }

    pub(super) fn has_failed(&self, name: &str) -> bool {
        let verdict = |(step, outcome, _): &(String, Outcome, Duration)| {
            step == name && outcome.verdict == Verdict::Failed
        };
        self.steps.iter().any(verdict)
    }

    /// Prints what ran, what failed and what was skipped, and is the judgement on it all.
    pub(super) fn finish(self, in_ci: bool, total: Duration) -> Result<(), Failure> {
        println!("\n=== in short");
        let mut tests = Totals::default();
        for (name, outcome, took) in &self.steps {
            tests.add(outcome.tests);
            let seconds = took.as_secs_f32();
            let (word, reason) = match outcome.verdict {
                Verdict::Passed => ("passed", String::new()),
                Verdict::Failed => ("FAILED", String::new()),
                Verdict::Skipped => ("skipped", format!(": {}", outcome.remark)),
            };
            println!("{word:>8}  {seconds:6.1} s  {name}{reason}");
        }
        println!(
            "{:>8}  {:6.1} s  {} steps",
            "",
            total.as_secs_f32(),
            self.steps.len()
        );
        if tests != Totals::default() {
            println!("{tests}");
        }
        let names = |verdict| -> Vec<&str> {
            let chosen = self
                .steps
                .iter()
                .filter(|(_, outcome, _)| outcome.verdict == verdict);
            chosen.map(|(name, _, _)| name.as_str()).collect()
        };
        let (failed, skipped) = (names(Verdict::Failed), names(Verdict::Skipped));
        if !failed.is_empty() {
            return Err(Failure::new(format!("failed: {}", failed.join("; "))));
        }
        if in_ci && !skipped.is_empty() {
            let message = format!("skipped, which CI must not: {}", skipped.join("; "));
            return Err(Failure::new(message));
        }
        Ok(())
    }
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) succeeded: bool,
    pub(super) text: String,
    command: String,
    path: PathBuf,
}

impl Log {
    /// Prints the lines in which test binaries tell their own results, and what was compared.
    pub(super) fn print_results(&self) {
        for line in self.text.lines().filter(|line| is_result(line)) {
            progress::say(&format!("    {}", line.trim_start()));
        }
    }

    pub(super) fn into_failure(self) -> Outcome {
        let text = failing_tests(&self.text).unwrap_or_else(|| last_lines(&self.text));
        let (command, path) = (self.command, self.path.display());
        Outcome::failed(format!(
            "{text}\n    `{command}` failed; all that it said is in {path}"
        ))
    }
}

fn is_result(line: &str) -> bool {
    let line = line.trim_start();
    ["Running ", "Doc-tests ", "test result: ", "differential: "]
        .iter()
        .any(|begin| line.starts_with(begin))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(SHOWN_LINES)..);
    shown.unwrap_or_default().join("\n")
}

/// What the test binaries say about tests that failed; `None` if nothing of that kind is said.
fn failing_tests(text: &str) -> Option<String> {
    let mut shown = Vec::new();
    let mut is_shown = false;
    for line in text.lines() {
        is_shown |= line == "failures:";
        if is_shown {
            shown.push(line);
        }
        is_shown &= !line.starts_with("test result: ");
    }
    (!shown.is_empty()).then(|| shown.join("\n"))
}

/// Runs a command with both its outputs in one file, in the order in which they were written.
pub(super) fn run_logged(command: &mut Command, name: &str) -> Result<Log, Failure> {
    progress::during(name, || run_logged_quietly(command, name))
}

/// The same, where another line tells what is being done.
pub(super) fn run_logged_quietly(command: &mut Command, name: &str) -> Result<Log, Failure> {
    let file_name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    let folder = workspace::scratch().join("logs");
    fs::create_dir_all(&folder).map_err(Failure::file("create", &folder))?;
    let path = folder.join(format!("{file_name}.log"));
    let file = fs::File::create(&path).map_err(Failure::file("create", &path))?;
    let errors = file.try_clone().map_err(Failure::file("write", &path))?;
    command.stdin(Stdio::null()).stdout(file).stderr(errors);
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(Failure::program("cargo"))?;
    let text = fs::read(&path).map_err(Failure::file("read", &path))?;
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    Ok(Log {
        succeeded: status.success(),
        text: String::from_utf8_lossy(&text).into_owned(),
        command: [&[program.into()], &*arguments].concat().join(" "),
        path,
    })
}

/// How many tests did what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Totals {
    pub(super) n_passed: usize,
    n_failed: usize,
    n_ignored: usize,
}

impl Totals {
    pub(super) fn add(&mut self, other: Self) {
        self.n_passed += other.n_passed;
        self.n_failed += other.n_failed;
        self.n_ignored += other.n_ignored;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.n_passed, self.n_failed, self.n_ignored
        )
    }
}

/// Adds up the result lines of all test binaries.
pub(super) fn test_totals(text: &str) -> Totals {
    let mut totals = Totals::default();
    for line in text
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "))
    {
        // "ok. 2 passed; 0 failed; 0 ignored; 0 measured; …"
        let count = |what: &str| {
            let words: Vec<_> = line
                .split([' ', ';'])
                .filter(|word| !word.is_empty())
                .collect();
            let found = words.windows(2).find(|pair| pair.get(1) == Some(&what));
            found
                .and_then(|pair| pair.first()?.parse().ok())
                .unwrap_or(0)
        };
        totals.add(Totals {
            n_passed: count("passed"),
            n_failed: count("failed"),
            n_ignored: count("ignored"),
        });
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_added_up() {
        let text = "running 2 tests\n\
                    test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n\
                    test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured\n";
        let totals = Totals {
            n_passed: 5,
            n_failed: 4,
            n_ignored: 1,
        };
        assert_eq!(test_totals(text), totals);
        assert_eq!(totals.to_string(), "5 passed, 4 failed, 1 skipped");
    }

    #[test]
    fn only_failures_are_shown_of_tests() {
        let text = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nfailures:\n\n---- b ----\n\
                    why\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed\nrunning 0 tests\n";
        let shown =
            "failures:\n\n---- b ----\nwhy\n\nfailures:\n    b\n\ntest result: FAILED. 1 passed";
        assert_eq!(failing_tests(text).as_deref(), Some(shown));
        assert_eq!(failing_tests("error: x\n"), None);
    }

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

    #[test]
    fn a_skipped_step_is_a_failure_in_ci_only() {
        let report = || {
            let mut report = Report::default();
            report.end("a".to_owned(), Outcome::skipped("no root"), Duration::ZERO);
            report
        };
        assert!(report().finish(false, Duration::ZERO).is_ok());
        assert!(report().finish(true, Duration::ZERO).is_err());
    }

    #[test]
    fn a_failed_step_is_a_failure() {
        let mut report = Report::default();
        report.end("a".to_owned(), Outcome::passed(""), Duration::ZERO);
        report.end("b".to_owned(), Outcome::failed("x"), Duration::ZERO);
        assert!(
            report
                .finish(false, Duration::ZERO)
                .unwrap_err()
                .message()
                .contains("b")
        );
    }
}
