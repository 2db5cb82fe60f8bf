//! Files become what the setters make, options files again, and secrets stay where they are.

use std::sync::Arc;
use std::time::Duration;

use amqp_spec::field_table;
use serde::{Deserialize, Serialize};

use super::{read, recovery, tcp, tls};
use crate::options::{Heartbeat, HostOrder, TcpOptions, WhenBlocked, WhenDown};
use crate::sasl::{AuthMechanism, Credentials, SaslExchange, SaslMechanism};
use crate::{ConnectionOptions, TlsOptions};

/// As programs have it: one part of their settings.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    connection: ConnectionOptions,
}

#[track_caller]
fn toml(text: &str) -> ConnectionOptions {
    toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str) -> String {
    let error = toml::from_str::<ConnectionOptions>(text).expect_err(text);
    error.message().to_owned()
}

fn plain() -> ConnectionOptions {
    ConnectionOptions::default()
}

const SECOND: Duration = Duration::from_secs(1);

/// Each key, and what the setter makes.
fn keys() -> impl Iterator<Item = (&'static str, ConnectionOptions)> {
    [hosts_and_login(), below_amqp(), how_much_and_how_long()]
        .into_iter()
        .flatten()
}

fn hosts_and_login() -> Vec<(&'static str, ConnectionOptions)> {
    vec![
        ("", plain()),
        (
            "uri = \"amqp://app@h:1/v?heartbeat=5\"",
            "amqp://app@h:1/v?heartbeat=5".parse().unwrap(),
        ),
        ("host = \"h\"", plain().host("h")),
        ("host = \"h:5673\"", plain().host("h").port(5673)),
        ("host = \"::1\"\nport = 5", plain().host("::1").port(5)),
        ("port = 5", plain().port(5)),
        (
            "hosts = [\"a:5672\", \"b:5673\"]",
            plain().hosts([("a", 5672), ("b", 5673)]),
        ),
        (
            "hosts = [\"a\", \"[::1]:5673\", \"::2\", \"[fe80::1%eth0]\"]",
            "amqp://a,[::1]:5673,[::2],[fe80::1%25eth0]"
                .parse()
                .unwrap(),
        ),
        (
            "host_order = \"given\"",
            plain().host_order(HostOrder::Given),
        ),
        ("user = \"app\"", plain().user("app")),
        (
            "auth_mechanisms = [\"external\", \"plain\"]",
            plain().auth_mechanisms([AuthMechanism::External, AuthMechanism::Plain]),
        ),
        ("virtual_host = \"v\"", plain().virtual_host("v")),
        ("locale = \"de_DE\"", plain().locale("de_DE")),
        ("connection_name = \"n\"", plain().connection_name("n")),
        (
            "client_properties = { team = \"t\", level = 3 }",
            plain().client_properties(&field_table! { "team" => "t", "level" => 3_i64 }),
        ),
    ]
}

fn below_amqp() -> Vec<(&'static str, ConnectionOptions)> {
    let tcp = |tcp| plain().tcp(tcp);
    let tls = |tls| plain().tls(tls);
    vec![
        ("tls = true", tls(TlsOptions::default())),
        ("tls = false", plain()),
        ("tls = {}", tls(TlsOptions::default())),
        (
            "tls = { ca_files = [\"a.pem\", \"b.pem\"] }",
            tls(TlsOptions::default().ca_file("a.pem").ca_file("b.pem")),
        ),
        (
            "tls = { ca_files = \"a.pem\", ca_pem = \"PEM\" }",
            tls(TlsOptions::default().ca_file("a.pem").ca_pem("PEM")),
        ),
        (
            "tls = { system_roots = true, bundled_roots = true }",
            tls(TlsOptions::default().system_roots().bundled_roots()),
        ),
        (
            "tls = { certificate_file = \"c.pem\", key_file = \"k.pem\" }",
            tls(TlsOptions::default().client_certificate("c.pem", "k.pem")),
        ),
        (
            "tls = { server_name = \"n\" }",
            tls(TlsOptions::default().server_name("n")),
        ),
        (
            "tls = { without_server_name = true }",
            tls(TlsOptions::default().without_server_name()),
        ),
        (
            "tls = { danger_accept_any_certificate = true }",
            tls(TlsOptions::default().danger_accept_any_certificate()),
        ),
        (
            "tcp = { nodelay = false }",
            tcp(TcpOptions::default().nodelay(false)),
        ),
        (
            "tcp = { keepalive_idle = \"1m\", keepalive_interval = \"1s\", keepalive_count = 5 }",
            tcp(TcpOptions::default()
                .keepalive_idle(60 * SECOND)
                .keepalive_interval(SECOND)
                .keepalive_count(5)),
        ),
        (
            "tcp = { user_timeout = \"1500ms\" }",
            tcp(TcpOptions::default().user_timeout(Duration::from_millis(1500))),
        ),
    ]
}

