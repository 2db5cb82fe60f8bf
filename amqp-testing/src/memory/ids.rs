//! What connections, channels and queues are told apart by. None of these is used again.

/// One connection of a [`Kernel`](super::Kernel). Ids are never used again.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ConnectionId(pub(super) u64);

/// One use of a channel number by one connection.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct ChannelKey(pub(super) u64);

/// A queue, from its declaration to its deletion.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct QueueId(pub(super) u64);
