//! Methods as RabbitMQ reads them: stricter than the codec in some places.

use amqp_spec::Method;
use amqp_spec::ReplyCode;
use amqp_spec::wire::{DecodeErrorKind, MethodId, ShortStr, TableRef};

use super::erlang;
use super::fields;
use super::refusal::Refusal;

/// Why a method cannot be read.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// RabbitMQ fails at it.
    Fatal,
    /// RabbitMQ says what is wrong.
    Refused(Refusal),
}

/// Reads the payload of a method frame, which has four octets at least.
pub(super) fn method(payload: &[u8]) -> Result<Method<'_>, Unreadable> {
    let method = Method::decode(payload).map_err(|error| match error.kind() {
        DecodeErrorKind::UnknownMethod { .. } => Unreadable::Fatal,
        _ => Unreadable::Refused(arguments(payload)),
    })?;
    if names(&method).iter().any(|name| name.as_str().is_err()) {
        let text = "Malformed UTF-8 in shortstr";
        let refusal = Refusal::new(ReplyCode::FRAME_ERROR, text);
        return Err(Unreadable::Refused(refusal.at_nothing()));
    }
    match table(&method).map(fields::check) {
        Some(Err(_)) => Err(Unreadable::Fatal),
        _ => Ok(method),
    }
}

/// Whether there is a method with the id that a payload begins with.
pub(super) fn is_known(payload: &[u8]) -> bool {
    let unknown = |kind| matches!(kind, DecodeErrorKind::UnknownMethod { .. });
    !Method::decode(payload).is_err_and(|error| unknown(error.kind()))
}

fn arguments(payload: &[u8]) -> Refusal {
    let arguments = payload.get(4..).unwrap_or_default();
    Refusal::new(ReplyCode::FRAME_ERROR, "cannot decode ").plain(erlang::binary(arguments))
}

/// The id at the start of a payload.
pub(super) fn id(payload: &[u8]) -> Option<MethodId> {
    MethodId::peek(payload)
}

/// Short strings that have to be UTF-8.
fn names<'a>(method: &Method<'a>) -> [ShortStr<'a>; 3] {
    let none = ShortStr::default();
    match method {
        Method::ConnectionStartOk(it) => [it.mechanism, it.locale, none],
        Method::ConnectionOpen(it) => [it.virtual_host, none, none],
        Method::ConnectionClose(it) => [it.reply_text, none, none],
        Method::ChannelClose(it) => [it.reply_text, none, none],
        Method::AccessRequest(it) => [it.realm, none, none],
        Method::ExchangeDeclare(it) => [it.exchange, it.type_, none],
        Method::ExchangeDelete(it) => [it.exchange, none, none],
        Method::ExchangeBind(it) => [it.destination, it.source, it.routing_key],
        Method::ExchangeUnbind(it) => [it.destination, it.source, it.routing_key],
        Method::QueueDeclare(it) => [it.queue, none, none],
        Method::QueueBind(it) => [it.queue, it.exchange, it.routing_key],
        Method::QueueUnbind(it) => [it.queue, it.exchange, it.routing_key],
        Method::QueuePurge(it) => [it.queue, none, none],
        Method::QueueDelete(it) => [it.queue, none, none],
        Method::BasicConsume(it) => [it.queue, it.consumer_tag, none],
        Method::BasicCancel(it) => [it.consumer_tag, none, none],
        Method::BasicGet(it) => [it.queue, none, none],
        _ => [none; 3],
    }
}

fn table<'a>(method: &Method<'a>) -> Option<TableRef<'a>> {
    match method {
        Method::ConnectionStartOk(it) => Some(it.client_properties),
        Method::ExchangeDeclare(it) => Some(it.arguments),
        Method::ExchangeBind(it) => Some(it.arguments),
        Method::ExchangeUnbind(it) => Some(it.arguments),
        Method::QueueDeclare(it) => Some(it.arguments),
        Method::QueueBind(it) => Some(it.arguments),
        Method::QueueUnbind(it) => Some(it.arguments),
        Method::BasicConsume(it) => Some(it.arguments),
        _ => None,
    }
}
