//! Queues and their bindings (AMQP 0-9-1 §1.7).

use amqp_spec::queue;
use amqp_spec::wire::ShortStr;

use super::Channel;
use crate::call::decode;
use crate::declare::{DeclaredQueue, QueueDeclare};
use crate::error::ChannelError;

impl Channel {
    /// Declares a queue (`queue.declare`). An empty name lets the broker choose one.
    ///
    /// # Errors
    ///
    /// 406 if one of that name exists with other attributes, 405 if it is another connection's
    /// exclusive queue, 403 without permission, 404 if it was to be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been declared or not.
    pub async fn queue_declare(
        &self,
        declare: QueueDeclare,
    ) -> Result<DeclaredQueue, ChannelError> {
        let reply = self.call(&declare.as_method()?).await?;
        Ok(DeclaredQueue::new(decode::<queue::DeclareOk<'_>>(
            &reply.payload,
        )?))
    }

    /// Binds a queue to an exchange (`queue.bind`).
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue or exchange, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been bound or not.
    pub async fn queue_bind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), ChannelError> {
        let bind = queue::Bind {
            queue: ShortStr::new(queue.as_bytes())?,
            exchange: ShortStr::new(exchange.as_bytes())?,
            routing_key: ShortStr::new(routing_key.as_bytes())?,
            ..Default::default()
        };
        self.call(&bind).await.map(drop)
    }

    /// Removes a binding (`queue.unbind`). Removing one that does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the binding may have been removed or not.
    pub async fn queue_unbind(
        &self,
        queue: &str,
        exchange: &str,
        routing_key: &str,
    ) -> Result<(), ChannelError> {
        let unbind = queue::Unbind {
            queue: ShortStr::new(queue.as_bytes())?,
            exchange: ShortStr::new(exchange.as_bytes())?,
            routing_key: ShortStr::new(routing_key.as_bytes())?,
            ..Default::default()
        };
        self.call(&unbind).await.map(drop)
    }

    /// Throws away the messages that are ready in a queue, and says how many (`queue.purge`).
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been purged or not.
    pub async fn queue_purge(&self, queue: &str) -> Result<u32, ChannelError> {
        let queue = ShortStr::new(queue.as_bytes())?;
        let reply = self
            .call(&queue::Purge {
                queue,
                ..Default::default()
            })
            .await?;
        Ok(decode::<queue::PurgeOk>(&reply.payload)?.message_count)
    }

    /// Deletes a queue and says how many messages went with it (`queue.delete`). Deleting one that
    /// does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 405 if it is another connection's exclusive queue, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been deleted or not.
    pub async fn queue_delete(&self, queue: &str) -> Result<u32, ChannelError> {
        let queue = ShortStr::new(queue.as_bytes())?;
        let reply = self
            .call(&queue::Delete {
                queue,
                ..Default::default()
            })
            .await?;
        Ok(decode::<queue::DeleteOk>(&reply.payload)?.message_count)
    }
}
