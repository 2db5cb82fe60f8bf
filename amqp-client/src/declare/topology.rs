//! What a program needs at the broker: exchanges, queues and bindings.

use super::{Binding, ExchangeDeclare, QueueDeclare};

/// Exchanges, queues and bindings that belong together, as a plain value: from a file (feature
/// `serde`), or put together here.
///
/// [`declare`](Self::declare) declares them: the exchanges first, then the queues, then the
/// bindings, each in the order in which they were added.
///
/// ```no_run
/// use amqp_client::declare::Topology;
/// use amqp_client::{Channel, ExchangeDeclare, QueueDeclare};
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// let topology = Topology::default()
///     .exchange(ExchangeDeclare::topic("orders").durable())
///     .queue(QueueDeclare::new("invoices").quorum())
///     .queue_binding("invoices", "orders", "order.*.paid");
/// topology.declare(&channel).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "nothing is declared before Topology::declare"]
pub struct Topology {
    pub(crate) exchanges: Vec<ExchangeDeclare>,
    pub(crate) queues: Vec<QueueDeclare>,
    pub(crate) bindings: Vec<Bound>,
}

/// A binding, and what it binds to what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Bound {
    Queue {
        queue: String,
        exchange: String,
        binding: Binding,
    },
    Exchange {
        destination: String,
        source: String,
        binding: Binding,
    },
}

impl Topology {
    /// Nothing yet; the same as [`default`](Self::default).
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an exchange.
    pub fn exchange(mut self, exchange: ExchangeDeclare) -> Self {
        self.exchanges.push(exchange);
        self
    }

    /// Adds a queue.
    pub fn queue(mut self, queue: QueueDeclare) -> Self {
        self.queues.push(queue);
        self
    }

    /// Adds a binding of a queue to an exchange, as
    /// [`queue_bind`](crate::Channel::queue_bind) makes one.
    pub fn queue_binding(
        mut self,
        queue: impl AsRef<str>,
        exchange: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Self {
        self.bindings.push(Bound::Queue {
            queue: queue.as_ref().to_owned(),
            exchange: exchange.as_ref().to_owned(),
            binding: binding.into(),
        });
        self
    }

    /// Adds a binding of an exchange to another, as
    /// [`exchange_bind`](crate::Channel::exchange_bind) makes one.
    pub fn exchange_binding(
        mut self,
        destination: impl AsRef<str>,
        source: impl AsRef<str>,
        binding: impl Into<Binding>,
    ) -> Self {
        self.bindings.push(Bound::Exchange {
            destination: destination.as_ref().to_owned(),
            source: source.as_ref().to_owned(),
            binding: binding.into(),
        });
        self
    }

    /// How many exchanges, queues and bindings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.exchanges.len() + self.queues.len() + self.bindings.len()
    }

    /// Whether there is nothing to declare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
