//! The texts of RabbitMQ's refusals, but for those that quote frames (`faults.rs`) or
//! arguments of queues (`vhost/arguments.rs`).

use amqp_spec::ReplyCode;

use super::like::Like;
use super::refusal::Refusal;

/// What is refused because it is not modelled here. RabbitMQ would do it.
pub(super) fn not_modelled(what: impl AsRef<[u8]>) -> Refusal {
    Refusal::new(
        ReplyCode::NOT_IMPLEMENTED,
        "not modelled by amqp_testing::memory, test it with amqp_testing::Broker: ",
    )
    .name(what)
}

pub(super) fn no_queue(name: impl AsRef<[u8]>, vhost: &str) -> Refusal {
    Refusal::new(ReplyCode::NOT_FOUND, "no ").resource("queue", name, vhost)
}

pub(super) fn no_exchange(name: impl AsRef<[u8]>, vhost: &str) -> Refusal {
    Refusal::new(ReplyCode::NOT_FOUND, "no ").resource("exchange", name, vhost)
}

pub(super) fn no_previous_queue() -> Refusal {
    Refusal::new(ReplyCode::NOT_FOUND, "no previously declared queue")
}

pub(super) fn locked(queue: &str, vhost: &str) -> Refusal {
    Refusal::new(
        ReplyCode::RESOURCE_LOCKED,
        "cannot obtain exclusive access to locked ",
    )
    .resource("queue", queue, vhost)
    .plain(
        ". It could be originally declared on another connection or the exclusive property value \
         does not match that of the original declaration.",
    )
}

pub(super) fn exclusively_consumed(queue: &str, vhost: &str) -> Refusal {
    Refusal::new(ReplyCode::ACCESS_REFUSED, "")
        .resource("queue", queue, vhost)
        .plain(" in exclusive use")
}

pub(super) fn reserved(kind: &'static str, name: &str) -> Refusal {
    Refusal::new(ReplyCode::ACCESS_REFUSED, kind)
        .plain(" name '")
        .name(name)
        .plain("' contains reserved prefix 'amq.*'")
}

pub(super) fn default_exchange() -> Refusal {
    Refusal::new(
        ReplyCode::ACCESS_REFUSED,
        "operation not permitted on the default exchange",
    )
}

pub(super) fn system_exchange(name: &str, vhost: &str) -> Refusal {
    Refusal::new(ReplyCode::ACCESS_REFUSED, "deletion of system ")
        .resource("exchange", name, vhost)
        .plain(" not allowed")
}

pub(super) fn internal_exchange(name: &str, vhost: &str) -> Refusal {
    Refusal::new(ReplyCode::ACCESS_REFUSED, "cannot publish to internal ")
        .resource("exchange", name, vhost)
}

/// `resource` is what is refused: its kind, its name, and the virtual host.
pub(super) fn no_permission(
    like: Like,
    permission: &'static str,
    (kind, name, vhost): (&'static str, &[u8], &str),
    user: &str,
) -> Refusal {
    let access = match like {
        Like::RabbitMq3_10 => Refusal::new(ReplyCode::ACCESS_REFUSED, "access to "),
        Like::RabbitMq4_0 => {
            Refusal::new(ReplyCode::ACCESS_REFUSED, permission).plain(" access to ")
        }
    };
    access
        .resource(kind, name, vhost)
        .plain(" refused for user '")
        .name(user)
        .plain("'")
}

pub(super) fn exchange_type(like: Like, name: &[u8]) -> Refusal {
    let code = match like {
        Like::RabbitMq3_10 => ReplyCode::COMMAND_INVALID,
        Like::RabbitMq4_0 => ReplyCode::PRECONDITION_FAILED,
    };
    Refusal::new(code, "invalid exchange type '")
        .name(name)
        .plain("'")
}

pub(super) fn in_use(kind: &'static str, name: &str, vhost: &str) -> Refusal {
    precondition("")
        .resource(kind, name, vhost)
        .plain(" in use")
}

pub(super) fn not_empty(queue: &str, vhost: &str) -> Refusal {
    precondition("")
        .resource("queue", queue, vhost)
        .plain(" not empty")
}

/// `received` and `current` as they are shown, quotes included.
pub(super) fn inequivalent(
    argument: &'static str,
    (kind, name, vhost): (&'static str, &str, &str),
    received: String,
    current: String,
) -> Refusal {
    precondition("inequivalent arg '")
        .plain(argument)
        .plain("' for ")
        .resource(kind, name, vhost)
        .plain(": received ")
        .name(received)
        .plain(" but current is ")
        .name(current)
}

pub(super) fn invalid_type(
    found: &'static str,
    argument: &'static str,
    (kind, name, vhost): (&'static str, &str, &str),
) -> Refusal {
    precondition("invalid type '")
        .plain(found)
        .plain("' for arg '")
        .plain(argument)
        .plain("' in ")
        .resource(kind, name, vhost)
}

pub(super) fn unknown_delivery_tag(tag: u64) -> Refusal {
    precondition(format!("unknown delivery tag {tag}"))
}

pub(super) fn reused_consumer_tag(tag: &str) -> Refusal {
    Refusal::new(ReplyCode::NOT_ALLOWED, "attempt to reuse consumer tag '")
        .name(tag)
        .plain("'")
}

pub(super) fn too_many_consumers(max: usize) -> Refusal {
    let text = format!("reached maximum ({max}) of consumers per channel");
    Refusal::new(ReplyCode::NOT_ALLOWED, text)
}

pub(super) fn foreign_user_id(claimed: &[u8], actual: &str) -> Refusal {
    precondition("user_id property set to '")
        .name(claimed)
        .plain("' but authenticated user was '")
        .name(actual)
        .plain("'")
}

pub(super) fn message_too_large(size: u64, max: u64) -> Refusal {
    /// The limit that is built in.
    const HARD_LIMIT: u64 = 536_870_912;
    let configured = if max == HARD_LIMIT { "" } else { "configured " };
    precondition(format!(
        "message size {size} is larger than {configured}max size {max}"
    ))
}

/// `error` as Erlang prints it.
pub(super) fn invalid_expiration(value: &[u8], error: String) -> Refusal {
    precondition("invalid expiration '")
        .name(value)
        .plain("': ")
        .plain(error)
}

pub(super) fn invalid_message(error: String) -> Refusal {
    precondition("invalid message: ").plain(error)
}

pub(super) fn not_implemented(what: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ReplyCode::NOT_IMPLEMENTED, what)
}

pub(super) fn unimplemented_method() -> Refusal {
    Refusal::new(ReplyCode::COMMAND_INVALID, "unimplemented method")
}

pub(super) fn precondition(text: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ReplyCode::PRECONDITION_FAILED, text)
}

pub(super) fn channel_error(text: &'static str) -> Refusal {
    Refusal::new(ReplyCode::CHANNEL_ERROR, text)
}

pub(super) fn not_allowed(text: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ReplyCode::NOT_ALLOWED, text)
}
