//! A message that a handler has, with the means to settle it when the handler has ended.

use super::disposition::Disposition;
use crate::channel::Channel;
use crate::consume::Delivery;
use crate::error::ChannelError;
use crate::message::{ReceivedMessage, Settled, Settlement};

/// A message that is being handled. Dropped, it goes back to its queue.
pub(super) struct Unsettled {
    pub(super) channel: Channel,
    pub(super) delivery_tag: u64,
    pub(super) redelivered: bool,
    from_stream: bool,
    is_settled: bool,
}

impl Unsettled {
    pub(super) fn new(delivery: Delivery) -> (ReceivedMessage, Self) {
        let (received, channel) = delivery.into_parts();
        let unsettled = Self {
            channel,
            delivery_tag: received.delivery_tag(),
            redelivered: received.redelivered(),
            from_stream: received.is_from_stream(),
            is_settled: false,
        };
        (received, unsettled)
    }

    /// What becomes of it, where this is meant: nothing goes back to a stream.
    pub(super) fn decide(&self, disposition: Disposition) -> Disposition {
        match self.from_stream {
            true => Disposition::Ack,
            false => disposition.decide(self.redelivered),
        }
    }

    /// Settles it, unless it has gone back or the channel has ended.
    pub(super) fn settle(mut self, disposition: Disposition) -> Result<Settled, ChannelError> {
        self.is_settled = true;
        let settlement = disposition.settlement();
        self.channel.settle(self.delivery_tag, settlement)
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        if !self.is_settled {
            // Not for the handler's fault: a `nack` does not count towards a delivery limit. If the
            // channel has ended, the broker has the message back already.
            let requeue = Settlement::Nack { requeue: true };
            let requeue = requeue.of(self.from_stream);
            let _ = self.channel.settle(self.delivery_tag, requeue);
        }
    }
}
