//! Logging in: who we are, and the mechanisms (SASL) that say so (AMQP 0-9-1 §1.4.2.2).
//!
//! The broker offers mechanisms by name; the first of ours that is among them is used. What the
//! mechanisms here do is in `connection.start-ok`; one of your own may answer any number of
//! challenges (`connection.secure`).

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::secret::Secret;
use crate::text::{Quoted, line, name};

/// A user and what proves it: a password or a token.
///
/// ```
/// use amqp_client::sasl::Credentials;
/// use amqp_client::ConnectionOptions;
/// use std::time::Duration;
///
/// let token = Credentials::new("app", "eyJhbGciOi…").valid_for(Duration::from_secs(3600));
/// let options = ConnectionOptions::default().credentials(token);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Credentials {
    user: String,
    password: Secret,
    valid_for: Option<Duration>,
}

impl Credentials {
    /// A user and a password. For OAuth 2 the password is the token, and the name says nothing.
    pub fn new(user: impl AsRef<str>, password: impl Into<Secret>) -> Self {
        Self {
            user: user.as_ref().to_owned(),
            password: password.into(),
            valid_for: None,
        }
    }

    /// For how long from now on the password can be used. A
    /// [source of credentials](crate::ConnectionOptions::credential_source) is asked again when
    /// four fifths of it have passed. Default: for ever.
    #[must_use]
    pub fn valid_for(mut self, duration: Duration) -> Self {
        self.valid_for = Some(duration);
        self
    }

    /// The user's name.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password or token.
    #[must_use]
    pub fn password(&self) -> &Secret {
        &self.password
    }

    /// For how long the password can be used, from when it was issued.
    #[must_use]
    pub fn validity(&self) -> Option<Duration> {
        self.valid_for
    }
}

/// RabbitMQ's and LavinMQ's own user, whom they let in from localhost only.
impl Default for Credentials {
    fn default() -> Self {
        Self::new("guest", "guest")
    }
}

/// A way of logging in.
///
/// ```
/// use amqp_client::sasl::AuthMechanism;
/// use amqp_client::{ConnectionOptions, TlsOptions};
///
/// // Our TLS certificate says who we are.
/// let options = ConnectionOptions::default()
///     .tls(TlsOptions::default().client_certificate("client.pem", "client-key.pem"))
///     .auth_mechanisms([AuthMechanism::External]);
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum AuthMechanism {
    /// User name and password; also what OAuth 2 tokens are sent with.
    Plain,
    /// The same as a field table; every version of RabbitMQ and LavinMQ takes either.
    AmqPlain,
    /// The broker knows who we are by other means, mostly by our TLS certificate.
    External,
    /// No particular user; RabbitMQ 4 logs in `guest` unless told otherwise.
    Anonymous,
    /// RabbitMQ's demonstration of a challenge. It protects nothing.
    RabbitCrDemo,
    /// One of your own.
    Custom(Arc<dyn SaslMechanism>),
}

impl AuthMechanism {
    /// The name on the wire, in upper case.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Plain => "PLAIN",
            Self::AmqPlain => "AMQPLAIN",
            Self::External => "EXTERNAL",
            Self::Anonymous => "ANONYMOUS",
            Self::RabbitCrDemo => "RABBIT-CR-DEMO",
            Self::Custom(mechanism) => mechanism.name(),
        }
    }

    /// Begins a login.
    pub(crate) fn begin(&self, credentials: &Credentials) -> Box<dyn SaslExchange> {
        match self {
            Self::Custom(mechanism) => mechanism.begin(credentials),
            builtin => Box::new(Builtin {
                mechanism: builtin.clone(),
                credentials: credentials.clone(),
            }),
        }
    }
}

/// Reads the name of a mechanism that is built in, in upper or lower case.
impl FromStr for AuthMechanism {
    type Err = UnknownMechanism;

