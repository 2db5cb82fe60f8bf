//! Runs the examples against a real RabbitMQ, each in a virtual host of its own, and compares what
//! they print with what their documentation says they print.
//!
//! `cargo test` compiles the examples before it runs this; with `--test examples` it does not, and
//! `cargo build --examples` has to come first.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use amqp_testing::broker::{BrokerOptions, Endpoint};

/// An example is read in one go.
const MAX_LINES: usize = 40;

/// Those that need more: a loop that reads, writes and waits is complete or of no use, as is one
/// that stands in its place in tests, with its clock.
const LONGER: &[(&str, usize)] = &[
    ("event_loop", 60),
    ("event_loop_over_tls", 60),
    ("in_memory", 110),
];

/// Longer than any example takes that ends at all.
const LIMIT: Duration = Duration::from_secs(300);

/// Programs that are no examples of how to use the library.
const OTHERS: &[&str] = &["demo", "perf"];

macro_rules! examples {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                check(stringify!($name));
            }
        )*

        /// Those that any broker will do for.
        const USUAL: &[&str] = &[$(stringify!($name)),*];
    };
}

examples! {
    batches
    connecting
    event_loop
    fetch
    graceful_shutdown
    handlers
    headers
    hello_world
    inactivity_timeout
    long_running_handlers
    poison_messages
    publish_subscribe
    publisher_confirms
    recovery
    routing
    retry_with_delay
    rpc
    several_hosts
    stream_from_offset
    token_refresh
    topics
    transactions
    undeliverable
    watching
    without_broker
    work_queue
}

/// Those that a test below prepares something for.
const SPECIAL: &[&str] = &[
    "event_loop_over_tls",
    "heartbeat_and_blocked",
    "in_memory",
    "terminated",
    "tls",
    "topology",
];

/// It has its broker with it.
#[test]
fn in_memory() {
    let printed = run("in_memory", &mut Command::new(program("in_memory")));
    assert_eq!(printed, documented(&source("in_memory")));
}

#[cfg(feature = "serde")]
#[test]
fn topology() {
    check("topology");
}

#[cfg(feature = "rustls")]
#[test]
fn tls() {
    check_over_tls("tls");
}

#[cfg(feature = "rustls")]
#[test]
fn event_loop_over_tls() {
    check_over_tls("event_loop_over_tls");
}

#[cfg(feature = "rustls")]
#[track_caller]
fn check_over_tls(name: &str) {
    let Ok(url) = env::var("AMQP_TEST_TLS_URL") else {
        return eprintln!("not tested: AMQP_TEST_TLS_URL is not set");
    };
    let mut command = Command::new(program(name));
    command.env("AMQP_URL", url);
    for (theirs, ours) in [
        ("AMQP_CACERTFILE", "AMQP_TEST_CA"),
        ("AMQP_CERTFILE", "AMQP_TEST_CLIENT_CERTIFICATE"),
        ("AMQP_KEYFILE", "AMQP_TEST_CLIENT_KEY"),
    ] {
        if let Some(file) = env::var_os(ours) {
            command.env(theirs, file);
        }
    }
    assert_eq!(run(name, &mut command), documented(&source(name)));
}

#[test]
fn heartbeat_and_blocked() {
    if endpoint().is_none() {
        return;
    }
    // An alarm concerns the whole node.
    let broker = BrokerOptions::new().start().unwrap();
    broker.ctl(&["set_vm_memory_high_watermark", "0"]).unwrap();
    let mut example = Running::start("heartbeat_and_blocked", &broker.url());
    let mut printed = example.line().unwrap();
    broker
        .ctl(&["set_vm_memory_high_watermark", "0.4"])
        .unwrap();
    while let Some(line) = example.line() {
        printed += &line;
    }
    assert_eq!(printed, documented(&source("heartbeat_and_blocked")));
    assert!(example.child.wait().unwrap().success());
}

