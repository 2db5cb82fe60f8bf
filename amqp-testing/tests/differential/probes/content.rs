//! Contents: a method, its header, and the body that was announced.

use amqp_spec::{channel, connection};
use amqp_testing::frames::RawFrame;

use crate::lab::{Client, Lab};
use crate::say::{declare, message, method, publish, qos, take};

probes! { "content":
    content_method_instead_of_header,
    content_body_instead_of_header,
    content_method_instead_of_body,
    content_header_instead_of_body,
    content_publish_instead_of_body,
    content_channel_closed_amid,
    content_channel_closed_before_the_header,
    content_connection_closed_amid,
    content_heartbeat_amid,
    content_other_channel_amid,
    content_of_another_class,
    content_with_weight,
    content_body_longer_than_announced,
    content_body_longer_by_a_frame,
    content_enormous_size,
    content_empty_body_frames_amid,
    content_of_single_octets,
    content_empty_with_an_empty_body_frame,
    content_interleaved_on_two_channels,
    content_flags_continued,
    content_properties_break_off,
    content_properties_with_surplus,
    content_property_flag_undefined,
    content_header_with_a_broken_table,
    content_header_of_an_unknown_type,
    content_header_value_not_a_number,
    content_amid_an_error_of_its_channel,
}

/// A header frame with this list of properties.
fn header(class_id: u16, weight: u16, body_size: u64, properties: &[u8]) -> Vec<u8> {
    let mut payload = class_id.to_be_bytes().to_vec();
    payload.extend(weight.to_be_bytes());
    payload.extend(body_size.to_be_bytes());
    payload.extend(properties);
    RawFrame::new(2, 1, payload).encode()
}

fn plain(body_size: u64) -> Vec<u8> {
    header(60, 0, body_size, &[0, 0])
}

fn body(octets: &[u8]) -> Vec<u8> {
    RawFrame::new(3, 1, octets).encode()
}

fn publishing() -> Vec<u8> {
    method(1, &publish("", "nowhere"))
}

fn fatal(client: &Client, parts: &[Vec<u8>]) {
    client.raw(parts);
    client.wait(0, "connection.close");
    client.close_ok();
}

fn content_method_instead_of_header(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), method(1, &qos(1))]);
}

fn content_body_instead_of_header(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), body(b"m")]);
}

fn content_method_instead_of_body(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[publishing(), plain(2), method(1, &qos(1))],
    );
}

fn content_header_instead_of_body(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), plain(2), plain(2)]);
}

fn content_publish_instead_of_body(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[publishing(), plain(2), body(b"m"), publishing()],
    );
}

fn content_channel_closed_amid(lab: &Lab) {
    let close = method(1, &channel::Close::default());
    fatal(&lab.channel(), &[publishing(), plain(2), close]);
}

fn content_channel_closed_before_the_header(lab: &Lab) {
    let close = method(1, &channel::Close::default());
    fatal(&lab.channel(), &[publishing(), close]);
}

fn content_connection_closed_amid(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[publishing(), plain(2), body(b"m")]);
    c.call(0, &connection::Close::default());
}

fn content_heartbeat_amid(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[
        publishing(),
        RawFrame::new(8, 0, []).encode(),
        plain(2),
        body(b"m"),
    ]);
    c.raw(&[RawFrame::new(8, 0, []).encode(), body(b"m")]);
    c.wait_settled(1, 1);
}

fn content_other_channel_amid(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[publishing(), plain(2), body(b"m")]);
    c.open_channel(2);
    c.call(2, &declare(""));
    c.raw(&[body(b"m")]);
    c.wait_settled(1, 1);
}

fn content_of_another_class(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), header(50, 0, 1, &[0, 0])]);
}

fn content_with_weight(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), header(60, 1, 1, &[0, 0])]);
}

fn content_body_longer_than_announced(lab: &Lab) {
    let c = lab.confirming();
    c.raw(&[publishing(), plain(2), body(b"mmm")]);
    c.quiet();
    c.send(1, &qos(1));
    c.wait(0, "connection.close");
    c.close_ok();
}

