//! Building and finding the programs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::clients::{Client, Program};
use crate::{machine, places, process};

/// Compiling a peer with all of its dependencies takes a while.
const BUILD_LIMIT: Duration = Duration::from_secs(900);

/// How to start a client.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    program: PathBuf,
    before: Vec<String>,
    version: Option<String>,
}

impl Start {
    /// A command for one mode; the caller adds the options.
    pub(crate) fn command(&self, client: &Client, mode: &str, cores: Option<&str>) -> Command {
        let mut command = machine::on_cores(cores, &self.program);
        command
            .args(&self.before)
            .arg(client.mode_word(mode))
            .args(client.arguments);
        if let Some(version) = &self.version {
            command.env("PEER_VERSION", version);
        }
        command
    }
}

/// Every program that is needed, or why it cannot be had.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    known: BTreeMap<String, Result<Start, String>>,
}

impl Programs {
    /// Builds what the clients need, each on its own.
    pub(crate) fn build(clients: &[Client]) -> Self {
        let mut programs = Self::default();
        for client in clients {
            let key = format!("{:?}", client.program);
            programs.known.entry(key).or_insert_with(|| {
                eprintln!("building {}", client.label);
                build(client.program)
            });
        }
        programs
    }

    pub(crate) fn get(&self, client: &Client) -> Result<&Start, String> {
        match self.known.get(&format!("{:?}", client.program)) {
            Some(Ok(start)) => Ok(start),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err("it was not asked for".to_owned()),
        }
    }
}

fn build(program: Program) -> Result<Start, String> {
    match program {
        Program::Ours => {
            cargo(&places::root(), &["-p", "amqp-client", "--example", "perf"])?;
            Ok(plain(places::root_target().join("release/examples/perf")))
        }
        Program::Package(name) => package(name).map(plain),
        Program::Librabbitmq => librabbitmq(),
        Program::Go => go(),
        Program::Pika => pika(),
    }
}

/// Builds a package of the bench.
pub(crate) fn build_package(name: &str) -> Result<(), String> {
    cargo(&places::bench(), &["-p", name])
}

/// Builds a package of the bench and says where its program is.
pub(crate) fn package(name: &str) -> Result<PathBuf, String> {
    build_package(name)?;
    Ok(places::bench_target().join("release").join(name))
}

fn plain(program: PathBuf) -> Start {
    Start {
        program,
        before: Vec::new(),
        version: None,
    }
}

fn cargo(workspace: &Path, what: &[&str]) -> Result<(), String> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace)
        .args(["build", "--quiet", "--release"])
        .args(what);
    must(&mut command)
}

/// Runs a build step; its failure is the first line that says something about an error.
fn must(command: &mut Command) -> Result<(), String> {
    let said = process::run(command, BUILD_LIMIT)?;
    if said.success {
        return Ok(());
    }
    let reason = said.stderr.lines().find(|line| line.contains("error"));
    let reason = reason
        .or(said.stderr.lines().last())
        .unwrap_or("it does not say why");
    Err(format!("not built: {}", reason.trim()))
}

fn peers_target() -> Result<PathBuf, String> {
    let folder = places::bench_target().join("peers");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

fn librabbitmq() -> Result<Start, String> {
    let program = peers_target()?.join("peer-librabbitmq");
    let source = places::bench().join("peers/librabbitmq/perf.c");
    must(
        Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&program)
            .arg(source)
            .arg("-lrabbitmq"),
    )?;
    Ok(plain(program))
}

fn go() -> Result<Start, String> {
    const GOPATH: &str = "/usr/share/gocode";
    let program = peers_target()?.join("peer-amqp091-go");
    must(
        Command::new("go")
            .current_dir(places::bench().join("peers/amqp091-go"))
            .envs([("GO111MODULE", "off"), ("GOPATH", GOPATH)])
            .args(["build", "-o"])
            .arg(&program)
            .arg("."),
    )?;
    // The library tells its version only to brokers, so it is read from its source.
    let source = Path::new(GOPATH).join("src/github.com/rabbitmq/amqp091-go/connection.go");
    let source = std::fs::read_to_string(source).unwrap_or_default();
    let line = source
        .lines()
        .find(|line| line.trim_start().starts_with("buildVersion"));
    let version = line
        .and_then(|line| line.split('"').nth(1))
        .map(str::to_owned);
    Ok(Start {
        version,
        ..plain(program)
    })
}

fn pika() -> Result<Start, String> {
    let script = places::bench()
        .join("peers/pika/perf.py")
        .to_string_lossy()
        .into_owned();
    let configured = std::env::var_os("BENCH_PYTHON").map(PathBuf::from);
    let local = places::bench_target().join("venv/bin/python");
    let candidates = configured
        .into_iter()
        .chain([local, PathBuf::from("python3")]);
    for python in candidates {
        let mut check = Command::new(&python);
        check.args(["-c", "import pika"]);
        if process::run(&mut check, Duration::from_secs(30)).is_ok_and(|said| said.success) {
            return Ok(Start {
                before: vec![script],
                ..plain(python)
            });
        }
    }
    Err("not installed: no Python here has pika".to_owned())
}
