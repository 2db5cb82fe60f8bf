//! The features of the client and of the wire: each one compiles and is documented alone, and what
//! one of them depends on comes with no other.
//!
//! What the features do together is seen by the other steps, which turn all of them on.

use std::{fs, process::Command};

use super::report::{Outcome, run_logged};
use super::steps::STRICT_DOCUMENTATION;
use crate::{failure::Failure, workspace};

/// Whose features these are.
const PACKAGES: &[&str] = &["amqp-spec", "amqp-client"];

/// Parts of the names of crates that come with some features only, and how the names of these
/// begin.
const RESERVED: &[(&[&str], &str)] = &[
    (
        &[
            "rustls",
            "webpki",
            "ring ",
            "aws-lc",
            "openssl",
            "native-tls",
        ],
        "rustls",
    ),
    (&["serde"], "serde"),
    (&["tokio", "mio ", "socket2"], "tokio"),
];

pub(super) fn check() -> Result<Outcome, Failure> {
    let mut checked = Vec::new();
    for package in PACKAGES {
        let path = workspace::root().join(package).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
        let features = names(&manifest);
        if features.is_empty() {
            return Err(Failure::new(format!("{package} has no features")));
        }
        for feature in &features {
            if let Some(failed) = check_feature(package, feature)? {
                return Ok(failed);
            }
        }
        checked.extend(features.into_iter().map(str::to_owned));
    }
    Ok(Outcome::passed(checked.join(", ")))
}

/// What is wrong with a feature alone, if anything is.
fn check_feature(package: &str, feature: &str) -> Result<Option<Outcome>, Failure> {
    if let Some(found) = foreign(&tree(package, feature)?, feature) {
        let message = format!("with the feature {feature}, {package} depends on {found}");
        return Ok(Some(Outcome::failed(message)));
    }
    let mut command = with_feature("clippy", package, feature);
    command.args(["--quiet", "--", "-D", "warnings"]);
    let log = run_logged(&mut command, &format!("{package}, feature {feature}"))?;
    if !log.succeeded {
        return Ok(Some(log.into_failure()));
    }
    // A link to what another feature adds would lead nowhere.
    let mut command = with_feature("doc", package, feature);
    command.args(["--no-deps", "--quiet"]);
    command.envs(STRICT_DOCUMENTATION.iter().copied());
    let what = format!("documentation of {package}, feature {feature}");
    let log = run_logged(&mut command, &what)?;
    Ok((!log.succeeded).then(|| log.into_failure()))
}

fn with_feature(verb: &str, package: &str, feature: &str) -> Command {
    let mut command = workspace::cargo();
    command.args([verb, "-p", package, "--no-default-features"]);
    command.args(["--features", feature]);
    command
}

/// What users of the feature compile: one crate a line.
fn tree(package: &str, feature: &str) -> Result<String, Failure> {
    let mut command = with_feature("tree", package, feature);
    command.args(["--edges", "normal", "--prefix", "none", "--quiet"]);
    let output = command.output().map_err(Failure::program("cargo"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::new(text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A crate that is reserved to other features than this one.
fn foreign<'t>(tree: &'t str, feature: &str) -> Option<&'t str> {
    let others = RESERVED
        .iter()
        .filter(|(_, start)| !feature.starts_with(start));
    let parts: Vec<_> = others.flat_map(|(parts, _)| *parts).collect();
    // Behind the name and the version stands where the repository is, whatever that is called.
    let crates = tree.lines().map(|line| line.split(" (").next());
    let mut crates = crates.map(Option::unwrap_or_default);
    crates.find(|name| parts.iter().any(|part| name.contains(**part)))
}

/// The names in the section of features of a manifest.
fn names(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .skip_while(|line| *line != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name)
        // The default is a sum of others.
        .filter(|name| !name.starts_with('#') && *name != "default")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_but_the_default_is_found() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = [\"one\"]\n# Not = this\n\
                        one = []\ntwo-three = [\"dep:two\"]\n\n[dependencies]\ntwo = \"2\"\n";
        assert_eq!(names(manifest), ["one", "two-three"]);
    }

    #[test]
    fn crates_of_other_features_are_known() {
        let tree = "amqp-client v0.1.0\nbytes v1.12.2\n";
        assert_eq!(foreign(tree, "tokio"), None);
        for (line, feature) in [
            ("ring v0.17.14", "rustls-ring"),
            ("rustls v0.23.46", "rustls-core"),
            ("rustls-webpki v0.103.17", "rustls"),
            ("serde_core v1.0.229", "serde"),
            ("tokio v1.54.1", "tokio"),
            ("mio v1.2.5", "tokio"),
        ] {
            let tree = format!("{tree}{line}");
            assert_eq!(foreign(&tree, "tracing"), Some(line));
            assert_eq!(foreign(&tree, feature), None);
        }
        let elsewhere = "amqp-client v0.1.0 (…/serde/rustls/amqp-client)";
        assert_eq!(foreign(elsewhere, "tokio"), None);
        // Strings have nothing to do with it.
        assert_eq!(foreign("stringprep v1.0.0", "tokio"), None);
    }
}
