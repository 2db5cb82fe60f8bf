//! Queues that hold no more than so, that put one message before another, or have one consumer.

use std::time::Duration;

use amqp_spec::wire::FieldTable;
use amqp_spec::{basic, channel, field_table, tx};

use crate::lab::{Client, Lab};
use crate::say::{
    ack, cancel, consume, declare_with, get, mandatory, message, message_with, nack, passive,
    purge, qos, take,
};

probes! { "bounds":
    bound_refuses_many,
    bound_refuses_by_octets,
    bound_refuses_also_what_is_consumed,
    bound_refuses_what_a_full_consumer_leaves,
    bound_refuses_again_after_requeue,
    bound_refuses_without_confirms,
    bound_refuses_in_a_transaction,
    bound_refuses_then_purged,
    bound_refuses_and_another_queue_takes,
    bound_counts_only_what_is_ready,
    bound_drops_requeued,
    bound_drops_by_octets_of_many,
    bound_drops_what_is_larger_than_all,
    bound_drops_what_comes_back,
    bound_drops_by_priority,
    priority_of_requeued,
    priority_fetched,
    priority_while_consumed,
    priority_zero,
    single_active_has_prefetch,
    single_active_cancelled,
    single_active_of_two_channels,
    single_active_channel_closed,
    single_active_exclusive,
    single_active_and_priority,
    single_active_keeps_its_place,
}

/// A queue with these arguments.
fn queue(lab: &Lab, arguments: &FieldTable) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare_with(&q, arguments));
    c.forget();
    (q, c)
}

fn refusing(lab: &Lab, length: i32) -> (String, Client) {
    queue(
        lab,
        &field_table! { "x-max-length" => length, "x-overflow" => "reject-publish" },
    )
}

fn dropping(lab: &Lab, length: i32) -> (String, Client) {
    queue(lab, &field_table! { "x-max-length" => length })
}

/// Publishes these bodies, and waits until each of them is confirmed or refused.
fn publish(c: &Client, q: &str, n_before: u64, bodies: &[&str]) {
    for (number, body) in (n_before + 1..).zip(bodies) {
        c.raw(&[message(1, "", q, body)]);
        c.wait_settled(1, number);
    }
}

fn empty(c: &Client, q: &str, at_most: usize) {
    for _ in 0..at_most {
        c.call(1, &take(q));
    }
}

fn bound_refuses_many(lab: &Lab) {
    let (q, c) = refusing(lab, 3);
    publish(&c, &q, 0, &["1", "2", "3", "4", "5", "6"]);
    c.call(1, &take(&q));
    publish(&c, &q, 6, &["7", "8"]);
    empty(&c, &q, 4);
}

fn bound_refuses_by_octets(lab: &Lab) {
    let arguments = field_table! {
        "x-max-length-bytes" => 10i32, "x-overflow" => "reject-publish",
    };
    let (q, c) = queue(lab, &arguments);
    publish(&c, &q, 0, &["12345", "1234567", "12345", "", "x"]);
    empty(&c, &q, 4);
}

fn bound_refuses_also_what_is_consumed(lab: &Lab) {
    let (q, c) = refusing(lab, 0);
    publish(&c, &q, 0, &["1"]);
    let consumer = lab.channel();
    consumer.call(1, &consume(&q, "t"));
    publish(&c, &q, 1, &["2", "3"]);
}

fn bound_refuses_what_a_full_consumer_leaves(lab: &Lab) {
    let (q, c) = refusing(lab, 1);
    let consumer = lab.channel();
    consumer.call(1, &qos(1));
    consumer.call(1, &consume(&q, "t"));
    publish(&c, &q, 0, &["1", "2", "3"]);
    consumer.wait(1, "basic.deliver");
    consumer.send(1, &ack(1, false));
    consumer.wait(1, "basic.deliver");
}

fn bound_refuses_again_after_requeue(lab: &Lab) {
    let (q, c) = refusing(lab, 1);
    publish(&c, &q, 0, &["1"]);
    c.call(1, &get(&q));
    publish(&c, &q, 1, &["2"]);
    c.send(1, &nack(1, false, true));
    c.quiet();
    publish(&c, &q, 2, &["3"]);
    empty(&c, &q, 3);
}

