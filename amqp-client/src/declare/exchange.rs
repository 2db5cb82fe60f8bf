//! Exchanges to be declared or deleted.

use amqp_spec::exchange;
use amqp_spec::wire::ToValue;

use super::arguments::Arguments;
use crate::error::{About, ChannelError, Subject};

/// An exchange to be declared.
///
/// ```no_run
/// use amqp_client::{Channel, ExchangeDeclare};
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// channel.exchange_declare(ExchangeDeclare::topic("orders").durable()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "hand it to Channel::exchange_declare"]
pub struct ExchangeDeclare {
    pub(crate) name: String,
    pub(super) kind: String,
    pub(super) passive: bool,
    pub(super) durable: bool,
    pub(super) auto_delete: bool,
    pub(super) internal: bool,
    pub(super) arguments: Arguments,
}

impl ExchangeDeclare {
    /// An exchange of this name and type; types of plugins are possible (`x-consistent-hash`,
    /// `x-delayed-message`). Both have up to 255 octets. Names that begin with `amq.` are reserved.
    pub fn new(name: impl AsRef<str>, kind: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            kind: kind.as_ref().to_owned(),
            passive: false,
            durable: false,
            auto_delete: false,
            internal: false,
            arguments: Arguments::default(),
        }
    }

    /// Routes by equality of routing key and binding key.
    pub fn direct(name: impl AsRef<str>) -> Self {
        Self::new(name, "direct")
    }

    /// Routes to every bound queue.
    pub fn fanout(name: impl AsRef<str>) -> Self {
        Self::new(name, "fanout")
    }

    /// Routes by patterns of words: `orders.*.paid`, `orders.#`.
    pub fn topic(name: impl AsRef<str>) -> Self {
        Self::new(name, "topic")
    }

    /// Routes by headers; see [`Binding::headers`](crate::declare::Binding::headers).
    pub fn headers(name: impl AsRef<str>) -> Self {
        Self::new(name, "headers")
    }

    /// Routes each message to one of the bound queues, by a hash of its routing key, so that all of
    /// one key go to one queue as long as no binding comes or goes (`x-modulus-hash`). Binding keys
    /// and arguments mean nothing to it. Since RabbitMQ 4.3; before, a plugin has the type, and
    /// without it the declaration ends the channel (406), up to 3.x the connection (503).
    pub fn modulus_hash(name: impl AsRef<str>) -> Self {
        Self::new(name, "x-modulus-hash")
    }

    /// Only checks that the exchange is there. Nothing else that is set matters then.
    pub fn passive(mut self) -> Self {
        self.passive = true;
        self
    }

    /// Survives a restart of the broker. Default: it does not.
    pub fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Deleted when its last binding goes, not before it has had one. Default: it stays.
    pub fn auto_delete(mut self) -> Self {
        self.auto_delete = true;
        self
    }

    /// Takes messages from other exchanges only; publishing to it is refused with 403.
    pub fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    /// Where messages go that this exchange can route nowhere (`alternate-exchange`); such do not
    /// count as unroutable. Default: they are dropped, or returned if they are mandatory. The other
    /// exchange need not exist yet.
    pub fn alternate_exchange(self, exchange: impl AsRef<str>) -> Self {
        self.argument("alternate-exchange", exchange.as_ref())
    }

    /// An argument that has no method here. Integers of any width will do. In place of an earlier
    /// one of that name.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl ToValue) -> Self {
        self.arguments.set(name.as_ref(), value);
        self
    }

    /// What a declaration is about: where it sends what it cannot route may be refused as well.
    pub(crate) fn about(&self) -> About {
        match self.arguments.text("alternate-exchange") {
            Some(exchange) => About::exchanges(&self.name, exchange),
            None => About::exchange(&self.name),
        }
    }

    pub(crate) fn as_method(&self) -> Result<exchange::Declare<'_>, ChannelError> {
        let subject = Subject::Exchange(&self.name);
        Ok(exchange::Declare {
            exchange: Subject::Nothing.short("exchange", &self.name)?,
            type_: subject.short("type", &self.kind)?,
            passive: self.passive,
            durable: self.durable,
            auto_delete: self.auto_delete,
            internal: self.internal,
            no_wait: false,
            arguments: self.arguments.checked(subject)?,
        })
    }
}

/// Copies it, so that it can be used again.
impl From<&Self> for ExchangeDeclare {
    fn from(declare: &Self) -> Self {
        declare.clone()
    }
}

/// An exchange to be deleted. Text is its name.
///
/// ```no_run
/// use amqp_client::declare::ExchangeDelete;
/// use amqp_client::Channel;
///
/// # async fn example(channel: Channel) -> Result<(), amqp_client::ChannelError> {
/// channel.exchange_delete("orders").await?;
/// channel.exchange_delete(ExchangeDelete::new("invoices").if_unused()).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "hand it to Channel::exchange_delete"]
pub struct ExchangeDelete {
    pub(crate) name: String,
    if_unused: bool,
}

impl ExchangeDelete {
    /// The exchange of this name, whether it is used or not.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: name.as_ref().to_owned(),
            if_unused: false,
        }
    }

    /// Only if nothing is bound to it; otherwise it stays, and the broker closes the channel with
    /// 406.
    pub fn if_unused(mut self) -> Self {
        self.if_unused = true;
        self
    }

    pub(crate) fn as_method(&self) -> Result<exchange::Delete<'_>, ChannelError> {
        Ok(exchange::Delete {
            exchange: Subject::Nothing.short("exchange", &self.name)?,
            if_unused: self.if_unused,
            no_wait: false,
        })
    }
}

impl<T: AsRef<str>> From<T> for ExchangeDelete {
    fn from(name: T) -> Self {
        Self::new(name)
    }
}

/// Copies it, so that it can be used again.
impl From<&Self> for ExchangeDelete {
    fn from(delete: &Self) -> Self {
        delete.clone()
    }
}
