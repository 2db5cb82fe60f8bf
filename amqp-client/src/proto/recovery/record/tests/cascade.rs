//! What goes with what.

use amqp_spec::{basic, exchange, queue};

use super::*;

#[test]
fn deleted_queue_takes_its_bindings_along() {
    let mut record = Record::default();
    done(&mut record, &exchange("x"));
    done(&mut record, &queue("q"));
    done(&mut record, &bind("q", "x", "k"));
    done(&mut record, &bind("other", "x", "k"));
    done(&mut record, &delete_queue("q"));
    assert_eq!(all(&record), ["exchange x", "bind other <- x k"]);
    // Another one of the same name begins without.
    done(&mut record, &queue("q"));
    assert_eq!(all(&record).len(), 3);
}

#[test]
fn deleted_exchange_takes_its_bindings_at_both_ends_along() {
    let mut record = Record::default();
    for name in ["x", "y", "z"] {
        done(&mut record, &exchange(name));
    }
    done(&mut record, &queue("q"));
    done(&mut record, &bind_exchange("y", "x", "in"));
    done(&mut record, &bind_exchange("z", "y", "out"));
    done(&mut record, &bind("q", "y", "out"));
    done(&mut record, &bind("q", "x", "stays"));
    done(&mut record, &delete_exchange("y"));
    let left = ["exchange x", "exchange z", "queue q", "bind q <- x stays"];
    assert_eq!(all(&record), left);
}

#[test]
fn auto_delete_exchange_goes_with_its_last_binding_and_so_on() {
    let mut record = Record::default();
    for name in ["a", "b", "c"] {
        done(&mut record, &auto_delete_exchange(name));
    }
    done(&mut record, &queue("q"));
    done(&mut record, &bind_exchange("b", "a", "k"));
    done(&mut record, &bind_exchange("c", "b", "k"));
    done(&mut record, &bind("q", "c", "1"));
    done(&mut record, &bind("q", "c", "2"));
    done(&mut record, &unbind("q", "c", "1"));
    assert_eq!(all(&record).len(), 7, "one binding is left");
    done(&mut record, &unbind("q", "c", "unknown"));
    assert_eq!(all(&record).len(), 7);
    done(&mut record, &unbind("q", "c", "2"));
    assert_eq!(all(&record), ["queue q"]);
}

#[test]
fn exchange_that_was_never_bound_stays() {
    let mut record = Record::default();
    done(&mut record, &auto_delete_exchange("x"));
    done(&mut record, &exchange("y"));
    done(&mut record, &bind_exchange("x", "y", "k"));
    done(&mut record, &unbind_exchange("x", "y", "k"));
    assert_eq!(all(&record), ["exchange x", "exchange y"]);
}

#[test]
fn auto_delete_queue_goes_with_its_last_consumer() {
    let mut record = Record::default();
    let auto_delete = true;
    done(&mut record, &auto_delete_exchange("x"));
    done(
        &mut record,
        &queue::Declare {
            auto_delete,
            ..queue("q")
        },
    );
    done(&mut record, &queue("stays"));
    done(&mut record, &bind("q", "x", "k"));
    let before = all(&record);
    record.consumer_ended("q");
    assert_eq!(all(&record), before, "it was none of ours");
    record.consumer_started("q");
    record.consumer_started("q");
    record.consumer_started("stays");
    record.consumer_ended("q");
    record.consumer_ended("stays");
    assert_eq!(all(&record), before);
    record.consumer_ended("q");
    assert_eq!(all(&record), ["queue stays"]);
}

#[test]
fn consumers_of_a_deleted_queue_are_none_of_the_next_one() {
    let mut record = Record::default();
    let declare = queue::Declare {
        auto_delete: true,
        ..queue("q")
    };
    done(&mut record, &declare);
    record.consumer_started("q");
    done(&mut record, &delete_queue("q"));
    done(&mut record, &declare);
    // The broker's cancel comes late.
    record.consumer_ended("q");
    assert_eq!(all(&record), ["queue q"]);
}

#[test]
fn long_chain_of_exchanges_goes_at_once() {
    let mut record = Record::default();
    let names: Vec<_> = (0..20_000).map(|n| format!("x{n}")).collect();
    for pair in names.windows(2) {
        done(&mut record, &auto_delete_exchange(&pair[0]));
        done(&mut record, &bind_exchange(&pair[1], &pair[0], "k"));
    }
    let [.., before_last, last] = names.as_slice() else {
        panic!("a chain");
    };
    done(&mut record, &unbind_exchange(last, before_last, "k"));
    assert!(all(&record).is_empty());
}

#[test]
fn what_was_to_be_deleted_when_the_stream_ended_is_gone() {
    let declared = || {
        let mut record = Record::default();
        done(&mut record, &exchange("x"));
        done(&mut record, &exchange("y"));
        done(&mut record, &queue("q"));
        done(&mut record, &bind("q", "x", "k"));
        done(&mut record, &bind_exchange("y", "x", "k"));
        record
    };
    let left = |unanswered: Vec<u8>| {
        let mut record = declared();
        record.unanswered(&unanswered);
        all(&record).len()
    };
    assert_eq!(left(payload(&delete_queue("q"))), 3);
    assert_eq!(left(payload(&delete_exchange("x"))), 2);
    assert_eq!(left(payload(&unbind("q", "x", "k"))), 4);
    assert_eq!(left(payload(&unbind_exchange("y", "x", "k"))), 4);
    // Whether the condition was met is not known.
    let if_unused = true;
    let queue_if_unused = queue::Delete {
        if_unused,
        ..delete_queue("q")
    };
    let queue_if_empty = queue::Delete {
        if_empty: true,
        ..delete_queue("q")
    };
    let exchange_if_unused = exchange::Delete {
        if_unused,
        ..delete_exchange("y")
    };
    assert_eq!(left(payload(&queue_if_unused)), 5);
    assert_eq!(left(payload(&queue_if_empty)), 5);
    assert_eq!(left(payload(&exchange_if_unused)), 5);
    // Nor whether what was to be declared is there.
    assert_eq!(left(payload(&queue("new"))), 5);
    assert_eq!(left(payload(&bind("q", "x", "new"))), 5);
    assert_eq!(left(payload(&basic::Cancel::default())), 5);

    let mut record = declared();
    done(&mut record, &queue_if_unused);
    done(&mut record, &exchange_if_unused);
    assert_eq!(all(&record), ["exchange x"], "answered, it was met");
}