fn bound_refuses_without_confirms(lab: &Lab) {
    let (q, _) = refusing(lab, 1);
    let c = lab.channel();
    c.raw(&[
        message(1, "", &q, "1"),
        message(1, "", &q, "2"),
        mandatory(1, "", &q, "3"),
    ]);
    c.call(1, &qos(0));
    empty(&c, &q, 2);
}

fn bound_refuses_in_a_transaction(lab: &Lab) {
    let (q, _) = refusing(lab, 1);
    let c = lab.channel();
    c.call(1, &tx::Select {});
    c.raw(&[message(1, "", &q, "1"), message(1, "", &q, "2")]);
    c.call(1, &tx::Commit {});
    empty(&c, &q, 2);
}

fn bound_refuses_then_purged(lab: &Lab) {
    let (q, c) = refusing(lab, 1);
    publish(&c, &q, 0, &["1", "2"]);
    c.call(1, &purge(&q));
    publish(&c, &q, 2, &["3", "4"]);
    empty(&c, &q, 2);
}

fn bound_refuses_and_another_queue_takes(lab: &Lab) {
    let (q, c) = refusing(lab, 0);
    let r = lab.name("r");
    c.call(1, &crate::say::declare(&r));
    c.call(1, &crate::say::bind(&q, "amq.direct", &q));
    c.call(1, &crate::say::bind(&r, "amq.direct", &q));
    c.raw(&[mandatory(1, "amq.direct", &q, "m")]);
    c.wait_settled(1, 1);
    empty(&c, &r, 1);
}

fn bound_counts_only_what_is_ready(lab: &Lab) {
    let (q, c) = dropping(lab, 2);
    publish(&c, &q, 0, &["1", "2"]);
    c.call(1, &get(&q));
    publish(&c, &q, 2, &["3"]);
    c.call(1, &passive(&q));
    empty(&c, &q, 3);
}

fn bound_drops_requeued(lab: &Lab) {
    let (q, c) = dropping(lab, 2);
    publish(&c, &q, 0, &["1", "2"]);
    c.call(1, &get(&q));
    publish(&c, &q, 2, &["3"]);
    c.send(1, &nack(1, false, true));
    c.quiet();
    c.call(1, &passive(&q));
    empty(&c, &q, 3);
}

fn bound_drops_by_octets_of_many(lab: &Lab) {
    let (q, c) = queue(lab, &field_table! { "x-max-length-bytes" => 10i32 });
    publish(&c, &q, 0, &["aaaa", "bbb", "ccc", "ddddddddd", "e"]);
    empty(&c, &q, 3);
}

fn bound_drops_what_is_larger_than_all(lab: &Lab) {
    let (q, c) = queue(lab, &field_table! { "x-max-length-bytes" => 3i32 });
    publish(&c, &q, 0, &["a", "bbbb", "c"]);
    empty(&c, &q, 3);
}

fn bound_drops_what_comes_back(lab: &Lab) {
    let (q, c) = dropping(lab, 0);
    let consumer = lab.channel();
    consumer.call(1, &qos(1));
    consumer.call(1, &consume(&q, "t"));
    publish(&c, &q, 0, &["1", "2"]);
    consumer.wait(1, "basic.deliver");
    consumer.send(1, &nack(1, false, true));
    consumer.quiet();
    consumer.call(1, &passive(&q));
}

/// The frames of a message with a priority.
fn with_priority(q: &str, priority: u8, body: &str) -> Vec<u8> {
    let properties = basic::Properties::new().priority(priority);
    message_with(1, "", q, &properties, body)
}

fn bound_drops_by_priority(lab: &Lab) {
    let (q, c) = queue(
        lab,
        &field_table! { "x-max-length" => 2i32, "x-max-priority" => 9i32 },
    );
    for (number, priority) in (1..).zip([5, 1, 9, 1]) {
        c.raw(&[with_priority(&q, priority, &number.to_string())]);
        c.wait_settled(1, number);
    }
    empty(&c, &q, 3);
}

fn prioritised(lab: &Lab) -> (String, Client) {
    let (q, c) = queue(lab, &field_table! { "x-max-priority" => 3i32 });
    for (number, priority) in (1..).zip([1, 3, 2, 3, 0]) {
        c.raw(&[with_priority(&q, priority, &number.to_string())]);
        c.wait_settled(1, number);
    }
    (q, c)
}

