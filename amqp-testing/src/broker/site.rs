//! What all nodes of one private broker have in common: its folder, its cookie and its `epmd`.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    net::{Ipv4Addr, TcpStream},
    os::unix::{fs::OpenOptionsExt as _, process::CommandExt as _},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    BrokerError, BrokerOptions, Installation,
    ports::random,
    process::{IDENTITY, POLL, Process, deadline},
};

/// How much of a log is shown when something fails.
const TAIL: u64 = 16 << 10;

/// The place of one broker on this machine.
#[derive(Debug)]
pub(crate) struct Site {
    /// A random word; part of every name, and in the environment of every process.
    pub(crate) identity: String,
    pub(crate) installation: Installation,
    /// The broker's own folder, as this process sees it.
    pub(crate) directory: PathBuf,
    /// Where the broker's own port mapper listens. With a port mapper of its own, the broker can
    /// neither see nor disturb other Erlang nodes on this machine.
    pub(crate) epmd_port: u16,
    /// How long a node may take to start or to stop.
    pub(crate) timeout: Duration,
}

impl Site {
    /// Chooses the broker's identity and its folder, which is not made yet.
    pub(crate) fn choose(options: &BrokerOptions, epmd_port: u16) -> Result<Self, BrokerError> {
        let installation = match &options.installation {
            Some(installation) => installation.clone(),
            None => Installation::find()?,
        };
        let identity = format!("{:012x}", random() >> 16);
        let parent = &options.directory;
        fs::create_dir_all(parent)
            .map_err(BrokerError::io(format!("create {}", parent.display())))?;
        // RabbitMQ changes its working folder, so every path has to be absolute.
        let parent = fs::canonicalize(parent)
            .map_err(BrokerError::io(format!("find {}", parent.display())))?;
        if parent.to_string_lossy().contains('\'') {
            // Its monitor of the disk asks a shell, and waits for the answer for ever.
            return Err(BrokerError::Invalid {
                expected: "a folder without an apostrophe in its path, with which RabbitMQ starts",
                found: parent.display().to_string(),
            });
        }
        Ok(Self {
            directory: parent.join(format!("broker-{identity}")),
            identity,
            installation,
            epmd_port,
            timeout: options.timeout,
        })
    }

    /// Makes the broker's folder.
    pub(crate) fn create(&self) -> Result<(), BrokerError> {
        // Erlang insists that no other user can read the cookie.
        self.write_with_mode("home/.erlang.cookie", &format!("{:032X}", random()), 0o400)
    }

    /// A command with the environment that every program of this broker needs.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.installation.command(program, &self.directory);
        command
            .env(IDENTITY, &self.identity)
            .env("HOME", self.inside("home"))
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .current_dir(&self.directory);
        command
    }

    /// The path of one of the broker's files as RabbitMQ sees it.
    pub(crate) fn inside(&self, relative: &str) -> PathBuf {
        self.installation.inside(&self.directory).join(relative)
    }

    /// Writes one of the broker's files, and the folders above it.
    pub(crate) fn write(&self, relative: &str, text: &str) -> Result<(), BrokerError> {
        self.write_with_mode(relative, text, 0o600)
    }

    fn write_with_mode(&self, relative: &str, text: &str, mode: u32) -> Result<(), BrokerError> {
        let path = self.directory.join(relative);
        let failed = || BrokerError::io(format!("write {}", path.display()));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed())?;
        }
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true).mode(mode);
        options
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed())
    }

    /// Opens a file to which a program's output is appended.
    pub(crate) fn output(&self, relative: &str) -> Result<(Stdio, Stdio), BrokerError> {
        let path = self.directory.join(relative);
        let open = || {
            let file = File::options().create(true).append(true).open(&path)?;
            Ok((Stdio::from(file.try_clone()?), Stdio::from(file)))
        };
        open().map_err(BrokerError::io(format!("write {}", path.display())))
    }

    /// The end of one of the broker's files; empty if there is none.
    pub(crate) fn tail(&self, relative: &str) -> String {
        let read = || {
            let mut file = File::open(self.directory.join(relative))?;
            let len = file.metadata()?.len();
            file.seek(SeekFrom::Start(len.saturating_sub(TAIL)))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
    }

    /// What a file says that is not needed any more.
    pub(crate) fn take(&self, relative: &str) -> String {
        let path = self.directory.join(relative);
        let bytes = fs::read(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Starts the port mapper and waits until it answers. It leads the process group that all
    /// nodes join.
    pub(crate) fn start_epmd(&self) -> Result<Process, BrokerError> {
        let (stdout, stderr) = self.output("epmd.log")?;
        let mut command = self.command("epmd");
        // Without `-daemon` it stays our child.
        command
            .args(["-port", &self.epmd_port.to_string()])
            .stdout(stdout)
            .stderr(stderr);
        let child = command
            .process_group(0)
            .spawn()
            .map_err(BrokerError::io("run epmd"))?;
        self.wait_for_epmd(Process::Child(child))
    }

    /// One that does not answer is not left behind.
    pub(crate) fn wait_for_epmd(&self, mut epmd: Process) -> Result<Process, BrokerError> {
        let deadline = deadline(self.timeout);
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.epmd_port)).is_err() {
            if Instant::now() >= deadline || !epmd.is_running() {
                epmd.discard();
                return Err(BrokerError::StartFailed {
                    node: "epmd".to_owned(),
                    output: self.tail("epmd.log"),
                });
            }
            thread::sleep(POLL);
        }
        Ok(epmd)
    }

    /// Deletes the broker's folder. Left over files are a nuisance, no more.
    pub(crate) fn delete(&self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
