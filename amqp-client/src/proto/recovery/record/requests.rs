//! What each request changes in the record, and what goes with what.

use std::collections::BTreeMap;

use amqp_spec::wire::{ShortStr, TableRef, TypedMethod as _};
use amqp_spec::{Method, exchange, queue};

use super::bindings::{End, Route, sorted};
use super::declared::{Declared, QueueRecord, RecordedExchange, RecordedQueue};
use super::entries::{Entry, Extent, Filter, list};
use crate::error::Entity;
use crate::proto::shared::renames::Renames;

/// What is restored when the next stream has been connected.
#[derive(Debug, Default)]
pub(crate) struct Record {
    declared: Declared,
    /// How many consumers of this connection read each queue; never 0. By present names, and of
    /// queues that are not recorded as well.
    consumers: BTreeMap<String, usize>,
    renames: Renames,
    /// The renames differ from those last taken.
    renames_changed: bool,
    /// The number of what is recorded next.
    next: u64,
}

impl Record {
    /// The broker has answered `sent`, the payload of a method, with `reply`; empty if it was sent
    /// without asking for one, and something behind it has been answered.
    pub(crate) fn answered(&mut self, sent: &[u8], reply: &[u8]) {
        match Method::decode(sent) {
            Ok(Method::ExchangeDeclare(declare)) => self.exchange_declared(declare),
            Ok(Method::ExchangeBind(bind)) => self.exchange_bound(&bind),
            Ok(Method::QueueDeclare(declare)) => self.queue_declared(declare, reply),
            Ok(Method::QueueBind(bind)) => self.queue_bound(&bind),
            Ok(method) => self.taken_away(&method),
            Err(_) => {}
        }
    }

    /// The stream is gone, and this was not answered: what it deletes or unbinds counts as gone.
    /// What is deleted only under a condition is restored.
    pub(crate) fn unanswered(&mut self, sent: &[u8]) {
        match Method::decode(sent) {
            Ok(Method::QueueDelete(delete)) if delete.if_unused || delete.if_empty => {}
            Ok(Method::ExchangeDelete(delete)) if delete.if_unused => {}
            Ok(method) => self.taken_away(&method),
            Err(_) => {}
        }
    }

    /// A consumer of this connection has started to read this queue.
    pub(crate) fn consumer_started(&mut self, queue: &str) {
        let queue = self.present(queue).to_owned();
        *self.consumers.entry(queue).or_default() += 1;
    }

    /// A consumer of this connection does not read this queue any more. A queue that is deleted
    /// automatically goes with the last of them.
    pub(crate) fn consumer_ended(&mut self, queue: &str) {
        let queue = self.present(queue).to_owned();
        // Those of a queue that was deleted have been forgotten with it.
        let Some(count) = self.consumers.get_mut(&queue) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.consumers.remove(&queue);
        let recorded = self.declared.queues.get(&queue);
        if recorded.is_some_and(|recorded| recorded.attributes.auto_delete) {
            self.forget_queue(&queue);
        }
    }

    /// What is to be restored, in an order in which it can be: exchanges, the bindings between
    /// them, queues, and their bindings. What `keep` refuses is left out together with its
    /// bindings.
    pub(crate) fn entries(&self, extent: Extent, keep: impl FnMut(&Entity) -> bool) -> Vec<Entry> {
        list(&self.declared, &mut Filter::new(extent, keep))
    }

    /// A queue that the broker has named has a new name: its bindings and consumers, and whatever
    /// uses a former name, are about that.
    pub(crate) fn renamed(&mut self, from: &str, to: &str) {
        let from = self.present(from).to_owned();
        if from == to {
            return;
        }
        let Some(queue) = self.declared.queues.remove(&from) else {
            return;
        };
        self.declared.queues.insert(to.to_owned(), queue);
        let old = End::Queue(from.clone());
        self.declared
            .bindings
            .redirect(&old, &End::Queue(to.to_owned()));
        if let Some(count) = self.consumers.remove(&from) {
            *self.consumers.entry(to.to_owned()).or_default() += count;
        }
        self.renames.renamed(&from, to);
        self.renames_changed = true;
    }