fn priority_of_requeued(lab: &Lab) {
    let (q, c) = prioritised(lab);
    for _ in 0..4 {
        c.call(1, &get(&q));
    }
    c.send(1, &nack(3, false, true));
    c.send(1, &nack(1, false, true));
    c.raw(&[with_priority(&q, 3, "late")]);
    c.wait_settled(1, 6);
    empty(&c, &q, 5);
}

fn priority_fetched(lab: &Lab) {
    let (q, c) = prioritised(lab);
    empty(&c, &q, 6);
}

fn priority_while_consumed(lab: &Lab) {
    let (q, c) = prioritised(lab);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    for tag in 1..5 {
        c.wait(1, "basic.deliver");
        c.send(1, &ack(tag, false));
    }
    c.wait(1, "basic.deliver");
}

fn priority_zero(lab: &Lab) {
    let (q, c) = queue(lab, &field_table! { "x-max-priority" => 0i32 });
    c.raw(&[with_priority(&q, 1, "1"), with_priority(&q, 9, "2")]);
    c.wait_settled(1, 2);
    empty(&c, &q, 2);
}

/// A queue for one consumer, and three messages.
fn single(lab: &Lab) -> (String, Client) {
    let (q, c) = queue(lab, &field_table! { "x-single-active-consumer" => true });
    publish(&c, &q, 0, &["1", "2", "3"]);
    c.forget();
    (q, c)
}

fn single_active_has_prefetch(lab: &Lab) {
    let (q, c) = single(lab);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.call(1, &consume(&q, "u"));
    c.quiet();
    c.send(1, &ack(1, false));
    c.wait(1, "basic.deliver");
}

fn single_active_cancelled(lab: &Lab) {
    let (q, c) = single(lab);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.call(1, &consume(&q, "u"));
    c.call(1, &cancel("t"));
    c.pass(Duration::from_secs(1));
}

fn single_active_of_two_channels(lab: &Lab) {
    let (q, c) = single(lab);
    c.open_channel(2);
    c.open_channel(3);
    c.call(2, &qos(2));
    c.call(2, &consume(&q, "t"));
    c.wait_n(2, "basic.deliver", 2);
    c.call(3, &consume(&q, "u"));
    c.quiet();
    c.send(2, &ack(1, false));
    c.wait(2, "basic.deliver");
    c.call(3, &passive(&q));
}

fn single_active_channel_closed(lab: &Lab) {
    let (q, c) = single(lab);
    c.open_channel(2);
    c.open_channel(3);
    c.call(2, &consume(&q, "t"));
    c.wait_n(2, "basic.deliver", 3);
    c.call(3, &consume(&q, "u"));
    c.call(2, &channel::Close::default());
    c.wait_n(3, "basic.deliver", 3);
}

fn single_active_exclusive(lab: &Lab) {
    let (q, c) = single(lab);
    let exclusive = basic::Consume {
        exclusive: true,
        ..consume(&q, "t")
    };
    c.call(1, &exclusive);
}

fn single_active_and_priority(lab: &Lab) {
    let (q, c) = queue(lab, &field_table! { "x-single-active-consumer" => true });
    c.open_channel(2);
    let arguments = field_table! { "x-priority" => 5i32 };
    c.call(2, &consume(&q, "first"));
    let high = basic::Consume {
        arguments: arguments.as_ref(),
        ..consume(&q, "high")
    };
    c.call(2, &high);
    publish(&c, &q, 0, &["1", "2"]);
    c.wait_n(2, "basic.deliver", 2);
}

fn single_active_keeps_its_place(lab: &Lab) {
    let (q, c) = queue(lab, &field_table! { "x-single-active-consumer" => true });
    c.open_channel(2);
    for tag in ["t", "u", "v"] {
        c.call(2, &consume(&q, tag));
    }
    c.call(2, &cancel("u"));
    publish(&c, &q, 0, &["1", "2"]);
    c.wait_n(2, "basic.deliver", 2);
    c.call(2, &cancel("t"));
    publish(&c, &q, 2, &["3"]);
    c.wait(2, "basic.deliver");
}
