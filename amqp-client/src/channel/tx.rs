//! What makes publishing safe: confirms and transactions (AMQP 0-9-1 §1.9).

use amqp_spec::{confirm, tx};

use super::Channel;
use crate::call::start;
use crate::error::{About, ChannelError};
use crate::proto::request::{Barrier, Effect};

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

    /// Makes the channel transactional (`tx.select`).
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

    /// Makes what was published and acknowledged since the last commit take effect (`tx.commit`).
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
        start(
            self.shared(),
            &tx::Commit {},
            Effect::Nothing,
            Barrier::Everything,
        )?
        .await
        .map(drop)
    }

    /// Forgets what was published and acknowledged since the last commit (`tx.rollback`).
    ///
    /// # Errors
    ///
    /// 406 if the channel is not transactional.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, it may have happened or not.
    pub async fn tx_rollback(&self) -> Result<(), ChannelError> {
        start(
            self.shared(),
            &tx::Rollback {},
            Effect::Nothing,
            Barrier::Everything,
        )?
        .await
        .map(drop)
    }
}
