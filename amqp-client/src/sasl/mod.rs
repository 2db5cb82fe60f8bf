//! Logging in: who we are, what proves it, and the mechanisms (SASL) that say so
//! (AMQP 0-9-1 §1.4.2.2).
//!
//! Nothing here sends anything: an exchange answers challenges, and the core's handshake carries the
//! answers.

mod mechanism;
mod secret;
mod source;

pub use self::mechanism::{
    AuthMechanism, Credentials, SaslError, SaslExchange, SaslMechanism, UnknownMechanism,
};
pub use self::secret::Secret;
pub(crate) use self::source::{CredentialSource, Failure};
