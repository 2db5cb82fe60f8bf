//! What becomes of a delivery: acknowledged, or refused.

/// What happens to a delivery that is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Requeue {
    /// It goes back to the queue.
    Yes,
    /// It is dead-lettered, or dropped.
    No,
}

/// Whether settling by number concerns one delivery or all up to it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Multiple {
    /// Only the one of this number.
    No,
    /// It and all before it on the channel that are not settled.
    Yes,
}

/// What has become of a settlement.
///
/// There is no answer to `basic.ack` and its like, so that this never says that the broker has it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Settled {
    /// It was queued to be sent.
    Queued,
    /// The delivery has gone back to its queue, and nothing was sent: the connection was lost since
    /// and is being recovered, or has been, or [`Channel::basic_recover`] was called. The broker
    /// delivers it again, here or elsewhere; a message of a stream does not come again for that.
    /// Of several that are settled at once, all have gone back.
    ///
    /// [`Channel::basic_recover`]: crate::Channel::basic_recover
    Stale,
}

/// How a delivery is settled.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Settlement {
    Ack,
    Nack { requeue: bool },
    Reject { requeue: bool },
}

impl Settlement {
    /// What is sent where this is meant of a message that was read from a stream, or was not.
    /// Reading takes nothing out of a stream, so that nothing can go back to it: RabbitMQ before
    /// 4.0 ends the connection over a message of one that is refused (540), and later versions take
    /// a refusal for an acknowledgement.
    #[inline]
    pub(crate) fn of(self, from_stream: bool) -> Self {
        match from_stream {
            true => Self::Ack,
            false => self,
        }
    }
}
