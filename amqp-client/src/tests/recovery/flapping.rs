//! A connection that is lost again as soon as it is back: how much it is slowed, and how that is
//! told. A quorum queue counts each of these losses against what was outstanding.

use std::time::{Duration, Instant};

use crate::error::ConnectionError;
use crate::event::Event;
use crate::options::Recovery;
use crate::proto::recovery::{Attempts, Verdict};
use crate::tests::handles::tracing::told;
use crate::tests::recovery::scene::{Scene, scene};

const SECOND: Duration = Duration::from_secs(1);

/// With which loss a message is dead-lettered by the limit of 20 that RabbitMQ has from 4.0 on.
const FATAL: usize = 21;

/// When a connection is lost that is lost as soon as it is back, from its first loss on.
fn losses(policy: Recovery, seed: u64, n: usize) -> Vec<Duration> {
    let start = Instant::now();
    let mut attempts = Attempts::new(policy, seed);
    let mut now = start;
    attempts.opened(now);
    let mut losses = Vec::new();
    for _ in 0..n {
        losses.push(now - start);
        let verdict = attempts.lost(&ConnectionError::EndOfStream, now);
        let Verdict::Redial { at, .. } = verdict else {
            panic!("{verdict:?}");
        };
        now = at;
        attempts.opened(now);
    }
    losses
}

/// The rates that docs/recovery.md names.
#[test]
fn it_takes_minutes_until_a_flapping_connection_has_cost_messages() {
    let even = Recovery::new().delays(SECOND / 2..=SECOND / 2);
    for seed in 0..100 {
        let default = losses(Recovery::new(), seed, 100);
        let in_a_minute = default.iter().filter(|at| **at < 60 * SECOND).count();
        assert!((7..=9).contains(&in_a_minute), "{in_a_minute}");
        let fatal = default[FATAL - 1];
        assert!((225 * SECOND..452 * SECOND).contains(&fatal), "{fatal:?}");
        // And so on: one loss in 15 to 30 s.
        let next = default[2 * FATAL - 1] - fatal;
        assert!((315 * SECOND..=630 * SECOND).contains(&next), "{next:?}");

        // As if each loss began with the shortest delay.
        let even = losses(even.clone(), seed, 300);
        let in_a_minute = even.iter().filter(|at| **at < 60 * SECOND).count();
        assert!((120..=241).contains(&in_a_minute), "{in_a_minute}");
        let fatal = even[FATAL - 1];
        assert!((5 * SECOND..=10 * SECOND).contains(&fatal), "{fatal:?}");
    }
}

/// Each loss is an event and a warning, and each further attempt of a connection that has lived for
/// less than 10 s has the next number, and a delay that grows.
#[test]
fn flapping_connection_tells_what_it_is_slowed_by() {
    let lines = told(|| {
        let mut scene = scene();
        let mut whole = SECOND / 2;
        for n in 1..=12 {
            let (attempt, delay) = lost_and_back(&mut scene);
            assert_eq!(attempt, n);
            assert!((whole / 2..=whole).contains(&delay), "{n}: {delay:?}");
            whole = (2 * whole).min(30 * SECOND);
            let counters = scene.world.pair.connection.counters();
            assert_eq!(counters.recoveries, u64::from(n));
        }
        // One that has lived for 10 s begins anew.
        scene.world.pass(10 * SECOND);
        let (attempt, delay) = lost_and_back(&mut scene);
        assert_eq!(attempt, 1);
        assert!(delay <= SECOND / 2, "{delay:?}");
    });
    let n_lines = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    let lost = n_lines("WARN connection connection lost cause=");
    let recovered = n_lines("INFO connection connection recovered report=");
    assert_eq!((lost, recovered), (13, 13), "{lines:#?}");
    let eleventh = n_lines("WARN connection connection still lost attempt=11 delay=");
    let others = n_lines("DEBUG connection connecting again attempt=");
    assert_eq!((eleventh, others), (1, 12), "{lines:#?}");
}

/// The attempt and the delay that are told between a loss and its end.
fn lost_and_back(scene: &mut Scene) -> (u32, Duration) {
    scene.world.lose();
    scene.world.come_back();
    let events = scene.told();
    match events.as_slice() {
        [
            Event::Lost { .. },
            Event::Retrying {
                attempt,
                delay,
                last: None,
            },
            Event::Recovered(report),
        ] => {
            assert_eq!(report.attempts, *attempt);
            (*attempt, *delay)
        }
        other => panic!("{other:?}"),
    }
}
