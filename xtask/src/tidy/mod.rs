//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy know.
//!
//! Each rule is a function from a file's path and text to faults, so that it can be tested on a
//! line. This file only finds the files and asks the rules.

mod clocks;
mod collected;
mod contract;
mod cycles;
mod documents;
mod exports;
mod file;
mod hidden;
mod layers;
mod lengths;
mod locks;
mod manifests;
mod publishing;
mod rust;
mod scenarios;
mod tables;
mod walk;
mod walls;

use std::{
    fs,
    path::{Path, PathBuf},
};

use self::file::{Fault, File};
use crate::{failure::Failure, workspace};

const HELP: &str = "\
Checks the house rules that neither the compiler nor clippy know:

  * every Rust file begins with what it is for, and has at most 800 lines unless
    it is generated
  * the sans-IO core knows no sockets, threads, clocks, runtimes or randomness, and
    neither do dialling and the pump of the adapters
  * no unsafe code, no notes to do something later, no paths of one machine
  * no spaces at the end of lines, and a newline at the end of files
  * crates depend on each other in one direction, and so do the layers of the client
    and the files of each crate
  * what threads share is locked and touched where the tests of wake-ups see it
  * in the core, a type has its methods in one file, and its fields stay in its folder
  * a function of more than 70 lines has a reason
  * no test measures a time of the machine
  * no public method of a stream, future or iterator is hidden by one of an
    extension trait
  * links in documents lead to files and headings that are there
  * tests that documents name are there, and those of scenarios are in docs/scenarios.md,
    whose rows have numbers of their own
  * what the tables of docs/from-*.md name is there, and they name every public
    method of a handle
  * the client exports at most 40 names at its root, and each of them nowhere else
  * every public type of the client is in the test that looks at what is shown
  * amqp_client::Error is made from every public error
  * the documentation of the core names every call of a driver
  * no document takes a crate of ours from the registry; the crates carry their licence
    texts, and their manifests are ready to be published

usage: cargo xtask tidy
";

/// Folders that hold no files of ours.
const FOREIGN: &[&str] = &["target", "corpus", "artifacts", "coverage", "node_modules"];

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    match arguments.next()? {
        None => {
            println!("{}", check()?);
            Ok(())
        }
        Some(Short('h') | Long("help")) => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(other.unexpected().into()),
    }
}

/// Checks the whole repository.
pub(crate) fn check() -> Result<String, Failure> {
    let root = workspace::root();
    let mut paths = Vec::new();
    collect(&root, &root, &mut paths)?;
    let mut faults = publishing::licences(&root);
    let mut tests = scenarios::Tests::default();
    let mut methods = hidden::Methods::default();
    let mut layers = layers::Layers::default();
    let mut cycles = cycles::Cycles::default();
    let mut locks = locks::Locks::default();
    let mut walls = walls::Walls::default();
    let mut lengths = lengths::Lengths::default();
    let mut tables = tables::Tables::default();
    let mut exports = exports::Exports::default();
    let mut shown = walk::Shown::default();
    let mut collected = collected::Collected::default();
    let mut contract = contract::Contract::default();
    for path in &paths {
        let text = fs::read_to_string(root.join(path)).map_err(Failure::file("read", path))?;
        let file = File {
            path: &path.to_string_lossy(),
            text: &text,
        };
        faults.extend(check_file(&file, &root));
        tests.look_at(&file);
        methods.look_at(&file);
        layers.look_at(&file);
        cycles.look_at(&file);
        locks.look_at(&file);
        walls.look_at(&file);
        lengths.look_at(&file);
        tables.look_at(&file);
        exports.look_at(&file);
        shown.look_at(&file);
        collected.look_at(&file);
        contract.look_at(&file);
    }
    faults.extend(tests.faults());
    faults.extend(methods.faults());
    faults.extend(layers.faults());
    faults.extend(cycles.faults());
    faults.extend(locks.faults());
    faults.extend(walls.faults());
    faults.extend(lengths.faults());
    faults.extend(tables.faults());
    faults.extend(exports.faults());
    faults.extend(shown.faults());
    faults.extend(collected.faults());
    faults.extend(contract.faults());
    if faults.is_empty() {
        return Ok(format!("{} files are tidy", paths.len()));
    }
    let lines: Vec<_> = faults.iter().map(Fault::to_string).collect();
    Err(Failure::new(format!(
        "house rules are broken:\n{}",
        lines.join("\n")
    )))
}

