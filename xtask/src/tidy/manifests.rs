//! Rules about manifests: crates depend on each other in one direction, and what features add is in
//! the documentation that is published.

use super::file::{Fault, File};

/// Which of our crates a crate may depend on, tests apart.
const ALLOWED: &[(&str, &[&str])] = &[
    ("amqp-codegen", &[]),
    ("amqp-spec", &[]),
    ("amqp-client", &["amqp-spec"]),
    ("amqp-testing", &["amqp-spec"]),
    ("xtask", &["amqp-codegen", "amqp-testing"]),
];

pub(super) fn check(file: &File<'_>) -> Vec<Fault> {
    let package = file.path.trim_end_matches("/Cargo.toml");
    let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == package) else {
        return Vec::new();
    };
    let is_ours = |name: &str| ALLOWED.iter().any(|(ours, _)| *ours == name);
    let mut faults: Vec<_> = dependencies(file)
        .filter(|(_, name)| is_ours(name) && !allowed.contains(name))
        .map(|(number, name)| file.fault(number, format!("{package} must not depend on {name}")))
        .collect();
    let features = file.lines().find(|(_, line)| *line == "[features]");
    if let (Some((number, _)), false) = (features, documents_all_features(file)) {
        let message = "docs.rs documents default features only: add [package.metadata.docs.rs] with \
                       all-features = true";
        faults.push(file.fault(number, message.to_owned()));
    }
    faults
}

/// Whether docs.rs is told to document what features add.
fn documents_all_features(file: &File<'_>) -> bool {
    file.lines()
        .skip_while(|(_, line)| *line != "[package.metadata.docs.rs]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .any(|(_, line)| line == "all-features = true")
}

/// The dependencies that users of the crate get, with their lines.
fn dependencies<'a>(file: &'a File<'_>) -> impl Iterator<Item = (usize, &'a str)> {
    let mut section = "";
    file.lines().filter_map(move |(number, line)| {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        }
        let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
        let is_entry = section.ends_with("dependencies") && section != "dev-dependencies";
        (is_entry && !name.is_empty() && !name.starts_with(['[', '#'])).then_some((number, name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_the_published_documentation_leaves_out_are_found() {
        let check = |text: &str| {
            let faults = check(&File {
                path: "amqp-client/Cargo.toml",
                text,
            });
            faults.first().map(|fault| fault.line)
        };
        let metadata = "[package.metadata.docs.rs]\nall-features = true\n";
        let features = "\n[features]\ndefault = []\n";
        assert_eq!(check(&format!("[package]\n{features}")), Some(3));
        assert_eq!(check(&format!("{metadata}{features}")), None);
        let elsewhere = "[package.metadata.docs.rs]\n\n[other]\nall-features = true\n";
        assert_eq!(check(&format!("{elsewhere}{features}")), Some(6));
        assert_eq!(check("[package]\n"), None);
    }

    #[test]
    fn a_dependency_against_the_direction_is_found() {
        let text = "[dependencies]\nserde = \"1\"\namqp-client = { path = \"../amqp-client\" }\n\n\
                    [dev-dependencies]\namqp-testing = { path = \"../amqp-testing\" }\n";
        let faults = check(&File {
            path: "amqp-spec/Cargo.toml",
            text,
        });
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].line, 3);
        assert_eq!(
            check(&File {
                path: "bench/raw/Cargo.toml",
                text
            }),
            []
        );
    }
}
