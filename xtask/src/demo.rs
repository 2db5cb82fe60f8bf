//! `cargo xtask demo`: the main job from end to end, for a human.
//!
//! This only prepares and tidies up, and says what it is about to do before it does it; what is
//! shown is the example program of the client.

use std::{process::Command, time::Instant};

use amqp_testing::BrokerOptions;

use crate::{broker, failure::Failure, guard, progress::say, regenerate, workspace};

const HELP: &str = "\
Shows the main job from end to end: checks that the checked-in code is what the
specification generates, starts a private RabbitMQ, and runs the client's example
`demo` against it. The RabbitMQ is gone afterwards.

usage: cargo xtask demo [--release NAME] [--install]
       cargo xtask demo --url URL

options:
  --release NAME  use the RabbitMQ of this Debian release, as `cargo xtask broker` does
  --install       install rabbitmq-server with apt-get if it is missing; without
                  being asked, this is done only for root and in CI
  --url URL       start no RabbitMQ and use this broker, as in amqp://user:password@host;
                  the example makes an exchange `demo` and a queue there, which go when
                  it ends. AMQP_URL is not looked at.
";

#[derive(Debug, Default, Eq, PartialEq)]
struct Request {
    release: Option<String>,
    install: bool,
    url: Option<String>,
}

pub(crate) fn run(arguments: &mut lexopt::Parser) -> Result<(), Failure> {
    let Some(request) = parse(arguments)? else {
        say(HELP);
        return Ok(());
    };
    let started = Instant::now();
    say("1. Checking that the generated code is what the specification says.");
    say(&format!("   {}", regenerate::check()?));
    say("2. Compiling the client and its example; the first time, this takes a minute or two.");
    let is_tls = |url: &String| url.starts_with("amqps:");
    let tls = request.url.as_ref().is_some_and(is_tls);
    let status = guard::status(&build(tls)).map_err(Failure::program("cargo"))?;
    if !status.success() {
        return Err(Failure::new("the client's example does not compile"));
    }
    match &request.url {
        Some(url) => {
            say(&format!(
                "3. Taking the broker at {}.",
                without_secrets(url)
            ));
            example(url, tls)?;
        }
        None => with_private_broker(&request)?,
    }
    say(&format!(
        "Done in {:.1} s.",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

/// `None` if help is asked for.
fn parse(arguments: &mut lexopt::Parser) -> Result<Option<Request>, Failure> {
    use lexopt::prelude::*;
    let mut request = Request::default();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("release") => {
                let name = broker::release("--release", &arguments.value()?.string()?)?;
                request.release = (name != broker::SYSTEM).then_some(name);
            }
            Long("install") => request.install = true,
            Long("url") => request.url = Some(checked(arguments.value()?.string()?)?),
            Short('h') | Long("help") => return Ok(None),
            other => {
                let message = format!("{}; see `cargo xtask demo --help`", other.unexpected());
                return Err(Failure::Usage(message));
            }
        }
    }
    if request.url.is_some() && (request.release.is_some() || request.install) {
        let message = "--url takes a broker that is there: leave out --release and --install";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(Some(request))
}

/// Better said now than after a minute of compiling. The rest of the URL is the client's matter.
fn checked(url: String) -> Result<String, Failure> {
    let rest = url
        .strip_prefix("amqp://")
        .or_else(|| url.strip_prefix("amqps://"));
    if rest.is_none_or(str::is_empty) {
        let message = "--url: not of the form amqp://user:password@host:port/vhost, or amqps://…";
        return Err(Failure::Usage(message.to_owned()));
    }
    Ok(url)
}

/// The host and the virtual host of a URL: in front of them and behind there may be a password.
fn without_secrets(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let place = rest.split('?').next().unwrap_or_default();
    place.rsplit('@').next().unwrap_or_default()
}

fn with_private_broker(request: &Request) -> Result<(), Failure> {
    say("3. Starting a private RabbitMQ, on free ports and with data of its own.");
    let installation = broker::installation(request.release.as_deref(), request.install)?;
    let started = Instant::now();
    let broker = BrokerOptions::new()
        .directory(workspace::scratch())
        .installation(installation)
        .start()?;
    let (version, url) = (broker.management().version()?, broker.url());
    let seconds = started.elapsed().as_secs_f32();
    say(&format!(
        "   RabbitMQ {version} serves {url} after {seconds:.1} s."
    ));
    example(&url, false)?;
    say("5. Stopping RabbitMQ and deleting its data.");
    drop(broker);
    Ok(())
}

fn example(url: &str, tls: bool) -> Result<(), Failure> {
    say("4. Running amqp-client/examples/demo.rs against it:");
    let command = run_example(url, tls);
    let status = guard::status(&command).map_err(Failure::program("cargo"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(
            "the example did not do its work; above it says why",
        ))
    }
}

/// With cargo's own progress, since this takes long the first time.
fn build(tls: bool) -> Command {
    cargo("build", tls)
}

/// The broker is the one of this URL, whatever the caller's environment says of others.
fn run_example(url: &str, tls: bool) -> Command {
    let mut command = cargo("run", tls);
    command.arg("--quiet");
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AMQP_") {
            command.env_remove(name);
        }
    }
    command.env("AMQP_URL", url);
    command
}

fn cargo(subcommand: &str, tls: bool) -> Command {
    let mut command = workspace::cargo();
    command.args([subcommand, "--package", "amqp-client", "--example", "demo"]);
    if tls {
        command.args(["--features", "rustls"]);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Request>, String> {
        let words = line.split(' ').filter(|word| !word.is_empty());
        parse(&mut lexopt::Parser::from_args(words)).map_err(|failure| failure.message().to_owned())
    }

    #[test]
    fn bad_command_lines_are_refused_before_anything_is_done() {
        let refused = [
            ("--url", "missing argument"),
            ("--url=", "--url: not of the form"),
            ("--url localhost", "--url: not of the form"),
            ("--url amqp://", "--url: not of the form"),
            ("--url http://localhost", "--url: not of the form"),
            ("--url amqp://h --release sid", "leave out --release"),
            ("--install --url amqp://h", "leave out --release"),
            ("--release ../x", "--release \"../x\""),
            ("now", "unexpected argument \"now\"; see"),
            ("--tls", "invalid option '--tls'; see"),
        ];
        for (line, expected) in refused {
            let message = parsed(line).unwrap_err();
            assert!(message.contains(expected), "{line}: {message}");
        }
        assert_eq!(parsed("-h"), Ok(None));
        let request = parsed("--url amqps://u:p@h/v?cacertfile=x")
            .unwrap()
            .unwrap();
        assert!(request.url.is_some());
    }

    #[test]
    fn passwords_are_not_shown() {
        let url = "amqp://user:s3cret@host:1/v?certfile=x&password=s3cret";
        assert_eq!(without_secrets(url), "host:1/v");
        assert_eq!(without_secrets("amqp://host"), "host");
    }
}
