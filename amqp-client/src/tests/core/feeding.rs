//! Octets from the driver's own memory, instead of reads into the core's.

use amqp_spec::frame;

use crate::Consumer;
use crate::tests::support::pair::{Pair, now};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;

const MIB: usize = 1024 * 1024;

/// A connection that consumes.
fn consuming() -> (Pair, Consumer) {
    let (mut pair, channel) = Pair::with_channel();
    let consumer = pair.consumer(&channel, "tag");
    (pair, consumer)
}

/// Takes turns until all of it is taken; how many that were.
fn feed(pair: &mut Pair, octets: &[u8]) -> usize {
    let (mut taken, mut turns) = (0, 0);
    while taken < octets.len() || pair.core.interest().again {
        pair.core.turn(now());
        let rest = &octets[taken..];
        let n = pair.core.feed(rest, now());
        assert!(n == rest.len() || !pair.core.interest().read);
        (taken, turns) = (taken + n, turns + 1);
        assert!(turns < 1000, "nothing is taken any more");
    }
    turns
}

#[test]
fn what_is_fed_in_whatever_pieces_is_what_is_read() {
    let sizes = [0, 10, 300_000, 1, MIB, 20_000];
    let bodies = sizes.map(|size| vec![b'.'; size]);
    let deliveries = bodies.iter().zip(1..);
    let octets = deliveries
        .map(|(body, tag)| wire::delivery(1, "tag", tag, body))
        .collect::<Vec<_>>()
        .concat();
    for piece in [997, 16_384, 70_000, octets.len()] {
        let (mut pair, mut consumer) = consuming();
        for piece in octets.chunks(piece) {
            feed(&mut pair, piece);
        }
        for body in &bodies {
            let delivery = done(consumer.next()).unwrap().unwrap();
            assert_eq!(delivery.body(), body);
        }
        let received = pair.connection.counters().bytes_received;
        assert!(received > octets.len() as u64, "all of it is counted");
    }
}

#[test]
fn what_a_turn_may_not_parse_is_left_for_the_next() {
    let (mut pair, _consumer) = consuming();
    // Three times as many frames as one turn parses, and more than may be held unparsed.
    let octets = frame::HEARTBEAT.repeat(96 * 1024);
    pair.core.turn(now());
    let taken = pair.core.feed(&octets, now());
    assert!(taken < octets.len());
    assert!(pair.core.interest().again);
    assert_eq!(pair.core.feed(&octets[taken..], now()), 0, "in this turn");
    assert!(feed(&mut pair, &octets[taken..]) > 1);
    let received = pair.connection.counters().frames_received;
    assert!(received >= 96 * 1024, "{received}");
    assert!(pair.connection.is_open());
}

#[test]
fn nothing_is_taken_while_nothing_is_to_be_read() {
    let (mut pair, mut consumer) = consuming();
    let delivery = wire::delivery(1, "tag", 1, b"m");
    pair.core.shared().reading.add(65 * MIB, true);
    pair.core.turn(now());
    assert_eq!(pair.core.feed(&delivery, now()), 0);
    Task::new(consumer.next()).pending();
    pair.core.shared().release_buffered(65 * MIB, true);
    assert_eq!(feed(&mut pair, &delivery), 1);
    assert_eq!(done(consumer.next()).unwrap().unwrap().body(), b"m");
}

#[test]
fn no_octets_are_not_the_end_of_the_stream() {
    let (mut pair, _consumer) = consuming();
    pair.core.turn(now());
    assert_eq!(pair.core.feed(&[], now()), 0);
    assert!(pair.connection.is_open());
    pair.core.read_done(0, now());
    assert!(!pair.connection.is_open());
    assert_eq!(pair.core.feed(&frame::HEARTBEAT, now()), 0);
}
