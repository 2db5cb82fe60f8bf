//! The beginning of a connection: header, login, limits, virtual host.

use amqp_spec::wire::{FieldTable, LongStr, TableRef, Value};
use amqp_spec::{ReplyCode, connection, field_table};

use crate::memory::fields;
use crate::memory::like::Like;
use crate::memory::limits::Limits;
use crate::memory::node::Node;
use crate::memory::refusal::Refusal;
use crate::memory::session::Capabilities;
use crate::memory::vhost::VirtualHost;

/// What the first eight octets get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// `connection.start`, with this version.
    Start { major: u8, minor: u8 },
    /// Another header, and the end.
    Refused([u8; 8]),
}

const HEADER_0_9_1: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// AMQP 1.0 with SASL.
const HEADER_1_0: [u8; 8] = *b"AMQP\x03\x01\0\0";

pub(super) fn answer(header: [u8; 8], like: Like) -> Answer {
    match (&header, like) {
        (b"AMQP\0\0\x09\x01" | b"AMQP\x01\x01\0\x09", _) => Answer::Start { major: 0, minor: 9 },
        (b"AMQP\x01\x01\x08\0" | b"AMQP\x01\x01\x09\x01", Like::RabbitMq3_10) => {
            Answer::Start { major: 8, minor: 0 }
        }
        ([b'A', b'M', b'Q', b'P', 0, 0, 9..=255, _], _) | (_, Like::RabbitMq3_10) => {
            Answer::Refused(HEADER_0_9_1)
        }
        (_, Like::RabbitMq4_0) => Answer::Refused(HEADER_1_0),
    }
}

/// What a server says of itself; an old client is told of no capabilities.
pub(super) fn server_properties(like: Like, major: u8) -> FieldTable {
    let mut capabilities = FieldTable::new();
    if major == 0 {
        for name in [
            "publisher_confirms",
            "exchange_exchange_bindings",
            "basic.nack",
            "consumer_cancel_notify",
            "connection.blocked",
            "consumer_priorities",
            "authentication_failure_close",
            "per_consumer_qos",
            "direct_reply_to",
        ] {
            capabilities.push(name, true);
        }
    }
    field_table! {
        "capabilities" => &capabilities,
        "cluster_name" => "rabbit@memory",
        "copyright" => like.copyright(),
        "information" => "Licensed under the MPL 2.0. Website: https://rabbitmq.com",
        "platform" => like.platform(),
        "product" => "RabbitMQ",
        "version" => like.version(),
    }
}

pub(super) fn mechanisms(like: Like) -> LongStr<'static> {
    LongStr::new(like.mechanisms().as_bytes()).unwrap_or_default()
}

/// What a login comes to.
#[derive(Debug)]
pub(super) enum Login {
    /// This user is in.
    Granted(String),
    /// A user was named, and either does not exist or has another password.
    Refused(Refusal),
    /// What was said is no login.
    Malformed,
}

pub(super) fn capabilities(start_ok: &connection::StartOk<'_>) -> Capabilities {
    let table = fields::lookup(start_ok.client_properties, "capabilities");
    let table = table.and_then(|table| table.as_table()).unwrap_or_default();
    let has = |name| fields::lookup(table, name) == Some(Value::Bool(true));
    Capabilities {
        authentication_failure_close: has("authentication_failure_close"),
        consumer_cancel_notify: has("consumer_cancel_notify"),
        connection_blocked: has("connection.blocked"),
    }
}

pub(super) fn login(start_ok: &connection::StartOk<'_>, node: &Node) -> Login {
    let response = start_ok.response.as_bytes();
    let mechanism = start_ok.mechanism.as_bytes();
    let pair = match mechanism {
        b"PLAIN" => plain(response),
        b"AMQPLAIN" => amqplain(response),
        b"ANONYMOUS" if node.like == Like::RabbitMq4_0 => {
            return Login::Granted("guest".to_owned());
        }
        _ => None,
    };
    let Some((user, password)) = pair else {
        return Login::Malformed;
    };
    let known = std::str::from_utf8(user)
        .ok()
        .and_then(|user| node.users.get(user))
        .filter(|user| user.has_password(password));
    match known {
        Some(user) => Login::Granted(user.name.clone()),
        None => {
            let text = "Login was refused using authentication mechanism ";
            let refusal = Refusal::new(ReplyCode::ACCESS_REFUSED, text)
                .name(mechanism)
                .plain(". For details see the broker logfile.");
            Login::Refused(refusal.at_nothing())
        }
    }
}

