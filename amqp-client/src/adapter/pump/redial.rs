//! What connects another stream for a connection whose stream is lost, as the pump has it do so.
//!
//! ```text
//! begin ▶ poll … ▶ a stream ▶ [the pump drives the handshake] ▶ shaken ▶ poll … ▶ a stream, or failed
//!                                                               └ opened: until the next begin
//! ```

use std::task::{Context, Poll};
use std::time::Instant;

use super::transport::Writes;
use crate::error::{ConnectCause, ConnectError, Stage};
use crate::proto::config::CoreOptions;
use crate::proto::shared::place::Place;

/// Connects other streams, in rounds over all hosts.
pub(crate) trait Redial {
    type Transport;

    /// Begins a round, and drops what is left of the one before.
    fn begin(&mut self, now: Instant);

    /// Goes on with it, and has the task woken when there is more to do.
    fn poll(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<Dialed<Self::Transport>>;

    /// Takes note of what became of the handshake over the stream that came last. When it has
    /// succeeded the round is over; otherwise it goes on.
    fn shaken(&mut self, outcome: Result<(), (Stage, ConnectCause)>, now: Instant);
}

/// What has become of a round.
pub(crate) enum Dialed<T> {
    /// Over this stream a handshake is to be tried.
    Stream(Box<Line<T>>),
    /// The round is over: no host lets us in.
    Failed(ConnectError),
}

/// A stream that is connected, and what is to be said over it.
pub(crate) struct Line<T> {
    pub(crate) transport: T,
    pub(crate) writes: Writes,
    pub(crate) options: CoreOptions,
    pub(crate) place: Place,
}
