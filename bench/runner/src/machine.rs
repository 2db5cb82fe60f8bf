//! The machine: what it is, and which cores run what.

use std::process::Command;
use std::time::Duration;

use crate::process;

/// Which cores the broker and the clients may use.
///
/// Without pinning, the kernel puts a single-threaded client now on the broker's core and now on
/// another one, and the cost per message differs by up to a factor of four between the two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cores {
    pub(crate) broker: Option<String>,
    pub(crate) clients: Option<String>,
}

impl Cores {
    /// The first core for the broker and all others for the clients, where there are several.
    pub(crate) fn choose(free: bool) -> Self {
        let n = std::thread::available_parallelism().map_or(1, usize::from);
        let taskset = || {
            process::run(
                Command::new("taskset").arg("--version"),
                Duration::from_secs(5),
            )
            .is_ok()
        };
        if free || n < 2 || !taskset() {
            return Self {
                broker: None,
                clients: None,
            };
        }
        Self {
            broker: Some("0".to_owned()),
            clients: Some(if n == 2 {
                "1".to_owned()
            } else {
                format!("1-{}", n - 1)
            }),
        }
    }

    pub(crate) fn describe(&self) -> String {
        match (&self.broker, &self.clients) {
            (Some(broker), Some(clients)) => {
                format!("broker on core {broker}, clients on core {clients}")
            }
            (None, Some(clients)) => format!("clients on core {clients}"),
            _ => "nothing pinned to a core".to_owned(),
        }
    }
}

/// A command that runs a program on certain cores.
pub(crate) fn on_cores(cores: Option<&str>, program: &std::path::Path) -> Command {
    match cores {
        None => Command::new(program),
        Some(cores) => {
            let mut command = Command::new("taskset");
            command.args(["-c", cores]).arg(program);
            command
        }
    }
}

/// Processor, kernel and compiler, for the head of the results.
pub(crate) fn describe() -> String {
    let first_line = |program: &str, arguments: &[&str]| {
        let said = process::run(
            Command::new(program).args(arguments),
            Duration::from_secs(20),
        );
        let said = said.map(|said| said.stdout.lines().next().unwrap_or_default().to_owned());
        said.unwrap_or_else(|_| format!("no {program}"))
    };
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model
        .and_then(|rest| rest.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    let n = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{model}, {n} cores, Linux {}, {}",
        first_line("uname", &["-r"]),
        first_line("rustc", &["--version"]),
    )
}

/// The date, as the results name it.
pub(crate) fn today() -> String {
    let said = process::run(
        Command::new("date").arg("+%Y-%m-%d"),
        Duration::from_secs(5),
    );
    said.map_or_else(
        |_| "an unknown day".to_owned(),
        |said| said.stdout.trim().to_owned(),
    )
}
