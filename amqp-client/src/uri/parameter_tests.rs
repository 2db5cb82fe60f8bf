//! Every option can be said as a parameter, and what cannot be obeyed is refused.

use std::time::Duration;

use super::tests::{bad, good};
use crate::error::UriError;
use crate::options::{Heartbeat, HostOrder, TcpOptions, WhenBlocked, WhenDown};
use crate::sasl::AuthMechanism;
use crate::{ConnectionOptions, TlsOptions};

#[test]
fn what_the_builder_says_the_uri_says() {
    let seconds = Duration::from_secs;
    let plain = || ConnectionOptions::default().host("h");
    let tcp = TcpOptions::default;
    let cases = [
        ("heartbeat=7", plain().heartbeat(seconds(7))),
        ("heartbeat=0", plain().heartbeat(Heartbeat::Off)),
        ("heartbeat=server", plain().heartbeat(Heartbeat::Server)),
        (
            "heartbeat=at_most%3A9",
            plain().heartbeat(Heartbeat::AtMost(seconds(9))),
        ),
        (
            "connection_timeout=1500",
            plain().connect_timeout(Duration::from_millis(1500)),
        ),
        (
            "handshake_timeout=20",
            plain().handshake_timeout(seconds(20)),
        ),
        ("open_timeout=30", plain().open_timeout(seconds(30))),
        ("request_timeout=1", plain().request_timeout(seconds(1))),
        ("close_timeout=0", plain().close_timeout(Duration::ZERO)),
        (
            "blocked_connection_timeout=60",
            plain().blocked_connection_timeout(seconds(60)),
        ),
        (
            "blocked_connection_timeout=0.250",
            plain().blocked_connection_timeout(Duration::from_millis(250)),
        ),
        ("write_timeout=30", plain().write_timeout(seconds(30))),
        ("write_timeout=0", plain().write_timeout(None)),
        ("when_blocked=fail", plain().when_blocked(WhenBlocked::Fail)),
        ("when_down=fail", plain().when_down(WhenDown::Fail)),
        ("connection_attempts=3", plain().connection_attempts(3)),
        (
            "retry_delay=0.500",
            plain().retry_delay(Duration::from_millis(500)),
        ),
        ("host_order=given", plain().host_order(HostOrder::Given)),
        ("channel_max=9", plain().channel_max(9)),
        ("frame_max=8192", plain().frame_max(8192)),
        ("frame_max=0", plain().frame_max(0)),
        (
            "max_message_size=1048576",
            plain().max_message_size(1 << 20),
        ),
        ("inbound_limit=0", plain().inbound_limit(0)),
        ("write_buffer_limit=4096", plain().write_buffer_limit(4096)),
        (
            "auth_mechanism=external",
            plain().auth_mechanisms([AuthMechanism::External]),
        ),
        (
            "auth_mechanism=rabbit-cr-demo&auth_mechanism=amqplain",
            plain().auth_mechanisms([AuthMechanism::RabbitCrDemo, AuthMechanism::AmqPlain]),
        ),
        ("locale=de_DE", plain().locale("de_DE")),
        (
            "connection_name=ledger%207",
            plain().connection_name("ledger 7"),
        ),
        ("tcp_nodelay=false", plain().tcp(tcp().nodelay(false))),
        (
            "tcp_keepalive_idle=30",
            plain().tcp(tcp().keepalive_idle(seconds(30))),
        ),
        (
            "tcp_keepalive_interval=5",
            plain().tcp(tcp().keepalive_interval(seconds(5))),
        ),
        (
            "tcp_keepalive_count=4",
            plain().tcp(tcp().keepalive_count(4)),
        ),
        (
            "tcp_user_timeout=9",
            plain().tcp(tcp().user_timeout(seconds(9))),
        ),
        (
            "client_properties.team=ledger&client_properties.a%26b=c%3Dd",
            plain()
                .client_properties(&amqp_spec::field_table! { "team" => "ledger", "a&b" => "c=d" }),
        ),
    ];
    for (query, built) in cases {
        let uri = format!("amqp://h?{query}");
        assert_eq!(good(&uri), built, "{uri}");
        assert_eq!(built.to_string(), uri);
        assert_eq!(built.to_uri_with_secrets(), uri);
    }
}

