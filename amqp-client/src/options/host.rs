//! One host: what its name can be, and how it is shown.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One broker to connect to.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Host {
    /// A name or an address, without brackets.
    pub(crate) name: String,
    /// `None`: the scheme's.
    pub(crate) port: Option<u16>,
}

/// In which order several hosts are tried.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum HostOrder {
    /// At random, anew each time: the clients spread over a cluster's nodes.
    #[default]
    Random,
    /// As they were given: the first is preferred.
    Given,
}

impl Host {
    /// A host and its port, if there is one: `rabbit-1`, `rabbit-1:5672`, `::1`, `[::1]:5672`.
    /// Whether the name can be one is checked with the options.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (name, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (name, rest) = bracketed.split_once(']')?;
                if !(name.contains(':') && is_address(name)) {
                    return None;
                }
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
        Some(Self { name, port })
    }

    /// The same; what cannot be read is kept as it is, for the check of all options to find.
    pub(super) fn given(text: &str) -> Self {
        Self::read(text).unwrap_or_else(|| Self {
            name: text.to_owned(),
            port: None,
        })
    }

    /// What a host can be, if this is none: found before a resolver is asked, which would say no
    /// more than that it does not know the name.
    pub(super) fn fault(&self) -> Option<&'static str> {
        let name = self.name.as_str();
        let is_port = |text: &str| !text.is_empty() && text.bytes().all(|o| o.is_ascii_digit());
        let ends_with_port = name.rsplit_once(':').is_some_and(|(_, port)| is_port(port));
        if name.is_empty() {
            Some("a name or an address")
        } else if is_address(name) {
            None
        } else if name.contains("://") {
            Some("a name or an address alone; a URI is for Connection::open, or for parse")
        } else if name.contains(|c: char| c.is_whitespace() || c.is_control()) {
            Some("a name or an address, without spaces or newlines")
        } else if name.contains('@') {
            Some("a name or an address alone; user and password are set with user and password")
        } else if name.contains('/') {
            Some("a name or an address alone; a virtual host is set with virtual_host")
        } else if name.contains(',') {
            Some("one name or address; several are set with hosts")
        } else if name.contains(['[', ']']) {
            Some("an address without brackets, such as ::1; its port is set with port")
        } else if name.matches(':').count() == 1 && ends_with_port {
            Some("a name or an address alone; its port is set with port")
        } else if name.contains(':') {
            Some("a name or an address, and of those with colons this is none")
        } else if !name
            .chars()
            .all(|c| c.is_alphanumeric() || "-_.".contains(c))
        {
            Some("a name of letters, digits, '-', '_' and '.', or an address")
        } else if !has_labels(name) {
            Some("a name of at most 253 octets, with 1 to 63 between its dots")
        } else {
            None
        }
    }
}

/// An address of IP; one of version 6 may name the interface that it belongs to, `fe80::1%eth0`.
fn is_address(name: &str) -> bool {
    match name.split_once('%') {
        Some((address, zone)) => {
            let is_in_zone = |c: char| c.is_alphanumeric() || "-_.".contains(c);
            let is_zone = !zone.is_empty() && zone.chars().all(is_in_zone);
            is_zone && address.parse::<Ipv6Addr>().is_ok()
        }
        None => name.parse::<IpAddr>().is_ok(),
    }
}

/// Whether all labels of a name have a length that they can have in DNS. The last may be empty: the
/// name is complete then.
fn has_labels(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| (1..=63).contains(&label.len());
    name.len() <= 253 && name.split('.').all(is_label)
}

/// What [`ConnectionOptions::hosts`](crate::ConnectionOptions::hosts) takes for one host: a text
/// with a port in it or without (`"rabbit-1"`, `"rabbit-1:5673"`, `"::1"`, `"[::1]:5673"`), owned
/// or borrowed, or a name and a port by themselves, `("rabbit-1", 5673)`.
pub trait ToHost: sealed::Sealed {}

impl<T: sealed::Sealed> ToHost for T {}

impl Host {
    pub(super) fn of(host: &impl ToHost) -> Self {
        match host.parts() {
            (text, None) => Self::given(text),
            (name, port) => Self {
                name: name.to_owned(),
                port,
            },
        }
    }
}

mod sealed {
    use std::borrow::Cow;
    use std::sync::Arc;

    #[expect(unnameable_types, reason = "which hosts there are is ours to say")]
    pub trait Sealed {
        /// The text; and the port, if it stands beside the text.
        fn parts(&self) -> (&str, Option<u16>);
    }

    impl<N: AsRef<str>> Sealed for (N, u16) {
        fn parts(&self) -> (&str, Option<u16>) {
            (self.0.as_ref(), Some(self.1))
        }
    }

    impl<T: Sealed + ?Sized> Sealed for &T {
        fn parts(&self) -> (&str, Option<u16>) {
            T::parts(self)
        }
    }

    macro_rules! texts {
        ($($text:ty),*) => {$(
            impl Sealed for $text {
                fn parts(&self) -> (&str, Option<u16>) {
                    (self.as_ref(), None)
                }
            }
        )*};
    }

    texts!(str, String, Cow<'_, str>, Box<str>, Arc<str>);
}

/// A host and a port, as people and URIs write them: `[::1]:5672`.
pub(crate) struct Address<'a>(pub(crate) &'a str, pub(crate) u16);

impl fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, port) = self;
        let host = without_credentials(host);
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

/// What can be shown of a host's name: one that was given `user:password@host` may have them in it.
pub(crate) fn without_credentials(host: &str) -> &str {
    host.rsplit_once('@').map_or(host, |(_, host)| host)
}
