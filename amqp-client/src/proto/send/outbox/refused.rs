//! Why something did not enter the outbox.

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::frame::FrameTooLarge;

use crate::error::ConnectionError;

/// Why a publish, a request or a settlement did not enter the outbox.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The connection has ended.
    Connection(ConnectionError),
    /// The channel is not open, or not the one that the caller means. The channel knows why.
    NotOpen,
    /// A method or header frame does not fit the negotiated size. Nothing was queued.
    TooLarge(FrameTooLarge),
    /// The broker takes no messages, and the publisher does not want to wait.
    Blocked(Arc<str>),
    /// What the stream was lost to, and when: another is to take its place, and the publisher does
    /// not want to wait.
    Recovering(Box<(ConnectionError, Instant)>),
    /// What stood in the transaction went with its stream, and has not been rolled back.
    TransactionLost,
}

impl From<FrameTooLarge> for Refused {
    fn from(error: FrameTooLarge) -> Self {
        Self::TooLarge(error)
    }
}
