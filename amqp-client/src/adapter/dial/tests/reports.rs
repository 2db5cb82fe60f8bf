//! Reports that come late, twice, or do not fit; and what is told once.

use std::time::Instant;

use super::world::{Fate, at, done, failed, fine, ms, options, plan, refused, resolved};
use crate::adapter::dial::{Action, ActionId, Dialer, Outcome, Step};
use crate::error::{ConnectCause, LoginClue};

/// The id of the action that begins now.
#[track_caller]
fn begins(dialer: &mut Dialer, now: Instant, is_this: impl Fn(&Action) -> bool) -> ActionId {
    match dialer.poll(now) {
        Step::Begin(id, action) if is_this(&action) => id,
        other => panic!("{other:?}"),
    }
}

/// A dialer that races these addresses, of which it has begun the first two; and their ids.
fn racing(now: Instant, addresses: &[&str]) -> (Dialer, [ActionId; 2], Instant) {
    let options = options(&["one"]);
    let mut dialer = Dialer::new(&options, plan(&options), now).unwrap();
    for outcome in [
        Outcome::Credentials {
            clue: LoginClue::Nothing,
        },
        resolved(addresses),
    ] {
        let id = begins(&mut dialer, now, |_| true);
        assert!(dialer.report(id, outcome, now));
    }
    let first = begins(&mut dialer, now, |one| {
        *one == Action::Connect(at(addresses[0]))
    });
    let now = now + ms(250);
    let second = begins(&mut dialer, now, |one| {
        *one == Action::Connect(at(addresses[1]))
    });
    (dialer, [first, second], now)
}

#[test]
fn what_is_told_once_is_not_told_again() {
    let (mut dialer, ids, now) = racing(Instant::now(), &["10.0.0.1:1", "10.0.0.2:1"]);
    for _ in 0..3 {
        assert!(matches!(dialer.poll(now), Step::Wait(Some(_))));
    }
    assert!(dialer.report(ids[1], done(), now));
    assert!(matches!(dialer.poll(now), Step::Abandon(id) if id == ids[0]));
    let shake = begins(&mut dialer, now, |one| {
        matches!(one, Action::ShakeHands { .. })
    });
    for _ in 0..3 {
        assert!(matches!(dialer.poll(now), Step::Wait(None)));
    }
    assert!(dialer.report(shake, done(), now));
    for _ in 0..3 {
        assert!(matches!(dialer.poll(now + ms(1_000_000)), Step::Opened));
    }
}

#[test]
fn late_report_of_what_was_abandoned_is_of_no_use() {
    for late in [done(), refused()] {
        let (mut dialer, ids, now) = racing(Instant::now(), &["10.0.0.1:1", "10.0.0.2:1"]);
        assert!(dialer.report(ids[0], done(), now));
        // It has won as well, but could not be stopped yet.
        assert!(!dialer.report(ids[1], done(), now));
        assert!(matches!(dialer.poll(now), Step::Abandon(id) if id == ids[1]));
        assert!(!dialer.report(ids[1], late, now));
        let shake = begins(
            &mut dialer,
            now,
            |one| matches!(one, Action::ShakeHands { peer, .. } if *peer == Some(at("10.0.0.1:1"))),
        );
        assert!(!dialer.report(ids[0], done(), now));
        assert!(dialer.report(shake, done(), now));
        assert!(matches!(dialer.poll(now), Step::Opened));
    }
}

#[test]
fn report_that_does_not_fit_changes_nothing() {
    let options = options(&["one"]);
    let now = Instant::now();
    let mut dialer = Dialer::new(&options, plan(&options), now).unwrap();
    let ask = begins(&mut dialer, now, |one| *one == Action::Ask);
    assert!(!dialer.report(ask, done(), now));
    assert!(!dialer.report(ask, Outcome::Heard, now));
    assert!(!dialer.report(ask, resolved(&[]), now));
    assert!(!dialer.report(ActionId(77), refused(), now));
    assert!(matches!(dialer.poll(now), Step::Wait(Some(_))));
    let Fate::After(_, outcome) = fine(&Action::Ask) else {
        unreachable!()
    };
    assert!(dialer.report(ask, outcome, now));
    // It has not been told yet, and nothing can be known of it.
    assert!(!dialer.report(ActionId(1), refused(), now));
    begins(&mut dialer, now, |one| {
        matches!(one, Action::Resolve { .. })
    });
}

#[test]
fn nothing_follows_a_failure() {
    let options = options(&["one"]);
    let now = Instant::now();
    let mut dialer = Dialer::new(&options, plan(&options), now).unwrap();
    let ask = begins(&mut dialer, now, |one| *one == Action::Ask);
    assert!(dialer.report(ask, failed(ConnectCause::NoRuntime), now));
    for n in 0..3 {
        let step = dialer.poll(now + ms(1000 * n));
        assert!(matches!(step, Step::Failed(error) if error.attempts().len() == 1));
        assert!(!dialer.report(ask, done(), now));
    }
}
