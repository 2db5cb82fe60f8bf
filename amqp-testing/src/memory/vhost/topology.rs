//! Declaring, binding and deleting.

use std::sync::Arc;

use crate::memory::fields::{lookup, sorted};
use crate::memory::ids::{ConnectionId, QueueId};
use crate::memory::ports::{Mail, Ports};
use crate::memory::refusal::Refusal;
use crate::memory::texts;

use super::exchange::{Binding, Exchange, ExchangeSpec, Kind, Target};
use super::host::VirtualHost;
use super::queue::{Queue, QueueSpec};
use super::{arguments, headers};

impl VirtualHost {
    /// Creates an exchange, or checks that the one that exists is like it.
    pub(in crate::memory) fn declare_exchange(
        &mut self,
        spec: ExchangeSpec,
    ) -> Result<(), Refusal> {
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
    pub(in crate::memory) fn delete_exchange(
        &mut self,
        name: &str,
        if_unused: bool,
    ) -> Result<(), Refusal> {
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

    /// Adds a binding, if it is not there.
    pub(in crate::memory) fn bind(
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

    pub(super) fn check_target(&self, target: &Target, owner: ConnectionId) -> Result<(), Refusal> {
        match target {
            Target::Exchange(name) if self.exchanges.contains_key(name) => Ok(()),
            Target::Exchange(name) => Err(texts::no_exchange(&**name, &self.name)),
            Target::Queue(name) => self.accessible(name, owner).map(drop),
        }
    }

    /// Removes a binding, if it is there.
    pub(in crate::memory) fn unbind(
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
    pub(super) fn unbind_target(&mut self, target: &Target) {
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
    pub(super) fn drop_if_unused(&mut self, name: &str) {
        let goes = self
            .exchanges
            .get(name)
            .is_some_and(|it| it.spec.auto_delete && it.bindings.is_empty());
        if goes && self.exchanges.remove(name).is_some() {
            self.unbind_target(&Target::Exchange(name.into()));
        }
    }

    /// Creates a queue, or checks that the one that exists is like it. Says how many messages and
    /// consumers it has.
    pub(in crate::memory) fn declare_queue(
        &mut self,
        spec: QueueSpec,
    ) -> Result<(usize, usize), Refusal> {
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
    pub(in crate::memory) fn delete_queue(&mut self, name: &str, ports: &mut Ports) -> usize {
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
    pub(in crate::memory) fn delete_queues_of(&mut self, owner: ConnectionId, ports: &mut Ports) {
        let owned = self
            .queues()
            .filter(|queue| queue.spec.owner == Some(owner));
        let names: Vec<_> = owned.map(|queue| Arc::clone(&queue.spec.name)).collect();
        for name in names {
            self.delete_queue(&name, ports);
        }
    }

    /// Deletes all queues.
    pub(in crate::memory) fn delete_queues(&mut self, ports: &mut Ports) {
        let names: Vec<_> = self.names.keys().cloned().collect();
        for name in names {
            self.delete_queue(&name, ports);
        }
    }

    pub(in crate::memory) fn has_queues_of(&self, owner: ConnectionId) -> bool {
        self.queues
            .values()
            .any(|queue| queue.spec.owner == Some(owner))
    }
}
