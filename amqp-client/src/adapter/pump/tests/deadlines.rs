//! When the timer is moved, and when what is due is judged.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use amqp_spec::{frame, queue};

use super::stand::{LOOK, Stand, send};
use crate::ConnectionOptions;
use crate::adapter::pump::{Next, Writes};
use crate::proto::shared::timers::Timer;
use crate::tests::support::pair::{now, quiet};
use crate::tests::support::task::Task;

const SECOND: Duration = Duration::from_secs(1);
const MIB: usize = 1024 * 1024;

/// A connection with a heartbeat of 2 s.
fn beating() -> Stand {
    let options = ConnectionOptions::default().heartbeat(2 * SECOND);
    Stand::open_with(Writes::Exact, &options, 2)
}

fn last_set(stand: &Stand) -> Instant {
    *stand.set().last().unwrap()
}

#[test]
fn traffic_does_not_move_the_timer() {
    let mut stand = beating();
    let publisher = stand.publisher();
    let (before, at) = (stand.set().len(), last_set(&stand));
    while now() + LOOK * 100 < at {
        Stand::wait(LOOK * 100);
        let sent = send(&publisher, 1, 10);
        stand.send(frame::HEARTBEAT.to_vec());
        assert_eq!(stand.settle(), Next::WhenWoken);
        drop(sent);
        assert_eq!(stand.set().len(), before);
    }
}

#[test]
fn the_timer_is_moved_for_what_is_due_before_and_set_again_when_it_has_gone_off() {
    let options = quiet().request_timeout(5 * SECOND);
    let mut stand = Stand::open_with(Writes::Exact, &options, 0);
    let channel = stand.channel();
    let begun = now();
    let purging = Task::start(channel.queue_purge("q"));
    stand.settle();
    assert_eq!(last_set(&stand), begun + 5 * SECOND);
    let mut timer = Timer::new(&channel.shared().connection, SECOND);
    let mut waiting = Task::start(poll_fn(|context| timer.poll(context)));
    stand.settle();
    assert_eq!(last_set(&stand), begun + SECOND);
    Stand::wait(SECOND);
    stand.settle();
    Stand::wait(LOOK);
    stand.settle();
    waiting.ready();
    assert_eq!(last_set(&stand), begun + 5 * SECOND);
    drop(purging);
}

#[test]
fn what_writing_makes_due_sets_the_timer_in_the_same_turn() {
    let options = quiet().write_timeout(Some(2 * SECOND));
    let mut stand = Stand::open_with(Writes::Exact, &options, 0);
    let publisher = stand.publisher();
    stand.script().full = true;
    let sent = send(&publisher, 1, 10);
    assert_eq!(stand.turn(), Next::WhenWoken);
    assert_eq!(last_set(&stand), now() + 2 * SECOND);
    drop(sent);
}

#[test]
fn a_peer_is_not_dead_before_the_stream_is_current() {
    let mut stand = beating();
    Stand::wait(60 * SECOND);
    stand.calls();
    assert_eq!(stand.turn(), Next::WhenWoken);
    assert_eq!(last_set(&stand), now() + LOOK);
    assert_eq!(stand.settle(), Next::WhenWoken);
    assert_eq!(stand.end(), None);
    Stand::wait(LOOK);
    assert_eq!(stand.settle(), Next::Over);
    let end = stand.end().unwrap();
    assert!(end.contains("nothing heard for 60 s"), "{end}");
}

#[test]
fn what_came_while_the_process_stood_still_is_read_before_anything_is_judged() {
    let mut stand = beating();
    Stand::wait(60 * SECOND);
    assert_eq!(stand.turn(), Next::WhenWoken);
    Stand::wait(LOOK);
    for _ in 0..6 {
        stand.send(frame::HEARTBEAT.to_vec());
    }
    assert_eq!(stand.turn(), Next::AtOnce, "not all of it has been read");
    assert_eq!(stand.settle(), Next::WhenWoken);
    assert_eq!(stand.end(), None);
}

