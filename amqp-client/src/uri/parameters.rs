//! The parameters of URIs: how each is read and written, and what it may be.
//!
//! One table says all of it, but for recovery (`recovery.rs`), so that what can be read can be
//! written. The names are those of
//! RabbitMQ's clients where these have one, else those of pika, else those of our setters. So are
//! the units of times: ours are seconds. All of them may be written with a unit.

use std::time::Duration;

use amqp_spec::wire::FieldTable;
use zeroize::Zeroizing;

use super::parameter::{
    ANY_SECONDS, BOOLEAN, MILLISECONDS, NUMBER, Needs, PATH, Parameter, SECONDS, TEXT,
    WHOLE_SECONDS, parameter,
};
use super::recovery;
use super::values::{
    Unit, boolean, in_seconds, maybe, number, one, path, positive, set, some_whole, tls, whole,
};
use crate::error::UriError;
use crate::nearest::nearest;
use crate::options::{ConnectionOptions, HostOrder, ServerName, TlsOptions, Verify as Checked};
use crate::proto::config::{Heartbeat, WhenBlocked, WhenDown};
use crate::rounding::{whole_millis, whole_seconds};
use crate::sasl::AuthMechanism;

/// Properties that the broker is to show; the property's name follows.
const PROPERTY: &str = "client_properties.";

const ELSEWHERE_IN_THE_URI: &str =
    "it has its own place in front of the question mark: amqp://user:password@host:port/vhost";

/// Those that clients of other languages or the Erlang client know, and that have no meaning here.
const REFUSED: [(&str, &str); 9] = [
    ("vhost", ELSEWHERE_IN_THE_URI),
    ("virtual_host", ELSEWHERE_IN_THE_URI),
    ("user", ELSEWHERE_IN_THE_URI),
    ("username", ELSEWHERE_IN_THE_URI),
    ("port", ELSEWHERE_IN_THE_URI),
    ("depth", "the length of certificate chains cannot be chosen"),
    (
        "customize_hostname_check",
        "how certificates are matched with names cannot be chosen",
    ),
    (
        "ssl_options",
        "cacertfile, certfile, keyfile and the like say it",
    ),
    (
        "tcp_options",
        "tcp_user_timeout and tcp_keepalive_idle and the like say it",
    ),
];

