//! Arguments of `queue.declare` and `basic.consume`: which RabbitMQ refuses with which text, which
//! are the same as those of an existing queue, and which are not modelled here.

use amqp_spec::wire::{TableRef, Value};

use super::headers::printed;
use super::queue::QueueSpec;
use crate::memory::erlang;
use crate::memory::fields::{equivalent, lookup, type_name};
use crate::memory::like::Like;
use crate::memory::refusal::Refusal;
use crate::memory::texts;

/// Ten years in milliseconds, the longest time RabbitMQ takes.
pub(in crate::memory) const MAX_EXPIRY: i128 = 315_360_000_000;

/// What a value has to be. Erlang's term for what is wrong with it is the error.
type Check = fn(&Value<'_>, TableRef<'_>) -> Result<(), String>;

/// The arguments of classic queues, in the order in which they are checked.
const CLASSIC: &[(&str, Check)] = &[
    ("x-expires", expires),
    ("x-message-ttl", expiry),
    ("x-dead-letter-exchange", text),
    ("x-dead-letter-routing-key", dead_letter_key),
    ("x-max-length", not_negative),
    ("x-max-length-bytes", not_negative),
    ("x-max-priority", max_priority),
    ("x-overflow", overflow),
    ("x-queue-mode", mode),
    ("x-queue-version", version),
    ("x-single-active-consumer", boolean),
    ("x-queue-type", queue_type),
];

/// Those that only other types of queues have.
const NOT_CLASSIC: &[&str] = &[
    "x-dead-letter-strategy",
    "x-delivery-limit",
    "x-initial-cluster-size",
    "x-max-age",
    "x-max-in-memory-bytes",
    "x-max-in-memory-length",
    "x-quorum-initial-group-size",
    "x-stream-filter-size-bytes",
    "x-stream-max-segment-size-bytes",
];

/// Those of classic queues that change what happens, and are not modelled.
const NOT_MODELLED: &[&str] = &[
    "x-expires",
    "x-message-ttl",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
];

/// Checks the arguments of a queue that is new.
pub(super) fn check(spec: &QueueSpec, vhost: &str, like: Like) -> Result<(), Refusal> {
    let arguments = spec.arguments.as_ref();
    let invalid = |name: &'static str, error: String| {
        texts::precondition("invalid arg '")
            .plain(name)
            .plain("' for ")
            .resource("queue", &*spec.name, vhost)
            .plain(": ")
            .name(error)
    };
    let verify = |name: &'static str, check: Check| match lookup(arguments, name) {
        Some(value) => check(&value, arguments).map_err(|error| invalid(name, error)),
        None => Ok(()),
    };
    verify("x-queue-type", queue_type)?;
    if let Some(kind @ (b"quorum" | b"stream")) = kind_of(arguments) {
        return Err(other_type(spec, kind, vhost));
    }
    for (name, check) in CLASSIC {
        verify(name, *check)?;
    }
    let locator = "x-queue-leader-locator";
    for (name, _) in arguments.iter().filter_map(Result::ok) {
        let is_foreign = NOT_CLASSIC.iter().any(|foreign| name == *foreign)
            || (like == Like::RabbitMq3_10 && name == locator);
        if is_foreign {
            return Err(texts::precondition("invalid arg '")
                .name(name.as_bytes())
                .plain("' for ")
                .resource("queue", &*spec.name, vhost)
                .plain(" of queue type rabbit_classic_queue"));
        }
    }
    not_modelled(arguments)
}

fn not_modelled(arguments: TableRef<'_>) -> Result<(), Refusal> {
    for name in NOT_MODELLED {
        match lookup(arguments, name) {
            None | Some(Value::Bool(false)) => {}
            Some(_) => return Err(texts::not_modelled(format!("queue argument {name}"))),
        }
    }
    Ok(())
}

/// Quorum queues and streams have to have certain properties, and are not modelled if they do.
fn other_type(spec: &QueueSpec, kind: &[u8], vhost: &str) -> Refusal {
    let wrong = match spec {
        QueueSpec {
            auto_delete: true, ..
        } => "auto-delete",
        QueueSpec { owner: Some(_), .. } => "exclusive-owner",
        QueueSpec { durable: false, .. } => "non-durable",
        _ => return texts::not_modelled([kind, b" queues"].concat()),
    };
    texts::precondition("invalid property '")
        .plain(wrong)
        .plain("' for ")
        .resource("queue", &*spec.name, vhost)
}

fn kind_of(arguments: TableRef<'_>) -> Option<&[u8]> {
    lookup(arguments, "x-queue-type").and_then(|kind| kind.as_bytes())
}

