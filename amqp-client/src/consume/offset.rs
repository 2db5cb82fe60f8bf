//! Where reading a stream begins.

use std::time::{Duration, SystemTime};

use crate::declare::Arguments;

/// Where a consumer of a stream begins to read (`x-stream-offset`).
///
/// Every message of a stream has an offset, which comes with it
/// ([`ReceivedMessage::stream_offset`](crate::ReceivedMessage::stream_offset)): to go on where one
/// left off, begin with the offset behind the last one handled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StreamOffset {
    /// The oldest message that is kept.
    First,
    /// The newest chunk: RabbitMQ writes messages in chunks, and this may be some that are older
    /// than the newest one.
    Last,
    /// The messages published from now on, which is what RabbitMQ does by default.
    Next,
    /// This offset, or the oldest message kept, if that is newer. RabbitMQ's are at most 2⁶³ - 1; the
    /// consumer is refused with [`ChannelError::Invalid`](crate::ChannelError::Invalid) for more.
    Offset(u64),
    /// The first chunk written at this time or later; rounded down to seconds. Before 1970 there is
    /// none: the consumer is refused with [`ChannelError::Invalid`](crate::ChannelError::Invalid).
    Timestamp(SystemTime),
    /// This long ago, rounded up to seconds: at least one, or the consumer is refused with
    /// [`ChannelError::Invalid`](crate::ChannelError::Invalid). Longer than the stream exists is
    /// [`First`](Self::First).
    Interval(Duration),
}

impl StreamOffset {
    pub(super) fn write(self, arguments: &mut Arguments) {
        const NAME: &str = "x-stream-offset";
        match self {
            Self::First => arguments.set(NAME, "first"),
            Self::Last => arguments.set(NAME, "last"),
            Self::Next => arguments.set(NAME, "next"),
            Self::Offset(offset) => arguments.set(NAME, offset),
            Self::Timestamp(time) => arguments.set(NAME, time),
            Self::Interval(ago) => arguments.set_age(NAME, ago),
        }
    }
}
