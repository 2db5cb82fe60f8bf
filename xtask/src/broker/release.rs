//! The RabbitMQ of another Debian release, in a root file system of its own.
//!
//! `debootstrap` makes the file system from the package mirror that this machine's apt uses, and
//! apt inside it installs RabbitMQ. That takes half a minute, so the result is kept outside the
//! clone, where the next clone finds it too. It is made under another name and renamed when it is
//! complete: a file system under its right name is a finished one.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

use amqp_testing::broker::Installation;

use super::install;
use crate::{failure::Failure, guard, progress, workspace};

/// Names the folder in which the file systems are kept, instead of the one below.
const CACHE_VARIABLE: &str = "AMQP_TEST_CACHE";
const CACHE: &str = "/var/cache/amqp-testing";

/// After this time a file system is made anew, as the packages in it have gone on.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A file in the root whose time tells when it was made.
const MARKER: &str = "etc/amqp-testing";

/// Inside the new root: the proc file system is mounted where nobody else sees it.
const INSTALL: &str = r#"
root=$1
mount -t proc proc "$root/proc" || exit
export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin
exec chroot "$root" sh -c 'apt-get update &&
    apt-get install --yes --no-install-recommends rabbitmq-server && apt-get clean'
"#;

/// Finds the RabbitMQ of a release, and makes its file system first if there is none.
pub(crate) fn installation(release: &str) -> Result<Installation, Failure> {
    if !workspace::is_root() {
        return Err(Failure::new(format!(
            "--release {release} makes a root file system and runs RabbitMQ in it; only root may do \
             that"
        )));
    }
    let cache = std::env::var_os(CACHE_VARIABLE).map_or_else(|| CACHE.into(), PathBuf::from);
    let root = cache.join(release);
    let is_there = root.is_dir();
    if !is_there || (is_old(&root) && !is_in_use(&root)) {
        match make(release, &cache, &root) {
            Err(failure) if is_there => {
                eprintln!("using the {release} made earlier: {}", failure.message());
            }
            result => result?,
        }
    }
    // The names by which this machine knows itself and its name servers may have changed.
    copy_into(&root, &["etc/hosts", "etc/resolv.conf"])?;
    Ok(Installation::in_root(root)?)
}

fn make(release: &str, cache: &Path, root: &Path) -> Result<(), Failure> {
    let debootstrap = ["debootstrap", "debian-archive-keyring"];
    if !Path::new("/usr/sbin/debootstrap").exists() {
        install::packages(&debootstrap, false)?;
    }
    fs::create_dir_all(cache).map_err(Failure::file("create", cache))?;
    delete_abandoned(cache);
    let partial = cache.join(format!("{release}.partial-{}", process::id()));
    let what = format!("making a root file system of Debian {release} with RabbitMQ");
    eprintln!("{what} in {}", root.display());
    let made = progress::during(&what, || fill(release, &partial));
    if made.is_ok() && replace(root, &partial, cache)? {
        return Ok(());
    }
    // Either it failed, or somebody else was faster.
    let _ = fs::remove_dir_all(&partial);
    made
}

fn fill(release: &str, root: &Path) -> Result<(), Failure> {
    let log = workspace::scratch().join(format!("release-{release}.log"));
    let mirror = mirror()?;
    // What it mounts is gone with it, also if it is interrupted.
    let mut debootstrap = Command::new("unshare");
    debootstrap.args(["--mount", "--propagation", "private", "debootstrap"]);
    debootstrap.arg("--variant=minbase");
    if mirror.starts_with("https:") {
        debootstrap.arg("--include=ca-certificates");
    }
    for scheme in ["http", "https"] {
        if let Some(proxy) = apt_config(&format!("Acquire::{scheme}::Proxy")) {
            debootstrap.env(format!("{scheme}_proxy"), proxy);
        }
    }
    debootstrap.arg(release).arg(root).arg(&mirror);
    run("debootstrap", &debootstrap, root, &log)?;
    copy_into(root, &["etc/hosts", "etc/resolv.conf"])?;
    if mirror.starts_with("https:") {
        // Whom this machine trusts, which may be more than the package knows.
        copy_into(root, &["etc/ssl/certs/ca-certificates.crt"])?;
    }
    // Proxies, timeouts and what else this machine needs to reach its mirror.
    write(
        &root.join("etc/apt/apt.conf.d/00host"),
        &acquire_settings()?,
    )?;
    // No package may start a service: this is not a running system.
    let policy = root.join("usr/sbin/policy-rc.d");
    write(&policy, "#!/bin/sh\nexit 101\n")?;
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o755))
        .map_err(Failure::file("change the mode of", &policy))?;
    let mut install = Command::new("unshare");
    install
        .args([
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            INSTALL,
            "sh",
        ])
        .arg(root);
    run("installing RabbitMQ in it", &install, root, &log)?;
    write(&root.join(MARKER), "")
}

