//! Everything that comes rarely: the handshake, replies, closes, cancels, returns.

use std::sync::Arc;
use std::time::Instant;

use amqp_spec::frame::Frame;
use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{Method, basic, channel, connection};

use crate::error::{BrokerClose, ChannelError, ConnectionError, Initiator, Provoker, Violation};
use crate::message::{Incoming, Settlement};
use crate::proto::channel_use::ChannelUse;
use crate::proto::core::Core;
use crate::proto::observe::{Event, Source};
use crate::proto::opening::handshake::Step;
use crate::proto::phase::Phase;
use crate::proto::receive::channel::InChannel;
use crate::proto::receive::content;
use crate::proto::receive::content::Target;
use crate::proto::send::outbox::{Outbox, Refused, Wake};
use crate::proto::send::request::{Barrier, Effect, Reply, Slot};
use crate::proto::shared::channel::ChannelShared;
use crate::proto::shared::consumer::{ConsumerQueue, End};
use crate::proto::time::after;

impl Core {
    #[cold]
    pub(crate) fn method(&mut self, frame: &Frame<'_>, now: Instant) -> Result<(), Violation> {
        let method = Method::decode(frame.payload).map_err(Violation::Decode)?;
        if frame.channel == 0 {
            return self.connection_method(&method, frame.payload, now);
        }
        if self.phase != Phase::Open {
            return Err(Violation::UnknownChannel {
                channel: frame.channel,
            });
        }
        self.channel_method(frame.channel, &method, frame.payload)
    }

    // ── Channel 0 ───────────────────────────────────────────────────────────────────────────

    fn connection_method(
        &mut self,
        method: &Method<'_>,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Violation> {
        match (self.phase, method) {
            (_, Method::ConnectionClose(close)) => {
                self.closed_by_broker(close);
                Ok(())
            }
            (Phase::Opening, _) => self.handshake(method, now),
            (_, Method::ConnectionCloseOk(_)) => self.close_ok(),
            (_, Method::ConnectionBlocked(blocked)) => {
                let reason = String::from_utf8_lossy(blocked.reason.as_bytes());
                self.blocked(&Arc::from(reason));
                Ok(())
            }
            (_, Method::ConnectionUnblocked(_)) => {
                self.unblocked();
                Ok(())
            }
            _ => {
                let slot = self.shared.outbox().take_request(0, method.id(), self.now);
                let slot = slot.ok_or_else(|| self.unexpected(0, method.name()))?;
                self.shared.trace.reply(0, method.name());
                self.answer(&slot, payload);
                Ok(())
            }
        }
    }

    /// A method of the handshake has come.
    fn handshake(&mut self, method: &Method<'_>, now: Instant) -> Result<(), Violation> {
        let all_taken = self.transmit.is_empty() && self.shared.outbox().queued() == 0;
        match self.handshake.method(method, all_taken)? {
            Step::Answer(frame) => self.shared.outbox().push_secret(frame),
            Step::Tuned { limits, frames } => {
                self.shared.set_limits(limits);
                self.clocks.start_heartbeat(limits.heartbeat, now);
                for frame in &frames {
                    self.shared.outbox().push_raw(frame);
                }
            }
            Step::Opened => {
                self.phase = Phase::Open;
                self.clocks.opened();
                self.shared.trace.opened(self.shared.limits());
                self.handshake.succeed();
            }
            Step::GivenUp => self.lost(ConnectionError::Closed),
        }
        Ok(())
    }

    fn closed_by_broker(&mut self, close: &connection::Close<'_>) {
        let method = MethodId::new(close.class_id, close.method_id);
        let (about, answers) = if method == connection::Open::ID {
            (Provoker::of(&self.handshake.about_open()), Vec::new())
        } else {
            self.shared.outbox().provoker(0, method)
        };
        let text = close.reply_text.as_bytes();
        let (close, provoked) = BrokerClose::new(0, close.reply_code, text, method, &about);
        let cause = ConnectionError::ClosedByBroker(Arc::new(close));
        self.accuse(provoked, &answers, &ChannelError::Connection(cause.clone()));
        self.end(cause);
        let close_ok = connection::CloseOk {}.to_frame(0);
        self.shared.outbox().push_raw(&close_ok);
    }

