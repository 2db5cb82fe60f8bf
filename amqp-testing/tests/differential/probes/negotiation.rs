//! From the protocol header to `connection.open-ok`.

use std::time::Duration;

use amqp_spec::wire::FieldTable;
use amqp_spec::{channel, connection, field_table};

use crate::lab::{Client, Lab};
use crate::say::{
    HEADER, client_properties, declare, message, method, open, start_ok, start_ok_with, tune_ok,
};

probes! { "negotiation":
    header_right,
    header_0_9,
    header_0_8,
    header_0_9_0,
    header_0_9_2,
    header_1_0,
    header_1_0_with_tls,
    header_1_0_with_sasl,
    header_0_10,
    header_of_http,
    header_of_octets,
    header_by_single_octets,
    login_step_by_step,
    login_amqplain,
    login_amqplain_broken,
    login_anonymous,
    login_wrong_password,
    login_wrong_password_close_answered,
    login_wrong_password_without_capability,
    login_unknown_user,
    login_empty_password,
    login_unknown_mechanism,
    login_empty_mechanism,
    login_mechanism_in_lower_case,
    login_plain_empty,
    login_plain_without_password,
    login_plain_with_authorization,
    login_properties_of_any_type,
    login_capabilities_are_no_table,
    login_locale_unknown,
    login_start_ok_too_long,
    login_start_ok_of_4096_octets,
    tune_frame_max_zero,
    tune_frame_max_too_small,
    tune_frame_max_smallest,
    tune_frame_max_too_large,
    tune_channel_max_zero,
    tune_channel_max_too_large,
    tune_heartbeat_long,
    tune_ok_not_sent,
    open_missing_vhost,
    open_empty_vhost,
    open_without_permission,
    open_by_single_octets,
    turn_open_before_tune_ok,
    turn_start_ok_twice,
    turn_close_before_open,
    turn_close_before_tune_ok,
    turn_channel_before_start_ok,
    turn_channel_between_tune_ok_and_open,
    turn_publish_between_tune_ok_and_open,
    turn_heartbeat_before_tune_ok,
    turn_body_before_start_ok,
    turn_large_frame_before_tune_ok,
    turn_unknown_method_before_start_ok,
}

fn header(lab: &Lab, octets: &[u8]) -> Client {
    let c = lab.connect();
    c.raw(&[octets.to_vec()]);
    c
}

/// What is answered with the start of a login, which is left there.
fn starts(lab: &Lab, octets: &[u8]) {
    let c = header(lab, octets);
    c.wait(0, "connection.start");
    c.leave();
}

fn header_right(lab: &Lab) {
    starts(lab, &HEADER);
}

fn header_0_9(lab: &Lab) {
    starts(lab, b"AMQP\x01\x01\x00\x09");
}

/// 3.10 speaks it, 4.0 does not.
fn header_0_8(lab: &Lab) {
    let c = header(lab, b"AMQP\x01\x01\x08\x00");
    c.wait_any(0);
    c.leave();
}

fn refused(lab: &Lab, octets: &[u8]) {
    header(lab, octets).wait_end();
}

fn header_0_9_0(lab: &Lab) {
    refused(lab, b"AMQP\x00\x00\x09\x00");
}

fn header_0_9_2(lab: &Lab) {
    refused(lab, b"AMQP\x00\x00\x09\x02");
}

fn header_1_0(lab: &Lab) {
    refused(lab, b"AMQP\x00\x01\x00\x00");
}

fn header_1_0_with_tls(lab: &Lab) {
    refused(lab, b"AMQP\x02\x01\x00\x00");
}

fn header_1_0_with_sasl(lab: &Lab) {
    let c = header(lab, b"AMQP\x03\x01\x00\x00");
    c.wait_any(0);
    c.leave();
}

fn header_0_10(lab: &Lab) {
    refused(lab, b"AMQP\x01\x01\x00\x0a");
}

