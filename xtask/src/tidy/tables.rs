//! Rules for the pages that lead from other clients to this one: what their tables name is there,
//! and every public method of a handle is named in one, so that no table denies what exists.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{Fault, File};

/// The pages, and of which type the methods are that a section names without one.
const PAGES: &[&str] = &["docs/from-pika.md", "docs/from-lapin.md"];
const SECTIONS: &[(&str, &str)] = &[
    ("Connections", "Connection"),
    ("Connecting", "Connection"),
    ("Channels", "Channel"),
    ("Exchanges and queues", "Channel"),
    ("Publishing", "Publisher"),
];

/// What programs hold and call, with the name that the tables have for one.
const HANDLES: &[(&str, &str)] = &[
    ("Connection", "connection"),
    ("Channel", "channel"),
    ("NoWait", "no_wait()"),
    ("Publisher", "publisher"),
    ("PreparedPublisher", "prepared"),
    ("Confirmation", "confirmation"),
    ("Consume", "consume"),
    ("Consumer", "consumer"),
    ("Delivery", "delivery"),
    ("Events", "events"),
    ("ReturnedMessages", "returns"),
    ("Client", "client"),
    ("Server", "server"),
];

/// Where the names stand that a URI may have for options.
const PARAMETERS: &str = "amqp-client/src/uri/parameters.rs";

/// Crates whose names the tables use.
const CRATES: &[&str] = &["amqp-client/src/", "amqp-spec/src/", "amqp-testing/src/"];

/// What the tables name besides: of the language, its library, the runtime and the environment.
const FOREIGN: &str = "AMQP_PASSWORD AMQP_URL AMQP_USER Box Debug Duration Err Error False Ok PartialEq Some \
    Stream amqp amqp_spec amqp_testing amqps await drop from_secs parse rustls sleep time tokio";

/// What has members that are public without a word.
const ENUM: &str = "pub enum ";
const TRAIT: &str = "pub trait ";

/// What has been seen of sources and pages so far.
#[derive(Default)]
pub(super) struct Tables {
    /// Everything that has a name and is public.
    known: BTreeSet<String>,
    /// The public methods of handles, by type and name, with their places.
    methods: BTreeMap<(String, String), Fault>,
    /// The words in the columns that speak of us, with their places.
    named: Vec<(String, Fault)>,
    /// The methods that tables name: of a type, or of any.
    told: BTreeSet<(Option<String>, String)>,
}

impl Tables {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        if PAGES.contains(&file.path) {
            self.look_at_page(file);
        }
        let is_ours = CRATES.iter().any(|folder| file.path.starts_with(folder));
        if is_ours && file.has_extension("rs") && !file.path.contains("/tests") {
            self.look_at_source(file);
        }
    }

    fn look_at_source(&mut self, file: &File<'_>) {
        let mut subject = None;
        let mut within = None;
        for (number, line) in file.lines() {
            if line.starts_with("impl") {
                subject = HANDLES.iter().find(|(name, _)| is_impl_of(line, name));
            } else if line.starts_with('}') {
                subject = None;
                within = None;
            } else if line == "mod tests {" {
                return;
            }
            within = [ENUM, TRAIT]
                .into_iter()
                .find(|kind| line.starts_with(kind))
                .or(within);
            if file.path == PARAMETERS {
                self.known.extend(listed(line).map(str::to_owned));
            }
            let Some(name) = declared(line, within) else {
                continue;
            };
            self.known.insert(name.to_owned());
            let is_method = line.starts_with("    pub ") && line.contains("fn ");
            if let Some((of, _)) = subject.filter(|_| is_method) {
                let message = format!("`{of}::{name}` is in no table of {}", PAGES.join(" or "));
                let fault = file.fault(number, message);
                self.methods
                    .insert(((*of).to_owned(), name.to_owned()), fault);
            }
        }
    }

    fn look_at_page(&mut self, file: &File<'_>) {
        let mut section = None;
        let mut ours = None;
        for (number, line) in file.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                section = SECTIONS.iter().find(|(name, _)| *name == heading);
            }
            let Some(row) = line.strip_prefix("| ") else {
                ours = ours.filter(|_| line.starts_with('|'));
                continue;
            };
            let mut cells = cells(row);
            let Some(ours) = ours else {
                ours = cells.position(|cell| cell == "here");
                continue;
            };
            for code in spans(cells.nth(ours).unwrap_or_default()) {
                self.look_at_code(code, section.map(|(_, of)| *of), &file.fault(number, ""));
            }
        }
    }

    fn look_at_code(&mut self, code: &str, section: Option<&str>, place: &Fault) {
        let is_open = |c: char| c.is_alphanumeric() || c == '_';
        let mut at = 0;
        while let Some(start) = code.get(at..).and_then(|rest| rest.find(is_open)) {
            let start = at + start;
            let rest = code.get(start..).unwrap_or_default();
            let end = start + rest.find(|c| !is_open(c)).unwrap_or(rest.len());
            let word = code.get(start..end).unwrap_or_default();
            let before = code.get(..start).unwrap_or_default();
            let after = code.get(end..).unwrap_or_default();
            at = end;
            if before.matches('"').count() % 2 == 1 {
                continue; // within a text
            }
            self.told.insert((owner(before, section), word.to_owned()));
            let is_named = before.ends_with(['.', ':'])
                || after.starts_with(['(', ':'])
                || word.starts_with(char::is_uppercase)
                || word == code;
            if is_named && word.starts_with(char::is_alphabetic) {
                let message = format!("names `{word}`, which is not there");
                let mut fault = place.clone();
                fault.message = message;
                self.named.push((word.to_owned(), fault));
            }
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let is_there = |word: &str| {
            self.known.contains(word) || FOREIGN.split_whitespace().any(|foreign| foreign == word)
        };
        let missing = self.named.into_iter().filter(|(word, _)| !is_there(word));
        let mut faults: Vec<_> = missing.map(|(_, fault)| fault).collect();
        for ((of, name), fault) in self.methods {
            let is_told = |of: Option<&String>| self.told.contains(&(of.cloned(), name.clone()));
            // Connections and channels have methods of the same names, which are told apart.
            let may_be_bare = !["Connection", "Channel"].contains(&of.as_str());
            let is_told = is_told(Some(&of)) || (may_be_bare && is_told(None));
            if !is_told {
                faults.push(fault);
            }
        }
        faults
    }
}

