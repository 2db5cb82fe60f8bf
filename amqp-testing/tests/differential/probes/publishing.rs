//! Publishing: confirms, returns, properties, and what is refused.

use amqp_spec::wire::{ShortStr, Timestamp};
use amqp_spec::{basic, confirm, field_table, queue};

use crate::lab::{Client, Lab};
use crate::say::{
    content, declare, declare_with, mandatory, message, message_with, publish, short, take,
};

probes! { "publishing":
    publish_confirmed,
    publish_confirmed_by_number_on_each_channel,
    publish_many_confirmed,
    publish_unroutable,
    publish_unroutable_mandatory,
    publish_unroutable_mandatory_confirmed,
    publish_some_of_many_returned,
    publish_immediate,
    publish_to_missing_exchange,
    publish_to_missing_exchange_behind_others,
    publish_to_missing_exchange_before_others,
    publish_on_another_channel_while_one_is_refused,
    publish_select_twice,
    publish_select_without_waiting,
    publish_numbers_begin_with_select,
    publish_numbers_begin_anew,
    publish_all_properties,
    publish_no_properties,
    publish_delivery_mode_0,
    publish_delivery_mode_3,
    publish_expiration_of_letters,
    publish_expiration_empty,
    publish_expiration_negative,
    publish_expiration_of_a_fraction,
    publish_expiration_of_ten_years,
    publish_expiration_of_more,
    publish_priority_above_the_maximum,
    publish_user_id_of_another,
    publish_user_id,
    publish_key_is_no_text,
    publish_properties_are_no_text,
    publish_exchange_is_no_text,
    publish_exchange_with_a_long_name,
    publish_empty_body,
    publish_large_body,
    publish_odd_octets,
    publish_full_rejected,
    publish_full_rejected_mandatory,
    publish_full_drops_the_oldest,
    publish_full_by_octets,
    publish_full_of_nothing,
    publish_one_queue_of_two_full,
    publish_on_a_closed_channel,
    publish_too_large,
}

fn publish_confirmed(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "one")]);
    c.wait_settled(1, 1);
    c.raw(&[message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn publish_confirmed_by_number_on_each_channel(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.open_channel(2);
    c.call(2, &confirm::Select::default());
    c.raw(&[
        message(1, "", &q, "m"),
        message(2, "", &q, "m"),
        message(2, "", &q, "m"),
    ]);
    c.wait_settled(1, 1);
    c.wait_settled(2, 2);
}

fn publish_many_confirmed(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let messages: Vec<_> = (0..200)
        .map(|n| message(1, "", &q, &n.to_string()))
        .collect();
    c.raw(&messages);
    c.wait_settled(1, 200);
    c.call(1, &declare(&q));
    for _ in 0..5 {
        c.call(1, &take(&q));
    }
}

fn publish_unroutable(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[message(1, "", &lab.name("nowhere"), "m")]);
    c.wait_settled(1, 1);
}

fn publish_unroutable_mandatory(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[mandatory(1, "", &lab.name("nowhere"), "m")]);
    c.wait(1, "basic.return");
}

fn publish_unroutable_mandatory_confirmed(lab: &Lab) {
    let c = lab.confirming();
    let headers = field_table! { "n" => 1i32 };
    let properties = basic::Properties::new()
        .headers(headers.as_ref())
        .message_id(short("m-1"));
    let nowhere = lab.name("nowhere");
    let method = basic::Publish {
        mandatory: true,
        ..publish("amq.direct", &nowhere)
    };
    c.raw(&[content(1, &method, &properties, "m")]);
    c.wait_settled(1, 1);
}

fn publish_some_of_many_returned(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    for n in 1..=6 {
        let key = if n % 3 == 0 { "nowhere" } else { &q };
        c.raw(&[mandatory(1, "", key, &n.to_string())]);
        c.wait_settled(1, n);
    }
}

fn publish_immediate(lab: &Lab) {
    let c = lab.channel();
    let method = basic::Publish {
        immediate: true,
        ..publish("", "nowhere")
    };
    c.raw(&[content(1, &method, &basic::Properties::new(), "m")]);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn publish_to_missing_exchange(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[message(1, &lab.name("x"), "k", "m")]);
    c.wait(1, "channel.close");
}

fn publish_to_missing_exchange_behind_others(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.open_channel(2);
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    c.raw(&[
        message(1, &lab.name("x"), "k", "refused"),
        message(1, "", &q, "dropped"),
    ]);
    c.wait(1, "channel.close");
    c.call(2, &declare(&q));
}