/// Its job may be done before it is asked to stop, on a slow machine.
#[cfg(unix)]
#[test]
fn terminated() {
    let Some(endpoint) = endpoint() else { return };
    let vhost = endpoint.vhost().unwrap();
    let mut example = Running::start("terminated", &vhost.url());
    let mut printed = vec![example.line().unwrap()];
    let pid = example.child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.unwrap().success());
    printed.extend(std::iter::from_fn(|| example.line()));
    assert!(example.child.wait().unwrap().success(), "{printed:?}");
    printed.sort();
    let expected = documented(&source("terminated"));
    let mut expected: Vec<_> = expected.split_inclusive('\n').collect();
    expected.sort_unstable();
    assert_eq!(printed, expected);
    vhost.delete().unwrap();
}

/// An example whose lines are looked at while it runs.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Running {
    fn start(name: &str, url: &str) -> Self {
        let mut command = Command::new(program(name));
        command.env("AMQP_URL", url).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            while printed.read_line(&mut line).unwrap() > 0 && sender.send(line.clone()).is_ok() {
                line.clear();
            }
        });
        Self { child, lines }
    }

    /// The next line that it prints, with its end; `None` if it prints nothing more.
    fn line(&mut self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(mpsc::RecvTimeoutError::Disconnected) => None,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                self.child.kill().unwrap();
                panic!("nothing printed for {LIMIT:?}");
            }
        }
    }
}

#[test]
fn every_example_is_run_and_in_the_index() {
    let index = fs::read_to_string(sources().join("README.md")).unwrap();
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(sources()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "rs") && !OTHERS.contains(&&*name) {
            assert!(index.contains(&format!("({name}.rs)")), "{name}");
            found.insert(name);
        }
    }
    let run: BTreeSet<_> = names().map(str::to_owned).collect();
    assert_eq!(found, run);
}

#[test]
fn every_example_is_short_and_unwraps_nothing() {
    for name in names() {
        let text = source(name);
        let code = text.lines().map(str::trim);
        let code = code.filter(|line| !line.is_empty() && !line.starts_with("//"));
        // What nobody reads: imports, and brackets by themselves.
        let is_read =
            |line: &&str| !line.starts_with("use ") && line.chars().any(char::is_alphanumeric);
        let n_lines = code.filter(is_read).count();
        let longer = LONGER.iter().find(|(longer, _)| *longer == name);
        let limit = longer.map_or(MAX_LINES, |(_, limit)| *limit);
        assert!(n_lines <= limit, "{name} has {n_lines} lines");
        assert!(
            !text.contains("unwrap()") && !text.contains(".expect(\""),
            "{name}"
        );
    }
}

#[track_caller]
fn check(name: &str) {
    let Some(endpoint) = endpoint() else { return };
    let vhost = endpoint.vhost().unwrap();
    let mut command = Command::new(program(name));
    command.env("AMQP_URL", vhost.url());
    let printed = run(name, &mut command);
    assert_eq!(printed, documented(&source(name)), "what {name} prints");
    vhost.delete().unwrap();
}

/// The broker to test against. Says so if there is none.
fn endpoint() -> Option<Endpoint> {
    let endpoint = Endpoint::from_env().unwrap();
    if endpoint.is_none() {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
    }
    endpoint
}

fn names() -> impl Iterator<Item = &'static str> {
    USUAL.iter().chain(SPECIAL).copied()
}

/// Runs a program to its end, and returns what it printed.
fn run(name: &str, command: &mut Command) -> String {
    let command = command.stdin(Stdio::null());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + LIMIT;
    // What an example prints fits the pipe's buffer, so that it never waits for us.
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("{name} has not ended after {LIMIT:?}: {output:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{name}: {}, {errors}",
        output.status
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Where cargo puts an example: beside the folder of the test binaries.
fn program(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    let program = folder.join("examples").join(name);
    assert!(
        program.exists(),
        "`cargo build --examples` has to come first: no {program:?}"
    );
    program
}

/// The text block in the documentation of an example.
fn documented(source: &str) -> String {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let block = lines.skip_while(|line| line.trim() != "```text").skip(1);
    let block = block.take_while(|line| line.trim() != "```");
    block
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect()
}

fn source(name: &str) -> String {
    fs::read_to_string(sources().join(format!("{name}.rs"))).unwrap()
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")
}
