//! What at the broker an error is about.

use std::fmt;

use crate::text::name;

/// A thing at the broker that an error is about.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
}

impl Entity {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Queue(name)
            | Self::Exchange(name)
            | Self::VirtualHost(name)
            | Self::User(name) => name,
        }
    }

    /// What RabbitMQ calls its kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Queue(_) => "queue",
            Self::Exchange(_) => "exchange",
            Self::VirtualHost(_) => "vhost",
            Self::User(_) => "user",
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
        }
    }
}
