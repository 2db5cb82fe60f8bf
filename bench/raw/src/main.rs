//! The physical limit: the same bytes over the same socket, without any protocol.
//!
//! It prepares blocks of publishes once and writes them over and over, reads deliveries without
//! looking into them, and answers as many bytes as a client would. What it costs is what the
//! kernel asks for moving the bytes; no client can cost less.
//!
//! Apart from that it prepares queues for runs against a real broker (`--variant setup`, `fill`
//! and `delete` of mode `publish`), so that every client finds the same conditions.

mod connection;
mod modes;

use std::process::ExitCode;

use bench_harness::{Args, Error, Mode, main_with};

fn main() -> ExitCode {
    main_with(run)
}

fn run(args: &Args) -> Result<(), Error> {
    match (args.mode, args.variant.as_deref()) {
        (Mode::Publish, Some("setup")) => modes::setup(args),
        (Mode::Publish, Some("delete")) => modes::delete(args),
        (Mode::Publish, _) => modes::publish(args),
        (Mode::Confirm, _) => modes::confirm(args),
        (Mode::Confirm1, _) => modes::confirm1(args),
        (Mode::ConsumeNoAck, _) => modes::consume(args, false),
        (Mode::ConsumeAck, _) => modes::consume(args, true),
        (Mode::Declare, _) => modes::declare(args),
        (Mode::Conns, _) => modes::connections(args),
        (Mode::Channels, _) => modes::channels(args),
    }
}
