//! Messages that expire, and where messages go that were refused or dropped.

use std::time::Duration;

use amqp_spec::wire::FieldTable;
use amqp_spec::{basic, field_table};

use crate::lab::{Client, Lab};
use crate::say::{
    bind, consume, declare, declare_with, delete, exchange, get, message, message_with, nack,
    passive, purge, qos, reject, short, take,
};

probes! { "dead letters":
    expire_by_queue,
    expire_by_message,
    expire_by_the_shorter,
    expire_at_once,
    expire_at_once_is_delivered,
    expire_at_the_head_only,
    expire_not_while_unacked,
    dead_rejected,
    dead_nacked,
    dead_requeued_not,
    dead_expired,
    dead_expired_by_message,
    dead_dropped_from_the_head,
    dead_rejected_as_published,
    dead_key_of_its_own,
    dead_keeps_cc,
    dead_twice,
    dead_by_two_queues,
    dead_in_a_circle,
    dead_in_a_circle_by_rejects,
    dead_exchange_missing,
    dead_of_a_deleted_queue,
    dead_of_a_purged_queue,
    dead_to_the_default_exchange,
    dead_properties_kept,
}

const SHORT: Duration = Duration::from_millis(800);

/// A queue with these arguments whose dead letters go to another, by an exchange.
fn with_dead_letters(lab: &Lab, arguments: FieldTable) -> (String, String, Client) {
    let (q, dead, x, c) = (
        lab.name("q"),
        lab.name("dead"),
        lab.name("x"),
        lab.confirming(),
    );
    let mut arguments = arguments;
    arguments.push("x-dead-letter-exchange", x.as_str());
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &declare(&dead));
    c.call(1, &bind(&dead, &x, ""));
    c.call(1, &declare_with(&q, &arguments));
    c.forget();
    (q, dead, c)
}

/// Waits for the dead letter, which the broker moves in the background.
fn until_dead(c: &Client, dead: &str) {
    c.pass(Duration::from_millis(500));
    c.call(1, &take(dead));
    c.call(1, &take(dead));
}

fn expire_by_queue(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-message-ttl" => 300i32 }),
    );
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.pass(SHORT);
    c.call(1, &passive(&q));
    c.call(1, &take(&q));
}

fn expire_by_message(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[expiring(&q, "300", "short"), expiring(&q, "60000", "long")]);
    c.wait_settled(1, 2);
    c.pass(SHORT);
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn expiring(q: &str, expiration: &str, body: &str) -> Vec<u8> {
    let properties = basic::Properties::new().expiration(short(expiration));
    message_with(1, "", q, &properties, body)
}

fn expire_by_the_shorter(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-message-ttl" => 300i32 }),
    );
    c.raw(&[expiring(&q, "60000", "m")]);
    c.wait_settled(1, 1);
    c.pass(SHORT);
    c.call(1, &take(&q));
}

fn expire_at_once(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-message-ttl" => 0i32 }),
    );
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn expire_at_once_is_delivered(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-message-ttl" => 0i32 }),
    );
    let consumer = lab.channel();
    consumer.call(1, &consume(&q, "t"));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    consumer.wait(1, "basic.deliver");
}

fn expire_at_the_head_only(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[
        message(1, "", &q, "stays"),
        expiring(&q, "100", "expires behind it"),
    ]);
    c.wait_settled(1, 2);
    c.pass(SHORT);
    c.call(1, &passive(&q));
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn expire_not_while_unacked(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-message-ttl" => 1500i32 }),
    );
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.pass(Duration::from_secs(2));
    c.send(1, &nack(1, false, true));
    c.quiet();
    c.call(1, &take(&q));
}

fn dead_rejected(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    until_dead(&c, &dead);
}

fn dead_nacked(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[
        message(1, "amq.direct", "unused", "m"),
        message(1, "", &q, "one"),
    ]);
    c.raw(&[message(1, "", &q, "two")]);
    c.wait_settled(1, 3);
    c.call(1, &get(&q));
    c.call(1, &get(&q));
    c.send(1, &nack(2, true, false));
    until_dead(&c, &dead);
}

fn dead_requeued_not(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, true));
    until_dead(&c, &dead);
    c.call(1, &take(&q));
}

fn dead_expired(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, field_table! { "x-message-ttl" => 200i32 });
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.pass(SHORT);
    until_dead(&c, &dead);
}

fn dead_expired_by_message(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[expiring(&q, "200", "m")]);
    c.wait_settled(1, 1);
    c.pass(SHORT);
    until_dead(&c, &dead);
}