fn publish_to_missing_exchange_before_others(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.open_channel(2);
    c.call(2, &declare(&q));
    c.raw(&[
        message(1, &lab.name("x"), "k", "refused"),
        message(1, "", &q, "dropped"),
    ]);
    c.wait(1, "channel.close");
    c.send(1, &amqp_spec::channel::CloseOk {});
    c.open_channel(1);
    c.call(1, &take(&q));
}

fn publish_on_another_channel_while_one_is_refused(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.open_channel(2);
    c.raw(&[
        message(2, &lab.name("x"), "k", "refused"),
        message(1, "", &q, "m"),
    ]);
    c.wait(2, "channel.close");
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn publish_select_twice(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &confirm::Select::default());
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 2);
}

fn publish_select_without_waiting(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &confirm::Select { no_wait: true });
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait_settled(1, 1);
}

fn publish_numbers_begin_with_select(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, "unnumbered")]);
    c.call(1, &confirm::Select::default());
    c.raw(&[message(1, "", &q, "one")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn publish_numbers_begin_anew(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[
        message(1, "", "nowhere", "m"),
        message(1, "", "nowhere", "m"),
    ]);
    c.wait_settled(1, 2);
    c.call(1, &amqp_spec::channel::Close::default());
    c.open_channel(1);
    c.call(1, &confirm::Select::default());
    c.raw(&[message(1, "", "nowhere", "m")]);
    c.wait(1, "basic.ack");
}

/// Publishes a message with these properties, and fetches it.
fn there_and_back(lab: &Lab, properties: &basic::Properties) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message_with(1, "", &q, properties, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn publish_all_properties(lab: &Lab) {
    let headers = field_table! { "text" => "t", "number" => 1i64 };
    let properties = basic::Properties::new()
        .content_type(short("text/plain"))
        .content_encoding(short("gzip"))
        .headers(headers.as_ref())
        .delivery_mode(2)
        .priority(7)
        .correlation_id(short("c-1"))
        .reply_to(short("replies"))
        .expiration(short("60000"))
        .message_id(short("m-1"))
        .timestamp(Timestamp(12_345))
        .type_(short("kind"))
        .user_id(short("guest"))
        .app_id(short("app"));
    there_and_back(lab, &properties);
}

fn publish_no_properties(lab: &Lab) {
    there_and_back(lab, &basic::Properties::new());
}

fn publish_delivery_mode_0(lab: &Lab) {
    there_and_back(lab, &basic::Properties::new().delivery_mode(0));
}

fn publish_delivery_mode_3(lab: &Lab) {
    there_and_back(lab, &basic::Properties::new().delivery_mode(3));
}

fn expiring(lab: &Lab, expiration: &str) {
    there_and_back(lab, &basic::Properties::new().expiration(short(expiration)));
}

fn publish_expiration_of_letters(lab: &Lab) {
    expiring(lab, "abc");
}

fn publish_expiration_empty(lab: &Lab) {
    expiring(lab, "");
}

fn publish_expiration_negative(lab: &Lab) {
    expiring(lab, "-1");
}

fn publish_expiration_of_a_fraction(lab: &Lab) {
    expiring(lab, "1.5");
}

fn publish_expiration_of_ten_years(lab: &Lab) {
    expiring(lab, "315360000000");
}

fn publish_expiration_of_more(lab: &Lab) {
    expiring(lab, "315360000001");
}

fn publish_priority_above_the_maximum(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-max-priority" => 3i32 };
    c.call(1, &declare_with(&q, &arguments));
    let properties = basic::Properties::new().priority(200);
    c.raw(&[
        message(1, "", &q, "without"),
        message_with(1, "", &q, &properties, "above"),
    ]);
    c.wait_settled(1, 2);
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn publish_user_id_of_another(lab: &Lab) {
    there_and_back(lab, &basic::Properties::new().user_id(short("other")));
}

fn publish_user_id(lab: &Lab) {
    there_and_back(lab, &basic::Properties::new().user_id(short("guest")));
}

fn publish_key_is_no_text(lab: &Lab) {
    let c = lab.channel();
    let method = basic::Publish {
        routing_key: ShortStr::new(b"k\xff\x80").unwrap(),
        mandatory: true,
        ..publish("amq.direct", "")
    };
    c.raw(&[content(1, &method, &basic::Properties::new(), "m")]);
    c.wait(1, "basic.return");
}

fn publish_properties_are_no_text(lab: &Lab) {
    let odd = ShortStr::new(b"k\xff\x80").unwrap();
    let properties = basic::Properties::new()
        .content_type(odd)
        .correlation_id(odd)
        .reply_to(odd)
        .app_id(odd);
    there_and_back(lab, &properties);
}

fn publish_exchange_is_no_text(lab: &Lab) {
    let c = lab.channel();
    let method = basic::Publish {
        exchange: ShortStr::new(b"x\xff\x80").unwrap(),
        ..publish("", "k")
    };
    c.raw(&[content(1, &method, &basic::Properties::new(), "m")]);
    c.wait(1, "channel.close");
}

fn publish_exchange_with_a_long_name(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[message(1, &"x".repeat(255), "k", "m")]);
    c.wait(1, "channel.close");
}

fn publish_empty_body(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    c.raw(&[message(1, "", &q, ""), message(1, "", &q, "m")]);
    c.wait_settled(1, 2);
    c.call(1, &take(&q));
    c.call(1, &take(&q));
}

fn publish_large_body(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    for size in [131_064, 131_065, 300_000] {
        c.raw(&[message(1, "", &q, &"x".repeat(size))]);
    }
    c.wait_settled(1, 3);
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
}

fn publish_odd_octets(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let body: Vec<u8> = (0..=255).collect();
    let properties = basic::Properties::new();
    c.raw(&[amqp_testing::frames::content(
        1,
        &publish("", &q),
        &properties,
        &body,
        131_072,
    )]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

/// A queue of this many messages, full.
fn full(lab: &Lab, overflow: &str) -> (String, Client) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-max-length" => 2i32, "x-overflow" => overflow };
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "one"), message(1, "", &q, "two")]);
    c.wait_settled(1, 2);
    (q, c)
}

