//! The command line, the clock and the output line that all bench programs written in Rust share.
//!
//! A program parses [`Args`], prepares, wraps the section that counts in a [`Clock`], and prints
//! one [`Report`]. The rules that make the programs comparable:
//!
//! * Messages go to the default exchange with the queue's name as routing key and delivery mode 1,
//!   so that every client puts the same bytes on the wire.
//! * A timed `publish` ends with a passive `queue.declare`, whose answer proves that all was
//!   flushed and read; the message count in it goes into the report.
//! * A consumer uses the tag `bench`, counts messages and bytes, and stops at `--messages`.
//! * Connecting and opening the channel are not timed, `basic.consume` is.

mod args;
mod clock;
mod error;
mod report;
mod text;

pub use args::{Args, Flavour, Mode};
pub use clock::{Clock, Latencies, Memory, Taken};
pub use error::Error;
pub use report::Report;
pub use text::json_string;

/// The body that is published.
#[must_use]
pub fn body(size: usize) -> Vec<u8> {
    vec![b'x'; size]
}

/// Fails unless the consumer got all bytes it was to get.
pub fn check_bytes(args: &Args, bytes: u64) -> Result<(), Error> {
    let expected = args.messages * args.size as u64;
    if bytes == expected {
        return Ok(());
    }
    Err(format!("{bytes} bytes were delivered instead of {expected}").into())
}

/// Runs a program and turns its failure into a line on standard error and an exit code.
pub fn main_with(run: impl FnOnce(&Args) -> Result<(), Error>) -> std::process::ExitCode {
    match Args::parse(std::env::args().skip(1)).and_then(|args| run(&args)) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            std::process::ExitCode::FAILURE
        }
    }
}

/// Runs a future on the runtime that `--runtime` asks for, as a task: on several workers, the
/// thread that merely blocks on a future is one thread more, and hand-overs to it are not what the
/// bench is about.
#[cfg(feature = "tokio")]
pub fn run_on_tokio<F>(flavour: Flavour, future: F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut builder = match flavour {
        Flavour::Current => tokio::runtime::Builder::new_current_thread(),
        Flavour::Multi => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build()?;
    runtime.block_on(runtime.spawn(future))?
}
