//! URIs are read as the specification says, and written so that they are read the same.

use super::read::parse;
use crate::error::UriError;
use crate::{ConnectionOptions, TlsOptions};

#[track_caller]
pub(super) fn good(uri: &str) -> ConnectionOptions {
    match parse(uri) {
        Ok(options) => options,
        Err(error) => panic!("{uri}: {error}"),
    }
}

#[track_caller]
pub(super) fn bad(uri: &str) -> UriError {
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
            .login(text.clone(), text.clone())
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
