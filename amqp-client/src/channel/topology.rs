//! Declaring a topology.

use super::Channel;
use crate::declare::{Bound, Topology};
use crate::error::ChannelError;

impl Topology {
    /// Declares everything: the exchanges, then the queues, then the bindings. What is there
    /// already, with the same attributes, stays as it is.
    ///
    /// Each declaration is sent when the one before it has been answered, so that the first that
    /// fails is the last that was sent.
    ///
    /// # Errors
    ///
    /// That of the first declaration that fails. One that was refused, by the broker or before it
    /// was sent, names the queue or exchange that it is about; that no answer came in time, or that
    /// the connection ended, is told without. What stands before it in that order has been declared, what follows has not; the
    /// broker has closed the channel if it was the one to refuse.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some of it has been declared, in that order. Declaring it again is
    /// harmless.
    pub async fn declare(&self, channel: &Channel) -> Result<(), ChannelError> {
        for exchange in &self.exchanges {
            channel.exchange_declare(exchange).await?;
        }
        for queue in &self.queues {
            channel.queue_declare(queue).await?;
        }
        for bound in &self.bindings {
            match bound {
                Bound::Queue {
                    queue,
                    exchange,
                    binding,
                } => channel.queue_bind(queue, exchange, binding).await?,
                Bound::Exchange {
                    destination,
                    source,
                    binding,
                } => {
                    channel.exchange_bind(destination, source, binding).await?;
                }
            }
        }
        Ok(())
    }
}