    fn close_ok(&mut self) -> Result<(), Violation> {
        let Some(slot) = self
            .shared
            .outbox()
            .take_request(0, connection::CloseOk::ID, self.now)
        else {
            return Err(self.unexpected(0, connection::CloseOk::NAME));
        };
        let reply = Reply {
            payload: Vec::new(),
            message: None,
        };
        let _ = slot.answer.settle(Ok(reply), &mut self.wakers);
        self.lost(ConnectionError::Closed);
        Ok(())
    }

    // ── Channels ────────────────────────────────────────────────────────────────────────────

    fn channel_method(
        &mut self,
        id: u16,
        method: &Method<'_>,
        payload: &[u8],
    ) -> Result<(), Violation> {
        // What came before it must be there when it takes effect.
        self.hand_over();
        if !matches!(method, Method::ChannelClose(_)) {
            self.check_not_amid_content(id, method.name())?;
        }
        match method {
            // Frames may be late, but an answer on a channel that is not open would be fatal.
            Method::ChannelFlow(_) if !self.shared.outbox().is_in_use(id) => {
                Err(Violation::UnknownChannel { channel: id })
            }
            Method::ChannelClose(_) if !self.shared.outbox().is_open_at_broker(id) => {
                Err(Violation::UnknownChannel { channel: id })
            }
            Method::ChannelClose(close) => {
                self.channel_closed_by_broker(id, close);
                Ok(())
            }
            Method::ChannelFlow(flow) => {
                self.flow(id, flow.active);
                Ok(())
            }
            Method::BasicCancel(cancel) => self.cancelled_by_broker(id, cancel),
            Method::BasicReturn(returned) => {
                let at = content::layout_of_return(returned);
                let Some(channel) = self.in_channel(id)? else {
                    return Ok(());
                };
                channel
                    .content
                    .announce(Target::Return, payload.get(4..).unwrap_or_default(), at);
                Ok(())
            }
            _ => self.reply(id, method, payload),
        }
    }

    fn reply(&mut self, id: u16, method: &Method<'_>, payload: &[u8]) -> Result<(), Violation> {
        self.check_tag(id, method)?;
        let Some(mut slot) = self.shared.outbox().take_request(id, method.id(), self.now) else {
            let is_late =
                method.id() == channel::CloseOk::ID && self.shared.outbox().forgive_close_ok(id);
            return match self.in_channel(id)? {
                // The channel has been closed; late replies go nowhere.
                None => Ok(()),
                Some(_) if is_late => Ok(()),
                Some(_) => Err(self.unexpected(id, method.name())),
            };
        };
        self.shared.trace.reply(id, method.name());
        match (std::mem::replace(&mut slot.effect, Effect::Nothing), method) {
            (Effect::Get { no_ack }, Method::BasicGetOk(get_ok)) => {
                let at = content::layout_of_get_ok(get_ok);
                self.clocks.look_for_fetched(slot.deadline);
                let target = Target::Get {
                    slot,
                    payload: payload.to_vec(),
                    no_ack,
                };
                if let Some(channel) = self.in_channel(id)? {
                    channel
                        .content
                        .announce(target, payload.get(4..).unwrap_or_default(), at);
                }
                return Ok(());
            }
            (Effect::RenewChannel, _) => {
                if let Some(shared) = self.resting.remove(&id) {
                    self.open_channel(id, shared);
                }
            }
            (Effect::OpenChannel(shared), _) => self.open_channel(id, shared),
            (Effect::Consume(queue), Method::BasicConsumeOk(ok)) => {
                self.shared.trace.consumer_started(id, ok.consumer_tag);
                let now = self.now;
                if let Some(channel) = self.in_channel(id)? {
                    let at = channel.shared.at;
                    channel.add_consumer(Arc::clone(&queue), now);
                    let wanted = self.shared.outbox().consumer_started(at, &queue);
                    if !wanted {
                        self.cancel_for_nobody(at, &queue);
                    }
                }
            }
            (Effect::Cancel(queue), _) => {
                if let Some(channel) = self.in_channel(id)? {
                    let at = channel.shared.at;
                    let removed = channel.remove_consumer(queue.tag.as_bytes());
                    self.shared.outbox().forget_consumer(at, &queue);
                    if removed.is_some() {
                        let by = if queue.is_ended_here() {
                            Initiator::Library
                        } else {
                            Initiator::Application
                        };
                        self.consumer_cancelled(at, &queue, by);
                    }
                }
                queue.end(End::Cancelled, &mut self.wakers);
            }
            (Effect::EndTransaction(ended), _) => {
                if let Some(rolled_back) = ended.rolled_back {
                    let _ = rolled_back.set(ended.settled);
                }
            }
            (Effect::Recover { .. }, Method::BasicRecoverOk(_)) => {
                if let Some(channel) = self.in_channel(id)? {
                    let recovered = channel.recovered();
                    self.shared.outbox().recovered(id, recovered);
                }
            }
            (_, Method::ChannelCloseOk(_)) => self.channel_closed(id),
            (
                Effect::Nothing | Effect::Consume(_) | Effect::Recover { .. } | Effect::Get { .. },
                _,
            ) => {}
        }
        self.answer(&slot, payload);
        Ok(())
    }

