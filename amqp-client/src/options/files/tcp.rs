//! Options of the TCP connection.

use amqp_spec::wire::FieldTable;

use crate::options::TcpOptions;
use crate::rounding::{whole_millis, whole_seconds};
use crate::settings::{Entry, Fault};

pub(super) const KEYS: [&str; 5] = [
    "nodelay",
    "keepalive_idle",
    "keepalive_interval",
    "keepalive_count",
    "user_timeout",
];

pub(super) fn read(tcp: &mut TcpOptions, file: &Entry<'_>) -> Result<(), Fault> {
    for entry in file.entries()? {
        match entry.name() {
            "nodelay" => tcp.nodelay = entry.boolean()?,
            "keepalive_idle" => tcp.keepalive_idle = Some(entry.whole_seconds()?),
            "keepalive_interval" => tcp.keepalive_interval = Some(entry.whole_seconds()?),
            "keepalive_count" => tcp.keepalive_count = Some(entry.number()?),
            "user_timeout" => tcp.user_timeout = Some(entry.whole_millis()?),
            _ => return Err(entry.unknown(KEYS.into_iter())),
        }
    }
    Ok(())
}

/// What differs from the defaults; times as the system gets them.
pub(super) fn write(tcp: &TcpOptions) -> FieldTable {
    let TcpOptions {
        nodelay,
        keepalive_idle,
        keepalive_interval,
        keepalive_count,
        user_timeout,
    } = tcp;
    let mut file = FieldTable::new();
    if !nodelay {
        file.insert("nodelay", false);
    }
    let seconds = [
        ("keepalive_idle", keepalive_idle),
        ("keepalive_interval", keepalive_interval),
    ];
    for (key, value) in seconds {
        if let Some(value) = value {
            file.insert(key, format!("{}s", whole_seconds(*value)));
        }
    }
    if let Some(count) = keepalive_count {
        file.insert("keepalive_count", i64::from(*count));
    }
    if let Some(timeout) = user_timeout {
        file.insert("user_timeout", format!("{}ms", whole_millis(*timeout)));
    }
    file
}
