//! What can go wrong, by the moment at which it does.
//!
//! [`ConnectError`] is why a connection could not be opened, [`ConnectionError`] why an open one
//! ended, [`ChannelError`] why an operation on a channel failed or the channel ended,
//! [`PublishError`] what became of a message that was not confirmed. The ends of connections and
//! channels are `Clone`: every handle reports the same cause.

mod channel;
mod connect;
mod connection;
mod diagnosis;
mod publish;
mod tls;
mod violation;

use std::fmt;

use amqp_spec::ReplyCode;
use amqp_spec::wire::MethodId;

pub use self::channel::ChannelError;
#[cfg(feature = "tokio")]
pub(crate) use self::connect::Failures;
pub use self::connect::{Attempt, ConnectCause, ConnectError, Stage};
pub use self::connection::ConnectionError;
pub use self::diagnosis::Diagnosis;
pub use self::publish::PublishError;
pub use self::tls::{CertificateFault, TlsError};
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

/// What the broker said when it closed a connection or a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct BrokerClose {
    /// Why, as a number: `404 NOT_FOUND`.
    pub reply_code: ReplyCode,
    /// Why, in words. RabbitMQ cuts it to 255 octets, sometimes inside a character; what is not
    /// UTF-8 has been replaced.
    pub reply_text: String,
    /// The method that provoked it, if the broker named one.
    pub method: Option<MethodId>,
}

impl fmt::Display for BrokerClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RabbitMQ's text starts with the code's name, other brokers' may not.
        let named = self.reply_code.name().is_some_and(|name| {
            self.reply_text
                .starts_with(&name.to_uppercase().replace('-', "_"))
        });
        if named {
            write!(f, "{} {}", self.reply_code.0, self.reply_text)?;
        } else {
            write!(f, "{}: {}", self.reply_code, self.reply_text)?;
        }
        match self.method.and_then(method_name) {
            Some(method) => write!(f, " (answering {method})"),
            None => Ok(()),
        }
    }
}

fn method_name(id: MethodId) -> Option<&'static str> {
    let mut methods = amqp_spec::metadata::CLASSES
        .iter()
        .flat_map(|class| class.methods);
    methods
        .find(|method| method.id == id)
        .map(|method| method.name)
}
