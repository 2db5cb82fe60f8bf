//! What the broker proposes and allows.

use super::Like;

/// What the broker proposes in `connection.tune`, and what it allows.
///
/// The fields are RabbitMQ's configuration of the same name, with its defaults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// How many channels one connection may have, 1 to 65535; 0 sets no limit.
    pub channel_max: u16,
    /// The largest frame in octets, overhead included, from 4096 on; 0 sets no limit.
    pub frame_max: u32,
    /// The heartbeat that is proposed, in seconds; 0 proposes none. The client's answer holds.
    pub heartbeat: u16,
    /// The largest body of a message in octets. Larger ones close the channel with 406 once they
    /// have arrived.
    pub max_message_size: u64,
    /// How many consumers one channel may have, if there is a limit. Only 4.0 knows it.
    pub consumer_max_per_channel: Option<usize>,
}

impl Limits {
    /// The defaults of a broker.
    #[must_use]
    pub const fn of(like: Like) -> Self {
        Self {
            channel_max: 2047,
            frame_max: 131_072,
            heartbeat: 60,
            max_message_size: like.max_message_size(),
            consumer_max_per_channel: None,
        }
    }
}

/// How publishes are confirmed whose messages went to queues.
///
/// RabbitMQ groups confirms by chance. Here they leave when everything has been read that arrived
/// together: with one call of [`Kernel::receive`](super::Kernel::receive). A message that went
/// nowhere is confirmed at once in each case, as RabbitMQ does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Confirming {
    /// One `basic.ack` with `multiple` for all that arrived together; a single one without.
    #[default]
    Grouped,
    /// A `basic.ack` for each, in order.
    Each,
    /// Not at all, until this is changed: the publishes are stored, and their confirms are held
    /// back.
    Withheld,
}
