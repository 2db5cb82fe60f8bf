//! Flushing, and the end.

use std::io::ErrorKind;
use std::time::Duration;

use amqp_spec::{connection, frame};

use super::stand::{Stand, send};
use crate::adapter::pump::{Next, Writes};
use crate::tests::support::pair::now;
use crate::tests::support::task::Task;
use crate::tests::support::wire;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_was_written_is_flushed_until_it_has_left_and_nothing_else_is() {
    let mut stand = Stand::open(Writes::Layered);
    let publisher = stand.publisher();
    assert_eq!(stand.turn_makes(&["read nothing"]), Next::WhenWoken);
    stand.script().held = true;
    let sent = send(&publisher, 1, 10);
    assert_eq!(stand.turn(), Next::WhenWoken);
    assert_eq!(
        stand.turn_makes(&["read nothing", "flush"]),
        Next::WhenWoken
    );
    stand.script().held = false;
    assert_eq!(
        stand.turn_makes(&["read nothing", "flush"]),
        Next::WhenWoken
    );
    assert_eq!(stand.turn_makes(&["read nothing"]), Next::WhenWoken);
    drop(sent);
}

/// The broker has closed the connection, and the answer is held back.
fn closed(held: bool) -> Stand {
    let mut stand = Stand::open(Writes::Layered);
    stand.calls();
    stand.script().held = held;
    stand.send(wire::connection_close());
    stand
}

#[test]
fn a_stream_that_holds_nothing_back_is_left_at_once() {
    let mut stand = closed(false);
    let calls = stand.calls();
    assert_eq!(calls, [""; 0]);
    assert_eq!(stand.turn(), Next::Over);
    let calls = stand.calls();
    assert_eq!(calls.last().unwrap(), "close");
    assert!(calls.contains(&"write 12 of 12".to_owned()), "{calls:?}");
}

#[test]
fn last_words_have_3_s_to_leave() {
    for leave in [false, true] {
        let mut stand = closed(true);
        assert_eq!(stand.turn(), Next::WhenWoken);
        assert_eq!(stand.set().last(), Some(&(now() + 3 * SECOND)));
        Stand::wait(3 * SECOND - Duration::from_nanos(1));
        assert_eq!(stand.turn_makes(&["close"]), Next::WhenWoken);
        if leave {
            stand.script().held = false;
        } else {
            Stand::wait(Duration::from_nanos(1));
        }
        assert_eq!(stand.turn_makes(&["close"]), Next::Over);
    }
}

#[test]
fn a_stream_whose_farewell_alone_is_held_back_is_left_at_once() {
    let mut stand = Stand::open(Writes::Layered);
    let connection = stand.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    stand.settle();
    stand.script().held = true;
    stand.says(0, &connection::CloseOk {});
    assert_eq!(stand.turn(), Next::Over);
    closing.ready().unwrap();
}

#[test]
fn a_stream_that_has_failed_to_write_is_left_at_once() {
    let mut stand = Stand::open(Writes::Layered);
    let publisher = stand.publisher();
    stand.script().held = true;
    let sent = send(&publisher, 1, 10);
    stand.settle();
    stand.script().write_error = Some(ErrorKind::BrokenPipe);
    let more = send(&publisher, 1, 10);
    stand.settle();
    stand.send(wire::connection_close());
    assert_eq!(stand.turn(), Next::Over);
    drop((sent, more));
}

#[test]
fn what_comes_behind_the_end_is_not_read() {
    let mut stand = closed(true);
    assert_eq!(stand.turn(), Next::WhenWoken);
    stand.send(frame::HEARTBEAT.to_vec());
    assert_eq!(stand.turn_makes(&["close"]), Next::WhenWoken);
}
