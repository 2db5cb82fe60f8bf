//! Where RabbitMQ lives, and how its programs are run there.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::BrokerError;

/// The folder inside a [root](Installation::in_root) that shows the broker's own folder.
const INSIDE: &str = "/mnt";

/// A RabbitMQ on this machine: the system's own, or one inside a root file system.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Installation {
    /// The folder of `rabbitmq-server` and `rabbitmqctl`, as seen from inside the root.
    programs: PathBuf,
    root: Option<PathBuf>,
}

impl Installation {
    /// Names the folder inside which `bin/rabbitmq-server` of another root file system is run.
    pub const ROOT_VARIABLE: &'static str = "AMQP_TEST_ROOT";

    /// Finds RabbitMQ: in the root file system that `AMQP_TEST_ROOT` names, or else on this system,
    /// in Debian's folder or on the `PATH`.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NotInstalled`] with the places that were searched.
    pub fn find() -> Result<Self, BrokerError> {
        if let Some(root) = env::var_os(Self::ROOT_VARIABLE) {
            return Self::in_root(root);
        }
        Self::on_system()
    }

    /// Finds RabbitMQ on this system, whatever `AMQP_TEST_ROOT` says.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NotInstalled`] with the places that were searched.
    pub fn on_system() -> Result<Self, BrokerError> {
        // Debian puts wrappers on the PATH that insist on the user `rabbitmq`; the scripts they
        // wrap run as any user.
        let mut searched = debian_folders("");
        let path = env::var_os("PATH").unwrap_or_default();
        searched.extend(env::split_paths(&path));
        match searched
            .iter()
            .find(|folder| folder.join("rabbitmq-server").is_file())
        {
            Some(programs) => Ok(Self {
                programs: programs.clone(),
                root: None,
            }),
            None => Err(BrokerError::NotInstalled { searched }),
        }
    }

    /// Uses the `rabbitmq-server` and `rabbitmqctl` in this folder.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NotInstalled`] if there is no `rabbitmq-server` in it.
    pub fn in_folder(programs: impl Into<PathBuf>) -> Result<Self, BrokerError> {
        let programs = programs.into();
        if !programs.join("rabbitmq-server").is_file() {
            return Err(BrokerError::NotInstalled {
                searched: vec![programs],
            });
        }
        Ok(Self {
            programs,
            root: None,
        })
    }

    /// Uses the RabbitMQ that is installed inside a root file system, such as one made by
    /// `debootstrap`. Running it needs the right to mount and to change the root: user root.
    ///
    /// # Errors
    ///
    /// [`BrokerError::NotInstalled`] if there is none in it.
    pub fn in_root(root: impl Into<PathBuf>) -> Result<Self, BrokerError> {
        let root = root.into();
        let mut folders = debian_folders("").into_iter();
        let found = folders.find(|folder| within(&root, folder).join("rabbitmq-server").is_file());
        match found {
            Some(programs) => Ok(Self {
                programs,
                root: Some(root),
            }),
            None => {
                let folders = debian_folders("");
                let searched = folders.iter().map(|folder| within(&root, folder)).collect();
                Err(BrokerError::NotInstalled { searched })
            }
        }
    }

    /// The root file system, if it is not this system's.
    #[must_use]
    pub fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// The folder of `rabbitmq-server`, as seen from inside the root.
    pub(crate) fn programs(&self) -> &Path {
        &self.programs
    }

    /// The path by which the programs of this installation know the broker's folder.
    pub(crate) fn inside<'a>(&self, folder: &'a Path) -> &'a Path {
        if self.root.is_some() {
            Path::new(INSIDE)
        } else {
            folder
        }
    }

    /// A command that runs one of RabbitMQ's scripts, or `epmd`, with an empty environment but for
    /// a `PATH`, and `folder` visible as [`inside`](Self::inside) tells.
    ///
    /// The process that the command starts becomes the program: no shell and no `unshare` stays in
    /// between, so its number is the program's.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let script = self.programs.join(program);
        // `epmd` belongs to Erlang and is found by name.
        let program = if program == "epmd" {
            OsStr::new(program)
        } else {
            script.as_os_str()
        };
        let mut command = match &self.root {
            None => Command::new(program),
            Some(root) => in_private_mounts(root, folder, program),
        };
        // Nothing of the caller's environment may steer the node: no RABBITMQ_ variables, no
        // Erlang flags, no locale.
        let path = match &self.root {
            None => env::var_os("PATH").unwrap_or_default(),
            Some(_) => "/usr/sbin:/usr/bin:/sbin:/bin".into(),
        };
        command
            .env_clear()
            .env("PATH", path)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null());
        command
    }
}

/// Starts a program with another root, in a mount namespace of its own.
///
/// The mounts end with the process: nothing has to be unmounted, and a root that is no longer
/// wanted can be deleted without reaching through a forgotten mount into the real `/proc`.
fn in_private_mounts(root: &Path, folder: &Path, program: &OsStr) -> Command {
    const SCRIPT: &str = r#"
        root=$1 folder=$2
        shift 2
        mount -t proc proc "$root/proc" && mount --bind "$folder" "$root/mnt" || exit
        exec chroot "$root" "$@"
    "#;
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-c",
        SCRIPT,
        "sh",
    ]);
    command.arg(root).arg(folder).arg(program);
    command
}

/// Where Debian's package puts the scripts that run as any user.
fn debian_folders(prefix: &str) -> Vec<PathBuf> {
    vec![PathBuf::from(format!("{prefix}/usr/lib/rabbitmq/bin"))]
}

/// The absolute path `path` of a root file system, as seen from outside.
fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_rabbitmq_is_refused_with_its_name() {
        let error = Installation::in_folder("/proc").unwrap_err();
        assert!(
            error.to_string().contains("no rabbitmq-server in /proc"),
            "{error}"
        );
        let error = Installation::in_root("/proc").unwrap_err();
        assert!(
            error.to_string().contains("/proc/usr/lib/rabbitmq/bin"),
            "{error}"
        );
    }

    #[test]
    fn a_command_inherits_nothing_but_the_path() {
        let here = Installation {
            programs: "/opt/bin".into(),
            root: None,
        };
        let command = here.command("rabbitmqctl", Path::new("/data"));
        assert_eq!(command.get_program(), "/opt/bin/rabbitmqctl");
        let names: Vec<_> = command.get_envs().map(|(name, _)| name).collect();
        assert_eq!(names, ["LANG", "PATH"]);
    }
}
