//! Everything that a file declares.

use amqp_spec::wire::{FieldArray, FieldTable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{binding, checked, exchange, queue};
use crate::declare::{Binding, Bound, Topology};
use crate::error::Subject;
use crate::settings::{self, Entry, Fault};

const KEYS: [&str; 3] = ["exchanges", "queues", "bindings"];

/// What a binding binds to what.
const ENDS: [&str; 4] = ["queue", "exchange", "destination", "source"];

/// Lists of `exchanges`, `queues` and `bindings`, each of which may be missing; see the guide's
/// page on files.
impl<'de> Deserialize<'de> for Topology {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        settings::read(deserializer, |file| {
            let mut topology = Self::default();
            for list in file.entries()? {
                match list.name() {
                    "exchanges" => topology.exchanges = read_all(&list, exchange::read)?,
                    "queues" => topology.queues = read_all(&list, queue::read)?,
                    "bindings" => topology.bindings = read_all(&list, read_bound)?,
                    _ => return Err(list.unknown(KEYS.into_iter())),
                }
            }
            Ok(topology)
        })
    }
}

fn read_all<T>(
    list: &Entry<'_>,
    read: fn(&Entry<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    list.list()?.iter().map(read).collect()
}

fn read_bound(bound: &Entry<'_>) -> Result<Bound, Fault> {
    let mut ends = [None; ENDS.len()];
    let mut binding = Binding::default();
    for entry in bound.entries()? {
        let end = ENDS.iter().zip(&mut ends);
        match end.into_iter().find(|(key, _)| entry.name() == **key) {
            Some((_, end)) => *end = Some(entry.text()?),
            None if binding::read_entry(&entry, &mut binding)? => {}
            None => return Err(entry.unknown(ENDS.into_iter().chain(binding::KEYS))),
        }
    }
    let (to, from, read) = match ends {
        [Some(queue), Some(exchange), None, None] => {
            let read = Bound::Queue {
                queue: queue.to_owned(),
                exchange: exchange.to_owned(),
                binding,
            };
            (queue, exchange, read)
        }
        [None, None, Some(destination), Some(source)] => {
            let read = Bound::Exchange {
                destination: destination.to_owned(),
                source: source.to_owned(),
                binding,
            };
            (destination, source, read)
        }
        _ => {
            return Err(bound.must_be("of a queue to an exchange, or of a destination to a source"));
        }
    };
    for name in [to, from] {
        bound.located(checked(Subject::Nothing.short("name", name)))?;
    }
    bound.located(binding::check(read.binding()))?;
    Ok(read)
}

/// As it is read.
impl Serialize for Topology {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        settings::write(write(self), serializer)
    }
}

fn write(topology: &Topology) -> Result<FieldTable, Fault> {
    let mut lists = [FieldArray::new(), FieldArray::new(), FieldArray::new()];
    let [exchanges, queues, bindings] = &mut lists;
    for exchange in &topology.exchanges {
        checked(exchange.as_method())?;
        exchanges.push(exchange::write(exchange));
    }
    for queue in &topology.queues {
        checked(queue.as_method())?;
        queues.push(queue::write(queue));
    }
    for bound in &topology.bindings {
        let mut file = FieldTable::new();
        let (to, from) = match bound {
            Bound::Queue {
                queue, exchange, ..
            } => (("queue", queue), ("exchange", exchange)),
            Bound::Exchange {
                destination,
                source,
                ..
            } => (("destination", destination), ("source", source)),
        };
        for (key, name) in [to, from] {
            checked(Subject::Nothing.short("name", name))?;
            file.insert(key, name);
        }
        binding::check(bound.binding())?;
        binding::write(bound.binding(), &mut file);
        bindings.push(file);
    }
    let mut file = FieldTable::new();
    for (key, list) in KEYS.into_iter().zip(lists) {
        if !list.is_empty() {
            file.insert(key, list);
        }
    }
    Ok(file)
}

impl Bound {
    fn binding(&self) -> &Binding {
        match self {
            Self::Queue { binding, .. } | Self::Exchange { binding, .. } => binding,
        }
    }
}
