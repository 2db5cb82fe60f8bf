//! `cargo xtask broker`: private RabbitMQ nodes that keep running in the background.
//!
//! Brokers have names, and what is asked for is asked of one of them: `start` returns the one of
//! that name if it runs, and starts it if not, one at a time (`lock`). What runs is told by files in
//! the brokers' folders (`running`, `label`). Whatever is interrupted is undone by the watchdogs of
//! `amqp-testing`.

mod command_line;
mod install;
mod label;
mod lock;
mod release;
mod report;
mod running;

use std::{fs, time::Instant};

use amqp_testing::{BrokerOptions, broker::Installation};

use self::{
    command_line::{Request, parse},
    label::Label,
    running::Running,
};
pub(crate) use self::{
    command_line::{SYSTEM, release},
    report::{program_variables, test_variables},
};
use crate::{
    failure::{self, Failure},
    progress::{self, say},
};

const HELP: &str = "\
Private RabbitMQ nodes that keep running in the background.

They listen on free ports of the loopback interface, keep their data under the
target folder, and share nothing with any other broker on this machine.

usage: cargo xtask broker start [--name NAME] [--release NAME] [--nodes N] [--tls]
                                [--plugin NAME]… [--config LINE]… [--install] [--env]
       cargo xtask broker status [--name NAME | --release NAME] [--env]
       cargo xtask broker stop [--name NAME | --release NAME | --all]

`start` returns the broker of that name if it is running already and has all that
is asked for. `stop` kills it and deletes its data; if more than one is running,
it wants to be told which.

options:
  --name NAME      the broker that is meant; by default it is called as its release
  --release NAME   run the RabbitMQ of this Debian release, such as trixie or sid,
                   in a root file system of its own; needs root; made on first use
                   and kept for later. Without it, the RabbitMQ that is installed,
                   whose release is called `system`.
  --nodes N        how many nodes, in one cluster; 1 by default, 9 at most
  --tls            listen on TLS too, with certificates made for the occasion
  --plugin NAME    enable one more plugin of RabbitMQ's
  --config LINE    add a line to rabbitmq.conf
  --install        install rabbitmq-server with apt-get if it is missing; without
                   being asked, this is done only for root and in CI
  --env            print commands for a shell that let the examples (AMQP_URL and
                   the like) and the tests (AMQP_TEST_URL) find the broker, over
                   TLS with --tls:
                   eval \"$(cargo xtask broker start --env)\"
  --all            all brokers
";

const COMMANDS: &[&str] = &["start", "status", "stop"];

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let command = failure::command(arguments, "cargo xtask broker --help")?;
    let Some(command) = command else {
        say(HELP);
        return Ok(());
    };
    if !COMMANDS.contains(&command.as_str()) {
        return Err(Failure::Usage(format!(
            "`broker {command}` is unknown; there are `broker start`, `status` and `stop`"
        )));
    }
    let Some(request) = parse(&command, arguments)? else {
        say(HELP);
        return Ok(());
    };
    match command.as_str() {
        "start" => start(&request),
        "status" => status(&request),
        _ => stop(&request),
    }
}

fn start(request: &Request) -> Result<(), Failure> {
    let name = request.chosen().unwrap_or(SYSTEM);
    if let Some(running) = running::find(name)? {
        return give_again(&running, request);
    }
    // Outside of the lock, for it may take minutes.
    let installation = installation(request.debian_release(), request.install)?;
    let lock = lock_folder()?;
    running::clean_up()?;
    if let Some(running) = running::find(name)? {
        return give_again(&running, request);
    }
    let started = Instant::now();
    bring_up(request, installation)?;
    drop(lock);
    let running = running::find(name)?
        .ok_or_else(|| Failure::new(format!("the broker `{name}` was stopped meanwhile")))?;
    if !request.env {
        eprintln!("`cargo xtask broker stop` stops it and deletes its data");
    }
    tell(&running, Some(started.elapsed().as_secs_f32()), request.env);
    Ok(())
}

