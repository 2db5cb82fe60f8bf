//! The end of the channel that messages come from, or of its connection.
//!
//! What has come and waits to be handled is delivered again then, and can be settled no more:
//! nothing is begun from when the channel or the connection is being closed, and the end is told as
//! soon as it is there, also while as many handlers run as may.

use std::task::{Context, Poll};

use crate::channel::Channel;
use crate::error::{ChannelError, ConnectionError, ConsumeError};

/// Why messages are no longer handled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandlerEnd {
    /// The future given to [`HandlerRun::until`](crate::consume::HandlerRun::until) was ready.
    Stopped,
    /// The program closed the channel or the connection, or cancelled the consumer by its tag
    /// ([`Channel::basic_cancel`]).
    Cancelled,
    /// The broker cancelled the consumer, or the channel or the connection ended otherwise.
    Failed(ConsumeError),
}

/// Watches a channel for its end.
#[derive(Debug)]
pub(super) struct Ending {
    channel: Channel,
    /// On the list of those who wait for the end.
    place: Option<u64>,
}

impl Ending {
    pub(super) fn of(channel: &Channel) -> Self {
        let channel = channel.clone();
        let place = None;
        Self { channel, place }
    }

    /// Whether nothing of what has come can be settled any more, and nothing else will come: not
    /// while the connection is down, when there is nothing and the consumer is waited for.
    pub(super) fn has_begun(&self) -> bool {
        !self.channel.is_open()
    }

    /// Ready when the channel has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<HandlerEnd> {
        let shared = self.channel.shared();
        shared.end.poll(&mut self.place, context).map(told)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            self.channel.shared().end.forget(place);
        }
    }
}

/// Whose doing it was.
fn told(cause: ChannelError) -> HandlerEnd {
    match cause {
        ChannelError::Closed | ChannelError::Connection(ConnectionError::Closed) => {
            HandlerEnd::Cancelled
        }
        cause => HandlerEnd::Failed(ConsumeError::Channel(cause)),
    }
}
