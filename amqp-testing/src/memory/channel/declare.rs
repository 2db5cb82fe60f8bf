//! Exchanges, queues and bindings: what is permitted, and what is said of it.

use std::sync::Arc;

use amqp_spec::wire::{FieldTable, ShortStr, TableRef, TypedMethod, Value};
use amqp_spec::{exchange, queue};

use super::state::Channel;
use crate::memory::fields::{lookup, type_name};
use crate::memory::names;
use crate::memory::node::Permission;
use crate::memory::refusal::Refusal;
use crate::memory::session::Context;
use crate::memory::texts;
use crate::memory::vhost::{Binding, ExchangeSpec, Kind, QueueSpec, Target};

/// What the addresses of direct replies begin with, and what stands for one's own.
pub(super) const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Types that plugins of RabbitMQ add, or 4.0 itself.
const FOREIGN_TYPES: &[&[u8]] = &[
    b"x-consistent-hash",
    b"x-delayed-message",
    b"x-jms-topic",
    b"x-local-random",
    b"x-modulus-hash",
    b"x-random",
    b"x-recent-history",
    b"x-rtopic",
];

/// Names are UTF-8 by the time they get here; line breaks do not count.
pub(super) fn stripped(name: ShortStr<'_>) -> String {
    let mut name = name.to_string_lossy().into_owned();
    name.retain(|character| !matches!(character, '\n' | '\r'));
    name
}