fn how_much_and_how_long() -> Vec<(&'static str, ConnectionOptions)> {
    vec![
        ("heartbeat = \"20s\"", plain().heartbeat(20 * SECOND)),
        ("heartbeat = \"0s\"", plain().heartbeat(Heartbeat::Off)),
        ("heartbeat = \"off\"", plain().heartbeat(Heartbeat::Off)),
        (
            "heartbeat = \"server\"",
            plain().heartbeat(Heartbeat::Server),
        ),
        (
            "heartbeat = { at_most = \"30s\" }",
            plain().heartbeat(Heartbeat::AtMost(30 * SECOND)),
        ),
        ("channel_max = 0", plain().channel_max(0)),
        ("frame_max = 8192", plain().frame_max(8192)),
        ("connect_timeout = \"1s\"", plain().connect_timeout(SECOND)),
        ("connection_attempts = 3", plain().connection_attempts(3)),
        ("retry_delay = \"0s\"", plain().retry_delay(Duration::ZERO)),
        (
            "handshake_timeout = \"250us\"",
            plain().handshake_timeout(Duration::from_micros(250)),
        ),
        ("open_timeout = \"1s\"", plain().open_timeout(SECOND)),
        ("open_timeout = \"none\"", plain()),
        ("request_timeout = \"1s\"", plain().request_timeout(SECOND)),
        ("close_timeout = \"1s\"", plain().close_timeout(SECOND)),
        ("max_message_size = 0", plain().max_message_size(0)),
        ("inbound_limit = 1", plain().inbound_limit(1)),
        ("write_buffer_limit = 1", plain().write_buffer_limit(1)),
        (
            "when_blocked = \"fail\"",
            plain().when_blocked(WhenBlocked::Fail),
        ),
        ("when_down = \"fail\"", plain().when_down(WhenDown::Fail)),
        (
            "blocked_connection_timeout = \"1h\"",
            plain().blocked_connection_timeout(3600 * SECOND),
        ),
        ("write_timeout = \"none\"", plain().write_timeout(None)),
        ("write_timeout = \"5s\"", plain().write_timeout(5 * SECOND)),
    ]
}

#[test]
fn each_key_says_what_its_setter_says_and_comes_back() {
    for (text, expected) in keys() {
        let read = toml(text);
        assert_eq!(read, expected, "{text}");
        let settings = Settings { connection: read };
        let json = serde_json::to_string(&settings).unwrap();
        assert_eq!(
            serde_json::from_str::<Settings>(&json).unwrap(),
            settings,
            "{json}"
        );
        let text = toml::to_string(&settings).unwrap();
        assert_eq!(
            toml::from_str::<Settings>(&text).unwrap(),
            settings,
            "{text}"
        );
    }
}

/// As programs have it that give options no table of their own.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    connection: ConnectionOptions,
}

