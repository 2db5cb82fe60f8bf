//! The physical limit: the same bytes over the same stream, without any protocol.
//!
//! It prepares blocks of publishes once and writes them over and over, reads deliveries without
//! looking into them, and answers as many bytes as a client would. What it costs is what the
//! kernel asks for moving the bytes; no client can cost less.
//!
//! Apart from that it prepares queues for runs against a real broker (`--variant setup`, `fill`
//! and `delete` of mode `publish`), so that every client finds the same conditions.

mod connection;
mod modes;

use bench_harness::{Args, Error, Mode};

pub use connection::Stream;

/// Does what the command line asks for, over one kind of stream.
pub fn run<S: Stream>(args: &Args) -> Result<(), Error> {
    match (args.mode, args.variant.as_deref()) {
        (Mode::Publish, Some("setup")) => modes::setup::<S>(args),
        (Mode::Publish, Some("delete")) => modes::delete::<S>(args),
        (Mode::Publish, _) => modes::publish::<S>(args),
        (Mode::Confirm, _) => modes::confirm::<S>(args),
        (Mode::Confirm1, _) => modes::confirm1::<S>(args),
        (Mode::ConsumeNoAck, _) => modes::consume::<S>(args, false),
        (Mode::ConsumeAck, _) => modes::consume::<S>(args, true),
        (Mode::Declare, _) => modes::declare::<S>(args),
        (Mode::Conns, _) => modes::connections::<S>(args),
        (Mode::Channels, _) => modes::channels::<S>(args),
    }
}
