//! Whether options can be worked with. The setters take anything; opening a connection looks.

use std::time::Duration;

use super::{ConnectionOptions, Host};
use crate::error::OptionError;
use crate::message::field_values::{self, Decimals};
use crate::proto::config::Heartbeat;
use crate::rounding::{whole_millis, whole_seconds};

/// Whether an option has a value that it can have, its name, and what it can have.
type Check = (bool, &'static str, &'static str);

impl ConnectionOptions {
    /// Checks that every option has a value that it can have. Opening a connection does this
    /// first; an adapter of one's own may do it before [`with_core`](crate::Connection::with_core).
    ///
    /// ```
    /// use amqp_client::ConnectionOptions;
    ///
    /// let error = ConnectionOptions::default().frame_max(64).validate().unwrap_err();
    /// assert_eq!(error.option, "frame_max");
    /// ```
    ///
    /// # Errors
    ///
    /// The first option that has none.
    pub fn validate(&self) -> Result<(), OptionError> {
        if let Some(expected) = self.hosts.iter().find_map(Host::fault) {
            return Err(OptionError::new("host", expected));
        }
        if let Some(tls) = &self.tls {
            let has_certificate = tls.certificate_file.is_some() || tls.identity_pem.is_some();
            if tls.key_file.is_some() && !has_certificate {
                let expected = "named together with its certificate: the key alone is of no use";
                return Err(OptionError::new("tls.client_certificate", expected));
            }
        }
        let mut checks = self
            .names()
            .into_iter()
            .chain(self.agreed())
            .chain(self.waits())
            .chain(self.comes_back())
            .chain(self.socket());
        match checks.find(|(holds, ..)| !holds) {
            Some((_, option, expected)) => Err(OptionError::new(option, expected)),
            None => Ok(()),
        }
    }

    /// Where to connect, and what is said at the login.
    fn names(&self) -> [Check; 7] {
        const SHORT: &str = "at most 255 octets long";
        let names = self.mechanisms.iter().map(|mechanism| mechanism.name());
        [
            (!self.hosts.is_empty(), "hosts", "at least one"),
            (
                self.hosts.iter().all(|host| host.port != Some(0)),
                "port",
                "from 1 to 65535",
            ),
            (
                !self.mechanisms.is_empty(),
                "auth_mechanisms",
                "at least one",
            ),
            (
                names.clone().all(|name| is_short(name) && !name.is_empty()),
                "auth_mechanisms",
                "mechanisms with a name of 1 to 255 octets",
            ),
            (is_short(&self.virtual_host), "virtual_host", SHORT),
            (is_short(&self.locale), "locale", SHORT),
            (
                field_values::check(self.client_properties.as_ref(), Decimals::Allowed).is_ok(),
                "client_properties",
                "free of NaN, infinity, integers above 9223372036854775807 and what cannot be read",
            ),
        ]
    }

    /// What is agreed on with the broker.
    fn agreed(&self) -> [Check; 2] {
        let heartbeat = match self.heartbeat {
            Heartbeat::Fixed(ours) | Heartbeat::AtMost(ours) => ours,
            Heartbeat::Server | Heartbeat::Off | Heartbeat::Negotiate(_) => Duration::ZERO,
        };
        [
            (
                heartbeat <= Duration::from_secs(65_535),
                "heartbeat",
                "at most 65535 s",
            ),
            (
                self.frame_max == 0 || self.frame_max >= 4096,
                "frame_max",
                "0 or at least 4096 octets",
            ),
        ]
    }

    /// How long something may take, how often it is tried, and how much may wait.
    fn waits(&self) -> [Check; 8] {
        const SOME_TIME: &str = "longer than zero";
        [
            (
                !self.connect_timeout.is_zero(),
                "connect_timeout",
                SOME_TIME,
            ),
            (
                !self.handshake_timeout.is_zero(),
                "handshake_timeout",
                SOME_TIME,
            ),
            (
                !self.request_timeout.is_zero(),
                "request_timeout",
                SOME_TIME,
            ),
            (
                self.blocked_connection_timeout != Some(Duration::ZERO),
                "blocked_connection_timeout",
                SOME_TIME,
            ),
            (
                self.write_timeout != Some(Duration::ZERO),
                "write_timeout",
                SOME_TIME,
            ),
            (
                self.open_timeout != Some(Duration::ZERO),
                "open_timeout",
                SOME_TIME,
            ),
            (
                self.connection_attempts > 0,
                "connection_attempts",
                "at least 1",
            ),
            (
                self.write_buffer_limit > 0,
                "write_buffer_limit",
                "at least 1 octet",
            ),
        ]
    }

    /// When a lost connection is dialled again, and for how long.
    fn comes_back(&self) -> [Check; 6] {
        const SOME_TIME: &str = "longer than zero";
        let recovery = &self.recovery;
        let (shortest, longest) = (recovery.shortest_delay(), recovery.longest_delay());
        [
            (
                !shortest.is_zero() && shortest <= longest,
                "recovery.delays",
                "from a time longer than zero to one that is not shorter",
            ),
            (
                recovery.attempt_limit() != Some(0),
                "recovery.attempts",
                "at least 1",
            ),
            (
                recovery.outage_limit() != Some(Duration::ZERO),
                "recovery.give_up_after",
                SOME_TIME,
            ),
            (
                !recovery.patience_limit().is_zero(),
                "recovery.patience",
                SOME_TIME,
            ),
            (
                recovery.entity_patience_limit() != Some(Duration::ZERO),
                "recovery.entity_patience",
                SOME_TIME,
            ),
            (
                !recovery.exclusive_limit(Duration::ZERO).is_zero(),
                "recovery.exclusive_for",
                SOME_TIME,
            ),
        ]
    }