#[test]
fn options_may_stand_among_other_settings() {
    let text = "name = \"orders\"\nheartbeat = \"5s\"\ntls = true\n";
    let read: Flat = toml::from_str(text).unwrap();
    let expected = plain().heartbeat(5 * SECOND).tls(TlsOptions::default());
    assert_eq!(
        (read.name.as_str(), &read.connection),
        ("orders", &expected)
    );
    assert_eq!(toml::to_string(&read).unwrap(), text);
    let error = toml::from_str::<Flat>("name = \"orders\"\nhartbeat = \"5s\"").unwrap_err();
    let told = "hartbeat: is an unknown key; is it heartbeat?";
    assert_eq!(error.message(), told);
}

#[test]
fn defaults_are_an_empty_table() {
    assert_eq!(serde_json::to_string(&plain()).unwrap(), "{}");
    let app: ConnectionOptions = "amqps://app:hunter2@a,b:5673/v".parse().unwrap();
    let app = app.request_timeout(90 * SECOND);
    assert_eq!(
        serde_json::to_string(&app).unwrap(),
        r#"{"hosts":["a","b:5673"],"user":"app","virtual_host":"v","request_timeout":"90s","tls":true}"#
    );
}

/// The names of the setters.
fn setters(source: &str) -> Vec<&str> {
    let functions = source.split("\n    pub fn ").skip(1);
    let names = functions.filter_map(|function| {
        let (name, rest) = function.split_once('(')?;
        let gives_itself = rest.split('{').next()?.contains("-> Self");
        let name = name.split('<').next()?;
        (gives_itself && rest.trim_start().contains("self")).then_some(name)
    });
    names.collect()
}

#[test]
fn every_setter_has_a_key_or_a_reason() {
    let keys: Vec<_> = read::KEYS.iter().map(|(name, _)| *name).collect();
    // `login` and `credentials` are user and password.
    let others = ["login", "credentials", "credential_source"];
    for source in [
        include_str!("../connection.rs"),
        include_str!("../hosts.rs"),
        include_str!("../limits.rs"),
        include_str!("../login.rs"),
    ] {
        let setters = setters(source);
        assert!(!setters.is_empty());
        for setter in setters {
            assert!(
                keys.contains(&setter) || others.contains(&setter),
                "{setter} has no key in options/files"
            );
        }
    }
    for setter in setters(include_str!("../tcp.rs")) {
        assert!(tcp::KEYS.contains(&setter), "{setter}");
    }
    // Two keys, and functions, which are left out.
    let others = ["new", "delays", "keep", "on_failure"];
    for setter in setters(include_str!("../../proto/recovery/policy.rs")) {
        assert!(
            recovery::KEYS.contains(&setter) || others.contains(&setter),
            "{setter}"
        );
    }
    // Of two files or texts each, and what a program brings along.
    let others = [
        "ca_file",
        "client_certificate",
        "client_certificate_pem",
        "rustls_config",
        "crypto_provider",
    ];
    for setter in setters(include_str!("../tls.rs")) {
        assert!(
            tls::KEYS.contains(&setter) || others.contains(&setter),
            "{setter}"
        );
    }
}

#[test]
fn other_keys_take_precedence_over_the_uri() {
    let read = toml(
        r#"
        heartbeat = "5s"
        password = "new"
        port = 5673
        tls = { ca_files = "ca.pem" }
        uri = "amqp://app:old@h/v?heartbeat=60&connection_name=n"
        virtual_host = "w"
        "#,
    );
    let expected: ConnectionOptions = "amqp://app:new@h:5673/w?heartbeat=5&connection_name=n"
        .parse()
        .unwrap();
    assert_eq!(read, expected.tls(TlsOptions::default().ca_file("ca.pem")));
    let text: ConnectionOptions = serde_json::from_str("\"amqp://app:old@h/v\"").unwrap();
    assert_eq!(text, "amqp://app:old@h/v".parse().unwrap());
}