fn header_of_http(lab: &Lab) {
    refused(lab, b"GET / HTTP/1.1\r\n\r\n");
}

fn header_of_octets(lab: &Lab) {
    refused(lab, &[0; 8]);
}

fn header_by_single_octets(lab: &Lab) {
    let c = lab.connect();
    for octet in HEADER {
        c.raw(&[vec![octet]]);
    }
    c.wait(0, "connection.start");
    c.leave();
}

/// Says the header, and waits for the start, which is not kept.
fn started(lab: &Lab) -> Client {
    let c = header(lab, &HEADER);
    c.wait(0, "connection.start");
    c.forget();
    c
}

/// Logs in, and waits for the tuning, which is not kept.
fn tuned(lab: &Lab) -> Client {
    let c = started(lab);
    c.raw(&[start_ok("guest", "guest")]);
    c.wait(0, "connection.tune");
    c.forget();
    c
}

fn login_step_by_step(lab: &Lab) {
    let c = header(lab, &HEADER);
    c.wait(0, "connection.start");
    c.raw(&[start_ok("guest", "guest")]);
    c.wait(0, "connection.tune");
    c.send(0, &tune_ok());
    c.raw(&[open(&lab.vhost())]);
    c.wait(0, "connection.open-ok");
    c.call(1, &channel::Open {});
}

/// Logs in with what is refused or taken.
fn login(lab: &Lab, mechanism: &str, response: &[u8]) -> Client {
    let c = started(lab);
    c.raw(&[start_ok_with(mechanism, response, &client_properties())]);
    c
}

/// What costs the connection without a word, after a while.
fn silently(c: &Client) {
    c.pass(Duration::from_millis(1500));
    c.wait_end();
}

fn login_amqplain(lab: &Lab) {
    let credentials = field_table! { "LOGIN" => "guest", "PASSWORD" => "guest" };
    let c = login(lab, "AMQPLAIN", credentials.as_bytes());
    c.wait(0, "connection.tune");
    c.leave();
}

fn login_amqplain_broken(lab: &Lab) {
    silently(&login(lab, "AMQPLAIN", b"\x05LOGINS\x00\x00\x00\x10x"));
}

fn login_anonymous(lab: &Lab) {
    let c = login(lab, "ANONYMOUS", b"");
    c.wait_any(0);
    c.leave();
}

fn login_wrong_password(lab: &Lab) {
    let c = login(lab, "PLAIN", b"\0guest\0wrong");
    c.wait(0, "connection.close");
    c.pass(Duration::from_millis(1500));
    c.wait_end();
}

fn login_wrong_password_close_answered(lab: &Lab) {
    let c = login(lab, "PLAIN", b"\0guest\0wrong");
    c.wait(0, "connection.close");
    c.send(0, &connection::CloseOk {});
    c.pass(Duration::from_millis(1500));
    c.wait_end();
}

fn login_wrong_password_without_capability(lab: &Lab) {
    let c = started(lab);
    c.raw(&[start_ok_with(
        "PLAIN",
        b"\0guest\0wrong",
        &FieldTable::new(),
    )]);
    silently(&c);
}

fn login_unknown_user(lab: &Lab) {
    let c = login(lab, "PLAIN", b"\0nosuch\0guest");
    c.wait(0, "connection.close");
}

fn login_empty_password(lab: &Lab) {
    let c = login(lab, "PLAIN", b"\0guest\0");
    c.wait(0, "connection.close");
}

fn login_unknown_mechanism(lab: &Lab) {
    silently(&login(lab, "EXTERNAL", b"guest"));
}

fn login_empty_mechanism(lab: &Lab) {
    silently(&login(lab, "", b"\0guest\0guest"));
}

fn login_mechanism_in_lower_case(lab: &Lab) {
    silently(&login(lab, "plain", b"\0guest\0guest"));
}

