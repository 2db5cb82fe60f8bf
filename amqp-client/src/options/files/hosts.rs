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
        let host = entry.text().ok().and_then(Host::read);
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
    let host = entries.iter().find(|entry| entry.name() == "host");
    let said = host.and_then(|host| Host::read(host.text().ok()?)?.port);
    match (hosts, host) {
        (Some(hosts), _) if has("host") || has("port") => {
            Err(hosts.fault("stands beside host or port, which it says itself"))
        }
        (_, Some(host)) if said.is_some() && has("port") => {
            Err(host.fault("has a port in it, and stands beside port"))
        }
        _ => Ok(()),
    }
}

/// As [`Host::read`] reads it.
pub(super) fn write(host: &Host) -> String {
    let name = without_credentials(&host.name);
    match host.port {
        Some(port) => Address(name, port).to_string(),
        None => name.to_owned(),
    }
}
