//! Transactions.

use amqp_spec::{confirm, tx};

use crate::lab::{Client, Lab};
use crate::say::{ack, declare, get, mandatory, message, method, passive, qos, recover, take};

probes! { "transactions":
    tx_commit,
    tx_rollback,
    tx_select_twice,
    tx_commit_without_select,
    tx_rollback_without_select,
    tx_commit_nothing,
    tx_after_confirm,
    tx_before_confirm,
    tx_acks_committed,
    tx_acks_rolled_back,
    tx_ack_of_an_unknown_tag,
    tx_mandatory,
    tx_missing_exchange,
    tx_gone_with_the_channel,
    tx_method_behind_commit,
    tx_publish_seen_behind_commit,
}

/// A channel with transactions, one without, and a queue.
fn transactional(lab: &Lab) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.open_channel(2);
    c.call(1, &declare(&q));
    c.call(1, &tx::Select {});
    c.forget();
    (q, c)
}

fn tx_commit(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.call(1, &qos(0));
    c.call(2, &passive(&q));
    c.call(1, &tx::Commit {});
    c.call(2, &take(&q));
    c.call(2, &take(&q));
    c.call(2, &take(&q));
}

fn tx_rollback(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(1, "", &q, "lost")]);
    c.call(1, &tx::Rollback {});
    c.raw(&[message(1, "", &q, "kept")]);
    c.call(1, &tx::Commit {});
    c.call(2, &take(&q));
    c.call(2, &take(&q));
}

fn tx_select_twice(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(1, "", &q, "m")]);
    c.call(1, &tx::Select {});
    c.call(2, &take(&q));
    c.call(1, &tx::Commit {});
    c.call(2, &take(&q));
}

fn tx_commit_without_select(lab: &Lab) {
    lab.channel().call(1, &tx::Commit {});
}

fn tx_rollback_without_select(lab: &Lab) {
    lab.channel().call(1, &tx::Rollback {});
}

fn tx_commit_nothing(lab: &Lab) {
    let (_, c) = transactional(lab);
    c.call(1, &tx::Commit {});
    c.call(1, &tx::Rollback {});
    c.call(1, &tx::Commit {});
}

fn tx_after_confirm(lab: &Lab) {
    lab.confirming().call(1, &tx::Select {});
}

fn tx_before_confirm(lab: &Lab) {
    let (_, c) = transactional(lab);
    c.call(1, &confirm::Select::default());
}

fn tx_acks_committed(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(2, "", &q, "one"), message(2, "", &q, "two")]);
    c.call(2, &qos(0));
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.send(1, &ack(1, false));
    c.call(1, &tx::Commit {});
    c.call(1, &recover());
    c.call(2, &take(&q));
    c.call(2, &take(&q));
}

fn tx_acks_rolled_back(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(2, "", &q, "one"), message(2, "", &q, "two")]);
    c.call(2, &qos(0));
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.send(1, &ack(2, true));
    c.call(1, &tx::Rollback {});
    c.call(1, &recover());
    c.call(2, &take(&q));
    c.call(2, &take(&q));
}

fn tx_ack_of_an_unknown_tag(lab: &Lab) {
    let (_, c) = transactional(lab);
    c.send(1, &ack(7, false));
    c.wait(1, "channel.close");
}

fn tx_mandatory(lab: &Lab) {
    let (_, c) = transactional(lab);
    c.raw(&[mandatory(1, "", "nowhere", "m")]);
    c.call(1, &qos(0));
    c.call(1, &tx::Commit {});
    c.quiet();
}

fn tx_missing_exchange(lab: &Lab) {
    let (_, c) = transactional(lab);
    c.raw(&[message(1, &lab.name("x"), "k", "m")]);
    c.wait(1, "channel.close");
}

fn tx_gone_with_the_channel(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[message(1, "", &q, "lost")]);
    c.call(1, &amqp_spec::channel::Close::default());
    c.call(2, &take(&q));
}

fn tx_method_behind_commit(lab: &Lab) {
    let (q, c) = transactional(lab);
    c.raw(&[
        message(1, "", &q, "m"),
        method(1, &tx::Commit {}),
        method(1, &qos(0)),
    ]);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn tx_publish_seen_behind_commit(lab: &Lab) {
    let (q, c) = transactional(lab);
    for body in ["one", "two"] {
        c.raw(&[message(1, "", &q, body)]);
        c.call(1, &tx::Commit {});
        c.call(1, &take(&q));
    }
}
