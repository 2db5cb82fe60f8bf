//! Which requests a recovery has to know of, and which of them may be asked once more.

use amqp_spec::wire::{MethodId, TypedMethod as _};
use amqp_spec::{Method, basic, confirm, constants, exchange, queue, tx};

use crate::proto::send::request::{Effect, Slot};

/// Whether the payload of such a request is kept until it is answered: it declares or deletes what
/// a recovery declares again, or may be sent again after a loss.
pub(super) fn is_kept(method: MethodId) -> bool {
    const KEPT: [MethodId; 11] = [
        exchange::Declare::ID,
        exchange::Delete::ID,
        exchange::Bind::ID,
        exchange::Unbind::ID,
        queue::Declare::ID,
        queue::Bind::ID,
        queue::Unbind::ID,
        queue::Delete::ID,
        basic::Qos::ID,
        confirm::Select::ID,
        tx::Select::ID,
    ];
    KEPT.contains(&method)
}

/// Whether a request that may have been carried out may be sent once more: to do so twice changes
/// nothing. A queue that the broker names would be there twice, unless the first was exclusive and
/// has gone with its connection.
fn may_be_repeated(sent: &[u8]) -> bool {
    match Method::decode(sent) {
        Ok(Method::QueueDeclare(declare)) => {
            !declare.queue.as_bytes().is_empty() || declare.exclusive
        }
        Ok(
            Method::ExchangeDeclare(_)
            | Method::ExchangeBind(_)
            | Method::ExchangeUnbind(_)
            | Method::QueueBind(_)
            | Method::QueueUnbind(_)
            | Method::BasicQos(_)
            | Method::ConfirmSelect(_)
            | Method::TxSelect(_),
        ) => true,
        Ok(_) | Err(_) => false,
    }
}

/// Whether a request that was sent and not answered is sent once more on the next stream.
pub(super) fn is_asked_again(slot: &Slot) -> bool {
    let wanted = !slot.has_reply() || !slot.answer.is_settled();
    wanted && slot.sent.as_deref().is_some_and(may_be_repeated)
}

/// Whether a request that was parked is sent on the next stream. What consumes is started with all
/// other consumers of its channel; what cancels, or gives everything back, has come about; a
/// transaction is lost with what it had.
pub(super) fn waits_for_next_stream(slot: &Slot) -> bool {
    match slot.effect {
        Effect::Nothing | Effect::Get { .. } => true,
        Effect::OpenChannel(_)
        | Effect::RenewChannel
        | Effect::Consume(_)
        | Effect::ConsumeAgain(_)
        | Effect::LimitConsumer
        | Effect::Cancel(_)
        | Effect::EndTransaction(_)
        | Effect::Recover { .. } => false,
    }
}

/// The payload of a method's frame.
pub(super) fn payload_of(frame: &[u8]) -> Option<&[u8]> {
    let (_, rest) = frame.split_at_checked(amqp_spec::frame::OVERHEAD - 1)?;
    let (_, payload) = rest.split_last()?;
    Some(payload)
}

/// A method's frame.
pub(crate) fn method_frame(channel: u16, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut frame = Vec::with_capacity(payload.len() + amqp_spec::frame::OVERHEAD);
    frame.push(constants::FRAME_METHOD);
    frame.extend_from_slice(&channel.to_be_bytes());
    frame.extend_from_slice(&size.to_be_bytes());
    frame.extend_from_slice(payload);
    frame.push(constants::FRAME_END);
    frame
}
