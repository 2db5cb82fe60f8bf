//! The ends of channels: what the broker objects to, what is told to which operation, and what rests
//! until it is opened anew.

use std::sync::Arc;

use amqp_spec::wire::{MethodId, TypedMethod};
use amqp_spec::{basic, channel};

use crate::error::{BrokerClose, ChannelError};
use crate::proto::core::Core;
use crate::proto::observe::{Event, Source};
use crate::proto::send::outbox::{GivenUp, Overdue};
use crate::proto::send::request::{Answer, Effect, Slot};
use crate::proto::shared::consumer::End;
use crate::proto::shared::lost::{Loss, Suspects};

impl Core {
    pub(crate) fn channel_closed(&mut self, id: u16) {
        let mut outbox = self.shared.outbox();
        let slots = outbox.channel_closed(id);
        // What was accepted stood before our close.
        let sent = outbox.published(id);
        drop(outbox);
        self.forget_channel(id, slots, Loss::plain(&ChannelError::Closed, sent));
    }

    pub(crate) fn channel_closed_by_broker(&mut self, id: u16, close: &channel::Close<'_>) {
        let method = MethodId::new(close.class_id, close.method_id);
        let (about, answers) = self.shared.outbox().provoker(id, method);
        let text = close.reply_text.as_bytes();
        let (close, provoked) = BrokerClose::new(id, close.reply_code, text, method, &about);
        let close = Arc::new(close);
        let error = ChannelError::ClosedByBroker(Arc::clone(&close));
        self.accuse(provoked, &answers, &error);
        let provoked = provoked.and_then(|provoked| answers.get(provoked));
        let rests = self.shared.outbox().channel_rests(id);
        if let Some((slots, sent, wake)) = rests {
            wake.not_amid_a_turn();
            let suspects = self.suspects(id, sent, &close, &slots, provoked);
            self.rest_channel(id, slots, Loss::new(&error, sent, suspects));
            return;
        }
        // Callers that the outbox refuses from here on are told why.
        if let Some(Some(channel)) = self.channels.get(usize::from(id)) {
            channel.shared.set_ended(&error);
        }
        if let Some(shared) = self.resting.get(&id) {
            shared.set_ended(&error);
        }
        let (slots, sent, wake) = self.shared.outbox().channel_closed_by_broker(id);
        wake.not_amid_a_turn();
        let suspects = self.suspects(id, sent, &close, &slots, provoked);
        self.forget_channel(id, slots, Loss::new(&error, sent, suspects));
    }

    /// Which publishes may have provoked the close, or stand behind what has.
    fn suspects(
        &self,
        id: u16,
        sent: u64,
        close: &BrokerClose,
        slots: &[Slot],
        provoked: Option<&Arc<Answer>>,
    ) -> Suspects {
        if let Some(provoked) = provoked {
            let is_it = |slot: &&Slot| Arc::ptr_eq(&slot.answer, provoked);
            let slot = slots.iter().find(is_it);
            return slot.map_or(Suspects::Unknown, |slot| Suspects::Behind(slot.after));
        }
        let is_about_a_publish = close.method == Some(basic::Publish::ID);
        let Some(Some(channel)) = self
            .channels
            .get(usize::from(id))
            .filter(|_| is_about_a_publish)
        else {
            return Suspects::Unknown;
        };
        let confirms = channel.shared.confirms();
        let unanswered = (confirms.resolved() + 1..=sent).filter(|n| !confirms.is_resolved(*n));
        let outbox = self.shared.outbox();
        outbox.suspects(id, close.entity.as_ref(), unanswered)
    }

    /// Tells the one request that the broker objects to; all others are bystanders.
    pub(crate) fn accuse(
        &mut self,
        provoked: Option<usize>,
        answers: &[Arc<Answer>],
        error: &ChannelError,
    ) {
        if let Some(answer) = provoked.and_then(|provoked| answers.get(provoked)) {
            let _ = answer.settle(Err(error.clone()), &mut self.wakers);
        }
    }

    /// Undoes what was reserved for requests that are never sent, and ends the channels that are given
    /// up.
    pub(crate) fn dispose_of(&mut self, overdue: Overdue) {
        for slot in overdue.dropped {
            if let Effect::Consume(queue) = slot.effect {
                queue.end(End::Cancelled, &mut self.wakers);
            }
        }
        for given_up in overdue.given_up {
            let GivenUp {
                id,
                slots,
                sent,
                cause,
            } = given_up;
            self.forget_channel(id, slots, Loss::plain(&cause, sent));
        }
    }

    /// The channel is over. What the broker objected to, if anything, has been told.
    pub(crate) fn forget_channel(&mut self, id: u16, slots: Vec<Slot>, loss: Loss) {
        let error = &loss.cause.clone();
        let published = self.shared.outbox().published(id);
        if let Some(mut channel) = self
            .channels
            .get_mut(usize::from(id))
            .and_then(Option::take)
        {
            // After a close of ours RabbitMQ sends nothing more.
            if matches!(error, ChannelError::ClosedByBroker(_)) {
                self.strays
                    .extend(channel.leave(self.now).map(|left| (id, left)));
            }
            channel.end(loss, published, &mut self.wakers);
            let event = Event::ChannelClosed {
                channel: id,
                cause: error.clone(),
            };
            self.emit(Source::Channel(channel.shared.at), &event);
            self.shared.trace.channel_closed(id, error);
        } else if let Some(shared) = self.resting.remove(&id) {
            let at = shared.at;
            shared.end(loss, published, &mut self.wakers);
            let event = Event::ChannelClosed {
                channel: id,
                cause: error.clone(),
            };
            self.emit(Source::Channel(at), &event);
            self.shared.trace.channel_closed(id, error);
        }
        self.shared.outbox().take_waiters(id, &mut self.wakers);
        self.give_up_requests(id, slots, error);
    }

    /// The broker has closed the channel of a publisher, which is opened anew: what it has sent has no
    /// answer any more, and what it has not goes on.
    fn rest_channel(&mut self, id: u16, slots: Vec<Slot>, loss: Loss) {
        let error = &loss.cause.clone();
        let channel = self.channels.get_mut(usize::from(id));
        if let Some(mut channel) = channel.and_then(Option::take) {
            let left = channel.leave(self.now).map(|left| (id, left));
            self.strays.extend(left);
            let shared = Arc::clone(&channel.shared);
            channel.rest(loss, &mut self.wakers);
            let event = Event::ChannelRenewed {
                channel: id,
                cause: error.clone(),
            };
            self.emit(Source::Channel(shared.at), &event);
            self.shared.trace.channel_renewed(id, error);
            self.resting.insert(id, shared);
        }
        self.give_up_requests(id, slots, error);
    }

    /// The requests of a channel have no reply any more.
    fn give_up_requests(&mut self, id: u16, slots: Vec<Slot>, error: &ChannelError) {
        let published = self.shared.outbox().published(id);
        for slot in &slots {
            match &slot.effect {
                Effect::OpenChannel(shared) => {
                    shared.end(Loss::plain(error, 0), published, &mut self.wakers);
                }
                Effect::Consume(queue) | Effect::Cancel(queue) => {
                    queue.end(End::of_channel(error), &mut self.wakers);
                }
                Effect::Nothing
                | Effect::RenewChannel
                | Effect::Recover { .. }
                | Effect::Get { .. }
                | Effect::EndTransaction(_) => {}
            }
        }
        self.drop_bodies();
        self.fail_requests(slots, error);
    }
}