fn content_body_longer_by_a_frame(lab: &Lab) {
    fatal(
        &lab.channel(),
        &[publishing(), plain(2), body(b"mm"), body(b"m")],
    );
}

fn content_enormous_size(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[publishing(), plain(u64::MAX >> 1)]);
    c.quiet();
    c.call(0, &connection::Close::default());
}

fn content_empty_body_frames_amid(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let publishing = method(1, &publish("", &q));
    c.raw(&[
        publishing,
        plain(2),
        body(b""),
        body(b"m"),
        body(b""),
        body(b"n"),
    ]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn content_of_single_octets(lab: &Lab) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let mut parts = vec![method(1, &publish("", &q)), plain(1000)];
    parts.extend((0..1000).map(|_| body(b"x")));
    c.raw(&parts);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn content_empty_with_an_empty_body_frame(lab: &Lab) {
    fatal(&lab.channel(), &[publishing(), plain(0), body(b"")]);
}

fn content_interleaved_on_two_channels(lab: &Lab) {
    let (q, r, c) = (lab.name("q"), lab.name("r"), lab.channel());
    c.open_channel(2);
    c.call(1, &declare(&q));
    c.call(2, &declare(&r));
    let [method_one, header_one, body_one] = cut(&message(1, "", &q, "one"));
    let [method_two, header_two, body_two] = cut(&message(2, "", &r, "two"));
    c.raw(&[
        method_one, method_two, header_two, header_one, body_one, body_two,
    ]);
    c.call(1, &take(&q));
    c.call(2, &take(&r));
}

/// The frames of a message without properties whose body has three octets.
fn cut(octets: &[u8]) -> [Vec<u8>; 3] {
    let (rest, body) = octets.split_at(octets.len() - 11);
    let (method, header) = rest.split_at(rest.len() - 22);
    [method.to_vec(), header.to_vec(), body.to_vec()]
}

/// A message with this list of properties, which is refused or comes back.
fn with_properties(lab: &Lab, properties: &[u8]) {
    let (q, c) = (lab.name("q"), lab.confirming());
    c.call(1, &declare(&q));
    let publishing = method(1, &publish("", &q));
    c.raw(&[publishing, header(60, 0, 1, properties), body(b"m")]);
    c.wait_settled(1, 1);
    c.call(1, &take(&q));
}

fn content_flags_continued(lab: &Lab) {
    with_properties(lab, &[0x00, 0x01, 0x00, 0x00]);
}

fn content_properties_break_off(lab: &Lab) {
    with_properties(lab, &[0x80, 0x00, 5, b'a']);
}

fn content_properties_with_surplus(lab: &Lab) {
    with_properties(lab, &[0x80, 0x00, 1, b'a', b'b']);
}

fn content_property_flag_undefined(lab: &Lab) {
    with_properties(lab, &[0x80, 0x02, 1, b'a']);
}

fn content_header_with_a_broken_table(lab: &Lab) {
    with_properties(lab, &[0x20, 0x00, 0, 0, 0, 9, 1, b'a', b'i']);
}

fn content_header_of_an_unknown_type(lab: &Lab) {
    with_properties(lab, &[0x20, 0x00, 0, 0, 0, 4, 1, b'a', b'Z', 0]);
}

fn content_header_value_not_a_number(lab: &Lab) {
    with_properties(
        lab,
        &[0x20, 0x00, 0, 0, 0, 7, 1, b'a', b'f', 0x7f, 0xc0, 0, 0],
    );
}

fn content_amid_an_error_of_its_channel(lab: &Lab) {
    let c = lab.channel();
    c.open_channel(2);
    c.raw(&[
        message(1, "nosuch", "k", "refused"),
        publishing(),
        plain(2),
        body(b"m"),
    ]);
    c.wait(1, "channel.close");
    c.raw(&[body(b"m"), method(1, &channel::CloseOk {})]);
    c.open_channel(1);
    c.call(1, &declare(""));
}
