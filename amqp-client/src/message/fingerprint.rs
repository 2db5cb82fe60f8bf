//! What tells a returned message from others that were published.
//!
//! Every message that names its queue may come back, so that this is done for each of them: its
//! cost must not depend on the size of the body. The broker returns a message in front of its own
//! acknowledgement, and in the order of publishing; with the names, the properties, the length and
//! the ends of the body that is enough. Messages that are alike in all of these are told apart by
//! their place alone.

use amqp_spec::basic::PropertiesRef;

/// Tells messages apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint {
    /// Of what the broker does not change: exchange, routing key, and of the body its length and
    /// ends.
    pub(crate) message: u64,
    /// Of the properties, whose headers RabbitMQ 4 sorts.
    pub(crate) properties: u32,
}

/// The part that messages have in common which differ in their bodies only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Common(Fingerprint);

impl Common {
    #[inline]
    pub(crate) fn new(exchange: &[u8], routing_key: &[u8], properties: PropertiesRef<'_>) -> Self {
        let names = add_all(add_all(0, exchange), routing_key);
        let properties = add_all(0, properties.as_bytes());
        Self(Fingerprint {
            message: names,
            properties: u32::try_from(properties >> 32).unwrap_or_default(),
        })
    }

    /// The fingerprint of the message with this body.
    #[inline]
    pub(crate) fn with(self, body: &[u8]) -> Fingerprint {
        Fingerprint {
            message: add_ends(self.0.message, body),
            properties: self.0.properties,
        }
    }
}

/// For one word that differs the result differs.
#[inline]
fn add(hash: u64, word: u64) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    (hash.rotate_left(23) ^ word).wrapping_mul(ODD)
}

#[inline]
fn word(octets: [u8; 8]) -> u64 {
    u64::from_le_bytes(octets)
}

#[inline]
fn add_all(hash: u64, octets: &[u8]) -> u64 {
    let mut hash = add(hash, octets.len() as u64);
    let mut rest = octets;
    while let Some((first, behind)) = rest.split_first_chunk::<8>() {
        hash = add(hash, word(*first));
        rest = behind;
    }
    match octets.last_chunk::<8>() {
        Some(_) if rest.is_empty() => hash,
        // Some octets twice cost less than a few by themselves.
        Some(last) => add(hash, word(*last)),
        None => add(hash, short(rest)),
    }
}

/// Up to 32 octets that is all of them.
#[inline]
fn add_ends(hash: u64, octets: &[u8]) -> u64 {
    let (Some(first), Some(last)) = (octets.first_chunk::<16>(), octets.last_chunk::<16>()) else {
        return add_all(hash, octets);
    };
    let halves = |octets: &[u8; 16]| {
        let all = u128::from_le_bytes(*octets);
        let half = |half: u128| u64::try_from(half & u128::from(u64::MAX)).unwrap_or_default();
        (half(all), half(all >> 64))
    };
    let mut hash = add(hash, octets.len() as u64);
    for (low, high) in [halves(first), halves(last)] {
        hash = add(add(hash, low), high);
    }
    hash
}

/// Fewer than eight octets.
#[inline]
fn short(octets: &[u8]) -> u64 {
    let four = |octets: &[u8; 4]| u64::from(u32::from_le_bytes(*octets));
    match (octets.first_chunk(), octets.last_chunk()) {
        (Some(first), Some(last)) => four(first) << 32 | four(last),
        _ => octets
            .iter()
            .fold(0, |word, &octet| word << 8 | u64::from(octet)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(exchange: &str, routing_key: &str, body: &[u8]) -> Fingerprint {
        Common::new(
            exchange.as_bytes(),
            routing_key.as_bytes(),
            PropertiesRef::EMPTY,
        )
        .with(body)
    }

    #[test]
    fn one_octet_of_names_or_ends_makes_another_message() {
        for len in [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 1000] {
            let name: String = (0..len.min(200)).map(|_| 'a').collect();
            let body = vec![b'x'; len];
            let plain = of("e", &name, &body);
            for at in (0..16.min(len)).chain(len.saturating_sub(16)..len) {
                let mut other = body.clone();
                other[at] = b'y';
                assert_ne!(of("e", &name, &other), plain, "octet {at} of {len}");
            }
            for at in 0..name.len() {
                let mut other = name.clone();
                other.replace_range(at..=at, "b");
                assert_ne!(of("e", &other, &body), plain, "octet {at} of the name");
                assert_ne!(of(&other, "q", &body), of(&name, "q", &body));
            }
            assert_ne!(of("e", &name, &vec![b'x'; len + 1]), plain);
        }
    }

    #[test]
    fn an_octet_does_not_move_from_one_part_to_the_next() {
        assert_ne!(of("ab", "c", b"d"), of("a", "bc", b"d"));
        assert_ne!(of("", "ab", b"c"), of("", "a", b"bc"));
        assert_ne!(of("", "q", b""), of("", "q", b"\0"));
    }

    #[test]
    fn many_names_and_bodies_are_all_different() {
        let mut seen = std::collections::BTreeSet::new();
        for queue in 0..300 {
            for body in 0..300 {
                let print = of("", &format!("queue-{queue}"), body.to_string().as_bytes());
                assert!(seen.insert(print.message), "queue {queue}, body {body}");
            }
        }
    }
}
