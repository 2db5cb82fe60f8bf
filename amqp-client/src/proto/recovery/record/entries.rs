//! What is restored, in an order in which it can be, and what has to be there before it.

use std::collections::{HashMap, HashSet};

use amqp_spec::wire::{ShortStr, TypedMethod};
use amqp_spec::{exchange, queue};

use super::bindings::{End, Route};
use super::declared::{Declared, RecordedExchange, RecordedQueue};
use crate::error::Entity;

/// One thing to be restored.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) entity: Entity,
    /// The payload of the method that restores it, expecting a reply.
    pub(crate) method: Vec<u8>,
    /// What has to be there before: positions in the list, all of them in front of this one.
    pub(crate) needs: Vec<usize>,
    /// It died with the connection: a queue that is exclusive, named by the broker or deleted
    /// automatically, or a binding of one.
    pub(crate) is_transient: bool,
    /// The queue whose consumers depend on it.
    pub(crate) queue: Option<String>,
}

/// How much is restored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// Everything.
    All,
    /// What may have gone with the connection or with a restart of the broker: what is exclusive,
    /// deleted automatically, named by the broker or not durable, and the bindings of these.
    Transient,
    /// Nothing.
    Nothing,
}

/// What is to be left out.
pub(super) struct Filter<F> {
    extent: Extent,
    keep: F,
}

impl<F: FnMut(&Entity) -> bool> Filter<F> {
    pub(super) fn new(extent: Extent, keep: F) -> Self {
        Self { extent, keep }
    }

    fn takes(&self, is_transient: bool) -> bool {
        match self.extent {
            Extent::All => true,
            Extent::Transient => is_transient,
            Extent::Nothing => false,
        }
    }

    fn keeps(&mut self, entity: &Entity) -> bool {
        (self.keep)(entity)
    }
}

/// The list as it grows.
#[derive(Default)]
struct Listed {
    entries: Vec<Entry>,
    /// Where the exchanges and queues stand.
    places: HashMap<End, usize>,
    /// Those that are not kept.
    refused: HashSet<End>,
}

impl Listed {
    fn add_end<F: FnMut(&Entity) -> bool>(
        &mut self,
        end: End,
        entry: Entry,
        filter: &mut Filter<F>,
    ) {
        if filter.keeps(&entry.entity) {
            self.places.insert(end, self.entries.len());
            self.entries.push(entry);
        } else {
            self.refused.insert(end);
        }
    }

    /// The places of these ends, as far as they are in the list; `None` if one is not kept.
    fn needs(&self, ends: [&End; 2]) -> Option<Vec<usize>> {
        if ends.iter().any(|end| self.refused.contains(end)) {
            return None;
        }
        let places = ends.iter().filter_map(|end| self.places.get(end));
        Some(places.copied().collect())
    }
}

/// Lists what the filter takes.
pub(super) fn list<F: FnMut(&Entity) -> bool>(
    declared: &Declared,
    filter: &mut Filter<F>,
) -> Vec<Entry> {
    let mut listed = Listed::default();
    if filter.extent == Extent::Nothing {
        return listed.entries;
    }
    let bindings = declared.bindings.in_order();
    list_exchanges(declared, &mut listed, filter);
    for &(end, route) in &bindings {
        if let End::Exchange(destination) = end {
            let entry = exchange_binding(destination, route);
            list_binding(declared, end, route, entry, &mut listed, filter);
        }
    }
    list_queues(declared, &mut listed, filter);
    for &(end, route) in &bindings {
        if let End::Queue(queue) = end {
            let entry = queue_binding(declared, queue, route);
            list_binding(declared, end, route, entry, &mut listed, filter);
        }
    }
    listed.entries
}

fn list_exchanges<F: FnMut(&Entity) -> bool>(
    declared: &Declared,
    listed: &mut Listed,
    filter: &mut Filter<F>,
) {
    let mut exchanges: Vec<_> = declared.exchanges.iter().collect();
    exchanges.sort_unstable_by_key(|(_, exchange)| exchange.number);
    for (name, exchange) in exchanges {
        if !filter.takes(exchange.may_have_gone()) {
            continue;
        }
        let entry = Entry {
            entity: Entity::Exchange(name.clone()),
            method: exchange.method.clone(),
            needs: Vec::new(),
            is_transient: false,
            queue: None,
        };
        listed.add_end(End::Exchange(name.clone()), entry, filter);
    }
}

fn list_queues<F: FnMut(&Entity) -> bool>(
    declared: &Declared,
    listed: &mut Listed,
    filter: &mut Filter<F>,
) {
    let mut queues: Vec<_> = declared.queues.iter().collect();
    queues.sort_unstable_by_key(|(_, queue)| queue.number);
    for (name, queue) in queues {
        if !filter.takes(queue.may_have_gone()) {
            continue;
        }
        let entry = Entry {
            entity: Entity::Queue(name.clone()),
            method: queue.method.clone(),
            needs: Vec::new(),
            is_transient: queue.dies_with_connection(),
            queue: Some(name.clone()),
        };
        listed.add_end(End::Queue(name.clone()), entry, filter);
    }
}

fn list_binding<F: FnMut(&Entity) -> bool>(
    declared: &Declared,
    end: &End,
    route: &Route,
    entry: Entry,
    listed: &mut Listed,
    filter: &mut Filter<F>,
) {
    let source = End::Exchange(route.source.clone());
    let may_have_gone = |end: &End| match end {
        End::Exchange(name) => declared
            .exchanges
            .get(name)
            .is_some_and(RecordedExchange::may_have_gone),
        End::Queue(name) => declared
            .queues
            .get(name)
            .is_some_and(RecordedQueue::may_have_gone),
    };
    if !filter.takes(may_have_gone(end) || may_have_gone(&source)) {
        return;
    }
    let Some(needs) = listed.needs([&source, end]) else {
        return;
    };
    if filter.keeps(&entry.entity) {
        listed.entries.push(Entry { needs, ..entry });
    }
}

fn exchange_binding(destination: &str, route: &Route) -> Entry {
    let bind = exchange::Bind {
        destination: short(destination),
        source: short(&route.source),
        routing_key: short(&route.routing_key),
        no_wait: false,
        arguments: route.arguments.as_ref(),
    };
    Entry {
        entity: Entity::ExchangeBinding {
            destination: destination.to_owned(),
            source: route.source.clone(),
            routing_key: route.routing_key.clone(),
        },
        method: payload(&bind),
        needs: Vec::new(),
        is_transient: false,
        queue: None,
    }
}

fn queue_binding(declared: &Declared, queue: &str, route: &Route) -> Entry {
    let bind = queue::Bind {
        queue: short(queue),
        exchange: short(&route.source),
        routing_key: short(&route.routing_key),
        no_wait: false,
        arguments: route.arguments.as_ref(),
    };
    let recorded = declared.queues.get(queue);
    Entry {
        entity: Entity::Binding {
            queue: queue.to_owned(),
            exchange: route.source.clone(),
            routing_key: route.routing_key.clone(),
        },
        method: payload(&bind),
        needs: Vec::new(),
        is_transient: recorded.is_some_and(RecordedQueue::dies_with_connection),
        queue: Some(queue.to_owned()),
    }
}

fn payload<'m>(method: &impl TypedMethod<'m>) -> Vec<u8> {
    let mut payload = Vec::new();
    method.encode(&mut payload);
    payload
}

/// What was recorded has been a short string, or part of one.
fn short(text: &str) -> ShortStr<'_> {
    text.try_into().unwrap_or_default()
}
