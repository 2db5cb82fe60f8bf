//! Methods on channels, and what replies change before their callers see them.

use std::sync::Arc;

use amqp_spec::wire::TypedMethod;
use amqp_spec::{Method, basic, channel};

use super::closes;
use super::connection::unexpected;
use crate::error::{Initiator, Violation};
use crate::proto::channel_use::ChannelUse;
use crate::proto::observe::{Event, Source};
use crate::proto::outside::Outside;
use crate::proto::receive::InChannels;
use crate::proto::receive::content::{self, Announced};
use crate::proto::send::request::Effect;
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::{ConsumerEnd, ConsumerQueue};
use crate::proto::time::clocks::Clocks;

/// A method has come on a channel of a connection that is open.
pub(crate) fn method(
    id: u16,
    method: &Method<'_>,
    payload: &[u8],
    channels: &mut InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) -> Result<(), Violation> {
    // What came before it must be there when it takes effect.
    channels.hand_over(outside);
    if !matches!(method, Method::ChannelClose(_)) {
        channels.check_not_amid_content(id, method.name())?;
    }
    match method {
        // Frames may be late, but an answer on a channel that is not open would be fatal.
        Method::ChannelFlow(_) if !outside.outbox().channels().is_in_use(id) => {
            Err(Violation::UnknownChannel { channel: id })
        }
        Method::ChannelClose(_) if !outside.outbox().channels().is_open_at_broker(id) => {
            Err(Violation::UnknownChannel { channel: id })
        }
        Method::ChannelClose(close) => {
            closes::closed_by_broker(id, close, channels, outside);
            Ok(())
        }
        Method::ChannelFlow(flow) => {
            stop_or_resume(id, flow.active, channels, outside);
            Ok(())
        }
        Method::BasicCancel(cancel) => cancelled_by_broker(id, cancel, channels, outside),
        Method::BasicReturn(returned) => {
            let layout = content::layout_of_return(returned);
            if let Some(channel) = channels.of_frame(id)? {
                channel.announce(Announced::Return, arguments(payload), layout);
            }
            Ok(())
        }
        _ => reply(id, method, payload, channels, clocks, outside),
    }
}

/// What stands behind the method's id.
fn arguments(payload: &[u8]) -> &[u8] {
    payload.get(4..).unwrap_or_default()
}

/// Another method has come: the reply to a request.
fn reply(
    id: u16,
    method: &Method<'_>,
    payload: &[u8],
    channels: &mut InChannels,
    clocks: &mut Clocks,
    outside: &mut Outside,
) -> Result<(), Violation> {
    check_tag(id, method, outside)?;
    let now = outside.now();
    let mut outbox = outside.outbox();
    let slot = outbox.order_mut().take_request(id, method.id(), now);
    let quiet = outbox.order_mut().take_quiet();
    drop(outbox);
    for sent in quiet {
        outside.answered(&sent, &[]);
    }
    let Some(mut slot) = slot else {
        return unasked(id, method, channels, outside);
    };
    outside.shared().trace.reply(id, method.name());
    let effect = std::mem::replace(&mut slot.effect, Effect::Nothing);
    if let (Effect::Get { no_ack }, Method::BasicGetOk(get_ok)) = (&effect, method) {
        // The caller is answered when the message is complete.
        clocks.look_for_fetched(slot.deadline);
        let by = Announced::Get {
            slot,
            payload: payload.to_vec(),
            no_ack: *no_ack,
        };
        if let Some(channel) = channels.of_frame(id)? {
            let layout = content::layout_of_get_ok(get_ok);
            channel.announce(by, arguments(payload), layout);
        }
        return Ok(());
    }
    if let Some(sent) = &slot.sent {
        outside.answered(sent, payload);
    }
    take_effect(id, effect, method, channels, outside)?;
    outside.reply(&slot, payload);
    Ok(())
}

