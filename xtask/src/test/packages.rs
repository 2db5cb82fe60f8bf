//! The packages that would be published: what is in them, and whether that is enough for the
//! compiler.
//!
//! Cargo's own verification would build each package by itself, in a target folder of its own, with
//! all dependencies. Here the archives are unpacked side by side, as one workspace with the lock
//! file and the profiles of the repository, so that dependencies which have been compiled already
//! are not compiled again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::report::{Outcome, run_logged};
use crate::{
    crates::{Crate, PUBLISHED},
    failure::Failure,
    workspace,
};

/// The first cargo that packs several crates at once.
const MIN_CARGO: u32 = 90;

pub(super) fn check() -> Result<Outcome, Failure> {
    if cargo_minor()?.is_some_and(|minor| minor < MIN_CARGO) {
        let reason = format!("cargo packs several crates at once from 1.{MIN_CARGO} on");
        return Ok(Outcome::skipped(reason));
    }
    let log = run_logged(&mut pack(), "packages, packing")?;
    if !log.succeeded {
        return Ok(log.into_failure());
    }
    let folder = workspace::scratch().join("packages");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).map_err(Failure::file("create", &folder))?;
    let mut faults = Vec::new();
    let mut n_files = 0;
    for package in PUBLISHED {
        let root = unpack(package, &folder)?;
        let mut files = Vec::new();
        collect(&root, &root, &mut files)?;
        n_files += files.len();
        faults.extend(contents(package, &files));
        faults.extend(places(&root, &files)?);
    }
    if !faults.is_empty() {
        return Ok(Outcome::failed(faults.join("\n")));
    }
    write_workspace(&folder)?;
    let log = run_logged(&mut compile(&folder), "packages, compiling")?;
    if !log.succeeded {
        return Ok(log.into_failure());
    }
    let n_packages = PUBLISHED.len();
    Ok(Outcome::passed(format!(
        "{n_packages} packages with {n_files} files"
    )))
}

