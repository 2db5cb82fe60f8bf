//! URIs are read as the specification says, and written so that they are read the same.

use std::time::Duration;

use super::{UriError, parse};
use crate::{
    AuthMechanism, ConnectionOptions, Heartbeat, HostOrder, TcpOptions, TlsOptions, WhenBlocked,
};

#[track_caller]
fn good(uri: &str) -> ConnectionOptions {
    match parse(uri) {
        Ok(options) => options,
        Err(error) => panic!("{uri}: {error}"),
    }
}

#[track_caller]
fn bad(uri: &str) -> UriError {
    parse(uri).expect_err(uri)
}

/// User, password, hosts and virtual host.
#[track_caller]
fn check(uri: &str, user: &str, password: &str, address: &str, virtual_host: &str) {
    let options = good(uri);
    assert_eq!(options.credentials.user(), user, "{uri}");
    let given = options.credentials.password().expose();
    assert_eq!(String::from_utf8_lossy(given), password, "{uri}");
    assert_eq!(options.address(), address, "{uri}");
    assert_eq!(options.virtual_host, virtual_host, "{uri}");
    // Written and read again, it is the same.
    let written = options.to_uri_with_secrets();
    assert_eq!(good(&written), options, "{uri} became {written}");
}

#[test]
fn examples_of_the_uri_specification_are_read_as_it_says() {
    check(
        "amqp://user:pass@host:10000/vhost",
        "user",
        "pass",
        "host:10000",
        "vhost",
    );
    let encoded = "amqp://user%61:%61pass@ho%61st:10000/v%2fhost";
    check(encoded, "usera", "apass", "hoast:10000", "v/host");
    check("amqp://", "guest", "guest", "localhost:5672", "/");
    check("amqp://:@/", "", "", "localhost:5672", "");
    check("amqp://user@", "user", "guest", "localhost:5672", "/");
    check("amqp://user:pass@", "user", "pass", "localhost:5672", "/");
    check("amqp://host", "guest", "guest", "host:5672", "/");
    check("amqp://:10000", "guest", "guest", "localhost:10000", "/");
    check("amqp:///vhost", "guest", "guest", "localhost:5672", "vhost");
    check("amqp://host/", "guest", "guest", "host:5672", "");
    check("amqp://host/%2f", "guest", "guest", "host:5672", "/");
    check("amqp://[::1]", "guest", "guest", "[::1]:5672", "/");
}

#[test]
fn absent_parts_differ_from_empty_ones() {
    check("amqp://@host", "", "guest", "host:5672", "/");
    check("amqp://user:@host", "user", "", "host:5672", "/");
    check("amqp://:pass@host", "", "pass", "host:5672", "/");
    check("amqp://host:", "guest", "guest", "host:5672", "/");
    check("amqp://host?", "guest", "guest", "host:5672", "/");
    check("amqp://host/?", "guest", "guest", "host:5672", "");
    check(
        "amqp://host?heartbeat=1",
        "guest",
        "guest",
        "host:5672",
        "/",
    );
}

#[test]
fn every_part_may_be_percent_encoded() {
    let uri = "amqp://%40us%3aer:p%40s%2fs%25%23%3f@h%c3%b6st/%2f%2fv%20h";
    check(uri, "@us:er", "p@s/s%#?", "h\u{f6}st:5672", "//v h");
    check("amqp://a+b:c+d@host/e+f", "a+b", "c+d", "host:5672", "e+f");
    // What comes first ends the part: a password may have colons, and at-signs.
    check("amqp://u:a:b@c@host", "u", "a:b@c", "host:5672", "/");
}

#[test]
fn schemes_are_read_in_any_case_and_have_ports_of_their_own() {
    check("AMQP://host", "guest", "guest", "host:5672", "/");
    check("amqps://host", "guest", "guest", "host:5671", "/");
    check("AmqpS://host:5672", "guest", "guest", "host:5672", "/");
    assert!(good("amqp://host").tls.is_none());
    assert_eq!(good("amqps://host").tls, Some(TlsOptions::default()));
    for uri in [
        "",
        "host",
        "host:5672",
        "//host",
        "amqp:host",
        "amqp:/host",
        "http://host",
    ] {
        assert_eq!(bad(uri), UriError::Scheme, "{uri}");
    }
    assert_eq!(bad(" amqp://host"), UriError::Scheme);
}

