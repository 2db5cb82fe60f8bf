//! The methods that can be sent without asking for a reply (`no-wait`).
//!
//! No reply comes, so that none can be taken for another's. `basic.cancel` is not among them,
//! though the protocol has it: without `cancel-ok` it is not known which delivery is the last, and
//! those that are under way could not be given back. Dropping a [`Consumer`](crate::Consumer)
//! cancels it without waiting, and keeps account. Nor is `confirm.select`, whose reply costs
//! nothing that publishing would not.

use amqp_spec::wire::{Request, TypedMethod};
use amqp_spec::{exchange, queue};

use super::Channel;
use super::exchange::{exchange_bind, exchange_unbind};
use super::queue::{queue_bind, queue_delete, queue_purge};
use super::request::send_no_wait;
use crate::declare::{Binding, ExchangeDeclare, ExchangeDelete, QueueDeclare, QueueDelete};
use crate::error::{About, ChannelError, Subject};

/// The methods of a channel that can go without a reply; from [`Channel::no_wait`].
///
/// `Ok` means that the method is on its way, behind everything sent on the channel before. If the
/// broker refuses it, that shows as the end of the channel, which names the method and what it was
/// about: later operations report it. To know that all went well, wait for any reply afterwards.
///
/// They wait while too much is queued, as publishing does, and while a connection that was lost
/// comes back: no longer than [`patience`](crate::options::Recovery::patience) lasts, and then fail
/// with [`ChannelError::Recovering`]. There is no `queue_unbind`, for the
/// protocol has none without a reply.
#[derive(Clone, Copy, Debug)]
pub struct NoWait<'c> {
    channel: &'c Channel,
}

impl Channel {
    /// The same methods, without waiting for replies: for declaring many things at once.
    ///
    /// ```no_run
    /// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
    /// # use amqp_client::QueueDeclare;
    /// for n in 0..1000 {
    ///     let queue = QueueDeclare::new(format!("shard-{n}")).quorum();
    ///     channel.no_wait().queue_declare(queue).await?;
    /// }
    /// // The reply to this one comes when all of them are there.
    /// channel.queue_declare(QueueDeclare::new("shard-999").passive()).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn no_wait(&self) -> NoWait<'_> {
        NoWait { channel: self }
    }
}

impl NoWait<'_> {
    /// As [`Channel::exchange_declare`], without a reply.
    ///
    /// # Errors
    ///
    /// Nothing was sent: a name is too long, or the channel or connection has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn exchange_declare(
        self,
        declare: impl Into<ExchangeDeclare>,
    ) -> Result<(), ChannelError> {
        self.declare_exchange(&declare.into()).await
    }

    async fn declare_exchange(self, declare: &ExchangeDeclare) -> Result<(), ChannelError> {
        let method = exchange::Declare {
            no_wait: true,
            ..declare.as_method()?
        };
        self.send(&method, declare.about()).await
    }

    /// As [`Channel::exchange_delete`], without a reply.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn exchange_delete(
        self,
        exchange: impl Into<ExchangeDelete>,
    ) -> Result<(), ChannelError> {
        self.delete_exchange(&exchange.into()).await
    }

    async fn delete_exchange(self, delete: &ExchangeDelete) -> Result<(), ChannelError> {
        let method = exchange::Delete {
            no_wait: true,
            ..delete.as_method()?
        };
        self.send(&method, About::exchange(&delete.name)).await
    }

    /// As [`Channel::exchange_bind`], without a reply.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn exchange_bind(
        self,
        destination: impl AsRef<str>,
        source: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        self.bind_exchanges(destination.as_ref(), source.as_ref(), &binding.into())
            .await
    }

    async fn bind_exchanges(
        self,
        destination: &str,
        source: &str,
        binding: &Binding,
    ) -> Result<(), ChannelError> {
        let method = exchange::Bind {
            no_wait: true,
            ..exchange_bind(destination, source, binding)?
        };
        self.send(&method, About::exchanges(destination, source))
            .await
    }

    /// As [`Channel::exchange_unbind`], without a reply.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn exchange_unbind(
        self,
        destination: impl AsRef<str>,
        source: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        self.unbind_exchanges(destination.as_ref(), source.as_ref(), &binding.into())
            .await
    }

    async fn unbind_exchanges(
        self,
        destination: &str,
        source: &str,
        binding: &Binding,
    ) -> Result<(), ChannelError> {
        let method = exchange::Unbind {
            no_wait: true,
            ..exchange_unbind(destination, source, binding)?
        };
        self.send(&method, About::exchanges(destination, source))
            .await
    }

    /// As [`Channel::queue_declare`], without a reply. The queue needs a name: nobody would hear of
    /// the broker's choice.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare), and [`ChannelError::Invalid`] if the name
    /// is empty or the declaration contradicts itself.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn queue_declare(self, declare: impl Into<QueueDeclare>) -> Result<(), ChannelError> {
        self.declare_queue(&declare.into()).await
    }

    async fn declare_queue(self, declare: &QueueDeclare) -> Result<(), ChannelError> {
        let method = declare.as_method_no_wait()?;
        let connection = &self.channel.shared().connection;
        let present = connection.current_name(declare.name.as_str().into());
        let method = queue::Declare {
            queue: Subject::Nothing.short("queue", &present)?,
            ..method
        };
        let last = &self.channel.shared().last_queue();
        let number = last.declaring();
        self.send(&method, declare.about()).await?;
        last.declared(number, &present);
        Ok(())
    }

    /// As [`Channel::queue_bind`], without a reply.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn queue_bind(
        self,
        queue: impl AsRef<str>,
        exchange: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Result<(), ChannelError> {
        self.bind_queue(queue.as_ref(), exchange.as_ref(), &binding.into())
            .await
    }

    async fn bind_queue(
        self,
        queue: &str,
        exchange: &str,
        binding: &Binding,
    ) -> Result<(), ChannelError> {
        let named = self.channel.queue_named(queue);
        let (asked, queue) = (queue, &*named);
        let method = queue::Bind {
            no_wait: true,
            ..queue_bind(asked, queue, exchange, binding)?
        };
        self.send(&method, About::binding(queue, exchange)).await
    }

    /// As [`Channel::queue_purge`], without a reply, and so without the number.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn queue_purge(self, queue: impl AsRef<str>) -> Result<(), ChannelError> {
        self.purge_queue(queue.as_ref()).await
    }

    async fn purge_queue(self, queue: &str) -> Result<(), ChannelError> {
        let queue = self.channel.queue_named(queue);
        let method = queue::Purge {
            no_wait: true,
            ..queue_purge(&queue)?
        };
        self.send(&method, About::queue(&queue)).await
    }

    /// As [`Channel::queue_delete`], without a reply, and so without the number.
    ///
    /// # Errors
    ///
    /// As [`exchange_declare`](Self::exchange_declare).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, nothing was sent.
    pub async fn queue_delete(self, queue: impl Into<QueueDelete>) -> Result<(), ChannelError> {
        self.delete_queue(&queue.into()).await
    }

    async fn delete_queue(self, delete: &QueueDelete) -> Result<(), ChannelError> {
        let queue = self.channel.queue_named(&delete.name);
        let method = queue::Delete {
            no_wait: true,
            ..queue_delete(&queue, delete)?
        };
        self.send(&method, About::queue(&queue)).await
    }

    async fn send<'m, M: TypedMethod<'m> + Request>(
        self,
        method: &M,
        about: About,
    ) -> Result<(), ChannelError> {
        send_no_wait(self.channel.shared(), method, about).await
    }
}