    fn from_str(name: &str) -> Result<Self, UnknownMechanism> {
        let all = [
            Self::Plain,
            Self::AmqPlain,
            Self::External,
            Self::Anonymous,
            Self::RabbitCrDemo,
        ];
        let mut all = all.into_iter();
        all.find(|known| known.name().eq_ignore_ascii_case(name))
            .ok_or_else(|| UnknownMechanism(name.to_owned()))
    }
}

impl fmt::Debug for AuthMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(self.name()))
    }
}

impl Eq for AuthMechanism {}

/// Mechanisms of one's own are equal if they are the same object.
impl PartialEq for AuthMechanism {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b),
            (Self::Custom(_), _) | (_, Self::Custom(_)) => false,
            (a, b) => a.name() == b.name(),
        }
    }
}

/// No mechanism of this name is built in.
#[derive(Clone, Eq, PartialEq)]
pub struct UnknownMechanism(pub String);

impl fmt::Display for UnknownMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Quoted(&self.0);
        write!(f, "no authentication mechanism {name:?} is built in")
    }
}

/// The text, for `main` and `unwrap`; the part with `{:#?}`.
impl fmt::Debug for UnknownMechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match f.alternate() {
            true => f
                .debug_tuple("UnknownMechanism")
                .field(&Quoted(&self.0))
                .finish(),
            false => write!(f, "{self}"),
        }
    }
}

impl Error for UnknownMechanism {}

/// A mechanism of one's own.
///
/// ```
/// use amqp_client::sasl::{AuthMechanism, Credentials, Secret};
/// use amqp_client::ConnectionOptions;
/// use amqp_client::sasl::{SaslError, SaslExchange, SaslMechanism};
/// use std::sync::Arc;
///
/// /// Sends the name, and the password when it is asked for.
/// struct Login;
///
/// impl SaslMechanism for Login {
///     fn name(&self) -> &str {
///         "LOGIN"
///     }
///     fn begin(&self, credentials: &Credentials) -> Box<dyn SaslExchange> {
///         Box::new(Answers(credentials.clone()))
///     }
/// }
///
/// struct Answers(Credentials);
///
/// impl SaslExchange for Answers {
///     fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Secret, SaslError> {
///         match challenge {
///             None => Ok(self.0.user().into()),
///             Some(b"password") => Ok(self.0.password().clone()),
///             Some(_) => Err(SaslError::Challenge),
///         }
///     }
/// }
///
/// let mechanism = AuthMechanism::Custom(Arc::new(Login));
/// let options = ConnectionOptions::default().auth_mechanisms([mechanism, AuthMechanism::Plain]);
/// ```
pub trait SaslMechanism: Send + Sync {
    /// Its name, as brokers write it: in upper case, at most 255 octets.
    fn name(&self) -> &str;

    /// Begins a login; each attempt to connect begins one of its own.
    fn begin(&self, credentials: &Credentials) -> Box<dyn SaslExchange>;
}

/// One login under way.
pub trait SaslExchange: Send {
    /// What to answer: first to `connection.start`, without a challenge, then to each challenge
    /// (`connection.secure`) until the broker is content or closes. Called between reading and
    /// writing: it must not block.
    ///
    /// # Errors
    ///
    /// The login is given up; the connection is closed without another word.
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Secret, SaslError>;
}

/// Why a login was given up on our side.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum SaslError {
    /// User name or password has a NUL in it, which `PLAIN` cannot send.
    Nul,
    /// The challenge is not one that the mechanism expects.
    Challenge,
    /// What a mechanism of one's own says. It must not show a secret.
    Other(Arc<dyn Error + Send + Sync>),
}

impl fmt::Display for SaslError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nul => f.write_str("PLAIN cannot send a NUL in user name or password"),
            Self::Challenge => f.write_str("the broker's challenge is not one that is expected"),
            Self::Other(error) => f.write_str(&line(&error.to_string())),
        }
    }
}

impl Error for SaslError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Other(error) => error.source(),
            Self::Nul | Self::Challenge => None,
        }
    }
}

