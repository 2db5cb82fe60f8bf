//! Reading options.

use std::time::Duration;

use super::{hosts, recovery, tcp, tls};
use crate::options::{ConnectionOptions, Heartbeat, HostOrder, WhenBlocked, WhenDown};
use crate::sasl::AuthMechanism;
use crate::settings::{Entry, Fault};

type Read = fn(&mut ConnectionOptions, &Entry<'_>) -> Result<(), Fault>;

/// Sets an option to what an entry says.
macro_rules! option {
    ($name:literal, $field:ident, $read:ident) => {
        ($name, |options, entry| {
            options.$field = entry.$read()?;
            Ok(())
        })
    };
}

/// In the order in which they are read: where a URI and another key say the same, the key counts.
pub(super) const KEYS: &[(&str, Read)] = &[
    ("uri", |options, entry| {
        *options = uri(entry)?;
        Ok(())
    }),
    ("tls", tls::read),
    ("host", hosts::read_host),
    ("hosts", hosts::read_hosts),
    ("port", hosts::read_port),
    ("host_order", |options, entry| {
        options.host_order =
            entry.word(&[("random", HostOrder::Random), ("given", HostOrder::Given)])?;
        Ok(())
    }),
    ("tcp", |options, entry| tcp::read(&mut options.tcp, entry)),
    ("user", |options, entry| {
        *options = options.clone().user(entry.text()?);
        Ok(())
    }),
    ("password", |options, entry| {
        *options = options.clone().password(entry.text()?);
        Ok(())
    }),
    ("auth_mechanisms", |options, entry| {
        options.mechanisms = entry
            .list()?
            .iter()
            .map(mechanism)
            .collect::<Result<_, _>>()?;
        Ok(())
    }),
    option!("virtual_host", virtual_host, owned_text),
    option!("locale", locale, owned_text),
    ("client_properties", |options, entry| {
        options.add_client_properties(&entry.table()?);
        Ok(())
    }),
    ("connection_name", |options, entry| {
        options.set_connection_name(entry.text()?.to_owned());
        Ok(())
    }),
    ("heartbeat", |options, entry| {
        options.heartbeat = heartbeat(entry)?;
        Ok(())
    }),
    option!("channel_max", channel_max, number),
    option!("frame_max", frame_max, number),
    option!("connect_timeout", connect_timeout, time),
    option!("connection_attempts", connection_attempts, number),
    option!("retry_delay", retry_delay, time),
    option!("handshake_timeout", handshake_timeout, time),
    option!("open_timeout", open_timeout, time_or_none),
    option!("request_timeout", request_timeout, time),
    option!("close_timeout", close_timeout, time),
    option!("max_message_size", max_message_size, number),
    option!("inbound_limit", inbound_limit, number),
    option!("write_buffer_limit", write_buffer_limit, number),
    ("when_blocked", |options, entry| {
        options.when_blocked =
            entry.word(&[("wait", WhenBlocked::Wait), ("fail", WhenBlocked::Fail)])?;
        Ok(())
    }),
    ("when_down", |options, entry| {
        options.when_down = entry.word(&[("wait", WhenDown::Wait), ("fail", WhenDown::Fail)])?;
        Ok(())
    }),
    option!(
        "blocked_connection_timeout",
        blocked_connection_timeout,
        time_or_none
    ),
    option!("write_timeout", write_timeout, time_or_none),
    ("recovery", recovery::read),
];

/// Reads options, and checks them.
pub(super) fn options(file: &Entry<'_>) -> Result<ConnectionOptions, Fault> {
    let options = match file.text() {
        Ok(_) => uri(file)?,
        Err(_) => from_table(file)?,
    };
    let valid = options.validate();
    valid.map_err(|error| Fault::new(error.option, format!("must be {}", error.expected)))?;
    Ok(options)
}

fn from_table(file: &Entry<'_>) -> Result<ConnectionOptions, Fault> {
    let entries = file.entries()?;
    let names = || KEYS.iter().map(|(name, _)| *name);
    if let Some(unknown) = entries
        .iter()
        .find(|entry| names().all(|name| name != entry.name()))
    {
        return Err(unknown.unknown(names()));
    }
    let mut options = ConnectionOptions::default();
    for (name, read) in KEYS {
        for entry in entries.iter().filter(|entry| entry.name() == *name) {
            read(&mut options, entry)?;
        }
    }
    hosts::check(&entries)?;
    Ok(options)
}

/// Its errors never contain the password.
fn uri(entry: &Entry<'_>) -> Result<ConnectionOptions, Fault> {
    let uri = entry.text()?.parse();
    uri.map_err(|error: crate::error::UriError| entry.fault(error.to_string()))
}

fn mechanism(entry: &Entry<'_>) -> Result<AuthMechanism, Fault> {
    let known = entry.text()?.parse().ok();
    known.ok_or_else(|| {
        entry.must_be("\"plain\", \"amqplain\", \"external\", \"anonymous\" or \"rabbit-cr-demo\"")
    })
}

/// A time, a word, or `{ at_most = "60s" }`.
fn heartbeat(entry: &Entry<'_>) -> Result<Heartbeat, Fault> {
    if let Ok(entries) = entry.entries() {
        return match entries.as_slice() {
            [most] if most.name() == "at_most" => Ok(Heartbeat::AtMost(most.whole_seconds()?)),
            _ => Err(entry.must_be("{ at_most = TIME }, if it is a table")),
        };
    }
    match entry.text() {
        Ok("server") => Ok(Heartbeat::Server),
        Ok("off") => Ok(Heartbeat::Off),
        _ => entry.whole_seconds().map(Duration::into),
    }
}