fn check_file(file: &File<'_>, root: &Path) -> Vec<Fault> {
    let mut faults = ends_of_lines(file);
    faults.extend(paths_of_one_machine(file));
    if file.has_extension("rs") {
        faults.extend(rust::check(file));
        faults.extend(clocks::check(file));
    }
    if file.has_extension("md") || file.has_extension("rs") {
        faults.extend(publishing::from_registry(file));
    }
    if file.has_extension("md") {
        faults.extend(documents::check(file, root));
    }
    if file.path.ends_with("Cargo.toml") {
        faults.extend(manifests::check(file));
        faults.extend(publishing::manifest(file));
    }
    faults
}

/// Finds the files of ours below a folder, in order, as paths relative to the root.
fn collect(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let read = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let mut entries = read.map_err(Failure::file("read", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let relative = path.strip_prefix(root).unwrap_or(&path);
        if name.starts_with('.') || is_quoted(relative) {
            continue;
        }
        if path.is_dir() {
            if !FOREIGN.contains(&&*name) {
                collect(root, &path, paths)?;
            }
        } else if ["rs", "md", "toml"]
            .iter()
            .any(|end| path.extension() == Some(end.as_ref()))
        {
            paths.push(relative.to_owned());
        }
    }
    Ok(())
}

/// Inputs and expectations of the generator's tests show other people's files and faulty ones.
fn is_quoted(path: &Path) -> bool {
    [
        "amqp-codegen/tests/rejects",
        "amqp-codegen/tests/golden",
        "amqp-codegen/tests/accepts",
    ]
    .iter()
    .any(|folder| path.starts_with(folder))
}

fn ends_of_lines(file: &File<'_>) -> Vec<Fault> {
    let is_untidy = |line: &str| line.ends_with([' ', '\t', '\r']);
    let mut faults: Vec<_> = file
        .text
        .split('\n')
        .zip(1..)
        .filter(|(line, _)| is_untidy(line))
        .map(|(_, number)| file.fault(number, "space at the end of the line"))
        .collect();
    if !file.text.is_empty() && (!file.text.ends_with('\n') || file.text.ends_with("\n\n")) {
        faults.push(file.fault(0, "should end with one newline"));
    }
    faults
}

fn paths_of_one_machine(file: &File<'_>) -> Vec<Fault> {
    // Put together here, so that this file does not contain them.
    let homes = ["home", "root", "work", "Users"].map(|name| format!("/{name}/"));
    let begins_a_path = |line: &str, at: usize| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        before.is_none_or(|c| c.is_whitespace() || "\"'`(<=:".contains(c))
    };
    let is_found = |line: &str| {
        homes.iter().any(|home| {
            line.match_indices(home)
                .any(|(at, _)| begins_a_path(line, at))
        })
    };
    file.lines()
        .filter(|(_, line)| is_found(line))
        .map(|(number, _)| file.fault(number, "a path of one machine"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        if let Err(failure) = check() {
            panic!("{}", failure.message());
        }
    }

    #[test]
    fn untidy_ends_are_found() {
        let lines = |text| {
            let faults = ends_of_lines(&File { path: "a.md", text });
            faults.iter().map(|fault| fault.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("a\nb \n\tc\t\nd\r\n"), [2, 3, 4]);
        assert_eq!(lines("a"), [0]);
        assert_eq!(lines("a\n\n"), [0]);
        assert_eq!(lines("a\n"), [0; 0]);
        assert_eq!(lines(""), [0; 0]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let is_found = |text: &str| {
            !paths_of_one_machine(&File {
                path: "a.rs",
                text: &text.replace('~', "/"),
            })
            .is_empty()
        };
        assert!(is_found("let a = \"~home~ann~x\";"));
        assert!(is_found("~root~x"));
        assert!(is_found("see (~Users~ann)"));
        assert!(!is_found("a~home~b"));
        assert!(!is_found("~etc~hosts"));
    }
}
