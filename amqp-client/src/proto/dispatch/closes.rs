//! The ends of channels: what the broker objects to, what is told to which operation, and what
//! rests until it is opened anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel, connection, frame};

use crate::error::{BrokerClose, ChannelError};
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::send::outbox::{GivenUp, LostRequests, Overdue};
use crate::proto::send::request::{Answer, Effect, Slot};
use crate::proto::send::unwritten::Unwritten;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue, LostStream};
use crate::proto::shared::lost::{Loss, Suspects};
use crate::proto::shutdown::closed_by_the_application;

/// `channel.close-ok` has come.
pub(super) fn closed(id: u16, channels: &mut InChannels, outside: &mut Outside) {
    let mut outbox = outside.outbox();
    let not_back = outbox.channels().not_back(id);
    let slots = outbox.channel_closed(id);
    // What was accepted stood before our close.
    let sent = outbox.channels().published(id);
    drop(outbox);
    let loss = Loss::plain(&ChannelError::Closed, sent);
    forget(id, slots, loss, channels, outside);
    end_not_back(not_back, &ChannelError::Closed, outside);
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
    if outside.outbox().channels().is_restoring(id) {
        lost_again(id, &error, channels, outside);
        return;
    }
    let provoked = provoked.and_then(|provoked| answers.get(provoked));
    let rests = outside.outbox().channel_rests(id);
    if let Some((slots, sent, wake)) = rests {
        wake.not_amid_a_turn();
        let suspects = suspects(id, sent, &close, &slots, provoked, channels, outside);
        let loss = Loss::new(&error, sent, suspects);
        rest(id, slots, loss, channels, outside);
        return;
    }
    let is_ending = outside.outbox().is_ending();
    // Callers that the outbox refuses from here on are told why.
    if let Some(channel) = channels.get(id) {
        channel.shared().set_ended(&error);
        let consumers = channel.shared().consumers();
        for queue in consumers.iter().filter(|_| !is_ending) {
            queue.channel_closes(outside.now());
        }
    }
    if let Some(shared) = channels.resting(id) {
        shared.set_ended(&error);
    }
    let not_back = outside.outbox().channels().not_back(id);
    let (slots, sent, wake) = outside.outbox().channel_closed_by_broker(id);
    wake.not_amid_a_turn();
    let suspects = suspects(id, sent, &close, &slots, provoked, channels, outside);
    let loss = Loss::new(&error, sent, suspects);
    end_not_back(not_back, &error, outside);
    forget(id, slots, loss, channels, outside);
}

/// The broker has closed a channel over a request that restores it: that request has been told, and
/// the channel is lost once more.
fn lost_again(id: u16, cause: &ChannelError, channels: &mut InChannels, outside: &mut Outside) {
    let lost = outside.outbox().channel_lost_again(id);
    if let Some(mut channel) = channels.close(id, true, outside) {
        drop(channel.disconnect(cause, outside.wakers()));
        channel.shared().confirms().not_sent_again();
        channels.rest(Arc::clone(channel.shared()));
    }
    end_unwanted(lost.unwanted, outside);
    conclude(lost.done, outside);
    outside.fail_requests(lost.cut, &ChannelError::TransactionLost);
    outside.fail_requests(lost.failed, cause);
}

/// Consumers that were pending have no channel any more.
fn end_not_back(queues: Vec<Arc<ConsumerQueue>>, cause: &ChannelError, outside: &mut Outside) {
    for queue in &queues {
        outside.consumer_ended(queue);
    }
    end_consumers(queues, cause, outside);
}

/// Consumers that were being cancelled have gone with their channel.
fn end_unwanted(unwanted: Vec<Arc<ConsumerQueue>>, outside: &mut Outside) {
    for queue in unwanted {
        outside.consumer_ended(&queue);
        queue.end(ConsumerEnd::Cancelled, outside.wakers());
    }
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
    conclude(overdue.done, outside);
    for slot in overdue.dropped {
        if let Effect::Consume(queue) = slot.effect {
            queue.end(ConsumerEnd::Cancelled, outside.wakers());
        }
    }
    for given_up in overdue.given_up {
        let GivenUp {
            id,
            slots,
            consumers,
            sent,
            cause,
        } = given_up;
        if channels.get(id).is_none() {
            forget_started(&consumers, &slots, outside);
        }
        end_consumers(consumers, &cause, outside);
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
        for queue in channel.queues() {
            outside.consumer_ended(queue);
        }
        channel.end(loss, published, outside.wakers());
        Some(Arc::clone(channel.shared()))
    } else {
        let resting = channels.take_resting(id);
        resting.inspect(|shared| shared.end(loss, published, outside.wakers()))
    };
    let ended = ended.filter(|ended| !ended.is_internal);
    if let Some(at) = ended.as_ref().map(|ended| ended.at) {
        tell_closed(id, Source::Channel(at), &cause, outside);
        outside.shared().trace.channel_closed(id, &cause);
    }
    let (shared, wakers) = outside.split();
    shared.outbox().room_mut().call_those_of(id, wakers);
    let opening = slots.iter().find_map(|slot| match &slot.effect {
        Effect::OpenChannel(shared) => Some(Arc::clone(shared)),
        _ => None,
    });
    give_up_requests(slots, &cause, outside);
    let closed = outside.outbox().channels_mut().take_closed(id);
    if let Some(shared) = ended.or(opening).filter(|_| by_broker) {
        // Behind all else: from here on it may be opened again.
        shared.set_closed(closed.unwrap_or_default());
        if shared.resting_consumers().next().is_some() {
            outside.note_closed(shared);
        }
    }
}