/// NUL, user, NUL, password.
fn plain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = response.split(|octet| *octet == 0);
    let (b"", Some(user), Some(password), None) =
        (parts.next()?, parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((user, password))
}

/// A table without its length.
fn amqplain(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let table = TableRef::new(response);
    fields::check(table).ok()?;
    let text = |name| match fields::lookup(table, name) {
        Some(Value::LongString(text)) => Some(text.as_bytes()),
        _ => None,
    };
    Some((text("LOGIN")?, text("PASSWORD")?))
}

/// Whether the client's limits are within the broker's.
pub(super) const fn accepts(tune_ok: connection::TuneOk, limits: Limits) -> bool {
    within(tune_ok.frame_max, 4096, limits.frame_max)
        && within(tune_ok.channel_max as u32, 1, limits.channel_max as u32)
}

/// 0 sets no limit, which is above every limit.
const fn within(client: u32, min: u32, server: u32) -> bool {
    let is_low = client != 0 && client < min;
    let is_high = server != 0 && (client == 0 || client > server);
    !is_low && !is_high
}

/// Whether the user may enter a virtual host.
pub(super) fn enter(vhost: &[u8], user: &str, node: &mut Node) -> Result<String, Refusal> {
    let name = String::from_utf8_lossy(vhost).into_owned();
    if !node.vhosts.contains_key(&name) {
        return Err(VirtualHost::not_found(vhost));
    }
    let open = node.usage(user).connections;
    let known = node.users.get(user);
    let limit = known.and_then(|user| user.connection_limit);
    if let Some(limit) = limit.filter(|limit| open >= *limit) {
        return Err(
            Refusal::new(ReplyCode::NOT_ALLOWED, "connection refused for user '")
                .name(user)
                .plain(format!("': user connection limit ({limit}) is reached")),
        );
    }
    if known.is_none_or(|known| known.permissions(&name).is_none()) {
        return Err(Refusal::new(ReplyCode::NOT_ALLOWED, "access to vhost '")
            .name(&name)
            .plain("' refused for user '")
            .name(user)
            .plain("'"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_protocols_get_the_header_that_is_spoken() {
        use Like::{RabbitMq3_10, RabbitMq4_0};
        let refused = |header: &[u8; 8], like| match answer(*header, like) {
            Answer::Refused(header) => header,
            Answer::Start { .. } => panic!("accepted"),
        };
        assert_eq!(refused(b"AMQP\0\0\x09\x02", RabbitMq4_0), HEADER_0_9_1);
        assert_eq!(refused(b"AMQP\0\x01\0\0", RabbitMq4_0), HEADER_1_0);
        assert_eq!(refused(b"GET / HT", RabbitMq4_0), HEADER_1_0);
        assert_eq!(refused(b"GET / HT", RabbitMq3_10), HEADER_0_9_1);
        let old = answer(*b"AMQP\x01\x01\x08\0", RabbitMq3_10);
        assert_eq!(old, Answer::Start { major: 8, minor: 0 });
    }

    #[test]
    fn a_plain_response_has_exactly_two_nuls_and_nothing_before_the_first() {
        assert_eq!(plain(b"\0u\0p"), Some((&b"u"[..], &b"p"[..])));
        assert_eq!(plain(b"\0u\0"), Some((&b"u"[..], &b""[..])));
        for wrong in [&b""[..], b"u", b"\0u", b"\0u\0p\0", b"x\0u\0p"] {
            assert_eq!(plain(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn no_limit_is_above_every_limit() {
        let limits = Limits::of(Like::RabbitMq4_0);
        let accepts = |channel_max, frame_max| {
            let tune_ok = connection::TuneOk {
                channel_max,
                frame_max,
                heartbeat: 0,
            };
            accepts(tune_ok, limits)
        };
        assert!(accepts(2047, 131_072) && accepts(1, 4096));
        assert!(!accepts(0, 131_072) && !accepts(2048, 131_072));
        assert!(!accepts(1, 0) && !accepts(1, 4095) && !accepts(1, 131_073));
    }
}
