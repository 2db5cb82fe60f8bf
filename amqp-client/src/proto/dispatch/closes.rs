//! The ends of channels: what the broker objects to, what is told to which operation, and what
//! rests until it is opened anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel};

use crate::error::{BrokerClose, ChannelError};
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::send::outbox::{GivenUp, Overdue};
use crate::proto::send::request::{Answer, Effect, Slot};
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::ConsumerEnd;
use crate::proto::shared::lost::{Loss, Suspects};

/// `channel.close-ok` has come.
pub(super) fn closed(id: u16, channels: &mut InChannels, outside: &mut Outside) {
    let mut outbox = outside.outbox();
    let slots = outbox.channel_closed(id);
    // What was accepted stood before our close.
    let sent = outbox.channels().published(id);
    drop(outbox);
    let loss = Loss::plain(&ChannelError::Closed, sent);
    forget(id, slots, loss, channels, outside);
}

/// `channel.close` has come.
pub(super) fn closed_by_broker(
    id: u16,
    close: &channel::Close<'_>,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    let method = MethodId::new(close.class_id, close.method_id);
    let (about, answers) = outside.outbox().channels().provoker(id, method);
    let text = close.reply_text.as_bytes();
    let (close, provoked) = BrokerClose::read(id, close.reply_code, text, method, &about);
    let close = Arc::new(close);
    let error = ChannelError::ClosedByBroker(Arc::clone(&close));
    accuse(provoked, &answers, &error, outside);
    let provoked = provoked.and_then(|provoked| answers.get(provoked));
    let rests = outside.outbox().channel_rests(id);
    if let Some((slots, sent, wake)) = rests {
        wake.not_amid_a_turn();
        let suspects = suspects(id, sent, &close, &slots, provoked, channels, outside);
        let loss = Loss::new(&error, sent, suspects);
        rest(id, slots, loss, channels, outside);
        return;
    }
    // Callers that the outbox refuses from here on are told why.
    if let Some(channel) = channels.get(id) {
        channel.shared().set_ended(&error);
    }
    if let Some(shared) = channels.resting(id) {
        shared.set_ended(&error);
    }
    let (slots, sent, wake) = outside.outbox().channel_closed_by_broker(id);
    wake.not_amid_a_turn();
    let suspects = suspects(id, sent, &close, &slots, provoked, channels, outside);
    let loss = Loss::new(&error, sent, suspects);
    forget(id, slots, loss, channels, outside);
}

/// Which publishes may have provoked the close, or stand behind what has.
fn suspects(
    id: u16,
    sent: u64,
    close: &BrokerClose,
    slots: &[Slot],
    provoked: Option<&Arc<Answer>>,
    channels: &InChannels,
    outside: &Outside,
) -> Suspects {
    if let Some(provoked) = provoked {
        let is_it = |slot: &&Slot| Arc::ptr_eq(&slot.answer, provoked);
        let slot = slots.iter().find(is_it);
        return slot.map_or(Suspects::Unknown, |slot| Suspects::Behind(slot.after));
    }
    let is_about_a_publish = close.method == Some(basic::Publish::ID);
    let Some(channel) = channels.get(id).filter(|_| is_about_a_publish) else {
        return Suspects::Unknown;
    };
    let confirms = channel.shared().confirms();
    let unanswered = (confirms.resolved() + 1..=sent).filter(|n| !confirms.is_resolved(*n));
    let outbox = outside.outbox();
    outbox
        .channels()
        .suspects(id, close.entity.as_ref(), unanswered)
}

/// Tells the one request that the broker objects to; all others are bystanders.
pub(super) fn accuse(
    provoked: Option<usize>,
    answers: &[Arc<Answer>],
    error: &ChannelError,
    outside: &mut Outside,
) {
    if let Some(answer) = provoked.and_then(|provoked| answers.get(provoked)) {
        let _ = answer.settle(Err(error.clone()), outside.wakers());
    }
}

/// Undoes what was reserved for requests that are never sent, and ends the channels that are given
/// up.
pub(super) fn dispose_of(overdue: Overdue, channels: &mut InChannels, outside: &mut Outside) {
    for slot in overdue.dropped {
        if let Effect::Consume(queue) = slot.effect {
            queue.end(ConsumerEnd::Cancelled, outside.wakers());
        }
    }
    for given_up in overdue.given_up {
        let GivenUp {
            id,
            slots,
            sent,
            cause,
        } = given_up;
        let loss = Loss::plain(&cause, sent);
        forget(id, slots, loss, channels, outside);
    }
}

