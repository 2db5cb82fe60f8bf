//! The bindings of a connection: each once, however often it was made.
//!
//! A binding is its two ends, its routing key and its arguments. RabbitMQ sorts the arguments by
//! name, and so are they here.

use std::collections::{BTreeMap, HashMap};

use amqp_spec::wire::{FieldTable, TableRef};

/// Where a binding leads to.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) enum End {
    Exchange(String),
    Queue(String),
}

/// Where a binding comes from, and what takes it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Route {
    pub(super) source: String,
    pub(super) routing_key: String,
    pub(super) arguments: FieldTable,
}

/// All bindings, by where they lead to.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    /// Each with the number that it was recorded under; no inner map is empty.
    by_end: BTreeMap<End, HashMap<Route, u64>>,
    /// How many come from each exchange; never 0.
    by_source: HashMap<String, usize>,
}

impl Bindings {
    /// A binding has been made; one that was there keeps its number.
    pub(super) fn add(&mut self, end: End, route: Route, number: u64) {
        let source = route.source.clone();
        let mut is_new = false;
        self.by_end
            .entry(end)
            .or_default()
            .entry(route)
            .or_insert_with(|| {
                is_new = true;
                number
            });
        if is_new {
            *self.by_source.entry(source).or_default() += 1;
        }
    }

    /// A binding is gone. True if it was there.
    pub(super) fn remove(&mut self, end: &End, route: &Route) -> bool {
        let Some(routes) = self.by_end.get_mut(end) else {
            return false;
        };
        if routes.remove(route).is_none() {
            return false;
        }
        if routes.is_empty() {
            self.by_end.remove(end);
        }
        self.uncount(&route.source);
        true
    }

    /// All that lead there are gone; returns the exchanges that they came from.
    pub(super) fn remove_to(&mut self, end: &End) -> Vec<String> {
        let routes = self.by_end.remove(end).unwrap_or_default();
        let sources: Vec<_> = routes.into_keys().map(|route| route.source).collect();
        for source in &sources {
            self.uncount(source);
        }
        sources
    }

    /// All that come from this exchange are gone.
    pub(super) fn remove_from(&mut self, source: &str) {
        if self.by_source.remove(source).is_none() {
            return;
        }
        self.by_end.retain(|_, routes| {
            routes.retain(|route, _| route.source != source);
            !routes.is_empty()
        });
    }

    /// Whether any come from this exchange.
    pub(super) fn lead_from(&self, source: &str) -> bool {
        self.by_source.contains_key(source)
    }

    /// Those that lead to one end lead to another.
    pub(super) fn redirect(&mut self, from: &End, to: &End) {
        for (route, number) in self.by_end.remove(from).unwrap_or_default() {
            self.uncount(&route.source);
            self.add(to.clone(), route, number);
        }
    }

    /// All, in the order in which they were made.
    pub(super) fn in_order(&self) -> Vec<(&End, &Route)> {
        let all = self.by_end.iter();
        let all = all.flat_map(|(end, routes)| routes.iter().map(move |(r, n)| (*n, end, r)));
        let mut all: Vec<_> = all.collect();
        all.sort_unstable_by_key(|&(number, ..)| number);
        all.into_iter()
            .map(|(_, end, route)| (end, route))
            .collect()
    }

    fn uncount(&mut self, source: &str) {
        if let Some(count) = self.by_source.get_mut(source) {
            *count -= 1;
            if *count == 0 {
                self.by_source.remove(source);
            }
        }
    }
}

/// The arguments, sorted by name as RabbitMQ sorts them. What cannot be read stays as it is.
pub(super) fn sorted(arguments: TableRef<'_>) -> FieldTable {
    let entries: Result<Vec<_>, _> = arguments.into_iter().collect();
    let Ok(mut entries) = entries else {
        return arguments.to_owned();
    };
    // Stable: entries of one name keep their order.
    entries.sort_by_key(|(name, _)| name.as_bytes());
    let mut table = FieldTable::new();
    for (name, value) in entries {
        table.push(name, value);
    }
    table
}
