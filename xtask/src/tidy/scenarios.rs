//! Rules that tie documents to tests: a page that names a test which is not there promises what
//! nobody checks, and a test named after a scenario that no page tells of is not found by readers.
//! And one that ties functions to tests: every public future of the client is dropped, and has its
//! stream cut, at every point.

use std::collections::BTreeSet;

use super::file::{Fault, File};

/// The page of situations and their tests.
const SCENARIOS: &str = "docs/scenarios.md";

/// The list of all that can be awaited.
const OPERATIONS: &str = "amqp-client/src/tests/support/operations.rs";

/// These await nothing of a connection that is there: they open one, or ask the program.
const NO_OPERATIONS: &[&str] = &["with_current_credentials"];

/// Pages that name tests, as `file::name` in backticks.
const PAGES: &[&str] = &[SCENARIOS, "docs/protocol-notes.md", "docs/recovery.md"];

/// The rules, gathered over all files.
#[derive(Debug, Default)]
pub(super) struct Tests {
    /// `file::name` of every test.
    found: BTreeSet<String>,
    /// Those that are named after a scenario, with their place.
    of_scenarios: Vec<(String, Fault)>,
    /// What pages name, with its place.
    named: Vec<(String, Fault)>,
    /// What the page of scenarios names.
    in_scenarios: BTreeSet<String>,
    /// The rows of that page: `S1`, `F17`.
    rows: BTreeSet<String>,
    /// The rows whose number another one has, with their place.
    repeated: Vec<Fault>,
    /// What can be awaited, with its place.
    futures: Vec<(String, Fault)>,
    /// The text of the list of them.
    operations: Option<String>,
}

impl Tests {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if PAGES.contains(&file.path) {
            self.look_at_page(file);
        }
        if file.path == OPERATIONS {
            self.operations = Some(file.text.to_owned());
        }
        if file.has_extension("rs") {
            self.look_at_futures(file);
            self.look_at_tests(file);
        }
    }

    fn look_at_page(&mut self, file: &File<'_>) {
        for (number, line) in file.lines() {
            let row = row(line).filter(|_| file.path == SCENARIOS);
            if let Some(row) = row.filter(|row| !self.rows.insert((*row).to_owned())) {
                let message = format!("there is another row `{row}`");
                self.repeated.push(file.fault(number, message));
            }
            for name in line.split('`').skip(1).step_by(2).filter(is_test) {
                let message = format!("names the test `{name}`, which is not there");
                self.named
                    .push((name.to_owned(), file.fault(number, message)));
                if file.path == SCENARIOS {
                    self.in_scenarios.insert(name.to_owned());
                }
            }
        }
    }

    fn look_at_futures(&mut self, file: &File<'_>) {
        let is_client = file
            .path
            .strip_prefix("amqp-client/src/")
            .is_some_and(|path| {
                !["proto/", "adapter/"]
                    .iter()
                    .any(|not| path.starts_with(not))
            });
        if !is_client {
            return;
        }
        for (number, line) in file.lines() {
            let declared = line.trim_start().strip_prefix("pub async fn ");
            let name = declared.and_then(|rest| rest.split(['(', '<']).next());
            if let Some(name) = name.filter(|name| !NO_OPERATIONS.contains(name)) {
                let message = format!("the future of `{name}` is not in {OPERATIONS}");
                self.futures
                    .push((name.to_owned(), file.fault(number, message)));
            }
        }
    }

    fn look_at_tests(&mut self, file: &File<'_>) {
        let stem = file.path.rsplit('/').next().unwrap_or_default();
        let stem = stem.strip_suffix(".rs").unwrap_or(stem);
        let mut is_test = false;
        for (number, line) in file.lines() {
            let line = line.trim_start();
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            }
            let Some(name) = function(line).filter(|_| is_test) else {
                continue;
            };
            is_test = false;
            let path = format!("{stem}::{name}");
            if is_of_scenario(name) {
                let message = format!("`{path}` is not in {SCENARIOS}");
                self.of_scenarios
                    .push((path.clone(), file.fault(number, message)));
            }
            self.found.insert(path);
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let missing = self
            .named
            .into_iter()
            .filter(|(name, _)| !self.found.contains(name));
        let unnamed = self
            .of_scenarios
            .into_iter()
            .filter(|(name, _)| !self.in_scenarios.contains(name));
        let operations = self.operations.unwrap_or_default();
        let unawaited = self.futures.into_iter().filter(|(name, _)| {
            let calls = [format!(".{name}("), format!("::{name}(")];
            !calls.iter().any(|call| operations.contains(call))
        });
        let faults = missing.chain(unnamed).chain(unawaited);
        let faults = faults.map(|(_, fault)| fault);
        faults.chain(self.repeated).collect()
    }
}

