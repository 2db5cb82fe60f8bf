//! Options from a URI.

use std::net::Ipv6Addr;
use std::str::FromStr;

use super::{parameters, values};
use crate::error::UriError;
use crate::options::{ConnectionOptions, Host, TlsOptions};

impl FromStr for ConnectionOptions {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        parse(uri)
    }
}

/// Reads a URI into options; what it does not mention stays at its default.
pub(super) fn parse(uri: &str) -> Result<ConnectionOptions, UriError> {
    if ends_with_newline(uri) {
        return Err(UriError::TrailingNewline);
    }
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
    if path.is_some_and(|path| path.contains('@')) {
        return Err(UriError::Character('/'));
    }
    read(tls, authority, path, query).map_err(|error| {
        if query.contains('@') && may_be_of_a_password(authority, &error) {
            UriError::Character(if path.is_some() { '/' } else { '?' })
        } else {
            error
        }
    })
}

/// A password with a question mark ends there: what stands before it looks like a port, what
/// follows like a parameter. Names of parameters are not shown then.
fn may_be_of_a_password(authority: &str, error: &UriError) -> bool {
    match error {
        _ if !authority.contains('@') => true,
        UriError::UnknownParameter { nearest, .. } => nearest.is_none(),
        UriError::RepeatedParameter(_) => true,
        _ => false,
    }
}

/// As the last octets of most files are.
pub(super) fn ends_with_newline(text: &str) -> bool {
    text.ends_with(['\n', '\r'])
}

/// Reads the parts of a URI.
fn read(
    tls: Option<TlsOptions>,
    authority: &str,
    path: Option<&str>,
    query: &str,
) -> Result<ConnectionOptions, UriError> {
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
            options = options.login(decode(user, "user name")?, password);
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
    parameters::read_all(pairs(query), &mut options)?;
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
