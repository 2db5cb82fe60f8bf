//! Declaring, purging and deleting queues.

use std::time::Duration;

use amqp_spec::{channel, field_table, queue};

use crate::lab::Lab;
use crate::say::{
    auto_delete, cancel, consume, declare, declare_with, delete, durable, exclusive, get, message,
    passive, purge, take,
};

probes! { "queues":
    queue_counts,
    queue_counts_only_what_is_ready,
    queue_named_by_the_broker,
    queue_name_reserved,
    queue_passive_missing,
    queue_passive_with_other_attributes,
    queue_durable_differs,
    queue_durable_differs_exclusive,
    queue_auto_delete_differs,
    queue_exclusive_differs,
    queue_exclusive_wanted_of_a_shared_one,
    queue_exclusive_declared_elsewhere,
    queue_exclusive_passive_elsewhere,
    queue_exclusive_purged_elsewhere,
    queue_exclusive_deleted_elsewhere,
    queue_exclusive_consumed_elsewhere,
    queue_exclusive_fetched_elsewhere,
    queue_exclusive_bound_elsewhere,
    queue_exclusive_published_to_elsewhere,
    queue_exclusive_on_another_channel,
    queue_exclusive_ends_with_its_connection,
    queue_empty_name_is_the_last_declared,
    queue_empty_name_without_a_last,
    queue_empty_name_on_another_channel,
    queue_empty_name_behind_no_wait,
    queue_empty_name_passive,
    queue_empty_name_after_its_delete,
    queue_purge_leaves_what_is_unacked,
    queue_purge_missing,
    queue_delete_missing,
    queue_delete_missing_reserved,
    queue_delete_with_messages,
    queue_delete_if_unused_in_use,
    queue_delete_if_unused,
    queue_delete_if_empty_with_messages,
    queue_delete_if_empty,
    queue_delete_if_both,
    queue_auto_delete_after_cancel,
    queue_auto_delete_after_channel_close,
    queue_auto_delete_without_consumers,
    queue_no_wait,
    queue_no_wait_fails,
    queue_no_wait_passive_missing,
    queue_declared_again_after_delete,
    queue_name_with_newline,
    queue_name_with_odd_letters,
    queue_name_of_255_octets,
    queue_expires,
    queue_expires_not_while_consumed,
    queue_declared_on_a_closed_channel,
}

fn queue_counts(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &declare(&q));
    c.call(1, &purge(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &passive(&q));
    c.call(1, &cancel("t"));
    c.call(1, &passive(&q));
    c.call(1, &delete(&q));
}

fn queue_counts_only_what_is_ready(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &get(&q));
    c.call(1, &passive(&q));
    c.call(1, &delete(&q));
}

fn queue_named_by_the_broker(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &declare(""));
    c.call(1, &declare(""));
    c.call(1, &exclusive(""));
    c.call(1, &auto_delete(""));
}

fn queue_name_reserved(lab: &Lab) {
    lab.channel().call(1, &declare("amq.x"));
}

fn queue_passive_missing(lab: &Lab) {
    lab.channel().call(1, &passive(&lab.name("q")));
}

fn queue_passive_with_other_attributes(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &exclusive(&q));
    let other = field_table! { "x-max-length" => 4i32 };
    let other = queue::Declare {
        passive: true,
        durable: true,
        auto_delete: true,
        ..declare_with(&q, &other)
    };
    c.call(1, &other);
}

fn queue_durable_differs(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &durable(&q));
}

fn queue_durable_differs_exclusive(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &exclusive(&q));
    let other = queue::Declare {
        durable: true,
        ..exclusive(&q)
    };
    c.call(1, &other);
}

fn queue_auto_delete_differs(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &auto_delete(&q));
}

fn queue_exclusive_differs(lab: &Lab) {
    // The text is cut if the name is longer.
    let (q, c) = ("x", lab.channel());
    c.call(1, &exclusive(q));
    c.call(1, &declare(q));
}

fn queue_exclusive_wanted_of_a_shared_one(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &exclusive(&q));
}

