//! Where to connect to: the setters.

use super::ConnectionOptions;
use super::host::{Address, Host, HostOrder, ToHost};

impl ConnectionOptions {
    /// The host's name or address, with its port or without: `rabbit-1`, `rabbit-1:5673`, `::1`,
    /// `[::1]:5673`. It takes the place of all hosts given before, and without a port keeps
    /// theirs, if that is the same for all. Default: `localhost`.
    #[must_use]
    pub fn host(self, host: impl AsRef<str>) -> Self {
        self.only_host(Host::given(host.as_ref()))
    }

    fn only_host(mut self, mut host: Host) -> Self {
        let mut ports = self.hosts.iter().map(|host| host.port);
        let port = ports.next().flatten();
        let port = port.filter(|port| ports.all(|other| other == Some(*port)));
        host.port = host.port.or(port);
        self.hosts = vec![host];
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
    /// attempt tries them until one answers. Each is a text, as [`host`](Self::host) takes it, or a
    /// name and a port.
    ///
    /// ```
    /// use amqp_client::options::HostOrder;
    /// use amqp_client::ConnectionOptions;
    ///
    /// let options = ConnectionOptions::default()
    ///     .hosts(["rabbit-1", "rabbit-2:5673"])
    ///     .host_order(HostOrder::Given);
    /// # assert_eq!(options.address(), "rabbit-1:5672, rabbit-2:5673");
    /// ```
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = impl ToHost>) -> Self {
        self.hosts = hosts.into_iter().map(|host| Host::of(&host)).collect();
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

    /// Each host with its port, in the order in which they were given: for an event loop of one's
    /// own, which connects to them. Addresses of IP version 6 have no brackets, as
    /// [`TcpStream::connect`](std::net::TcpStream::connect) and `tls::Session` take them; a host
    /// without a port has 5672, and 5671 with TLS.
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// let options = ConnectionOptions::default().hosts(["rabbit-1", "[::1]:5673"]);
    /// let addresses: Vec<_> = options.addresses().collect();
    /// assert_eq!(addresses, [("rabbit-1", 5672), ("::1", 5673)]);
    /// ```
    pub fn addresses(&self) -> impl Iterator<Item = (&str, u16)> {
        let default = self.default_port();
        let hosts = self.hosts.iter();
        hosts.map(move |host| (host.name.as_str(), host.port.unwrap_or(default)))
    }

    /// `host:port` of every host, for people; [`addresses`](Self::addresses) has each by itself.
    #[must_use]
    pub fn address(&self) -> String {
        let hosts = self.addresses();
        let hosts: Vec<_> = hosts
            .map(|(host, port)| Address(host, port).to_string())
            .collect();
        hosts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(host: &str) -> String {
        let error = ConnectionOptions::default().host(host).validate();
        let error = error.expect_err(host);
        assert_eq!(error.option, "host");
        error.to_string()
    }

    #[test]
    fn names_and_addresses_are_hosts() {
        for host in [
            "localhost",
            "LOCALHOST",
            "rabbit-1.example.",
            "rabbit_1",
            "h\u{f6}st",
            "127.0.0.1",
            "::1",
            "2001:db8::1",
            "::ffff:127.0.0.1",
            "fe80::1%eth0",
            "fe80::1%br-1.20",
        ] {
            let options = ConnectionOptions::default().host(host);
            assert_eq!(options.validate(), Ok(()), "{host}");
        }
        let longest = [
            "a".repeat(63),
            "b".repeat(63),
            "c".repeat(63),
            "d".repeat(61),
        ]
        .join(".");
        assert_eq!(longest.len(), 253);
        let options = ConnectionOptions::default();
        assert_eq!(options.clone().host(&longest).validate(), Ok(()));
        assert_eq!(options.host(longest + ".").validate(), Ok(()));
    }

    #[test]
    fn what_is_no_host_is_refused_with_what_to_write() {
        for (host, advice) in [
            ("[127.0.0.1]", "without brackets"),
            ("[::1]5672", "without brackets"),
            ("[::1", "without brackets"),
            ("localhost:99999", "set with port"),
            ("amqp://localhost", "Connection::open"),
            ("amqps://app:hunter2@localhost/v", "Connection::open"),
            ("app:hunter2@localhost", "set with user"),
            ("localhost/orders", "virtual_host"),
            ("a,b", "hosts"),
            (" localhost", "spaces"),
            ("localhost\n", "newlines"),
            ("two words", "spaces"),
            ("local\u{0}host", "spaces"),
            ("::g", "colons"),
            ("localhost:", "colons"),
            ("localhost:amqp", "colons"),
            ("127.0.0.1%eth0", "letters"),
            ("fe80::1%", "colons"),
            ("\"localhost\"", "letters"),
            ("host?heartbeat=5", "letters"),
            ("a..b", "dots"),
            (".", "dots"),
            ("", "a name or an address"),
        ] {
            let text = refused(host);
            assert!(text.contains(advice), "{host}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        assert!(refused(&"a".repeat(64)).contains("63"));
        let (most, more) = (["a"; 127].join("."), ["a"; 128].join("."));
        assert_eq!(ConnectionOptions::default().host(most).validate(), Ok(()));
        assert!(refused(&more).contains("253"));
    }

    #[test]
    fn hosts_are_texts_as_in_uris_or_names_with_ports() {
        let plain = ConnectionOptions::default;
        for host in ["h", "h:5673", "127.0.0.1:5673", "[::1]:5673", "[::1]"] {
            let read: ConnectionOptions = format!("amqp://{host}").parse().unwrap();
            assert_eq!(plain().host(host), read, "{host}");
            assert_eq!(plain().hosts([host]), read, "{host}");
            assert_eq!(plain().hosts([host.to_owned()]), read, "{host}");
        }
        assert_eq!(plain().host("h:5673").validate(), Ok(()));
        assert_eq!(plain().port(1).host("h:5673").address(), "h:5673");
        assert_eq!(plain().host("h:5673").port(1).address(), "h:1");
        assert_eq!(plain().host("h:0").validate().unwrap_err().option, "port");
        let named = plain().hosts([("::1".to_owned(), 5673)]);
        assert_eq!(named, plain().host("[::1]:5673"));
    }

    #[test]
    fn each_of_several_hosts_is_looked_at() {
        let options = ConnectionOptions::default().hosts([("a", 5672), ("b:5673", 5672)]);
        assert_eq!(options.validate().unwrap_err().option, "host");
        let read: ConnectionOptions = "amqp://a,b%20c".parse().unwrap();
        assert_eq!(read.validate().unwrap_err().option, "host");
    }

    #[test]
    fn host_keeps_a_port_that_all_hosts_before_it_had() {
        let address = |options: ConnectionOptions| options.host("new").address();
        let default = ConnectionOptions::default;
        assert_eq!(address(default()), "new:5672");
        assert_eq!(address(default().port(5673)), "new:5673");
        assert_eq!(
            address(default().hosts([("a", 5673), ("b", 5673)])),
            "new:5673"
        );
        assert_eq!(
            address(default().hosts([("a", 5673), ("b", 5674)])),
            "new:5672"
        );
        assert_eq!(address("amqps://a:5673,b".parse().unwrap()), "new:5671");
    }
}