/// Of which type a method is, told by what stands in front of it.
fn owner(before: &str, section: Option<&str>) -> Option<String> {
    let of = HANDLES.iter().find(|(of, variable)| {
        let is = |text: &str| before.ends_with(text) && !before.ends_with(&format!("_{text}"));
        is(&format!("{of}::")) || is(&format!("{variable}."))
    });
    let of = of.map(|(of, _)| *of);
    let is_bare = !before.ends_with(['.', ':']);
    of.or_else(|| section.filter(|_| is_bare))
        .map(str::to_owned)
}

fn is_impl_of(line: &str, name: &str) -> bool {
    let is_end = |c: char| !c.is_alphanumeric() && c != '_';
    !line.contains(" for ")
        && line
            .split(is_end)
            .filter(|word| !word.is_empty())
            .any(|word| word == name)
}

/// The name that a line makes public.
fn declared<'a>(line: &'a str, within: Option<&str>) -> Option<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let text = line.trim_start();
    let name = match text.strip_prefix("pub ") {
        Some(rest) => {
            let words = [
                "const ", "async ", "fn ", "struct ", "enum ", "trait ", "mod ", "type ",
            ];
            words
                .iter()
                .fold(rest, |rest, word| rest.strip_prefix(word).unwrap_or(rest))
        }
        None if within == Some(ENUM)
            && line.starts_with("    ")
            && text.starts_with(char::is_uppercase) =>
        {
            text
        }
        None => text
            .strip_prefix("macro_rules! ")
            .or_else(|| text.strip_prefix("fn ").filter(|_| within == Some(TRAIT)))?,
    };
    let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
    name.get(..end).filter(|name| !name.is_empty())
}

/// A text that is alone in its line.
fn listed(line: &str) -> Option<&str> {
    line.trim_start().strip_prefix('"')?.strip_suffix("\",")
}

/// The cells of a row; `\|` is part of one.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split(" | ").map(|cell| cell.trim_end_matches(" |"))
}

/// What stands in backticks.
fn spans(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "pub struct Connection;\nimpl Connection {\n    pub async fn close(&self) {}\n    \
        pub fn close_with(&self) {}\n}\npub enum Event {\n    Blocked,\n}\n\
        impl Channel {\n    pub fn close_with(&self) {}\n}\n";

    fn faults(page: &str) -> Vec<String> {
        let mut tables = Tables::default();
        for (path, text) in [("amqp-client/src/a.rs", SOURCE), (PAGES[0], page)] {
            tables.look_at(&File { path, text });
        }
        let faults = tables.faults().into_iter();
        faults.map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn method_of_a_handle_that_no_table_names_is_a_fault() {
        let page = "## Connections\n\n| pika | here |\n|---|---|\n| `close()` | `close()`, `Event::Blocked` |\n\
            \n## Channels\n\n| pika | here |\n|---|---|\n| `close(code)` | `close_with(…)` |\n";
        let of = "is in no table of docs/from-pika.md or docs/from-lapin.md";
        let expected = format!("amqp-client/src/a.rs:4: `Connection::close_with` {of}");
        assert_eq!(faults(page), [expected]);
    }

    #[test]
    fn what_a_table_names_has_to_be_there() {
        let page = "| pika | here |\n|---|---|\n\
            | `abort()` | `connection.close()`, `connection.close_with(1)`, `channel.close_with(\"abort()\")` |\n\
            | `gone` | `connection.abort()`, `Event::Lost`, `limits` |\n\
            \nAnd `this()` is no table.\n";
        let expected = ["abort", "Lost", "limits"]
            .map(|word| format!("docs/from-pika.md:4: names `{word}`, which is not there"));
        assert_eq!(faults(page), expected);
    }
}