fn dead_dropped_from_the_head(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, field_table! { "x-max-length" => 1i32 });
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    until_dead(&c, &dead);
    c.call(1, &take(&q));
}

fn dead_rejected_as_published(lab: &Lab) {
    let arguments = field_table! { "x-max-length" => 1i32, "x-overflow" => "reject-publish-dlx" };
    let (q, dead, c) = with_dead_letters(lab, arguments);
    c.raw(&[message(1, "", &q, "one")]);
    c.wait_settled(1, 1);
    c.raw(&[message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    until_dead(&c, &dead);
    c.call(1, &take(&q));
}

fn dead_key_of_its_own(lab: &Lab) {
    let arguments = field_table! { "x-dead-letter-routing-key" => "new-key" };
    let (q, dead, c) = with_dead_letters(lab, arguments);
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    until_dead(&c, &dead);
}

fn dead_keeps_cc(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    let cc = amqp_spec::wire::FieldArray::from(["elsewhere"]);
    let headers = field_table! { "CC" => cc.as_ref(), "n" => 1i32 };
    let properties = basic::Properties::new().headers(headers.as_ref());
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    until_dead(&c, &dead);
}

/// The same message is rejected again after it has been published anew by its headers' holder.
fn dead_twice(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => q.as_str(),
    };
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &qos(1));
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.send(1, &reject(1, false));
    c.wait(1, "basic.deliver");
    c.send(1, &reject(2, false));
    c.wait(1, "basic.deliver");
}

fn dead_by_two_queues(lab: &Lab) {
    let (q, r, dead, c) = (
        lab.name("q"),
        lab.name("r"),
        lab.name("dead"),
        lab.confirming(),
    );
    let to = |queue: &str| {
        field_table! { "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => queue }
    };
    c.call(1, &declare(&dead));
    c.call(1, &declare_with(&r, &to(&dead)));
    c.call(1, &declare_with(&q, &to(&r)));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    c.quiet();
    c.call(1, &get(&r));
    c.send(1, &nack(2, false, false));
    until_dead(&c, &dead);
}

fn dead_in_a_circle(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! {
        "x-message-ttl" => 100i32,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => q.as_str(),
    };
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.pass(SHORT);
    c.call(1, &take(&q));
}

/// Between two queues, each of which lets what it holds expire.
fn dead_in_a_circle_by_rejects(lab: &Lab) {
    let (q, wait, c) = (lab.name("q"), lab.name("wait"), lab.confirming());
    let retry = field_table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => wait.as_str(),
    };
    let back = field_table! {
        "x-message-ttl" => 100i32,
        "x-dead-letter-exchange" => "",
        "x-dead-letter-routing-key" => q.as_str(),
    };
    c.call(1, &declare_with(&q, &retry));
    c.call(1, &declare_with(&wait, &back));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &consume(&q, "t"));
    c.wait(1, "basic.deliver");
    c.send(1, &reject(1, false));
    c.wait(1, "basic.deliver");
    c.send(1, &nack(2, false, false));
    c.wait(1, "basic.deliver");
}

fn dead_exchange_missing(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(
        1,
        &declare_with(&q, &field_table! { "x-dead-letter-exchange" => "nosuch" }),
    );
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    c.quiet();
    c.call(1, &take(&q));
}

fn dead_of_a_deleted_queue(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &delete(&q));
    until_dead(&c, &dead);
}

fn dead_of_a_purged_queue(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &purge(&q));
    until_dead(&c, &dead);
}

fn dead_to_the_default_exchange(lab: &Lab) {
    let (q, dead, c) = (lab.name("q"), lab.name("dead"), lab.confirming());
    let arguments = field_table! {
        "x-dead-letter-exchange" => "", "x-dead-letter-routing-key" => dead.as_str(),
    };
    c.call(1, &declare(&dead));
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &nack(1, false, false));
    until_dead(&c, &dead);
}

fn dead_properties_kept(lab: &Lab) {
    let (q, dead, c) = with_dead_letters(lab, FieldTable::new());
    let headers = field_table! { "n" => 1i32, "text" => "t" };
    let properties = basic::Properties::new()
        .content_type(short("text/plain"))
        .headers(headers.as_ref())
        .delivery_mode(2)
        .priority(3)
        .expiration(short("60000"))
        .message_id(short("m-1"));
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &get(&q));
    c.send(1, &reject(1, false));
    until_dead(&c, &dead);
}