fn login_plain_empty(lab: &Lab) {
    silently(&login(lab, "PLAIN", b""));
}

fn login_plain_without_password(lab: &Lab) {
    silently(&login(lab, "PLAIN", b"\0guest"));
}

fn login_plain_with_authorization(lab: &Lab) {
    silently(&login(lab, "PLAIN", b"other\0guest\0guest"));
}

fn login_properties_of_any_type(lab: &Lab) {
    let c = started(lab);
    let nested = field_table! { "a" => 1i32 };
    let mut properties = field_table! {
        "bool" => true, "i8" => 1i8, "u8" => 1u8, "i16" => 1i16, "u16" => 1u16, "i32" => 1i32,
        "u32" => 1u32, "i64" => 1i64, "f32" => 1f32, "f64" => 1f64, "void" => None::<i32>,
        "table" => &nested,
    };
    properties.push("bool", "twice");
    c.raw(&[start_ok_with("PLAIN", b"\0guest\0guest", &properties)]);
    c.wait(0, "connection.tune");
    c.leave();
}

fn login_capabilities_are_no_table(lab: &Lab) {
    let c = started(lab);
    let properties = field_table! { "capabilities" => "all of them" };
    c.raw(&[start_ok_with("PLAIN", b"\0guest\0guest", &properties)]);
    c.wait(0, "connection.tune");
    c.leave();
}

fn login_locale_unknown(lab: &Lab) {
    let c = started(lab);
    let properties = client_properties();
    let odd = connection::StartOk {
        client_properties: properties.as_ref(),
        mechanism: crate::say::short("PLAIN"),
        response: amqp_spec::wire::LongStr::literal("\0guest\0guest"),
        locale: crate::say::short("xx_YY"),
    };
    c.send(0, &odd);
    c.wait(0, "connection.tune");
    c.leave();
}

/// A `start-ok` whose payload has this size.
fn start_ok_of(payload: usize) -> Vec<u8> {
    let with = |text: &str| {
        let properties = field_table! { "text" => text };
        start_ok_with("PLAIN", b"\0guest\0guest", &properties)
    };
    let overhead = with("").len() - 8;
    with(&"x".repeat(payload - overhead))
}

fn login_start_ok_too_long(lab: &Lab) {
    let c = started(lab);
    c.raw(&[start_ok_of(4097)]);
    silently(&c);
}

fn login_start_ok_of_4096_octets(lab: &Lab) {
    let c = started(lab);
    c.raw(&[start_ok_of(4096)]);
    c.wait(0, "connection.tune");
    c.leave();
}

fn tune(lab: &Lab, change: impl FnOnce(&mut connection::TuneOk)) -> Client {
    let c = tuned(lab);
    let mut tune_ok = tune_ok();
    change(&mut tune_ok);
    c.send(0, &tune_ok);
    c.raw(&[open(&lab.vhost())]);
    c
}

fn tune_frame_max_zero(lab: &Lab) {
    silently(&tune(lab, |it| it.frame_max = 0));
}

fn tune_frame_max_too_small(lab: &Lab) {
    silently(&tune(lab, |it| it.frame_max = 4095));
}

fn tune_frame_max_smallest(lab: &Lab) {
    let c = tune(lab, |it| it.frame_max = 4096);
    c.wait(0, "connection.open-ok");
    c.open_channel(1);
    let (q, body) = (lab.name("q"), "x".repeat(5000));
    c.call(1, &declare(&q));
    let properties = amqp_spec::basic::Properties::new();
    let publish = crate::say::publish("", &q);
    c.raw(&[amqp_testing::frames::content(
        1,
        &publish,
        &properties,
        body.as_bytes(),
        4096,
    )]);
    c.call(1, &crate::say::take(&q));
    c.raw(&[message(1, "", &q, &body)]);
    c.wait(0, "connection.close");
}

fn tune_frame_max_too_large(lab: &Lab) {
    silently(&tune(lab, |it| it.frame_max = 131_073));
}

