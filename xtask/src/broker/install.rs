//! Debian packages, installed only when that was asked for or is a matter of course.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use amqp_testing::{BrokerError, broker::Installation};

use super::lock;
use crate::{failure::Failure, progress, workspace};

/// What a person would type.
const BY_HAND: &str = "apt-get update && apt-get install --no-install-recommends";

/// What `apt-get update` locks, and does not wait for.
const LISTS: &str = "/var/lib/apt/lists";

/// Where Debian's tools look for a policy.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages named behind the policy, without starting the services in them.
///
/// The package's own script would start a RabbitMQ that listens on the standard ports.
/// `policy-rc.d` is Debian's way to forbid that. If the machine has a policy of its own, it is left
/// alone, and what it allowed to be started is stopped again. Ours does not outlive the script,
/// interrupted or not: the shell runs what it is to do at its exit only if it exits by itself.
const SCRIPT: &str = r#"
set -e
policy=$1
shift
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=300 update
apt-get -o DPkg::Lock::Timeout=300 install --yes --no-install-recommends "$@"
for package in "$@"; do
    unit=$package.service
    [ -e "/lib/systemd/system/$unit" ] || continue
    if [ -d /run/systemd/system ]; then systemctl disable --now "$unit"; fi
done
"#;

/// Finds the system's RabbitMQ, and installs it if that is allowed.
pub(crate) fn installation(may_install: bool) -> Result<Installation, Failure> {
    match Installation::on_system() {
        Err(BrokerError::NotInstalled { .. }) => {
            packages(&["rabbitmq-server"], may_install)?;
            Ok(Installation::on_system()?)
        }
        result => Ok(result?),
    }
}

/// Installs Debian packages: as root, in CI, or when `may_install` says that the user wants it.
pub(crate) fn packages(names: &[&str], may_install: bool) -> Result<(), Failure> {
    let names_text = names.join(" ");
    let sudo = if workspace::is_root() { "" } else { "sudo " };
    if !Path::new("/usr/bin/apt-get").exists() {
        return Err(Failure::new(format!(
            "{names_text} is missing, and this system has no apt-get to install it with; \
             install it and put its programs on the PATH"
        )));
    }
    if !(may_install || workspace::is_root() || workspace::in_ci()) {
        return Err(Failure::new(format!(
            "{names_text} is missing. Install it:\n  sudo sh -c '{BY_HAND} {names_text}'\n\
             or add --install, and it will be done, without starting it as a service"
        )));
    }
    let log = workspace::scratch().join("install.log");
    let file = create(&log)?;
    let errors = file.try_clone().map_err(Failure::file("write", &log))?;
    let mut command = if sudo.is_empty() {
        Command::new("sh")
    } else {
        Command::new("sudo")
    };
    if !sudo.is_empty() {
        command.arg("sh");
    }
    command
        .args(["-c", SCRIPT, "sh", POLICY])
        .args(names)
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors);
    eprintln!("installing {names_text} with {sudo}apt-get");
    let what = format!("installing {names_text}");
    let status = progress::during(&what, || one_at_a_time(&mut command))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "failed to install {names_text} ({status}); the end of {}:\n{}",
        log.display(),
        tail(&log)
    )))
}

/// Runs an installation when no other is under way: two would meet at the lock of the lists, and
/// the policy of the first would end amid the second.
fn one_at_a_time(installation: &mut Command) -> Result<ExitStatus, Failure> {
    let _lock = lock::take(Path::new(LISTS))?;
    installation.status().map_err(Failure::program("apt-get"))
}

/// Makes a file and the folder it is in.
pub(crate) fn create(path: &Path) -> Result<File, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Failure::file("create", folder))?;
    }
    File::create(path).map_err(Failure::file("create", path))
}

/// The last lines of a file, for an error message.
pub(crate) fn tail(path: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<_> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(20)..)
        .unwrap_or_default()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use std::{
        env,
        io::{BufRead as _, BufReader},
        os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
        process, thread,
    };

    use super::*;

    #[test]
    fn installations_wait_for_each_other() {
        let lists = env::temp_dir().join(format!("xtask-lists-{}", process::id()));
        let script = "mkdir \"$0\" && sleep 0.1 && rmdir \"$0\"";
        let install = || {
            let mut command = Command::new("sh");
            one_at_a_time(command.args(["-c", script]).arg(&lists))
        };
        thread::scope(|scope| {
            let both = [scope.spawn(install), scope.spawn(install)];
            for one in both {
                assert!(one.join().unwrap().unwrap().success());
            }
        });
    }

    #[test]
    fn the_policy_does_not_outlive_an_interruption() {
        let folder = env::temp_dir().join(format!("xtask-install-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (policy, apt) = (folder.join("policy-rc.d"), folder.join("apt-get"));
        fs::write(&apt, "#!/bin/sh\necho at work\nexec sleep 1000\n").unwrap();
        fs::set_permissions(&apt, fs::Permissions::from_mode(0o755)).unwrap();
        let path = env::var("PATH").unwrap();
        for signal in ["HUP", "INT", "TERM"] {
            let mut child = Command::new("sh")
                .args(["-c", SCRIPT, "sh"])
                .args([policy.as_os_str(), "some-package".as_ref()])
                .env("PATH", format!("{}:{path}", folder.display()))
                .stdout(Stdio::piped())
                .process_group(0)
                .spawn()
                .unwrap();
            let output = BufReader::new(child.stdout.take().unwrap());
            assert_eq!(output.lines().next().unwrap().unwrap(), "at work");
            assert!(policy.exists());
            // As Ctrl-C does, to all of the group.
            let kill = format!("kill -s {signal} -- -{}", child.id());
            assert!(
                Command::new("sh")
                    .args(["-c", &kill])
                    .status()
                    .unwrap()
                    .success()
            );
            assert!(!child.wait().unwrap().success());
            assert!(!policy.exists(), "left behind by {signal}");
        }
        fs::remove_dir_all(&folder).unwrap();
    }
}
