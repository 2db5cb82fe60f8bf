//! `cargo xtask bench`: what a message costs with this client, every peer, and no client at all.
//!
//! The work is done by the bench's own workspace; this starts a broker for it where one is asked
//! for.

use std::ffi::OsString;

use amqp_testing::BrokerOptions;

use crate::{broker, failure::Failure, progress, workspace};

const HELP: &str = "\
Compares this client with its peers and with the raw socket, and writes tables
and plots. Nothing else should run on the machine meanwhile.

usage: cargo xtask bench [--quick] [--against rabbitmq [--release NAME]] [OPTIONS]
       cargo xtask bench memory|growth|fairness|build-cost|list [OPTIONS]

options:
  --quick             fewer rounds and shorter ones
  --against rabbitmq  against a private RabbitMQ instead of the null broker
  --release NAME      the RabbitMQ of this Debian release
  --help              print this; `-- --help` prints the options of the runner,
                      all of which can be given here
";

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let mut words: Vec<OsString> = Vec::new();
    let (mut rabbitmq, mut release) = (false, None);
    let mut given = arguments.raw_args()?.peekable();
    while let Some(word) = given.next() {
        match word.to_str() {
            Some("-h" | "--help") if words.is_empty() => {
                print!("{HELP}");
                return Ok(());
            }
            Some("--") => words.extend(given.by_ref()),
            Some("--against") if given.peek().is_some_and(|name| name == "rabbitmq") => {
                given.next();
                rabbitmq = true;
            }
            Some("--release") => {
                let name = given
                    .next()
                    .ok_or_else(|| Failure::Usage("--release needs a name".to_owned()))?;
                release = Some(name.to_string_lossy().into_owned());
            }
            _ => words.push(word),
        }
    }
    let url_given = words.iter().any(|word| word == "--url");
    let broker = if rabbitmq && !url_given {
        let installation = broker::installation(release.as_deref(), false)?;
        let directory = workspace::scratch().join("bench-broker");
        let options = BrokerOptions::new().directory(directory);
        let options = options.installation(installation);
        Some(progress::during("starting RabbitMQ", || options.start())?)
    } else {
        None
    };
    if rabbitmq {
        words.extend(["--against".into(), "rabbitmq".into()]);
    }
    if let Some(broker) = &broker {
        words.extend(["--url".into(), broker.url().into()]);
    }
    let mut command = workspace::cargo();
    command
        .current_dir(workspace::root().join("bench"))
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            "bench-runner",
            "--",
        ])
        .args(words);
    let status = command.status().map_err(Failure::program("cargo"))?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::new(format!("the bench ended with {status}"))),
    }
}
