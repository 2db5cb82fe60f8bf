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
    /// That of the first declaration that fails, which names the queue or exchange that it is
    /// about. What stands before it in that order has been declared, what follows has not; the
    /// broker has closed the channel if it was the one to refuse.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, some of it has been declared, in that order. Declaring it again is
    /// harmless.
    pub async fn declare(&self, channel: &Channel) -> Result<(), ChannelError> {
        for exchange in &self.exchanges {
            channel.exchange_declare(exchange.clone()).await?;
        }
        for queue in &self.queues {
            channel.queue_declare(queue.clone()).await?;
        }
        for bound in &self.bindings {
            match bound {
                Bound::Queue {
                    queue,
                    exchange,
                    binding,
                } => channel.queue_bind(queue, exchange, binding.clone()).await?,
                Bound::Exchange {
                    destination,
                    source,
                    binding,
                } => {
                    channel
                        .exchange_bind(destination, source, binding.clone())
                        .await?;
                }
            }
        }
        Ok(())
    }
}