fn queue_exclusive_declared_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &exclusive(&q));
}

fn queue_exclusive_passive_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &passive(&q));
}

fn queue_exclusive_purged_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &purge(&q));
}

fn queue_exclusive_deleted_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &delete(&q));
}

fn queue_exclusive_consumed_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &consume(&q, "t"));
}

fn queue_exclusive_fetched_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &get(&q));
}

fn queue_exclusive_bound_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    other.call(1, &crate::say::bind(&q, "amq.direct", "k"));
}

fn queue_exclusive_published_to_elsewhere(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.confirming());
    owner.call(1, &exclusive(&q));
    other.raw(&[message(1, "", &q, "hello")]);
    other.wait_settled(1, 1);
    owner.call(1, &take(&q));
}

fn queue_exclusive_on_another_channel(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &exclusive(&q));
    c.open_channel(2);
    c.call(2, &exclusive(&q));
    c.call(2, &get(&q));
    c.call(2, &delete(&q));
}

fn queue_exclusive_ends_with_its_connection(lab: &Lab) {
    let (q, owner, other) = (lab.name("q"), lab.channel(), lab.channel());
    owner.call(1, &exclusive(&q));
    owner.close();
    other.quiet();
    other.call(1, &passive(&q));
}

fn queue_empty_name_is_the_last_declared(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&lab.name("earlier")));
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &take(""));
    c.call(1, &crate::say::bind("", "amq.direct", ""));
    c.raw(&[message(1, "amq.direct", &q, "by its name")]);
    c.wait_settled(1, 3);
    c.call(1, &crate::say::unbind("", "amq.direct", ""));
    c.call(1, &purge(""));
    c.call(1, &consume("", "t"));
    c.call(1, &delete(""));
    c.wait(1, "basic.cancel");
    c.call(1, &passive(&q));
}

fn queue_empty_name_without_a_last(lab: &Lab) {
    let c = lab.open();
    c.open_channel(1);
    c.open_channel(2);
    c.open_channel(3);
    c.open_channel(4);
    c.open_channel(5);
    c.call(1, &get(""));
    c.call(2, &consume("", "t"));
    c.call(3, &purge(""));
    c.call(4, &delete(""));
    c.call(5, &crate::say::bind("", "amq.direct", "k"));
}

fn queue_empty_name_on_another_channel(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &declare(""));
    c.open_channel(2);
    c.call(2, &get(""));
}

fn queue_empty_name_behind_no_wait(lab: &Lab) {
    let c = lab.channel();
    let silent = queue::Declare {
        no_wait: true,
        ..exclusive("")
    };
    c.send(1, &silent);
    c.call(1, &get(""));
    c.call(1, &delete(""));
}

fn queue_empty_name_passive(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &declare(""));
    c.call(1, &passive(""));
}

fn queue_empty_name_after_its_delete(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &delete(&q));
    c.call(1, &get(""));
}

fn queue_purge_leaves_what_is_unacked(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &get(&q));
    c.call(1, &purge(&q));
    c.call(1, &crate::say::recover());
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn queue_purge_missing(lab: &Lab) {
    lab.channel().call(1, &purge(&lab.name("q")));
}

fn queue_delete_missing(lab: &Lab) {
    lab.channel().call(1, &delete(&lab.name("q")));
}

fn queue_delete_missing_reserved(lab: &Lab) {
    lab.channel().call(1, &delete("amq.nosuch"));
}

fn queue_delete_with_messages(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &delete(&q));
    c.call(1, &passive(&q));
}

fn queue_delete_if_unused_in_use(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &if_unused(&q));
}

fn queue_delete_if_unused(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one")]);
    c.wait_settled(1, 1);
    c.call(1, &if_unused(&q));
}

fn queue_delete_if_empty_with_messages(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one")]);
    c.wait_settled(1, 1);
    c.call(1, &if_empty(&q));
}

fn queue_delete_if_empty(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &if_empty(&q));
    c.wait(1, "basic.cancel");
}