/// Deletes what interrupted runs have left behind.
fn delete_abandoned(cache: &Path) {
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        // The number at the end of the name is that of the process that was at work.
        let Some((kind, process)) = name.rsplit_once('-') else {
            continue;
        };
        let is_ours = kind == "old" || kind.ends_with(".partial");
        if is_ours && !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Puts a finished file system in its place; tells whether it did.
fn replace(root: &Path, partial: &Path, cache: &Path) -> Result<bool, Failure> {
    let old = cache.join(format!("old-{}", process::id()));
    if root.exists() {
        if !is_old(root) {
            return Ok(false);
        }
        fs::rename(root, &old).map_err(Failure::file("rename", root))?;
    }
    let renamed = fs::rename(partial, root);
    let _ = fs::remove_dir_all(&old);
    Ok(renamed.is_ok())
}

/// The package mirror of this machine's apt: of the release that runs, if apt tells, and otherwise
/// the first.
fn mirror() -> Result<String, Failure> {
    let format = "$(RELEASE) $(COMPONENT) $(REPO_URI)";
    let list = output(
        "apt-get",
        &["indextargets", "--format", format, "Created-By: Packages"],
    )?;
    let system = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let codename = system
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    choose_mirror(&list, codename.unwrap_or_default())
        .ok_or_else(|| Failure::new("apt on this machine names no package mirror"))
}

/// `list` has lines of release, component and address.
fn choose_mirror(list: &str, codename: &str) -> Option<String> {
    let mirrors: Vec<(&str, &str)> = list
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            let (release, component, address) = (words.next()?, words.next()?, words.next()?);
            (component == "main" && address.starts_with("http")).then_some((release, address))
        })
        .collect();
    let own = mirrors.iter().find(|(release, _)| *release == codename);
    own.or_else(|| mirrors.first())
        .map(|(_, address)| (*address).to_owned())
}

/// How this machine's apt reaches its mirrors, as a file for another apt.
fn acquire_settings() -> Result<String, Failure> {
    Ok(select_settings(&output("apt-config", &["dump"])?))
}

fn select_settings(dump: &str) -> String {
    let kept = ["http", "https", "Check-", "Retries", "ForceIPv", "Allow"];
    let is_kept = |line: &&str| {
        let rest = line.strip_prefix("Acquire::");
        rest.is_some_and(|rest| kept.iter().any(|prefix| rest.starts_with(prefix)))
    };
    dump.lines()
        .filter(is_kept)
        .map(|line| format!("{line}\n"))
        .collect()
}

fn apt_config(key: &str) -> Option<String> {
    let line = output("apt-config", &["dump", "--format", "%v%n", key]).ok()?;
    line.lines()
        .next()
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
}

/// Tells whether a process on this machine has the folder as its root.
fn is_in_use(root: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else {
        return true;
    };
    processes
        .flatten()
        .any(|process| fs::read_link(process.path().join("root")).is_ok_and(|link| link == root))
}

fn is_old(root: &Path) -> bool {
    // The folder's own time is that of debootstrap's last step on its top level.
    let made = fs::metadata(root)
        .and_then(|metadata| metadata.modified())
        .ok();
    made.and_then(|time| time.elapsed().ok())
        .is_some_and(|age| age > MAX_AGE)
}

fn copy_into(root: &Path, files: &[&str]) -> Result<(), Failure> {
    for file in files {
        let (from, to) = (Path::new("/").join(file), root.join(file));
        let same = |a: &fs::Metadata, b: &fs::Metadata| a.ino() == b.ino() && a.dev() == b.dev();
        let is_same =
            matches!((fs::metadata(&from), fs::metadata(&to)), (Ok(a), Ok(b)) if same(&a, &b));
        if from.exists() && !is_same {
            fs::copy(&from, &to).map_err(Failure::file("write", &to))?;
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(Failure::file("write", path))
}

/// Runs a command with its output in a log. If this program is interrupted, the file system that is
/// being made goes with it.
fn run(name: &str, command: &Command, root: &Path, log: &Path) -> Result<(), Failure> {
    let file = install::create(log)?;
    let status = guard::logged(command, root, file).map_err(Failure::program(name))?;
    if status.success() {
        return Ok(());
    }
    let tail = install::tail(log);
    Err(Failure::new(format!(
        "{name} failed ({status}); the end of {}:\n{tail}",
        log.display()
    )))
}

fn output(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(Failure::program(program))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mirror_of_the_running_release_is_preferred() {
        let list = "bookworm-security main http://one.example/security/\n\
                    bookworm contrib http://two.example/debian/\n\
                    bookworm main http://three.example/debian/\n\
                    bookworm main cdrom:[x]/\n";
        let three = Some("http://three.example/debian/".to_owned());
        assert_eq!(choose_mirror(list, "bookworm"), three);
        let one = Some("http://one.example/security/".to_owned());
        assert_eq!(choose_mirror(list, "trixie"), one);
        assert_eq!(choose_mirror("", "trixie"), None);
    }

    #[test]
    fn only_settings_about_reaching_the_mirror_are_taken_along() {
        let dump = "APT::Architecture \"amd64\";\n\
                    Acquire::Check-Date \"false\";\n\
                    Acquire::IndexTargets::deb \"\";\n\
                    Acquire::http::Proxy \"http://proxy.example\";\n";
        assert_eq!(
            select_settings(dump),
            "Acquire::Check-Date \"false\";\nAcquire::http::Proxy \"http://proxy.example\";\n"
        );
    }
}
