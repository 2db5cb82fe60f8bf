//! Runs the bench programs, interleaved and with time limits, and writes tables and plots.
//!
//! `suite` is the comparison; the other commands are measurements of their own. The programs, the
//! null broker and everything else the runner starts live on this machine only.

mod broker;
mod build_cost;
mod cases;
mod clients;
mod extras;
mod machine;
mod markdown;
mod options;
mod places;
mod process;
mod programs;
mod results;
mod suite;
mod svg;
mod tls;

use std::process::ExitCode;

use options::{Command, Options};

fn main() -> ExitCode {
    let outcome =
        Options::parse(std::env::args().skip(1)).and_then(|options| match options.command {
            Command::Suite => suite::run(&options),
            Command::Memory => extras::memory(&options),
            Command::Growth => extras::growth(&options),
            Command::Fairness => extras::fairness(&options),
            Command::Tls => tls::run(&options),
            Command::BuildCost => build_cost::run(&options),
            Command::List => suite::list(&options),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
