//! What queues have for a channel: read when the methods that arrived together have been handled.

use std::sync::Arc;

use amqp_spec::{basic, channel};

use super::consume::short;
use super::pending::Unacked;
use super::state::Channel;
use crate::memory::ids::QueueId;
use crate::memory::ports::{Delivery, Mail};
use crate::memory::session::Context;
use crate::memory::vhost::Taken;

/// What has become of a channel whose mail was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::memory) enum Read {
    /// It goes on.
    All,
    /// There is more, but the connection takes no more at the moment.
    Stopped,
    /// It is closed, and its number free.
    Closed,
    /// RabbitMQ's process fails, and takes the connection with it.
    Failed,
}

impl Channel {
    pub(in crate::memory) fn read_mail(&mut self, cx: &mut Context<'_>) -> Read {
        loop {
            if cx.output.is_full() {
                return Read::Stopped;
            }
            let Some(mail) = cx.node.ports.next_mail(self.key) else {
                break;
            };
            if let Some(end) = self.open(mail, cx) {
                return end;
            }
        }
        self.send_confirms(cx);
        if !self.owes_close_ok {
            return Read::All;
        }
        cx.output.method(self.number, &channel::CloseOk {});
        Read::Closed
    }

    fn open(&mut self, mail: Mail, cx: &mut Context<'_>) -> Option<Read> {
        match mail {
            Mail::Consuming(tag) => return self.consuming(&tag, cx),
            Mail::Delivery(delivery) => self.deliver(delivery, cx),
            Mail::Cancelled(tag) => {
                let consumer_tag = short(&tag);
                if !self.is_closing() {
                    cx.output
                        .method(self.number, &basic::CancelOk { consumer_tag });
                }
            }
            Mail::QueueGone(queue) => self.queue_gone(queue, cx),
            Mail::Confirmed(number) => {
                self.unconfirmed.remove(&number);
                self.confirmed.push(number);
            }
            Mail::Refused(number) => {
                self.unconfirmed.remove(&number);
                self.refused.push(number);
            }
            Mail::Reply { key, message } => {
                let consumer = self.reply_consumer.as_ref().filter(|it| it.key == key);
                let consumer = consumer?;
                let deliver = basic::Deliver {
                    consumer_tag: short(&consumer.tag),
                    // It is not counted.
                    delivery_tag: self.next_delivery_tag,
                    redelivered: false,
                    exchange: message.exchange(),
                    routing_key: message.routing_key.as_ref(),
                };
                cx.output
                    .content(self.number, &deliver, &message.properties, &message.body);
            }
            Mail::Committed => self.committed(cx),
        }
        None
    }

    /// The process of a channel fails if the consumer was cancelled before it could be told of.
    fn consuming(&mut self, tag: &Arc<str>, cx: &mut Context<'_>) -> Option<Read> {
        if !self.is_closing() {
            let consumer_tag = short(tag);
            cx.output
                .method(self.number, &basic::ConsumeOk { consumer_tag });
        }
        let is_closing = self.is_closing();
        match self.consumers.get_mut(tag) {
            Some(consumer) => {
                consumer.is_known = true;
                None
            }
            None if is_closing => Some(Read::Closed),
            None => Some(Read::Failed),
        }
    }

    fn deliver(&mut self, delivery: Delivery, cx: &mut Context<'_>) {
        let Delivery {
            tag: consumer,
            queue,
            entry,
            needs_ack,
            returned,
        } = delivery;
        let tag = self.next_delivery_tag;
        self.next_delivery_tag += 1;
        let message = &entry.message;
        let deliver = basic::Deliver {
            consumer_tag: short(&consumer),
            delivery_tag: tag,
            redelivered: entry.redelivered,
            exchange: message.exchange(),
            routing_key: message.routing_key.as_ref(),
        };
        cx.output
            .content(self.number, &deliver, &message.properties, &message.body);
        if needs_ack && !returned {
            let taken = Taken {
                queue,
                entry,
                consumer: Some(consumer),
            };
            self.unacked.push_back(Unacked { tag, taken });
        }
    }

    fn queue_gone(&mut self, queue: QueueId, cx: &mut Context<'_>) {
        let gone: Vec<_> = self
            .consumers
            .iter()
            .filter(|(_, consumer)| consumer.queue == queue && consumer.is_known)
            .map(|(tag, _)| Arc::clone(tag))
            .collect();
        for tag in gone {
            self.consumers.remove(&tag);
            if cx.session.capabilities.consumer_cancel_notify && !self.is_closing() {
                let cancel = basic::Cancel {
                    consumer_tag: short(&tag),
                    no_wait: true,
                };
                cx.output.method(self.number, &cancel);
            }
        }
    }
}
