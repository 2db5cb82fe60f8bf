//! Errors, by the moment at which they occur.
//!
//! | at the root of the crate | |
//! |---|---|
//! | [`ConnectError`] | why a connection could not be opened |
//! | [`ConnectionError`] | why an open one ended |
//! | [`ChannelError`] | why an operation on a channel failed, or the channel ended |
//! | [`PublishError`] | what became of a message that was not confirmed |
//! | [`ConsumeError`] | why a consumer ended |
//! | [`Error`](crate::Error) | any of them, or of the rest: for `?` |
//!
//! All of them are `Clone`: every handle reports the same cause. What the broker said is in a
//! [`BrokerClose`]. Each error tells all it knows in its text, and its
//! [`source`](std::error::Error::source) begins behind what that shows, so that a chain says
//! nothing twice. `Debug` shows text and sources in one line, for that is what `main` prints of an
//! error that it returns; `{:#?}` shows the parts. All of them answer the same questions:
//! `is_not_found`, `is_retryable`, [`Outcome`] and so on.
//!
//! Here is what they are made of, and the errors of options, URIs and environment variables. A
//! call's error is [`rpc::Error`](crate::rpc::Error), a login's
//! [`SaslError`](crate::sasl::SaslError).
//!
//! [`ConnectError`]: crate::ConnectError

mod about;
mod argument;
mod broker;
mod cause;
pub(crate) mod channel;
pub(crate) mod connect;
pub(crate) mod connection;
pub(crate) mod consume;
mod destination;
mod diagnosis;
mod entity;
mod entity_failure;
mod environment;
mod frame_overflow;
mod names;
mod option;
mod oversized;
mod predicates;
pub(crate) mod publish;
mod shown;
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
pub(crate) use self::channel::ChannelError;
pub use self::channel::SlowConsumer;
pub use self::connect::Attempt;
#[cfg(feature = "tokio")]
pub(crate) use self::connect::AttemptFailures;
pub(crate) use self::connect::ConnectError;
#[cfg(feature = "tokio")]
pub(crate) use self::connect::LoginClue;
pub(crate) use self::connection::ConnectionError;
pub(crate) use self::consume::ConsumeError;
pub(crate) use self::destination::{CameBack, Destination};
pub use self::diagnosis::Diagnosis;
pub use self::entity::Entity;
pub use self::entity_failure::EntityFailure;
pub use self::environment::EnvironmentError;
pub use self::frame_overflow::FrameOverflow;
pub use self::names::NameTooLong;
pub(crate) use self::names::Subject;
pub use self::option::OptionError;
pub use self::oversized::OversizedMessage;
pub use self::predicates::Outcome;
pub(crate) use self::predicates::answers_for_the_broker;
pub(crate) use self::publish::PublishError;
pub(crate) use self::shown::{debug_is_text, text_and_sources};
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
