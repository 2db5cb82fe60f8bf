//! Which queues a message reaches.

use amqp_spec::wire::{FieldArray, FieldTable};
use amqp_spec::{basic, exchange, field_table, queue};

use crate::lab::{Client, Lab};
use crate::say::{
    bind, bind_exchange, declare, exchange, mandatory, message, message_with, take, unbind,
};

probes! { "routing":
    routing_default_exchange,
    routing_direct,
    routing_fanout,
    routing_topic_star,
    routing_topic_hash,
    routing_topic_hash_amid,
    routing_topic_without_words,
    routing_topic_is_no_prefix,
    routing_one_copy_for_each_queue,
    routing_headers_all,
    routing_headers_any,
    routing_headers_x,
    routing_headers_without_x_match,
    routing_headers_match_unknown,
    routing_headers_match_of_number,
    routing_headers_types,
    routing_headers_presence,
    routing_headers_without_headers,
    routing_exchange_to_exchange,
    routing_in_circles,
    routing_alternate,
    routing_alternate_missing,
    routing_alternate_and_mandatory,
    routing_unbound,
    routing_cc_and_bcc,
    routing_cc_no_array,
    routing_cc_holds_a_number,
    routing_cc_to_nowhere_is_mandatory,
    routing_mandatory_through_exchanges,
    routing_binding_goes_with_its_queue,
    routing_key_of_255_octets,
}

/// Fetches all that is in a queue.
fn empty(c: &Client, q: &str, at_most: usize) {
    for _ in 0..=at_most {
        c.call(1, &take(q));
    }
}

/// A topic exchange with one pattern, and messages with these keys.
fn topic(lab: &Lab, pattern: &str, keys: &[&str]) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "topic"));
    c.call(1, &bind(&q, &x, pattern));
    let messages: Vec<_> = keys.iter().map(|key| message(1, &x, key, "m")).collect();
    c.raw(&messages);
    c.wait_settled(1, keys.len() as u64);
    empty(&c, &q, keys.len());
}

/// A headers exchange with one binding, and messages with these headers.
fn headers(lab: &Lab, binding: &FieldTable, messages: &[FieldTable]) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "headers"));
    let binding = queue::Bind {
        arguments: binding.as_ref(),
        ..bind(&q, &x, "")
    };
    c.call(1, &binding);
    let octets = messages.iter().map(|headers| {
        let properties = basic::Properties::new().headers(headers.as_ref());
        message_with(1, &x, "", &properties, "m")
    });
    c.raw(&octets.collect::<Vec<_>>());
    c.wait_settled(1, messages.len() as u64);
    empty(&c, &q, messages.len());
}

fn routing_default_exchange(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let nowhere = lab.name("nowhere");
    c.raw(&[message(1, "", &q, "here"), message(1, "", &nowhere, "lost")]);
    c.wait_settled(1, 2);
    empty(&c, &q, 1);
}

fn routing_direct(lab: &Lab) {
    let (q, r, x, c) = (
        lab.name("q"),
        lab.name("r"),
        lab.name("x"),
        lab.confirming(),
    );
    c.call(1, &declare(&q));
    c.call(1, &declare(&r));
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind(&q, &x, "a"));
    c.call(1, &bind(&q, &x, "b"));
    c.call(1, &bind(&r, &x, "b"));
    c.raw(&[
        message(1, &x, "a", "to q"),
        message(1, &x, "b", "to both"),
        message(1, &x, "c", "to none"),
        message(1, &x, "", "to none"),
    ]);
    c.wait_settled(1, 4);
    empty(&c, &q, 2);
    empty(&c, &r, 1);
}

fn routing_fanout(lab: &Lab) {
    let (q, r, x, c) = (
        lab.name("q"),
        lab.name("r"),
        lab.name("x"),
        lab.confirming(),
    );
    c.call(1, &declare(&q));
    c.call(1, &declare(&r));
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &bind(&q, &x, "a"));
    c.call(1, &bind(&r, &x, ""));
    c.raw(&[message(1, &x, "c", "to both")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 1);
    empty(&c, &r, 1);
}

fn routing_topic_star(lab: &Lab) {
    topic(
        lab,
        "a.*.c",
        &["a.b.c", "a.c", "a.b.b.c", "a..c", "A.b.c", "a.b.c.d"],
    );
}

fn routing_topic_hash(lab: &Lab) {
    topic(lab, "#", &["", "a", "a.b", ".", "a..b"]);
}

fn routing_topic_hash_amid(lab: &Lab) {
    topic(
        lab,
        "a.#.z.*",
        &["a.z.y", "a.b.z.y", "a.b.c.z.y", "a.z", "a.z.z.z", "b.z.y"],
    );
}

fn routing_topic_without_words(lab: &Lab) {
    topic(lab, "", &["", "a", "."]);
}

fn routing_topic_is_no_prefix(lab: &Lab) {
    topic(lab, "ab.*c", &["ab.*c", "ab.cc", "ab.c", "abc"]);
}

