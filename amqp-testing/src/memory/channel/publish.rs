//! From `basic.publish` to the queues: checks in RabbitMQ's order, routing, returns and confirms.

use std::sync::Arc;

use amqp_spec::basic;
use amqp_spec::wire::ShortStr;

use super::assembly::{Content, Publish};
use super::declare::REPLY_TO;
use super::pending::Routed;
use super::prepare;
use super::state::Channel;
use crate::memory::like::Like;
use crate::memory::limits::Confirming;
use crate::memory::message::Message;
use crate::memory::names;
use crate::memory::node::Permission;
use crate::memory::ports::Mail;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;
use crate::memory::vhost::{Enqueued, Routing};

impl Channel {
    pub(super) fn publish(
        &mut self,
        publish: Publish,
        content: Content,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        if publish.immediate {
            return Err(texts::not_implemented("immediate=true"));
        }
        let max = cx.node.limits.max_message_size;
        if content.size > max {
            return Err(texts::message_too_large(content.size, max));
        }
        let routed = self.route(publish, content, cx)?;
        self.published += 1;
        if self.transaction.is_open() {
            self.transaction.publish(routed);
        } else {
            self.enqueue(routed, cx);
        }
        self.send_confirms(cx);
        Ok(())
    }

    fn route(
        &mut self,
        publish: Publish,
        content: Content,
        cx: &mut Context<'_>,
    ) -> Result<Routed, Refusal> {
        let exchange = publish.exchange.as_bytes();
        cx.check(Permission::Write, ("exchange", exchange))?;
        let vhost = cx.vhost()?;
        let exchange = vhost.exchange_named(exchange)?;
        if exchange.spec.internal {
            return Err(texts::internal_exchange(&exchange.spec.name, &vhost.name));
        }
        let properties = prepare::decode(&content.properties)?;
        let reply_to = self.reply_address(properties.reply_to())?;
        let like = cx.node.like;
        match like {
            Like::RabbitMq3_10 => {
                check_user(properties, cx)?;
                prepare::check_expiration(properties)?;
                prepare::check_message(properties, like)?;
            }
            Like::RabbitMq4_0 => {
                prepare::check_expiration(properties)?;
                prepare::check_message(properties, like)?;
                check_user(properties, cx)?;
            }
        }
        if properties.expiration().is_some() {
            return Err(texts::not_modelled("expiration of messages"));
        }
        let headers = properties.headers().unwrap_or_default();
        let mut keys = vec![publish.routing_key.as_bytes()];
        if !headers.is_empty() {
            keys.extend(prepare::further_keys(headers));
        }
        let routing = Routing {
            keys: &keys,
            headers,
        };
        let queues = vhost.route(exchange, routing);
        let replies = match &*exchange.spec.name {
            "" => reply_keys(&keys)?,
            _ => Vec::new(),
        };
        let message = Arc::new(Message {
            exchange: Arc::clone(&exchange.spec.name),
            properties: prepare::outgoing(properties, reply_to.as_deref(), like),
            routing_key: publish.routing_key,
            body: content.body,
        });
        for key in replies {
            cx.node.reply(&key, &message);
        }
        Ok(Routed {
            message,
            queues,
            mandatory: publish.mandatory,
            number: self.number(),
        })
    }

    /// The number of the next message, if messages have numbers.
    fn number(&mut self) -> Option<u64> {
        if !self.is_confirming && !self.transaction.is_open() {
            return None;
        }
        let number = self.next_publish_number;
        self.next_publish_number += 1;
        Some(number)
    }

    /// The address that a message is to carry in place of the one that stands for it.
    fn reply_address(&self, reply_to: Option<ShortStr<'_>>) -> Result<Option<String>, Refusal> {
        if reply_to.is_none_or(|reply_to| reply_to != REPLY_TO) {
            return Ok(None);
        }
        match &self.reply_consumer {
            Some(consumer) => Ok(Some(format!("{REPLY_TO}.{}", consumer.key))),
            None => Err(texts::precondition("fast reply consumer does not exist")),
        }
    }

    /// Puts a message into its queues, or gives it back if there are none.
    pub(super) fn enqueue(&mut self, routed: Routed, cx: &mut Context<'_>) -> Enqueued {
        let Routed {
            message,
            queues,
            mandatory,
            number,
        } = routed;
        let enqueued = match cx.parts() {
            Ok((vhost, ports)) => vhost.enqueue(&queues, &message, ports),
            Err(_) => Enqueued::default(),
        };
        let Enqueued { routed, refused } = enqueued;
        if routed == 0 && mandatory {
            self.give_back_unroutable(&message, cx);
        }
        if let Some(number) = number {
            if routed == 0 {
                self.confirmed.push(number);
            } else {
                self.unconfirmed.insert(number);
                let mail = match refused {
                    0 => Mail::Confirmed(number),
                    _ => Mail::Refused(number),
                };
                cx.node.ports.post(self.key, mail);
            }
        }
        enqueued
    }

