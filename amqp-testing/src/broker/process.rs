//! Signals to processes that this crate started, and to no others.
//!
//! Every process is started with a variable that carries the broker's random identity. Before a
//! process is signalled by number alone, its environment is read back: a number that meanwhile
//! belongs to another program is left alone.

use std::{
    fs,
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

/// Sends a signal to processes.
///
/// One that is gone already is not an error: being gone is what the caller wanted, or what it is
/// about to find out.
fn send(signal: Signal, pids: &[u32]) -> Result<(), BrokerError> {
    let name = match signal {
        Signal::Continue => "CONT",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Terminate => "TERM",
    };
    // The shell's own `kill` is on every system, the program of that name is not.
    Command::new("sh")
        .args(["-c", "kill -s \"$@\"", "sh", name])
        .args(pids.iter().map(u32::to_string))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(drop)
        .map_err(BrokerError::io(format!("send SIG{name} to {pids:?}")))
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

/// Kills every process of the broker with this identity, its parent or not, and waits until none
/// is left, for so long at most.
pub(crate) fn kill_all(identity: &str, limit: Duration) {
    let deadline = deadline(limit);
    loop {
        let pids = all(identity);
        if pids.is_empty() || Instant::now() >= deadline {
            return;
        }
        // What cannot be signalled is gone, as the next look will show.
        let _ = send(Signal::Kill, &pids);
        thread::sleep(POLL);
    }
}

/// The living processes of the broker with this identity.
pub(crate) fn all(identity: &str) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| is_ours(pid, identity)).collect()
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
        send(signal, &[self.id()])
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
