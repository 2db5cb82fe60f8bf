//! Free ports, chosen when they are needed.
//!
//! Ports come from outside the range that the operating system takes for outgoing connections. A
//! port inside that range could be taken by any outgoing connection while our node is down
//! for a restart; and a client that keeps trying to connect to such a port can end up connected to
//! itself, because its own socket may be given the very port it is calling.

use std::{
    collections::HashSet,
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    ops::RangeInclusive,
};

use super::BrokerError;

/// Finds `count` different ports on which no program listens.
///
/// They are free at this moment and not reserved: a program that is to listen on them has to be
/// ready to find that another one was faster.
///
/// # Errors
///
/// [`BrokerError::NoFreePort`] if a thousand random choices were all taken.
pub fn free_ports(count: usize) -> Result<Vec<u16>, BrokerError> {
    let range = choices(ephemeral_range());
    let width = u64::from(range.end() - range.start()) + 1;
    if u64::try_from(count).is_ok_and(|count| count > width) {
        return Err(BrokerError::NoFreePort);
    }
    let mut ports = HashSet::new();
    for _ in 0..count.saturating_add(1000) {
        if ports.len() == count {
            break;
        }
        let offset = u16::try_from(random() % width).unwrap_or(0);
        let port = range.start() + offset;
        // The listener is closed at once; it never accepted anything, so nothing lingers.
        if TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok() {
            ports.insert(port);
        }
    }
    if ports.len() < count {
        Err(BrokerError::NoFreePort)
    } else {
        Ok(ports.into_iter().collect())
    }
}

/// Returns a number that differs from call to call and from process to process.
///
/// The standard library seeds its hash maps from the system's randomness; that is random enough for
/// names and ports, and saves a dependency.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// The larger of the two ranges below and above the ephemeral one, without the low numbers where
/// well-known services live.
fn choices(ephemeral: RangeInclusive<u16>) -> RangeInclusive<u16> {
    const LOWEST: u16 = 10_000;
    let below = LOWEST..=ephemeral.start().saturating_sub(1);
    let above = ephemeral.end().saturating_add(1).max(LOWEST)..=u16::MAX;
    match (below.len(), above.len()) {
        // Everything is ephemeral on this machine; then there is nothing better to offer.
        (below, above) if below.max(above) < 100 => LOWEST..=u16::MAX,
        (n_below, n_above) if n_below >= n_above => below,
        _ => above,
    }
}

/// The ports that the system gives to outgoing connections.
fn ephemeral_range() -> RangeInclusive<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(first), Some(last)) => first..=last,
        // What IANA assigns, for systems that do not tell.
        _ => 49_152..=65_535,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_different_free_and_not_ephemeral() {
        let ephemeral = ephemeral_range();
        let ports = free_ports(20).unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 20);
        for port in ports {
            assert!(!ephemeral.contains(&port), "{port} is in {ephemeral:?}");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn more_ports_than_there_are_are_not_looked_for() {
        for count in [65_536, usize::MAX] {
            assert!(matches!(free_ports(count), Err(BrokerError::NoFreePort)));
        }
    }

    #[test]
    fn choices_avoid_the_ephemeral_range() {
        assert_eq!(choices(32_768..=60_999), 10_000..=32_767);
        assert_eq!(choices(11_000..=20_000), 20_001..=65_535);
        assert_eq!(choices(1024..=65_535), 10_000..=65_535);
    }
}