    fn give_back_unroutable(&self, message: &Message, cx: &mut Context<'_>) {
        let reply = basic::Return {
            reply_code: amqp_spec::ReplyCode::NO_ROUTE.0,
            reply_text: amqp_spec::short_str!("NO_ROUTE"),
            exchange: message.exchange(),
            routing_key: message.routing_key.as_ref(),
        };
        cx.output
            .content(self.number, &reply, &message.properties, &message.body);
    }

    /// Sends the confirms that are due, and then the refusals.
    pub(super) fn send_confirms(&mut self, cx: &mut Context<'_>) {
        let is_none_due = self.confirmed.is_empty() && self.refused.is_empty();
        if is_none_due || self.transaction.is_open() {
            return;
        }
        let confirming = cx.node.confirming;
        if confirming == Confirming::Withheld {
            return;
        }
        let mut confirmed = std::mem::take(&mut self.confirmed);
        let mut refused = std::mem::take(&mut self.refused);
        if self.is_closing() {
            return;
        }
        confirmed.sort_unstable();
        refused.sort_unstable();
        // What is said of several at once holds for all before them.
        let first = |numbers: &[u64]| numbers.first().copied().unwrap_or(u64::MAX);
        let first_missing = self.unconfirmed.first().copied().unwrap_or(u64::MAX);
        let (first_confirmed, first_refused) = (first(&confirmed), first(&refused));
        let before = |numbers: &[u64], limit: u64| match confirming {
            Confirming::Grouped => numbers.partition_point(|number| *number < limit),
            _ => 0,
        };
        // RabbitMQ says it of one confirm alone as well, unless it is the only one.
        let together = match confirmed.len() {
            1 => 0,
            _ => before(&confirmed, first_missing.min(first_refused)),
        };
        self.confirm_all(&confirmed, together, Self::confirm, cx);
        let together = before(&refused, first_missing.min(first_confirmed));
        self.confirm_all(&refused, together, Self::refuse_publish, cx);
    }

    /// Says the same of all numbers: once of the first `together`, and of each that follows.
    fn confirm_all(
        &self,
        numbers: &[u64],
        together: usize,
        say: fn(&Self, u64, bool, &mut Context<'_>),
        cx: &mut Context<'_>,
    ) {
        let (together, single) = numbers.split_at(together);
        if let Some(last) = together.last() {
            say(self, *last, true, cx);
        }
        for number in single {
            say(self, *number, false, cx);
        }
    }

    fn confirm(&self, delivery_tag: u64, multiple: bool, cx: &mut Context<'_>) {
        let ack = basic::Ack {
            delivery_tag,
            multiple,
        };
        cx.output.method(self.number, &ack);
    }

    fn refuse_publish(&self, delivery_tag: u64, multiple: bool, cx: &mut Context<'_>) {
        let nack = basic::Nack {
            delivery_tag,
            multiple,
            // It says nothing here, and is set.
            requeue: true,
        };
        cx.output.method(self.number, &nack);
    }
}

fn check_user(properties: basic::PropertiesRef<'_>, cx: &Context<'_>) -> Result<(), Refusal> {
    let Some(claimed) = properties.user_id() else {
        return Ok(());
    };
    let actual = &*cx.session.user;
    let may_claim = |user: &crate::memory::users::User| user.is_impersonator();
    if claimed == actual || cx.node.users.get(actual).is_some_and(may_claim) {
        return Ok(());
    }
    Err(texts::foreign_user_id(claimed.as_bytes(), actual))
}

/// The consumers of direct replies among these keys.
///
/// RabbitMQ looks for a process id in the address. It fails where there should be one and is not,
/// and ignores what does not look like an address.
fn reply_keys(keys: &[&[u8]]) -> Result<Vec<String>, Refusal> {
    let mut replies = Vec::new();
    for key in keys {
        let rest = key.strip_prefix(REPLY_TO.as_bytes());
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix(b".")) else {
            continue;
        };
        if names::is_reply_key(rest) {
            replies.push(String::from_utf8_lossy(rest).into_owned());
        } else if rest
            .split(|octet| *octet == b'.')
            .filter(|it| !it.is_empty())
            .count()
            == 2
        {
            return Err(Refusal::internal_error());
        }
    }
    Ok(replies)
}
