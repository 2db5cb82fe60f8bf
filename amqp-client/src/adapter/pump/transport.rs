//! What the pump needs of a stream and of a timer.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BufMut;

use crate::error::ConnectionError;

/// A stream of octets. `Pending` is "not now", and has the task woken when that changes; a stream
/// that says `WouldBlock` says `Pending` here.
pub(crate) trait Transport {
    /// Reads; zero is the end of the stream.
    fn poll_read(&mut self, context: &mut Context<'_>, space: &mut [u8])
    -> Poll<io::Result<usize>>;

    /// The same, into memory that need not be initialised.
    fn poll_read_buf(
        &mut self,
        context: &mut Context<'_>,
        space: &mut impl BufMut,
    ) -> Poll<io::Result<usize>>;

    /// Takes some of the octets, at least one.
    fn poll_write(&mut self, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>>;

    /// The same, where they lie in several pieces.
    fn poll_write_vectored(
        &mut self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Has what was taken leave.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// The same, and says that nothing follows.
    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// What an error of this stream is to the connection.
    fn explain(error: io::Error) -> ConnectionError;
}

/// What has the task take a turn at a certain time.
pub(crate) trait Timer {
    /// How long after a deadline it is certain that the stream tells all that had come by then, in
    /// the next turn at the latest. Zero for one that is asked by a system call each time.
    const STREAM_IS_CURRENT: Duration;

    /// Has the task woken at this time, in place of the one before; `Ready` if that has come. The
    /// task stays the same.
    fn set(&mut self, at: Instant, context: &mut Context<'_>) -> Poll<()>;
}

/// What a write that fails has done, which decides which messages are told as not sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Writes {
    /// Nothing: the stream is a socket of the operating system, or our own TLS over one, which
    /// report an error only if they have taken nothing of what they were offered.
    Exact,
    /// Perhaps all of it: the stream has layers. TLS of others encrypts what it is offered, sends
    /// some records and then fails; nothing is known of streams that the program brings along.
    Layered,
}
