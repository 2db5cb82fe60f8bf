//! The time that each step may take, and all of them.

use std::time::{Duration, Instant};

use super::world::{
    Fate, LOOK, World, dead, dialer_at, done, failed, fine, ms, options, refused, resolved,
};
use crate::adapter::dial::{Action, Step};
use crate::error::{ConnectCause, Stage};
use crate::options::{ConnectionOptions, HostOrder};

/// Whether the action is the one that is meant.
type IsThis = fn(&Action) -> bool;

const READS: IsThis = |action| *action == Action::ReadFiles;
const ASKS: IsThis = |action| *action == Action::Ask;
const RESOLVES: IsThis = |action| matches!(action, Action::Resolve { .. });
const CONNECTS: IsThis = |action| matches!(action, Action::Connect(_));
const ENCRYPTS: IsThis = |action| matches!(action, Action::Encrypt { .. });

fn over_tls() -> ConnectionOptions {
    let options: ConnectionOptions = "amqps://one".parse().unwrap();
    options.host_order(HostOrder::Given)
}

/// This action is never done.
fn without(is_this: IsThis) -> impl FnMut(&Action) -> Fate {
    move |action| match is_this(action) {
        true => Fate::Never,
        false => fine(action),
    }
}

#[test]
fn each_step_has_its_limit_and_is_abandoned_after_one_more_look() {
    let options = over_tls()
        .connect_timeout(ms(1000))
        .handshake_timeout(ms(2000));
    for (is_this, limit, stage) in [
        (READS, 1000, Stage::Options),
        (ASKS, 1000, Stage::Options),
        (RESOLVES, 1000, Stage::Resolve),
        (CONNECTS, 1000, Stage::Tcp),
        (ENCRYPTS, 2000, Stage::Tls),
    ] {
        let mut world = World::new(&options);
        let error = world.run(without(is_this)).unwrap_err();
        assert_eq!(
            (world.time(), error.stage()),
            (u128::from(limit + LOOK), stage)
        );
        assert!(
            matches!(error.cause(), ConnectCause::Timeout(after) if *after == ms(limit)),
            "{error}"
        );
        assert_eq!(world.begun("abandon ").len(), 1);
    }
}

#[test]
fn whole_time_ends_each_step_and_what_follows() {
    let options = over_tls().open_timeout(ms(700)).connection_attempts(5);
    for is_this in [READS, ASKS, RESOLVES, CONNECTS, ENCRYPTS] {
        let mut world = World::new(&options);
        let error = world.run(without(is_this)).unwrap_err();
        assert_eq!(world.time(), u128::from(700 + LOOK));
        assert_eq!(error.attempts().len(), 1, "{error}");
        assert!(
            matches!(error.cause(), ConnectCause::Timeout(after) if *after == ms(700)),
            "{error}"
        );
    }
}

#[test]
fn handshake_has_what_is_left_and_people_are_told_the_limit() {
    let slow = |action: &Action| match action {
        Action::Connect(_) => Fate::After(300, done()),
        Action::ShakeHands { within, .. } => {
            let time = u64::try_from(within.as_millis()).unwrap();
            Fate::After(time, failed(ConnectCause::Timeout(*within)))
        }
        _ => fine(action),
    };
    let one = options(&["one"]).handshake_timeout(ms(2000));
    for (options, within, limit) in [
        (one.clone(), 2000, 2000),
        (one.open_timeout(ms(1000)), 700, 1000),
    ] {
        let mut world = World::new(&options);
        let error = world.run(slow).unwrap_err();
        assert_eq!(world.time(), 300 + within);
        assert!(
            matches!(error.cause(), ConnectCause::Timeout(after) if *after == ms(limit)),
            "{error}"
        );
    }
}

#[test]
fn pause_that_would_end_too_late_is_not_begun() {
    let options = options(&["one"])
        .connection_attempts(9)
        .retry_delay(ms(1000));
    let mut world = World::new(&options.open_timeout(ms(1700)));
    let error = world.run(dead).unwrap_err();
    assert_eq!((world.time(), error.attempts().len()), (1000, 2));
}

#[test]
fn host_is_not_begun_when_the_whole_time_is_over() {
    let options = options(&["one", "two"]).open_timeout(ms(500));
    let mut world = World::new(&options);
    let error = world.run(|action| match action {
        Action::Connect(_) => Fate::After(500, refused()),
        _ => fine(action),
    });
    assert_eq!(world.begun("resolve "), ["one:5672"]);
    assert_eq!(error.unwrap_err().attempts().len(), 1);
}

#[test]
fn endless_limits_are_limits() {
    let endless = Duration::MAX;
    let options = options(&["one", "two"])
        .connect_timeout(endless)
        .handshake_timeout(endless)
        .retry_delay(endless)
        .open_timeout(endless);
    let mut world = World::new(&options.connection_attempts(2));
    world
        .run(|action| match action {
            Action::Connect(_) => Fate::After(1_000_000_000, done()),
            _ => fine(action),
        })
        .unwrap();
}

#[track_caller]
fn waits_until(step: &Step, expected: Instant) {
    assert!(
        matches!(step, Step::Wait(Some(until)) if *until == expected),
        "{step:?}"
    );
}

#[test]
fn process_that_was_suspended_has_a_look_before_the_deadline_counts() {
    let start = Instant::now();
    let options = options(&["one"]).connect_timeout(ms(1000));
    for is_heard in [true, false] {
        let (mut dialer, resolve) = dialer_at(&options, start, RESOLVES);
        waits_until(&dialer.poll(start), start + ms(1000));
        // An hour later it goes on.
        let now = start + Duration::from_secs(3600);
        waits_until(&dialer.poll(now), now + ms(LOOK));
        waits_until(&dialer.poll(now), now + ms(LOOK));
        if is_heard {
            let error = std::io::Error::other("no such name");
            assert!(dialer.report(resolve, failed(error), now));
        }
        match dialer.poll(now + ms(LOOK)) {
            Step::Abandon(id) if !is_heard => assert_eq!(id, resolve),
            Step::Failed(error) if is_heard => assert!(!error.is_timeout(), "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn race_of_a_process_that_was_suspended_can_still_be_won_and_starts_no_more() {
    let start = Instant::now();
    let options = options(&["one"]).connect_timeout(ms(1000));
    let (mut dialer, resolve) = dialer_at(&options, start, RESOLVES);
    let addresses = resolved(&["10.0.0.1:1", "10.0.0.2:1"]);
    assert!(dialer.report(resolve, addresses, start));
    let Step::Begin(first, Action::Connect(_)) = dialer.poll(start) else {
        panic!("nothing to connect to");
    };
    waits_until(&dialer.poll(start), start + ms(250));
    let now = start + Duration::from_secs(3600);
    waits_until(&dialer.poll(now), now + ms(LOOK));
    assert!(dialer.report(first, done(), now));
    assert!(matches!(
        dialer.poll(now),
        Step::Begin(_, Action::ShakeHands { .. })
    ));
}
