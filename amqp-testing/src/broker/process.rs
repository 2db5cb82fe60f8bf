//! Signals to processes that this crate started, and to no others.
//!
//! Every process is started with a variable that carries the broker's random identity. Before a
//! process is signalled by number alone, its environment is read back: a number that meanwhile
//! belongs to another program is left alone.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::process::CommandExt as _,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::BrokerError;

/// The variable that marks our processes.
pub(crate) const IDENTITY: &str = "AMQP_TESTING_BROKER";

/// How often something that cannot be waited for is looked at again.
pub(crate) const POLL: Duration = Duration::from_millis(20);

/// The moment at which this time is over; one that no clock can tell is far enough away as a
/// century.
pub(crate) fn deadline(limit: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + limit.min(CENTURY)
}

/// The signals that tests need.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Continue,
    Kill,
    Stop,
    Terminate,
}

/// Sends a signal to a process, or to a process group if the number is negative.
///
/// A process that is gone already is not an error: being gone is what the caller wanted, or what it
/// is about to find out.
pub(crate) fn send(signal: Signal, target: i64) -> Result<(), BrokerError> {
    let name = match signal {
        Signal::Continue => "CONT",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Terminate => "TERM",
    };
    // The shell's own `kill` is on every system, the program of that name is not.
    Command::new("sh")
        .args([
            "-c",
            "kill -s \"$1\" -- \"$2\"",
            "sh",
            name,
            &target.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(BrokerError::io(format!("send SIG{name} to {target}")))
}

/// Tells whether the process lives and is one of the broker with this identity.
///
/// A zombie has no environment any more, so it counts as gone.
pub(crate) fn is_ours(pid: u32, identity: &str) -> bool {
    let Ok(environment) = fs::read(format!("/proc/{pid}/environ")) else {
        return false;
    };
    let wanted = format!("{IDENTITY}={identity}");
    environment
        .split(|&octet| octet == 0)
        .any(|variable| variable == wanted.as_bytes())
}

/// A process, either a child that we wait for or one that an earlier program left running.
#[derive(Debug)]
pub(crate) enum Process {
    /// Ours: its number stays reserved until we have waited for it.
    Child(Child),
    /// Started by another program that has handed the broker over.
    Adopted { pid: u32, identity: String },
}

impl Process {
    pub(crate) fn id(&self) -> u32 {
        match self {
            Self::Child(child) => child.id(),
            Self::Adopted { pid, .. } => *pid,
        }
    }

    pub(crate) fn is_running(&mut self) -> bool {
        match self {
            Self::Child(child) => matches!(child.try_wait(), Ok(None)),
            Self::Adopted { pid, identity } => is_ours(*pid, identity),
        }
    }

    /// Signals the process if it still runs.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), BrokerError> {
        if !self.is_running() {
            return Ok(());
        }
        send(signal, i64::from(self.id()))
    }

    /// Ends a child that is of no use any more, if it has not ended by itself, and tells how it
    /// did.
    pub(crate) fn discard(self) -> Option<ExitStatus> {
        let Self::Child(mut child) = self else {
            return None;
        };
        // What cannot be killed has ended.
        let _ = child.kill();
        child.wait().ok()
    }

    /// Waits until the process has ended; tells whether it did.
    pub(crate) fn wait(&mut self, limit: Duration) -> bool {
        let deadline = deadline(limit);
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }
}

/// Kills a process group when this program ends, however it ends.
///
/// A test that is interrupted or killed runs no destructors. The watchdog is a shell that waits on
/// a pipe of which this process holds the only other end: when the process dies, the kernel closes
/// the pipe and the shell kills the group.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
}

impl Watchdog {
    pub(crate) fn over_group(leader: u32) -> io::Result<Self> {
        // A line means "not needed any more"; the end of the pipe means that the program has gone.
        let script = "read -r _ || kill -s KILL -- \"-$1\"";
        let shell = Command::new("sh")
            .args(["-c", script, "sh", &leader.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A group of its own, so that Ctrl-C at the terminal does not end the watchdog first.
            .process_group(0)
            .spawn()?;
        Ok(Self { shell })
    }

    /// Sends the watchdog home without killing anything.
    pub(crate) fn dismiss(mut self) {
        if let Some(mut pipe) = self.shell.stdin.take() {
            // If the shell is gone there is nothing to dismiss.
            let _ = pipe.write_all(b"dismissed\n");
        }
        let _ = self.shell.wait();
    }
}