    /// `channel.open-ok` has come.
    fn open_channel(&mut self, id: u16, shared: Arc<ChannelShared>) {
        self.shared.outbox().channel_opened(id);
        let index = usize::from(id);
        if self.channels.len() <= index {
            self.channels.resize_with(index + 1, || None);
        }
        let strays = self.strays.remove(&id);
        if let Some(channel) = self.channels.get_mut(index) {
            *channel = Some(Box::new(InChannel::new(shared, strays)));
        }
        self.shared.trace.channel_opened(id);
    }

    /// Nothing was asked that this method answers.
    fn unexpected(&self, channel: u16, method: &'static str) -> Violation {
        let outbox = self.shared.outbox();
        let asked = outbox.requests(channel).find(|slot| slot.has_reply());
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

    /// The frames of a content follow each other on their channel (AMQP 0-9-1 §4.2.6).
    pub(crate) fn check_not_amid_content(
        &self,
        id: u16,
        method: &'static str,
    ) -> Result<(), Violation> {
        match self.channels.get(usize::from(id)) {
            Some(Some(channel)) if !channel.content.is_idle() => {
                let expected = channel.content.expected();
                Err(Violation::content(id, method, expected))
            }
            _ => Ok(()),
        }
    }

    /// A reply that names another consumer than was asked for leaves ours waiting for ever.
    fn check_tag(&self, id: u16, reply: &Method<'_>) -> Result<(), Violation> {
        let consumer_tag = match reply {
            Method::BasicConsumeOk(ok) => ok.consumer_tag,
            Method::BasicCancelOk(ok) => ok.consumer_tag,
            _ => return Ok(()),
        };
        let outbox = self.shared.outbox();
        let mut requests = outbox.requests(id).filter(|slot| slot.has_reply());
        match requests.next().map(|slot| &slot.effect) {
            Some(Effect::Consume(queue) | Effect::Cancel(queue))
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

    fn answer(&mut self, slot: &Slot, payload: &[u8]) {
        let reply = Reply {
            payload: payload.to_vec(),
            message: None,
        };
        // A caller that has gone has left the effect to be undone, which has been done.
        let _ = slot.answer.settle(Ok(reply), &mut self.wakers);
    }

    /// The reply to `basic.get` is complete.
    pub(crate) fn got(
        &mut self,
        id: u16,
        slot: &Slot,
        payload: Vec<u8>,
        message: Incoming,
        no_ack: bool,
    ) {
        self.shared.totals.got.add(1);
        let reply = Reply {
            payload,
            message: Some(message),
        };
        if let (Ok(get_ok), Some(Some(channel))) = (
            basic::GetOk::decode(&reply.payload),
            self.channels.get_mut(usize::from(id)),
        ) {
            channel.note_delivered(get_ok.delivery_tag);
        }
        let unseen = slot.answer.settle(Ok(reply), &mut self.wakers);
        let (Err(Ok(reply)), false) = (unseen, no_ack) else {
            return;
        };
        if let Ok(get_ok) = basic::GetOk::decode(&reply.payload) {
            // Nobody will ever settle it, so that it would be stuck until the channel closes.
            self.requeue(id, get_ok.delivery_tag);
        }
    }

    /// The broker asks for content, or for none. What was handed over before goes on, and the answer
    /// behind it: nothing of a channel may stand amid its content.
    fn flow(&mut self, id: u16, active: bool) {
        let changed = self.shared.outbox().flow(id, active);
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return;
        };
        let at = channel.shared.at;
        self.answer_broker(id, |outbox| outbox.send(at, &channel::FlowOk { active }));
        if changed {
            self.shared.trace.flow(id, active);
            let event = Event::ChannelFlow {
                channel: id,
                active,
            };
            self.emit(Source::Channel(at), &event);
        }
    }

    fn cancelled_by_broker(
        &mut self,
        id: u16,
        cancel: &basic::Cancel<'_>,
    ) -> Result<(), Violation> {
        let Some(channel) = self.in_channel(id)? else {
            return Ok(());
        };
        let at = channel.shared.at;
        if let Some(queue) = channel.remove_consumer(cancel.consumer_tag.as_bytes()) {
            self.shared.outbox().forget_consumer(at, &queue);
            queue.end(End::CancelledByBroker, &mut self.wakers);
            self.consumer_cancelled(at, &queue, Initiator::Broker);
        }
        // RabbitMQ's is always no-wait, and answering it would be fatal.
        if !cancel.no_wait {
            let cancel_ok = basic::CancelOk {
                consumer_tag: cancel.consumer_tag,
            };
            self.answer_broker(id, |outbox| outbox.send(at, &cancel_ok));
        }
        Ok(())
    }

    pub(crate) fn returned(&mut self, id: u16, message: Incoming) {
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return;
        };
        self.shared.totals.returned.add(1);
        let at = channel.shared.at;
        let fingerprint = message.fingerprint();
        let mut confirms = channel.shared.confirms();
        let claimed = self
            .shared
            .outbox()
            .claim_returned(id, fingerprint, |number| !confirms.is_resolved(number));
        let unclaimed = match claimed {
            Some(number) => confirms.returned(number, Box::new(message)),
            None => Some(Box::new(message)),
        };
        drop(confirms);
        if let Some(message) = unclaimed {
            self.shared.returned(at, *message, &mut self.wakers);
        }
    }

    fn consumer_cancelled(&mut self, at: ChannelUse, queue: &ConsumerQueue, by: Initiator) {
        let event = Event::ConsumerCancelled {
            channel: at.channel,
            consumer_tag: queue.tag.clone(),
            by,
        };
        self.emit(Source::Channel(at), &event);
        let tag = queue.tag.as_ref();
        self.shared.trace.consumer_cancelled(at.channel, tag, by);
    }

    // ── What nobody waits for ───────────────────────────────────────────────────────────────

    /// A delivery for a consumer that is not there: either `consume-ok` is still to come, or the
    /// consumer was cancelled a moment ago.
    pub(crate) fn deliver_to_nobody(
        &mut self,
        id: u16,
        tag: &[u8],
        message: Incoming,
        delivery_tag: u64,
        redelivered: bool,
    ) {
        let now = self.now;
        // Adding a consumer moves others, whose positions are remembered until then; and the numbers
        // of all deliveries before this one are to be known.
        self.hand_over_deliveries();
        let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        if channel.is_suspect(tag, now) {
            return self.deliver_to_suspect(id, tag, message, delivery_tag, redelivered);
        }
        if !self.find_late(id, tag, delivery_tag) {
            return;
        }
        let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
            return;
        };
        if let Some(at) = channel.gather_for(tag, message, delivery_tag, redelivered) {
            self.dirty.push((id, at));
        }
    }

