//! Running a program with a time limit.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

/// The line that a program printed.
pub(crate) type Line = Map<String, Value>;

/// What a finished program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) success: bool,
}

/// Runs a program to its end, or kills it when the limit has passed.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Said, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{name}: {error}"))?;
    let deadline = Instant::now() + limit;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    // Both ends close when the program ends, so waiting for them is waiting for it, without polling
    // beside a measurement.
    let left = || deadline.saturating_duration_since(Instant::now());
    let outcome = stdout
        .recv_timeout(left())
        .and_then(|out| Ok((out, stderr.recv_timeout(left())?)));
    if outcome.is_err() {
        // It may have ended in this moment; then there is nothing to kill.
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| format!("{name}: {error}"))?;
    let (stdout, stderr) = outcome.map_err(|_| format!("killed after {} s", limit.as_secs()))?;
    Ok(Said {
        stdout,
        stderr,
        success: status.success(),
    })
}

fn collect(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<String> {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth having.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // The receiver is gone if the time limit has passed.
        let _ = tx.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    rx
}

/// Runs a bench program and reads its line.
pub(crate) fn measure(command: &mut Command, limit: Duration) -> Result<Line, String> {
    let said = run(command, limit)?;
    let line = said.stdout.lines().rev().find(|line| line.starts_with('{'));
    match line.map(serde_json::from_str) {
        Some(Ok(Value::Object(line))) => Ok(line),
        Some(_) => Err("its line is not JSON".to_owned()),
        None => {
            let reason = said
                .stderr
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty());
            Err(reason
                .unwrap_or("it said nothing")
                .chars()
                .take(200)
                .collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn program_that_hangs_is_killed() {
        let outcome = run(Command::new("sleep").arg("30"), Duration::from_millis(50));
        assert_eq!(
            outcome.map(|said| said.success).unwrap_err(),
            "killed after 0 s"
        );
    }

    #[test]
    fn last_json_line_is_read_and_failures_are_quoted() {
        let echo = measure(
            Command::new("sh").args(["-c", "echo hello; echo '{\"n\": 3}'"]),
            Duration::from_secs(10),
        );
        assert_eq!(echo.unwrap()["n"], 3);
        let failing = measure(
            Command::new("sh").args(["-c", "echo first >&2; echo broken >&2; exit 1"]),
            Duration::from_secs(10),
        );
        assert_eq!(failing.unwrap_err(), "broken");
    }
}