const PARAMETERS: &[Parameter] = &[
    parameter!(
        "heartbeat",
        "a whole number of seconds from 0 to 65535, server, or at_most: and seconds",
        |options, value| {
            let most = Duration::from_secs(u64::from(u16::MAX));
            let seconds = |text| whole(text).filter(|time| *time <= most);
            options.heartbeat = match value.strip_prefix("at_most:") {
                Some(most) => Heartbeat::AtMost(seconds(most)?),
                None if value == "server" => Heartbeat::Server,
                None => seconds(value)?.into(),
            };
            Some(())
        },
        |options| match &options.heartbeat {
            Heartbeat::Server => one("server"),
            Heartbeat::Off => one(0),
            Heartbeat::Fixed(time) => one(whole_seconds(*time)),
            Heartbeat::AtMost(time) => one(format!("at_most:{}", whole_seconds(*time))),
            Heartbeat::Negotiate(_) => Vec::new(),
        }
    ),
    parameter!(
        "connection_timeout",
        MILLISECONDS,
        |options, value| set(&mut options.connect_timeout, Unit::Milliseconds.some(value)),
        |options| one(whole_millis(options.connect_timeout))
    ),
    parameter!(
        "handshake_timeout",
        SECONDS,
        |options, value| set(&mut options.handshake_timeout, Unit::Seconds.some(value)),
        |options| one(in_seconds(options.handshake_timeout))
    ),
    parameter!(
        "open_timeout",
        SECONDS,
        |options, value| set(
            &mut options.open_timeout,
            Unit::Seconds.some(value).map(Some)
        ),
        |options| maybe(options.open_timeout.map(in_seconds))
    ),
    parameter!(
        "request_timeout",
        SECONDS,
        |options, value| set(&mut options.request_timeout, Unit::Seconds.some(value)),
        |options| one(in_seconds(options.request_timeout))
    ),
    parameter!(
        "close_timeout",
        ANY_SECONDS,
        |options, value| set(&mut options.close_timeout, Unit::Seconds.any(value)),
        |options| one(in_seconds(options.close_timeout))
    ),
    parameter!(
        "blocked_connection_timeout",
        SECONDS,
        |options, value| set(
            &mut options.blocked_connection_timeout,
            Unit::Seconds.some(value).map(Some)
        ),
        |options| maybe(options.blocked_connection_timeout.map(in_seconds))
    ),
    parameter!(
        "write_timeout",
        ANY_SECONDS,
        |options, value| set(
            &mut options.write_timeout,
            Unit::Seconds
                .any(value)
                .map(|limit| Some(limit).filter(|limit| !limit.is_zero()))
        ),
        |options| one(in_seconds(options.write_timeout.unwrap_or_default()))
    ),
    parameter!(
        "when_blocked",
        "wait or fail",
        |options, value| set(
            &mut options.when_blocked,
            match value {
                "wait" => Some(WhenBlocked::Wait),
                "fail" => Some(WhenBlocked::Fail),
                _ => None,
            }
        ),
        |options| one(match options.when_blocked {
            WhenBlocked::Wait => "wait",
            WhenBlocked::Fail => "fail",
        })
    ),
    parameter!(
        "when_down",
        "wait or fail",
        |options, value| set(
            &mut options.when_down,
            match value {
                "wait" => Some(WhenDown::Wait),
                "fail" => Some(WhenDown::Fail),
                _ => None,
            }
        ),
        |options| one(match options.when_down {
            WhenDown::Wait => "wait",
            WhenDown::Fail => "fail",
        })
    ),
    parameter!(
        "connection_attempts",
        NUMBER,
        |options, value| set(&mut options.connection_attempts, positive(value)),
        |options| one(options.connection_attempts)
    ),
    parameter!(
        "retry_delay",
        ANY_SECONDS,
        |options, value| set(&mut options.retry_delay, Unit::Seconds.any(value)),
        |options| one(in_seconds(options.retry_delay))
    ),
    parameter!(
        "host_order",
        "random or given",
        |options, value| set(
            &mut options.host_order,
            match value {
                "random" => Some(HostOrder::Random),
                "given" => Some(HostOrder::Given),
                _ => None,
            }
        ),
        |options| one(match options.host_order {
            HostOrder::Random => "random",
            HostOrder::Given => "given",
        })
    ),
    parameter!(
        "channel_max",
        "a number from 0 to 65535",
        |options, value| set(&mut options.channel_max, number(value)),
        |options| one(options.channel_max)
    ),
    parameter!(
        "frame_max",
        "0 or at least 4096 octets",
        |options, value| set(
            &mut options.frame_max,
            number(value).filter(|octets| *octets == 0 || *octets >= 4096)
        ),
        |options| one(options.frame_max)
    ),
    parameter!(
        "max_message_size",
        "a number of octets",
        |options, value| set(&mut options.max_message_size, number(value)),
        |options| one(options.max_message_size)
    ),
    parameter!(
        "inbound_limit",
        "a number of octets, 0 for none",
        |options, value| set(&mut options.inbound_limit, number(value)),
        |options| one(options.inbound_limit)
    ),
    parameter!(
        "write_buffer_limit",
        "a number of octets, at least 1",
        |options, value| set(&mut options.write_buffer_limit, positive(value)),
        |options| one(options.write_buffer_limit)
    ),
    parameter!(
        "auth_mechanism",
        "plain, amqplain, external, anonymous or rabbit-cr-demo",
        |options, value| {
            options.mechanisms.push(value.parse().ok()?);
            Some(())
        },
        |options| {
            // What the program brought along cannot be named.
            let ours = |mechanism: &&AuthMechanism| !matches!(mechanism, AuthMechanism::Custom(_));
            let names = options.mechanisms.iter().filter(ours);
            names.map(|mechanism| mechanism.name().to_ascii_lowercase()).collect()
        },
        repeatable: true
    ),
    parameter!(
        "locale",
        "text of at most 255 octets",
        |options, value| set(
            &mut options.locale,
            Some(value.to_owned()).filter(|locale| locale.len() <= 255)
        ),
        |options| one(&options.locale)
    ),
    parameter!(
        "connection_name",
        TEXT,
        |options, value| {
            options.set_connection_name(value.to_owned());
            Some(())
        },
        |options| maybe(options.connection_name.as_ref())
    ),
    parameter!(
        "tcp_nodelay",
        BOOLEAN,
        |options, value| set(&mut options.tcp.nodelay, boolean(value)),
        |options| one(options.tcp.nodelay)
    ),
    parameter!(
        "tcp_keepalive_idle",
        WHOLE_SECONDS,
        |options, value| set(&mut options.tcp.keepalive_idle, some_whole(value).map(Some)),
        |options| maybe(options.tcp.keepalive_idle.map(whole_seconds))
    ),
    parameter!(
        "tcp_keepalive_interval",
        WHOLE_SECONDS,
        |options, value| set(
            &mut options.tcp.keepalive_interval,
            some_whole(value).map(Some)
        ),
        |options| maybe(options.tcp.keepalive_interval.map(whole_seconds))
    ),
    parameter!(
        "tcp_keepalive_count",
        NUMBER,
        |options, value| set(&mut options.tcp.keepalive_count, positive(value).map(Some)),
        |options| maybe(options.tcp.keepalive_count)
    ),
    parameter!(
        "tcp_user_timeout",
        SECONDS,
        |options, value| set(
            &mut options.tcp.user_timeout,
            Unit::Seconds.some(value).map(Some)
        ),
        |options| maybe(options.tcp.user_timeout.map(in_seconds))
    ),
    parameter!(
        "cacertfile",
        PATH,
        |options, value| {
            options.tls.as_mut()?.ca_files.push(path(value)?);
            Some(())
        },
        |options| tls(options, |tls| {
            let files = tls.ca_files.iter();
            files.map(|file| file.display().to_string()).collect()
        }),
        repeatable: true,
        needs: Needs::Tls
    ),
    parameter!(
        "certfile",
        PATH,
        |options, value| set(&mut options.tls.as_mut()?.certificate_file, path(value).map(Some)),
        |options| tls(options, |tls| maybe(tls.certificate_file.as_ref().map(|file| file.display()))),
        needs: Needs::Tls
    ),
    parameter!(
        "keyfile",
        PATH,
        |options, value| set(&mut options.tls.as_mut()?.key_file, path(value).map(Some)),
        |options| tls(options, |tls| maybe(tls.key_file.as_ref().map(|file| file.display()))),
        needs: Needs::Tls
    ),
    parameter!(
        "password",
        "what the key file is encrypted with",
        |options, value| set(&mut options.tls.as_mut()?.key_password, Some(Some(value.into()))),
        |options| tls(options, |tls| {
            let password = tls.key_password.as_ref();
            maybe(password.map(|password| String::from_utf8_lossy(password.expose()).into_owned()))
        }),
        needs: Needs::TlsAndSecrecy
    ),
    parameter!(
        "verify",
        "verify_peer or verify_none",
        |options, value| set(
            &mut options.tls.as_mut()?.verify,
            match value {
                "verify_peer" => Some(Checked::Peer),
                "verify_none" => Some(Checked::Nothing),
                _ => None,
            }
        ),
        |options| tls(options, |tls| one(match tls.verify {
            Checked::Peer => "verify_peer",
            Checked::Nothing => "verify_none",
        })),
        needs: Needs::Tls
    ),
    parameter!(
        "server_name_indication",
        "a name, or disable",
        |options, value| set(
            &mut options.tls.as_mut()?.server_name,
            match value {
                "" => None,
                "disable" => Some(ServerName::NotSent),
                name => Some(ServerName::Is(name.to_owned())),
            }
        ),
        |options| tls(options, |tls| match &tls.server_name {
            ServerName::Host => Vec::new(),
            ServerName::Is(name) => one(name),
            ServerName::NotSent => one("disable"),
        }),
        needs: Needs::Tls
    ),
    // Only servers ask for certificates of clients: it changes nothing, but many URIs have it.
    parameter!(
        "fail_if_no_peer_cert",
        BOOLEAN,
        |_, value| boolean(value).map(|_| ()),
        |_| Vec::new(),
        needs: Needs::Tls
    ),
    parameter!(
        "system_roots",
        BOOLEAN,
        |options, value| set(&mut options.tls.as_mut()?.system_roots, boolean(value)),
        |options| tls(options, |tls| one(tls.system_roots)),
        needs: Needs::Tls
    ),
    parameter!(
        "bundled_roots",
        BOOLEAN,
        |options, value| set(&mut options.tls.as_mut()?.bundled_roots, boolean(value)),
        |options| tls(options, |tls| one(tls.bundled_roots)),
        needs: Needs::Tls
    ),
];