/// Files that are wrong, and what is said of them.
const WRONG: &[(&str, &str)] = &[
    (
        "vhost = \"v\"",
        "vhost: is an unknown key; is it virtual_host?",
    ),
    (
        "username = \"u\"",
        "username: is an unknown key; is it user?",
    ),
    ("url = \"amqp://h\"", "url: is an unknown key; is it uri?"),
    ("pwd = \"p\"", "pwd: is an unknown key; is it password?"),
    ("ssl = true", "ssl: is an unknown key; is it tls?"),
    (
        "name = \"n\"",
        "name: is an unknown key; is it connection_name?",
    ),
    (
        "timeout = \"5s\"",
        "timeout: is an unknown key; is it connect_timeout?",
    ),
    (
        "tls = { cacertfile = \"x\" }",
        "tls.cacertfile: is an unknown key; is it ca_files?",
    ),
    ("tls = { vhost = \"x\" }", "tls.vhost: is an unknown key"),
    (
        "hartbeat = \"5s\"",
        "hartbeat: is an unknown key; is it heartbeat?",
    ),
    (
        "tcp = { nodelai = true }",
        "tcp.nodelai: is an unknown key; is it nodelay?",
    ),
    (
        "tls = { ca_file = \"x\" }",
        "tls.ca_file: is an unknown key; is it ca_files?",
    ),
    (
        "heartbeat = 5",
        "heartbeat: must be a time with its unit, such as \"500ms\", \"30s\", \"15m\", \"1h\" \
         or \"7d\"",
    ),
    (
        "heartbeat = \"500ms\"",
        "heartbeat: must be a whole number of seconds",
    ),
    (
        "heartbeat = { at_least = \"5s\" }",
        "heartbeat: must be { at_most = TIME }, if it is a table",
    ),
    (
        "heartbeat = \"65536s\"",
        "heartbeat: must be at most 65535 s",
    ),
    (
        "channel_max = 65536",
        "channel_max: must be a whole number from 0 to 65535",
    ),
    (
        "frame_max = 64",
        "frame_max: must be 0 or at least 4096 octets",
    ),
    (
        "open_timeout = 5",
        "open_timeout: must be \"none\", or a time with its unit, such as \"500ms\", \"30s\", \
         \"15m\", \"1h\" or \"7d\"",
    ),
    (
        "host_order = \"first\"",
        "host_order: must be \"random\" or \"given\"",
    ),
    (
        "host = \"h\"\nhosts = [\"a\"]",
        "hosts: stands beside host or port, which it says itself",
    ),
    (
        "hosts = [\"a:x\"]",
        "hosts[0]: must be a name or an address, with its port or without: \"rabbit-1\", \
         \"rabbit-1:5672\", \"[::1]:5672\"",
    ),
    (
        "host = \"h:5672\"\nport = 5672",
        "host: has a port in it, and stands beside port",
    ),
    (
        "uri = \"amqps://h\"\ntls = false",
        "tls: is false, and the URI begins with amqps://",
    ),
    (
        "tls = { certificate_file = \"a\", certificate_pem = \"b\", key_pem = \"c\" }",
        "tls: has both certificate_file and certificate_pem",
    ),
    (
        "tls = { key_pem = \"c\" }",
        "tls: has certificate_pem or key_pem without the other",
    ),
    ("tls = 5", "tls: must be true, false or a table"),
    (
        "auth_mechanisms = [\"plane\"]",
        "auth_mechanisms[0]: must be \"plain\", \"amqplain\", \"external\", \"anonymous\" or \
         \"rabbit-cr-demo\"",
    ),
    (
        "auth_mechanisms = []",
        "auth_mechanisms: must be at least one",
    ),
    (
        "tcp = { keepalive_idle = \"40000s\" }",
        "tcp.keepalive: must be 1 s to 32767 s",
    ),
    (
        "uri = \"http://h\"",
        "uri: an AMQP URI starts with amqp:// or amqps://",
    ),
];

#[test]
fn what_is_wrong_is_told_by_its_key() {
    for (text, told) in WRONG {
        assert_eq!(refused(text), *told, "{text}");
    }
    let told = refused("client_properties = { load = nan }");
    assert!(told.starts_with("client_properties: must be"), "{told}");
    let many = serde_json::from_str::<ConnectionOptions>("[]").unwrap_err();
    assert_eq!(many.to_string(), "what stands here must be a table");
}