fn tune_channel_max_zero(lab: &Lab) {
    silently(&tune(lab, |it| it.channel_max = 0));
}

fn tune_channel_max_too_large(lab: &Lab) {
    silently(&tune(lab, |it| it.channel_max = 2048));
}

fn tune_heartbeat_long(lab: &Lab) {
    let c = tune(lab, |it| it.heartbeat = 65535);
    c.wait(0, "connection.open-ok");
}

fn tune_ok_not_sent(lab: &Lab) {
    let c = tuned(lab);
    c.raw(&[open(&lab.vhost())]);
    silently(&c);
}

fn open_missing_vhost(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &tune_ok());
    c.raw(&[open("nosuch")]);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn open_empty_vhost(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &tune_ok());
    c.raw(&[open("")]);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn open_without_permission(lab: &Lab) {
    let name = lab.name("stranger");
    lab.add_stranger(&name, "secret");
    let c = started(lab);
    c.raw(&[
        start_ok(&name, "secret"),
        method(0, &tune_ok()),
        open(&lab.vhost()),
    ]);
    c.wait(0, "connection.close");
    c.close_ok();
}

fn open_by_single_octets(lab: &Lab) {
    let c = lab.connect();
    let octets = [
        HEADER.to_vec(),
        start_ok("guest", "guest"),
        method(0, &tune_ok()),
    ];
    for octet in octets.concat() {
        c.raw(&[vec![octet]]);
    }
    for octet in open(&lab.vhost()) {
        c.raw(&[vec![octet]]);
    }
    c.wait(0, "connection.open-ok");
    c.forget();
    c.call(1, &channel::Open {});
}

fn turn_open_before_tune_ok(lab: &Lab) {
    let c = tuned(lab);
    c.raw(&[open(&lab.vhost())]);
    silently(&c);
}

fn turn_start_ok_twice(lab: &Lab) {
    let c = tuned(lab);
    c.raw(&[start_ok("guest", "guest")]);
    silently(&c);
}

fn turn_close_before_open(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &tune_ok());
    c.send(0, &connection::Close::default());
    c.wait(0, "connection.close");
    c.close_ok();
}

fn turn_close_before_tune_ok(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &connection::Close::default());
    silently(&c);
}

fn turn_channel_before_start_ok(lab: &Lab) {
    let c = started(lab);
    c.send(1, &channel::Open {});
    silently(&c);
}

fn turn_channel_between_tune_ok_and_open(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &tune_ok());
    c.send(1, &channel::Open {});
    c.wait(0, "connection.close");
}

fn turn_publish_between_tune_ok_and_open(lab: &Lab) {
    let c = tuned(lab);
    c.send(0, &tune_ok());
    c.raw(&[message(1, "", "k", "m")]);
    c.wait(0, "connection.close");
}

fn turn_heartbeat_before_tune_ok(lab: &Lab) {
    let c = tuned(lab);
    c.raw(&[amqp_spec::frame::HEARTBEAT.to_vec()]);
    c.send(0, &tune_ok());
    c.raw(&[open(&lab.vhost())]);
    c.wait(0, "connection.open-ok");
}

fn turn_body_before_start_ok(lab: &Lab) {
    let c = started(lab);
    c.raw(&[amqp_testing::frames::RawFrame::new(3, 1, [1]).encode()]);
    silently(&c);
}

fn turn_large_frame_before_tune_ok(lab: &Lab) {
    let c = tuned(lab);
    let large = amqp_testing::frames::RawFrame::new(1, 0, vec![0; 4097]).encode();
    c.raw(&[large]);
    silently(&c);
}

fn turn_unknown_method_before_start_ok(lab: &Lab) {
    let c = started(lab);
    c.raw(&[amqp_testing::frames::RawFrame::new(1, 0, [0, 99, 0, 1]).encode()]);
    c.wait_end();
}
