//! A function of more than 70 lines has a reason.

use super::file::{Fault, File};

const MAX_LINES: usize = 70;

const ONE_MATCH: &str = "one exhaustive `match`";

/// Longer ones: the file, the function, and why.
const LONGER: &[(&str, &str, &str)] = &[
    (
        "amqp-client/examples/demo.rs",
        "run",
        "a demonstration, told in its order",
    ),
    ("amqp-client/src/error/diagnosis.rs", "text", ONE_MATCH),
    ("amqp-client/src/error/tls.rs", "fmt", ONE_MATCH),
    (
        "amqp-client/src/proto/receive/whole_delivery.rs",
        "recognise",
        "the path of each delivery, which is not to be split over calls",
    ),
    (
        "amqp-client/src/rpc/replies.rs",
        "reply",
        "one loop over the attempts, told in its order",
    ),
];

/// What has been seen of functions.
#[derive(Default)]
pub(super) struct Lengths {
    faults: Vec<Fault>,
    met: Vec<(&'static str, &'static str)>,
}

impl Lengths {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        let is_test = file.path.contains("/tests/") || file.path.contains("_tests.rs");
        if !file.has_extension("rs") || is_test || is_generated(file) {
            return;
        }
        // Where a function begins, its name, and how far it is indented.
        let mut begun: Vec<(usize, &str, usize)> = Vec::new();
        // The tests of a file come last.
        for (number, line) in file.lines().take_while(|(_, line)| *line != "mod tests {") {
            let indent = line.len() - line.trim_start().len();
            if let Some(name) = function(line) {
                begun.push((number, name, indent));
            }
            let ends = begun.last().is_some_and(|(first, _, of)| {
                let at_once = number == *first && line.ends_with(['}', ';']);
                at_once || (*of == indent && matches!(line.trim_start(), "}" | ") {}" | ");"))
            });
            if ends {
                self.measure(file, begun.pop(), number);
            }
        }
    }

    fn measure(&mut self, file: &File<'_>, function: Option<(usize, &str, usize)>, last: usize) {
        let Some((first, name, _)) = function else {
            return;
        };
        let n_lines = last + 1 - first;
        if n_lines <= MAX_LINES {
            return;
        }
        let is_this = |entry: &&(&str, &str, &str)| entry.0 == file.path && entry.1 == name;
        match LONGER.iter().find(is_this) {
            Some((path, name, _)) => self.met.push((path, name)),
            None => {
                let message = format!("`{name}` has {n_lines} lines, more than {MAX_LINES}");
                self.faults.push(file.fault(first, message));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(mut self) -> Vec<Fault> {
        let left = LONGER
            .iter()
            .filter(|(path, name, _)| !self.met.contains(&(path, name)));
        self.faults.extend(left.map(|(path, name, _)| Fault {
            path: (*path).to_owned(),
            line: 0,
            message: format!(
                "`{name}` needs no place in the table of {} any more",
                file!()
            ),
        }));
        self.faults
    }
}

fn is_generated(file: &File<'_>) -> bool {
    amqp_codegen::emit::is_generated(file.text.as_bytes())
}

/// The name of the function that begins in this line.
fn function(line: &str) -> Option<&str> {
    let (before, behind) = line.trim_start().split_once("fn ")?;
    let is_item = before.split(' ').all(|word| {
        matches!(word, "" | "async" | "const")
            || word.starts_with("pub")
            || word.starts_with("crate")
    });
    let end = behind.find(['(', '<'])?;
    is_item.then(|| behind.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, n_lines: usize) -> Vec<String> {
        let body = "        step();\n".repeat(n_lines - 2);
        let text = format!("impl A {{\n    pub(crate) fn long(&self) {{\n{body}    }}\n}}\n");
        let mut lengths = Lengths::default();
        lengths.look_at(&File { path, text: &text });
        lengths.faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn function_that_is_too_long_is_found() {
        assert_eq!(faults("a.rs", 70), [""; 0]);
        let fault = "a.rs:2: `long` has 71 lines, more than 70";
        assert_eq!(faults("a.rs", 71), [fault]);
        assert_eq!(faults("a/tests/b.rs", 71), [""; 0]);
    }
}
