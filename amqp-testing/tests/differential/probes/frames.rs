//! Frames and methods that are wrong, or in the wrong place.

use amqp_spec::{basic, channel, connection, queue};
use amqp_testing::frames::RawFrame;

use crate::lab::{Client, Lab};
use crate::say::{declare, message, method, short};

probes! { "frames":
    frame_wrong_end,
    frame_too_large,
    frame_type_0,
    frame_type_4,
    frame_type_255,
    frame_method_too_short,
    frame_header_too_short,
    frame_heartbeat_with_payload,
    frame_heartbeat_on_a_channel,
    frame_heartbeat,
    frame_header_on_channel_0,
    frame_body_on_channel_0,
    frame_header_on_a_closed_channel,
    frame_body_on_a_closed_channel,
    frame_body_without_publish,
    frame_header_without_publish,
    frame_by_single_octets,
    frame_in_two_parts,
    frame_body_larger_than_frame_max_by_its_overhead,
    method_of_an_unknown_class,
    method_unknown_in_its_class,
    method_unknown_on_channel_0,
    method_with_too_few_arguments,
    method_with_too_many_arguments,
    method_with_a_table_that_breaks_off,
    method_with_a_table_of_an_unknown_type,
    method_of_a_channel_on_channel_0,
    method_of_the_connection_on_a_channel,
    method_open_once_running,
    method_tune_ok_once_running,
    method_start_ok_once_running,
    method_close_ok_unasked,
    method_blocked_from_the_client,
    method_channel_close_ok_unasked,
    method_reply_from_the_client,
    method_deliver_from_the_client,
    method_update_secret,
    method_access_request,
}

/// Sends octets that end the connection, with what its close tells.
fn fatal(client: &Client, parts: &[Vec<u8>]) {
    client.raw(parts);
    client.wait(0, "connection.close");
    client.close_ok();
}

fn frame_wrong_end(lab: &Lab) {
    let payload = [0, 20, 0, 20, 1];
    fatal(
        &lab.channel(),
        &[RawFrame::new(1, 1, payload).end(0).encode()],
    );
}

fn frame_too_large(lab: &Lab) {
    let too_large = RawFrame::new(3, 1, []).size(131_073).encode();
    fatal(&lab.channel(), &[too_large[..7].to_vec()]);
}

fn frame_type_0(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(0, 1, []).encode()]);
}

fn frame_type_4(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(4, 1, [1, 2, 3]).encode()]);
}

fn frame_type_255(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(255, 0, [1]).encode()]);
}

fn frame_method_too_short(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(1, 1, [0, 20, 0]).encode()]);
}

fn frame_header_too_short(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(2, 1, [0, 60, 0]).encode()]);
}

fn frame_heartbeat_with_payload(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(8, 0, [1]).encode()]);
}

fn frame_heartbeat_on_a_channel(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(8, 1, []).encode()]);
}

fn frame_heartbeat(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[
        RawFrame::new(8, 0, []).encode(),
        RawFrame::new(8, 0, []).encode(),
    ]);
    c.call(1, &declare(""));
}

fn frame_header_on_channel_0(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[RawFrame::new(2, 0, header(60, 0, 0)).encode()],
    );
}

fn frame_body_on_channel_0(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(3, 0, [1]).encode()]);
}

fn frame_header_on_a_closed_channel(lab: &Lab) {
    fatal(
        &lab.open(),
        &[RawFrame::new(2, 1, header(60, 0, 0)).encode()],
    );
}

fn frame_body_on_a_closed_channel(lab: &Lab) {
    fatal(&lab.open(), &[RawFrame::new(3, 1, [1]).encode()]);
}

fn frame_body_without_publish(lab: &Lab) {
    fatal(&lab.channel(), &[RawFrame::new(3, 1, [1]).encode()]);
}

fn frame_header_without_publish(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[RawFrame::new(2, 1, header(60, 0, 0)).encode()],
    );
}

fn frame_by_single_octets(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.channel());
    for octet in method(1, &declare(&q)) {
        c.raw(&[vec![octet]]);
    }
    c.wait(1, "queue.declare-ok");
    for octet in message(1, "", &q, "m") {
        c.raw(&[vec![octet]]);
    }
    c.call(1, &crate::say::take(&q));
}

fn frame_in_two_parts(lab: &Lab) {
    let c = lab.channel();
    let octets = method(1, &declare(""));
    c.raw(&[octets[..9].to_vec()]);
    c.quiet();
    c.raw(&[octets[9..].to_vec()]);
    c.wait(1, "queue.declare-ok");
}

