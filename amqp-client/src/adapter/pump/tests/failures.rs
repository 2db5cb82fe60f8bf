//! Streams that fail: what is uncertain then, and the broker's last words.

use std::io::ErrorKind;
use std::time::Duration;

use amqp_spec::frame;

use super::stand::{LOOK, Stand, fates, send};
use crate::adapter::pump::{Next, Writes};
use crate::tests::support::pair::now;
use crate::tests::support::wire;

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

/// A connection that fails to write four messages of 8 KiB.
fn failing(writes: Writes, kind: ErrorKind) -> (Stand, Vec<crate::Confirmation>) {
    let mut stand = Stand::open(writes);
    let publisher = stand.publisher();
    let sent = send(&publisher, 4, 8192);
    stand.script().write_error = Some(kind);
    assert_eq!(stand.turn(), Next::AtOnce);
    (stand, sent)
}

/// The stream is read until the broker has had its say.
fn give_up(stand: &mut Stand) {
    Stand::wait(SECOND);
    stand.settle();
    Stand::wait(LOOK);
    assert_eq!(stand.settle(), Next::Over);
}

#[test]
fn what_a_socket_fails_to_write_is_not_sent() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::WriteZero] {
        let (mut stand, sent) = failing(Writes::Exact, kind);
        give_up(&mut stand);
        assert_eq!(fates(sent), "nnnn");
    }
}

#[test]
fn what_a_stream_with_layers_was_offered_is_uncertain() {
    for kind in [ErrorKind::BrokenPipe, ErrorKind::WriteZero] {
        let (mut stand, sent) = failing(Writes::Layered, kind);
        give_up(&mut stand);
        // 16 KiB: the first, and not all of the second.
        assert_eq!(fates(sent), "unnn");
    }
}

#[test]
fn what_the_broker_said_before_it_reset_is_heard() {
    let (mut stand, sent) = failing(Writes::Exact, ErrorKind::BrokenPipe);
    assert_eq!(
        stand.turn_makes(&["read nothing"]),
        Next::WhenWoken,
        "nothing is written any more, and nothing flushed"
    );
    assert_eq!(stand.end(), None);
    stand.send(wire::connection_close());
    assert_eq!(stand.settle(), Next::Over);
    let end = stand.end().unwrap();
    assert!(end.contains("320 CONNECTION_FORCED"), "{end}");
    drop(sent);
}

#[test]
fn a_broker_that_says_nothing_is_listened_to_for_a_second() {
    let (mut stand, sent) = failing(Writes::Exact, ErrorKind::BrokenPipe);
    stand.settle();
    assert_eq!(stand.set().last(), Some(&(now() + SECOND)));
    Stand::wait(SECOND - LOOK);
    stand.settle();
    Stand::wait(LOOK);
    stand.settle();
    assert_eq!(stand.end(), None, "the stream may not be current");
    Stand::wait(LOOK);
    assert_eq!(stand.settle(), Next::Over);
    let end = stand.end().unwrap();
    assert!(end.contains("broken pipe"), "{end}");
    drop(sent);
}

#[test]
fn a_broker_that_talks_on_is_listened_to_for_8_mib() {
    let (mut stand, sent) = failing(Writes::Exact, ErrorKind::BrokenPipe);
    stand.script().endless = frame::HEARTBEAT.repeat(4096);
    stand.script().octets = 0;
    stand.turn_until(|_, next| next == Next::Over);
    let octets = stand.script().octets;
    assert!((8 * MIB..9 * MIB).contains(&octets), "{octets}");
    let end = stand.end().unwrap();
    assert!(end.contains("broken pipe"), "{end}");
    drop(sent);
}

#[test]
fn a_stream_that_fails_while_it_is_not_to_be_read_is_given_up_at_once() {
    let mut stand = Stand::open(Writes::Exact);
    let publisher = stand.publisher();
    let sent = send(&publisher, 1, 10);
    let shared = publisher.channel().shared();
    shared.connection.reading.add(65 * MIB, true);
    stand.script().write_error = Some(ErrorKind::BrokenPipe);
    assert_eq!(stand.settle(), Next::Over);
    assert_eq!(fates(sent), "n");
}

#[test]
fn a_flush_that_fails_is_a_write_that_fails() {
    let mut stand = Stand::open(Writes::Layered);
    let publisher = stand.publisher();
    let sent = send(&publisher, 1, 10);
    stand.script().flush_error = Some(ErrorKind::BrokenPipe);
    assert_eq!(stand.turn(), Next::AtOnce);
    assert_eq!(stand.turn_makes(&["read nothing"]), Next::WhenWoken);
    give_up(&mut stand);
    assert_eq!(fates(sent), "u");
}

#[test]
fn a_stream_that_ends_without_a_farewell_has_ended() {
    let reads = [
        (ErrorKind::UnexpectedEof, "the broker ended the stream"),
        (ErrorKind::ConnectionReset, "connection reset"),
    ];
    for (kind, said) in reads {
        let mut stand = Stand::open(Writes::Exact);
        stand.script().inbound.push_back(Err(kind));
        assert_eq!(stand.settle(), Next::Over);
        let end = stand.end().unwrap();
        assert!(end.contains(said), "{end}");
    }
}