fn queue_delete_if_both(lab: &Lab) {
    let (q, c, publisher) = (lab.name("q"), lab.channel(), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    publisher.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    publisher.wait_settled(1, 2);
    c.wait_n(1, "basic.deliver", 2);
    let both = queue::Delete {
        if_unused: true,
        ..if_empty(&q)
    };
    c.call(1, &both);
}

fn queue_auto_delete_after_cancel(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &auto_delete(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &consume(&q, "u"));
    c.call(1, &cancel("t"));
    c.call(1, &passive(&q));
    c.call(1, &cancel("u"));
    c.quiet();
    c.call(1, &passive(&q));
}

fn queue_auto_delete_after_channel_close(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.open_channel(2);
    c.call(1, &auto_delete(&q));
    c.call(1, &consume(&q, "t"));
    c.call(1, &channel::Close::default());
    c.quiet();
    c.call(2, &passive(&q));
}

fn queue_auto_delete_without_consumers(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.call(1, &auto_delete(&q));
    c.close();
    other.quiet();
    other.call(1, &passive(&q));
    other.call(1, &get(&q));
    other.call(1, &passive(&q));
}

fn queue_no_wait(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.send(
        1,
        &queue::Declare {
            no_wait: true,
            ..declare(&q)
        },
    );
    c.send(
        1,
        &queue::Bind {
            no_wait: true,
            ..crate::say::bind(&q, "amq.direct", "k")
        },
    );
    c.send(
        1,
        &queue::Purge {
            no_wait: true,
            ..purge(&q)
        },
    );
    c.call(1, &passive(&q));
    c.send(
        1,
        &queue::Delete {
            no_wait: true,
            ..delete(&q)
        },
    );
    c.call(1, &passive(&q));
}

fn queue_no_wait_fails(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.send(
        1,
        &queue::Declare {
            no_wait: true,
            ..durable(&q)
        },
    );
    c.wait(1, "channel.close");
}

fn queue_no_wait_passive_missing(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.send(
        1,
        &queue::Declare {
            no_wait: true,
            ..passive(&q)
        },
    );
    c.wait(1, "channel.close");
}

fn queue_declared_again_after_delete(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &delete(&q));
    c.call(1, &durable(&q));
    c.call(1, &delete(&q));
}

fn queue_name_with_newline(lab: &Lab) {
    let (q, c) = (lab.name("q\r\nq"), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &passive(&q.replace(['\r', '\n'], "")));
}

fn queue_name_with_odd_letters(lab: &Lab) {
    let (q, c) = (lab.name("q \0 é 𝄞 '\""), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &passive(&q));
    c.call(1, &durable(&q));
}

fn queue_name_of_255_octets(lab: &Lab) {
    let (q, c) = (format!("{:q<255}", lab.name("")), lab.channel());
    c.call(1, &declare(&q));
    c.call(1, &durable(&q));
}

fn queue_expires(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    let arguments = field_table! { "x-expires" => 1000i32 };
    c.call(1, &declare_with(&q, &arguments));
    c.call(1, &passive(&q));
    c.pass(Duration::from_secs(2));
    c.call(1, &passive(&q));
}

fn queue_expires_not_while_consumed(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    let arguments = field_table! { "x-expires" => 1000i32 };
    c.call(1, &declare_with(&q, &arguments));
    c.call(1, &consume(&q, "t"));
    c.pass(Duration::from_secs(2));
    c.call(1, &passive(&q));
    c.call(1, &cancel("t"));
    c.pass(Duration::from_secs(2));
    c.call(1, &passive(&q));
}

fn queue_declared_on_a_closed_channel(lab: &Lab) {
    let c = lab.channel();
    c.call(7, &declare(&lab.name("q")));
}

fn if_unused(queue: &str) -> queue::Delete<'_> {
    queue::Delete {
        if_unused: true,
        ..delete(queue)
    }
}

fn if_empty(queue: &str) -> queue::Delete<'_> {
    queue::Delete {
        if_empty: true,
        ..delete(queue)
    }
}
