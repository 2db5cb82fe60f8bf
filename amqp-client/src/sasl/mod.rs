//! Logging in: users, secrets, and the mechanisms that prove who we are (AMQP 0-9-1 §1.4.2.2).
//!
//! [`Credentials`] hold a user and a [`Secret`]; [`AuthMechanism`] lists the ways of presenting
//! them. Implement [`SaslMechanism`] and [`SaslExchange`] for another one.

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