/// Reads all parameters of a URI into the options.
pub(super) fn read_all(
    pairs: impl Iterator<Item = Result<(String, String), UriError>>,
    options: &mut ConnectionOptions,
) -> Result<(), UriError> {
    let mut seen: Vec<String> = Vec::new();
    for pair in pairs {
        let (name, value) = pair?;
        let value = Zeroizing::new(value);
        let again = seen.contains(&name);
        if let Some(property) = name.strip_prefix(PROPERTY) {
            read_property(property, &value, again, options)?;
        } else {
            read(&name, &value, again, options)?;
        }
        seen.push(name);
    }
    Ok(())
}

fn read(
    name: &str,
    value: &str,
    again: bool,
    options: &mut ConnectionOptions,
) -> Result<(), UriError> {
    let parameter = find(name)?;
    if again && !parameter.repeatable {
        return Err(UriError::RepeatedParameter(name.to_owned()));
    }
    if parameter.needs != Needs::Nothing && options.tls.is_none() {
        return Err(UriError::NeedsTls(parameter.name));
    }
    if name == "auth_mechanism" && !again {
        options.mechanisms.clear();
    }
    (parameter.read)(options, value).ok_or(UriError::Parameter {
        name: parameter.name,
        expected: parameter.expected,
    })
}

fn read_property(
    name: &str,
    value: &str,
    again: bool,
    options: &mut ConnectionOptions,
) -> Result<(), UriError> {
    if again {
        return Err(UriError::RepeatedParameter(format!("{PROPERTY}{name}")));
    }
    let mut property = FieldTable::new();
    let added = property.try_insert(name, value);
    added.map_err(|_| UriError::Parameter {
        name: "client_properties",
        expected: "text, with a name of at most 255 octets",
    })?;
    options.add_client_properties(&property);
    Ok(())
}

