//! What makes publishing safe: confirms and transactions (AMQP 0-9-1 §1.9).

use std::fmt;
use std::sync::{Arc, OnceLock};

use amqp_spec::{confirm, tx};

use super::Channel;
use super::request::start;
use crate::error::{About, ChannelError};
use crate::message::{Multiple, Requeue};
use crate::proto::send::request::{Barrier, Effect, Transaction};

impl Channel {
    /// Asks the broker to confirm every message published from here on (`confirm.select`).
    ///
    /// # Errors
    ///
    /// 406 on a transactional channel.
    ///
    /// # Cancel safety
    ///
    /// If the future has been polled once, messages are confirmed from then on.
    pub async fn confirm_select(&self) -> Result<(), ChannelError> {
        self.call(&confirm::Select { no_wait: false }, About::default())
            .await
            .map(drop)
    }

    /// Makes the channel transactional (`tx.select`). What its consumers give back, when they are
    /// dropped or cancelled as [too slow](crate::ConsumeError::TooSlow), is part of the
    /// transaction, too.
    ///
    /// When the connection is lost the channel ends, although the connection comes back: the second
    /// half of a transaction must not be committed without the first.
    ///
    /// # Errors
    ///
    /// 406 on a channel with confirms.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_select(&self) -> Result<(), ChannelError> {
        self.call(&tx::Select {}, About::default()).await.map(drop)
    }

    /// Makes what was published and settled since the last commit take effect (`tx.commit`).
    /// What is sent on the channel meanwhile waits for the answer, since RabbitMQ tolerates nothing
    /// behind it.
    ///
    /// # Errors
    ///
    /// 406 if the channel is not transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_commit(&self) -> Result<(), ChannelError> {
        let effect = Effect::EndTransaction(Box::default());
        let barrier = Barrier::Everything;
        start(self.shared(), &tx::Commit {}, effect, barrier)?
            .await
            .map(drop)
    }

    /// Forgets what was published and settled since the last commit (`tx.rollback`).
    ///
    /// Deliveries that were settled are unsettled again. The broker does not deliver them anew, and
    /// they count against the prefetch: with a prefetch of 1 the consumer gets nothing more until
    /// they are settled. Their [`Delivery`](crate::Delivery) is gone, so the answer has their
    /// numbers:
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), amqp_client::ChannelError> {
    /// channel.tx_rollback().await?.requeue()?;
    /// // Giving back is part of the next transaction, and takes effect with its commit.
    /// channel.tx_commit().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// 406 if the channel is not transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not, and the numbers are lost.
    pub async fn tx_rollback(&self) -> Result<RolledBack, ChannelError> {
        let settled = Arc::new(OnceLock::new());
        let ended = Transaction {
            rolled_back: Some(Arc::clone(&settled)),
            ..Transaction::default()
        };
        let effect = Effect::EndTransaction(Box::new(ended));
        let barrier = Barrier::Everything;
        start(self.shared(), &tx::Rollback {}, effect, barrier)?.await?;
        Ok(RolledBack {
            channel: self.clone(),
            delivery_tags: settled.get().cloned().unwrap_or_default(),
        })
    }
}

/// What [`Channel::tx_rollback`] has left unsettled.
#[derive(Clone)]
pub struct RolledBack {
    channel: Channel,
    delivery_tags: Vec<u64>,
}

/// Of the numbers how many there are.
impl fmt::Debug for RolledBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RolledBack")
            .field("channel", &self.channel.id())
            .field("delivery_tags", &self.delivery_tags.len())
            .finish()
    }
}

impl RolledBack {
    /// The numbers of the deliveries that were settled in the transaction and are unsettled again,
    /// in the order in which they were settled. Those that were settled together, with
    /// [`Multiple::Yes`], are not among them; those that a dropped consumer gave back are.
    #[must_use]
    pub fn delivery_tags(&self) -> &[u64] {
        &self.delivery_tags
    }

    /// Gives all of them back to their queues, in one transaction with what follows: this takes
    /// effect with the next [commit](Channel::tx_commit), and not at all if that is another
    /// rollback.
    ///
    /// To settle them otherwise, use [`Channel::basic_ack`] and its like.
    ///
    /// # Errors
    ///
    /// The channel or the connection has ended: the broker has them back already.
    pub fn requeue(self) -> Result<(), ChannelError> {
        for tag in self.delivery_tags {
            self.channel.basic_nack(tag, Multiple::No, Requeue::Yes)?;
        }
        Ok(())
    }
}