/// Starts a broker and leaves it running. Interrupted at whatever moment, nothing is left of it.
fn bring_up(request: &Request, installation: Installation) -> Result<(), Failure> {
    let n_nodes = request.n_nodes.unwrap_or(1);
    let mut options = BrokerOptions::new()
        .directory(running::folder())
        .installation(installation)
        .nodes(n_nodes);
    options = if request.tls { options.tls() } else { options };
    options = request.plugins.iter().fold(options, BrokerOptions::plugin);
    options = request.config.iter().fold(options, BrokerOptions::config);
    let what = if n_nodes == 1 {
        "starting RabbitMQ"
    } else {
        "starting a cluster of RabbitMQ"
    };
    let broker = progress::during(what, || options.start())?;
    let label = Label::new(request, broker.management().version()?);
    label.write(broker.directory())?;
    broker.detach()?;
    Ok(())
}

/// The broker that runs already, if it has what is asked for.
fn give_again(running: &Running, request: &Request) -> Result<(), Failure> {
    running.label.check(request)?;
    let name = &running.label.name;
    eprintln!("it was running already; `cargo xtask broker stop --name {name}` stops it");
    tell(running, None, request.env);
    Ok(())
}

fn status(request: &Request) -> Result<(), Failure> {
    let running = chosen(request)?;
    match running.as_slice() {
        [] => Err(Failure::new(
            "no broker is running that `cargo xtask broker start` has started",
        )),
        [_, _, ..] if request.env => Err(Failure::new(format!(
            "{} are running; say which one with --name",
            names(&running)
        ))),
        running => {
            running
                .iter()
                .for_each(|running| tell(running, None, request.env));
            Ok(())
        }
    }
}

fn stop(request: &Request) -> Result<(), Failure> {
    let _lock = lock_folder()?;
    running::clean_up()?;
    let running = chosen(request)?;
    if running.is_empty() {
        eprintln!("no broker was running");
    }
    if running.len() > 1 && !request.all {
        return Err(Failure::new(format!(
            "{} are running; say which one with --name, or --all",
            names(&running)
        )));
    }
    for Running { broker, label } in running {
        progress::during("stopping RabbitMQ", || drop(broker.take_over()));
        eprintln!("stopped the broker `{}` and deleted its data", label.name);
    }
    // Unless others are in it.
    let _ = fs::remove_dir(running::folder());
    Ok(())
}

/// The brokers that are meant: the one that is named, or all that run.
fn chosen(request: &Request) -> Result<Vec<Running>, Failure> {
    let mut running = running::all()?;
    let Some(name) = request.chosen() else {
        return Ok(running);
    };
    let all = names(&running);
    running.retain(|running| running.label.name == name);
    let Some(found) = running.first() else {
        let others = match all.as_str() {
            "" => "none is".to_owned(),
            all => format!("running: {all}"),
        };
        return Err(Failure::new(format!(
            "no broker `{name}` is running; {others}"
        )));
    };
    let release = &found.label.release;
    if let Some(other) = request.release.as_ref().filter(|it| *it != release) {
        return Err(Failure::new(format!(
            "the broker `{name}` has the RabbitMQ of `{release}`, not of `{other}`"
        )));
    }
    Ok(running)
}

fn names(running: &[Running]) -> String {
    let names: Vec<_> = running
        .iter()
        .map(|running| format!("`{}`", running.label.name))
        .collect();
    names.join(", ")
}

fn lock_folder() -> Result<lock::Lock, Failure> {
    progress::during("waiting for another `cargo xtask broker`", || {
        lock::take(&running::folder())
    })
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

fn tell(running: &Running, took: Option<f32>, env: bool) {
    if env {
        say(&report::shell(&running.broker));
    } else {
        say(&report::text(running, took));
    }
}
