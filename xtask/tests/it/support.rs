//! Running the command with a target folder of its own, and looking at what it leaves.

use std::{
    collections::HashMap,
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use amqp_testing::broker::Installation;

/// Long enough for anything that happens at all.
const LONG: Duration = Duration::from_secs(300);

/// A target folder, and what runs in it. Dropping it stops the brokers and deletes it.
pub(crate) struct Place {
    pub(crate) target: PathBuf,
}

impl Place {
    pub(crate) fn new(name: &str) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("xtask {name}"));
        let _ = fs::remove_dir_all(&target);
        fs::create_dir_all(&target).unwrap();
        Self { target }
    }

    /// `None` if there is no RabbitMQ to start.
    pub(crate) fn with_rabbitmq(name: &str) -> Option<Self> {
        match Installation::on_system() {
            Ok(_) => Some(Self::new(name)),
            Err(error) if env::var_os("CI").is_none() => {
                eprintln!("not tested: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(line.split(' '))
            .env("CARGO_TARGET_DIR", &self.target)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn start(&self, line: &str) -> Child {
        self.command(line).spawn().unwrap()
    }

    pub(crate) fn run(&self, line: &str) -> Ended {
        Ended::of(self.start(line))
    }

    /// A cargo that does what the script says, in place of the real one.
    pub(crate) fn fake_cargo(&self, script: &str) -> PathBuf {
        let path = self.target.join("cargo");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The brokers' folders that are there.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let scratch = self.target.join("xtask");
        for parent in [scratch.join("broker"), scratch] {
            let Ok(entries) = fs::read_dir(&parent) else {
                continue;
            };
            let paths = entries.flatten().map(|entry| entry.path());
            found.extend(paths.filter(|path| is_of_a_broker(path)));
        }
        found
    }

    /// The living processes that were started from here: those of brokers, and commands.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let target = self.target.to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // The folder is in the environment of all of them, and in that of a shell that watches over
        // them, too; it is not in ours.
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(target)
        })
        .collect()
    }

    /// Waits until neither processes nor folders are left, and no state of any kind.
    #[track_caller]
    pub(crate) fn wait_until_nothing_is_left(&self, when: &str) {
        let deadline = Instant::now() + LONG;
        while !(self.processes().is_empty() && self.folders().is_empty()) {
            let left = (self.processes(), self.folders());
            assert!(Instant::now() < deadline, "{when}: {left:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.run("broker stop --all");
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.target);
        }
    }
}

fn is_of_a_broker(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with("broker-")
}

/// How a command ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn of(child: Child) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = child.wait_with_output().unwrap();
        let text = |octets| String::from_utf8(octets).unwrap();
        Self {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Fails with this in its error.
    #[track_caller]
    pub(crate) fn fails_with(&self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let error = self.stderr.lines().any(|line| line.starts_with("error: "));
        assert!(error && self.stderr.contains(part), "{part}: {self:?}");
    }
}

/// The environment of a shell that has evaluated the commands, of which only ours are of interest.
pub(crate) fn evaluated(commands: &str) -> HashMap<String, String> {
    let output = Command::new("sh")
        .args(["-c", "eval \"$1\" && env -0", "sh", commands])
        // Of another broker.
        .env("AMQP_USER", "other")
        .env("AMQP_PASSWORD", "other")
        .env("AMQP_CACERTFILE", "/other")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let variables = text.split('\0').filter_map(|line| line.split_once('='));
    variables
        .filter(|(name, _)| name.starts_with("AMQP_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

pub(crate) fn signal(name: &str, child: &Child) {
    let status = Command::new("sh")
        .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name])
        .arg(child.id().to_string())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Waits for something to happen while the child runs.
#[track_caller]
pub(crate) fn wait_until(child: &mut Child, what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        let has_ended = child.try_wait().unwrap();
        // What it did last may have been this.
        let is_too_late = has_ended.is_some() && !condition();
        assert!(!is_too_late, "ended before {what}: {has_ended:?}");
        assert!(Instant::now() < deadline, "no {what}");
        thread::sleep(Duration::from_millis(2));
    }
}
