//! What makes publishing safe: confirms and transactions (AMQP 0-9-1 §1.9).

use std::fmt;
use std::sync::{Arc, OnceLock};

use amqp_spec::wire::{Request, TypedMethod};
use amqp_spec::{confirm, tx};

use super::Channel;
use super::request::{PendingReply, start_by};
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
    /// When the connection is lost and comes back the channel has transactions as before. What stood
    /// in the open one is gone, and what follows must not be committed without it: if anything had
    /// been published or settled in it, or its commit is not answered, publishing, settling and
    /// committing give [`ChannelError::TransactionLost`] until [`tx_rollback`](Self::tx_rollback).
    ///
    /// ```no_run
    /// # use amqp_client::{Channel, ChannelError};
    /// async fn transfer(channel: &Channel) -> Result<(), ChannelError> {
    ///     loop {
    ///         match attempt(channel).await {
    ///             // Nothing of it has been committed: from its beginning.
    ///             Err(ChannelError::TransactionLost) => drop(channel.tx_rollback().await?),
    ///             result => return result,
    ///         }
    ///     }
    /// }
    ///
    /// async fn attempt(channel: &Channel) -> Result<(), ChannelError> {
    ///     channel.basic_publish("", "debits", "a: 10").await?;
    ///     channel.basic_publish("", "credits", "b: 10").await?;
    ///     channel.tx_commit().await // if this is uncertain, the caller decides
    /// }
    /// ```
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
    /// 406 if the channel is not transactional. [`ChannelError::TransactionLost`] if the connection was
    /// lost amid the transaction: nothing of it has been committed, or an earlier commit was
    /// uncertain. If the connection is lost before the answer, its error: the commit may have come
    /// about or not ([`Outcome::Unknown`](crate::error::Outcome::Unknown)), and what follows waits
    /// for [`tx_rollback`](Self::tx_rollback).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_commit(&self) -> Result<(), ChannelError> {
        let effect = Effect::EndTransaction(Box::default());
        self.end_transaction(&tx::Commit {}, effect)?
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
    /// When the connection is lost the broker forgets the transaction, so that a rollback that waits
    /// for its answer has come about. Of a transaction that is lost
    /// ([`ChannelError::TransactionLost`]) it is done at once, without the broker, also while the
    /// connection is down. What was settled in it before the loss is delivered again; the numbers are
    /// those of later deliveries that were to be settled in it, each by itself, which were refused.
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
        self.end_transaction(&tx::Rollback {}, effect)?.await?;
        Ok(RolledBack {
            channel: self.clone(),
            delivery_tags: settled.get().cloned().unwrap_or_default(),
        })
    }

    fn end_transaction<'m, M: TypedMethod<'m> + Request>(
        &self,
        method: &M,
        effect: Effect,
    ) -> Result<PendingReply, ChannelError> {
        let shared = self.shared();
        let (about, barrier) = (About::default(), Barrier::Everything);
        start_by::<M>(shared, about, effect, barrier, |order, slot| {
            order.end_transaction(shared.at, method, slot)
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
    /// The numbers of the deliveries that were settled in the transaction, or were to be after it was
    /// lost, and are unsettled again, in that order. Those that were settled together, with
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
