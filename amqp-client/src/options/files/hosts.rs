//! Where to connect to.

use crate::options::{Address, ConnectionOptions, Host, without_credentials};
use crate::settings::{Entry, Fault};

/// What one of several hosts can be.
const EXPECTED: &str = "a name or an address, with its port or without: \"rabbit-1\", \
                        \"rabbit-1:5672\", \"[::1]:5672\"";

pub(super) fn read_host(options: &mut ConnectionOptions, entry: &Entry<'_>) -> Result<(), Fault> {
    *options = options.clone().host(entry.text()?);
    Ok(())
}

pub(super) fn read_hosts(options: &mut ConnectionOptions, entry: &Entry<'_>) -> Result<(), Fault> {
    let hosts = entry.list()?;
    let hosts = hosts.iter().map(|entry| {
        let host = entry.text().ok().and_then(split);
        host.ok_or_else(|| entry.must_be(EXPECTED))
    });
    options.hosts = hosts.collect::<Result<_, _>>()?;
    Ok(())
}

/// Of every host that the URI has, or of the only one.
pub(super) fn read_port(options: &mut ConnectionOptions, entry: &Entry<'_>) -> Result<(), Fault> {
    let port = entry.number()?;
    *options = options.clone().port(port);
    Ok(())
}

/// Two keys for one thing.
pub(super) fn check(entries: &[Entry<'_>]) -> Result<(), Fault> {
    let has = |name| entries.iter().any(|entry| entry.name() == name);
    let hosts = entries.iter().find(|entry| entry.name() == "hosts");
    match hosts {
        Some(hosts) if has("host") || has("port") => {
            Err(hosts.fault("stands beside host or port, which it says itself"))
        }
        _ => Ok(()),
    }
}

/// A host and its port. Whether the name can be one is checked with the options.
fn split(text: &str) -> Option<Host> {
    let (name, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (name, rest) = bracketed.split_once(']')?;
            match rest.strip_prefix(':') {
                Some(port) => (name, Some(port)),
                None if rest.is_empty() => (name, None),
                None => return None,
            }
        }
        None if text.matches(':').count() > 1 => (text, None),
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let is_number = |port: &&str| port.bytes().all(|octet| octet.is_ascii_digit());
    let port = match port {
        Some(port) => Some(Some(port).filter(is_number)?.parse().ok()?),
        None => None,
    };
    let name = name.to_owned();
    Some(Host { name, port })
}

/// As [`split`] reads it.
pub(super) fn write(host: &Host) -> String {
    let name = without_credentials(&host.name);
    match host.port {
        Some(port) => Address(name, port).to_string(),
        None => name.to_owned(),
    }
}
