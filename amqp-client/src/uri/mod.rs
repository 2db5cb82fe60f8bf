//! AMQP URIs: `amqp://user:password@host:port/vhost?heartbeat=10`.
//!
//! As RabbitMQ's URI specification has it: every part is optional and percent-decoded; a missing
//! virtual host is `/`, an empty one is empty. What is not understood is an error, never a guess.

use std::fmt;
use std::time::Duration;

use crate::options::{ConnectionOptions, TlsOptions};

/// What is wrong with a URI. Never contains the password.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UriError {
    /// It does not start with `amqp://`.
    Scheme,
    /// The part named has a `%` that two hexadecimal digits do not follow, or is not UTF-8.
    Encoding(&'static str),
    /// The port is not a number from 0 to 65535.
    Port,
    /// An IPv6 address has no closing bracket, or something other than a port follows it.
    Host,
    /// The virtual host contains an unescaped `/`; write `%2f`.
    VirtualHost,
    /// No parameter has this name.
    UnknownParameter(String),
    /// The parameter stands there twice.
    RepeatedParameter(String),
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
            Self::Scheme => f.write_str("an AMQP URI starts with amqp://"),
            Self::Encoding(part) => write!(f, "the {part} is not valid percent-encoded UTF-8"),
            Self::Port => f.write_str("the port is not a number from 0 to 65535"),
            Self::Host => f.write_str("the host is not a name or an address in brackets"),
            Self::VirtualHost => {
                f.write_str("the virtual host contains a slash that is not written %2f")
            }
            Self::UnknownParameter(name) => write!(f, "unknown parameter {name:?}"),
            Self::RepeatedParameter(name) => write!(f, "parameter {name:?} stands there twice"),
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
    let (rest, query) = rest
        .split_once('?')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let (authority, path) = rest
        .split_once('/')
        .map_or((rest, None), |(a, b)| (a, Some(b)));
    let mut options = ConnectionOptions {
        tls,
        ..ConnectionOptions::default()
    };
    let host = match authority.rsplit_once('@') {
        None => authority,
        Some((credentials, host)) => {
            let (user, password) = credentials
                .split_once(':')
                .map_or((credentials, None), |(a, b)| (a, Some(b)));
            let user = decode(user, "user name")?;
            let password = password.map(|password| decode(password, "password"));
            let password = password.transpose()?.unwrap_or_else(|| "guest".to_owned());
            options = options.credentials(user, password);
            host
        }
    };
    let (host, port) = split_host(host)?;
    if !host.is_empty() {
        options = options.host(decode(host, "host")?);
    }
    if let Some(port) = port.filter(|port| !port.is_empty()) {
        options = options.port(port.parse().map_err(|_| UriError::Port)?);
    }
    if let Some(path) = path {
        if path.contains('/') {
            return Err(UriError::VirtualHost);
        }
        options.virtual_host = decode(path, "virtual host")?;
    }
    parameters(query.unwrap_or_default(), &mut options)?;
    Ok(options)
}

fn split_host(host: &str) -> Result<(&str, Option<&str>), UriError> {
    let Some(bracketed) = host.strip_prefix('[') else {
        return match host.split_once(':') {
            Some((_, port)) if port.contains(':') => Err(UriError::Host),
            Some((host, port)) => Ok((host, Some(port))),
            None => Ok((host, None)),
        };
    };
    let (address, rest) = bracketed.split_once(']').ok_or(UriError::Host)?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, Some(port))),
        None if rest.is_empty() => Ok((address, None)),
        None => Err(UriError::Host),
    }
}

fn parameters(query: &str, options: &mut ConnectionOptions) -> Result<(), UriError> {
    let mut seen: Vec<String> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, "parameter name")?;
        let value = decode(value, "parameter")?;
        if seen.contains(&name) {
            return Err(UriError::RepeatedParameter(name));
        }
        parameter(&name, &value, options)?;
        seen.push(name);
    }
    Ok(())
}

fn parameter(name: &str, value: &str, options: &mut ConnectionOptions) -> Result<(), UriError> {
    const SECONDS: &str = "a whole number of seconds from 0 to 65535";
    match name {
        "heartbeat" => {
            let seconds: u16 = number(value, "heartbeat", SECONDS)?;
            options.heartbeat = Duration::from_secs(u64::from(seconds)).into();
        }
        "channel_max" => {
            options.channel_max = number(value, "channel_max", "a number from 0 to 65535")?;
        }
        "frame_max" => {
            let expected = "0 or at least 4096 octets";
            let frame_max: u32 = number(value, "frame_max", expected)?;
            if frame_max != 0 && frame_max < 4096 {
                return Err(UriError::Parameter {
                    name: "frame_max",
                    expected,
                });
            }
            options.frame_max = frame_max;
        }
        "connection_timeout" => {
            let expected = "a whole number of milliseconds";
            let millis = number(value, "connection_timeout", expected)?;
            options.connect_timeout = Duration::from_millis(millis);
        }
        "connection_name" | "name" => options.connection_name = Some(value.to_owned()),
        _ => return Err(UriError::UnknownParameter(name.to_owned())),
    }
    Ok(())
}