/// A login with one of the mechanisms that are built in.
struct Builtin {
    mechanism: AuthMechanism,
    credentials: Credentials,
}

impl SaslExchange for Builtin {
    fn respond(&mut self, challenge: Option<&[u8]>) -> Result<Secret, SaslError> {
        let user = self.credentials.user.as_bytes();
        let password = self.credentials.password.expose();
        match (&self.mechanism, challenge) {
            // RFC 4616, without the identity to act as: RabbitMQ refuses that.
            (AuthMechanism::Plain, None) if user.contains(&0) || password.contains(&0) => {
                Err(SaslError::Nul)
            }
            (AuthMechanism::Plain, None) => Ok(Secret::concat(&[b"\0", user, b"\0", password])),
            // A field table without its length.
            (AuthMechanism::AmqPlain, None) => Ok(Secret::concat(&[
                b"\x05LOGINS",
                &length(user),
                user,
                b"\x08PASSWORDS",
                &length(password),
                password,
            ])),
            (AuthMechanism::RabbitCrDemo, None) => Ok(user.into()),
            (AuthMechanism::RabbitCrDemo, Some(b"Please tell me your password")) => {
                Ok(Secret::concat(&[b"My password is ", password]))
            }
            (AuthMechanism::External | AuthMechanism::Anonymous, None) => Ok(Secret::default()),
            (AuthMechanism::Custom(_), _) | (_, Some(_)) => Err(SaslError::Challenge),
        }
    }
}

/// What is longer does not fit any frame, and is refused as that.
fn length(text: &[u8]) -> [u8; 4] {
    u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn says(mechanism: &AuthMechanism, challenge: Option<&[u8]>, expected: &[u8]) {
        let mut exchange = mechanism.begin(&Credentials::new("app", "s3cret"));
        let response = exchange.respond(challenge).unwrap();
        assert_eq!(response.expose(), expected);
    }

    #[test]
    fn each_mechanism_says_what_rabbitmq_expects() {
        says(&AuthMechanism::Plain, None, b"\0app\0s3cret");
        let table = b"\x05LOGINS\0\0\0\x03app\x08PASSWORDS\0\0\0\x06s3cret";
        says(&AuthMechanism::AmqPlain, None, table);
        says(&AuthMechanism::External, None, b"");
        says(&AuthMechanism::Anonymous, None, b"");
        says(&AuthMechanism::RabbitCrDemo, None, b"app");
        let challenge = b"Please tell me your password";
        let answer = b"My password is s3cret";
        says(&AuthMechanism::RabbitCrDemo, Some(challenge), answer);
    }

    #[test]
    fn password_is_not_given_to_a_challenge_that_nobody_expects() {
        for name in [
            "plain",
            "AMQPLAIN",
            "external",
            "anonymous",
            "rabbit-cr-demo",
        ] {
            let mechanism: AuthMechanism = name.parse().unwrap();
            let mut exchange = mechanism.begin(&Credentials::default());
            let refused = exchange.respond(Some(b"and now?")).unwrap_err();
            assert!(matches!(refused, SaslError::Challenge), "{name}");
        }
    }

    #[test]
    fn nul_that_would_change_who_logs_in_is_refused() {
        for credentials in [Credentials::new("a\0b", "c"), Credentials::new("a", "b\0c")] {
            let mut exchange = AuthMechanism::Plain.begin(&credentials);
            assert!(matches!(exchange.respond(None), Err(SaslError::Nul)));
        }
    }

    #[test]
    fn names_are_read_in_any_case_and_unknown_ones_told() {
        assert_eq!("Rabbit-CR-Demo".parse(), Ok(AuthMechanism::RabbitCrDemo));
        let unknown = "kerberos".parse::<AuthMechanism>().unwrap_err();
        assert!(unknown.to_string().contains("\"kerberos\""));
    }

    #[test]
    fn credentials_show_the_user_only() {
        let shown = format!("{:?}", Credentials::new("app", "s3cret"));
        assert!(
            shown.contains("app") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
