//! The null broker as a child process.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};

use crate::{machine, programs};

/// A running null broker. It ends with its standard input, at the latest when the runner ends.
#[derive(Debug)]
pub(crate) struct NullBroker {
    child: Child,
    stdin: Option<ChildStdin>,
    pub(crate) url: String,
}

impl NullBroker {
    pub(crate) fn start(cores: Option<&str>) -> Result<Self, String> {
        Self::launch(cores, None)
    }

    /// One that speaks TLS and leaves its certificate in this file.
    pub(crate) fn start_tls(cores: Option<&str>, certificate: &Path) -> Result<Self, String> {
        Self::launch(cores, Some(certificate))
    }

    fn launch(cores: Option<&str>, certificate: Option<&Path>) -> Result<Self, String> {
        let program = programs::package("null-broker")?;
        let mut command = machine::on_cores(cores, &program);
        command.args(["--port", "0", "--until-stdin-closes"]);
        if let Some(certificate) = certificate {
            command.arg("--tls").arg(certificate);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("null-broker: {error}"))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("null-broker: no output")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| format!("null-broker: {error}"))?;
        let address = line.trim().strip_prefix("listening on ");
        let address = address.ok_or_else(|| format!("null-broker: it said {line:?}"))?;
        let url = format!("amqp://guest:guest@{address}/%2f");
        Ok(Self { child, stdin, url })
    }
}

impl Drop for NullBroker {
    fn drop(&mut self) {
        drop(self.stdin.take());
        // It ends by itself; waiting only avoids a zombie.
        let _ = self.child.wait();
    }
}