#[test]
fn what_the_builder_says_of_tls_the_uri_says() {
    let tls = TlsOptions::default;
    let cases = [
        (
            "cacertfile=%2Fetc%2Fca%20%26%20co.pem",
            tls().ca_file("/etc/ca & co.pem"),
        ),
        (
            "cacertfile=a.pem&cacertfile=b.pem",
            tls().ca_file("a.pem").ca_file("b.pem"),
        ),
        (
            "certfile=c.pem&keyfile=k.pem",
            tls().client_certificate("c.pem", "k.pem"),
        ),
        ("verify=verify_none", tls().danger_accept_any_certificate()),
        (
            "server_name_indication=broker.example",
            tls().server_name("broker.example"),
        ),
        (
            "server_name_indication=disable",
            tls().without_server_name(),
        ),
    ];
    for (query, tls) in cases {
        let uri = format!("amqps://h?{query}");
        let built = ConnectionOptions::default().host("h").tls(tls);
        assert_eq!(good(&uri), built, "{uri}");
        assert_eq!(built.to_string(), uri);
    }
    let plain = good("amqps://h");
    assert_eq!(
        good("amqps://h?verify=verify_peer&fail_if_no_peer_cert=true"),
        plain
    );
}

#[test]
fn display_hides_both_passwords() {
    let uri = "amqps://app:hunter2@h?keyfile=k.pem&password=sw0rdfish";
    let options = good(uri);
    assert_eq!(options.to_uri_with_secrets(), uri);
    assert_eq!(options.to_string(), "amqps://app@h?keyfile=k.pem");
    let shown = format!("{options:?} {options:#?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("sw0rdfish"),
        "{shown}"
    );
}

#[test]
fn query_is_read_as_forms_are() {
    let options = good("amqp://h?&connection_name=a+b%2Bc&&heartbeat=1&");
    assert_eq!(options.connection_name.as_deref(), Some("a b+c"));
    assert_eq!(
        good("amqp://h?AUTH_MECHANISM=plain".to_lowercase().as_str())
            .mechanisms
            .len(),
        1
    );
    assert_eq!(
        good("amqp://h?auth_mechanism=PLAIN").mechanisms,
        [AuthMechanism::Plain]
    );
}

#[test]
fn unknown_parameter_is_told_with_the_nearest() {
    for (query, name, nearest) in [
        ("hartbeat=1", "hartbeat", Some("heartbeat")),
        ("Heartbeat=1", "Heartbeat", Some("heartbeat")),
        (
            "socket_timeout=1",
            "socket_timeout",
            Some("connection_timeout"),
        ),
        ("colour=red", "colour", None),
        ("=1", "", None),
        ("client_properties=x", "client_properties", None),
    ] {
        let name = name.to_owned();
        let expected = UriError::UnknownParameter { name, nearest };
        assert_eq!(bad(&format!("amqp://h?{query}")), expected);
    }
    let said = bad("amqp://h?hartbeat=1").to_string();
    assert_eq!(
        said,
        "unknown parameter \"hartbeat\"; is it heartbeat, in seconds?"
    );
}

#[test]
fn suggestion_names_the_unit_of_a_time() {
    for (query, suggestion) in [
        (
            "socket_timeout=10",
            "is it connection_timeout, in milliseconds?",
        ),
        ("stack_timeout=15", "is it open_timeout, in seconds?"),
        ("timeout=10", "is it connection_timeout, in milliseconds?"),
        ("requst_timeout=10", "is it request_timeout, in seconds?"),
        ("heartbeat_interval=10", "is it heartbeat, in seconds?"),
        ("frame-max=8192", "is it frame_max?"),
    ] {
        let text = bad(&format!("amqp://h?{query}")).to_string();
        assert!(text.ends_with(suggestion), "{text}");
    }
}

