//! Requests at random, against a model that keeps the whole history and thinks it over from the
//! start each time.

use std::collections::BTreeSet;

use super::*;
use crate::tests::support::random::Random;

/// The exchanges that requests are about; some are deleted automatically.
const EXCHANGES: [&str; 5] = ["x", "y", "auto-1", "auto-2", "auto-3"];
const QUEUES: [&str; 4] = ["q", "r", "auto-4", "auto-5"];
const KEYS: [&str; 2] = ["k", "l"];

#[derive(Clone, Copy, Debug)]
enum Request {
    DeclareExchange(&'static str),
    DeclareQueue(&'static str),
    DeleteExchange(&'static str),
    DeleteQueue(&'static str),
    Bind(Binding),
    Unbind(Binding),
    Consume(&'static str),
    Cancel(&'static str),
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Binding {
    to_queue: bool,
    to: &'static str,
    from: &'static str,
    key: &'static str,
}

fn any(random: &mut Random, of: &[&'static str]) -> &'static str {
    of[random.index(of.len())]
}

fn request(random: &mut Random) -> Request {
    let binding = |random: &mut Random| {
        let to_queue = random.below(2) == 0;
        Binding {
            to_queue,
            to: any(random, if to_queue { &QUEUES } else { &EXCHANGES }),
            from: any(random, &EXCHANGES),
            key: any(random, &KEYS),
        }
    };
    match random.below(20) {
        0..=2 => Request::DeclareExchange(any(random, &EXCHANGES)),
        3..=5 => Request::DeclareQueue(any(random, &QUEUES)),
        6 => Request::DeleteExchange(any(random, &EXCHANGES)),
        7 => Request::DeleteQueue(any(random, &QUEUES)),
        8..=12 => Request::Bind(binding(random)),
        13..=15 => Request::Unbind(binding(random)),
        16 | 17 => Request::Consume(any(random, &QUEUES)),
        _ => Request::Cancel(any(random, &QUEUES)),
    }
}

/// What there is, in words as [`all`] has them; without order.
fn model(history: &[Request]) -> BTreeSet<String> {
    let (mut exchanges, mut queues) = (BTreeSet::new(), BTreeSet::new());
    let mut bindings = BTreeSet::<Binding>::new();
    let mut consumers = Vec::new();
    for request in history {
        let before = bindings.clone();
        match *request {
            Request::DeclareExchange(name) => drop(exchanges.insert(name)),
            Request::DeclareQueue(name) => drop(queues.insert(name)),
            Request::DeleteExchange(name) => {
                exchanges.remove(name);
                bindings.retain(|b| b.from != name && (b.to_queue || b.to != name));
            }
            Request::DeleteQueue(name) => {
                queues.remove(name);
                consumers.retain(|queue| *queue != name);
                bindings.retain(|b| !b.to_queue || b.to != name);
            }
            Request::Bind(binding) => drop(bindings.insert(binding)),
            Request::Unbind(binding) => drop(bindings.remove(&binding)),
            Request::Consume(queue) => consumers.push(queue),
            Request::Cancel(queue) => {
                let Some(at) = consumers.iter().position(|of| *of == queue) else {
                    continue;
                };
                consumers.remove(at);
                let is_last = !consumers.contains(&queue);
                if is_last && queue.starts_with("auto") && queues.remove(queue) {
                    bindings.retain(|b| !b.to_queue || b.to != queue);
                }
            }
        }
        // Exchanges that have lost bindings and have none, until there are no more of them.
        loop {
            let lost: Vec<_> = before.difference(&bindings).copied().collect();
            let goes = |name: &&&str| {
                name.starts_with("auto")
                    && lost.iter().any(|b| b.from == **name)
                    && !bindings.iter().any(|b| b.from == **name)
            };
            let Some(name) = exchanges.iter().find(goes).copied() else {
                break;
            };
            exchanges.remove(name);
            bindings.retain(|b| b.to_queue || b.to != name);
        }
    }
    let mut words: BTreeSet<_> = exchanges.iter().map(|x| format!("exchange {x}")).collect();
    words.extend(queues.iter().map(|q| format!("queue {q}")));
    words.extend(bindings.iter().map(|b| {
        let kind = if b.to_queue { "" } else { "exchange " };
        format!("bind {kind}{} <- {} {}", b.to, b.from, b.key)
    }));
    words
}

fn apply(record: &mut Record, request: Request) {
    match request {
        Request::DeclareExchange(name) if name.starts_with("auto") => {
            done(record, &auto_delete_exchange(name));
        }
        Request::DeclareExchange(name) => done(record, &exchange(name)),
        Request::DeclareQueue(name) => {
            let auto_delete = name.starts_with("auto");
            done(
                record,
                &queue::Declare {
                    auto_delete,
                    ..queue(name)
                },
            );
        }
        Request::DeleteExchange(name) => done(record, &delete_exchange(name)),
        Request::DeleteQueue(name) => done(record, &delete_queue(name)),
        Request::Bind(b) if b.to_queue => done(record, &bind(b.to, b.from, b.key)),
        Request::Bind(b) => done(record, &bind_exchange(b.to, b.from, b.key)),
        Request::Unbind(b) if b.to_queue => done(record, &unbind(b.to, b.from, b.key)),
        Request::Unbind(b) => done(record, &unbind_exchange(b.to, b.from, b.key)),
        Request::Consume(queue) => record.consumer_started(queue),
        Request::Cancel(queue) => record.consumer_ended(queue),
    }
}

#[test]
fn record_has_what_the_history_leaves() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut record = Record::default();
        let mut history = Vec::new();
        for _ in 0..60 {
            let request = request(&mut random);
            history.push(request);
            apply(&mut record, request);
            let restored = all(&record);
            let is_once = restored.iter().collect::<BTreeSet<_>>().len() == restored.len();
            assert!(is_once, "seed {seed}: {restored:?}");
            let restored: BTreeSet<_> = restored.into_iter().collect();
            assert_eq!(restored, model(&history), "seed {seed}: {history:?}");
        }
        everything_needed_is_in_front(&record);
    }
}

fn everything_needed_is_in_front(record: &Record) {
    let entries = record.entries(Extent::All, |_| true);
    for (at, entry) in entries.iter().enumerate() {
        let is_end = |end: &&Entry| !end.entity.is_binding();
        let (words, before) = (in_words(entry), &entries[..at]);
        let known = before.iter().filter(is_end).filter(|end| {
            let ends = words.split(' ').collect::<Vec<_>>();
            words.starts_with("bind") && ends.contains(&end.entity.name())
        });
        // A binding of an exchange to itself needs it twice.
        let needed: BTreeSet<_> = entry
            .needs
            .iter()
            .map(|&at| entries[at].entity.name())
            .collect();
        let known: BTreeSet<_> = known.map(|end| end.entity.name()).collect();
        assert_eq!(needed, known, "{words}");
    }
}
