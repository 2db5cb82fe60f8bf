//! A virtual host: exchanges, queues and bindings, and the way of a message through them.
//!
//! Nothing here knows the wire. What is asked for has been permitted and is well formed; what the
//! model itself refuses comes back as a [`Refusal`], and what queues have for channels is left in
//! their mail.

mod arguments;
mod exchange;
mod headers;
mod queue;
mod topic;

pub(super) use self::arguments::check_expiry;
pub(super) use self::exchange::{Binding, Exchange, ExchangeSpec, Kind, Target};
pub(super) use self::queue::{Consumer, Queue, QueueSpec};

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::ReplyCode;
use amqp_spec::wire::TableRef;

use super::fields::{lookup, sorted};
use super::ids::{ChannelKey, ConnectionId, QueueId};
use super::like::Like;
use super::message::{Entry, Message};
use super::ports::{Mail, Ports};
use super::refusal::Refusal;
use super::texts;

/// Where a message goes, beside its exchange and its key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Routing<'a> {
    /// The routing key, and those of CC and BCC.
    pub(super) keys: &'a [&'a [u8]],
    pub(super) headers: TableRef<'a>,
}

#[derive(Debug)]
pub(super) struct VirtualHost {
    pub(super) name: Arc<str>,
    like: Like,
    exchanges: BTreeMap<Arc<str>, Exchange>,
    names: BTreeMap<Arc<str>, QueueId>,
    queues: BTreeMap<QueueId, Queue>,
    next_queue: u64,
}

impl VirtualHost {
    /// An empty one, with the exchanges that each has.
    pub(super) fn new(name: &str, like: Like) -> Self {
        let mut vhost = Self {
            name: name.into(),
            like,
            exchanges: BTreeMap::new(),
            names: BTreeMap::new(),
            queues: BTreeMap::new(),
            next_queue: 1,
        };
        let system = [
            ("", Kind::Direct, false),
            ("amq.direct", Kind::Direct, false),
            ("amq.fanout", Kind::Fanout, false),
            ("amq.headers", Kind::Headers, false),
            ("amq.match", Kind::Headers, false),
            ("amq.rabbitmq.trace", Kind::Topic, true),
            ("amq.topic", Kind::Topic, false),
        ];
        for (name, kind, internal) in system {
            let spec = ExchangeSpec {
                name: name.into(),
                kind,
                durable: true,
                auto_delete: false,
                internal,
                arguments: Default::default(),
            };
            vhost.exchanges.insert(name.into(), Exchange::new(spec));
        }
        vhost
    }

    // Exchanges

