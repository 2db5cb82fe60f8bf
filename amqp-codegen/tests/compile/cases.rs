//! The specifications: those this project is made from, those of the corpus, those of the golden
//! tests, those that are made up.

use std::fs;
use std::path::{Path, PathBuf};

use amqp_codegen::model::Specification;
use amqp_codegen::{ParseOptions, Source, parse};

use crate::random;

/// A specification that the generator accepts.
pub(crate) struct Case {
    /// The Rust module that it becomes.
    pub(crate) name: String,
    pub(crate) specification: Specification,
}

const CORPUS: &str = "amqp-codegen/tests/corpus";

/// Name, sources and overlays; the paths are relative to the workspace.
const CHOSEN: &[(&str, &[&str], &[&str])] = &[
    (
        "repository",
        &[
            "spec/amqp0-9-1.stripped.extended.xml",
            "spec/amqp-rabbitmq-0.9.1.json",
        ],
        &["spec/overlay.toml"],
    ),
    ("pure_xml", &["spec/amqp0-9-1.stripped.xml"], &[]),
    (
        "extended_xml",
        &["spec/amqp0-9-1.stripped.extended.xml"],
        &[],
    ),
    (
        "json",
        &["spec/amqp-rabbitmq-0.9.1.json"],
        &["spec/json-directions.toml"],
    ),
    (
        "extended_xml_2013",
        &["debian-amqp-specs/amqp0-9-1.stripped.extended.xml"],
        &[],
    ),
    (
        "json_3_10",
        &["debian-rabbitmq-server/amqp-rabbitmq-0.9.1.json"],
        &["spec/json-directions.toml"],
    ),
    (
        "credit",
        &[
            "spec/amqp-rabbitmq-0.9.1.json",
            "debian-rabbitmq-server/credit_extension.json",
        ],
        &[
            "spec/json-directions.toml",
            "overlays/credit_extension.toml",
        ],
    ),
    (
        "qpid",
        &["debian-amqp-specs/amqp0-9-1-qpid.stripped.xml"],
        &["overlays/amqp0-9-1-qpid.toml"],
    ),
    ("amqp_0_8", &["debian-amqp-specs/amqp0-8.stripped.xml"], &[]),
    (
        "json_0_8",
        &["debian-rabbitmq-server/amqp-rabbitmq-0.8.json"],
        &["overlays/amqp-rabbitmq-0.8.toml"],
    ),
    (
        "golden_everything",
        &["amqp-codegen/tests/golden/everything/spec.xml"],
        &["amqp-codegen/tests/golden/everything/overlay.toml"],
    ),
    (
        "golden_plain",
        &["amqp-codegen/tests/golden/plain/spec.xml"],
        &[],
    ),
];

/// The chosen ones, and the odd but right ones of `tests/accepts`.
pub(crate) fn all() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, sources, overlays) in CHOSEN {
        let paths = |names: &[&str]| names.iter().map(|name| chosen_path(name)).collect();
        cases.push(read(name, paths(sources), paths(overlays)));
    }
    for folder in entries(&root().join("amqp-codegen/tests/accepts")) {
        let name = folder
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .replace('-', "_");
        let files = entries(&folder);
        let of_kind = |kinds: &[&str]| {
            let is = |path: &&PathBuf| kinds.iter().any(|kind| path.extension().unwrap() == *kind);
            files.iter().filter(is).cloned().collect::<Vec<_>>()
        };
        cases.push(read(
            &format!("accepts_{name}"),
            of_kind(&["xml", "json"]),
            of_kind(&["toml"]),
        ));
    }
    cases.extend(random::seeds().map(made_up));
    cases
}

fn made_up(seed: u64) -> Case {
    let (xml, overlay) = random::texts(seed);
    let name = format!("random_{seed}");
    let sources = [Source::new("spec.xml", xml.as_bytes())];
    let overlays = [Source::new("overlay.toml", overlay.as_bytes())];
    match parse(&sources, &overlays, &ParseOptions::new()) {
        Ok(specification) => Case {
            name,
            specification,
        },
        Err(report) => panic!("{name}: {report}\n{xml}\n{overlay}"),
    }
}

fn chosen_path(name: &str) -> PathBuf {
    let path = root().join(name);
    if path.exists() {
        path
    } else {
        root().join(CORPUS).join(name)
    }
}

/// What is in a folder, sorted.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut entries: Vec<_> = entries.collect();
    entries.sort();
    entries
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn read(name: &str, sources: Vec<PathBuf>, overlays: Vec<PathBuf>) -> Case {
    let load = |paths: Vec<PathBuf>| -> Vec<(String, Vec<u8>)> {
        let file_name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        paths
            .iter()
            .map(|path| (file_name(path), fs::read(path).unwrap()))
            .collect()
    };
    let (sources, overlays) = (load(sources), load(overlays));
    let source = |(name, text)| {
        if str::ends_with(name, ".extension.xml") {
            Source::extension(name, text)
        } else {
            Source::new(name, text)
        }
    };
    let sources: Vec<_> = sources
        .iter()
        .map(|(name, text)| source((name, text)))
        .collect();
    let overlays: Vec<_> = overlays
        .iter()
        .map(|(path, text)| Source::new(path, text))
        .collect();
    match parse(&sources, &overlays, &ParseOptions::new()) {
        Ok(specification) => Case {
            name: name.to_owned(),
            specification,
        },
        Err(report) => panic!("{name}: {report}"),
    }
}