#[test]
fn addresses_of_ip_version_6_stand_in_brackets() {
    let address = "[2001:db8::1]:5673";
    check(
        "amqp://[2001:db8::1]:5673/v",
        "guest",
        "guest",
        address,
        "v",
    );
    check("amqp://u:p@[::1]:/", "u", "p", "[::1]:5672", "");
    check(
        "amqp://[fe80::1%25eth0]",
        "guest",
        "guest",
        "[fe80::1%eth0]:5672",
        "/",
    );
    check("amqp://127.0.0.1", "guest", "guest", "127.0.0.1:5672", "/");
    for uri in [
        "amqp://::1",
        "amqp://[::1",
        "amqp://[::1]x",
        "amqp://[host]",
        "amqp://[]",
    ] {
        assert_eq!(bad(uri), UriError::Host, "{uri}");
    }
}

#[test]
fn several_hosts_stand_side_by_side() {
    let address = "a:5672, b:5673, [::1]:5674";
    check("amqp://u:p@a,b:5673,[::1]:5674/v", "u", "p", address, "v");
    check("amqp://a%2cb", "guest", "guest", "a,b:5672", "/");
    for uri in ["amqp://a,", "amqp://,a", "amqp://a,,b", "amqp://a,:5673"] {
        assert_eq!(bad(uri), UriError::Host, "{uri}");
    }
}

#[test]
fn port_is_a_number_in_its_range() {
    for port in ["0", "65536", "99999", "-1", "+1", "x", "1x", "5672%20"] {
        assert_eq!(
            bad(&format!("amqp://host:{port}")),
            UriError::Port,
            "{port}"
        );
    }
    check("amqp://host:1", "guest", "guest", "host:1", "/");
    check("amqp://host:65535", "guest", "guest", "host:65535", "/");
}

#[test]
fn virtual_host_is_one_segment() {
    assert_eq!(bad("amqp://host/a/b"), UriError::VirtualHost);
    assert_eq!(bad("amqp://host//"), UriError::VirtualHost);
    assert_eq!(bad("amqp://host/%2f/"), UriError::VirtualHost);
}

#[test]
fn spaces_and_other_strays_are_refused_by_name() {
    for (uri, found) in [
        ("amqp://ho st", ' '),
        ("amqp://host ", ' '),
        ("amqp://u:p w@host", ' '),
        ("amqp://host/v h", ' '),
        ("amqp://ho\nst", '\n'),
        ("amqp://host?connection_name=a b", ' '),
        ("amqp://u:p#w@host", '#'),
        ("amqp://host#part", '#'),
    ] {
        assert_eq!(bad(uri), UriError::Character(found), "{uri}");
    }
    let said = UriError::Character(' ').to_string();
    assert_eq!(said, "' ' must be written as %20");
    assert!(
        UriError::Character('\u{a0}')
            .to_string()
            .ends_with("%c2%a0")
    );
}

#[test]
fn broken_encoding_is_told_by_the_part() {
    for (uri, part) in [
        ("amqp://u%zz@host", "user name"),
        ("amqp://u:%4@host", "password"),
        ("amqp://u:%ff@host", "password"),
        ("amqp://%@host", "user name"),
        ("amqp://h%c3", "host"),
        ("amqp://host/%+1", "virtual host"),
        ("amqp://host?h%=1", "parameter name"),
        ("amqp://host?heartbeat=%1", "parameter"),
    ] {
        assert_eq!(bad(uri), UriError::Encoding(part), "{uri}");
    }
}

#[test]
fn no_error_shows_the_password() {
    for uri in [
        "amqp://u:hunter2%zz@host",
        "amqp://u:hunter2@host:x",
        "amqp://u:hunter2 @host",
        "amqp://u:hunter2@host?what=1",
        "amqps://host?password=hunter2&password=hunter2",
    ] {
        let error = bad(uri);
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn every_character_survives_everywhere_in_a_uri() {
    let characters = (0..=0x17f).chain(0x1_f600..0x1_f610);
    for found in characters.filter_map(char::from_u32) {
        let text = format!("a{found}{found}b");
        let options = ConnectionOptions::default()
            .host(text.replace([':', '%'], ""))
            .credentials(text.clone(), text.clone())
            .virtual_host(text.clone())
            .connection_name(text.clone())
            .tls(
                TlsOptions::default()
                    .ca_file(text.clone())
                    .key_password(text),
            );
        let written = options.to_uri_with_secrets();
        assert_eq!(good(&written), options, "{written}");
    }
}

// ── Parameters ──────────────────────────────────────────────────────────────────────────────

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
            "handshake_timeout=20000",
            plain().handshake_timeout(seconds(20)),
        ),
        (
            "bring_up_timeout=30000",
            plain().bring_up_timeout(seconds(30)),
        ),
        ("request_timeout=1000", plain().request_timeout(seconds(1))),
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
        ("high_water=4096", plain().high_water(4096)),
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
            "tcp_user_timeout=9000",
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
    assert_eq!(said, "unknown parameter \"hartbeat\"; is it heartbeat?");
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
            &["", "x", "-1", "1.5", "65536", "at_most:", "+5"][..],
        ),
        ("connection_timeout", &["", "0", "-1", "x", "1.5"]),
        ("handshake_timeout", &["0", "x"]),
        ("bring_up_timeout", &["0", "x"]),
        ("blocked_connection_timeout", &["0", "x", "1.0001"]),
        ("write_timeout", &["", "x", "-1"]),
        ("when_blocked", &["", "panic"]),
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
        ("high_water", &["0", "x"]),
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