impl Channel {
    /// Says that something is done, unless nothing is to be said.
    fn reply<'m>(&self, no_wait: bool, reply: &impl TypedMethod<'m>, cx: &mut Context<'_>) {
        if !no_wait {
            cx.output.method(self.number, reply);
        }
    }

    // Exchanges

    pub(super) fn declare_exchange(
        &mut self,
        declare: &exchange::Declare<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = stripped(declare.exchange);
        if declare.passive {
            check_not_default(&name)?;
            cx.vhost()?.exchange_named(name.as_bytes())?;
        } else {
            let kind = exchange_kind(declare.type_.as_bytes(), cx)?;
            check_not_default(&name)?;
            let resource = ("exchange", name.as_bytes());
            cx.check(Permission::Configure, resource)?;
            if cx.vhost()?.exchange(&name).is_none() {
                check_new_exchange(&name, declare.arguments, cx)?;
            }
            let spec = ExchangeSpec {
                name: name.into(),
                kind,
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                internal: declare.internal,
                arguments: declare.arguments.to_owned(),
            };
            cx.parts()?.0.declare_exchange(spec)?;
        }
        self.reply(declare.no_wait, &exchange::DeclareOk {}, cx);
        Ok(())
    }

    pub(super) fn delete_exchange(
        &mut self,
        delete: &exchange::Delete<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = stripped(delete.exchange);
        check_not_default(&name)?;
        if name.starts_with("amq.") {
            return Err(texts::system_exchange(&name, &cx.session.vhost));
        }
        cx.check(Permission::Configure, ("exchange", name.as_bytes()))?;
        cx.parts()?.0.delete_exchange(&name, delete.if_unused)?;
        self.reply(delete.no_wait, &exchange::DeleteOk {}, cx);
        Ok(())
    }

    pub(super) fn bind_exchange(
        &mut self,
        bind: &exchange::Bind<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let target = Target::Exchange(stripped(bind.destination).into());
        let key = bind.routing_key.to_string_lossy();
        let binding = binding(target, &key, bind.arguments);
        bind_or_unbind(true, &stripped(bind.source), binding, cx)?;
        self.reply(bind.no_wait, &exchange::BindOk {}, cx);
        Ok(())
    }

    pub(super) fn unbind_exchange(
        &mut self,
        unbind: &exchange::Unbind<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let target = Target::Exchange(stripped(unbind.destination).into());
        let key = unbind.routing_key.to_string_lossy();
        let binding = binding(target, &key, unbind.arguments);
        bind_or_unbind(false, &stripped(unbind.source), binding, cx)?;
        self.reply(unbind.no_wait, &exchange::UnbindOk {}, cx);
        Ok(())
    }

    // Queues

    /// The queue that is meant: the one declared last, if none is named.
    pub(super) fn queue_name(&self, name: ShortStr<'_>) -> Result<Arc<str>, Refusal> {
        if !name.is_empty() {
            return Ok(name.to_string_lossy().into());
        }
        let last = self.last_queue.as_ref().filter(|name| !name.is_empty());
        last.cloned().ok_or_else(texts::no_previous_queue)
    }

    pub(super) fn declare_queue(
        &mut self,
        declare: &queue::Declare<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = stripped(declare.queue);
        let (name, messages, consumers) = if name.starts_with(REPLY_TO) {
            check_reply_queue(&name, cx)?;
            (name.into(), 0, 1)
        } else if declare.passive {
            let queue = cx.vhost()?.accessible(&name, cx.session.id)?;
            let (messages, consumers) = (queue.len(), queue.consumer_count());
            (name.into(), messages, consumers)
        } else {
            create_queue(name, declare, cx)?
        };
        self.last_queue = Some(Arc::clone(&name));
        let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let reply = queue::DeclareOk {
            queue: ShortStr::new(name.as_bytes()).unwrap_or_default(),
            message_count: count(messages),
            consumer_count: count(consumers),
        };
        self.reply(declare.no_wait, &reply, cx);
        Ok(())
    }

    pub(super) fn bind_queue(
        &mut self,
        bind: &queue::Bind<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let (queue, key) = self.queue_and_key(bind.queue, bind.routing_key)?;
        let binding = binding(Target::Queue(queue), &key, bind.arguments);
        bind_or_unbind(true, &stripped(bind.exchange), binding, cx)?;
        self.reply(bind.no_wait, &queue::BindOk {}, cx);
        Ok(())
    }

    pub(super) fn unbind_queue(
        &mut self,
        unbind: &queue::Unbind<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let (queue, key) = self.queue_and_key(unbind.queue, unbind.routing_key)?;
        let binding = binding(Target::Queue(queue), &key, unbind.arguments);
        bind_or_unbind(false, &stripped(unbind.exchange), binding, cx)?;
        self.reply(false, &queue::UnbindOk {}, cx);
        Ok(())
    }

    /// If neither is given, the key is the queue's name as well.
    fn queue_and_key(
        &self,
        queue: ShortStr<'_>,
        key: ShortStr<'_>,
    ) -> Result<(Arc<str>, Arc<str>), Refusal> {
        let name = self.queue_name(queue)?;
        if queue.is_empty() && key.is_empty() {
            return Ok((Arc::clone(&name), name));
        }
        let name = name.replace(['\n', '\r'], "");
        Ok((name.into(), key.to_string_lossy().into()))
    }

    pub(super) fn purge(
        &mut self,
        purge: &queue::Purge<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = self.queue_name(purge.queue)?;
        cx.check(Permission::Read, ("queue", name.as_bytes()))?;
        let id = cx.session.id;
        let count = cx.parts()?.0.accessible_mut(&name, id)?.purge();
        let message_count = u32::try_from(count).unwrap_or(u32::MAX);
        self.reply(purge.no_wait, &queue::PurgeOk { message_count }, cx);
        Ok(())
    }

    pub(super) fn delete_queue(
        &mut self,
        delete: &queue::Delete<'_>,
        cx: &mut Context<'_>,
    ) -> Result<(), Refusal> {
        let name = self.queue_name(delete.queue)?.replace(['\n', '\r'], "");
        cx.check(Permission::Configure, ("queue", name.as_bytes()))?;
        let mut count = 0;
        let id = cx.session.id;
        let (vhost, ports) = cx.parts()?;
        if vhost.queue(&name).is_some() {
            let queue = vhost.accessible(&name, id)?;
            if delete.if_empty && queue.len() > 0 {
                return Err(texts::not_empty(&name, &vhost.name));
            }
            if delete.if_unused && queue.consumer_count() > 0 {
                return Err(texts::in_use("queue", &name, &vhost.name));
            }
            count = vhost.delete_queue(&name, ports);
        }
        let message_count = u32::try_from(count).unwrap_or(u32::MAX);
        self.reply(delete.no_wait, &queue::DeleteOk { message_count }, cx);
        Ok(())
    }
}