fn number<N: std::str::FromStr>(
    value: &str,
    name: &'static str,
    expected: &'static str,
) -> Result<N, UriError> {
    value
        .parse()
        .map_err(|_| UriError::Parameter { name, expected })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(uri: &str) -> (String, String, String, u16, String) {
        let options = parse(uri).unwrap();
        let (host, port) = options.addresses().next().unwrap();
        let host = host.to_owned();
        let password = String::from_utf8(options.credentials.password().expose().to_vec()).unwrap();
        let user = options.credentials.user().to_owned();
        (user, password, host, port, options.virtual_host)
    }

    #[track_caller]
    fn check(uri: &str, user: &str, password: &str, host: &str, port: u16, virtual_host: &str) {
        let expected = (
            user.into(),
            password.into(),
            host.into(),
            port,
            virtual_host.into(),
        );
        assert_eq!(parts(uri), expected, "{uri}");
    }

    #[test]
    fn the_uri_specification_s_examples_are_read_as_it_says() {
        check(
            "amqp://user:pass@host:10000/vhost",
            "user",
            "pass",
            "host",
            10000,
            "vhost",
        );
        check(
            "amqp://user%61:%61pass@ho%61st:10000/v%2fhost",
            "usera",
            "apass",
            "hoast",
            10000,
            "v/host",
        );
        check("amqp://", "guest", "guest", "localhost", 5672, "/");
        check("amqp://:@/", "", "", "localhost", 5672, "");
        check("amqp://user@", "user", "guest", "localhost", 5672, "/");
        check("amqp://user:pass@", "user", "pass", "localhost", 5672, "/");
        check("amqp://host", "guest", "guest", "host", 5672, "/");
        check("amqp://:10000", "guest", "guest", "localhost", 10000, "/");
        check(
            "amqp:///vhost",
            "guest",
            "guest",
            "localhost",
            5672,
            "vhost",
        );
        check("amqp://host/", "guest", "guest", "host", 5672, "");
        check("amqp://host/%2f", "guest", "guest", "host", 5672, "/");
        check("amqp://[::1]", "guest", "guest", "::1", 5672, "/");
        check("AMQP://[::1]:1/a+b", "guest", "guest", "::1", 1, "a+b");
    }

    #[test]
    fn what_is_not_understood_is_an_error_that_names_it() {
        assert_eq!(parse("http://host").unwrap_err(), UriError::Scheme);
        assert_eq!(parse("host:5672").unwrap_err(), UriError::Scheme);
        assert_eq!(parse("amqp://host:99999").unwrap_err(), UriError::Port);
        assert_eq!(parse("amqp://::1").unwrap_err(), UriError::Host);
        assert_eq!(parse("amqp://[::1").unwrap_err(), UriError::Host);
        assert_eq!(parse("amqp://host/a/b").unwrap_err(), UriError::VirtualHost);
        assert_eq!(
            parse("amqp://u%zz@host").unwrap_err(),
            UriError::Encoding("user name")
        );
        let unknown = UriError::UnknownParameter("hartbeat".into());
        assert_eq!(parse("amqp://h?hartbeat=1").unwrap_err(), unknown);
        let repeated = UriError::RepeatedParameter("heartbeat".into());
        assert_eq!(
            parse("amqp://h?heartbeat=1&heartbeat=2").unwrap_err(),
            repeated
        );
        assert!(
            parse("amqp://h?heartbeat=x")
                .unwrap_err()
                .to_string()
                .contains("seconds")
        );
        assert!(
            parse("amqp://h?frame_max=64")
                .unwrap_err()
                .to_string()
                .contains("4096")
        );
    }

    #[test]
    fn parameters_reach_the_options() {
        let uri = "amqp://h?heartbeat=7&channel_max=9&frame_max=8192&connection_timeout=1500";
        let options = parse(uri).unwrap();
        assert_eq!(options.heartbeat, Duration::from_secs(7).into());
        assert_eq!((options.channel_max, options.frame_max), (9, 8192));
        assert_eq!(options.connect_timeout, Duration::from_millis(1500));
    }
}