fn frame_body_larger_than_frame_max_by_its_overhead(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let body = vec![b'x'; 131_072];
    c.raw(&[
        method(1, &crate::say::publish("", &q)),
        RawFrame::new(2, 1, header(60, 0, 131_072)).encode(),
        RawFrame::new(3, 1, body).encode(),
    ]);
    c.wait_settled(1, 1);
    c.call(1, &crate::say::take(&q));
}

fn method_of_an_unknown_class(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[RawFrame::new(1, 1, [0, 99, 0, 10]).encode()]);
    c.wait_end();
}

fn method_unknown_in_its_class(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[RawFrame::new(1, 1, [0, 50, 0, 99]).encode()]);
    c.wait_end();
}

fn method_unknown_on_channel_0(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[RawFrame::new(1, 0, [0, 99, 0, 10]).encode()]);
    c.wait_end();
}

fn method_with_too_few_arguments(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[RawFrame::new(1, 1, [0, 50, 0, 10, 0, 0]).encode()],
    );
}

fn method_with_too_many_arguments(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[RawFrame::new(1, 1, [0, 20, 0, 20, 1, 7, 8]).encode()],
    );
}

/// A declare whose table holds these octets.
fn table(octets: &[u8]) -> Vec<u8> {
    let mut payload = vec![0, 50, 0, 10, 0, 0, 1, b'q', 0];
    payload.extend(u32::try_from(octets.len()).unwrap().to_be_bytes());
    payload.extend(octets);
    RawFrame::new(1, 1, payload).encode()
}

fn method_with_a_table_that_breaks_off(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[table(b"\x01ai\x00")]);
    c.wait(0, "connection.close");
    c.wait_end();
}

fn method_with_a_table_of_an_unknown_type(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[table(b"\x01aZ\x00")]);
    c.wait_end();
}

fn method_of_a_channel_on_channel_0(lab: &Lab) {
    fatal(&lab.channel(), &[method(0, &declare("q"))]);
}

fn method_of_the_connection_on_a_channel(lab: &Lab) {
    fatal(&lab.channel(), &[method(1, &connection::Close::default())]);
}

fn method_open_once_running(lab: &Lab) {
    fatal(&lab.channel(), &[crate::say::open("/")]);
}

fn method_tune_ok_once_running(lab: &Lab) {
    fatal(&lab.channel(), &[method(0, &crate::say::tune_ok())]);
}

fn method_start_ok_once_running(lab: &Lab) {
    fatal(&lab.channel(), &[crate::say::start_ok("guest", "guest")]);
}

fn method_close_ok_unasked(lab: &Lab) {
    fatal(&lab.channel(), &[method(0, &connection::CloseOk {})]);
}

fn method_blocked_from_the_client(lab: &Lab) {
    let blocked = connection::Blocked {
        reason: short("tired"),
    };
    fatal(&lab.channel(), &[method(0, &blocked)]);
}

fn method_channel_close_ok_unasked(lab: &Lab) {
    fatal(&lab.channel(), &[method(1, &channel::CloseOk {})]);
}

fn method_reply_from_the_client(lab: &Lab) {
    fatal(&lab.channel(), &[method(1, &queue::BindOk {})]);
}

fn method_deliver_from_the_client(lab: &Lab) {
    let c = lab.channel();
    let deliver = basic::Deliver {
        consumer_tag: short("t"),
        delivery_tag: 1,
        ..Default::default()
    };
    c.send(1, &deliver);
    c.quiet();
    fatal(&c, &[method(1, &declare("q"))]);
}

fn method_update_secret(lab: &Lab) {
    let secret = connection::UpdateSecret {
        new_secret: amqp_spec::wire::LongStr::literal("other"),
        reason: short("because"),
    };
    lab.channel().call(0, &secret);
}

fn method_access_request(lab: &Lab) {
    let c = lab.channel();
    let request = amqp_spec::access::Request {
        realm: short("/data"),
        ..Default::default()
    };
    c.send(1, &request);
    c.wait(1, "access.request-ok");
}

/// The payload of a header frame without properties.
fn header(class_id: u16, weight: u16, body_size: u64) -> Vec<u8> {
    let mut payload = class_id.to_be_bytes().to_vec();
    payload.extend(weight.to_be_bytes());
    payload.extend(body_size.to_be_bytes());
    payload.extend([0, 0]);
    payload
}
