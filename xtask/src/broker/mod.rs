//! `cargo xtask broker`: private RabbitMQ nodes that keep running in the background.
//!
//! The broker's own description, written by `amqp-testing` when it is left running, is the only
//! state: `status` and `stop` look for such files under the target folder, and recognise the
//! processes by the identity in them. A broker that was not started here is never touched.

mod install;
mod release;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use amqp_testing::{Broker, BrokerOptions, broker::Installation};

use crate::{
    failure::{self, Failure},
    progress, workspace,
};

const HELP: &str = "\
Private RabbitMQ nodes that keep running in the background.

They listen on free ports of the loopback interface, keep their data under the
target folder, and share nothing with any other broker on this machine.

usage: cargo xtask broker start [--release NAME] [--nodes N] [--tls] [--plugin NAME]…
                                [--config LINE]… [--install] [--env]
       cargo xtask broker status [--env]
       cargo xtask broker stop [--release NAME]

options:
  --release NAME   run the RabbitMQ of this Debian release, such as trixie or sid,
                   in a root file system of its own; needs root; made on first use
                   and kept for later. Without it, the system's RabbitMQ.
  --nodes N        so many nodes in one cluster; 1 by default
  --tls            listen on TLS too, with certificates made for the occasion
  --plugin NAME    enable one more plugin of RabbitMQ's
  --config LINE    add a line to rabbitmq.conf
  --install        install rabbitmq-server with apt-get if it is missing; without
                   being asked, this is done only for root and in CI
  --env            print shell commands that export the broker's addresses:
                   eval \"$(cargo xtask broker start --env)\"
";

/// The release that `--release` is not given for.
pub(crate) const SYSTEM: &str = "system";

/// What `start` was asked for.
#[derive(Debug, Default)]
struct Request {
    release: Option<String>,
    n_nodes: Option<usize>,
    tls: bool,
    plugins: Vec<String>,
    config: Vec<String>,
    install: bool,
    env: bool,
}

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    match failure::command(arguments, "cargo xtask broker --help")?.as_deref() {
        Some("start") => match parse(arguments)? {
            Some(request) => start(&request),
            None => help(),
        },
        Some("status") => match parse(arguments)? {
            Some(request) => status(&request),
            None => help(),
        },
        Some("stop") => match parse(arguments)? {
            Some(request) => stop(&request),
            None => help(),
        },
        Some(other) => Err(Failure::Usage(format!(
            "`broker {other}` is unknown; `broker start`, `stop` and `status` are not"
        ))),
        None => help(),
    }
}

fn help() -> Result<(), Failure> {
    print!("{HELP}");
    Ok(())
}

/// `None` if help is asked for.
fn parse(arguments: &mut lexopt::Parser) -> Result<Option<Request>, Failure> {
    use lexopt::prelude::*;
    let mut request = Request::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("release") => {
                let name = arguments.value()?.string()?;
                request.release = (name != SYSTEM).then_some(name);
            }
            Long("nodes") => request.n_nodes = Some(arguments.value()?.parse()?),
            Long("tls") => request.tls = true,
            Long("plugin") => request.plugins.push(arguments.value()?.string()?),
            Long("config") => request.config.push(arguments.value()?.string()?),
            Long("install") => request.install = true,
            Long("env") => request.env = true,
            Short('h') | Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(request))
}

fn start(request: &Request) -> Result<(), Failure> {
    let name = request.release.as_deref().unwrap_or(SYSTEM);
    if let Some(broker) = running(name)? {
        report(&broker, name, None, request.env)?;
        eprintln!("it was running already; `cargo xtask broker stop` stops it");
        return Ok(());
    }
    let installation = installation(request.release.as_deref(), request.install)?;
    let n_nodes = request.n_nodes.unwrap_or(1);
    let mut options = BrokerOptions::new()
        .directory(folder(name))
        .installation(installation)
        .nodes(n_nodes);
    options = if request.tls { options.tls() } else { options };
    options = request.plugins.iter().fold(options, BrokerOptions::plugin);
    options = request.config.iter().fold(options, BrokerOptions::config);
    let started = Instant::now();
    let what = if n_nodes == 1 {
        "starting RabbitMQ"
    } else {
        "starting a cluster of RabbitMQ"
    };
    let broker = progress::during(what, || options.start())?;
    report(&broker, name, Some(started.elapsed()), request.env)?;
    broker.detach()?;
    Ok(())
}