/// The channel is over. What the broker objected to, if anything, has been told.
fn forget(id: u16, slots: Vec<Slot>, loss: Loss, channels: &mut InChannels, outside: &mut Outside) {
    let cause = loss.cause.clone();
    let published = outside.outbox().channels().published(id);
    let by_broker = matches!(cause, ChannelError::ClosedByBroker(_));
    let ended = if let Some(mut channel) = channels.close(id, by_broker, outside) {
        channel.end(loss, published, outside.wakers());
        Some(channel.at())
    } else {
        channels.take_resting(id).map(|shared| {
            shared.end(loss, published, outside.wakers());
            shared.at
        })
    };
    if let Some(at) = ended {
        tell_closed(id, Source::Channel(at), &cause, outside);
        outside.shared().trace.channel_closed(id, &cause);
    }
    let (shared, wakers) = outside.split();
    shared.outbox().room_mut().call_those_of(id, wakers);
    give_up_requests(slots, &cause, outside);
}

fn tell_closed(id: u16, from: Source, cause: &ChannelError, outside: &mut Outside) {
    let event = Event::ChannelClosed {
        channel: id,
        cause: cause.clone(),
    };
    outside.emit(from, &event);
}

/// The broker has closed the channel of a publisher, which is opened anew: what it has sent has no
/// answer any more, and what it has not goes on.
fn rest(id: u16, slots: Vec<Slot>, loss: Loss, channels: &mut InChannels, outside: &mut Outside) {
    let cause = loss.cause.clone();
    if let Some(mut channel) = channels.close(id, true, outside) {
        let shared = Arc::clone(channel.shared());
        channel.rest(loss, outside.wakers());
        let event = Event::ChannelRenewed {
            channel: id,
            cause: cause.clone(),
        };
        outside.emit(Source::Channel(shared.at), &event);
        outside.shared().trace.channel_renewed(id, &cause);
        channels.rest(shared);
    }
    give_up_requests(slots, &cause, outside);
}

/// These requests have no reply any more.
fn give_up_requests(slots: Vec<Slot>, cause: &ChannelError, outside: &mut Outside) {
    for slot in &slots {
        match &slot.effect {
            Effect::OpenChannel(shared) => {
                let published = outside.outbox().channels().published(shared.at.channel);
                shared.end(Loss::plain(cause, 0), published, outside.wakers());
            }
            Effect::Consume(queue) | Effect::Cancel(queue) => {
                queue.end(ConsumerEnd::of_channel(cause), outside.wakers());
            }
            Effect::Nothing
            | Effect::RenewChannel
            | Effect::Recover { .. }
            | Effect::Get { .. }
            | Effect::EndTransaction(_) => {}
        }
    }
    outside.drop_bodies();
    outside.fail_requests(slots, cause);
}

/// The connection is over, and with it all channels; `unsent` is what was not written of their
/// publishes.
pub(crate) fn all_ended(
    cause: &ChannelError,
    unsent: &Unwritten,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    for shared in channels.take_all_resting().into_values() {
        let (loss, published) = lost_with_stream(shared.at.channel, cause, unsent, outside);
        shared.end(loss, published, outside.wakers());
        tell_ended_with_connection(shared.at, cause, outside);
    }
    for mut channel in channels.take_all() {
        let at = channel.at();
        let (loss, published) = lost_with_stream(at.channel, cause, unsent, outside);
        channel.end(loss, published, outside.wakers());
        tell_ended_with_connection(at, cause, outside);
    }
}

/// What becomes of the publishes of a channel with the stream, and how many there were.
fn lost_with_stream(
    id: u16,
    cause: &ChannelError,
    unsent: &Unwritten,
    outside: &Outside,
) -> (Loss, u64) {
    let published = outside.outbox().channels().published(id);
    let sent = published.saturating_sub(unsent.of(id));
    (Loss::plain(cause, sent), published)
}

fn tell_ended_with_connection(at: ChannelUse, cause: &ChannelError, outside: &mut Outside) {
    tell_closed(
        at.channel,
        Source::ChannelWithConnection(at),
        cause,
        outside,
    );
}

/// The stream is gone, and another is to follow: nothing that was sent on it has an answer any
/// more. Consumers wait for their deliveries to come again. Gives the channels that are to be opened
/// on the next one.
pub(crate) fn all_lost(
    cause: &ChannelError,
    slots: Vec<Slot>,
    unsent: &Unwritten,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> BTreeMap<u16, Arc<ChannelShared>> {
    let mut lost = channels.take_all_resting();
    for mut channel in channels.take_all() {
        channel.disconnect(cause, outside.wakers());
        let shared = Arc::clone(channel.shared());
        lost.insert(shared.at.channel, shared);
    }
    lost.retain(|&id, shared| {
        let (loss, published) = lost_with_stream(id, cause, unsent, outside);
        let goes_on = outside.outbox().channels().is_in_use(id);
        if goes_on {
            shared.renew(loss, published, outside.wakers());
        } else {
            shared.end(loss, published, outside.wakers());
        }
        goes_on
    });
    give_up_requests(slots, cause, outside);
    lost
}