fn find(name: &str) -> Result<&'static Parameter, UriError> {
    if let Some(parameter) = all().find(|parameter| parameter.name == name) {
        return Ok(parameter);
    }
    if let Some(&(name, reason)) = REFUSED.iter().find(|(refused, _)| *refused == name) {
        return Err(UriError::UnsupportedParameter { name, reason });
    }
    Err(UriError::UnknownParameter {
        name: name.to_owned(),
        nearest: nearest(name, names(), ELSEWHERE),
    })
}

/// What pika, lapin, Bunny and others call things.
const ELSEWHERE: &[(&str, &str)] = &[
    ("socket_timeout", "connection_timeout"),
    ("stack_timeout", "open_timeout"),
    ("heartbeat_interval", "heartbeat"),
    ("name", "connection_name"),
    ("cafile", "cacertfile"),
    ("ca_file", "cacertfile"),
    ("certificate", "certfile"),
    ("key_file", "keyfile"),
    ("key", "keyfile"),
    ("sni", "server_name_indication"),
    ("server_name", "server_name_indication"),
    ("mechanism", "auth_mechanism"),
    ("sasl", "auth_mechanism"),
    ("attempts", "connection_attempts"),
    ("timeout", "connection_timeout"),
    ("automatically_recover", "recovery"),
    ("automatic_recovery", "recovery"),
    ("reconnect", "recovery"),
    ("network_recovery_interval", "recovery_min_delay"),
];

fn all() -> impl Iterator<Item = &'static Parameter> {
    PARAMETERS.iter().chain(recovery::PARAMETERS)
}

fn names() -> impl Iterator<Item = &'static str> {
    all().map(|parameter| parameter.name)
}

/// The parameters that say what the options have other than the defaults, not encoded.
pub(super) fn write_all(options: &ConnectionOptions, with_secrets: bool) -> Vec<(String, String)> {
    let default = ConnectionOptions {
        tls: options.tls.as_ref().map(|_| TlsOptions::default()),
        ..ConnectionOptions::default()
    };
    let mut pairs = Vec::new();
    for parameter in all() {
        let values = (parameter.write)(options);
        let shown = with_secrets || parameter.needs != Needs::TlsAndSecrecy;
        if shown && values != (parameter.write)(&default) {
            let name = parameter.name;
            pairs.extend(values.into_iter().map(|value| (name.to_owned(), value)));
        }
    }
    for (name, value) in options.client_properties.iter().flatten() {
        // Numbers and tables cannot be told from text in a URI.
        if let (Ok(name), Some(value)) = (name.as_str(), value.as_str()) {
            pairs.push((format!("{PROPERTY}{name}"), value.to_owned()));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_is_what_was_probably_meant_or_nothing() {
        let cases = [
            ("hartbeat", Some("heartbeat")),
            ("HeartBeat", Some("heartbeat")),
            ("channelMax", Some("channel_max")),
            ("verfy", Some("verify")),
            ("ca-cert-file", Some("cacertfile")),
            ("socket_timeout", Some("connection_timeout")),
            ("name", Some("connection_name")),
            ("sni", Some("server_name_indication")),
            ("sasl", Some("auth_mechanism")),
            ("colour", None),
            ("", None),
        ];
        for (name, expected) in cases {
            assert_eq!(nearest(name, names(), ELSEWHERE), expected, "{name}");
        }
    }

    #[test]
    fn what_has_its_own_place_is_told_where_that_is() {
        for name in ["vhost", "virtual_host", "user", "username", "port"] {
            let uri = format!("amqp://h?{name}=x");
            let told = uri.parse::<ConnectionOptions>().unwrap_err().to_string();
            assert!(
                told.contains("amqp://user:password@host:port/vhost"),
                "{told}"
            );
        }
    }

    #[test]
    fn suggestion_of_each_parameter_names_its_unit_if_it_is_a_time() {
        for parameter in all() {
            let error = UriError::UnknownParameter {
                name: "x".to_owned(),
                nearest: Some(parameter.name),
            };
            let said = error.to_string();
            let unit = match parameter.expected {
                expected if expected.contains("milliseconds") => ", in milliseconds",
                expected if expected.contains("seconds") => ", in seconds",
                _ => "",
            };
            let expected = format!("is it {}{unit}?", parameter.name);
            assert!(said.ends_with(&expected), "{said}");
        }
    }
}
