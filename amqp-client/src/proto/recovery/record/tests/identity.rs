//! What is recorded, and that it is recorded once.

use amqp_spec::wire::FieldTable;
use amqp_spec::{Method, basic, exchange, field_table, queue};

use super::*;

#[test]
fn equal_binds_are_one() {
    let mut record = Record::default();
    for _ in 0..1000 {
        done(&mut record, &bind("q", "x", "k"));
        done(&mut record, &bind_exchange("y", "x", "k"));
    }
    assert_eq!(all(&record), ["bind exchange y <- x k", "bind q <- x k"]);
    done(&mut record, &unbind("q", "x", "k"));
    done(&mut record, &unbind_exchange("y", "x", "k"));
    assert!(all(&record).is_empty());
}

#[test]
fn arguments_make_another_binding_and_their_order_does_not() {
    let mut record = Record::default();
    let with = |arguments: &FieldTable| {
        let plain = bind("q", "x", "k");
        payload(&queue::Bind {
            arguments: arguments.as_ref(),
            ..plain
        })
    };
    let tables = [
        field_table! { "a" => 1, "b" => "two" },
        field_table! { "b" => "two", "a" => 1 },
        field_table! { "a" => 1, "b" => "three" },
        field_table! {},
    ];
    for table in &tables {
        record.answered(&with(table), b"");
    }
    assert_eq!(all(&record).len(), 3);
    let unbind = queue::Unbind {
        arguments: tables[1].as_ref(),
        ..unbind("q", "x", "k")
    };
    done(&mut record, &unbind);
    let left = all(&record);
    assert_eq!(left.len(), 2);
    assert_eq!(left[1], "bind q <- x k");
    assert!(left[0].contains("three"), "{left:?}");
}

#[test]
fn repeated_declare_replaces_what_the_broker_ignores_and_keeps_its_place() {
    let mut record = Record::default();
    let exclusive = |durable| queue::Declare {
        exclusive: true,
        durable,
        ..queue("a")
    };
    done(&mut record, &exclusive(true));
    done(&mut record, &queue("b"));
    done(&mut record, &exclusive(false));
    let entries = record.entries(Extent::All, |_| true);
    assert_eq!(entries.len(), 2);
    let Ok(Method::QueueDeclare(declare)) = Method::decode(&entries[0].method) else {
        panic!("{entries:?}");
    };
    assert!(declare.queue == "a" && !declare.durable && declare.exclusive);
    assert!(!record.queue("a").unwrap().durable);
}

#[test]
fn what_is_sent_again_asks_for_a_reply() {
    let mut record = Record::default();
    let no_wait = true;
    done(
        &mut record,
        &exchange::Declare {
            no_wait,
            ..exchange("x")
        },
    );
    done(
        &mut record,
        &exchange::Bind {
            no_wait,
            ..bind_exchange("x", "y", "k")
        },
    );
    done(
        &mut record,
        &queue::Declare {
            no_wait,
            ..queue("q")
        },
    );
    done(
        &mut record,
        &queue::Bind {
            no_wait,
            ..bind("q", "x", "k")
        },
    );
    let methods: Vec<_> = record.entries(Extent::All, |_| true);
    let methods: Vec<_> = methods.into_iter().map(|entry| entry.method).collect();
    let expected = [
        payload(&exchange("x")),
        payload(&bind_exchange("x", "y", "k")),
        payload(&queue("q")),
        payload(&bind("q", "x", "k")),
    ];
    assert_eq!(methods, expected);
}

#[test]
fn what_is_the_brokers_own_is_not_recorded() {
    let mut record = Record::default();
    let passive = true;
    done(
        &mut record,
        &exchange::Declare {
            passive,
            ..exchange("x")
        },
    );
    done(
        &mut record,
        &queue::Declare {
            passive,
            ..queue("q")
        },
    );
    done(&mut record, &exchange("amq.topic"));
    done(&mut record, &exchange(""));
    done(&mut record, &queue("amq.gen-of-another-connection"));
    done(&mut record, &bind("q", "", "q"));
    done(&mut record, &bind("", "x", "k"));
    done(&mut record, &bind_exchange("x", "", "k"));
    done(
        &mut record,
        &basic::Consume {
            queue: short("q"),
            ..Default::default()
        },
    );
    assert!(all(&record).is_empty());
    // Bindings to the broker's exchanges are the program's.
    done(&mut record, &bind("q", "amq.topic", "k"));
    assert_eq!(all(&record), ["bind q <- amq.topic k"]);
}

#[test]
fn line_breaks_are_no_part_of_names() {
    let mut record = Record::default();
    done(&mut record, &queue("two\r\nlines"));
    done(&mut record, &bind("twolines", "x", "k\n"));
    assert_eq!(all(&record), ["queue two\r\nlines", "bind twolines <- x k"]);
    done(&mut record, &unbind("two\nlines", "x", "k"));
    assert_eq!(all(&record).len(), 2, "of a routing key they are");
    done(&mut record, &delete_queue("twolines"));
    assert!(all(&record).is_empty());
}
