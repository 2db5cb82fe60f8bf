//! The crates that are meant to be published one day, and what each of them carries.

/// A crate of ours that others may use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crate {
    /// Its name and its folder.
    pub(crate) name: &'static str,
    /// The texts that it has to carry, equal to those at the top of the repository.
    pub(crate) licences: &'static [&'static str],
}

const OURS: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT"];

/// Where specification files, or what is generated from them, are inside.
const OURS_AND_OTHERS: &[&str] = &["LICENSE-APACHE", "LICENSE-MIT", "NOTICE"];

pub(crate) const PUBLISHED: &[Crate] = &[
    Crate {
        name: "amqp-spec",
        licences: OURS_AND_OTHERS,
    },
    Crate {
        name: "amqp-codegen",
        licences: OURS_AND_OTHERS,
    },
    Crate {
        name: "amqp-client",
        licences: OURS,
    },
    Crate {
        name: "amqp-testing",
        licences: OURS,
    },
];