/// Two connections in one file.
#[derive(Debug, Deserialize)]
struct Two {
    #[expect(dead_code, reason = "only its error matters")]
    inner: ConnectionOptions,
    #[expect(dead_code, reason = "only its error matters")]
    outer: ConnectionOptions,
}

#[test]
fn error_names_the_key_within_the_options_and_its_span_where_they_stand() {
    let file = "[inner]\nhost = \"a\"\n\n[outer]\npassword = \"hunter2\"\nheartbeat = 5\n";
    let error = toml::from_str::<Two>(file).unwrap_err();
    let told = error.message();
    assert!(told.starts_with("heartbeat: must be a time"), "{told}");
    let begin = error.span().unwrap().start;
    assert!(file[begin..].starts_with("[outer]"), "{begin}");
}

const SECRET: &str = "hunter2-2718281828";

#[test]
fn secrets_are_read_and_never_written() {
    let key = format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----");
    let file = serde_json::json!({
        "uri": format!("amqps://app:{SECRET}@h/v?password={SECRET}"),
        "password": SECRET,
        "tls": { "certificate_pem": key, "key_pem": key, "key_password": SECRET },
    });
    let read: ConnectionOptions = serde_json::from_value(file).unwrap();
    let tls = TlsOptions::default()
        .client_certificate_pem(key.as_str(), key.as_str())
        .key_password(SECRET);
    let expected: ConnectionOptions = "amqps://h/v".parse().unwrap();
    let expected = expected.login("app", SECRET).tls(tls);
    assert_eq!(read, expected);
    let token = Credentials::new("app", SECRET).valid_for(SECOND);
    let error = serde_json::to_string(&read).unwrap_err();
    let told = "tls.client_certificate_pem: has a key in it, which is not written; name files in \
                its place";
    assert_eq!(error.to_string(), told);
    let files = TlsOptions::default().client_certificate("c.pem", "k.pem");
    for options in [
        read.tls(files.key_password(SECRET)),
        plain().credentials(token),
        plain().host(format!("app:{SECRET}@h")),
    ] {
        let json = serde_json::to_string(&options).unwrap();
        let toml = toml::to_string(&options).unwrap();
        for text in [json, toml, format!("{options:?}")] {
            assert!(
                !text.contains("hunter2") && !text.contains("27182"),
                "{text}"
            );
        }
    }
}

/// A file in which a secret is out of its place.
fn careless() -> Vec<serde_json::Value> {
    use serde_json::json;
    let number = 2_718_281_828_i64;
    let mut files = vec![
        json!(number),
        json!([SECRET]),
        json!(SECRET),
        json!({ "tls": SECRET }),
        json!({ "tls": [SECRET] }),
        json!({ "tcp": SECRET }),
        json!({ "heartbeat": SECRET }),
        json!({ "hosts": SECRET }),
        json!({ "host": format!("app:{SECRET}@h") }),
        json!({ "hosts": [format!("app:{SECRET}@h")] }),
        json!({ "auth_mechanisms": [SECRET] }),
        json!({ "client_properties": SECRET }),
        json!({ "password": SECRET, "colour": SECRET }),
        json!({ "password": SECRET, "heartbeat": number }),
        json!({ "password": { "$i8": number } }),
        json!({ "password": { "$hex": SECRET } }),
        json!({ "password": { "value": SECRET } }),
        json!({ "tls": { "key_pem": SECRET } }),
        json!({ "tls": { "certificate_file": SECRET, "certificate_pem": SECRET, "key_pem": SECRET } }),
        json!({ "password": 271_828_182_845_904_523_u64 * 50 }),
    ];
    for wrong in [
        json!(number),
        json!(2718281.828),
        json!([SECRET]),
        json!({ "a": SECRET }),
    ] {
        files.push(json!({ "password": wrong }));
        files.push(json!({ "uri": wrong }));
        for key in ["key_password", "key_pem", "certificate_pem"] {
            files.push(json!({ "tls": { key: wrong } }));
        }
    }
    for uri in [
        format!("amqp://app:{SECRET}@h:x"),
        format!("amqp://app:{SECRET}/@h"),
        format!("amqp://app:{SECRET}?@h"),
        format!("amqp://app:{SECRET}%@h"),
        format!("amqp://app:{SECRET} @h"),
        format!("amqp://app:{SECRET}@h?heartbeat={SECRET}"),
        format!("amqps://h?password={SECRET}&password={SECRET}"),
        format!("app:{SECRET}@h"),
        format!("amqp://app:{SECRET}@h\n"),
    ] {
        files.push(json!({ "uri": uri }));
        files.push(json!(uri));
    }
    files
}