fn publish_full_rejected(lab: &Lab) {
    let (q, c) = full(lab, "reject-publish");
    c.raw(&[message(1, "", &q, "three")]);
    c.wait_settled(1, 3);
    c.call(1, &take(&q));
    c.raw(&[message(1, "", &q, "four")]);
    c.wait_settled(1, 4);
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
}

fn publish_full_rejected_mandatory(lab: &Lab) {
    let (q, c) = full(lab, "reject-publish");
    c.raw(&[mandatory(1, "", &q, "three")]);
    c.wait_settled(1, 3);
}

fn publish_full_drops_the_oldest(lab: &Lab) {
    let (q, c) = full(lab, "drop-head");
    c.raw(&[message(1, "", &q, "three")]);
    c.wait_settled(1, 3);
    for _ in 0..3 {
        c.call(1, &take(&q));
    }
}

fn publish_full_by_octets(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-max-length-bytes" => 10i32 };
    c.call(1, &declare_with(&q, &arguments));
    for (number, body) in ["12345", "67890", "abc", "0123456789x"].iter().enumerate() {
        c.raw(&[message(1, "", &q, body)]);
        c.wait_settled(1, number as u64 + 1);
        c.call(
            1,
            &queue::Declare {
                passive: true,
                ..declare(&q)
            },
        );
    }
    c.call(1, &take(&q));
}

fn publish_full_of_nothing(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    let arguments = field_table! { "x-max-length" => 0i32 };
    c.call(1, &declare_with(&q, &arguments));
    c.raw(&[message(1, "", &q, "m")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn publish_one_queue_of_two_full(lab: &Lab) {
    let (q, c) = full(lab, "reject-publish");
    let (r, x) = (lab.name("r"), lab.name("x"));
    c.call(1, &declare(&r));
    c.call(1, &crate::say::exchange(&x, "fanout"));
    c.call(1, &crate::say::bind(&q, &x, ""));
    c.call(1, &crate::say::bind(&r, &x, ""));
    c.raw(&[message(1, &x, "", "three")]);
    c.wait_settled(1, 3);
    c.call(1, &take(&r));
}

fn publish_on_a_closed_channel(lab: &Lab) {
    let c = lab.open();
    c.raw(&[message(1, "", "k", "m")]);
    c.wait(0, "connection.close");
    c.close_ok();
}

/// Above what 4.0 takes, below what 3.10 does.
fn publish_too_large(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[message(1, "", "nowhere", &"x".repeat((16 << 20) + 1))]);
    c.wait_settled(1, 1);
}
