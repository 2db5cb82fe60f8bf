//! Rules about what is published, or not yet: licence texts inside the crates, manifests that are
//! ready, and no document that has a reader take a crate of another project's.

use std::{fs, path::Path};

use super::file::{Fault, File};
use crate::crates::{Crate, PUBLISHED};

/// What the manifest of such a crate has to say.
const KEYS: &[&str] = &[
    "description",
    "readme",
    "license",
    "keywords",
    "categories",
    "include",
    "publish",
];

/// Finds licence texts that are not those at the top of the repository. They are files, since links
/// do not survive in every checkout.
pub(super) fn licences(root: &Path) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Crate { name, licences } in PUBLISHED {
        for licence in *licences {
            let path = format!("{name}/{licence}");
            let file = root.join(&path);
            let is_file = fs::symlink_metadata(&file).is_ok_and(|metadata| metadata.is_file());
            let same = fs::read(&file).ok() == fs::read(root.join(licence)).ok();
            if !(is_file && same) {
                let file = File {
                    path: &path,
                    text: "",
                };
                faults.push(file.fault(0, format!("should be a copy of {licence} at the top")));
            }
        }
    }
    faults
}

/// Finds what the manifest of a crate lacks that is to be published one day.
pub(super) fn manifest(file: &File<'_>) -> Vec<Fault> {
    let is_published = |package: &&Crate| file.path == format!("{}/Cargo.toml", package.name);
    if !PUBLISHED.iter().any(|package| is_published(&package)) {
        return Vec::new();
    }
    let package: Vec<_> = file
        .lines()
        .skip_while(|(_, line)| *line != "[package]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .map(|(_, line)| line.split(['=', '.', ' ']).next().unwrap_or_default())
        .collect();
    let mut missing: Vec<_> = KEYS.iter().filter(|key| !package.contains(key)).collect();
    let documentation = "package.metadata.docs.rs";
    let has_documentation = |(_, line): (usize, &str)| line == format!("[{documentation}]");
    if !file.lines().any(has_documentation) {
        missing.push(&documentation);
    }
    missing
        .into_iter()
        .map(|key| file.fault(1, format!("does not say {key}")))
        .collect()
}

/// Finds lines of documents, and of documentation in sources, that take a crate of ours from the
/// registry, where that name is another project's or no one's.
pub(super) fn from_registry(file: &File<'_>) -> Vec<Fault> {
    let is_source = file.has_extension("rs");
    let document = file.lines().filter_map(|(number, line)| {
        let text = line.trim_start();
        if is_source {
            let text = text
                .strip_prefix("//!")
                .or_else(|| text.strip_prefix("///"))?;
            Some((number, text.trim_start()))
        } else {
            Some((number, text))
        }
    });
    document
        .filter(|(_, text)| takes_from_registry(text))
        .map(|(number, _)| {
            file.fault(
                number,
                "takes a crate of ours from the registry; write `path` or `git`",
            )
        })
        .collect()
}

fn takes_from_registry(text: &str) -> bool {
    PUBLISHED.iter().any(|Crate { name, .. }| {
        let added = text.split("cargo add ").skip(1).any(|rest| {
            let words = rest.split(|c: char| c.is_whitespace() || c == '`');
            words.take_while(|word| !word.is_empty()).any(|word| {
                word == *name
                    || word
                        .strip_prefix(*name)
                        .is_some_and(|it| it.starts_with('@'))
            })
        });
        let is_table = text.contains(&format!("dependencies.{name}]"));
        let value = text.strip_prefix(*name).map(str::trim_start);
        let value = value.and_then(|rest| rest.strip_prefix('='));
        let is_versioned = value.is_some_and(|value| {
            let value = value.trim_start();
            let names_a_place = value.contains("path =") || value.contains("git =");
            value.starts_with('"') || (value.starts_with('{') && !names_a_place)
        });
        let is_dotted = text.starts_with(&format!("{name}.version"));
        added || is_table || is_versioned || is_dotted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_take_our_crates_from_the_registry_are_found() {
        for line in [
            "amqp-client = \"0.1\"",
            "amqp-client=\"0.1\"",
            "amqp-client = { version = \"0.1\", features = [\"rustls\"] }",
            "amqp-spec = { version = \"0.1\" }",
            "amqp-testing.version = \"0.1\"",
            "[dependencies.amqp-client]",
            "[dev-dependencies.amqp-testing]",
            "run `cargo add amqp-client` first",
            "cargo add tokio amqp-client@0.1 --features rustls",
        ] {
            assert!(takes_from_registry(line), "{line}");
        }
        for line in [
            "amqp-client = { path = \"where/this/is/amqp-client\" }",
            "amqp-client = { git = \"https://example.org/x\", features = [\"rustls\"] }",
            "amqp-client 0.1.0",
            "tokio = { version = \"1\" }",
            "cargo add tokio",
            "amqp-client-extras = \"1\"",
        ] {
            assert!(!takes_from_registry(line), "{line}");
        }
    }

    #[test]
    fn sources_are_looked_at_where_they_are_documentation() {
        let lines = |path, text| {
            let faults = from_registry(&File { path, text });
            faults.iter().map(|fault| fault.line).collect::<Vec<_>>()
        };
        let snippet = "amqp-client = \"0.1\"\n";
        let source = format!("//! {snippet}{snippet}    /// {snippet}");
        assert_eq!(lines("a.rs", &source), [1, 3]);
        assert_eq!(lines("a.md", snippet), [1]);
    }

    #[test]
    fn a_manifest_that_is_not_ready_is_found() {
        let missing = |text: &str| {
            let path = "amqp-testing/Cargo.toml";
            let faults = manifest(&File { path, text });
            faults.iter().map(Fault::to_string).collect::<Vec<_>>()
        };
        let text = "[package]\ndescription = \"a\"\nreadme = \"b\"\nlicense.workspace = true\n\
                    keywords = []\ncategories = []\ninclude = []\npublish.workspace = true\n\n\
                    [package.metadata.docs.rs]\n";
        assert_eq!(missing(text), [""; 0]);
        for key in KEYS.iter().chain(&["package.metadata.docs.rs"]) {
            let text = text.replacen(key, "x", 1);
            let faults = missing(&text);
            assert!(
                faults[0].ends_with(&format!("does not say {key}")),
                "{faults:?}"
            );
        }
        let other = File {
            path: "xtask/Cargo.toml",
            text: "[package]\n",
        };
        assert_eq!(manifest(&other), []);
    }
}
