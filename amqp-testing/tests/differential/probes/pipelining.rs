//! Several requests in one segment: the order of the answers, and what is not answered.
//!
//! What RabbitMQ makes of a consume and its cancel in one segment is left out: on a busy machine it
//! either crashes the channel or answers both.

use amqp_spec::{basic, channel, confirm};

use crate::lab::{Client, Lab};
use crate::say::{
    ack, bind, cancel, consume, declare, delete, get, message, method, passive, purge, qos,
    recover, take, unbind,
};

probes! { "pipelining":
    pipeline_requests_in_order,
    pipeline_open_and_use,
    pipeline_open_use_close,
    pipeline_publish_and_get,
    pipeline_consume_and_qos,
    pipeline_consume_and_declare,
    pipeline_consume_and_bind,
    pipeline_consume_and_get,
    pipeline_consume_and_recover,
    pipeline_consume_and_select,
    pipeline_consume_and_flow,
    pipeline_consume_and_delete,
    pipeline_consume_and_close,
    pipeline_consume_twice,
    pipeline_consume_and_failing_get,
    pipeline_consume_and_connection_close,
    pipeline_cancel_and_qos,
    pipeline_cancel_and_consume,
    pipeline_cancel_and_close,
    pipeline_failing_and_others,
    pipeline_channels,
    pipeline_acks_and_close,
    pipeline_selects_and_publishes,
    pipeline_declare_publish_consume,
}

fn empty_queue(lab: &Lab) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.forget();
    (q, c)
}

fn pipeline_requests_in_order(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.raw(&[
        method(1, &declare(&q)),
        method(1, &bind(&q, "amq.direct", "k")),
        method(1, &qos(10)),
        method(1, &unbind(&q, "amq.direct", "k")),
        method(1, &channel::Flow { active: true }),
        method(1, &get(&q)),
        method(1, &confirm::Select::default()),
        method(1, &recover()),
        method(1, &purge(&q)),
        method(1, &passive(&q)),
        method(1, &delete(&q)),
    ]);
    c.wait(1, "queue.delete-ok");
}

fn pipeline_open_and_use(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.open());
    c.raw(&[
        method(1, &channel::Open {}),
        method(1, &declare(&q)),
        message(1, "", &q, "m"),
        method(1, &take(&q)),
    ]);
    c.wait(1, "basic.get-ok");
}

fn pipeline_open_use_close(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.open());
    c.raw(&[
        method(1, &channel::Open {}),
        method(1, &declare(&q)),
        method(1, &channel::Close::default()),
    ]);
    c.wait(1, "channel.close-ok");
}

fn pipeline_publish_and_get(lab: &Lab) {
    let (q, c) = empty_queue(lab);
    c.raw(&[
        message(1, "", &q, "one"),
        method(1, &take(&q)),
        message(1, "", &q, "two"),
        method(1, &take(&q)),
        method(1, &take(&q)),
    ]);
    c.wait(1, "basic.get-empty");
}

/// A consume, and something else in the same segment.
fn consume_and(lab: &Lab, other: impl FnOnce(&str) -> Vec<u8>, reply: &str) {
    lab.in_any_order();
    let (q, c) = empty_queue(lab);
    c.raw(&[method(1, &consume(&q, "t")), other(&q)]);
    c.wait_each(1, &[reply, "basic.consume-ok"]);
}

fn pipeline_consume_and_qos(lab: &Lab) {
    consume_and(lab, |_| method(1, &qos(1)), "basic.qos-ok");
}

fn pipeline_consume_and_declare(lab: &Lab) {
    consume_and(lab, |_| method(1, &declare("")), "queue.declare-ok");
}

fn pipeline_consume_and_bind(lab: &Lab) {
    consume_and(
        lab,
        |q| method(1, &bind(q, "amq.direct", q)),
        "queue.bind-ok",
    );
}

fn pipeline_consume_and_get(lab: &Lab) {
    consume_and(lab, |q| method(1, &get(q)), "basic.get-empty");
}

fn pipeline_consume_and_recover(lab: &Lab) {
    consume_and(lab, |_| method(1, &recover()), "basic.recover-ok");
}

fn pipeline_consume_and_select(lab: &Lab) {
    consume_and(
        lab,
        |_| method(1, &confirm::Select::default()),
        "confirm.select-ok",
    );
}

fn pipeline_consume_and_flow(lab: &Lab) {
    consume_and(
        lab,
        |_| method(1, &channel::Flow { active: true }),
        "channel.flow-ok",
    );
}

fn pipeline_consume_and_delete(lab: &Lab) {
    consume_and(lab, |q| method(1, &delete(q)), "queue.delete-ok");
}

