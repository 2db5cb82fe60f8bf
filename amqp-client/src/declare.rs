//! What queues and exchanges are declared with.

use amqp_spec::wire::{FieldTable, ShortStr, TooLong, Value};
use amqp_spec::{exchange, queue};

use crate::error::ChannelError;

/// A queue to be declared. Neither durable, exclusive nor auto-deleted unless said so; RabbitMQ 4.3
/// deprecates such queues unless they are exclusive.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "hand it to Channel::queue_declare"]
pub struct QueueDeclare {
    name: String,
    passive: bool,
    durable: bool,
    exclusive: bool,
    auto_delete: bool,
    arguments: FieldTable,
    too_long: Option<TooLong>,
}

impl QueueDeclare {
    /// A queue of this name: up to 255 octets, not beginning with `amq.`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// A queue that the broker names, gone with the connection: for replies and subscriptions.
    pub fn temporary() -> Self {
        Self::default().exclusive().auto_delete()
    }

    /// Only checks that the queue is there.
    pub fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Survives a restart of the broker.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// For this connection only, and deleted with it.
    pub fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// Deleted when its last consumer goes.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Replicated over the nodes of a cluster (`x-queue-type: quorum`); durable, as those must be.
    pub fn quorum(self) -> Self {
        self.durable().argument("x-queue-type", "quorum")
    }

    /// An argument of the broker's, `x-max-length` for instance. Integers of any width will do.
    pub fn argument<'v>(mut self, name: &str, value: impl Into<Value<'v>>) -> Self {
        match ShortStr::new(name.as_bytes()) {
            Ok(name) => {
                self.arguments.insert(name, value);
            }
            Err(error) => self.too_long = Some(error),
        }
        self
    }

    pub(crate) fn as_method(&self) -> Result<queue::Declare<'_>, ChannelError> {
        if let Some(error) = self.too_long {
            return Err(error.into());
        }
        Ok(queue::Declare {
            queue: ShortStr::new(self.name.as_bytes())?,
            passive: self.passive,
            durable: self.durable,
            exclusive: self.exclusive,
            auto_delete: self.auto_delete,
            no_wait: false,
            arguments: self.arguments.as_ref(),
        })
    }
}

/// A queue as the broker knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeclaredQueue {
    /// Its name; the broker's choice if none was asked for.
    pub name: String,
    /// Messages that are ready to be delivered; those unacknowledged are not counted.
    pub message_count: u32,
    /// Consumers that it has.
    pub consumer_count: u32,
}

impl DeclaredQueue {
    pub(crate) fn new(ok: queue::DeclareOk<'_>) -> Self {
        Self {
            name: String::from_utf8_lossy(ok.queue.as_bytes()).into_owned(),
            message_count: ok.message_count,
            consumer_count: ok.consumer_count,
        }
    }
}

/// An exchange to be declared.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "hand it to Channel::exchange_declare"]
pub struct ExchangeDeclare {
    name: String,
    kind: String,
    passive: bool,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    arguments: FieldTable,
    too_long: Option<TooLong>,
}

impl ExchangeDeclare {
    /// An exchange of this name and type; types of plugins are possible.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            kind: kind.into(),
            passive: false,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: FieldTable::new(),
            too_long: None,
        }
    }

    /// Routes by equality of routing key and binding key.
    pub fn direct(name: impl Into<String>) -> Self {
        Self::new(name, "direct")
    }

    /// Routes to every bound queue.
    pub fn fanout(name: impl Into<String>) -> Self {
        Self::new(name, "fanout")
    }

    /// Routes by patterns of words: `orders.*.paid`, `orders.#`.
    pub fn topic(name: impl Into<String>) -> Self {
        Self::new(name, "topic")
    }

    /// Routes by headers.
    pub fn headers(name: impl Into<String>) -> Self {
        Self::new(name, "headers")
    }

    /// Only checks that the exchange is there.
    pub fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Survives a restart of the broker.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Deleted when its last binding goes.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Takes messages from other exchanges only.
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// An argument of the broker's, `alternate-exchange` for instance.
    pub fn argument<'v>(mut self, name: &str, value: impl Into<Value<'v>>) -> Self {
        match ShortStr::new(name.as_bytes()) {
            Ok(name) => {
                self.arguments.insert(name, value);
            }
            Err(error) => self.too_long = Some(error),
        }
        self
    }

    pub(crate) fn as_method(&self) -> Result<exchange::Declare<'_>, ChannelError> {
        if let Some(error) = self.too_long {
            return Err(error.into());
        }
        Ok(exchange::Declare {
            exchange: ShortStr::new(self.name.as_bytes())?,
            type_: ShortStr::new(self.kind.as_bytes())?,
            passive: self.passive,
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            no_wait: false,
            arguments: self.arguments.as_ref(),
        })
    }
}
