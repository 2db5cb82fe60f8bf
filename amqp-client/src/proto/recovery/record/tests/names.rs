//! Queues that the broker names, and names anew.

use amqp_spec::{basic, queue};

use super::*;

/// A record with one queue that the broker has named, bound once.
fn with_given(name: &str) -> Record {
    let mut record = Record::default();
    given(&mut record, &queue(""), name);
    done(&mut record, &bind(name, "x", "k"));
    record
}

#[test]
fn queue_that_the_broker_named_is_declared_without_a_name() {
    let mut record = with_given("amq.gen-1");
    assert_eq!(all(&record), ["queue", "bind amq.gen-1 <- x k"]);
    let declared = *record.queue("amq.gen-1").unwrap();
    assert!(declared.server_named && declared.durable && !declared.exclusive);
    // To declare it by its name is to say that it is there.
    done(&mut record, &queue("amq.gen-1"));
    assert_eq!(all(&record).len(), 2);
    assert_eq!(all(&record)[0], "queue");
    assert!(record.queue("amq.gen-1").unwrap().server_named);
    // Without the answer its name is not known.
    record.answered(&payload(&queue("")), b"");
    record.answered(&payload(&queue("")), &[1, 2, 3]);
    assert_eq!(all(&record).len(), 2);
}

#[test]
fn new_name_is_everywhere() {
    let mut record = Record::default();
    let declare = queue::Declare {
        auto_delete: true,
        ..queue("")
    };
    given(&mut record, &declare, "amq.gen-1");
    done(&mut record, &bind("amq.gen-1", "x", "k"));
    record.consumer_started("amq.gen-1");
    assert_eq!(record.take_renames(), None);

    record.renamed("amq.gen-1", "amq.gen-2");
    record.renamed("amq.gen-2", "amq.gen-3");
    assert_eq!(all(&record), ["queue", "bind amq.gen-3 <- x k"]);
    for name in ["amq.gen-1", "amq.gen-2", "amq.gen-3"] {
        assert!(record.queue(name).is_some(), "{name}");
    }
    let names = record.take_renames().unwrap();
    assert_eq!(names.present("amq.gen-1"), Some("amq.gen-3"));
    assert_eq!(record.take_renames(), None, "told once");

    // Requests that still have a former name.
    done(&mut record, &bind("amq.gen-1", "x", "k"));
    done(&mut record, &bind("amq.gen-2", "x", "other"));
    done(&mut record, &unbind("amq.gen-1", "x", "k"));
    assert_eq!(all(&record), ["queue", "bind amq.gen-3 <- x other"]);
    record.consumer_ended("amq.gen-1");
    assert!(all(&record).is_empty());
    let names = record.take_renames().unwrap();
    assert_eq!(names.present("amq.gen-1"), None, "deleted");
}

#[test]
fn bindings_keep_their_order_when_renamed() {
    let mut record = Record::default();
    given(&mut record, &queue(""), "amq.gen-1");
    done(&mut record, &bind("amq.gen-1", "x", "1"));
    done(&mut record, &bind("q", "x", "2"));
    done(&mut record, &bind("amq.gen-1", "x", "3"));
    record.renamed("amq.gen-1", "amq.gen-0");
    let expected = [
        "queue",
        "bind amq.gen-0 <- x 1",
        "bind q <- x 2",
        "bind amq.gen-0 <- x 3",
    ];
    assert_eq!(all(&record), expected);
}

#[test]
fn what_is_not_recorded_is_not_renamed() {
    let mut record = with_given("amq.gen-1");
    record.renamed("amq.gen-2", "amq.gen-3");
    record.renamed("amq.gen-1", "amq.gen-1");
    assert_eq!(record.take_renames(), None);
    assert_eq!(all(&record), ["queue", "bind amq.gen-1 <- x k"]);
}

#[test]
fn name_of_another_queue_replaces_that() {
    let mut record = with_given("amq.gen-1");
    given(&mut record, &queue(""), "amq.gen-2");
    record.renamed("amq.gen-1", "amq.gen-2");
    record.renamed("amq.gen-2", "amq.gen-1");
    assert_eq!(all(&record), ["queue", "bind amq.gen-1 <- x k"]);
}

#[test]
fn requests_that_waited_get_the_present_name() {
    let mut record = with_given("amq.gen-1");
    assert_eq!(
        record.translated(&payload(&bind("amq.gen-1", "x", "k"))),
        None
    );
    record.renamed("amq.gen-1", "amq.gen-2");
    let (old, new) = (short("amq.gen-1"), short("amq.gen-2"));
    let no_wait = true;
    let consume = |queue| {
        payload(&basic::Consume {
            queue,
            consumer_tag: short("tag"),
            no_wait,
            ..Default::default()
        })
    };
    let get = |queue| {
        payload(&basic::Get {
            queue,
            no_ack: true,
        })
    };
    let purge = |queue| payload(&queue::Purge { queue, no_wait });
    let if_empty = true;
    let delete = |queue| {
        payload(&queue::Delete {
            queue,
            if_empty,
            ..Default::default()
        })
    };
    let passive = true;
    let declare = |queue| {
        payload(&queue::Declare {
            queue,
            passive,
            ..Default::default()
        })
    };
    let bound = |queue| {
        payload(&queue::Bind {
            queue,
            no_wait,
            ..bind("", "x", "k")
        })
    };
    let unbound = |queue| {
        payload(&queue::Unbind {
            queue,
            ..unbind("", "x", "k")
        })
    };
    let methods: [&dyn Fn(ShortStr<'static>) -> Vec<u8>; 7] =
        [&consume, &get, &purge, &delete, &declare, &bound, &unbound];
    for method in methods {
        assert_eq!(record.translated(&method(old)), Some(method(new)));
        assert_eq!(record.translated(&method(new)), None);
        assert_eq!(record.translated(&method(short("other"))), None);
    }
    // Exchanges and keys are no queues.
    let elsewhere = payload(&bind("other", "amq.gen-1", "amq.gen-1"));
    assert_eq!(record.translated(&elsewhere), None);
    assert_eq!(
        record.translated(&payload(&delete_exchange("amq.gen-1"))),
        None
    );
    assert_eq!(record.translated(b"\0"), None);
}
