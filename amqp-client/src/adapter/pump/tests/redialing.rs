//! What follows a stream that is lost: waiting, rounds, handshakes; and that the core is driven
//! throughout.

use std::io::ErrorKind;
use std::time::Duration;

use super::stand::Stand;
use crate::adapter::pump::{Next, Writes};
use crate::tests::support::pair::now;
use crate::tests::support::task::Task;

/// The stream ends, and the next one is to be dialled then.
fn lost(stand: &mut Stand) -> Duration {
    stand
        .script()
        .inbound
        .push_back(Err(ErrorKind::ConnectionReset));
    stand.settle();
    let at = *stand.set().last().unwrap();
    at - now()
}

/// A connection that is being dialled.
fn dialing() -> Stand {
    let mut stand = Stand::recovering(Writes::Exact);
    let delay = lost(&mut stand);
    Stand::wait(delay);
    stand.turn_makes(&["begin", "dial"]);
    stand
}

#[test]
fn nothing_is_dialled_before_its_time() {
    let mut stand = Stand::recovering(Writes::Exact);
    stand.calls();
    let delay = lost(&mut stand);
    assert!(delay > Duration::ZERO);
    assert_eq!(stand.calls(), ["close"]);
    assert_eq!(stand.turn_makes(&[]), Next::WhenWoken);
    Stand::wait(delay - Duration::from_millis(1));
    assert_eq!(stand.turn_makes(&[]), Next::WhenWoken);
    Stand::wait(Duration::from_millis(1));
    assert_eq!(stand.turn_makes(&["begin", "dial"]), Next::WhenWoken);
    // It goes on with that whenever it is woken.
    assert_eq!(stand.turn_makes(&["dial"]), Next::WhenWoken);
    assert!(stand.end().is_none());
}

#[test]
fn round_that_has_failed_is_followed_by_a_pause_and_another_one() {
    let mut stand = dialing();
    stand.script().dialed.push_back(None);
    assert_eq!(stand.turn_makes(&["fail"]), Next::AtOnce);
    assert_eq!(stand.turn_makes(&[]), Next::WhenWoken);
    let at = *stand.set().last().unwrap();
    assert!(at > now());
    Stand::wait(at - now());
    stand.turn_makes(&["begin", "dial"]);
}

#[test]
fn handshake_that_succeeds_ends_the_round_and_the_connection_goes_on() {
    let mut stand = dialing();
    stand.script().dialed.push_back(Some("two:5672"));
    assert_eq!(stand.turn_makes(&["reach two:5672"]), Next::AtOnce);
    assert_eq!(stand.connection.address(), "two:5672");
    stand.reopens();
    let calls = stand.calls();
    assert_eq!(calls.iter().filter(|call| *call == "opened").count(), 1);
    assert!(!calls.contains(&"dial".to_owned()), "{calls:?}");
    // The next loss is dialled anew.
    let delay = lost(&mut stand);
    Stand::wait(delay);
    stand.turn_makes(&["begin", "dial"]);
}

#[test]
fn handshake_that_fails_is_told_when_its_stream_has_been_left_and_the_round_goes_on() {
    let mut stand = dialing();
    stand.script().dialed.push_back(Some("two:5672"));
    stand.turn();
    stand.settle();
    stand.calls();
    stand.script().dialed.push_back(Some("three:5672"));
    // The end of the stream.
    stand.send(Vec::new());
    stand.turn_until(|_, next| next != Next::AtOnce);
    let calls = stand.calls();
    let calls: Vec<_> = calls.iter().map(String::as_str).collect();
    let failed = "not opened while waiting for connection.start: ";
    assert_eq!(calls[..2], ["read 0", "close"]);
    assert!(calls[2].starts_with(failed), "{calls:?}");
    assert_eq!(calls[3], "reach three:5672");
    stand.reopens();
    assert!(stand.calls().contains(&"opened".to_owned()));
    assert_eq!(stand.connection.address(), "three:5672");
}

#[test]
fn close_ends_it_in_the_next_turn_wherever_it_stands() {
    for step in 0..3 {
        let mut stand = match step {
            0 => {
                let mut stand = Stand::recovering(Writes::Exact);
                lost(&mut stand);
                stand
            }
            _ => dialing(),
        };
        if step == 2 {
            stand.script().dialed.push_back(Some("two:5672"));
            stand.turn();
            stand.settle();
        }
        let connection = stand.connection.clone();
        let mut closing = Task::start(async move { connection.close().await });
        assert_eq!(stand.settle(), Next::Over, "{step}");
        closing.ready().unwrap();
    }
}

#[test]
fn what_waits_runs_out_while_there_is_no_stream() {
    let mut stand = Stand::recovering(Writes::Exact);
    let channel = stand.channel();
    lost(&mut stand);
    let mut asking = Task::start(async move { channel.queue_declare("q").await });
    stand.settle();
    let mut dialed = false;
    for _ in 0..100_000 {
        if asking.run().is_ready() {
            assert!(dialed);
            return;
        }
        let at = stand.set().last().copied().unwrap();
        if at > now() {
            Stand::wait(at - now());
        }
        stand.settle();
        dialed |= stand.calls().contains(&"dial".to_owned());
    }
    panic!("it still waits");
}

#[test]
fn stream_that_is_slow_to_leave_keeps_the_core_from_nothing() {
    let mut stand = Stand::recovering(Writes::Layered);
    stand.script().held = true;
    let connection = stand.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel().await });
    stand.settle();
    opening.pending();
    stand.send(Vec::new());
    stand.settle();
    stand.calls();
    let connection = stand.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    stand.turn();
    closing.ready().unwrap();
}
