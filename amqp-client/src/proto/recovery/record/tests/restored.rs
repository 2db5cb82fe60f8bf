//! What is restored: in which order, and what depends on what.

use std::cell::RefCell;

use amqp_spec::{exchange, queue};

use super::*;
use crate::error::Entity;

/// Two of each kind: durable ones, and others.
fn topology() -> Record {
    let mut record = Record::default();
    done(&mut record, &bind("early", "passive", "k"));
    done(&mut record, &queue("durable"));
    let exclusive = queue::Declare {
        exclusive: true,
        ..queue("exclusive")
    };
    done(&mut record, &exclusive);
    done(&mut record, &bind("exclusive", "x", "1"));
    done(&mut record, &exchange("x"));
    done(&mut record, &auto_delete_exchange("auto"));
    done(&mut record, &bind("durable", "x", "2"));
    done(&mut record, &bind("durable", "auto", "3"));
    done(&mut record, &bind_exchange("auto", "x", "4"));
    done(&mut record, &bind_exchange("x", "amq.topic", "5"));
    record
}

#[test]
fn what_is_needed_stands_in_front() {
    let record = topology();
    let expected = [
        "exchange x",
        "exchange auto",
        "bind exchange auto <- x 4",
        "bind exchange x <- amq.topic 5",
        "queue durable",
        "queue exclusive",
        "bind early <- passive k",
        "bind exclusive <- x 1",
        "bind durable <- x 2",
        "bind durable <- auto 3",
    ];
    assert_eq!(all(&record), expected);
    let entries = record.entries(Extent::All, |_| true);
    let needs: Vec<_> = entries.iter().map(|entry| entry.needs.as_slice()).collect();
    let none: &[usize] = &[];
    let expected = [
        none,
        none,
        &[0, 1],
        &[0],
        none,
        none,
        none,
        &[0, 5],
        &[0, 4],
        &[1, 4],
    ];
    assert_eq!(needs, expected);
    let queues: Vec<_> = entries.iter().map(|entry| entry.queue.as_deref()).collect();
    let (durable, exclusive) = (Some("durable"), Some("exclusive"));
    let early = Some("early");
    let expected = [
        None, None, None, None, durable, exclusive, early, exclusive, durable, durable,
    ];
    assert_eq!(queues, expected);
    let transient: Vec<_> = entries
        .iter()
        .filter(|entry| entry.is_transient)
        .map(in_words)
        .collect();
    assert_eq!(transient, ["queue exclusive", "bind exclusive <- x 1"]);
}

#[test]
fn entities_have_their_names() {
    let mut record = Record::default();
    done(&mut record, &exchange("x"));
    done(&mut record, &bind_exchange("y", "x", "k"));
    given(&mut record, &queue(""), "amq.gen-1");
    done(&mut record, &bind("amq.gen-1", "x", "k"));
    let entries = record.entries(Extent::All, |_| true);
    let entities: Vec<_> = entries
        .iter()
        .map(|entry| entry.entity.to_string())
        .collect();
    let expected = [
        "exchange 'x'",
        "binding of exchange 'y' to exchange 'x' with routing key 'k'",
        "queue 'amq.gen-1'",
        "binding of queue 'amq.gen-1' to exchange 'x' with routing key 'k'",
    ];
    assert_eq!(entities, expected);
}

#[test]
fn transient_ones_are_those_that_may_have_gone() {
    let mut record = topology();
    let durable = false;
    done(
        &mut record,
        &exchange::Declare {
            durable,
            ..exchange("transient")
        },
    );
    done(
        &mut record,
        &queue::Declare {
            durable,
            ..queue("transient")
        },
    );
    given(&mut record, &queue(""), "amq.gen-1");
    done(&mut record, &bind("durable", "transient", "6"));
    let entries = record.entries(Extent::Transient, |_| true);
    let words: Vec<_> = entries.iter().map(in_words).collect();
    let expected = [
        "exchange auto",
        "exchange transient",
        "bind exchange auto <- x 4",
        "queue exclusive",
        "queue transient",
        "queue",
        "bind exclusive <- x 1",
        "bind durable <- auto 3",
        "bind durable <- transient 6",
    ];
    assert_eq!(words, expected);
    let needs: Vec<_> = entries.into_iter().map(|entry| entry.needs).collect();
    assert_eq!(needs[2], [0]);
    assert_eq!(needs[6], [3]);
    assert_eq!(needs[8], [1]);
    assert!(record.entries(Extent::Nothing, |_| true).is_empty());
}

#[test]
fn what_is_not_kept_takes_its_bindings_along() {
    let record = topology();
    let asked = RefCell::new(Vec::new());
    let keep = |entity: &Entity| {
        asked.borrow_mut().push(entity.to_string());
        !matches!(entity, Entity::Exchange(name) | Entity::Queue(name)
            if name == "auto" || name == "exclusive")
    };
    let entries = record.entries(Extent::All, keep);
    let words: Vec<_> = entries.iter().map(in_words).collect();
    let expected = [
        "exchange x",
        "bind exchange x <- amq.topic 5",
        "queue durable",
        "bind early <- passive k",
        "bind durable <- x 2",
    ];
    assert_eq!(words, expected);
    assert_eq!(entries[4].needs, [0, 2]);
    assert_eq!(asked.borrow().len(), 7, "not of what is left out anyway");
    let no_bindings = record.entries(Extent::All, |entity| !entity.is_binding());
    assert_eq!(no_bindings.len(), 4);
}
