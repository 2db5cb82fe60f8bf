//! Formatting what is generated, by the rustfmt of the toolchain.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use crate::{failure::Failure, workspace};

/// Formats Rust with the settings of this repository.
pub(super) fn format(text: &str, name: &str) -> Result<String, Failure> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(workspace::root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Failure::program("rustfmt"))?;
    // rustfmt reads all of its input before it writes, so neither side waits for the other.
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(text.as_bytes())
            .map_err(Failure::program("rustfmt"))?;
    }
    let output = child
        .wait_with_output()
        .map_err(Failure::program("rustfmt"))?;
    if output.status.success() {
        return String::from_utf8(output.stdout)
            .map_err(|error| Failure::new(format!("rustfmt of {name}: {error}")));
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(Failure::new(format!(
        "rustfmt does not understand the generated {name}:\n{errors}"
    )))
}
