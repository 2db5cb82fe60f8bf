//! What a binding matches.

use amqp_spec::wire::{TableRef, ToValue};

use super::arguments::Arguments;
use crate::error::{ChannelError, Subject};

/// What a binding matches: a routing key, arguments, or both. Text is a routing key:
///
/// ```no_run
/// # async fn example(channel: amqp_client::Channel) -> Result<(), Box<dyn std::error::Error>> {
/// use amqp_client::declare::{Binding, Match};
///
/// channel.queue_bind("paid", "orders", "order.*.paid").await?;
/// let urgent = Binding::headers(Match::All).argument("urgent", true);
/// channel.queue_bind("urgent", "orders-by-header", urgent).await?;
/// # Ok(()) }
/// ```
///
/// Two bindings between the same two are the same if both key and arguments are; unbinding needs
/// both as well.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use = "hand it to Channel::queue_bind or Channel::exchange_bind"]
pub struct Binding {
    pub(crate) routing_key: String,
    pub(super) arguments: Arguments,
}

impl Binding {
    /// Matches by routing key, up to 255 octets: the whole of it (direct exchanges), or a pattern
    /// of words in which `*` stands for one and `#` for any number (topic exchanges). Fanout and
    /// headers exchanges do not look at it.
    pub fn new(routing_key: impl AsRef<str>) -> Self {
        Self {
            routing_key: routing_key.as_ref().to_owned(),
            arguments: Arguments::default(),
        }
    }

    /// Matches by headers, for headers exchanges: each further [argument](Self::argument) is a
    /// header that a message must have with that value (any value, if the argument is void).
    pub fn headers(how: Match) -> Self {
        Self::default().argument("x-match", how.as_str())
    }

    /// An argument: a header to be matched, or what a plugin's exchange understands. In place of an
    /// earlier one of that name.
    pub fn argument(mut self, name: impl AsRef<str>, value: impl ToValue) -> Self {
        self.arguments.set(name.as_ref(), value);
        self
    }

    pub(crate) fn arguments(&self, of: Subject<'_>) -> Result<TableRef<'_>, ChannelError> {
        self.arguments.checked(of)
    }
}

impl<T: AsRef<str>> From<T> for Binding {
    fn from(routing_key: T) -> Self {
        Self::new(routing_key)
    }
}

/// Copies it, so that it can be used again.
impl From<&Self> for Binding {
    fn from(binding: &Self) -> Self {
        binding.clone()
    }
}

/// How many headers of a [binding](Binding::headers) have to match (`x-match`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Match {
    /// All but those whose names begin with `x-`.
    All,
    /// At least one, of those whose names do not begin with `x-`.
    Any,
    /// All, those that begin with `x-` too. Since RabbitMQ 3.10.
    AllWithX,
    /// At least one, those that begin with `x-` too. Since RabbitMQ 3.10.
    AnyWithX,
}

impl Match {
    fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
            Self::AllWithX => "all-with-x",
            Self::AnyWithX => "any-with-x",
        }
    }
}
