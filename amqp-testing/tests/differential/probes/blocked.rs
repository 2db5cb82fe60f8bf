//! What a broker short of memory does to those that publish, and what it does not do to others.
//!
//! An alarm concerns all connections of a node, so that these run alone, on a node of their own.

use std::time::Duration;

use amqp_spec::{channel, confirm, connection};

use crate::lab::{Client, Lab};
use crate::say::{consume, declare, exclusive, message, method, passive, tune_ok};

slow_probes! { "blocked":
    blocked_publisher_is_told,
    blocked_publisher_is_told_once,
    blocked_others_are_not_told,
    blocked_at_connecting_is_not_told,
    blocked_without_capability,
    blocked_requests_wait,
    blocked_close_waits,
    blocked_publishes_wait_in_order,
    blocked_consumers_go_on,
    blocked_client_need_not_beat,
    blocked_client_gone,
    blocked_twice,
}

/// Raises the alarm, and gives it the time to reach all connections.
fn block(lab: &Lab, c: &Client) {
    lab.block();
    c.pause(Duration::from_millis(500));
}

fn unblock(lab: &Lab, c: &Client) {
    c.quiet();
    lab.unblock();
    c.wait(0, "connection.unblocked");
}

fn blocked_publisher_is_told(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    block(lab, &c);
    c.raw(&[message(1, "", &q, "held")]);
    c.wait(0, "connection.blocked");
    unblock(lab, &c);
    c.wait_settled(1, 1);
    c.call(1, &passive(&q));
}

fn blocked_publisher_is_told_once(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    block(lab, &c);
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait(0, "connection.blocked");
    c.raw(&[message(1, "", &q, "three")]);
    unblock(lab, &c);
    c.wait_settled(1, 3);
}

fn blocked_others_are_not_told(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    block(lab, &c);
    c.call(1, &declare(&q));
    c.call(1, &consume(&q, "t"));
    c.quiet();
    lab.unblock();
    c.quiet();
}

fn blocked_at_connecting_is_not_told(lab: &Lab) {
    let first = lab.channel();
    block(lab, &first);
    let c = lab.confirming();
    c.call(1, &declare(""));
    c.quiet();
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(0, "connection.blocked");
    unblock(lab, &c);
    c.wait_settled(1, 1);
}

fn blocked_without_capability(lab: &Lab) {
    let c = lab.open_plainly();
    c.open_channel(1);
    c.call(1, &confirm::Select::default());
    block(lab, &c);
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.quiet();
    lab.unblock();
    c.wait_settled(1, 1);
}

/// A connection that is blocked.
fn blocked(lab: &Lab) -> Client {
    let c = lab.confirming();
    block(lab, &c);
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(0, "connection.blocked");
    c
}

fn blocked_requests_wait(lab: &Lab) {
    let c = blocked(lab);
    c.send(1, &declare(&lab.name("q")));
    c.send(2, &channel::Open {});
    unblock(lab, &c);
    c.wait(1, "queue.declare-ok");
    c.wait(2, "channel.open-ok");
}

fn blocked_close_waits(lab: &Lab) {
    let c = lab.channel();
    block(lab, &c);
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(0, "connection.blocked");
    c.send(0, &connection::Close::default());
    unblock(lab, &c);
    c.wait(0, "connection.close-ok");
}

fn blocked_publishes_wait_in_order(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    block(lab, &c);
    c.raw(&[message(1, "", &q, "one")]);
    c.wait(0, "connection.blocked");
    c.raw(&[message(1, "", &q, "two"), message(1, "", &q, "three")]);
    unblock(lab, &c);
    c.wait_settled(1, 3);
    for _ in 0..4 {
        c.call(1, &crate::say::take(&q));
    }
}

fn blocked_consumers_go_on(lab: &Lab) {
    let (q, c, consumer) = (lab.name("q"), lab.confirming(), lab.channel());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    block(lab, &c);
    c.raw(&[message(1, "", &q, "three")]);
    c.wait(0, "connection.blocked");
    consumer.call(1, &consume(&q, "t"));
    consumer.wait_n(1, "basic.deliver", 2);
    consumer.send(1, &crate::say::ack(2, true));
    consumer.quiet();
    unblock(lab, &c);
    consumer.wait(1, "basic.deliver");
}

/// The broker's heartbeats go on, and those of the client are not missed.
fn blocked_client_need_not_beat(lab: &Lab) {
    // How many come depends on how long it takes to raise the alarm.
    lab.perhaps("heartbeat");
    let tune = connection::TuneOk {
        heartbeat: 1,
        ..tune_ok()
    };
    let c = lab.open_with("guest", "guest", &tune);
    c.open_channel(1);
    lab.block();
    c.raw(&[amqp_spec::frame::HEARTBEAT.to_vec()]);
    c.pause(Duration::from_millis(500));
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(0, "connection.blocked");
    c.pass(Duration::from_secs(5));
    c.wait(0, "heartbeat");
    lab.unblock();
    c.wait(0, "connection.unblocked");
}

/// The end of a connection that is not read is noticed when it is read again.
fn blocked_client_gone(lab: &Lab) {
    let (q, c, other) = (lab.name("q"), lab.channel(), lab.channel());
    c.call(1, &exclusive(&q));
    block(lab, &c);
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(0, "connection.blocked");
    c.hang_up();
    other.pass(Duration::from_secs(1));
    other.call(1, &passive(&q));
    lab.unblock();
    other.pass(Duration::from_secs(1));
    other.open_channel(2);
    other.call(2, &passive(&q));
}

fn blocked_twice(lab: &Lab) {
    let c = blocked(lab);
    unblock(lab, &c);
    c.wait_settled(1, 1);
    block(lab, &c);
    c.raw(&[
        message(1, "", "nowhere", "m"),
        method(1, &declare(&lab.name("q"))),
    ]);
    c.wait(0, "connection.blocked");
    unblock(lab, &c);
    c.wait_settled(1, 2);
}
