//! What at the broker an error is about.

use std::fmt;

use crate::text::{Quoted, name};

/// A thing at the broker that an error is about.
#[derive(Clone, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Entity {
    /// The queue of this name; empty for "the one that was declared last on the channel".
    Queue(String),
    /// The exchange of this name; empty for the default exchange.
    Exchange(String),
    /// The virtual host of this name.
    VirtualHost(String),
    /// The user of this name.
    User(String),
    /// A binding of a queue to an exchange.
    #[non_exhaustive]
    Binding {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// A binding of an exchange to another one.
    #[non_exhaustive]
    ExchangeBinding {
        /// The exchange that messages go to.
        destination: String,
        /// The exchange that they come from.
        source: String,
        /// The routing key.
        routing_key: String,
    },
    /// A consumer.
    #[non_exhaustive]
    Consumer {
        /// Its channel.
        channel: u16,
        /// Its tag.
        consumer_tag: String,
        /// The queue that it consumes from.
        queue: String,
    },
    /// The channel of this number.
    Channel(u16),
}

impl Entity {
    /// Its name. Of a binding that of the queue or the exchange that is bound, of a consumer that
    /// of its queue; a channel has none, which is an empty one.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(name)
            | Self::Exchange(name)
            | Self::VirtualHost(name)
            | Self::User(name) => name,
            Self::Binding { queue, .. } | Self::Consumer { queue, .. } => queue,
            Self::ExchangeBinding { destination, .. } => destination,
            Self::Channel(_) => "",
        }
    }

    /// Whether it is a queue.
    #[must_use]
    pub fn is_queue(&self) -> bool {
        matches!(self, Self::Queue(_))
    }

    /// Whether it is an exchange.
    #[must_use]
    pub fn is_exchange(&self) -> bool {
        matches!(self, Self::Exchange(_))
    }

    /// Whether it is a binding, of a queue or of an exchange.
    #[must_use]
    pub fn is_binding(&self) -> bool {
        matches!(self, Self::Binding { .. } | Self::ExchangeBinding { .. })
    }

    /// Whether it is a consumer.
    #[must_use]
    pub fn is_consumer(&self) -> bool {
        matches!(self, Self::Consumer { .. })
    }

    /// Whether it is a channel.
    #[must_use]
    pub fn is_channel(&self) -> bool {
        matches!(self, Self::Channel(_))
    }

    /// What RabbitMQ calls its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
            Self::VirtualHost(_) => "vhost",
            Self::User(_) => "user",
            Self::Binding { .. } | Self::ExchangeBinding { .. } => "binding",
            Self::Consumer { .. } => "consumer",
            Self::Channel(_) => "channel",
        }
    }
}

/// In one line: what a terminal would obey is escaped, and a long name is cut.
/// [`name`](Entity::name) is the name as it is.
impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) if name.is_empty() => f.write_str("the queue declared last"),
            Self::Exchange(name) if name.is_empty() => f.write_str("the default exchange"),
            Self::VirtualHost(host) => write!(f, "virtual host '{}'", name(host)),
            Self::Queue(one) | Self::Exchange(one) | Self::User(one) => {
                write!(f, "{} '{}'", self.kind(), name(one))
            }
            Self::Binding {
                queue,
                exchange,
                routing_key,
            } => write!(
                f,
                "binding of queue '{}' to exchange '{}' with routing key '{}'",
                name(queue),
                name(exchange),
                name(routing_key)
            ),
            Self::ExchangeBinding {
                destination,
                source,
                routing_key,
            } => write!(
                f,
                "binding of exchange '{}' to exchange '{}' with routing key '{}'",
                name(destination),
                name(source),
                name(routing_key)
            ),
            Self::Consumer {
                channel,
                consumer_tag,
                queue,
            } => write!(
                f,
                "consumer '{}' of queue '{}' on channel {channel}",
                name(consumer_tag),
                name(queue)
            ),
            Self::Channel(id) => write!(f, "channel {id}"),
        }
    }
}

/// Long names are cut.
impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, one) = match self {
            Self::Queue(one) => ("Queue", one),
            Self::Exchange(one) => ("Exchange", one),
            Self::VirtualHost(one) => ("VirtualHost", one),
            Self::User(one) => ("User", one),
            Self::Binding {
                queue,
                exchange,
                routing_key,
            } => {
                return f
                    .debug_struct("Binding")
                    .field("queue", &Quoted(queue))
                    .field("exchange", &Quoted(exchange))
                    .field("routing_key", &Quoted(routing_key))
                    .finish();
            }
            Self::ExchangeBinding {
                destination,
                source,
                routing_key,
            } => {
                return f
                    .debug_struct("ExchangeBinding")
                    .field("destination", &Quoted(destination))
                    .field("source", &Quoted(source))
                    .field("routing_key", &Quoted(routing_key))
                    .finish();
            }
            Self::Consumer {
                channel,
                consumer_tag,
                queue,
            } => {
                return f
                    .debug_struct("Consumer")
                    .field("channel", channel)
                    .field("consumer_tag", &Quoted(consumer_tag))
                    .field("queue", &Quoted(queue))
                    .finish();
            }
            Self::Channel(id) => return f.debug_tuple("Channel").field(id).finish(),
        };
        f.debug_tuple(kind).field(&Quoted(one)).finish()
    }
}