/// The 95 of cargo 1.95.0.
fn cargo_minor() -> Result<Option<u32>, Failure> {
    let output = workspace::cargo()
        .arg("--version")
        .output()
        .map_err(Failure::program("cargo"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.split('.').nth(1).and_then(|minor| minor.parse().ok()))
}

fn pack() -> Command {
    let mut command = workspace::cargo();
    // What has not been committed yet is packed as well. Without a lock file, for which cargo would
    // look for our crates in the registry, as long as they are not to be published.
    command.args(["package", "--no-verify", "--allow-dirty"]);
    command.args(["--exclude-lockfile", "--target-dir"]);
    command.arg(workspace::target());
    for package in PUBLISHED {
        command.args(["--package", package.name]);
    }
    command
}

/// Returns the folder of the package. Its files are as old as this moment: those in the archive all
/// have one date, by which cargo would take changed files for what it has compiled before.
fn unpack(package: &Crate, folder: &Path) -> Result<PathBuf, Failure> {
    let name = format!("{}-{}", package.name, env!("CARGO_PKG_VERSION"));
    let archive = workspace::target().join(format!("package/{name}.crate"));
    let status = Command::new("tar")
        .args(["--extract", "--gzip", "--touch", "--file"])
        .arg(&archive)
        .current_dir(folder)
        .stdin(Stdio::null())
        .status()
        .map_err(Failure::program("tar"))?;
    if !status.success() {
        let archive = archive.display();
        return Err(Failure::new(format!("tar does not unpack {archive}")));
    }
    Ok(folder.join(name))
}

/// Finds the files below a folder, as paths relative to the root.
fn collect(root: &Path, folder: &Path, files: &mut Vec<String>) -> Result<(), Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::file("read", folder))?;
    for entry in entries {
        let path = entry.map_err(Failure::file("read", folder))?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else {
            let path = path.strip_prefix(root).unwrap_or(&path);
            files.push(path.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Whether everything is there that has to be, and nothing else.
fn contents(package: &Crate, files: &[String]) -> Vec<String> {
    let name = package.name;
    let required = ["Cargo.toml", "README.md", "src/lib.rs"].iter();
    let required = required.chain(package.licences);
    let missing = required
        .filter(|file| !files.iter().any(|it| it == *file))
        .map(|file| format!("{name}: {file} is missing"));
    let strange = files
        .iter()
        .filter(|file| !belongs(package, file))
        .map(|file| format!("{name}: {file} is not meant to be in the package"));
    missing.chain(strange).collect()
}

/// Sources, examples, specification files, and what cargo puts in. No tests: they need files from
/// elsewhere in the repository.
fn belongs(package: &Crate, file: &str) -> bool {
    const CARGO: &[&str] = &[".cargo_vcs_info.json", "Cargo.toml", "Cargo.toml.orig"];
    let is_source = file.starts_with("src/")
        && !file.starts_with("src/tests/")
        && (file.ends_with(".rs") || file.ends_with("/README.md"));
    let is_example =
        file.starts_with("examples/") && (file.ends_with(".rs") || file.ends_with(".toml"));
    CARGO.contains(&file)
        || file == "README.md"
        || package.licences.contains(&file)
        || is_source
        || is_example
        || file.starts_with("spec/")
}

/// Paths of this machine: of the repository, and of the user.
fn places(root: &Path, files: &[String]) -> Result<Vec<String>, Failure> {
    let mut places = vec![workspace::root(), workspace::target()];
    places.extend(std::env::var_os("CARGO_HOME").map(PathBuf::from));
    places.extend(std::env::var_os("HOME").map(PathBuf::from));
    let places = places.iter().map(|path| path.to_string_lossy());
    // A path of one component, as that of user root may be, is found in many a text.
    let places: Vec<_> = places
        .filter(|path| path.matches('/').count() > 1)
        .collect();
    let mut faults = Vec::new();
    for file in files {
        let path = root.join(file);
        let text = fs::read(&path).map_err(Failure::file("read", &path))?;
        let text = String::from_utf8_lossy(&text);
        if let Some(place) = places.iter().find(|place| text.contains(&***place)) {
            let package = root.file_name().unwrap_or_default().to_string_lossy();
            faults.push(format!("{package}: {file} names {place}"));
        }
    }
    Ok(faults)
}

/// Makes one workspace of the unpacked packages, in which they take each other for those of the
/// registry.
fn write_workspace(folder: &Path) -> Result<(), Failure> {
    let copy = |from: PathBuf, to: &str| {
        let to = folder.join(to);
        fs::copy(&from, &to).map_err(Failure::file("write", &to))
    };
    copy(workspace::root().join("Cargo.lock"), "Cargo.lock")?;
    let path = workspace::root().join("Cargo.toml");
    let manifest = fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let path = folder.join("Cargo.toml");
    fs::write(&path, workspace_manifest(&manifest)).map_err(Failure::file("write", &path))
}

/// `manifest` is that of the repository, whose profiles decide whether what was compiled there can
/// be used again.
fn workspace_manifest(manifest: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = "[workspace]\nresolver = \"3\"\nmembers = [".to_owned();
    for package in PUBLISHED {
        text += &format!("\"{}-{version}\", ", package.name);
    }
    text += "]\n\n[patch.crates-io]\n";
    for package in PUBLISHED {
        let name = package.name;
        text += &format!("{name} = {{ path = \"{name}-{version}\" }}\n");
    }
    let mut is_profile = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_profile = line.starts_with("[profile.");
        }
        if is_profile {
            text += line;
            text.push('\n');
        }
    }
    text
}

fn compile(folder: &Path) -> Command {
    let mut command = workspace::cargo();
    command
        .args([
            "check",
            "--workspace",
            "--all-features",
            "--lib",
            "--examples",
        ])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", workspace::target());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> &'static Crate {
        PUBLISHED.iter().find(|it| it.name == name).unwrap()
    }

    #[test]
    fn what_is_missing_and_what_is_too_much_is_named() {
        let good = [
            "Cargo.toml",
            "Cargo.toml.orig",
            "README.md",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "src/lib.rs",
            "src/a/b.rs",
            "examples/a.rs",
        ];
        let check = |name: &str, changed: &dyn Fn(&mut Vec<String>)| {
            let mut files: Vec<_> = good.iter().map(|&file| file.to_owned()).collect();
            changed(&mut files);
            contents(package(name), &files)
        };
        assert_eq!(check("amqp-client", &|_| {}), [""; 0]);
        let missing = ["amqp-spec: NOTICE is missing"];
        assert_eq!(check("amqp-spec", &|_| {}), missing);
        for file in ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "src/lib.rs"] {
            let faults = check("amqp-client", &|files| files.retain(|it| it != file));
            assert_eq!(faults, [format!("amqp-client: {file} is missing")]);
        }
        for file in [
            "tests/keys/pkcs8.pem",
            "src/tests/mod.rs",
            "src/a/key.pem",
            "examples/a.json",
            ".gitattributes",
            "NOTICE",
        ] {
            let faults = check("amqp-client", &|files| files.push(file.to_owned()));
            let expected = format!("amqp-client: {file} is not meant to be in the package");
            assert_eq!(faults, [expected]);
        }
    }

    #[test]
    fn paths_of_this_machine_are_found() {
        let folder = std::env::temp_dir().join(format!("xtask-packages-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let here = workspace::root().join("x").display().to_string();
        fs::write(folder.join("bad.rs"), format!("// see {here}")).unwrap();
        fs::write(folder.join("good.rs"), "// see src/x").unwrap();
        let faults = places(&folder, &["good.rs".to_owned(), "bad.rs".to_owned()]).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(faults.len(), 1);
        assert!(faults[0].contains("bad.rs names "), "{faults:?}");
    }

    #[test]
    fn packages_are_compiled_as_the_repository_is() {
        let manifest =
            "[workspace]\nmembers = [\"a\"]\n\n[profile.dev]\ndebug = 1\n\n[other]\nx = 1\n";
        let text = workspace_manifest(manifest);
        assert!(text.contains("[profile.dev]\ndebug = 1\n"), "{text}");
        assert!(!text.contains("other"), "{text}");
        assert!(text.contains("amqp-spec = { path = \"amqp-spec-"), "{text}");
    }
}
