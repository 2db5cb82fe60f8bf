//! Logging in: [who we are](Credentials), what proves it, and the [mechanisms](AuthMechanism) (SASL)
//! that say so (AMQP 0-9-1 §1.4.2.2). [`SaslMechanism`] is for a mechanism of one's own.

// Nothing here sends anything: an exchange answers challenges, and the core's handshake carries the
// answers.

mod mechanism;
mod secret;
mod source;

pub use self::mechanism::{
    AuthMechanism, Credentials, SaslError, SaslExchange, SaslMechanism, UnknownMechanism,
};
pub use self::secret::Secret;
pub(crate) use self::source::{CredentialSource, Failure};