/// What the row of a table begins with, if that is the number of a situation or a fault.
fn row(line: &str) -> Option<&str> {
    let (row, _) = line.strip_prefix("| ")?.split_once(" |")?;
    let number = row.strip_prefix(['S', 'F'])?;
    (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(row)
}

/// The name of the function that the line declares.
fn function(line: &str) -> Option<&str> {
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = line.strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

/// Whether this may be the name of a test with its file: two words of small letters.
fn is_test(name: &&str) -> bool {
    let is_word = |word: &str| {
        word.starts_with(|c: char| c.is_ascii_lowercase())
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    name.split_once("::")
        .is_some_and(|(file, test)| is_word(file) && is_word(test))
}

/// `s5_…`, `f17_…`.
fn is_of_scenario(name: &str) -> bool {
    let rest = name.strip_prefix(['s', 'f']).unwrap_or_default();
    rest.split_once('_')
        .is_some_and(|(number, _)| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let mut tests = Tests::default();
        for (path, text) in files {
            tests.look_at(&File { path, text });
        }
        tests.faults().iter().map(Fault::to_string).collect()
    }

    #[test]
    fn pages_name_tests_that_are_there() {
        let page = "| S1 | core `a::s1_b`, `a::c` and `a::gone`; `basic::Deliver`, `a` |\n";
        let tests =
            "#[test]\nfn s1_b() {}\n    #[tokio::test]\n    async fn c() {}\nfn gone() {}\n";
        assert_eq!(
            faults(&[(SCENARIOS, page), ("x/a.rs", tests)]),
            ["docs/scenarios.md:1: names the test `a::gone`, which is not there"]
        );
    }

    #[test]
    fn rows_of_the_same_number_are_found() {
        let page = "| S1 | a |\n| F1 | a |\n| # | a |\n| F1 | b |\n";
        assert_eq!(
            faults(&[(SCENARIOS, page), ("docs/protocol-notes.md", page)]),
            ["docs/scenarios.md:4: there is another row `F1`"]
        );
    }

    #[test]
    fn futures_that_nobody_drops_are_found() {
        let client = "    pub async fn a(&self) {}\n    pub async fn b<T>() {}\n";
        let operations = "c.a().await;\n";
        assert_eq!(
            faults(&[("amqp-client/src/x.rs", client), (OPERATIONS, operations)]),
            [format!(
                "amqp-client/src/x.rs:2: the future of `b` is not in {OPERATIONS}"
            )]
        );
        assert_eq!(faults(&[("amqp-client/src/proto/x.rs", client)]), [""; 0]);
    }

    #[test]
    fn tests_of_scenarios_are_on_their_page() {
        let tests = "#[test]\nfn f17_b() {}\n#[test]\nfn s_b() {}\n#[test]\nfn f17() {}\n";
        assert_eq!(
            faults(&[("docs/protocol-notes.md", "`a::f17_b`"), ("a.rs", tests)]),
            ["a.rs:2: `a::f17_b` is not in docs/scenarios.md"]
        );
    }
}
