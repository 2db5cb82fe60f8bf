//! Hand edits of the project's own specification files: each is refused, or changes nothing in the
//! generated code, or stands in `allowed.txt` with the reason why it may pass.
//!
//! Every line of the XML, the JSON and the overlay is edited in the ways in which a hand slips, one
//! edit at a time, and the three files are read together, as `cargo xtask regenerate` reads them.
//! There are some thirty thousand such edits. A plain run tries every fifth, `EVERY_EDIT=1` all of
//! them; then `UPDATE_EXPECT=1` adds what passes to the list, without a reason, which fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod slips;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "../it/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::{env, fs, thread};

use amqp_codegen::ParseOptions;
use amqp_codegen::model::{Argument, BitGroup, Docs, Specification};
use slips::{Edit, Files};
use support::{Input, parse_inputs, path};

/// A plain run tries one edit of this many.
const SHARE: usize = 5;

/// Above the reasons of the list stands what has none.
const UNEXPLAINED: &str = "# Without a reason";

#[test]
fn no_edit_of_one_line_changes_the_code_silently() {
    let files = slips::FILES.map(|name| {
        String::from_utf8(Input::read(&path(&format!("../spec/{name}"))).text).unwrap()
    });
    let before = code(read(&files).expect("the unedited files are right"));
    let every = env::var_os("EVERY_EDIT").is_some();
    let edits: Vec<Edit> = slips::all(&files)
        .into_iter()
        .step_by(if every { 1 } else { SHARE })
        .collect();
    assert!(edits.len() > 5_000, "only {} edits", edits.len());

    let passed = passed(&edits, &files, &before);
    let list = path("tests/edits/allowed.txt");
    let text = fs::read_to_string(&list).unwrap();
    let allowed: BTreeSet<&str> = text.lines().filter(|line| is_entry(line)).collect();
    let unknown: Vec<&String> = passed
        .iter()
        .filter(|edit| !allowed.contains(edit.as_str()))
        .collect();
    if every && env::var_os("UPDATE_EXPECT").is_some() {
        let kept = text
            .lines()
            .filter(|line| !is_entry(line) || passed.contains(*line));
        let lines: Vec<&str> = kept.collect();
        let unknown: String = unknown.iter().map(|edit| format!("{edit}\n")).collect();
        fs::write(
            &list,
            format!(
                "{}\n\n{UNEXPLAINED}\n\n{unknown}",
                lines.join("\n").trim_end()
            ),
        )
        .unwrap();
    }
    assert!(
        unknown.is_empty(),
        "{} of {} edits change the generated code without a word: {unknown:#?}",
        unknown.len(),
        edits.len()
    );
    let tried: BTreeSet<String> = edits.iter().map(|edit| edit.name(&files)).collect();
    let refused = allowed
        .iter()
        .filter(|edit| (every || tried.contains(**edit)) && !passed.contains(**edit));
    assert_eq!(
        refused.collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "listed, and refused"
    );
    assert!(
        !text.contains(UNEXPLAINED),
        "the list has edits without a reason"
    );
}

fn is_entry(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// The names of the edits that change the code.
fn passed(edits: &[Edit], files: &Files, before: &Specification) -> BTreeSet<String> {
    let n_threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let judge = |edits: &'_ [Edit]| -> BTreeSet<String> {
            let is_silent = |edit: &&Edit| {
                let after = read(&edit.apply(files));
                after.is_some_and(|after| code(after) != *before)
            };
            edits
                .iter()
                .filter(is_silent)
                .map(|edit| edit.name(files))
                .collect()
        };
        let chunks = edits.chunks(edits.len().div_ceil(n_threads));
        let running: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || judge(chunk)))
            .collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn read(files: &Files) -> Option<Specification> {
    let named = slips::FILES.iter().zip(files);
    let inputs: Vec<Input> = named
        .map(|(name, text)| Input::new(name, text.as_str()))
        .collect();
    parse_inputs(&inputs, &ParseOptions::new().require_docs(true)).ok()
}

/// The model without what becomes comments alone, and without the order of constants and domains,
/// which is that of the first file and means nothing.
fn code(mut specification: Specification) -> Specification {
    for constant in &mut specification.constants {
        constant.docs = Docs::default();
    }
    for domain in &mut specification.domains {
        domain.docs = Docs::default();
        domain.asserts.clear();
    }
    for class in &mut specification.classes {
        class.docs = Docs::default();
        for property in &mut class.properties {
            property.docs = Docs::default();
        }
        for method in &mut class.methods {
            method.docs = Docs::default();
            for argument in &mut method.arguments {
                match argument {
                    Argument::Field(field) => {
                        field.docs = Docs::default();
                        field.asserts.clear();
                    }
                    Argument::Bits(group) => *group = without_docs(group),
                }
            }
        }
    }
    specification
        .constants
        .sort_by(|one, other| one.name.cmp(&other.name));
    specification
        .domains
        .sort_by(|one, other| one.name.cmp(&other.name));
    specification
}

fn without_docs(group: &BitGroup) -> BitGroup {
    let mut bits = group.bits().iter().cloned().map(|mut bit| {
        bit.docs = Docs::default();
        bit.asserts.clear();
        bit
    });
    let mut group = BitGroup::new(bits.next().expect("a group is never empty"));
    for bit in bits {
        assert!(group.push(bit).is_none(), "a group has at most eight bits");
    }
    group
}
