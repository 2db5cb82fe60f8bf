//! The clients, and building their programs.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;

/// A client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client {
    /// The word for it on the command line.
    pub(crate) id: &'static str,
    /// The name in the table.
    pub(crate) label: &'static str,
    /// The package of its program, which is the program's name too.
    package: &'static str,
}

/// All of them.
pub(crate) const ALL: [Client; 3] = [
    Client {
        id: "ours",
        label: "this client",
        package: "recovery-ours",
    },
    Client {
        id: "lapin",
        label: "lapin 4.12.3",
        package: "recovery-lapin",
    },
    Client {
        id: "amqp-client",
        label: "amqp-client 0.1.0",
        package: "recovery-amqp-client",
    },
];

impl Client {
    /// Builds its program, and says where it is.
    pub(crate) fn build(&self) -> Result<PathBuf, Failure> {
        let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
        let built = Command::new("cargo")
            .current_dir(&bench)
            .args(["build", "--quiet", "--release", "-p", self.package])
            .status()?;
        if !built.success() {
            return Err(format!("{} is not built", self.package).into());
        }
        let target = env::var_os("CARGO_TARGET_DIR");
        let target = target.map_or_else(|| bench.join("target"), PathBuf::from);
        Ok(target.join("release").join(self.package))
    }
}
