//! AMQP URIs: `amqp://user:password@host:port/vhost?heartbeat=10`.
//!
//! As RabbitMQ's URI specification has it: every part is optional and percent-decoded; a missing
//! virtual host is `/`, an empty one is empty. What is not understood is an error, never a guess.
//! Several hosts stand side by side, `amqp://a,b:5673,[::1]`. `parameters` has the table of the
//! parameters.

mod environment;
mod nearest;
mod parameters;
#[cfg(test)]
mod tests;
mod values;
mod write;

use std::fmt;
use std::net::Ipv6Addr;

use crate::options::{ConnectionOptions, Host, TlsOptions};

pub use self::environment::EnvironmentError;

/// What is wrong with a URI. Never contains the password.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UriError {
    /// It does not start with `amqp://` or `amqps://`.
    Scheme,
    /// A character that has no place in a URI, or means something else there (`#`): it must be
    /// written as the percent-encoding of its octets.
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
            Self::Character(found) => {
                let mut octets = [0; 4];
                write!(f, "{found:?} must be written as ")?;
                let octets = found.encode_utf8(&mut octets).bytes();
                octets
                    .into_iter()
                    .try_for_each(|octet| write!(f, "%{octet:02x}"))
            }
            Self::Encoding(part) => write!(f, "the {part} is not valid percent-encoded UTF-8"),
            Self::Port => f.write_str("the port is not a number from 1 to 65535"),
            Self::Host => f.write_str("the host is not a name or an address in brackets"),
            Self::VirtualHost => {
                f.write_str("the virtual host contains a slash that is not written %2f")
            }
            Self::UnknownParameter { name, nearest } => {
                write!(f, "unknown parameter {name:?}")?;
                match nearest {
                    Some(nearest) => write!(f, "; is it {nearest}?"),
                    None => Ok(()),
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

impl std::error::Error for UriError {}

/// Reads a URI into options; what it does not mention stays at its default.
pub(crate) fn parse(uri: &str) -> Result<ConnectionOptions, UriError> {
    let (scheme, rest) = uri.split_once("://").ok_or(UriError::Scheme)?;
    let tls = match scheme.to_ascii_lowercase().as_str() {
        "amqp" => None,
        "amqps" => Some(TlsOptions::default()),
        _ => return Err(UriError::Scheme),
    };
    let misplaced = |found: &char| found.is_whitespace() || found.is_control() || *found == '#';
    if let Some(found) = rest.chars().find(misplaced) {
        return Err(UriError::Character(found));
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = split(rest, '/');
    let mut options = ConnectionOptions {
        tls,
        ..ConnectionOptions::default()
    };
    let hosts = match authority.rsplit_once('@') {
        None => authority,
        Some((credentials, hosts)) => {
            let (user, password) = split(credentials, ':');
            let password = match password {
                None => options.credentials.password().clone(),
                Some(password) => decode(password, "password")?.into(),
            };
            options = options.credentials(decode(user, "user name")?, password);
            hosts
        }
    };
    options.hosts = read_hosts(hosts)?;
    if let Some(path) = path {
        if path.contains('/') {
            return Err(UriError::VirtualHost);
        }
        options.virtual_host = decode(path, "virtual host")?;
    }
    parameters::read_all(pairs(query), &mut options).map_err(|error| match error {
        // A password with a question mark ends there, and its rest looks like a parameter.
        UriError::UnknownParameter { .. } | UriError::RepeatedParameter(_)
            if query.contains('@') && !authority.contains('@') =>
        {
            UriError::Character('?')
        }
        error => error,
    })?;
    Ok(options)
}

/// What stands before and behind the first of these characters, if there is one.
fn split(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

/// Reads the hosts between `@` and `/`. An empty host is an absent one, if it is the only one.
fn read_hosts(hosts: &str) -> Result<Vec<Host>, UriError> {
    let several = hosts.contains(',');
    let hosts = hosts.split(',').map(|host| {
        let (name, port) = split_host(host)?;
        let port = match port {
            None | Some("") => None,
            Some(port) => {
                let port = values::number(port).filter(|port| *port != 0);
                Some(port.ok_or(UriError::Port)?)
            }
        };
        match name {
            "" if several => Err(UriError::Host),
            "" => Ok(Host {
                name: "localhost".to_owned(),
                port,
            }),
            name => Ok(Host {
                name: decode(name, "host")?,
                port,
            }),
        }
    });
    hosts.collect()
}

fn split_host(host: &str) -> Result<(&str, Option<&str>), UriError> {
    let Some(bracketed) = host.strip_prefix('[') else {
        return match split(host, ':') {
            (_, Some(port)) if port.contains(':') => Err(UriError::Host),
            split => Ok(split),
        };
    };
    let (address, rest) = bracketed.split_once(']').ok_or(UriError::Host)?;
    // Behind an encoded `%` stands the interface that an address of the link belongs to.
    let (number, _) = address.split_once("%25").unwrap_or((address, ""));
    if number.parse::<Ipv6Addr>().is_err() {
        return Err(UriError::Host);
    }
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, Some(port))),
        None if rest.is_empty() => Ok((address, None)),
        None => Err(UriError::Host),
    }
}

/// The names and values of a query. There, a plus sign is a space, as in forms.
fn pairs(query: &str) -> impl Iterator<Item = Result<(String, String), UriError>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, "parameter name")?;
        let value = decode(&value.replace('+', "%20"), "parameter")?;
        Ok((name, value))
    })
}

fn decode(text: &str, part: &'static str) -> Result<String, UriError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'%' {
            octets.push(octet);
            continue;
        }
        let digit = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err(UriError::Encoding(part));
        };
        octets.push(u8::try_from(high << 4 | low).map_err(|_| UriError::Encoding(part))?);
    }
    String::from_utf8(octets).map_err(|_| UriError::Encoding(part))
}
