//! Where to connect to.

use std::fmt;

use super::ConnectionOptions;

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

impl ConnectionOptions {
    /// The host's name or address; it takes the place of all hosts given before. Default:
    /// `localhost`.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        let port = self.hosts.first().and_then(|host| host.port);
        self.hosts = vec![Host {
            name: host.into(),
            port,
        }];
        self
    }

    /// The TCP port of every host given before. Default: 5672, and 5671 with TLS.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        for host in &mut self.hosts {
            host.port = Some(port);
        }
        self
    }

    /// Several hosts that lead to the same broker or cluster, in place of all given before. Each
    /// attempt tries them until one answers.
    ///
    /// ```
    /// use amqp_client::{ConnectionOptions, HostOrder};
    ///
    /// let options = ConnectionOptions::default()
    ///     .hosts([("rabbit-1", 5672), ("rabbit-2", 5672)])
    ///     .host_order(HostOrder::Given);
    /// # assert_eq!(options.address(), "rabbit-1:5672, rabbit-2:5672");
    /// ```
    #[must_use]
    pub fn hosts<N: Into<String>>(mut self, hosts: impl IntoIterator<Item = (N, u16)>) -> Self {
        let hosts = hosts.into_iter().map(|(name, port)| Host {
            name: name.into(),
            port: Some(port),
        });
        self.hosts = hosts.collect();
        self
    }

    /// In which order several hosts are tried. Default: at random.
    #[must_use]
    pub fn host_order(mut self, order: HostOrder) -> Self {
        self.host_order = order;
        self
    }

    /// The port of a host that has none of its own.
    pub(crate) fn default_port(&self) -> u16 {
        match self.tls {
            None => amqp_spec::constants::PORT,
            Some(_) => 5671,
        }
    }

    /// Each host with its port, as given.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, u16)> {
        let default = self.default_port();
        let hosts = self.hosts.iter();
        hosts.map(move |host| (host.name.as_str(), host.port.unwrap_or(default)))
    }

    /// `host:port` of every host, for people.
    #[must_use]
    pub fn address(&self) -> String {
        let hosts = self.addresses();
        let hosts: Vec<_> = hosts
            .map(|(host, port)| Address(host, port).to_string())
            .collect();
        hosts.join(", ")
    }
}