#[test]
fn errors_show_no_secret_in_json_or_toml() {
    for file in careless() {
        let settings = serde_json::json!({ "connection": file });
        let json = serde_json::to_string_pretty(&settings).unwrap();
        let error = serde_json::from_str::<Settings>(&json).expect_err(&json);
        let mut told = vec![error.to_string(), format!("{error:?}")];
        let Ok(toml) = toml::to_string(&settings) else {
            continue; // a number that TOML has not
        };
        let error = toml::from_str::<Settings>(&toml).expect_err(&toml);
        told.push(error.message().to_owned());
        if toml.starts_with("[connection") {
            // The line that is shown is the one on which the table begins.
            told.push(error.to_string());
        }
        if let Ok(root) = toml::to_string(&file) {
            told.push(
                toml::from_str::<ConnectionOptions>(&root)
                    .unwrap_err()
                    .to_string(),
            );
        }
        for told in told {
            assert!(
                !told.contains("hunter2") && !told.contains("27182"),
                "{told}"
            );
        }
    }
}

/// A mechanism of the program's own.
struct OfOnesOwn;

impl SaslMechanism for OfOnesOwn {
    fn name(&self) -> &str {
        "OWN"
    }

    fn begin(&self, _: &Credentials) -> Box<dyn SaslExchange> {
        unreachable!("it is not offered")
    }
}

#[test]
fn what_no_file_can_say_is_an_error_and_not_left_out() {
    let pem = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----";
    let tls = |tls| plain().tls(tls);
    for (options, told) in [
        (
            plain().credential_source(|| async { Err("none") }),
            "credential_source: cannot be written: it is a function or an object of the program",
        ),
        (
            plain().auth_mechanisms([AuthMechanism::Custom(Arc::new(OfOnesOwn))]),
            "auth_mechanisms: cannot be written: it is a function or an object of the program",
        ),
        (
            plain().heartbeat(Heartbeat::negotiate(|proposed| proposed)),
            "heartbeat: cannot be written: it is a function or an object of the program",
        ),
        (
            plain().max_message_size(u64::MAX),
            "max_message_size: is above 9223372036854775807",
        ),
        (
            tls(TlsOptions::default().ca_pem(pem)),
            "tls.ca_pem: has a private key in it, which is not written",
        ),
        (
            tls(TlsOptions::default().ca_pem([0xff])),
            "tls.ca_pem: is not UTF-8, and cannot be written",
        ),
        (
            tls(TlsOptions::default().ca_file(pem)),
            "tls.ca_files: is the text of a file, not its path",
        ),
        (
            tls(TlsOptions::default().client_certificate("c.pem", pem)),
            "tls.key_file: is the text of a file, not its path",
        ),
    ] {
        let error = serde_json::to_string(&options).unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}

#[cfg(feature = "rustls-ring")]
#[test]
fn parts_of_rustls_are_an_error_and_not_left_out() {
    let provider = rustls::crypto::ring::default_provider();
    let options = plain().tls(TlsOptions::default().crypto_provider(provider));
    let error = serde_json::to_string(&options).unwrap_err();
    let told = "tls.crypto_provider: cannot be written: it is an object of the program";
    assert_eq!(error.to_string(), told);
}