/// No request waits for this reply.
fn unasked(
    id: u16,
    method: &Method<'_>,
    channels: &mut InChannels,
    outside: &Outside,
) -> Result<(), Violation> {
    let is_late =
        method.id() == channel::CloseOk::ID && outside.outbox().channels_mut().forgive_close_ok(id);
    match channels.of_frame(id)? {
        // The channel has been closed; late replies go nowhere.
        None => Ok(()),
        Some(_) if is_late => Ok(()),
        Some(_) => Err(unexpected(id, method.name(), outside)),
    }
}

/// What a reply changes before its caller sees it.
fn take_effect(
    id: u16,
    effect: Effect,
    reply: &Method<'_>,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Result<(), Violation> {
    match (effect, reply) {
        (Effect::RenewChannel, _) => {
            if let Some(shared) = channels.take_resting(id) {
                // Ends up behind what restores the channel, which passes its line.
                shared.send_again(outside.wakers());
                opened(id, shared, channels, outside);
            }
        }
        (Effect::OpenChannel(shared), _) => opened(id, shared, channels, outside),
        (Effect::Consume(queue), Method::BasicConsumeOk(ok)) => {
            outside.shared().trace.consumer_started(id, ok.consumer_tag);
            outside.consumer_started(&queue);
            consumer_started(id, &queue, channels, outside)?;
        }
        (Effect::ConsumeAgain(queue), Method::BasicConsumeOk(ok)) => {
            outside.shared().trace.consumer_started(id, ok.consumer_tag);
            let now = outside.now();
            // At once: the broker may end it again in the same read.
            if queue
                .resubscription()
                .is_some_and(|one| one.subscribed(now))
            {
                outside.shared().totals.resubscriptions.add(1);
            }
            consumer_started(id, &queue, channels, outside)?;
        }
        (Effect::Cancel(queue), _) => cancelled(id, &queue, channels, outside)?,
        (Effect::EndTransaction(ended), _) => {
            if let Some(rolled_back) = ended.rolled_back {
                let _ = rolled_back.set(ended.settled);
            }
        }
        (Effect::Recover { .. }, Method::BasicRecoverOk(_)) => {
            if let Some(channel) = channels.of_frame(id)? {
                let recovered = channel.recovered(outside.wakers());
                outside.outbox().channels_mut().recovered(id, recovered);
            }
        }
        (_, Method::ChannelCloseOk(_)) => closes::closed(id, channels, outside),
        (
            Effect::Nothing
            | Effect::Consume(_)
            | Effect::ConsumeAgain(_)
            | Effect::LimitConsumer
            | Effect::Recover { .. }
            | Effect::Get { .. },
            _,
        ) => {}
    }
    Ok(())
}

/// A reply that names another consumer than was asked for leaves ours waiting for ever.
fn check_tag(id: u16, reply: &Method<'_>, outside: &Outside) -> Result<(), Violation> {
    let consumer_tag = match reply {
        Method::BasicConsumeOk(ok) => ok.consumer_tag,
        Method::BasicCancelOk(ok) => ok.consumer_tag,
        _ => return Ok(()),
    };
    let outbox = outside.outbox();
    let mut requests = outbox
        .channels()
        .requests(id)
        .filter(|slot| slot.has_reply());
    match requests.next().map(|slot| &slot.effect) {
        Some(Effect::Consume(queue) | Effect::ConsumeAgain(queue) | Effect::Cancel(queue))
            if queue.tag.as_bytes() != consumer_tag.as_bytes() =>
        {
            Err(Violation::ConsumerTag {
                method: reply.name(),
                channel: id,
            })
        }
        _ => Ok(()),
    }
}

/// `channel.open-ok` has come.
fn opened(id: u16, shared: Arc<ChannelShared>, channels: &mut InChannels, outside: &Outside) {
    outside
        .outbox()
        .channels_mut()
        .opened(id, shared.delivered());
    channels.open(id, shared);
    outside.shared().trace.channel_opened(id);
}