/// RabbitMQ's clients count the milliseconds of one, pika the seconds of others; ours are seconds.
#[test]
fn times_have_one_unit_unless_they_come_from_elsewhere_or_say_it() {
    for name in [
        "connection_timeout",
        "handshake_timeout",
        "open_timeout",
        "request_timeout",
        "close_timeout",
        "write_timeout",
        "blocked_connection_timeout",
        "retry_delay",
        "tcp_user_timeout",
        "tcp_keepalive_idle",
        "tcp_keepalive_interval",
        "heartbeat",
    ] {
        let with = |value| good(&format!("amqp://h?{name}={value}"));
        let bare = if name == "connection_timeout" {
            "17000"
        } else {
            "17"
        };
        assert_eq!(with("17s"), with(bare), "{name}");
        assert_eq!(with("17000ms"), with(bare), "{name}");
        let written = with("17s").to_string();
        assert_eq!(written, format!("amqp://h?{name}={bare}"));
        let wrong = bad(&format!("amqp://h?{name}=15m"));
        assert!(wrong.to_string().contains("econds"), "{wrong}");
    }
    let half = good("amqp://h?open_timeout=0.5&request_timeout=500ms");
    assert_eq!(half.open_timeout, Some(Duration::from_millis(500)));
    assert_eq!(half.request_timeout, Duration::from_millis(500));
    let most = good("amqp://h?heartbeat=at_most:20s");
    assert_eq!(most.heartbeat, Heartbeat::AtMost(Duration::from_secs(20)));
}

#[test]
fn parameter_that_cannot_be_obeyed_is_refused() {
    let error = bad("amqps://h?depth=2");
    assert!(matches!(
        error,
        UriError::UnsupportedParameter { name: "depth", .. }
    ));
    // Ignored, it would leave a connection in the clear that was meant to be safe.
    for name in [
        "cacertfile",
        "certfile",
        "verify",
        "server_name_indication",
        "password",
    ] {
        let error = bad(&format!("amqp://h?{name}=verify_peer"));
        assert_eq!(error, UriError::NeedsTls(name));
    }
}

#[test]
fn repeated_parameter_is_told_by_name() {
    for (query, name) in [
        ("heartbeat=1&heartbeat=1", "heartbeat"),
        (
            "client_properties.a=1&client_properties.a=2",
            "client_properties.a",
        ),
    ] {
        let repeated = UriError::RepeatedParameter(name.to_owned());
        assert_eq!(bad(&format!("amqp://h?{query}")), repeated);
    }
}

#[test]
fn value_that_a_parameter_cannot_have_is_told_with_what_it_can() {
    for (name, values) in [
        (
            "heartbeat",
            &[
                "", "x", "-1", "1.5", "500ms", "65536", "65536s", "at_most:", "+5",
            ][..],
        ),
        ("connection_timeout", &["", "0", "-1", "x", "1.5"]),
        ("handshake_timeout", &["0", "x"]),
        ("open_timeout", &["0", "x"]),
        ("blocked_connection_timeout", &["0", "x", "1.0001"]),
        ("write_timeout", &["", "x", "-1"]),
        ("when_blocked", &["", "panic"]),
        ("when_down", &["", "panic"]),
        ("connection_attempts", &["0", "-1", "x"]),
        ("retry_delay", &["x", "-1"]),
        ("host_order", &["x"]),
        ("channel_max", &["65536", "-1", "x", ""]),
        ("frame_max", &["1", "64", "4095", "4294967296", "x"]),
        ("auth_mechanism", &["", "kerberos"]),
        ("tcp_nodelay", &["", "1", "yes"]),
        ("tcp_keepalive_idle", &["0", "x"]),
        ("tcp_keepalive_count", &["0", "x"]),
        ("tcp_user_timeout", &["0", "x"]),
        ("inbound_limit", &["-1", "x"]),
        ("write_buffer_limit", &["0", "x"]),
    ] {
        for value in values {
            let uri = format!("amqp://h?{name}={}", value.replace('+', "%2B"));
            match bad(&uri) {
                UriError::Parameter {
                    name: told,
                    expected,
                } => {
                    assert_eq!(told, name, "{uri}");
                    assert!(!expected.is_empty());
                }
                other => panic!("{uri}: {other:?}"),
            }
        }
    }
    for query in [
        "verify=no",
        "verify=",
        "server_name_indication=",
        "cacertfile=",
    ] {
        let error = bad(&format!("amqps://h?{query}"));
        assert!(
            matches!(error, UriError::Parameter { .. }),
            "{query}: {error:?}"
        );
    }
}
