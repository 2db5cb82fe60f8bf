//! The features of the client: each one compiles and is documented alone, and those without TLS
//! compile none.
//!
//! What the features do together is seen by the other steps, which turn all of them on.

use std::{fs, process::Command};

use super::report::{Outcome, run_logged};
use super::steps::STRICT_DOCUMENTATION;
use crate::{failure::Failure, workspace};

/// Whose features these are.
const PACKAGE: &str = "amqp-client";

/// Parts of the names of crates that TLS is made of.
const TLS: &[&str] = &[
    "rustls",
    "webpki",
    "ring ",
    "aws-lc",
    "openssl",
    "native-tls",
];

/// Features whose name begins so are about TLS.
const TLS_FEATURE: &str = "rustls";

pub(super) fn check() -> Result<Outcome, Failure> {
    let path = workspace::root().join(PACKAGE).join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let features = names(&manifest);
    if features.is_empty() {
        return Err(Failure::new(format!("{PACKAGE} has no features")));
    }
    for feature in &features {
        if !feature.starts_with(TLS_FEATURE) {
            if let Some(found) = tls_in(&tree(feature)?) {
                let message = format!("with the feature {feature}, {PACKAGE} depends on {found}");
                return Ok(Outcome::failed(message));
            }
        }
        let mut command = with_feature("clippy", feature);
        command.args(["--quiet", "--", "-D", "warnings"]);
        let log = run_logged(&mut command, &format!("feature {feature}"))?;
        if !log.succeeded {
            return Ok(log.into_failure());
        }
        // A link to what another feature adds would lead nowhere.
        let mut command = with_feature("doc", feature);
        command.args(["--no-deps", "--quiet"]);
        command.envs(STRICT_DOCUMENTATION.iter().copied());
        let log = run_logged(&mut command, &format!("documentation, feature {feature}"))?;
        if !log.succeeded {
            return Ok(log.into_failure());
        }
    }
    Ok(Outcome::passed(features.join(", ")))
}

fn with_feature(verb: &str, feature: &str) -> Command {
    let mut command = workspace::cargo();
    command.args([verb, "-p", PACKAGE, "--no-default-features"]);
    command.args(["--features", feature]);
    command
}

/// What users of the feature compile: one crate a line.
fn tree(feature: &str) -> Result<String, Failure> {
    let mut command = with_feature("tree", feature);
    command.args(["--edges", "normal", "--prefix", "none", "--quiet"]);
    let output = command.output().map_err(Failure::program("cargo"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure::new(text));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn tls_in(tree: &str) -> Option<&str> {
    tree.lines()
        .find(|line| TLS.iter().any(|part| line.contains(part)))
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
    fn crates_of_tls_are_known() {
        let tree = "amqp-client v0.1.0\nbytes v1.12.2\n";
        assert_eq!(tls_in(tree), None);
        for line in [
            "ring v0.17.14",
            "rustls v0.23.46",
            "rustls-webpki v0.103.17",
        ] {
            assert_eq!(tls_in(&format!("{tree}{line}")), Some(line));
        }
        // Strings have nothing to do with it.
        assert_eq!(tls_in("stringprep v1.0.0"), None);
    }
}
