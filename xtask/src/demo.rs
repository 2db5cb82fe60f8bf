//! `cargo xtask demo`: the main job from end to end, for a human.
//!
//! This only prepares and tidies up; what is shown is the example program of the client.

use std::{env, process::Command, time::Instant};

use amqp_testing::BrokerOptions;

use crate::{broker, failure::Failure, progress, regenerate, workspace};

const HELP: &str = "\
Shows the main job from end to end: checks that the checked-in code is what the
specification generates, starts a private RabbitMQ unless AMQP_URL names one,
and runs the client's example `demo` against it.

usage: cargo xtask demo [--release NAME] [--install]

options:
  --release NAME  use the RabbitMQ of this Debian release, as `cargo xtask broker` does
  --install       install rabbitmq-server with apt-get if it is missing; without
                  being asked, this is done only for root and in CI
";

/// The client's own variable, read by the example.
const URL: &str = "AMQP_URL";

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    use lexopt::prelude::*;
    let (mut release, mut install) = (None, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("release") => release = Some(arguments.value()?.string()?),
            Long("install") => install = true,
            Short('h') | Long("help") => {
                print!("{HELP}");
                return Ok(());
            }
            other => return Err(other.unexpected().into()),
        }
    }
    let started = Instant::now();
    println!("specification  {}", regenerate::check()?);
    compile()?;
    let given = env::var(URL).ok().filter(|url| !url.is_empty());
    let _broker = match given {
        Some(url) => {
            // It may hold a password.
            let shown = url.rsplit('@').next().unwrap_or_default();
            println!("broker         the one that {URL} names, at {shown}");
            example(&url)?;
            None
        }
        None => {
            let installation = broker::installation(release.as_deref(), install)?;
            let directory = workspace::scratch().join("demo-broker");
            let options = BrokerOptions::new()
                .directory(directory)
                .installation(installation);
            let started = Instant::now();
            let broker = progress::during("starting RabbitMQ", || options.start())?;
            let seconds = started.elapsed().as_secs_f32();
            let version = broker.management().version()?;
            println!(
                "broker         RabbitMQ {version} at {} in {seconds:.1} s",
                broker.url()
            );
            example(&broker.url())?;
            Some(broker)
        }
    };
    println!("done           in {:.1} s", started.elapsed().as_secs_f32());
    Ok(())
}

const EXAMPLE: &[&str] = &["--quiet", "--package", "amqp-client", "--example", "demo"];

fn compile() -> Result<(), Failure> {
    let mut command = cargo("build");
    let status = progress::during("compiling the client", || command.status());
    match status.map_err(Failure::program("cargo"))?.success() {
        true => Ok(()),
        false => Err(Failure::new("the example of the client does not compile")),
    }
}

fn example(url: &str) -> Result<(), Failure> {
    let status = cargo("run")
        .env(URL, url)
        .status()
        .map_err(Failure::program("cargo"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("the example ended with {status}"))),
    }
}

fn cargo(subcommand: &str) -> Command {
    let mut command = workspace::cargo();
    command.arg(subcommand).args(EXAMPLE);
    command
}
