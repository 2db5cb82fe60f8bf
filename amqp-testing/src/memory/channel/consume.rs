//! Consumers, their limits, and fetching.

use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::wire::ShortStr;

use super::declare::REPLY_TO;
use super::pending::Unacked;
use super::state::{Channel, Consuming, ReplyConsumer};
use crate::memory::like::Like;
use crate::memory::node::Permission;
use crate::memory::ports::Mail;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;
use crate::memory::vhost::{Consumer, Taken};

impl Channel {
    pub(super) fn qos(&mut self, qos: basic::Qos, cx: &mut Context<'_>) -> Result<(), Refusal> {
        if qos.prefetch_size != 0 {
            let text = format!("prefetch_size!=0 ({})", qos.prefetch_size);
            return Err(texts::not_implemented(text));
        }
        // That of single consumers lifts that of the channel.
        let limit = if qos.global { qos.prefetch_count } else { 0 };
        if !qos.global {
            self.prefetch = qos.prefetch_count;
        }
        self.limit_channel(limit, cx)?;
        cx.output.method(self.number, &basic::QosOk {});
        Ok(())
    }

    fn limit_channel(&self, limit: u16, cx: &mut Context<'_>) -> Result<(), Refusal> {
        let key = self.key;
        let (vhost, ports) = cx.parts()?;
        if let Some(port) = ports.get_mut(key) {
            if port.window.limit == 0 && limit > 0 {
                let held = |mail: &&Mail| matches!(mail, Mail::Delivery(it) if it.needs_ack);
                let under_way = port.mail.iter().filter(held).count();
                // Fetched messages count here, and are never let go of.
                port.window.held = self.unacked.len() + under_way;
            }
            port.window.limit = limit;
        }
        vhost.resume_channel(key, ports);
        Ok(())
    }

    pub(super) fn consume(
        &mut self,
        consume: &basic::Consume<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let queue = self.queue_name(consume.queue)?;
        let tag = consume.consumer_tag.to_string_lossy();
        if self.consumers.contains_key(&*tag) {
            return Err(texts::reused_consumer_tag(&tag));
        }
        self.check_consumer_max(cx)?;
        if &*queue == REPLY_TO {
            return self.consume_replies(&tag, consume, cx);
        }
        cx.check(Permission::Read, ("queue", queue.as_bytes()))?;
        let tag: Arc<str> = match &*tag {
            "" => cx.node.names.consumer_tag().into(),
            tag => tag.into(),
        };
        let id = cx.session.id;
        let (vhost, ports) = cx.parts()?;
        vhost.accessible(&queue, id)?;
        let consumer = Consumer {
            channel: self.key,
            tag: Arc::clone(&tag),
            no_ack: consume.no_ack,
            prefetch: self.prefetch,
            priority: vhost.priority(&queue, consume.arguments)?,
        };
        let how = (consume.exclusive, !consume.no_wait);
        let queue = vhost.consume(&queue, consumer, how, ports)?;
        let is_known = consume.no_wait;
        self.consumers.insert(tag, Consuming { queue, is_known });
        Ok(())
    }

    /// 3.10 does not know the limit.
    fn check_consumer_max(&self, cx: &Context<'_>) -> Result<(), Refusal> {
        match (cx.node.like, cx.node.limits.consumer_max_per_channel) {
            (Like::RabbitMq4_0, Some(max)) if self.consumers.len() >= max => {
                Err(texts::too_many_consumers(max))
            }
            _ => Ok(()),
        }
    }

    fn consume_replies(
        &mut self,
        tag: &str,
        consume: &basic::Consume<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if !consume.no_ack {
            return Err(texts::precondition("reply consumer cannot acknowledge"));
        }
        if self.reply_consumer.is_some() {
            return Err(texts::precondition("reply consumer already set"));
        }
        let tag: Arc<str> = match tag {
            "" => cx.node.names.consumer_tag().into(),
            tag => tag.into(),
        };
        if !consume.no_wait {
            let consumer_tag = short(&tag);
            cx.output
                .method(self.number, &basic::ConsumeOk { consumer_tag });
        }
        let key = cx.node.open_replies(self.key);
        self.reply_consumer = Some(ReplyConsumer { tag, key });
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        cancel: &basic::Cancel<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let consumer_tag = cancel.consumer_tag;
        let tag = consumer_tag.to_string_lossy();
        let of_replies = self
            .reply_consumer
            .take_if(|consumer| *consumer.tag == *tag);
        if let Some(consumer) = &of_replies {
            cx.node.close_replies(&consumer.key);
        }
        let consumer = match of_replies {
            Some(_) => None,
            None => self.consumers.remove_entry(&*tag),
        };
        let Some((tag, Consuming { queue, .. })) = consumer else {
            if !cancel.no_wait {
                cx.output
                    .method(self.number, &basic::CancelOk { consumer_tag });
            }
            return Ok(());
        };
        let key = self.key;
        let (vhost, ports) = cx.parts()?;
        if !cancel.no_wait {
            ports.post(key, Mail::Cancelled(Arc::clone(&tag)));
        }
        vhost.cancel(queue, key, Some(&tag), ports);
        Ok(())
    }

    pub(super) fn get(
        &mut self,
        get: &basic::Get<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = self.queue_name(get.queue)?;
        cx.check(Permission::Read, ("queue", name.as_bytes()))?;
        let id = cx.session.id;
        let (vhost, _) = cx.parts()?;
        let queue = vhost.accessible_mut(&name, id)?;
        let Some(entry) = queue.take(!get.no_ack) else {
            cx.output.method(self.number, &basic::GetEmpty {});
            return Ok(());
        };
        let (left, queue) = (queue.len(), queue.id());
        let tag = self.next_delivery_tag;
        self.next_delivery_tag += 1;
        let message = Arc::clone(&entry.message);
        let reply = basic::GetOk {
            delivery_tag: tag,
            redelivered: entry.redelivered,
            exchange: message.exchange(),
            routing_key: message.routing_key.as_ref(),
            message_count: u32::try_from(left).unwrap_or(u32::MAX),
        };
        cx.output
            .content(self.number, &reply, &message.properties, &message.body);
        if !get.no_ack {
            let taken = Taken {
                queue,
                entry,
                consumer: None,
            };
            self.unacked.push_back(Unacked { tag, taken });
        }
        Ok(())
    }
}

pub(super) fn short(name: &str) -> ShortStr<'_> {
    ShortStr::new(name.as_bytes()).unwrap_or_default()
}
