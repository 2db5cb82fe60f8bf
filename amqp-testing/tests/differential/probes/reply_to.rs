//! Replies without a queue: `amq.rabbitmq.reply-to`.

use amqp_spec::{basic, queue};

use crate::lab::{Client, Lab};
use crate::say::{
    cancel, consume, declare, get, mandatory, message, message_with, passive, publish, short, take,
};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

probes! { "reply-to":
    reply_asked_and_given,
    reply_asked_before_consuming,
    reply_asked_on_another_channel,
    reply_consumed_with_acks,
    reply_consumed_twice,
    reply_consumed_again_after_cancel,
    reply_cancelled,
    reply_queue_declared_passively,
    reply_queue_declared,
    reply_queue_bound,
    reply_queue_fetched_from,
    reply_requester_gone,
    reply_requester_gone_mandatory,
    reply_mandatory,
    reply_address_passive_alive,
    reply_address_passive_gone,
}

/// A requester that consumes replies, and a server with a queue of requests.
fn pair(lab: &Lab) -> (String, Client, Client) {
    let (q, requester, server) = (lab.name("q"), lab.channel(), lab.confirming());
    server.call(1, &declare(&q));
    requester.call(1, &replies("t"));
    (q, requester, server)
}

fn replies(tag: &str) -> basic::Consume<'_> {
    basic::Consume {
        no_ack: true,
        ..consume(REPLY_TO, tag)
    }
}

fn asking(properties: basic::Properties) -> basic::Properties {
    properties
        .reply_to(short(REPLY_TO))
        .correlation_id(short("c-1"))
}

/// Asks, and returns the address for the reply that the server sees.
fn ask(q: &str, requester: &Client, server: &Client) -> String {
    let properties = asking(basic::Properties::new());
    requester.raw(&[message_with(1, "", q, &properties, "request")]);
    // The requester's next words are read behind the request.
    requester.call(1, &crate::say::qos(0));
    server.call(1, &take(q));
    let request = server.last(1, "basic.get-ok");
    let address = request.split("reply_to: \"").nth(1);
    address
        .and_then(|rest| rest.split('"').next())
        .unwrap_or("nowhere")
        .to_owned()
}

fn reply_asked_and_given(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    server.raw(&[message(1, "", &address, "reply")]);
    requester.wait(1, "basic.deliver");
    server.wait_settled(1, 1);
}

fn reply_asked_before_consuming(lab: &Lab) {
    let c = lab.channel();
    let properties = asking(basic::Properties::new());
    c.raw(&[message_with(1, "", "nowhere", &properties, "request")]);
    c.wait(1, "channel.close");
}

fn reply_asked_on_another_channel(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &replies("t"));
    c.open_channel(2);
    let properties = asking(basic::Properties::new());
    c.raw(&[message_with(2, "", "nowhere", &properties, "request")]);
    c.wait(2, "channel.close");
}

fn reply_consumed_with_acks(lab: &Lab) {
    lab.channel().call(1, &consume(REPLY_TO, "t"));
}

fn reply_consumed_twice(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &replies("t"));
    c.call(1, &replies("u"));
}

fn reply_consumed_again_after_cancel(lab: &Lab) {
    let c = lab.channel();
    c.call(1, &replies("t"));
    c.call(1, &cancel("t"));
    c.call(1, &replies("u"));
}

fn reply_cancelled(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    requester.call(1, &cancel("t"));
    server.raw(&[message(1, "", &address, "late")]);
    server.wait_settled(1, 1);
}

fn reply_queue_declared_passively(lab: &Lab) {
    lab.channel().call(1, &passive(REPLY_TO));
}

fn reply_queue_declared(lab: &Lab) {
    lab.channel().call(1, &declare(REPLY_TO));
}

fn reply_queue_bound(lab: &Lab) {
    lab.channel()
        .call(1, &crate::say::bind(REPLY_TO, "amq.direct", "k"));
}

fn reply_queue_fetched_from(lab: &Lab) {
    lab.channel().call(1, &get(REPLY_TO));
}

fn reply_requester_gone(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    requester.close();
    server.quiet();
    server.raw(&[message(1, "", &address, "late")]);
    server.wait_settled(1, 1);
}

fn reply_requester_gone_mandatory(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    requester.close();
    server.quiet();
    server.raw(&[mandatory(1, "", &address, "late")]);
    server.wait_settled(1, 1);
}

fn reply_mandatory(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    let method = basic::Publish {
        mandatory: true,
        ..publish("", &address)
    };
    server.raw(&[crate::say::content(
        1,
        &method,
        &basic::Properties::new(),
        "reply",
    )]);
    requester.wait(1, "basic.deliver");
    server.wait_settled(1, 1);
}

fn reply_address_passive_alive(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    server.call(
        1,
        &queue::Declare {
            passive: true,
            ..declare(&address)
        },
    );
}

fn reply_address_passive_gone(lab: &Lab) {
    let (q, requester, server) = pair(lab);
    let address = ask(&q, &requester, &server);
    requester.close();
    server.quiet();
    server.call(
        1,
        &queue::Declare {
            passive: true,
            ..declare(&address)
        },
    );
}
