//! Large bodies on their way out: how much of them leaves in one turn, and who passes.

use amqp_spec::basic::PropertiesRef;
use bytes::Bytes;

use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::task::done;
use crate::{Channel, ConnectionOptions};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// One frame, and what small messages and heads may come with it.
const SMALL: usize = 129 * KIB;

/// The same of half a frame.
const HALF: usize = 65 * KIB;

/// A large body is queued on the first channel; the second has nothing to send.
fn sending(options: &ConnectionOptions) -> (Pair, Channel, Channel) {
    let mut pair = Pair::open_with(options);
    let (bulk, other) = (pair.channel(), pair.channel());
    let body = Bytes::from(vec![0; 32 * MIB]);
    done(bulk.basic_publish_body("", "bulk", PropertiesRef::EMPTY, body)).unwrap();
    (pair, bulk, other)
}

/// Writes once; how many octets the stream took.
fn turn(pair: &mut Pair) -> usize {
    let sent = |pair: &Pair| pair.connection.counters().bytes_sent;
    let before = sent(pair);
    assert!(pair.write_once(), "there is more to write");
    let octets = usize::try_from(sent(pair) - before).unwrap();
    assert!(octets <= SMALL || pair.core.shown().is_alone(), "{octets}");
    octets
}

/// Writes until turns are large; says how much that took.
fn grow(pair: &mut Pair) -> usize {
    let mut small = 0;
    loop {
        match turn(pair) {
            large if large > SMALL => return small,
            octets => small += octets,
        }
        assert!(small < 16 * MIB, "turns stay small");
    }
}

#[test]
fn turns_grow_while_nothing_but_large_bodies_is_sent() {
    let (mut pair, _bulk, _other) = sending(&quiet());
    let small = grow(&mut pair);
    assert!((4 * MIB..5 * MIB).contains(&small), "{small}");
    let large = turn(&mut pair);
    assert!((900 * KIB..=1025 * KIB).contains(&large), "{large}");
}

#[test]
fn heads_of_large_messages_are_nobody_else() {
    let mut pair = Pair::open();
    let bulk = pair.channel();
    let body = Bytes::from(vec![0; MIB]);
    let mut octets = 0;
    for _ in 0..6 {
        done(bulk.basic_publish_body("", "bulk", PropertiesRef::EMPTY, body.clone())).unwrap();
        octets = 0;
        while octets < MIB {
            octets = turn(&mut pair);
            if octets <= SMALL && pair.core.shared().outbox().order().queued() == 0 {
                break;
            }
        }
    }
    // The sixth leaves in one turn, whole.
    assert!(octets >= MIB, "{octets}");
}

#[test]
fn whoever_else_sends_makes_turns_small_again_and_passes_at_once() {
    let (mut pair, _bulk, other) = sending(&quiet());
    grow(&mut pair);
    done(other.basic_publish_body("", "other", PropertiesRef::EMPTY, "small")).unwrap();
    pair.take_written();
    assert!(turn(&mut pair) <= SMALL);
    let sent = pair.take_written();
    // In front of the frame that leaves in the same turn.
    assert!(sent[..40].windows(5).any(|octets| octets == b"other"));
    // Who sends now and then, as one who waits for each confirmation does, meets small turns.
    for _ in 0..5 {
        done(other.basic_publish_body("", "other", PropertiesRef::EMPTY, "small")).unwrap();
        for _ in 0..15 {
            assert!(turn(&mut pair) <= HALF);
            assert!(!pair.core.shown().is_alone());
        }
    }
    // Frames are whole again when he has not been heard of for a while.
    turn(&mut pair);
    turn(&mut pair);
    assert!((127 * KIB..SMALL).contains(&turn(&mut pair)));
}

#[test]
fn frames_of_another_large_body_take_turns_and_keep_them_large() {
    let (mut pair, _bulk, other) = sending(&quiet().write_buffer_limit(64 * MIB));
    let body = Bytes::from(vec![1; 32 * MIB]);
    done(other.basic_publish_body("", "other", PropertiesRef::EMPTY, body)).unwrap();
    grow(&mut pair);
    pair.take_written();
    let mut last = None;
    for _ in 0..6 {
        assert!(turn(&mut pair) > SMALL);
        let sent = pair.take_written();
        let channel = sent[2];
        assert_ne!(last.replace(channel), Some(channel));
    }
}

#[test]
fn stream_that_takes_little_is_shown_little() {
    let (mut pair, _bulk, _other) = sending(&quiet());
    grow(&mut pair);
    // It takes a part of each of these, and the rest later.
    for _ in 0..3 {
        pair.write_limit = 10 * KIB;
        turn(&mut pair);
        pair.write_limit = usize::MAX;
        turn(&mut pair);
    }
    assert!(turn(&mut pair) <= SMALL);
    grow(&mut pair);
}

#[test]
fn small_frames_leave_many_at_a_time() {
    let (mut pair, _bulk, _other) = sending(&quiet().frame_max(16 * 1024));
    let first = turn(&mut pair);
    assert!((48 * KIB..=HALF).contains(&first), "{first}");
}
