//! When options are equal: when they connect to the same hosts in the same way, however that was
//! said.

use std::net::IpAddr;

use super::ConnectionOptions;
use crate::declare::has_same_entries;

impl Eq for ConnectionOptions {}

impl PartialEq for ConnectionOptions {
    fn eq(&self, other: &Self) -> bool {
        // A field that is added has to be compared.
        let Self {
            hosts: _,
            host_order,
            tls,
            tcp,
            credentials,
            credential_source,
            mechanisms,
            virtual_host,
            locale,
            connection_name,
            client_properties,
            heartbeat,
            channel_max,
            frame_max,
            connect_timeout,
            connection_attempts,
            retry_delay,
            handshake_timeout,
            open_timeout,
            request_timeout,
            close_timeout,
            max_message_size,
            inbound_limit,
            write_buffer_limit,
            when_blocked,
            when_down,
            blocked_connection_timeout,
            write_timeout,
            recovery,
        } = self;
        is_same_host_list(self, other)
            && *host_order == other.host_order
            && *tls == other.tls
            && *tcp == other.tcp
            && *credentials == other.credentials
            && *credential_source == other.credential_source
            && *mechanisms == other.mechanisms
            && *virtual_host == other.virtual_host
            && *locale == other.locale
            && *connection_name == other.connection_name
            && has_same_entries(client_properties, &other.client_properties)
            && *heartbeat == other.heartbeat
            && *channel_max == other.channel_max
            && *frame_max == other.frame_max
            && *connect_timeout == other.connect_timeout
            && *connection_attempts == other.connection_attempts
            && *retry_delay == other.retry_delay
            && *handshake_timeout == other.handshake_timeout
            && *open_timeout == other.open_timeout
            && *request_timeout == other.request_timeout
            && *close_timeout == other.close_timeout
            && *max_message_size == other.max_message_size
            && *inbound_limit == other.inbound_limit
            && *write_buffer_limit == other.write_buffer_limit
            && *when_blocked == other.when_blocked
            && *when_down == other.when_down
            && *blocked_connection_timeout == other.blocked_connection_timeout
            && *write_timeout == other.write_timeout
            && *recovery == other.recovery
    }
}

/// A port that was left out is the scheme's.
fn is_same_host_list(a: &ConnectionOptions, b: &ConnectionOptions) -> bool {
    let is_same = |((a, a_port), (b, b_port))| a_port == b_port && is_same_host(a, b);
    a.hosts.len() == b.hosts.len() && a.addresses().zip(b.addresses()).all(is_same)
}

fn is_same_host(a: &str, b: &str) -> bool {
    match (a.parse::<IpAddr>(), b.parse::<IpAddr>()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a.eq_ignore_ascii_case(b),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use amqp_spec::field_table;

    use super::*;
    use crate::TlsOptions;
    use crate::options::{Heartbeat, HostOrder, Recovery, TcpOptions, WhenBlocked, WhenDown};
    use crate::sasl::AuthMechanism;

    fn read(uri: &str) -> ConnectionOptions {
        uri.parse().unwrap()
    }

    #[test]
    fn what_connects_alike_is_equal_however_it_was_said() {
        for (a, b) in [
            ("amqp://h", "amqp://h:5672"),
            ("amqps://h", "amqps://h:5671"),
            ("amqp://h", "AMQP://H"),
            ("amqp://a,b:5672", "amqp://a:5672,b"),
            ("amqp://[::1]", "amqp://[0:0:0:0:0:0:0:1]:5672"),
            ("amqp://h", "amqp://guest:guest@h/%2f?heartbeat=at_most:60"),
            (
                "amqp://h?request_timeout=30",
                "amqp://h?request_timeout=30000ms",
            ),
            (
                "amqp://h?client_properties.a=1&client_properties.b=2",
                "amqp://h?client_properties.b=2&client_properties.a=1",
            ),
            (
                "amqp://h?connection_name=x",
                "amqp://h?client_properties.connection_name=x",
            ),
        ] {
            assert_eq!(read(a), read(b));
        }
        let none = ConnectionOptions::default().heartbeat(Heartbeat::Off);
        let zero = ConnectionOptions::default().heartbeat(Heartbeat::Fixed(Duration::ZERO));
        assert_eq!(zero, none);
    }

    #[test]
    fn options_that_differ_in_one_are_not_equal() {
        let plain = ConnectionOptions::default;
        let second = Duration::from_secs(1);
        let different = [
            plain(),
            plain().host("h"),
            plain().port(5671),
            plain().hosts([("localhost", 5672), ("localhost", 5672)]),
            plain().hosts([("a", 5672), ("b", 5672)]),
            plain().hosts([("b", 5672), ("a", 5672)]),
            plain().host_order(HostOrder::Given),
            plain().tls(TlsOptions::default()),
            plain().tcp(TcpOptions::default().nodelay(false)),
            plain().login("guest", "other"),
            plain().credential_source(|| async { Err("none") }),
            plain().auth_mechanisms([AuthMechanism::Plain]),
            plain().virtual_host("v"),
            plain().locale("de_DE"),
            plain().connection_name("c"),
            plain().client_properties(&field_table! { "a" => 1 }),
            plain().client_properties(&field_table! { "a" => 2 }),
            plain().client_properties(&field_table! { "b" => 1 }),
            plain().heartbeat(second),
            plain().channel_max(1),
            plain().frame_max(8192),
            plain().connect_timeout(second),
            plain().connection_attempts(2),
            plain().retry_delay(second),
            plain().handshake_timeout(second),
            plain().open_timeout(second),
            plain().request_timeout(second),
            plain().close_timeout(second),
            plain().max_message_size(1),
            plain().inbound_limit(1),
            plain().write_buffer_limit(1),
            plain().when_blocked(WhenBlocked::Fail),
            plain().when_down(WhenDown::Fail),
            plain().blocked_connection_timeout(second),
            plain().write_timeout(second),
            plain().recovery(Recovery::off()),
        ];
        for (n, a) in different.iter().enumerate() {
            for (m, b) in different.iter().enumerate() {
                assert_eq!(a == b, n == m, "{a:?} {b:?}");
            }
        }
    }
}
