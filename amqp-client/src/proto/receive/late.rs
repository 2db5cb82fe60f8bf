//! Deliveries for consumers that are not there: `consume-ok` is still to come, the consumer was
//! cancelled a moment ago, or an earlier use of the channel id had it.

use std::sync::Arc;

use super::channels::InChannels;
use crate::message::RawDelivery;
use crate::proto::outside::Outside;
use crate::proto::send::request::Effect;

/// A delivery has come for a consumer that is not there.
pub(super) fn deliver(
    id: u16,
    tag: &[u8],
    delivery: RawDelivery,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    let now = outside.now();
    // Adding a consumer moves others, whose positions are remembered until then; and the numbers of
    // all deliveries before this one are to be known.
    channels.hand_over_deliveries(outside);
    let Some(channel) = channels.get_mut(id) else {
        return;
    };
    if channel.is_suspect(tag, now) {
        channels.hand_to_suspect(id, tag, delivery, outside);
    } else if find(id, tag, delivery.delivery_tag, channels, outside) {
        let unclaimed = channels.gather(id, tag, delivery);
        drop(unclaimed);
    }
}

/// Whether a consumer whose `consume-ok` is still to come has this tag: from here on it is there.
/// If not, the delivery has been given back where that is safe.
pub(super) fn find(
    id: u16,
    tag: &[u8],
    delivery_tag: u64,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> bool {
    let now = outside.now();
    let Some(channel) = channels.get_mut(id) else {
        return false;
    };
    let is_stray = channel.may_be_stray(tag, now);
    let expected = outside
        .outbox()
        .channels()
        .requests(id)
        .find_map(|slot| match &slot.effect {
            Effect::Consume(queue) | Effect::ConsumeAgain(queue) if queue.tag.as_bytes() == tag => {
                Some(Arc::clone(queue))
            }
            _ => None,
        })
        .filter(|_| !is_stray);
    if let Some(queue) = expected {
        channel.add_consumer(queue, now);
        return true;
    }
    if channel.find(tag).is_some() {
        return true;
    }
    // To settle one that need not be acknowledged would cost the channel, and so would one of an
    // earlier use of its id. Where it is not known, it stays unsettled, and comes back when the
    // channel closes.
    if is_stray && !channel.continues(delivery_tag) {
        return false;
    }
    if channel.is_ours(tag) {
        channel.note_delivered(delivery_tag);
        let (at, manual) = (channel.at(), channel.was_manual(tag));
        if manual.unwrap_or_else(|| asks_for_manual_only(id, outside)) {
            channel.note_kind(delivery_tag, false);
            outside.requeue(at, delivery_tag);
        } else {
            channel.note_kind(delivery_tag, true);
        }
    }
    false
}

/// Whether all consumers that are asked for on this channel are to acknowledge their deliveries: a
/// channel that has only ever asked for those gets no others.
fn asks_for_manual_only(id: u16, outside: &Outside) -> bool {
    let outbox = outside.outbox();
    let mut requests = outbox.channels().requests(id);
    requests.all(|slot| match &slot.effect {
        Effect::Consume(queue) | Effect::ConsumeAgain(queue) => !queue.no_ack,
        _ => true,
    })
}
