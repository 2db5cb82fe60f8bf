//! Messages that were fetched, or have come back.

use amqp_spec::basic;
use amqp_spec::wire::TypedMethod;

use crate::message::Incoming;
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::receive::content::{Announced, Complete};
use crate::proto::send::request::{Reply, Slot};

/// A message is complete that is no delivery.
pub(crate) fn complete(
    id: u16,
    complete: Complete,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    let Complete { by, message } = complete;
    match by {
        Announced::Get {
            slot,
            payload,
            no_ack,
        } => {
            let reply = Reply {
                payload,
                message: Some(message),
            };
            fetched(id, &slot, reply, no_ack, channels, outside);
        }
        Announced::Return => returned(id, message, channels, outside),
        // Gathered where it was parsed.
        Announced::Delivery { .. } => {}
    }
}

/// The reply to `basic.get` is complete.
fn fetched(
    id: u16,
    slot: &Slot,
    reply: Reply,
    no_ack: bool,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    outside.shared().totals.fetched.add(1);
    let on_wire = basic::GetOk::decode(&reply.payload).map(|get_ok| get_ok.delivery_tag);
    let mut at = None;
    if let (Ok(on_wire), Some(channel)) = (on_wire, channels.get_mut(id)) {
        let numbered = channel.numbering().number(on_wire);
        channel.note_delivered(numbered.delivery_tag);
        channel.note_kind(numbered.delivery_tag, no_ack);
        slot.answer.fetched_as(numbered);
        at = Some((channel.at(), numbered.delivery_tag));
    }
    let unseen = slot.answer.settle(Ok(reply), outside.wakers());
    if let (Err(Ok(_)), false, Some((at, delivery_tag))) = (unseen, no_ack, at) {
        // Nothing will ever settle it, so that it would be stuck until the channel closes.
        outside.requeue(at, delivery_tag);
    }
}

/// A message has come back.
fn returned(id: u16, message: Incoming, channels: &InChannels, outside: &mut Outside) {
    let Some(channel) = channels.get(id) else {
        return;
    };
    let (shared, wakers) = outside.split();
    shared.totals.returned.add(1);
    let fingerprint = message.fingerprint();
    let mut confirms = channel.shared().confirms();
    let claimed = shared
        .outbox()
        .channels_mut()
        .claim_returned(id, fingerprint, |number| !confirms.is_resolved(number));
    let unclaimed = match claimed {
        Some(number) => confirms.returned(number, Box::new(message)),
        None => Some(Box::new(message)),
    };
    drop(confirms);
    if let Some(message) = unclaimed {
        shared.returned(channel.at(), *message, wakers);
    }
}