fn status(request: &Request) -> Result<(), Failure> {
    let mut n_running = 0;
    for name in names(request)? {
        if let Some(broker) = running(&name)? {
            report(&broker, &name, None, request.env)?;
            n_running += 1;
        }
    }
    if n_running == 0 {
        return Err(Failure::new(
            "no broker is running that `cargo xtask broker start` started",
        ));
    }
    Ok(())
}

fn stop(request: &Request) -> Result<(), Failure> {
    let mut n_stopped = 0;
    for name in names(request)? {
        if let Some(broker) = running(&name)? {
            progress::during("stopping RabbitMQ", || drop(broker.take_over()));
            println!("stopped the broker `{name}` and deleted its data");
            n_stopped += 1;
        }
    }
    if n_stopped == 0 {
        println!("no broker was running");
    }
    Ok(())
}

/// Finds the RabbitMQ to run, and installs it if need be and allowed.
pub(crate) fn installation(
    release: Option<&str>,
    may_install: bool,
) -> Result<Installation, Failure> {
    match release {
        Some(release) => release::installation(release),
        None => install::installation(may_install),
    }
}

/// The folder for the brokers of one release.
fn folder(name: &str) -> PathBuf {
    workspace::scratch().join("broker").join(name)
}

/// The releases of which a broker may run.
fn names(request: &Request) -> Result<Vec<String>, Failure> {
    if let Some(name) = &request.release {
        return Ok(vec![name.clone()]);
    }
    let parent = workspace::scratch().join("broker");
    let Ok(entries) = fs::read_dir(&parent) else {
        return Ok(Vec::new());
    };
    let entries = entries
        .collect::<Result<Vec<_>, _>>()
        .map_err(Failure::file("read", &parent))?;
    let mut names: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    Ok(names)
}

/// The broker of this name that was left running. What is left of one that has ended is deleted.
fn running(name: &str) -> Result<Option<Broker>, Failure> {
    let Ok(entries) = fs::read_dir(folder(name)) else {
        return Ok(None);
    };
    for entry in entries.flatten() {
        let file = entry.path().join("broker.state");
        if !file.is_file() {
            // Somebody is starting one at this moment, or was interrupted.
            continue;
        }
        let broker = Broker::attach(&file)?;
        if broker.nodes().iter().any(amqp_testing::Node::is_running) {
            return Ok(Some(broker));
        }
        drop(broker.take_over());
    }
    Ok(None)
}

fn report(broker: &Broker, name: &str, took: Option<Duration>, env: bool) -> Result<(), Failure> {
    let certificates = broker.certificates();
    if env {
        println!("export AMQP_TEST_URL={}", broker.url());
        println!(
            "export AMQP_TEST_MANAGEMENT_URL={}",
            broker.management().url()
        );
        if let (Some(url), Some(certificates)) = (broker.first().tls_url(), certificates) {
            println!("export AMQP_TEST_TLS_URL={url}");
            println!("export AMQP_TEST_CA={}", certificates.authority().display());
        }
        return Ok(());
    }
    let version = broker.management().version()?;
    let took = took.map_or_else(String::new, |t| {
        format!(", started in {:.1} s", t.as_secs_f32())
    });
    println!("RabbitMQ {version} ({name}{took})");
    for node in broker {
        let state = if node.is_running() { "running" } else { "down" };
        println!("  node        {} ({state})", node.name());
        println!("  amqp        {}", node.url());
        if let Some(url) = node.tls_url() {
            println!("  amqps       {url}");
        }
        println!("  management  {}", node.endpoint().management().url());
    }
    if let Some(certificates) = certificates {
        println!("  authority   {}", shown(&certificates.authority()));
        println!("  client      {}", shown(&certificates.client()));
    }
    println!("  folder      {}", shown(broker.directory()));
    Ok(())
}

/// A path as short as it can be written from here.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .unwrap_or(path)
        .display()
        .to_string()
}
