//! Queues and their bindings (AMQP 0-9-1 §1.7).

use amqp_spec::queue;

use super::Channel;
use super::request::{PendingReply, decode};
use crate::declare::{Binding, DeclaredQueue, QueueDeclare, QueueDelete};
use crate::error::{About, ChannelError, Subject};

/// An empty name stands for the queue that was declared last on the channel, everywhere but in a
/// declaration; a passive declaration counts, and so does one with `no_wait`. The name is sent in
/// its place once the declaration has been answered, so that it outlives what the broker knows of
/// the channel. Without any declaration before it, that is a 404.
///
/// A name that the broker has given and then changed, as it does after a loss of the connection,
/// stands for the queue as before; [`Connection::current_name`](crate::Connection::current_name)
/// tells the present one.
impl Channel {
    /// Declares a queue (`queue.declare`). An empty name lets the broker choose one.
    ///
    /// # Errors
    ///
    /// [`ChannelError::Invalid`] if the declaration contradicts itself; nothing was sent then. 406
    /// if a queue of that name exists with other attributes, 405 if it is another connection's
    /// exclusive queue, 403 without permission or if the name begins with `amq.`, 404 if it was to
    /// be passive and there is none.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been declared or not.
    pub async fn queue_declare(
        &self,
        declare: impl Into<QueueDeclare>,
    ) -> Result<DeclaredQueue, ChannelError> {
        self.declare_queue(declare.into()).await
    }

    async fn declare_queue(&self, declare: QueueDeclare) -> Result<DeclaredQueue, ChannelError> {
        let about = declare.about();
        let last = &self.shared().last_queue();
        let (declaring, number) = {
            let method = declare.as_method()?;
            let connection = &self.shared().connection;
            let present = connection.current_name(declare.name.as_str().into());
            let queue = Subject::Nothing.short("queue", &present)?;
            let number = last.declaring();
            let method = queue::Declare { queue, ..method };
            (self.begin(&method, about)?, number)
        };
        let reply = declaring.await?;
        let ok = decode::<queue::DeclareOk<'_>>(&reply.payload)?;
        let declared = DeclaredQueue::read(ok, declare.name);
        last.declared(number, &declared.name);
        Ok(declared)
    }

    /// Binds a queue to an exchange (`queue.bind`). A binding that exists already is not made
    /// twice.
    ///
    /// The queue may be empty for the one declared last; if the routing key is empty as well, the
    /// broker takes the queue's name for it. Every queue is bound to the default exchange by its
    /// name, and cannot be bound to it otherwise.
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
        queue: impl AsRef<str>,
        exchange: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        let bound = self.begin_queue_bind(queue.as_ref(), exchange.as_ref(), &binding.into())?;
        bound.await.map(drop)
    }

    fn begin_queue_bind(
        &self,
        queue: &str,
        exchange: &str,
        binding: &Binding,
    ) -> Result<PendingReply, ChannelError> {
        let named = self.queue_named(queue);
        let (asked, queue) = (queue, &*named);
        let bind = queue_bind(asked, queue, exchange, binding)?;
        self.begin(&bind, About::binding(queue, exchange))
    }

    /// Removes a binding (`queue.unbind`); empty names as in [`queue_bind`](Self::queue_bind).
    /// Removing one that does not exist succeeds.
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
        queue: impl AsRef<str>,
        exchange: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        let unbound =
            self.begin_queue_unbind(queue.as_ref(), exchange.as_ref(), &binding.into())?;
        unbound.await.map(drop)
    }

    fn begin_queue_unbind(
        &self,
        queue: &str,
        exchange: &str,
        binding: &Binding,
    ) -> Result<PendingReply, ChannelError> {
        let named = self.queue_named(queue);
        let (asked, queue) = (queue, &*named);
        let unbind = queue::Unbind {
            queue: Subject::Nothing.short("queue", queue)?,
            exchange: Subject::Queue(queue).short("exchange", exchange)?,
            routing_key: Subject::Queue(queue).short("routing_key", key(asked, queue, binding))?,
            arguments: binding.arguments(Subject::Queue(queue))?,
        };
        self.begin(&unbind, About::binding(queue, exchange))
    }

    /// Throws away the messages that are ready in a queue, and says how many (`queue.purge`); those
    /// delivered and not acknowledged stay.
    ///
    /// # Errors
    ///
    /// 404 if there is no such queue, 405 if it is another connection's exclusive queue, 403
    /// without permission. Streams cannot be purged: RabbitMQ closes the connection with 540.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been purged or not.
    pub async fn queue_purge(&self, queue: impl AsRef<str>) -> Result<u32, ChannelError> {
        let reply = self.begin_queue_purge(queue.as_ref())?.await?;
        Ok(decode::<queue::PurgeOk>(&reply.payload)?.message_count)
    }

    fn begin_queue_purge(&self, queue: &str) -> Result<PendingReply, ChannelError> {
        let queue = self.queue_named(queue);
        self.begin(&queue_purge(&queue)?, About::queue(&queue))
    }

    /// Deletes a queue and says how many messages went with it (`queue.delete`). Deleting one that
    /// does not exist succeeds.
    ///
    /// # Errors
    ///
    /// 406 if it was to be [unused](QueueDelete::if_unused) or [empty](QueueDelete::if_empty) and
    /// is not, 405 if it is another connection's exclusive queue, 403 without permission.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the queue may have been deleted or not.
    pub async fn queue_delete(&self, queue: impl Into<QueueDelete>) -> Result<u32, ChannelError> {
        let reply = self.begin_queue_delete(&queue.into())?.await?;
        Ok(decode::<queue::DeleteOk>(&reply.payload)?.message_count)
    }

    fn begin_queue_delete(&self, delete: &QueueDelete) -> Result<PendingReply, ChannelError> {
        let queue = self.queue_named(&delete.name);
        self.begin(&queue_delete(&queue, delete)?, About::queue(&queue))
    }
}

/// The routing key of a binding. The broker takes the name of the queue for it where both were left
/// out, which it cannot see if the name is sent.
fn key<'a>(asked: &str, queue: &'a str, binding: &'a Binding) -> &'a str {
    match (asked, binding.routing_key.as_str()) {
        ("", "") => queue,
        (_, key) => key,
    }
}

/// The method that binds, expecting a reply: the queue that was asked for, by its present name.
pub(super) fn queue_bind<'a>(
    asked: &str,
    queue: &'a str,
    exchange: &'a str,
    binding: &'a Binding,
) -> Result<queue::Bind<'a>, ChannelError> {
    Ok(queue::Bind {
        queue: Subject::Nothing.short("queue", queue)?,
        exchange: Subject::Queue(queue).short("exchange", exchange)?,
        routing_key: Subject::Queue(queue).short("routing_key", key(asked, queue, binding))?,
        no_wait: false,
        arguments: binding.arguments(Subject::Queue(queue))?,
    })
}

/// The method that purges, expecting a reply.
pub(super) fn queue_purge(queue: &str) -> Result<queue::Purge<'_>, ChannelError> {
    Ok(queue::Purge {
        queue: Subject::Nothing.short("queue", queue)?,
        no_wait: false,
    })
}

/// The method that deletes the queue of this present name, expecting a reply.
pub(super) fn queue_delete<'a>(
    queue: &'a str,
    delete: &'a QueueDelete,
) -> Result<queue::Delete<'a>, ChannelError> {
    let method = delete.as_method()?;
    Ok(queue::Delete {
        queue: Subject::Nothing.short("queue", queue)?,
        ..method
    })
}