fn routing_one_copy_for_each_queue(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "topic"));
    c.call(1, &bind(&q, &x, "a.*"));
    c.call(1, &bind(&q, &x, "a.#"));
    c.call(1, &bind(&q, &x, "a.b"));
    c.call(1, &bind(&q, &x, "a.b"));
    c.raw(&[message(1, &x, "a.b", "once")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 1);
}

fn one_two() -> [FieldTable; 5] {
    [
        field_table! { "one" => 1i32, "two" => "2", "three" => 3i32 },
        field_table! { "one" => 1i32, "two" => "2" },
        field_table! { "one" => 1i32 },
        field_table! { "one" => 2i32, "two" => "x" },
        field_table! { "three" => 3i32 },
    ]
}

fn routing_headers_all(lab: &Lab) {
    let all = field_table! { "x-match" => "all", "one" => 1i32, "two" => "2" };
    headers(lab, &all, &one_two());
}

fn routing_headers_any(lab: &Lab) {
    let any = field_table! { "x-match" => "any", "one" => 1i32, "two" => "2" };
    headers(lab, &any, &one_two());
}

fn routing_headers_without_x_match(lab: &Lab) {
    headers(
        lab,
        &field_table! { "one" => 1i32, "two" => "2" },
        &one_two(),
    );
}

/// Names that begin with `x-` count only where the match says so.
fn routing_headers_x(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &exchange(&x, "headers"));
    let kinds = ["all", "any", "all-with-x", "any-with-x"];
    for kind in kinds {
        let q = format!("{q}.{kind}");
        c.call(1, &declare(&q));
        let arguments = field_table! { "x-match" => kind, "x-one" => 1i32, "two" => 2i32 };
        let binding = queue::Bind {
            arguments: arguments.as_ref(),
            ..bind(&q, &x, "")
        };
        c.call(1, &binding);
    }
    let messages = [
        field_table! { "x-one" => 1i32 },
        field_table! { "two" => 2i32 },
        field_table! { "x-one" => 1i32, "two" => 2i32 },
    ];
    for headers in &messages {
        let properties = basic::Properties::new().headers(headers.as_ref());
        c.raw(&[message_with(1, &x, "", &properties, "m")]);
    }
    c.wait_settled(1, 3);
    for kind in kinds {
        empty(&c, &format!("{q}.{kind}"), 3);
    }
}

fn routing_headers_match_unknown(lab: &Lab) {
    headers(
        lab,
        &field_table! { "x-match" => "some", "one" => 1i32 },
        &[],
    );
}

fn routing_headers_match_of_number(lab: &Lab) {
    headers(lab, &field_table! { "x-match" => 1i32, "one" => 1i32 }, &[]);
}

/// What equals what: numbers of other types, texts, nothing.
fn routing_headers_types(lab: &Lab) {
    let values = [
        field_table! { "one" => 1i32 },
        field_table! { "one" => 1i64 },
        field_table! { "one" => 1u8 },
        field_table! { "one" => 1f64 },
        field_table! { "one" => "1" },
        field_table! { "one" => true },
    ];
    headers(lab, &field_table! { "one" => 1i32 }, &values);
}

/// A binding without a value asks only whether the header is there.
fn routing_headers_presence(lab: &Lab) {
    let values = [
        field_table! { "one" => 1i32 },
        field_table! { "one" => None::<i32> },
        field_table! { "two" => 1i32 },
    ];
    headers(lab, &field_table! { "one" => None::<i32> }, &values);
}

fn routing_headers_without_headers(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &exchange(&x, "headers"));
    for kind in ["all", "any"] {
        let q = format!("{q}.{kind}");
        c.call(1, &declare(&q));
        let arguments = field_table! { "x-match" => kind };
        let binding = queue::Bind {
            arguments: arguments.as_ref(),
            ..bind(&q, &x, "")
        };
        c.call(1, &binding);
    }
    c.raw(&[message(1, &x, "", "m")]);
    c.wait_settled(1, 1);
    empty(&c, &format!("{q}.all"), 1);
    empty(&c, &format!("{q}.any"), 1);
}

fn routing_exchange_to_exchange(lab: &Lab) {
    let (q, x, y, c) = (
        lab.name("q"),
        lab.name("x"),
        lab.name("y"),
        lab.confirming(),
    );
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "topic"));
    c.call(1, &exchange(&y, "direct"));
    c.call(1, &bind_exchange(&y, &x, "a.#"));
    c.call(1, &bind(&q, &y, "a.b"));
    c.raw(&[
        message(1, &x, "a.b", "both match"),
        message(1, &x, "a.c", "the first matches"),
    ]);
    c.wait_settled(1, 2);
    empty(&c, &q, 1);
}

fn routing_in_circles(lab: &Lab) {
    let (q, x, y, c) = (
        lab.name("q"),
        lab.name("x"),
        lab.name("y"),
        lab.confirming(),
    );
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &exchange(&y, "fanout"));
    c.call(1, &bind_exchange(&y, &x, ""));
    c.call(1, &bind_exchange(&x, &y, ""));
    c.call(1, &bind_exchange(&x, &x, ""));
    c.call(1, &bind(&q, &y, ""));
    c.call(1, &bind(&q, &x, ""));
    c.raw(&[message(1, &x, "", "once")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 1);
}

