//! Why a URI was not understood.

use std::fmt;

use super::debug_is_text;

/// What is wrong with a URI. Never contains the password.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum UriError {
    /// It does not start with `amqp://` or `amqps://`.
    Scheme,
    /// A newline at the end, as in secrets that were read from files: to be trimmed.
    TrailingNewline,
    /// A character that has no place in a URI, or means something else there (`#`): it must be
    /// written as the percent-encoding of its octets. `/` and `?`: the user name or the password
    /// has one, for an `@` follows it.
    Character(char),
    /// The part named has a `%` that two hexadecimal digits do not follow, or is not UTF-8.
    Encoding(&'static str),
    /// The port is not a number from 1 to 65535.
    Port,
    /// An IPv6 address is none, has no closing bracket, or something other than a port follows it;
    /// or of several hosts one is empty.
    Host,
    /// The virtual host contains an unescaped `/`; write `%2f`.
    VirtualHost,
    /// No parameter has this name.
    UnknownParameter {
        /// The name.
        name: String,
        /// The parameter that was probably meant.
        nearest: Option<&'static str>,
    },
    /// The parameter is known from elsewhere and means nothing here.
    UnsupportedParameter {
        /// The parameter.
        name: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The parameter stands there twice.
    RepeatedParameter(String),
    /// The parameter is about TLS, which `amqp://` does without: `amqps://` was probably meant.
    NeedsTls(&'static str),
    /// The parameter's value is not one that it can have.
    Parameter {
        /// The parameter.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
    },
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("an AMQP URI starts with amqp:// or amqps://"),
            Self::TrailingNewline => {
                f.write_str("a newline at the end, as texts from files have one: trim it")
            }
            Self::Character(found) => {
                let ends_the_hosts = matches!(found, '/' | '?');
                write!(f, "{found:?} ")?;
                if ends_the_hosts {
                    f.write_str("in a user name or password ")?;
                }
                f.write_str("must be written as ")?;
                let mut octets = [0; 4];
                for octet in found.encode_utf8(&mut octets).bytes() {
                    write!(f, "%{octet:02x}")?;
                }
                match ends_the_hosts {
                    true => f.write_str(", and '@' behind the hosts as %40"),
                    false => Ok(()),
                }
            }
            Self::Encoding(part) => write!(
                f,
                "the {part} is not valid percent-encoded UTF-8; '%' itself is written as %25"
            ),
            Self::Port => f.write_str("the port is not a number from 1 to 65535"),
            Self::Host => f.write_str("the host is not a name or an address in brackets"),
            Self::VirtualHost => {
                f.write_str("the virtual host contains a slash that is not written %2f")
            }
            Self::UnknownParameter { name, nearest } => {
                write!(f, "unknown parameter {name:?}")?;
                let Some(nearest) = nearest else {
                    return Ok(());
                };
                match unit(nearest) {
                    Some(unit) => write!(f, "; is it {nearest}, in {unit}?"),
                    None => write!(f, "; is it {nearest}?"),
                }
            }
            Self::UnsupportedParameter { name, reason } => {
                write!(f, "the parameter {name} is not supported: {reason}")
            }
            Self::RepeatedParameter(name) => write!(f, "parameter {name:?} stands there twice"),
            Self::NeedsTls(name) => write!(f, "{name} is about TLS and needs amqps://"),
            Self::Parameter { name, expected } => write!(f, "{name} must be {expected}"),
        }
    }
}

debug_is_text!(UriError {
    Scheme,
    TrailingNewline,
    Character(found),
    Encoding(part),
    Port,
    Host,
    VirtualHost,
    UnknownParameter { name, nearest },
    UnsupportedParameter { name, reason },
    RepeatedParameter(name),
    NeedsTls(name),
    Parameter { name, expected },
});

impl std::error::Error for UriError {}

/// What a number means for the parameter of this name, if it is a time.
fn unit(parameter: &str) -> Option<&'static str> {
    match parameter {
        "connection_timeout" => Some("milliseconds"),
        "blocked_connection_timeout"
        | "open_timeout"
        | "close_timeout"
        | "handshake_timeout"
        | "heartbeat"
        | "recovery_entity_patience"
        | "recovery_exclusive_for"
        | "recovery_give_up_after"
        | "recovery_max_delay"
        | "recovery_min_delay"
        | "recovery_patience"
        | "recovery_refused_for"
        | "request_timeout"
        | "retry_delay"
        | "tcp_keepalive_idle"
        | "tcp_keepalive_interval"
        | "tcp_user_timeout"
        | "write_timeout" => Some("seconds"),
        _ => None,
    }
}