#[test]
fn a_peer_that_never_stops_keeps_nothing_from_being_judged_behind_8_mib() {
    let options = quiet().request_timeout(2 * SECOND);
    let mut stand = Stand::open_with(Writes::Exact, &options, 0);
    let channel = stand.channel();
    let mut purging = Task::start(channel.queue_purge("q"));
    stand.settle();
    Stand::wait(2 * SECOND);
    stand.script().endless = frame::HEARTBEAT.repeat(4096);
    stand.script().octets = 0;
    assert_eq!(stand.turn(), Next::AtOnce);
    Stand::wait(LOOK);
    let next = stand.turn_until(|_, _| purging.is_due());
    assert_eq!(next, Next::AtOnce);
    let octets = stand.script().octets;
    assert!((8 * MIB..9 * MIB).contains(&octets), "{octets}");
    purging.ready().unwrap_err();
}

#[test]
fn a_peer_that_takes_something_now_is_not_judged_for_having_taken_nothing() {
    for takes in [false, true] {
        let options = quiet().write_timeout(Some(2 * SECOND));
        let mut stand = Stand::open_with(Writes::Exact, &options, 0);
        let publisher = stand.publisher();
        stand.script().full = true;
        let sent = send(&publisher, 1, 10);
        stand.settle();
        Stand::wait(60 * SECOND);
        stand.settle();
        assert_eq!(stand.end(), None);
        Stand::wait(LOOK);
        stand.script().full = !takes;
        let next = if takes { Next::WhenWoken } else { Next::Over };
        assert_eq!(stand.settle(), next);
        assert_eq!(stand.end().is_none(), takes);
        drop(sent);
    }
}

#[test]
fn each_deadline_waits_anew_until_the_stream_is_current() {
    let options = quiet().request_timeout(2 * SECOND);
    let mut stand = Stand::open_with(Writes::Exact, &options, 0);
    let channel = stand.channel();
    let begun = now();
    let mut requests = Vec::new();
    for _ in 0..3 {
        requests.push(Task::start(channel.queue_purge("q")));
        stand.settle();
        Stand::wait(SECOND / 2);
    }
    // The first is answered when its time is up: there is nothing to judge any more.
    Stand::wait(SECOND / 2);
    stand.says(1, &queue::PurgeOk { message_count: 0 });
    assert_eq!(stand.settle(), Next::WhenWoken);
    requests.remove(0).ready().unwrap();
    Stand::wait(LOOK);
    assert_eq!(stand.turn(), Next::WhenWoken);
    for (request, n) in requests.iter_mut().zip([5, 6]) {
        let due = begun + n * SECOND / 2;
        assert_eq!(last_set(&stand), due);
        Stand::wait(due - now());
        assert_eq!(stand.turn(), Next::WhenWoken);
        assert_eq!(last_set(&stand), now() + LOOK);
        assert!(!request.is_due());
        Stand::wait(LOOK);
        assert_eq!(stand.turn(), Next::WhenWoken, "what is due next is later");
        request.ready().unwrap_err();
    }
}

#[test]
fn a_deadline_that_is_gone_before_it_is_judged_is_forgotten() {
    let mut stand = Stand::open(Writes::Exact);
    let channel = stand.channel();
    let wait = |stand: &mut Stand| {
        let mut timer = Timer::new(&channel.shared().connection, SECOND);
        let waiting = Task::start(poll_fn(move |context| timer.poll(context)));
        stand.settle();
        Stand::wait(SECOND);
        assert_eq!(stand.turn(), Next::WhenWoken);
        assert_eq!(last_set(stand), now() + LOOK);
        waiting
    };
    drop(wait(&mut stand));
    stand.turn();
    stand.turn();
    let mut waiting = wait(&mut stand);
    waiting.pending();
}