/// What these requests were to end has ended without them.
fn conclude(slots: Vec<Slot>, outside: &mut Outside) {
    for slot in slots {
        if let Effect::Cancel(queue) = &slot.effect {
            outside.consumer_ended(queue);
        }
        if let Effect::Consume(queue) | Effect::Cancel(queue) = &slot.effect {
            queue.end(ConsumerEnd::Cancelled, outside.wakers());
        }
        slot.done(outside.wakers());
    }
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
        shared.send_again(outside.wakers());
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
            | Effect::ConsumeAgain(_)
            | Effect::LimitConsumer
            | Effect::RenewChannel
            | Effect::Recover { .. }
            | Effect::Get { .. }
            | Effect::EndTransaction(_) => {}
        }
    }
    outside.drop_bodies();
    outside.fail_requests(slots, cause);
}

/// The connection is over, and with it all channels, and the `consumers` that waited for another
/// stream; `unsent` is what was not written of their publishes.
pub(crate) fn all_ended(
    cause: &ChannelError,
    consumers: Vec<Arc<ConsumerQueue>>,
    unsent: &Unwritten,
    channels: &mut InChannels,
    outside: &mut Outside,
) {
    end_consumers(consumers, cause, outside);
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
/// more, but for what is asked once more there. Consumers wait for their deliveries to come again.
/// Says how many do not, which had come in part.
pub(crate) fn all_lost(
    cause: &ChannelError,
    lost: LostRequests,
    unsent: &Unwritten,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> u64 {
    let mut shareds = channels.take_all_resting();
    let mut no_ack_unread = 0;
    let mut consumers = BTreeMap::new();
    for mut channel in channels.take_all() {
        no_ack_unread += u64::from(channel.is_amid_no_ack_delivery());
        let shared = Arc::clone(channel.shared());
        let active = channel.disconnect(cause, outside.wakers());
        consumers.insert(shared.at.channel, active);
        shareds.insert(shared.at.channel, shared);
    }
    shareds.retain(|&id, shared| {
        let cause = if lost.closed.contains(&id) {
            &ChannelError::Closed
        } else {
            cause
        };
        let (loss, published) = lost_with_stream(id, cause, unsent, outside);
        let goes_on = outside.outbox().channels().is_in_use(id);
        let active = consumers.remove(&id).unwrap_or_default();
        if goes_on {
            // None of them comes back any more.
            outside.outbox().channels_mut().answered(id, published);
            shared.lose_stream(loss, published, outside.wakers());
            // Behind that, which knows more of what was not sent.
            lose_stream(&active, published, cause, outside);
        } else {
            shared.end(loss, published, outside.wakers());
            end_consumers(active, cause, outside);
            if !shared.is_internal {
                tell_closed(id, Source::Channel(shared.at), cause, outside);
            }
        }
        goes_on
    });
    let asked: Vec<_> = lost.failed.iter().chain(&lost.done).collect();
    forget_started(&lost.consumers, asked, outside);
    end_unwanted(lost.unwanted, outside);
    end_consumers(lost.consumers, cause, outside);
    conclude(lost.done, outside);
    outside.fail_requests(lost.cut, &ChannelError::TransactionLost);
    for slot in &lost.failed {
        if let Some(sent) = &slot.sent {
            outside.unanswered(sent);
        }
    }
    give_up_requests(lost.failed, cause, outside);
    channels.rest_all(shareds);
    no_ack_unread
}

/// Tells consumers that the publishes of their channel up to this number have no answer any more.
fn lose_stream(
    consumers: &[Arc<ConsumerQueue>],
    upto: u64,
    cause: &ChannelError,
    outside: &mut Outside,
) {
    let ChannelError::Connection(cause) = cause else {
        return;
    };
    for queue in consumers {
        let cause = cause.for_bystander();
        queue.lose_stream(LostStream { upto, cause }, outside.wakers());
    }
}

/// Our `connection.close`, where its answer decides nothing: with what the program gives as its
/// reason. `None` if it has been said.
pub(crate) fn farewell(outside: &Outside) -> Option<Vec<u8>> {
    let outbox = outside.outbox();
    if outbox.order().is_closing() {
        return outbox.order().farewell().map(<[u8]>::to_vec);
    }
    let (reply_code, reply_text) = closed_by_the_application();
    let close = connection::Close {
        reply_code: reply_code.0,
        reply_text,
        ..connection::Close::default()
    };
    let mut frame = Vec::new();
    // Nothing in it is long.
    let _ = frame::encode_method(&mut frame, 0, &close, usize::MAX);
    Some(frame)
}

/// Of these consumers, which wait for a stream, those that are not among what was asked for had been
/// started on an earlier one.
fn forget_started<'s>(
    consumers: &[Arc<ConsumerQueue>],
    asked: impl IntoIterator<Item = &'s Slot>,
    outside: &mut Outside,
) {
    let asked = asked.into_iter().filter_map(|slot| match &slot.effect {
        Effect::Consume(queue) => Some(queue),
        _ => None,
    });
    let asked: Vec<_> = asked.collect();
    for queue in consumers {
        if !asked.iter().any(|asked| Arc::ptr_eq(asked, queue)) {
            outside.consumer_ended(queue);
        }
    }
}

/// Ends consumers that wait for a stream.
fn end_consumers(consumers: Vec<Arc<ConsumerQueue>>, cause: &ChannelError, outside: &mut Outside) {
    for queue in consumers {
        queue.end(ConsumerEnd::of_channel(cause), outside.wakers());
    }
}