#[test]
fn unescaped_character_of_a_password_is_told_and_nothing_of_the_password_shown() {
    for (uri, found) in [
        ("amqp://guest:123/secret@localhost", '/'),
        ("amqps://user:secret/word@localhost", '/'),
        ("amqp://user:secret/@localhost", '/'),
        ("amqp://user:12/secret/word@host/v", '/'),
        ("amqp://user:p@ss/secret@host", '/'),
        ("amqp://us/secret:word@host", '/'),
        ("amqp://user:12/3?secret@host", '/'),
        ("amqp://user:12?secret@host", '?'),
        ("amqp://user:12?secret=word@host/vhost", '?'),
        ("amqp://user:secret?word@host", '?'),
        ("amqp://user:12?heartbeat=secret@host", '?'),
        ("amqp://user:12?secret=1&secret=2@host", '?'),
        ("amqp://user:p@ss?secret@host", '?'),
        ("amqp://user:12?3/secret@host", '?'),
        ("amqp://user:[12?secret@host", '?'),
        ("amqp://user?secret@host", '?'),
        ("amqp://user:12#secret@host", '#'),
        ("amqp://user:12 secret@host", ' '),
        ("amqp://user:12\tsecret@host", '\t'),
        ("amqp://user:12\nsecret@host", '\n'),
    ] {
        let error = bad(uri);
        assert_eq!(error, UriError::Character(found), "{uri}");
        let (text, octet) = (error.to_string(), u32::from(found));
        assert!(text.contains(&format!(" as %{octet:02x}")), "{text}");
        let shown = format!("{text} {error:?}");
        assert!(
            !shown.contains("secret") && !shown.contains("12"),
            "{shown}"
        );
    }
    let text = UriError::Character('/').to_string();
    assert_eq!(
        text,
        "'/' in a user name or password must be written as %2f, and '@' behind the hosts as %40"
    );
    let percent = bad("amqp://user:12%secret@host");
    assert_eq!(percent, UriError::Encoding("password"));
    assert!(percent.to_string().ends_with("as %25"), "{percent}");
}

#[test]
fn at_sign_in_a_parameter_is_no_password() {
    for uri in [
        "amqp://h?connection_name=worker@h",
        "amqp://h:5672/v?connection_name=worker@h",
        "amqp://u:p@h/v?connection_name=worker@h",
    ] {
        let name = good(uri).connection_name;
        assert_eq!(name.as_deref(), Some("worker@h"), "{uri}");
    }
    // The user's name and password are before the hosts: this is a typing mistake.
    let nearest = Some("connection_name");
    let name = "conection_name".to_owned();
    assert_eq!(
        bad("amqp://u:p@h?conection_name=worker@h"),
        UriError::UnknownParameter { name, nearest }
    );
    assert_eq!(
        bad("amqp://u:p@h:x?connection_name=worker@h"),
        UriError::Port
    );
}

#[test]
fn newline_at_the_end_is_told_as_such() {
    for uri in [
        "amqp://u:secret@host\n",
        "amqp://host/v\r\n",
        "host\n",
        "\n",
    ] {
        let error = bad(uri);
        assert_eq!(error, UriError::TrailingNewline, "{uri:?}");
        assert!(error.to_string().contains("newline"), "{error}");
    }
}

#[test]
fn host_that_has_credentials_in_it_is_shown_without_them() {
    for host in ["app:hunter2@broker", "amqp://app:hunter2@broker"] {
        let options = ConnectionOptions::default().host(host);
        let shown = format!("{options:?} {options:#?} {options} {}", options.address());
        assert!(
            shown.contains("broker") && !shown.contains("hunter2"),
            "{shown}"
        );
        assert_eq!(good(&options.to_uri_with_secrets()), options);
    }
}
