//! How much one turn reads, writes and offers, and in which order.

use amqp_spec::basic::PropertiesRef;
use amqp_spec::{channel, frame};
use bytes::Bytes;

use super::stand::{Stand, send};
use crate::ConnectionOptions;
use crate::adapter::pump::{Next, Writes};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::done;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn roomy() -> ConnectionOptions {
    quiet().write_buffer_limit(usize::MAX)
}

#[test]
fn a_turn_reads_four_times_and_the_next_is_due_at_once() {
    let mut stand = Stand::open(Writes::Exact);
    for _ in 0..6 {
        stand.send(frame::HEARTBEAT.to_vec());
    }
    assert_eq!(stand.turn_makes(&["read 8"; 4]), Next::AtOnce);
    let rest = ["read 8", "read 8", "read nothing"];
    assert_eq!(stand.turn_makes(&rest), Next::WhenWoken);
}

#[test]
fn an_answer_to_what_was_read_leaves_in_the_same_turn_and_is_flushed() {
    let mut stand = Stand::open(Writes::Layered);
    let _channel = stand.channel();
    stand.says(1, &channel::Flow { active: true });
    let calls = ["read 13", "read nothing", "write 13 of 13", "flush"];
    assert_eq!(stand.turn_makes(&calls), Next::WhenWoken);
}

#[test]
fn a_stream_that_is_not_to_be_read_is_left_alone() {
    let mut stand = Stand::open(Writes::Exact);
    let channel = stand.channel();
    channel.shared().connection.reading.add(17 * MIB, true);
    stand.send(frame::HEARTBEAT.to_vec());
    assert_eq!(stand.turn_makes(&[]), Next::WhenWoken);
}

#[test]
fn a_turn_writes_eight_times_and_the_next_is_due_at_once() {
    let mut stand = Stand::open(Writes::Exact);
    let publisher = stand.publisher();
    let sent = send(&publisher, 10, 100);
    stand.script().takes = [10; 9].into();
    assert_eq!(stand.turn(), Next::AtOnce);
    assert_eq!(stand.written(), 80);
    assert_eq!(stand.turn(), Next::WhenWoken);
    drop(sent);
}

#[test]
fn full_pieces_for_a_stream_with_layers_are_parts_of_one_write() {
    let mut stand = Stand::open(Writes::Layered);
    let publisher = stand.publisher();
    let sent = send(&publisher, 10, 10 * KIB);
    let full = usize::MAX;
    stand.script().takes = [full, full, full, 1, 1, 1, 1, 1, 1, 1, 1].into();
    assert_eq!(stand.turn(), Next::AtOnce);
    assert_eq!(stand.written(), 48 * KIB + 8);
    drop(sent);
}

#[test]
fn a_turn_begins_no_write_behind_64_kib() {
    let mut stand = Stand::open_with(Writes::Exact, &roomy(), 0);
    let publisher = stand.publisher();
    let sent = send(&publisher, 20, 10 * KIB);
    stand.script().takes = [20_000, 20_000, 20_000, 20_000, 1].into();
    assert_eq!(stand.turn(), Next::AtOnce);
    assert_eq!(stand.written(), 80_000);
    drop(sent);
}

#[test]
fn a_socket_is_offered_everything_and_a_stream_with_layers_16_kib() {
    for (writes, most) in [(Writes::Exact, 200 * KIB), (Writes::Layered, 16 * KIB)] {
        let mut stand = Stand::open_with(writes, &roomy(), 0);
        let publisher = stand.publisher();
        let sent = send(&publisher, 20, 10 * KIB);
        stand.settle();
        let calls = stand.calls();
        let offers = calls.iter().filter_map(|call| call.split_once(" of "));
        let largest = offers.map(|(_, n)| n.parse::<usize>().unwrap()).max();
        let largest = largest.unwrap();
        match writes {
            Writes::Exact => assert!(largest > most, "{largest}"),
            Writes::Layered => assert_eq!(largest, most),
        }
        drop(sent);
    }
}

#[test]
fn two_pieces_of_a_large_body_leave_in_a_turn_while_nothing_else_is_sent() {
    let mut stand = Stand::open(Writes::Exact);
    let channel = stand.channel();
    let body = Bytes::from(vec![0; 32 * MIB]);
    done(channel.basic_publish_body("", "k", PropertiesRef::EMPTY, body)).unwrap();
    let mut turns = Vec::new();
    stand.calls();
    while stand.turn() == Next::AtOnce && turns.len() < 1000 {
        turns.push(stand.written());
    }
    // The first are small: others may have something to send.
    assert!(turns[0] < 200 * KIB, "{}", turns[0]);
    let largest = turns.iter().max().unwrap();
    let two = 1800 * KIB..2100 * KIB;
    assert!(two.contains(largest), "{largest}");
}