    /// Whether a consumer whose `consume-ok` is still to come has this tag: from here on it is there.
    /// If not, the delivery has been given back where that is safe.
    pub(crate) fn find_late(&mut self, id: u16, tag: &[u8], delivery_tag: u64) -> bool {
        let now = self.now;
        let Some(Some(channel)) = self.channels.get_mut(usize::from(id)) else {
            return false;
        };
        let is_stray = channel.may_be_stray(tag, now);
        let expected = self
            .shared
            .outbox()
            .requests(id)
            .find_map(|slot| match &slot.effect {
                Effect::Consume(queue) if queue.tag.as_bytes() == tag => Some(Arc::clone(queue)),
                _ => None,
            })
            .filter(|_| !is_stray);
        match expected {
            Some(queue) => channel.add_consumer(queue, now),
            // To settle one that need not be acknowledged would cost the channel, and so would one of
            // an earlier use of its id. Where it is not known, it stays unsettled, and comes back
            // when the channel closes.
            None if channel.find(tag).is_none() => {
                if is_stray && !channel.continues(delivery_tag) {
                    return false;
                }
                if channel.is_ours(tag) {
                    channel.note_delivered(delivery_tag);
                    if self.is_manual(id, tag) {
                        self.requeue(id, delivery_tag);
                    }
                }
                return false;
            }
            None => {}
        }
        true
    }

