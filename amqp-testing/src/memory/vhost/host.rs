//! What is in a virtual host.

use std::collections::BTreeMap;
use std::sync::Arc;

use amqp_spec::ReplyCode;

use crate::memory::ids::{ConnectionId, QueueId};
use crate::memory::like::Like;
use crate::memory::refusal::Refusal;
use crate::memory::texts;

use super::exchange::{Binding, Exchange, ExchangeSpec, Kind};
use super::queue::Queue;

#[derive(Debug)]
pub(in crate::memory) struct VirtualHost {
    pub(in crate::memory) name: Arc<str>,
    pub(super) like: Like,
    pub(super) exchanges: BTreeMap<Arc<str>, Exchange>,
    pub(super) names: BTreeMap<Arc<str>, QueueId>,
    pub(super) queues: BTreeMap<QueueId, Queue>,
    pub(super) next_queue: u64,
}
impl VirtualHost {
    /// An empty one, with the exchanges that each has.
    pub(in crate::memory) fn new(name: &str, like: Like) -> Self {
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

    pub(in crate::memory) fn exchanges(&self) -> impl Iterator<Item = &Exchange> {
        self.exchanges.values()
    }

    pub(in crate::memory) fn exchange(&self, name: &str) -> Option<&Exchange> {
        self.exchanges.get(name)
    }

    /// The exchange of a name that may be anything.
    pub(in crate::memory) fn exchange_named(&self, name: &[u8]) -> Result<&Exchange, Refusal> {
        std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.exchanges.get(name))
            .ok_or_else(|| texts::no_exchange(name, &self.name))
    }

    pub(in crate::memory) fn bindings(&self) -> impl Iterator<Item = (&str, &Binding)> {
        self.exchanges
            .iter()
            .flat_map(|(name, exchange)| exchange.bindings.iter().map(move |it| (&**name, it)))
    }

    pub(in crate::memory) fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.names.values().filter_map(|id| self.queues.get(id))
    }

    pub(in crate::memory) fn name_of(&self, id: QueueId) -> Option<&str> {
        self.queues.get(&id).map(|queue| &*queue.spec.name)
    }

    pub(in crate::memory) fn queue(&self, name: &str) -> Option<&Queue> {
        self.queues.get(self.names.get(name)?)
    }

    pub(in crate::memory) fn queue_mut(&mut self, name: &str) -> Option<&mut Queue> {
        self.queues.get_mut(self.names.get(name)?)
    }

    /// The queue of this name, unless another connection has it for itself.
    pub(in crate::memory) fn accessible(
        &self,
        name: &str,
        by: ConnectionId,
    ) -> Result<&Queue, Refusal> {
        let queue = self.queue(name);
        let queue = queue.ok_or_else(|| texts::no_queue(name, &self.name))?;
        match queue.spec.owner {
            Some(owner) if owner != by => Err(texts::locked(name, &self.name)),
            _ => Ok(queue),
        }
    }

    pub(in crate::memory) fn accessible_mut(
        &mut self,
        name: &str,
        by: ConnectionId,
    ) -> Result<&mut Queue, Refusal> {
        self.accessible(name, by)?;
        let vhost = Arc::clone(&self.name);
        let queue = self.queue_mut(name);
        queue.ok_or_else(|| texts::no_queue(name, &vhost))
    }

    /// What is wrong with the virtual host for a connection that is to be in it.
    pub(in crate::memory) fn not_found(name: &[u8]) -> Refusal {
        Refusal::new(ReplyCode::NOT_ALLOWED, "vhost ")
            .name(name)
            .plain(" not found")
    }
}