fn pipeline_consume_and_close(lab: &Lab) {
    lab.perhaps("basic.consume-ok");
    let (q, c) = empty_queue(lab);
    c.open_channel(2);
    c.raw(&[message(2, "", &q, "m")]);
    c.call(2, &qos(0));
    c.raw(&[
        method(1, &consume(&q, "t")),
        method(1, &channel::Close::default()),
    ]);
    c.wait(1, "channel.close-ok");
    c.quiet();
    c.call(2, &take(&q));
}

fn pipeline_consume_twice(lab: &Lab) {
    let (q, c) = empty_queue(lab);
    c.raw(&[method(1, &consume(&q, "t")), method(1, &consume(&q, "u"))]);
    c.wait_n(1, "basic.consume-ok", 2);
}

fn pipeline_consume_and_failing_get(lab: &Lab) {
    lab.perhaps("basic.consume-ok");
    let (q, c) = empty_queue(lab);
    c.raw(&[
        method(1, &consume(&q, "t")),
        method(1, &get(&lab.name("nosuch"))),
    ]);
    c.wait(1, "channel.close");
    c.quiet();
}

fn pipeline_consume_and_connection_close(lab: &Lab) {
    lab.perhaps("basic.consume-ok");
    let (q, c) = empty_queue(lab);
    c.raw(&[
        method(1, &consume(&q, "t")),
        method(0, &amqp_spec::connection::Close::default()),
    ]);
    c.wait(0, "connection.close-ok");
}

fn consumed(lab: &Lab) -> (String, Client) {
    let (q, c) = empty_queue(lab);
    c.call(1, &consume(&q, "t"));
    c.forget();
    (q, c)
}

fn pipeline_cancel_and_qos(lab: &Lab) {
    lab.in_any_order();
    let (_, c) = consumed(lab);
    c.raw(&[method(1, &cancel("t")), method(1, &qos(1))]);
    c.wait_each(1, &["basic.cancel-ok", "basic.qos-ok"]);
}

fn pipeline_cancel_and_consume(lab: &Lab) {
    lab.in_any_order();
    let (q, c) = consumed(lab);
    c.raw(&[method(1, &cancel("t")), method(1, &consume(&q, "u"))]);
    c.wait_each(1, &["basic.cancel-ok", "basic.consume-ok"]);
    c.call(1, &passive(&q));
}

fn pipeline_cancel_and_close(lab: &Lab) {
    lab.perhaps("basic.cancel-ok");
    let (_, c) = consumed(lab);
    c.raw(&[
        method(1, &cancel("t")),
        method(1, &channel::Close::default()),
    ]);
    c.wait(1, "channel.close-ok");
    c.quiet();
}

fn pipeline_failing_and_others(lab: &Lab) {
    let (q, c) = empty_queue(lab);
    c.raw(&[
        method(1, &qos(1)),
        method(1, &passive(&lab.name("nosuch"))),
        method(1, &qos(2)),
        method(1, &delete(&q)),
    ]);
    c.wait(1, "channel.close");
    c.open_channel(2);
    c.call(2, &passive(&q));
}

fn pipeline_channels(lab: &Lab) {
    let c = lab.open();
    let opens = (1..=20).map(|id| method(id, &channel::Open {}));
    c.raw(&opens.collect::<Vec<_>>());
    let declares = (1..=20).map(|id| method(id, &declare("")));
    c.raw(&declares.collect::<Vec<_>>());
    for id in 1..=20 {
        c.wait(id, "queue.declare-ok");
    }
    c.forget();
    c.call(20, &get(""));
}

fn pipeline_acks_and_close(lab: &Lab) {
    let (q, c) = empty_queue(lab);
    c.open_channel(2);
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.raw(&[
        method(1, &ack(1, false)),
        method(1, &channel::Close::default()),
    ]);
    c.wait(1, "channel.close-ok");
    c.quiet();
    c.call(2, &take(&q));
    c.call(2, &take(&q));
}

fn pipeline_selects_and_publishes(lab: &Lab) {
    let (q, c) = empty_queue(lab);
    c.raw(&[
        method(1, &confirm::Select::default()),
        message(1, "", &q, "one"),
        method(1, &qos(1)),
        message(1, "", &q, "two"),
        message(1, "", &q, "three"),
    ]);
    c.wait(1, "basic.qos-ok");
    c.forget();
    c.call(1, &passive(&q));
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
    c.forget();
}

fn pipeline_declare_publish_consume(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    let consume = basic::Consume {
        no_ack: true,
        ..consume(&q, "t")
    };
    c.raw(&[
        method(1, &declare(&q)),
        message(1, "", &q, "one"),
        message(1, "", &q, "two"),
        method(1, &consume),
    ]);
    c.wait_n(1, "basic.deliver", 2);
}