/// An exchange whose unroutable messages go to another.
fn alternate(c: &Client, name: &str, to: &str) {
    let arguments = field_table! { "alternate-exchange" => to };
    let declared = exchange::Declare {
        arguments: arguments.as_ref(),
        ..exchange(name, "direct")
    };
    c.call(1, &declared);
}

fn routing_alternate(lab: &Lab) {
    let (q, x, y, c) = (
        lab.name("q"),
        lab.name("x"),
        lab.name("y"),
        lab.confirming(),
    );
    let r = lab.name("r");
    c.call(1, &declare(&q));
    c.call(1, &declare(&r));
    c.call(1, &exchange(&y, "fanout"));
    alternate(&c, &x, &y);
    c.call(1, &bind(&q, &x, "k"));
    c.call(1, &bind(&r, &y, ""));
    c.raw(&[
        message(1, &x, "k", "routed"),
        message(1, &x, "l", "by the alternate"),
    ]);
    c.wait_settled(1, 2);
    empty(&c, &q, 1);
    empty(&c, &r, 1);
}

fn routing_alternate_missing(lab: &Lab) {
    let (x, c) = (lab.name("x"), lab.confirming());
    alternate(&c, &x, &lab.name("y"));
    c.raw(&[mandatory(1, &x, "k", "lost")]);
    c.wait_settled(1, 1);
}

fn routing_alternate_and_mandatory(lab: &Lab) {
    let (q, x, y, c) = (
        lab.name("q"),
        lab.name("x"),
        lab.name("y"),
        lab.confirming(),
    );
    c.call(1, &declare(&q));
    c.call(1, &exchange(&y, "direct"));
    alternate(&c, &x, &y);
    c.call(1, &bind(&q, &y, "k"));
    c.raw(&[
        mandatory(1, &x, "k", "by the alternate"),
        mandatory(1, &x, "l", "returned"),
    ]);
    c.wait_settled(1, 2);
    empty(&c, &q, 1);
}

fn routing_unbound(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind(&q, &x, "k"));
    c.call(1, &unbind(&q, &x, "k"));
    c.raw(&[message(1, &x, "k", "lost")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 0);
}

fn routing_cc_and_bcc(lab: &Lab) {
    let (q, r, s, c) = (
        lab.name("q"),
        lab.name("r"),
        lab.name("s"),
        lab.confirming(),
    );
    for name in [&q, &r, &s] {
        c.call(1, &declare(name));
    }
    let cc = FieldArray::from([r.as_str()]);
    let bcc = FieldArray::from([s.as_str(), q.as_str()]);
    let headers = field_table! { "CC" => cc.as_ref(), "BCC" => bcc.as_ref(), "n" => 1i32 };
    let properties = basic::Properties::new().headers(headers.as_ref());
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
    for name in [&q, &r, &s] {
        empty(&c, name, 1);
    }
}

fn routing_cc_no_array(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let headers = field_table! { "CC" => "k" };
    let properties = basic::Properties::new().headers(headers.as_ref());
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
}

fn routing_cc_holds_a_number(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let numbers = FieldArray::from([1i32]);
    let headers = field_table! { "BCC" => numbers.as_ref() };
    let properties = basic::Properties::new().headers(headers.as_ref());
    c.call(1, &declare(&q));
    c.raw(&[message_with(1, "", &q, &properties, "m")]);
    c.wait_settled(1, 1);
    c.quiet();
    c.call(1, &take(&q));
}

fn routing_cc_to_nowhere_is_mandatory(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let nowhere = FieldArray::from(["nowhere"]);
    let headers = field_table! { "CC" => nowhere.as_ref(), "BCC" => nowhere.as_ref() };
    let properties = basic::Properties::new().headers(headers.as_ref());
    let method = basic::Publish {
        mandatory: true,
        ..crate::say::publish("", &q)
    };
    c.raw(&[crate::say::content(1, &method, &properties, "m")]);
    c.wait_settled(1, 1);
}

fn routing_mandatory_through_exchanges(lab: &Lab) {
    let (x, y, c) = (lab.name("x"), lab.name("y"), lab.confirming());
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &exchange(&y, "fanout"));
    c.call(1, &bind_exchange(&y, &x, ""));
    c.raw(&[mandatory(1, &x, "k", "returned")]);
    c.wait_settled(1, 1);
}

fn routing_binding_goes_with_its_queue(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "fanout"));
    c.call(1, &bind(&q, &x, ""));
    c.call(1, &crate::say::delete(&q));
    c.call(1, &declare(&q));
    c.raw(&[message(1, &x, "", "lost")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 0);
}

fn routing_key_of_255_octets(lab: &Lab) {
    let (q, x, c) = (lab.name("q"), lab.name("x"), lab.confirming());
    let key = "k".repeat(255);
    c.call(1, &declare(&q));
    c.call(1, &exchange(&x, "direct"));
    c.call(1, &bind(&q, &x, &key));
    c.raw(&[message(1, &x, &key, "m")]);
    c.wait_settled(1, 1);
    empty(&c, &q, 0);
}