    pub(super) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    pub(super) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    /// The exchange of a name that may be anything.
    pub(super) fn exchange_named(&self, name: &[u8]) -> Result<&Exchange, Refusal> {
        std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.exchanges.get(name))
            .ok_or_else(|| texts::no_exchange(name, &self.name))
    }

    /// Creates an exchange, or checks that the one that exists is like it.
    pub(super) fn declare_exchange(&mut self, spec: ExchangeSpec) -> Result<(), Refusal> {
        let Some(Exchange { spec: current, .. }) = self.exchanges.get(&spec.name) else {
            self.exchanges
                .insert(Arc::clone(&spec.name), Exchange::new(spec));
            return Ok(());
        };
        let resource = ("exchange", &*spec.name, &*self.name);
        let quoted = |value: &dyn std::fmt::Display| format!("'{value}'");
        if current.kind != spec.kind {
            let (new, old) = (quoted(&spec.kind.name()), quoted(&current.kind.name()));
            return Err(texts::inequivalent("type", resource, new, old));
        }
        let flags = [
            ("durable", spec.durable, current.durable),
            ("auto_delete", spec.auto_delete, current.auto_delete),
            ("internal", spec.internal, current.internal),
        ];
        for (argument, new, old) in flags {
            if new != old {
                return Err(texts::inequivalent(
                    argument,
                    resource,
                    quoted(&new),
                    quoted(&old),
                ));
            }
        }
        let argument = "alternate-exchange";
        let new = lookup(spec.arguments.as_ref(), argument);
        let old = lookup(current.arguments.as_ref(), argument);
        if new == old {
            return Ok(());
        }
        let both = new.is_some() && old.is_some();
        let (new, old) = (
            arguments::shown(new.as_ref(), both),
            arguments::shown(old.as_ref(), both),
        );
        Err(texts::inequivalent(argument, resource, new, old))
    }

    /// Deletes an exchange, if there is one.
    pub(super) fn delete_exchange(&mut self, name: &str, if_unused: bool) -> Result<(), Refusal> {
        let is_used = self
            .exchanges
            .get(name)
            .is_some_and(|it| !it.bindings.is_empty());
        if if_unused && is_used {
            return Err(texts::in_use("exchange", name, &self.name));
        }
        if self.exchanges.remove(name).is_some() {
            self.unbind_target(&Target::Exchange(name.into()));
        }
        Ok(())
    }

    // Bindings

    /// Adds a binding, if it is not there.
    pub(super) fn bind(
        &mut self,
        source: &str,
        binding: Binding,
        owner: ConnectionId,
    ) -> Result<(), Refusal> {
        if !self.exchanges.contains_key(source) {
            return Err(texts::no_exchange(source, &self.name));
        }
        self.check_target(&binding.target, owner)?;
        let Some(exchange) = self.exchanges.get_mut(source) else {
            return Ok(());
        };
        if exchange.spec.kind == Kind::Headers {
            headers::check(binding.arguments.as_ref())?;
        }
        let arguments = sorted(binding.arguments.as_ref(), false);
        let binding = Binding {
            arguments,
            ..binding
        };
        if !exchange.bindings.contains(&binding) {
            exchange.bindings.push(binding);
        }
        Ok(())
    }

    fn check_target(&self, target: &Target, owner: ConnectionId) -> Result<(), Refusal> {
        match target {
            Target::Exchange(name) if self.exchanges.contains_key(name) => Ok(()),
            Target::Exchange(name) => Err(texts::no_exchange(&**name, &self.name)),
            Target::Queue(name) => self.accessible(name, owner).map(drop),
        }
    }

    /// Removes a binding, if it is there.
    pub(super) fn unbind(
        &mut self,
        source: &str,
        binding: Binding,
        owner: ConnectionId,
    ) -> Result<(), Refusal> {
        let arguments = sorted(binding.arguments.as_ref(), false);
        let binding = Binding {
            arguments,
            ..binding
        };
        let at = self
            .exchanges
            .get(source)
            .and_then(|exchange| exchange.bindings.iter().position(|other| *other == binding));
        let Some(at) = at else { return Ok(()) };
        self.check_target(&binding.target, owner)?;
        if let Some(exchange) = self.exchanges.get_mut(source) {
            exchange.bindings.remove(at);
        }
        self.drop_if_unused(source);
        Ok(())
    }

    /// Removes all bindings to something that is gone.
    fn unbind_target(&mut self, target: &Target) {
        let mut touched = Vec::new();
        for (name, exchange) in &mut self.exchanges {
            let before = exchange.bindings.len();
            exchange
                .bindings
                .retain(|binding| binding.target != *target);
            if exchange.bindings.len() < before {
                touched.push(Arc::clone(name));
            }
        }
        for name in touched {
            self.drop_if_unused(&name);
        }
    }

    /// An exchange that goes with its last binding may have lost it.
    fn drop_if_unused(&mut self, name: &str) {
        let goes = self
            .exchanges
            .get(name)
            .is_some_and(|it| it.spec.auto_delete && it.bindings.is_empty());
        if goes && self.exchanges.remove(name).is_some() {
            self.unbind_target(&Target::Exchange(name.into()));
        }
    }

    pub(super) fn bindings(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.exchanges
            .iter()
            .flat_map(|(name, exchange)| exchange.bindings.iter().map(move |it| (&**name, it)))
    }

    // Queues

    pub(super) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.names.values().filter_map(|id| self.queues.get(id))
    }

    pub(super) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.get(self.names.get(name)?)
    }

    pub(super) fn queue_mut(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.get_mut(self.names.get(name)?)
    }

    /// The queue of this name, unless another connection has it for itself.
    pub(super) fn accessible(&self, name: &str, by: ConnectionId) -> Result<&Queue, Refusal> {
        let queue = self.queue(name);
        let queue = queue.ok_or_else(|| texts::no_queue(name, &self.name))?;
        match queue.spec.owner {
            Some(owner) if owner != by => Err(texts::locked(name, &self.name)),
            _ => Ok(queue),
        }
    }

    pub(super) fn accessible_mut(
        &mut self,
        name: &str,
        by: ConnectionId,
    ) -> Result<&mut Queue, Refusal> {
        self.accessible(name, by)?;
        let vhost = Arc::clone(&self.name);
        let queue = self.queue_mut(name);
        queue.ok_or_else(|| texts::no_queue(name, &vhost))
    }

    /// Creates a queue, or checks that the one that exists is like it. Says how many messages and
    /// consumers it has.
    pub(super) fn declare_queue(&mut self, spec: QueueSpec) -> Result<(usize, usize), Refusal> {
        let Some(queue) = self.queue(&spec.name) else {
            arguments::check(&spec, &self.name, self.like)?;
            let id = QueueId(self.next_queue);
            self.next_queue += 1;
            self.names.insert(Arc::clone(&spec.name), id);
            self.queues.insert(id, Queue::new(id, spec));
            return Ok((0, 0));
        };
        let current = &queue.spec;
        if current.owner != spec.owner {
            return Err(texts::locked(&spec.name, &self.name));
        }
        let flags = [
            ("durable", spec.durable, current.durable),
            ("auto_delete", spec.auto_delete, current.auto_delete),
        ];
        for (argument, new, old) in flags {
            if new != old {
                let resource = ("queue", &*spec.name, &*self.name);
                let (new, old) = (format!("'{new}'"), format!("'{old}'"));
                return Err(texts::inequivalent(argument, resource, new, old));
            }
        }
        arguments::check_equivalent(current, spec.arguments.as_ref(), &self.name)?;
        Ok((queue.len(), queue.consumer_count()))
    }

    /// Deletes a queue, if there is one, and says how many messages went with it.
    pub(super) fn delete_queue(&mut self, name: &str, ports: &mut Ports) -> usize {
        let Some(id) = self.names.remove(name) else {
            return 0;
        };
        let Some(queue) = self.queues.remove(&id) else {
            return 0;
        };
        for channel in queue.channels() {
            ports.post(channel, Mail::QueueGone(id));
        }
        self.unbind_target(&Target::Queue(name.into()));
        queue.len()
    }

    /// Deletes the queues that belong to a connection.
    pub(super) fn delete_queues_of(&mut self, owner: ConnectionId, ports: &mut Ports) {
        let owned = self
            .queues()
            .filter(|queue| queue.spec.owner == Some(owner));
        let names: Vec<_> = owned.map(|queue| Arc::clone(&queue.spec.name)).collect();
        for name in names {
            self.delete_queue(&name, ports);
        }
    }

    pub(super) fn has_queues_of(&self, owner: ConnectionId) -> bool {
        self.queues
            .values()
            .any(|queue| queue.spec.owner == Some(owner))
    }

    // Messages

    /// The queues that a message goes to, by name.
    pub(super) fn route(&self, exchange: &Exchange, routing: Routing<'_>) -> Vec<QueueId> {
        if exchange.spec.name.is_empty() {
            let mut keys = routing.keys.to_vec();
            keys.sort_unstable();
            keys.dedup();
            let ids = keys.into_iter().filter_map(|key| {
                let name = std::str::from_utf8(key).ok()?;
                self.names.get(name).copied()
            });
            return ids.collect();
        }
        let mut queues: Vec<&Arc<str>> = Vec::new();
        let mut seen: Vec<&str> = vec![&exchange.spec.name];
        let mut ahead = vec![exchange];
        while let Some(exchange) = ahead.pop() {
            let mut visit = |name: &'_ str| {
                let found = self.exchanges.get(name);
                if let Some(next) = found.filter(|next| !seen.contains(&&*next.spec.name)) {
                    seen.push(&next.spec.name);
                    ahead.push(next);
                }
            };
            let mut is_lost = true;
            for target in exchange.targets(routing.keys, routing.headers, self.like) {
                is_lost = false;
                match target {
                    Target::Queue(name) => queues.push(name),
                    Target::Exchange(name) => visit(name),
                }
            }
            if let Some(alternate) = exchange.alternate().filter(|_| is_lost) {
                visit(alternate);
            }
        }
        queues.sort_unstable();
        queues.dedup();
        let ids = queues.into_iter().filter_map(|name| self.names.get(name));
        ids.copied().collect()
    }

    /// Puts a message into queues, and says into how many that are still there.
    pub(super) fn enqueue(
        &mut self,
        queues: &[QueueId],
        message: &Arc<Message>,
        ports: &mut Ports,
    ) -> usize {
        let mut count = 0;
        for id in queues {
            if let Some(queue) = self.queues.get_mut(id) {
                queue.push(Arc::clone(message));
                queue.deliver(ports);
                count += 1;
            }
        }
        count
    }

    /// Messages are done with. Those of one channel at a time.
    pub(super) fn settle(&mut self, by: ChannelKey, taken: &[Taken], ports: &mut Ports) {
        for taken in taken {
            if let Some(queue) = self.queues.get_mut(&taken.queue) {
                queue.settle(by, taken.consumer.as_deref());
            }
        }
        self.resume(by, taken, ports);
    }

    /// Messages go back to where they were.
    pub(super) fn give_back(&mut self, by: ChannelKey, taken: &[Taken], ports: &mut Ports) {
        for taken in taken {
            if let Some(queue) = self.queues.get_mut(&taken.queue) {
                queue.settle(by, taken.consumer.as_deref());
                queue.give_back(taken.entry.clone());
            }
        }
        self.resume(by, taken, ports);
    }

    /// Queues whose consumers may take more.
    fn resume(&mut self, by: ChannelKey, taken: &[Taken], ports: &mut Ports) {
        let counted = taken.iter().filter(|it| it.consumer.is_some()).count();
        if ports.release(by, counted) {
            return self.resume_channel(by, ports);
        }
        let mut queues: Vec<_> = taken.iter().map(|it| it.queue).collect();
        queues.sort_unstable();
        queues.dedup();
        for id in queues {
            if let Some(queue) = self.queues.get_mut(&id) {
                queue.deliver(ports);
            }
        }
    }

    /// A channel takes more than before: all queues that it consumes from are asked.
    pub(super) fn resume_channel(&mut self, channel: ChannelKey, ports: &mut Ports) {
        for queue in self.queues.values_mut() {
            if queue.len() > 0 && queue.channels().contains(&channel) {
                queue.deliver(ports);
            }
        }
    }

    // Consumers

    /// Starts a consumer of a queue that is accessible.
    pub(super) fn consume(
        &mut self,
        name: &str,
        consumer: Consumer,
        (exclusive, says_so): (bool, bool),
        ports: &mut Ports,
    ) -> Result<QueueId, Refusal> {
        let vhost = Arc::clone(&self.name);
        let Some(id) = self.names.get(name).copied() else {
            return Err(texts::no_queue(name, &vhost));
        };
        let Some(queue) = self.queues.get_mut(&id) else {
            return Err(texts::no_queue(name, &vhost));
        };
        let (channel, tag) = (consumer.channel, Arc::clone(&consumer.tag));
        if !queue.add_consumer(consumer, exclusive) {
            return Err(texts::exclusively_consumed(name, &vhost));
        }
        if says_so {
            ports.post(channel, Mail::Consuming(tag));
        }
        queue.deliver(ports);
        Ok(id)
    }

    /// The priority that these arguments give a consumer.
    pub(super) fn priority(&self, queue: &str, arguments: TableRef<'_>) -> Result<i64, Refusal> {
        arguments::priority(arguments, queue, &self.name)
    }

    /// Ends a consumer, or all of a channel on this queue.
    pub(super) fn cancel(
        &mut self,
        queue: QueueId,
        channel: ChannelKey,
        tag: Option<&str>,
        ports: &mut Ports,
    ) {
        let Some(found) = self.queues.get_mut(&queue) else {
            return;
        };
        let was_last = found.remove_consumers(channel, tag);
        if was_last && found.spec.auto_delete {
            let name = Arc::clone(&found.spec.name);
            self.delete_queue(&name, ports);
        }
    }

    /// What is wrong with the virtual host for a connection that is to be in it.
    pub(super) fn not_found(name: &[u8]) -> Refusal {
        Refusal::new(ReplyCode::NOT_ALLOWED, "vhost ")
            .name(name)
            .plain(" not found")
    }
}

/// A message that a channel has taken from a queue and has not settled.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) queue: QueueId,
    pub(super) entry: Entry,
    /// The consumer that had it; none if it was fetched.
    pub(super) consumer: Option<Arc<str>>,
}
