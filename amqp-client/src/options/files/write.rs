//! Writing options.

use std::time::Duration;

use amqp_spec::wire::{FieldArray, FieldTable, FieldValue};

use super::{hosts, recovery, tcp, tls};
use crate::options::{ConnectionOptions, Heartbeat, HostOrder, WhenBlocked, WhenDown};
use crate::rounding::whole_seconds;
use crate::sasl::{AuthMechanism, Credentials};
use crate::settings::{Fault, time};

/// What differs from the defaults, without secrets.
pub(super) fn options(options: &ConnectionOptions) -> Result<FieldTable, Fault> {
    let default = ConnectionOptions::default();
    let mut file = FieldTable::new();
    write_hosts(options, &default, &mut file);
    write_login(options, &default, &mut file)?;
    if options.heartbeat != default.heartbeat {
        file.insert("heartbeat", heartbeat(&options.heartbeat)?);
    }
    write_numbers(options, &default, &mut file)?;
    write_times(options, &default, &mut file);
    if options.when_blocked != default.when_blocked {
        let word = match options.when_blocked {
            WhenBlocked::Wait => "wait",
            WhenBlocked::Fail => "fail",
        };
        file.insert("when_blocked", word);
    }
    if let Some(recovery) = recovery::write(&options.recovery) {
        file.insert("recovery", recovery);
    }
    if options.when_down != default.when_down {
        let word = match options.when_down {
            WhenDown::Wait => "wait",
            WhenDown::Fail => "fail",
        };
        file.insert("when_down", word);
    }
    if options.tcp != default.tcp {
        file.insert("tcp", tcp::write(&options.tcp));
    }
    if let Some(options) = &options.tls {
        file.insert("tls", tls::write(options)?);
    }
    Ok(file)
}

fn write_hosts(options: &ConnectionOptions, default: &ConnectionOptions, file: &mut FieldTable) {
    if options.hosts != default.hosts {
        let written = options.hosts.iter().map(hosts::write);
        file.insert("hosts", FieldArray::from_iter(written));
    }
    if options.host_order != default.host_order {
        let word = match options.host_order {
            HostOrder::Random => "random",
            HostOrder::Given => "given",
        };
        file.insert("host_order", word);
    }
}

/// Who we are, without what proves it.
fn write_login(
    options: &ConnectionOptions,
    default: &ConnectionOptions,
    file: &mut FieldTable,
) -> Result<(), Fault> {
    if options.credential_source.is_some() {
        return Err(of_the_program("credential_source"));
    }
    for (key, text, usual) in [
        (
            "user",
            options.credentials.user(),
            Credentials::default().user(),
        ),
        (
            "virtual_host",
            &options.virtual_host,
            default.virtual_host.as_str(),
        ),
        ("locale", &options.locale, &default.locale),
    ] {
        if text != usual {
            file.insert(key, text);
        }
    }
    if let Some(name) = &options.connection_name {
        file.insert("connection_name", name);
    }
    if options.mechanisms != default.mechanisms {
        let mut names = FieldArray::new();
        for mechanism in &options.mechanisms {
            if matches!(mechanism, AuthMechanism::Custom(_)) {
                return Err(of_the_program("auth_mechanisms"));
            }
            names.push(mechanism.name().to_ascii_lowercase());
        }
        file.insert("auth_mechanisms", names);
    }
    if !options.client_properties.is_empty() {
        file.insert("client_properties", &options.client_properties);
    }
    Ok(())
}

fn heartbeat(heartbeat: &Heartbeat) -> Result<FieldValue, Fault> {
    let seconds = |time| format!("{}s", whole_seconds(time));
    Ok(match heartbeat {
        Heartbeat::Server => "server".into(),
        Heartbeat::Off => "off".into(),
        Heartbeat::Fixed(time) => seconds(*time).into(),
        Heartbeat::AtMost(time) => {
            let mut most = FieldTable::new();
            most.insert("at_most", seconds(*time));
            most.into()
        }
        Heartbeat::Negotiate(_) => return Err(of_the_program("heartbeat")),
    })
}

fn write_numbers(
    options: &ConnectionOptions,
    default: &ConnectionOptions,
    file: &mut FieldTable,
) -> Result<(), Fault> {
    let size = |n_octets: usize| u64::try_from(n_octets).unwrap_or(u64::MAX);
    let numbers = [
        (
            "channel_max",
            options.channel_max.into(),
            default.channel_max.into(),
        ),
        (
            "frame_max",
            options.frame_max.into(),
            default.frame_max.into(),
        ),
        (
            "connection_attempts",
            options.connection_attempts.into(),
            default.connection_attempts.into(),
        ),
        (
            "max_message_size",
            options.max_message_size,
            default.max_message_size,
        ),
        (
            "inbound_limit",
            size(options.inbound_limit),
            size(default.inbound_limit),
        ),
        (
            "write_buffer_limit",
            size(options.write_buffer_limit),
            size(default.write_buffer_limit),
        ),
    ];
    for (key, number, usual) in numbers {
        if number != usual {
            let number = i64::try_from(number);
            let number = number.map_err(|_| Fault::new(key, "is above 9223372036854775807"))?;
            file.insert(key, number);
        }
    }
    Ok(())
}

fn write_times(options: &ConnectionOptions, default: &ConnectionOptions, file: &mut FieldTable) {
    let times = |options: &ConnectionOptions| -> [(&'static str, Option<Duration>); 8] {
        [
            ("connect_timeout", Some(options.connect_timeout)),
            ("retry_delay", Some(options.retry_delay)),
            ("handshake_timeout", Some(options.handshake_timeout)),
            ("open_timeout", options.open_timeout),
            ("request_timeout", Some(options.request_timeout)),
            ("close_timeout", Some(options.close_timeout)),
            (
                "blocked_connection_timeout",
                options.blocked_connection_timeout,
            ),
            ("write_timeout", options.write_timeout),
        ]
    };
    for (ours, usual) in times(options).into_iter().zip(times(default)) {
        let (key, time) = ours;
        if ours != usual {
            file.insert(key, time.map_or_else(|| "none".to_owned(), time::write));
        }
    }
}

#[cold]
fn of_the_program(key: &str) -> Fault {
    Fault::new(
        key,
        "cannot be written: it is a function or an object of the program",
    )
}
