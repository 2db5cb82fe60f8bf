//! What the emitters make of small specifications, file by file.
//!
//! Each folder here is a case: `spec.xml`, perhaps an `overlay.toml`, and `expected/` with every file
//! that comes out. `UPDATE_EXPECT=1 cargo test -p amqp-codegen --test golden` writes the expected
//! files anew, to be reviewed as a diff.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod guide;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use amqp_codegen::emit::{Options, Outputs, emit};
use amqp_codegen::{ParseOptions, Source, parse};

/// Keyword names, reserved fields and bits, more than eight bits and more than fifteen properties,
/// two replies, content, a class without methods, names that clash with what the code imports.
#[test]
fn everything_at_once() {
    check("everything");
}

/// No field borrows, nothing answers, there is no content and no constant: nothing unused is
/// emitted.
#[test]
fn next_to_nothing() {
    check("plain");
}

#[test]
fn outputs_that_are_not_asked_for_are_left_out() {
    let outputs = Outputs {
        rust: None,
        conformance: None,
        vectors: None,
        reference: None,
        dictionary: None,
    };
    let files = generate(
        &folder("plain"),
        &Options {
            outputs,
            ..Options::default()
        },
    );
    assert_eq!(files, BTreeMap::new());
}

#[test]
fn same_specification_gives_same_files() {
    let folder = folder("everything");
    let options = everything();
    assert_eq!(generate(&folder, &options), generate(&folder, &options));
}

/// All outputs, for `amqp-spec` itself.
fn everything() -> Options {
    Options {
        runtime: "crate".to_owned(),
        command: "cargo xtask regenerate".to_owned(),
        outputs: Outputs {
            rust: Some(String::new()),
            conformance: Some("tests".to_owned()),
            vectors: Some("vectors".to_owned()),
            reference: Some("protocol.md".to_owned()),
            dictionary: Some("amqp.dict".to_owned()),
        },
        ..Options::default()
    }
}

#[track_caller]
fn check(case: &str) {
    let folder = folder(case);
    let generated = generate(&folder, &everything());
    let expected = folder.join("expected");
    if env::var_os("UPDATE_EXPECT").is_some() {
        write(&expected, &generated);
    }
    let expected = read(&expected, &expected);
    let names = |files: &BTreeMap<String, String>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        names(&generated),
        names(&expected),
        "the files that come out"
    );
    for (path, text) in &generated {
        let difference = first_difference(text, &expected[path]);
        assert_eq!(
            difference, None,
            "{case}/expected/{path}: UPDATE_EXPECT=1 writes it anew"
        );
    }
}

/// Line number, generated line and expected line, where they differ first.
fn first_difference(generated: &str, expected: &str) -> Option<(usize, String, String)> {
    let n_lines = generated.lines().count().max(expected.lines().count());
    let line = |text: &str, index| text.lines().nth(index).unwrap_or("(no line)").to_owned();
    (0..n_lines)
        .map(|index| (index + 1, line(generated, index), line(expected, index)))
        .find(|(_, generated, expected)| generated != expected)
}

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(case)
}

fn generate(folder: &Path, options: &Options) -> BTreeMap<String, String> {
    let spec = fs::read(folder.join("spec.xml")).unwrap();
    let overlay = fs::read(folder.join("overlay.toml")).ok();
    let overlay = overlay
        .as_deref()
        .map(|text| Source::new("overlay.toml", text));
    let sources = [Source::new("spec.xml", &spec)];
    let specification = parse(&sources, overlay.as_slice(), &ParseOptions::new())
        .unwrap_or_else(|report| panic!("{report}"));
    let files = emit(&specification, options);
    files
        .into_iter()
        .map(|file| (file.path, file.text))
        .collect()
}

fn write(folder: &Path, files: &BTreeMap<String, String>) {
    if folder.exists() {
        fs::remove_dir_all(folder).unwrap();
    }
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// All files below a folder, by their path relative to `root`.
fn read(folder: &Path, root: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(read(&path, root));
        } else {
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .replace('\\', "/");
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}