/// Whether a declaration fits a queue that exists.
pub(super) fn check_equivalent(
    current: &QueueSpec,
    received: TableRef<'_>,
    vhost: &str,
) -> Result<(), Refusal> {
    for (name, _) in CLASSIC {
        let (old, new) = (
            lookup(current.arguments.as_ref(), name),
            lookup(received, name),
        );
        let is_classic = |value: &Value<'_>| value.as_bytes() == Some(b"classic");
        let same = match (&old, &new) {
            (None, None) => true,
            (Some(old), Some(new)) => equivalent(old, new),
            (Some(only), None) | (None, Some(only)) => *name == "x-queue-type" && is_classic(only),
        };
        if same {
            continue;
        }
        let both = old.is_some() && new.is_some();
        let resource = ("queue", &*current.name, vhost);
        let (received, current) = (shown(new.as_ref(), both), shown(old.as_ref(), both));
        return Err(texts::inequivalent(name, resource, received, current));
    }
    Ok(())
}

/// A value in the text of an inequivalence: with its type, if the other side has none.
pub(super) fn shown(value: Option<&Value<'_>>, both: bool) -> String {
    let Some(value) = value else {
        return "none".to_owned();
    };
    let plain = match value.as_bytes() {
        Some(octets) => String::from_utf8_lossy(octets).into_owned(),
        None => printed(value),
    };
    if both {
        return format!("'{plain}'");
    }
    format!("the value '{plain}' of type '{}'", type_name(value))
}

/// Checks the arguments of a consumer, and finds its priority.
pub(super) fn priority(arguments: TableRef<'_>, queue: &str, vhost: &str) -> Result<i64, Refusal> {
    let Some(value) = lookup(arguments, "x-priority") else {
        return Ok(0);
    };
    value.as_i64().ok_or_else(|| {
        texts::precondition("invalid arg 'x-priority' for ")
            .resource("queue", queue, vhost)
            .plain(": ")
            .plain(expected_integer(&value))
    })
}

// What values have to be

fn expected_integer(value: &Value<'_>) -> String {
    format!("\"expected integer, got {}\"", type_name(value))
}

fn integer(value: &Value<'_>) -> Result<i64, String> {
    value.as_i64().ok_or_else(|| expected_integer(value))
}

fn unacceptable(value: &Value<'_>) -> String {
    format!("{{unacceptable_type,{}}}", type_name(value))
}

fn not_negative(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match integer(value)? {
        negative @ ..=-1 => Err(format!("{{value_negative,{negative}}}")),
        _ => Ok(()),
    }
}

fn expiry(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    check_expiry(integer(value)?.into())
}

/// What is wrong with a time in milliseconds.
pub(in crate::memory) fn check_expiry(time: i128) -> Result<(), String> {
    match time {
        ..=-1 => Err(format!("{{value_negative,{time}}}")),
        0..=MAX_EXPIRY => Ok(()),
        _ => Err(format!("{{value_too_large,{time}}}")),
    }
}

fn expires(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match integer(value)? {
        0 => Err("{value_zero,0}".to_owned()),
        time => check_expiry(time.into()),
    }
}

fn max_priority(value: &Value<'_>, arguments: TableRef<'_>) -> Result<(), String> {
    not_negative(value, arguments)?;
    match integer(value)? {
        ..=255 => Ok(()),
        other => Err(format!("{{max_value_exceeded,{other}}}")),
    }
}

fn version(value: &Value<'_>, arguments: TableRef<'_>) -> Result<(), String> {
    not_negative(value, arguments)?;
    match integer(value)? {
        1 | 2 => Ok(()),
        other => Err(format!("\"unsupported queue version '{other}'\"")),
    }
}

fn boolean(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match value {
        Value::Bool(_) => Ok(()),
        other => Err(unacceptable(other)),
    }
}

fn text(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    long_string(value).map(drop)
}

fn long_string<'a>(value: &Value<'a>) -> Result<&'a [u8], String> {
    match value {
        Value::LongString(text) => Ok(text.as_bytes()),
        other => Err(unacceptable(other)),
    }
}

fn dead_letter_key(value: &Value<'_>, arguments: TableRef<'_>) -> Result<(), String> {
    long_string(value)?;
    match lookup(arguments, "x-dead-letter-exchange") {
        Some(_) => Ok(()),
        None => Err("routing_key_but_no_dlx_defined".to_owned()),
    }
}

fn overflow(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match long_string(value)? {
        b"drop-head" | b"reject-publish" | b"reject-publish-dlx" => Ok(()),
        _ => Err("invalid_overflow".to_owned()),
    }
}

fn mode(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match long_string(value)? {
        b"default" | b"lazy" => Ok(()),
        other => Err(unsupported("mode", other)),
    }
}

fn queue_type(value: &Value<'_>, _: TableRef<'_>) -> Result<(), String> {
    match long_string(value)? {
        b"classic" | b"quorum" | b"stream" => Ok(()),
        other => Err(unsupported("type", other)),
    }
}

fn unsupported(what: &str, value: &[u8]) -> String {
    let text = [b"unsupported queue ", what.as_bytes(), b" '", value, b"'"].concat();
    erlang::quoted(&text)
}