    /// The payload of a request with the present name of the queue that it is about, if that
    /// differs: for requests that have waited while the queue was renamed.
    pub(crate) fn translated(&self, sent: &[u8]) -> Option<Vec<u8>> {
        let present = |name: ShortStr<'_>| {
            let present = self.renames.present(name.as_str().ok()?)?;
            present.try_into().ok()
        };
        let method = match Method::decode(sent).ok()? {
            Method::QueueDeclare(mut declare) => {
                declare.queue = present(declare.queue)?;
                Method::QueueDeclare(declare)
            }
            Method::QueueBind(mut bind) => {
                bind.queue = present(bind.queue)?;
                Method::QueueBind(bind)
            }
            Method::QueueUnbind(mut unbind) => {
                unbind.queue = present(unbind.queue)?;
                Method::QueueUnbind(unbind)
            }
            Method::QueuePurge(mut purge) => {
                purge.queue = present(purge.queue)?;
                Method::QueuePurge(purge)
            }
            Method::QueueDelete(mut delete) => {
                delete.queue = present(delete.queue)?;
                Method::QueueDelete(delete)
            }
            Method::BasicConsume(mut consume) => {
                consume.queue = present(consume.queue)?;
                Method::BasicConsume(consume)
            }
            Method::BasicGet(mut get) => {
                get.queue = present(get.queue)?;
                Method::BasicGet(get)
            }
            _ => return None,
        };
        let mut payload = Vec::new();
        method.encode(&mut payload);
        Some(payload)
    }

    /// What a queue was declared as, by its present name or a former one.
    #[cfg(test)]
    pub(crate) fn queue(&self, name: &str) -> Option<&QueueRecord> {
        let queue = self.declared.queues.get(self.present(name))?;
        Some(&queue.attributes)
    }

    /// The present names of queues that were renamed, if they differ from those taken last.
    pub(crate) fn take_renames(&mut self) -> Option<Renames> {
        std::mem::take(&mut self.renames_changed).then(|| self.renames.clone())
    }

    fn exchange_declared(&mut self, declare: exchange::Declare<'_>) {
        let Some(name) = name(declare.exchange) else {
            return;
        };
        if declare.passive || is_reserved(&name) {
            return;
        }
        let number = self.declared.exchanges.get(&name).map(|known| known.number);
        let mut method = Vec::new();
        let again = exchange::Declare {
            no_wait: false,
            ..declare
        };
        again.encode(&mut method);
        let exchange = RecordedExchange {
            number: number.unwrap_or_else(|| self.number()),
            is_durable: declare.durable,
            is_auto_delete: declare.auto_delete,
            method,
        };
        self.declared.exchanges.insert(name, exchange);
    }

    fn queue_declared(&mut self, declare: queue::Declare<'_>, reply: &[u8]) {
        if declare.passive {
            return;
        }
        let Some(name) = self.declared_name(declare.queue, reply) else {
            return;
        };
        let known = self.declared.queues.get(&name);
        let given = declare.queue.is_empty() || known.is_some_and(|q| q.attributes.server_named);
        if is_reserved(&name) && !given {
            // Another connection's: that it is there is all that was said.
            return;
        }
        let number = known.map(|known| known.number);
        let attributes = QueueRecord {
            durable: declare.durable,
            exclusive: declare.exclusive,
            auto_delete: declare.auto_delete,
            server_named: given,
        };
        let mut method = Vec::new();
        let again = queue::Declare {
            queue: if given {
                ShortStr::EMPTY
            } else {
                declare.queue
            },
            no_wait: false,
            ..declare
        };
        again.encode(&mut method);
        let queue = RecordedQueue {
            number: number.unwrap_or_else(|| self.number()),
            attributes,
            method,
        };
        self.declared.queues.insert(name, queue);
    }

    /// The name of a queue that was declared: the broker's choice if it was left to the broker.
    fn declared_name(&self, asked: ShortStr<'_>, reply: &[u8]) -> Option<String> {
        if asked.is_empty() {
            return name(queue::DeclareOk::decode(reply).ok()?.queue);
        }
        self.queue_name(asked)
    }

    fn exchange_bound(&mut self, bind: &exchange::Bind<'_>) {
        let Some(to) = name(bind.destination) else {
            return;
        };
        let end = End::Exchange(to);
        self.bound(end, route(bind.source, bind.routing_key, bind.arguments));
    }

    fn queue_bound(&mut self, bind: &queue::Bind<'_>) {
        let Some(to) = self.queue_name(bind.queue) else {
            return;
        };
        let end = End::Queue(to);
        self.bound(end, route(bind.exchange, bind.routing_key, bind.arguments));
    }

    fn bound(&mut self, end: End, route: Option<Route>) {
        let Some(route) = route else { return };
        let number = self.number();
        self.declared.bindings.add(end, route, number);
    }

    /// Forgets what this deletes or unbinds.
    fn taken_away(&mut self, method: &Method<'_>) {
        match method {
            Method::ExchangeDelete(delete) => {
                if let Some(name) = name(delete.exchange) {
                    self.forget_exchange(&name);
                }
            }
            Method::ExchangeUnbind(unbind) => {
                let end = name(unbind.destination).map(End::Exchange);
                let route = route(unbind.source, unbind.routing_key, unbind.arguments);
                self.unbound(end, route);
            }
            Method::QueueDelete(delete) => {
                if let Some(name) = self.queue_name(delete.queue) {
                    self.forget_queue(&name);
                }
            }
            Method::QueueUnbind(unbind) => {
                let end = self.queue_name(unbind.queue).map(End::Queue);
                let route = route(unbind.exchange, unbind.routing_key, unbind.arguments);
                self.unbound(end, route);
            }
            _ => {}
        }
    }

    fn unbound(&mut self, end: Option<End>, route: Option<Route>) {
        let (Some(end), Some(route)) = (end, route) else {
            return;
        };
        if self.declared.bindings.remove(&end, &route) {
            self.let_go(vec![route.source]);
        }
    }

    fn forget_exchange(&mut self, name: &str) {
        self.declared.exchanges.remove(name);
        self.declared.bindings.remove_from(name);
        let sources = self
            .declared
            .bindings
            .remove_to(&End::Exchange(name.to_owned()));
        self.let_go(sources);
    }

    fn forget_queue(&mut self, name: &str) {
        self.declared.queues.remove(name);
        self.consumers.remove(name);
        self.renames_changed |= self.renames.forget(name);
        let sources = self
            .declared
            .bindings
            .remove_to(&End::Queue(name.to_owned()));
        self.let_go(sources);
    }

    /// These exchanges have lost bindings: those that are deleted automatically go with the last.
    fn let_go(&mut self, mut sources: Vec<String>) {
        while let Some(source) = sources.pop() {
            let known = self.declared.exchanges.get(&source);
            let goes = known.is_some_and(|known| known.is_auto_delete);
            if goes && !self.declared.bindings.lead_from(&source) {
                self.declared.exchanges.remove(&source);
                sources.extend(self.declared.bindings.remove_to(&End::Exchange(source)));
            }
        }
    }

    /// The present name of the queue that a request is about.
    fn queue_name(&self, asked: ShortStr<'_>) -> Option<String> {
        let asked = name(asked)?;
        Some(self.present(&asked).to_owned())
    }

    /// The present name of a queue.
    pub(crate) fn present<'n>(&'n self, name: &'n str) -> &'n str {
        self.renames.present(name).unwrap_or(name)
    }

    fn number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}

/// A name as RabbitMQ takes it, without line breaks. `None` if it is empty or no text.
fn name(name: ShortStr<'_>) -> Option<String> {
    let text = name.as_str().ok()?;
    let name = text.replace(['\r', '\n'], "");
    (!name.is_empty()).then_some(name)
}

/// Whether a name is one of the broker's own.
fn is_reserved(name: &str) -> bool {
    name.starts_with("amq.")
}

/// Where a binding comes from. `None` for those to the default exchange, which are the broker's.
fn route(
    source: ShortStr<'_>,
    routing_key: ShortStr<'_>,
    arguments: TableRef<'_>,
) -> Option<Route> {
    Some(Route {
        source: name(source)?,
        routing_key: routing_key.as_str().ok()?.to_owned(),
        arguments: sorted(arguments),
    })
}
