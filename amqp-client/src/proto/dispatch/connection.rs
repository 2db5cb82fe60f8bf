//! Methods on channel 0, but for the handshake.

use std::sync::Arc;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{Method, connection};

use super::closes;
use crate::error::{About, BrokerClose, ChannelError, ConnectionError, Provoker, Violation};
use crate::proto::outside::Outside;
use crate::proto::send::request::Reply;

/// `connection.close` has come: why the connection ends. `about_open` is what `connection.open` was
/// about.
pub(crate) fn closed_by_broker(
    close: &connection::Close<'_>,
    about_open: impl FnOnce() -> About,
    outside: &mut Outside,
) -> ConnectionError {
    let method = MethodId::new(close.class_id, close.method_id);
    let (about, answers) = if method == connection::Open::ID {
        (Provoker::of(&about_open()), Vec::new())
    } else {
        outside.outbox().channels().provoker(0, method)
    };
    let text = close.reply_text.as_bytes();
    let (close, provoked) = BrokerClose::read(0, close.reply_code, text, method, &about);
    let cause = ConnectionError::ClosedByBroker(Arc::new(close));
    let error = ChannelError::Connection(cause.clone());
    closes::accuse(provoked, &answers, &error, outside);
    cause
}

/// `connection.close-ok` has come.
pub(crate) fn close_ok(outside: &mut Outside) -> Result<(), Violation> {
    let now = outside.now();
    let slot = outside
        .outbox()
        .order_mut()
        .take_request(0, connection::CloseOk::ID, now);
    let Some(slot) = slot else {
        return Err(unexpected(0, connection::CloseOk::NAME, outside));
    };
    let reply = Reply {
        payload: Vec::new(),
        message: None,
    };
    let _ = slot.answer.settle(Ok(reply), outside.wakers());
    Ok(())
}

/// Another method has come: the reply to a request.
pub(crate) fn reply(
    method: &Method<'_>,
    payload: &[u8],
    outside: &mut Outside,
) -> Result<(), Violation> {
    let now = outside.now();
    let slot = outside
        .outbox()
        .order_mut()
        .take_request(0, method.id(), now);
    let slot = slot.ok_or_else(|| unexpected(0, method.name(), outside))?;
    outside.shared().trace.reply(0, method.name());
    outside.reply(&slot, payload);
    Ok(())
}

/// Nothing was asked that this method answers.
pub(super) fn unexpected(channel: u16, method: &'static str, outside: &Outside) -> Violation {
    let outbox = outside.outbox();
    let asked = outbox
        .channels()
        .requests(channel)
        .find(|slot| slot.has_reply());
    let expected = match asked {
        Some(slot) => format!("a reply to {}", slot.name).into(),
        None => "no reply".into(),
    };
    Violation::UnexpectedMethod {
        method,
        channel,
        expected,
    }
}