fn check_not_default(exchange: &str) -> Result<(), Refusal> {
    if exchange.is_empty() {
        return Err(texts::default_exchange());
    }
    Ok(())
}

fn exchange_kind(name: &[u8], cx: &Context<'_>) -> Result<Kind, Refusal> {
    if FOREIGN_TYPES.contains(&name) {
        return Err(texts::not_modelled([b"exchange type ", name].concat()));
    }
    Kind::of(name).ok_or_else(|| texts::exchange_type(cx.node.like, name))
}

fn check_new_exchange(
    name: &str,
    arguments: TableRef<'_>,
    cx: &Context<'_>,
) -> Result<(), Refusal> {
    if name.starts_with("amq.") {
        return Err(texts::reserved("exchange", name));
    }
    let argument = "alternate-exchange";
    match lookup(arguments, argument) {
        None => Ok(()),
        Some(Value::LongString(alternate)) => {
            cx.check(Permission::Read, ("exchange", name.as_bytes()))?;
            cx.check(Permission::Write, ("exchange", alternate.as_bytes()))
        }
        Some(other) => {
            let resource = ("exchange", name, &*cx.session.vhost);
            Err(texts::invalid_type(type_name(&other), argument, resource))
        }
    }
}

fn binding(target: Target, key: &str, arguments: TableRef<'_>) -> Binding {
    Binding {
        target,
        key: key.into(),
        arguments: arguments.to_owned(),
    }
}

fn bind_or_unbind(
    bind: bool,
    source: &str,
    binding: Binding,
    cx: &mut Context<'_>,
) -> Result<(), Refusal> {
    let resource = (binding.target.kind(), binding.target.name().as_bytes());
    cx.check(Permission::Write, resource)?;
    if let Target::Exchange(name) = &binding.target {
        check_not_default(name)?;
    }
    check_not_default(source)?;
    cx.check(Permission::Read, ("exchange", source.as_bytes()))?;
    let id = cx.session.id;
    let (vhost, _) = cx.parts()?;
    if bind {
        vhost.bind(source, binding, id)
    } else {
        vhost.unbind(source, binding, id)
    }
}

/// Whether a queue stands for the consumer of direct replies that it is the address of.
fn check_reply_queue(name: &str, cx: &Context<'_>) -> Result<(), Refusal> {
    let exists = match name.strip_prefix(REPLY_TO) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix('.')
            .is_some_and(|key| names::is_reply_key(key.as_bytes()) && cx.node.has_replies(key)),
        None => false,
    };
    match exists {
        true => Ok(()),
        false => Err(texts::no_queue(name, &cx.session.vhost)),
    }
}

/// Declares a queue; the name, and how many messages and consumers it has.
fn create_queue(
    name: String,
    declare: &queue::Declare<'_>,
    cx: &mut Context<'_>,
) -> Result<(Arc<str>, usize, usize), Refusal> {
    let name = match name.as_str() {
        "" => cx.node.names.queue(),
        reserved if reserved.starts_with("amq.") => {
            return Err(texts::reserved("queue", reserved));
        }
        _ => name,
    };
    cx.check(Permission::Configure, ("queue", name.as_bytes()))?;
    let name: Arc<str> = name.into();
    let mut arguments: FieldTable = declare.arguments.to_owned();
    if arguments.value("x-queue-type").is_none() && cx.node.like.adds_queue_type() {
        arguments.insert("x-queue-type", "classic");
    }
    let argument = "x-dead-letter-exchange";
    let found = lookup(declare.arguments, argument);
    if let (Some(found), None) = (&found, cx.vhost()?.queue(&name)) {
        if !matches!(found, Value::LongString(_)) {
            let resource = ("queue", &*name, &*cx.session.vhost);
            return Err(texts::invalid_type(type_name(found), argument, resource));
        }
    }
    let spec = QueueSpec {
        name: Arc::clone(&name),
        // What is exclusive does not outlive its connection.
        durable: declare.durable && !declare.exclusive,
        owner: declare.exclusive.then_some(cx.session.id),
        auto_delete: declare.auto_delete,
        arguments,
    };
    let (messages, consumers) = cx.parts()?.0.declare_queue(spec)?;
    Ok((name, messages, consumers))
}
