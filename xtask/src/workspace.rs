//! Where things are, and who runs us.

use std::{
    env,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::Command,
};

/// The root of the repository.
///
/// Cargo tells where this package is when it runs it; the path that was compiled in is for those
/// who run the binary without cargo.
pub(crate) fn root() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package
        .parent()
        .unwrap_or_else(|| Path::new("/"))
        .to_owned()
}

/// Cargo's target folder.
pub(crate) fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        // A relative folder is meant from where cargo was called.
        Some(folder) => env::current_dir().unwrap_or_default().join(folder),
        None => root().join("target"),
    }
}

/// The folder for our own files below the target folder.
pub(crate) fn scratch() -> PathBuf {
    target().join("xtask")
}

/// A command for the cargo that runs us, and thereby of its toolchain, in the root of the
/// repository.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    forget_own_package(&mut command);
    command
}

/// What cargo told this program about its package is not true of what is run next.
pub(crate) fn forget_own_package(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
}

/// Tells whether this runs as continuous integration, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

/// Tells whether this process may do everything.
pub(crate) fn is_root() -> bool {
    // The owner of the process's own entry is its effective user.
    std::fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0)
}
