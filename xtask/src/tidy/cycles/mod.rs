//! Cycles of files: no file of a crate leads back to itself by what it and others import.
//!
//! A path counts as a use of the file that defines what it names, whichever facade it goes through;
//! so a `mod.rs` that exports what its children have may be what they import from. What is there
//! for tests does not count, nor does documentation.

mod graph;
mod module;
mod resolve;
mod tokens;

use std::collections::BTreeMap;

use self::graph::{Cycle, Graph};
use self::module::Module;
use self::resolve::Modules;
use super::file::{Fault, File};

/// Files and folders that may refer to each other in circles, with the reason.
const ALLOWED: &[(&[&str], &str)] = &[
    (
        &[
            "amqp-client/src/proto/send/outbox/",
            "amqp-client/src/proto/send/request.rs",
            "amqp-client/src/proto/shared/",
        ],
        "a connection owns its outbox, which holds the requests; these know the channels and consumers \
         that their replies change, and these their connection",
    ),
    (
        &[
            "amqp-client/src/error/cause.rs",
            "amqp-client/src/error/channel.rs",
            "amqp-client/src/error/connect.rs",
            "amqp-client/src/error/connection.rs",
            "amqp-client/src/error/diagnosis.rs",
            "amqp-client/src/error/entity_failure.rs",
        ],
        "a connection may end because it could not be opened again, and not be opened because it \
         ended, or because something could not be restored, which is an error of its channel",
    ),
    (
        &[
            "amqp-spec/src/wire/array.rs",
            "amqp-spec/src/wire/table.rs",
            "amqp-spec/src/wire/value.rs",
        ],
        "a value may be a table or an array, and these are made of values",
    ),
];

/// What has been seen of the sources of all crates.
#[derive(Default)]
pub(super) struct Cycles {
    /// By the folder of the crate's sources.
    crates: BTreeMap<String, Modules>,
}

impl Cycles {
    pub(super) fn look_at(&mut self, file: &File<'_>) {
        let Some((folder, path)) = file.path.split_once("/src/") else {
            return;
        };
        let Some(path) = path.strip_suffix(".rs") else {
            return;
        };
        let name = match path {
            "lib" | "main" => "",
            path => path.strip_suffix("/mod").unwrap_or(path),
        };
        let name = name.split('/').filter(|part| !part.is_empty());
        let module = Module::read(&tokens::tokens(file.text));
        let modules = self.crates.entry(folder.to_owned()).or_default();
        modules.insert(
            name.map(str::to_owned).collect(),
            file.path.to_owned(),
            module,
        );
    }

    /// What is wrong, when every file has been looked at.
    pub(super) fn faults(self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for modules in self.crates.values() {
            let mut graph = Graph::default();
            for (from, to, line) in modules.uses() {
                graph.add(from, to, line);
            }
            let cycles = graph.cycles();
            let faulty = cycles.iter().filter(|cycle| !is_allowed(cycle));
            faults.extend(faulty.filter_map(fault));
        }
        faults
    }
}

fn is_allowed(cycle: &Cycle) -> bool {
    let is_within = |places: &[&str]| {
        let mut files = cycle.files.iter();
        files.all(|file| places.iter().any(|place| file.starts_with(place)))
    };
    ALLOWED.iter().any(|(places, _)| is_within(places))
}

/// The fault, at the place where the shortest way round begins.
fn fault(cycle: &Cycle) -> Option<Fault> {
    let first = cycle.shortest.first()?;
    let round: Vec<_> = cycle
        .shortest
        .iter()
        .map(|edge| format!("{} uses {} (line {})", edge.from, edge.to, edge.line))
        .collect();
    let files: Vec<_> = cycle.files.iter().map(String::as_str).collect();
    let message = format!(
        "{} files refer to each other in circles: {}; all of them: {}",
        files.len(),
        round.join(", "),
        files.join(", ")
    );
    Some(Fault {
        path: first.from.clone(),
        line: first.line,
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let mut cycles = Cycles::default();
        for (path, text) in files {
            cycles.look_at(&File { path, text });
        }
        let faults: Vec<_> = cycles.faults().iter().map(Fault::to_string).collect();
        assert_eq!(faults, expected);
    }

    #[test]
    fn files_that_use_each_other_are_told_with_the_line() {
        let files = [
            ("c/src/lib.rs", "pub mod a;\nmod b;"),
            ("c/src/a.rs", "//! A.\nuse crate::b::B;\npub struct A;"),
            ("c/src/b/mod.rs", "mod c; struct B;"),
            ("c/src/b/c.rs", "use super::super::a::A;"),
        ];
        check(&files, &[]);
        let round = ("c/src/b/mod.rs", "mod c;\nuse self::c::C; struct B;");
        let others = [files[0], files[1], round];
        let c = ("c/src/b/c.rs", "fn c() {\n    crate::a::A;\n}\nstruct C;");
        let expected = "c/src/a.rs:2: 3 files refer to each other in circles: \
            c/src/a.rs uses c/src/b/mod.rs (line 2), c/src/b/mod.rs uses c/src/b/c.rs (line 2), \
            c/src/b/c.rs uses c/src/a.rs (line 2); \
            all of them: c/src/a.rs, c/src/b/c.rs, c/src/b/mod.rs";
        check(&[&others[..], &[c]].concat(), &[expected]);
    }

    #[test]
    fn each_crate_is_by_itself() {
        let files = [
            ("c/src/lib.rs", "mod a; use d::D;"),
            ("c/src/a.rs", ""),
            ("d/src/main.rs", "mod a; struct D;"),
            ("d/src/a.rs", "use crate::D;"),
        ];
        check(&files, &[]);
    }

    #[test]
    fn what_is_allowed_stays_within_its_folder() {
        let folder = ALLOWED[0].0[0];
        let is_allowed = |files: &[&str]| {
            let files = files.iter().map(|file| file.replace('~', folder)).collect();
            let shortest = Vec::new();
            is_allowed(&Cycle { files, shortest })
        };
        assert!(is_allowed(&["~a.rs", "~b/c.rs"]));
        assert!(!is_allowed(&["~a.rs", "amqp-client/src/b.rs"]));
    }
}