    /// What the operating system takes.
    fn socket(&self) -> [Check; 3] {
        /// What Linux takes, in seconds and milliseconds.
        const KEEPALIVE: u64 = 32_767;
        const USER_TIMEOUT: u64 = 0x7fff_ffff;
        let tcp = &self.tcp;
        let idle = [tcp.keepalive_idle, tcp.keepalive_interval];
        [
            (
                idle.iter()
                    .flatten()
                    .all(|time| (1..=KEEPALIVE).contains(&whole_seconds(*time))),
                "tcp.keepalive",
                "1 s to 32767 s",
            ),
            (
                tcp.keepalive_count.is_none_or(|n| (1..=127).contains(&n)),
                "tcp.keepalive_count",
                "1 to 127",
            ),
            (
                tcp.user_timeout
                    .is_none_or(|time| (1..=USER_TIMEOUT).contains(&whole_millis(time))),
                "tcp.user_timeout",
                "1 ms to 2147483647 ms",
            ),
        ]
    }
}

fn is_short(text: &str) -> bool {
    text.len() <= 255
}

#[cfg(test)]
mod tests {
    use amqp_spec::field_table;

    use super::*;
    use crate::options::{Recovery, TcpOptions};
    use crate::sasl::AuthMechanism;

    #[test]
    fn defaults_can_be_worked_with() {
        ConnectionOptions::default().validate().unwrap();
    }

    #[test]
    fn value_at_the_edge_of_its_range_is_fine() {
        let options = ConnectionOptions::default()
            .frame_max(4096)
            .heartbeat(Duration::from_secs(65_535))
            .virtual_host("v".repeat(255))
            .close_timeout(Duration::ZERO)
            .retry_delay(Duration::ZERO);
        options.validate().unwrap();
        options.frame_max(0).channel_max(0).validate().unwrap();
    }

    #[test]
    fn key_without_its_certificate_is_told() {
        let named: ConnectionOptions = "amqps://host?keyfile=key.pem".parse().unwrap();
        let error = named.validate().unwrap_err();
        assert_eq!(error.option, "tls.client_certificate");
        let both = "amqps://host?keyfile=key.pem&certfile=cert.pem".parse();
        let both: ConnectionOptions = both.unwrap();
        both.validate().unwrap();
    }

    #[test]
    fn value_out_of_its_range_is_told_by_the_name_of_its_option() {
        let (zero, second) = (Duration::ZERO, Duration::from_secs(1));
        let good = ConnectionOptions::default;
        let no_hosts: [(&str, u16); 0] = [];
        let cases = [
            ("hosts", good().hosts(no_hosts)),
            ("host", good().host("")),
            ("port", good().port(0)),
            ("auth_mechanisms", good().auth_mechanisms([])),
            ("virtual_host", good().virtual_host("v".repeat(256))),
            ("locale", good().locale("l".repeat(256))),
            (
                "client_properties",
                good().client_properties(&field_table! { "load" => f64::NAN }),
            ),
            (
                "client_properties",
                good()
                    .client_properties(&field_table! { "id" => u64::MAX, "a" => 1 })
                    .connection_name("n"),
            ),
            (
                "client_properties",
                good().client_properties(&field_table! {
                    "capabilities" => &field_table! { "more" => f32::INFINITY },
                }),
            ),
            ("heartbeat", good().heartbeat(Duration::from_secs(65_536))),
            ("frame_max", good().frame_max(1)),
            ("frame_max", good().frame_max(4095)),
            ("connect_timeout", good().connect_timeout(zero)),
            ("handshake_timeout", good().handshake_timeout(zero)),
            ("request_timeout", good().request_timeout(zero)),
            ("write_timeout", good().write_timeout(zero)),
            (
                "blocked_connection_timeout",
                good().blocked_connection_timeout(zero),
            ),
            ("open_timeout", good().open_timeout(zero)),
            ("connection_attempts", good().connection_attempts(0)),
            ("write_buffer_limit", good().write_buffer_limit(0)),
            (
                "recovery.delays",
                good().recovery(Recovery::new().delays(zero..=second)),
            ),
            (
                "recovery.delays",
                good().recovery(Recovery::new().delays(second..=zero)),
            ),
            (
                "recovery.attempts",
                good().recovery(Recovery::new().attempts(0)),
            ),
            (
                "recovery.give_up_after",
                good().recovery(Recovery::new().give_up_after(zero)),
            ),
            (
                "recovery.patience",
                good().recovery(Recovery::new().patience(zero)),
            ),
            (
                "recovery.entity_patience",
                good().recovery(Recovery::new().entity_patience(zero)),
            ),
            (
                "recovery.exclusive_for",
                good().recovery(Recovery::new().exclusive_for(zero)),
            ),
            (
                "tcp.keepalive",
                good().tcp(TcpOptions::default().keepalive_idle(zero)),
            ),
            (
                "tcp.keepalive_count",
                good().tcp(TcpOptions::default().keepalive_count(0)),
            ),
            (
                "tcp.keepalive",
                good().tcp(TcpOptions::default().keepalive_interval(Duration::MAX)),
            ),
            (
                "tcp.keepalive_count",
                good().tcp(TcpOptions::default().keepalive_count(128)),
            ),
            (
                "tcp.user_timeout",
                good().tcp(TcpOptions::default().user_timeout(zero)),
            ),
            (
                "tcp.user_timeout",
                good().tcp(TcpOptions::default().user_timeout(Duration::MAX)),
            ),
        ];
        for (option, options) in cases {
            let error = options.validate().unwrap_err();
            assert_eq!(error.option, option);
            assert!(error.to_string().contains(option), "{error}");
        }
        let equal = good().auth_mechanisms([AuthMechanism::Plain, AuthMechanism::AmqPlain]);
        assert_eq!(equal, good());
    }
}
