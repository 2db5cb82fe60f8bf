//! The command of the repository: `cargo xtask help`.
//!
//! One module per command. Each has its help text, reads its own arguments and returns a
//! [`Failure`]; only this file prints errors and chooses the exit code: 1 if something failed, 2 if
//! the command line was not understood.

mod bench;
mod broker;
mod crates;
mod demo;
mod failure;
mod guard;
mod progress;
mod regenerate;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use failure::Failure;

const HELP: &str = "\
The command of the repository.

usage: cargo xtask COMMAND [OPTIONS]

commands:
  demo         show the main job from end to end against a real RabbitMQ
  test         run everything that has to hold
  ci-extra     run what takes too long for every change
  regenerate   generate code, vectors and reference from the specification
  broker       start, stop and show private RabbitMQ nodes
  bench        compare the client with its peers and with the raw socket
  soak         harm a broker by chance for as long as is said, and judge what is lost
  tidy         check the house rules that neither the compiler nor clippy know
  help         print this

`cargo xtask COMMAND --help` tells more.
";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let mut arguments = lexopt::Parser::from_env();
    match failure::command(&mut arguments, "cargo xtask help")?.as_deref() {
        Some("broker") => broker::run(&mut arguments),
        Some("regenerate") => regenerate::run(&mut arguments),
        Some("demo") => demo::run(&mut arguments),
        Some("test") => test::run(&mut arguments),
        Some("ci-extra") => test::run_extra(&mut arguments),
        Some("bench") => bench::run(&mut arguments),
        Some("soak") => soak::run(&mut arguments),
        Some("tidy") => tidy::run(&mut arguments),
        Some("help") | None => {
            print!("{HELP}");
            Ok(())
        }
        Some(other) => Err(Failure::Usage(format!(
            "there is no command `{other}`; `cargo xtask help` lists them"
        ))),
    }
}
