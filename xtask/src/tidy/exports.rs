//! What the client exports: few names at its root, and each name under one path.
//!
//! A reader of the root's page sees what nearly every program needs, and the modules that have the
//! rest. Whatever stands at the root is counted, modules too.

use std::collections::BTreeSet;

use super::file::{Fault, File};

/// The root.
const ROOT: &str = "amqp-client/src/lib.rs";

/// The most names that may stand there.
const LIMIT: usize = 40;

/// Types that share nothing with the one at the root but the name, and are named with their module.
const OTHERS: &[(&str, &str)] = &[("amqp-client/src/rpc/mod.rs", "Error")];

/// What has been seen of the root and of the modules below it.
#[derive(Default)]
pub(super) struct Exports {
    root: BTreeSet<String>,
    modules: Vec<(String, Fault)>,
}

impl Exports {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        let is_root = file.path == ROOT;
        if !is_root && !is_module(file.path) {
            return;
        }
        for (line, is_of_root, name) in exported(file) {
            if is_root && is_of_root {
                self.root.insert(name);
            } else if !OTHERS.contains(&(file.path, name.as_str())) {
                let message = format!("`{name}` is at the root, too: one path for each name");
                let fault = file.fault(line, message);
                self.modules.push((name, fault));
            }
        }
        if is_root {
            let modules = file.lines().filter_map(|(_, line)| module(line));
            self.root.extend(modules.map(str::to_owned));
        }
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let root = self.root;
        let modules = self.modules.into_iter();
        let twice = modules.filter(|(name, _)| root.contains(name));
        let mut faults: Vec<_> = twice.map(|(_, fault)| fault).collect();
        if root.len() > LIMIT {
            let count = root.len();
            faults.push(Fault {
                path: ROOT.to_owned(),
                line: 0,
                message: format!("exports {count} names, {LIMIT} at most: give some a module"),
            });
        }
        faults
    }
}

/// Whether the file says what a module below the root exports.
pub(super) fn is_module(path: &str) -> bool {
    let folder = path
        .strip_prefix("amqp-client/src/")
        .and_then(|path| path.strip_suffix("/mod.rs"));
    folder.is_some_and(|folder| !folder.contains('/') && folder != "tests")
}

/// The names that a file exports by `pub use`: the line, whether it is the file's own module that
/// does, not one within it, and the name.
pub(super) fn exported(file: &File<'_>) -> Vec<(usize, bool, String)> {
    let mut names = Vec::new();
    let mut within = None;
    for (number, line) in file.lines() {
        let text = line.trim_start();
        if text.starts_with("pub use ") {
            within = Some(text.len() == line.len());
        }
        let Some(is_own) = within else {
            continue;
        };
        names.extend(leaves(text).map(|name| (number, is_own, name.to_owned())));
        if line.ends_with(';') {
            within = None;
        }
    }
    names
}

/// The words of a part of a `use` that no path and no other name follows.
fn leaves(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let start = rest.find(is_part)?;
            let word = rest.get(start..).unwrap_or_default();
            let end = word.find(|c| !is_part(c)).unwrap_or(word.len());
            let (word, behind) = word.split_at_checked(end)?;
            rest = behind;
            let leads_on = behind.starts_with("::") || behind.starts_with(' ');
            if !leads_on {
                return Some(word);
            }
        }
    })
}

/// The module that a line of the root makes public.
fn module(line: &str) -> Option<&str> {
    let name = line.strip_prefix("pub mod ")?;
    name.split([';', ' ']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "pub mod error;\nmod hidden;\npub mod event {\n    pub use crate::a::Events;\n}\n\
        pub use spec;\npub use spec::{\n    Code,\n    wire::{Table, Value as Field},\n};\n\
        pub use self::a::b::Channel;\nuse self::c::Private;\n";

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let mut exports = Exports::default();
        for (path, text) in files {
            exports.look_at(&File { path, text });
        }
        let faults = exports.faults();
        faults.iter().map(Fault::to_string).collect()
    }

    #[test]
    fn names_and_modules_of_the_root_are_counted() {
        let mut exports = Exports::default();
        exports.look_at(&File {
            path: ROOT,
            text: TEXT,
        });
        let names: Vec<_> = exports.root.iter().map(String::as_str).collect();
        let expected = [
            "Channel", "Code", "Field", "Table", "error", "event", "spec",
        ];
        assert_eq!(names, expected);
        let mut text = TEXT.to_owned();
        for n in 0..33 {
            text.push_str(&format!("pub use self::a::Name{n};\n"));
        }
        assert_eq!(faults(&[(ROOT, &text)]), [""; 0]);
        text.push_str("pub mod more;\n");
        let expected =
            "amqp-client/src/lib.rs: exports 41 names, 40 at most: give some a module".to_owned();
        assert_eq!(faults(&[(ROOT, &text)]), [expected]);
    }

    #[test]
    fn name_of_the_root_is_in_no_module() {
        let files = [
            (ROOT, TEXT),
            (
                "amqp-client/src/a/mod.rs",
                "pub use self::b::{Channel,\n    Other};\npub(crate) use self::b::Code;\n",
            ),
            ("amqp-client/src/a/b/mod.rs", "pub use self::c::Channel;\n"),
        ];
        let expected = "amqp-client/src/a/mod.rs:1: `Channel` is at the root, too: \
                        one path for each name";
        assert_eq!(faults(&files), [expected]);
    }
}
