//! What can go wrong, by the moment at which it does.
//!
//! [`ConnectError`] is why a connection could not be opened, [`ConnectionError`] why an open one
//! ended, [`ChannelError`] why an operation on a channel failed or the channel ended,
//! [`PublishError`] what became of a message that was not confirmed. The ends of connections and
//! channels are `Clone`: every handle reports the same cause. What the broker said is in a
//! [`BrokerClose`]. Each tells all it knows in its text, and its [`source`](std::error::Error::source)
//! begins behind what that shows, so that nothing is told twice; all of them answer the same questions about it (`is_not_found` and so on).

mod about;
mod argument;
mod broker;
mod cause;
mod channel;
mod connect;
mod connection;
mod consume;
mod diagnosis;
mod entity;
mod names;
mod option;
mod oversized;
mod predicates;
mod publish;
#[cfg(test)]
mod sources;
mod tls;
mod uri;
mod violation;

pub(crate) use self::about::{About, Provoker};
pub use self::argument::ArgumentError;
pub use self::broker::BrokerClose;
pub(crate) use self::broker::method_name;
pub(crate) use self::cause::OverTls;
pub use self::cause::{ConnectCause, Stage};
pub use self::channel::{ChannelError, SlowConsumer};
#[cfg(feature = "tokio")]
pub(crate) use self::connect::Failures;
pub use self::connect::{Attempt, ConnectError};
pub use self::connection::ConnectionError;
pub use self::consume::ConsumeError;
pub use self::diagnosis::Diagnosis;
pub use self::entity::Entity;
pub use self::names::NameTooLong;
pub(crate) use self::names::Subject;
pub use self::option::OptionError;
pub use self::oversized::OversizedMessage;
pub use self::predicates::Outcome;
pub use self::publish::PublishError;
pub use self::tls::{CertificateFault, TlsError};
pub use self::uri::UriError;
pub use self::violation::Violation;

/// Who ended a connection or a channel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Initiator {
    /// The program, by calling `close` or dropping the last handle.
    Application,
    /// This library, because the peer broke the protocol or fell silent.
    Library,
    /// The broker.
    Broker,
}