/// `basic.consume-ok` has come.
fn consumer_started(
    id: u16,
    queue: &Arc<ConsumerQueue>,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Result<(), Violation> {
    let Some(channel) = channels.of_frame(id)? else {
        return Ok(());
    };
    let at = channel.at();
    channel.add_consumer(Arc::clone(queue), outside.now());
    let wanted = outside.outbox().channels_mut().consumer_started(at, queue);
    if !wanted {
        outside.cancel_unawaited(at, queue);
    }
    Ok(())
}

/// `basic.cancel-ok` has come.
fn cancelled(
    id: u16,
    queue: &Arc<ConsumerQueue>,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Result<(), Violation> {
    if let Some(channel) = channels.of_frame(id)? {
        let at = channel.at();
        let removed = channel.remove_consumer(queue.tag.as_bytes());
        outside.outbox().channels_mut().forget_consumer(at, queue);
        if removed.is_some() {
            outside.consumer_ended(queue);
            let by = if queue.is_ended_here() {
                Initiator::Library
            } else {
                Initiator::Application
            };
            tell_cancelled(at, queue, by, outside);
        }
    }
    queue.end(ConsumerEnd::Cancelled, outside.wakers());
    Ok(())
}

/// `basic.cancel` has come.
fn cancelled_by_broker(
    id: u16,
    cancel: &basic::Cancel<'_>,
    channels: &mut InChannels,
    outside: &mut Outside,
) -> Result<(), Violation> {
    let Some(channel) = channels.of_frame(id)? else {
        return Ok(());
    };
    let at = channel.at();
    if let Some(queue) = channel.remove_consumer(cancel.consumer_tag.as_bytes()) {
        tell_cancelled(at, &queue, Initiator::Broker, outside);
        if !subscribes_again(at, &queue, outside) {
            outside.outbox().channels_mut().forget_consumer(at, &queue);
            outside.consumer_ended(&queue);
            queue.end(ConsumerEnd::CancelledByBroker, outside.wakers());
        }
    }
    // RabbitMQ's is always no-wait, and answering it would be fatal.
    if !cancel.no_wait {
        let cancel_ok = basic::CancelOk {
            consumer_tag: cancel.consumer_tag,
        };
        outside.answer_broker(id, |order| order.send(at, &cancel_ok));
    }
    Ok(())
}

/// Whether a consumer that the broker has cancelled goes on, and waits to be asked for again.
fn subscribes_again(at: ChannelUse, queue: &Arc<ConsumerQueue>, outside: &mut Outside) -> bool {
    let Some(resubscription) = queue.resubscription() else {
        return false;
    };
    let mut outbox = outside.outbox();
    let goes_on = !outbox.is_ending()
        && resubscription.cancelled(outside.now())
        && outbox.channels_mut().consumer_waits_again(at, queue);
    drop(outbox);
    if goes_on {
        outside.note_pending(at);
    }
    goes_on
}

fn tell_cancelled(at: ChannelUse, queue: &ConsumerQueue, by: Initiator, outside: &mut Outside) {
    let event = Event::ConsumerCancelled {
        channel: at.channel,
        consumer_tag: queue.tag.clone(),
        by,
    };
    outside.emit(Source::Channel(at), &event);
    let tag = queue.tag.as_ref();
    outside
        .shared()
        .trace
        .consumer_cancelled(at.channel, tag, by);
}

/// `channel.flow` has come: the broker asks for content, or for none. What was handed over before
/// goes on, and the answer behind it: nothing of a channel may stand amid its content.
fn stop_or_resume(id: u16, active: bool, channels: &InChannels, outside: &mut Outside) {
    let changed = outside.outbox().flow(id, active);
    let Some(channel) = channels.get(id) else {
        return;
    };
    let at = channel.at();
    outside.answer_broker(id, |order| order.send(at, &channel::FlowOk { active }));
    if changed {
        outside.shared().trace.flow(id, active);
        let event = Event::ChannelFlow {
            channel: id,
            active,
        };
        outside.emit(Source::Channel(at), &event);
    }
}
