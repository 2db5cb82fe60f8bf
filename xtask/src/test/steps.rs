//! The steps of `cargo xtask test` and `cargo xtask ci-extra`, as data.

/// One thing to do.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A cargo command.
    Cargo {
        name: &'static str,
        arguments: &'static [&'static str],
        variables: Variables,
    },
    Tidy,
    Generated,
    /// Each feature of the client alone, with its documentation.
    Features,
    /// What would be published.
    Packages,
    /// All tests, those that need a broker against this one.
    AllTests {
        broker: String,
    },
    /// Only the broker tests, which the first broker has run already.
    BrokerTests {
        broker: String,
    },
    /// What takes too long for every change, of these test binaries against this broker.
    Longer {
        name: &'static str,
        tests: Binaries,
        variables: Variables,
        broker: String,
    },
}

/// The step without which no tests can run.
pub(super) const COMPILING: &str = "compiling the tests";

/// Everything, with all features.
const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--all-features",
    "--",
    "-D",
    "warnings",
];

const CLIPPY_CORE: &[&str] = &[
    "clippy",
    "-p",
    "amqp-client",
    "--no-default-features",
    "--",
    "-D",
    "warnings",
];

const DOC_NO_FEATURES: &[&str] = &[
    "doc",
    "-p",
    "amqp-client",
    "-p",
    "amqp-testing",
    "--no-deps",
    "--no-default-features",
];

/// Links that lead nowhere are errors.
pub(super) const STRICT_DOCUMENTATION: Variables = &[("RUSTDOCFLAGS", "-D warnings")];

pub(super) type Variables = &'static [(&'static str, &'static str)];

/// Test binaries: package and target.
pub(super) type Binaries = &'static [(&'static str, &'static str)];

impl Step {
    pub(super) fn runs_tests(&self) -> bool {
        matches!(self, Self::AllTests { .. } | Self::BrokerTests { .. })
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::Cargo { name, .. } => (*name).to_owned(),
            Self::Tidy => "house rules".to_owned(),
            Self::Generated => "generated files".to_owned(),
            Self::Features => "features".to_owned(),
            Self::Packages => "packages".to_owned(),
            Self::AllTests { broker } => format!("all tests, broker {broker}"),
            Self::BrokerTests { broker } => format!("broker tests, broker {broker}"),
            Self::Longer { name, broker, .. } => format!("{name}, broker {broker}"),
        }
    }
}

pub(super) fn steps(brokers: &[String]) -> Vec<Step> {
    let with = |variables| {
        move |name, arguments| Step::Cargo {
            name,
            arguments,
            variables,
        }
    };
    let (cargo, documentation) = (with(&[]), with(STRICT_DOCUMENTATION));
    let mut steps = vec![
        cargo("formatting", &["fmt", "--all", "--check"]),
        Step::Tidy,
        Step::Generated,
        cargo("clippy", CLIPPY),
        cargo("clippy, the core alone", CLIPPY_CORE),
        Step::Features,
        // All features last: those pages are then left in the target folder.
        documentation("documentation, no features", DOC_NO_FEATURES),
        documentation(
            "documentation, default features",
            &["doc", "--workspace", "--no-deps"],
        ),
        documentation(
            "documentation",
            &["doc", "--workspace", "--no-deps", "--all-features"],
        ),
        cargo(
            COMPILING,
            &["test", "--workspace", "--all-features", "--no-run"],
        ),
        // Behind what has compiled the dependencies.
        Step::Packages,
        // What is said of TLS by a program that has none.
        cargo(
            "the client without TLS",
            &[
                "test",
                "-p",
                "amqp-client",
                "--test",
                "scripted",
                "connecting",
            ],
        ),
    ];
    let mut brokers = brokers.iter().cloned();
    steps.extend(brokers.next().map(|broker| Step::AllTests { broker }));
    steps.extend(brokers.map(|broker| Step::BrokerTests { broker }));
    steps
}

/// Tests that are longer with a variable, with the binaries they are in.
const LONGER: &[(&str, Binaries, Variables)] = &[
    (
        "slow probes",
        &[("amqp-testing", "differential")],
        &[("SLOW_PROBES", "1")],
    ),
    (
        "clusters",
        &[("amqp-testing", "launcher")],
        &[("CLUSTER_TESTS", "1")],
    ),
    (
        "long faults",
        &[("amqp-client", "recovery")],
        &[("RECOVERY_FAULTS", "long")],
    ),
];

/// What `cargo xtask ci-extra` runs.
pub(super) fn extra_steps(brokers: &[String]) -> Vec<Step> {
    let mut steps = vec![
        Step::Cargo {
            name: "every edit of the specification",
            arguments: &["test", "-p", "amqp-codegen", "--test", "edits"],
            variables: &[("EVERY_EDIT", "1")],
        },
        Step::Cargo {
            name: "more specifications that are made up",
            arguments: &["test", "-p", "amqp-codegen", "--test", "compile"],
            variables: &[("RANDOM_MODELS", "100"), ("RANDOM_SEED", "1000")],
        },
        Step::Cargo {
            name: "interruptions at every step",
            arguments: &["test", "-p", "xtask", "--test", "it", "interrupted"],
            variables: &[("EVERY_INTERRUPTION", "1")],
        },
    ];
    for broker in brokers {
        let longer = LONGER.iter().map(|(name, tests, variables)| Step::Longer {
            name,
            tests,
            variables,
            broker: broker.clone(),
        });
        steps.extend(longer);
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broker_runs_all_tests_and_the_others_their_own() {
        let names: Vec<_> = steps(&["system".into(), "trixie".into()])
            .iter()
            .map(Step::name)
            .collect();
        let tail = &names[names.len() - 2..];
        assert_eq!(
            tail,
            ["all tests, broker system", "broker tests, broker trixie"]
        );
    }

    #[test]
    fn documentation_is_strict_for_every_set_of_features() {
        let steps = steps(&["system".into()]);
        let documented: Vec<_> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Cargo {
                    arguments: ["doc", arguments @ ..],
                    variables,
                    ..
                } => {
                    assert_eq!(*variables, STRICT_DOCUMENTATION);
                    Some(arguments.last().copied().unwrap_or_default())
                }
                _ => None,
            })
            .collect();
        let expected = ["--no-default-features", "--no-deps", "--all-features"];
        assert_eq!(documented, expected);
    }
}