    /// Whether deliveries with this tag, which nobody knows, have to be acknowledged for certain.
    fn is_manual(&self, id: u16, tag: &[u8]) -> bool {
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return false;
        };
        match channel.was_manual(tag) {
            Some(manual) => manual,
            // Who has only ever asked for deliveries to be acknowledged gets no others.
            None => {
                let outbox = self.shared.outbox();
                let mut requests = outbox.requests(id);
                requests.all(|slot| match &slot.effect {
                    Effect::Consume(queue) => !queue.no_ack,
                    _ => true,
                })
            }
        }
    }

    /// Gives a delivery back to the broker.
    pub(crate) fn requeue(&mut self, id: u16, delivery_tag: u64) {
        let Some(Some(channel)) = self.channels.get(usize::from(id)) else {
            return;
        };
        let at = channel.shared.at;
        let requeue = Settlement::Nack { requeue: true };
        self.answer_broker(id, |outbox| outbox.settle(at, delivery_tag, requeue));
    }

    /// Cancels a consumer without anybody who waits for it.
    pub(crate) fn cancel_for_nobody(&mut self, at: ChannelUse, queue: &Arc<ConsumerQueue>) {
        let slot = Slot {
            expects: <basic::CancelOk<'static> as amqp_spec::wire::Reply<'static>>::IDS,
            name: basic::Cancel::NAME,
            barrier: Barrier::Requests,
            deadline: after(self.now, self.shared.request_timeout),
            overdue: false,
            since: self.now,
            end: None,
            after: 0,
            effect: Effect::Cancel(Arc::clone(queue)),
            answer: Arc::default(),
        };
        let queued = self.shared.outbox().cancel(at, queue, slot);
        if let Some(Ok(wake)) = queued {
            wake.not_amid_a_turn();
        }
    }

    /// Queues what the broker makes us say.
    pub(crate) fn answer_broker(
        &mut self,
        id: u16,
        queue: impl FnOnce(&mut Outbox) -> Result<Wake, Refused>,
    ) {
        let (wake, too_many) = self.shared.outbox().answer(id, queue);
        wake.not_amid_a_turn();
        if too_many {
            self.unanswerable = Some(id);
        }
    }
}
