//! Heartbeats, and what a broker does not wait for longer than so.

use std::time::Duration;

use amqp_spec::frame::HEARTBEAT;
use amqp_spec::{connection, frame};

use crate::lab::{Client, Lab};
use crate::say::{HEADER, declare, method, open, qos, start_ok, tune_ok};

probes! { "time":
    heartbeat_silent_client,
    heartbeat_silent_after_a_word,
    heartbeat_answered,
    heartbeat_any_method_counts,
    heartbeat_any_octet_counts,
    heartbeat_zero,
    heartbeats_come_while_nothing_else_does,
}

slow_probes! { "time":
    timer_nothing_said,
    timer_header_incomplete,
    timer_header_alone,
    timer_start_ok_alone,
    timer_tune_ok_alone,
    timer_is_one_for_all_steps,
    timer_close_not_answered,
    timer_closed_but_not_by_tcp,
    timer_frame_error_not_answered,
    heartbeat_of_five_seconds,
}

fn with_heartbeat(lab: &Lab, heartbeat: u16) -> Client {
    let tune = connection::TuneOk {
        heartbeat,
        ..tune_ok()
    };
    lab.open_with("guest", "guest", &tune)
}

const HALF: Duration = Duration::from_millis(500);

/// Ended between two and three times the heartbeat.
fn heartbeat_silent_client(lab: &Lab) {
    let c = with_heartbeat(lab, 1);
    c.pass(Duration::from_millis(1800));
    c.wait_end();
}

fn heartbeat_silent_after_a_word(lab: &Lab) {
    let c = with_heartbeat(lab, 1);
    c.pause(HALF);
    c.open_channel(1);
    c.pass(Duration::from_millis(1500));
    c.wait_end();
}

/// Six seconds would be too long without.
fn heartbeat_answered(lab: &Lab) {
    lab.perhaps("heartbeat");
    let c = with_heartbeat(lab, 1);
    for _ in 0..8 {
        c.raw(&[HEARTBEAT.to_vec()]);
        c.pause(HALF);
    }
}

fn heartbeat_any_method_counts(lab: &Lab) {
    lab.perhaps("heartbeat");
    let c = with_heartbeat(lab, 1);
    c.open_channel(1);
    for _ in 0..8 {
        c.call(1, &qos(1));
        c.pause(HALF);
    }
}

fn heartbeat_any_octet_counts(lab: &Lab) {
    let c = with_heartbeat(lab, 1);
    c.open_channel(1);
    for octet in &method(1, &declare(""))[..8] {
        c.raw(&[vec![*octet]]);
        c.pause(HALF);
    }
    c.leave();
}

fn heartbeat_zero(lab: &Lab) {
    let c = with_heartbeat(lab, 0);
    c.pass(Duration::from_secs(4));
}

fn heartbeats_come_while_nothing_else_does(lab: &Lab) {
    let c = with_heartbeat(lab, 2);
    c.wait(0, "heartbeat");
    c.wait(0, "heartbeat");
}

const TEN: Duration = Duration::from_secs(10);

/// What ends after ten seconds.
fn ten_seconds(c: &Client) {
    c.pass(TEN - Duration::from_secs(2));
    c.wait_end();
}

fn timer_nothing_said(lab: &Lab) {
    ten_seconds(&lab.connect());
}

fn timer_header_incomplete(lab: &Lab) {
    let c = lab.connect();
    c.raw(&[HEADER[..7].to_vec()]);
    ten_seconds(&c);
}

fn timer_header_alone(lab: &Lab) {
    let c = lab.connect();
    c.raw(&[frame::PROTOCOL_HEADER.to_vec()]);
    ten_seconds(&c);
}

fn timer_start_ok_alone(lab: &Lab) {
    let c = lab.connect();
    c.raw(&[HEADER.to_vec(), start_ok("guest", "guest")]);
    ten_seconds(&c);
}

fn timer_tune_ok_alone(lab: &Lab) {
    let c = lab.connect();
    c.raw(&[
        HEADER.to_vec(),
        start_ok("guest", "guest"),
        method(0, &tune_ok()),
    ]);
    ten_seconds(&c);
}

fn timer_is_one_for_all_steps(lab: &Lab) {
    let c = lab.connect();
    c.pass(TEN / 3);
    c.raw(&[HEADER.to_vec()]);
    c.pass(TEN / 3);
    c.raw(&[start_ok("guest", "guest")]);
    c.pass(TEN / 6);
    c.wait_end();
    c.raw(&[open(&lab.vhost())]);
}

fn timer_close_not_answered(lab: &Lab) {
    let c = lab.channel();
    c.send(1, &amqp_spec::channel::Open {});
    c.wait(0, "connection.close");
    c.pass(Duration::from_secs(28));
    c.wait_end();
}

fn timer_closed_but_not_by_tcp(lab: &Lab) {
    let c = lab.channel();
    c.close();
    c.pass(Duration::from_secs(28));
    c.wait_end();
}

fn timer_frame_error_not_answered(lab: &Lab) {
    let c = lab.channel();
    c.raw(&[amqp_testing::frames::RawFrame::new(4, 1, []).encode()]);
    c.wait(0, "connection.close");
    c.pass(Duration::from_secs(2));
    c.wait_end();
}

fn heartbeat_of_five_seconds(lab: &Lab) {
    let c = with_heartbeat(lab, 5);
    c.pass(Duration::from_secs(9));
    c.wait_end();
}
