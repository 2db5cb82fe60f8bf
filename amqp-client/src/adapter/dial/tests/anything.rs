//! Anything at any time: whatever is reported, and however the clock runs, a dialer does what it
//! promises and comes to an end.

use std::collections::BTreeSet;
use std::time::Instant;

use super::world::{Fate, done, failed, fine, ms, plan_with, refused, resolved};
use crate::adapter::dial::{Action, ActionId, Dialer, Outcome, Step};
use crate::error::{ConnectCause, LoginClue, TlsError};
use crate::options::ConnectionOptions;
use crate::tests::support::random::Random;

/// One of them is named twice.
const ADDRESSES: [&str; 4] = ["10.0.0.1:1", "[::1]:1", "10.0.0.1:1", "10.0.0.2:1"];

/// What has been told, and what of it holds.
#[derive(Default)]
struct Watch {
    begun: BTreeSet<ActionId>,
    abandoned: BTreeSet<ActionId>,
    running: Vec<(ActionId, Action)>,
    /// Of the race that runs.
    addresses: BTreeSet<std::net::SocketAddr>,
    /// The hosts of this round.
    hosts: BTreeSet<String>,
    n_rounds: usize,
}

impl Watch {
    fn begins(&mut self, id: ActionId, action: Action) {
        assert!(self.begun.insert(id), "{id:?} is told twice");
        match &action {
            Action::Connect(address) => {
                assert!(self.addresses.insert(*address), "{address} is tried twice");
                let is_race = |(_, one): &(_, Action)| matches!(one, Action::Connect(_));
                assert!(self.running.iter().all(is_race));
            }
            _ => assert!(self.running.is_empty(), "{:?} {action:?}", self.running),
        }
        match &action {
            Action::ReadFiles => {
                self.hosts.clear();
                self.n_rounds += 1;
            }
            Action::Resolve { host, .. } => {
                self.addresses.clear();
                assert!(self.hosts.insert(host.clone()), "{host} is tried twice");
            }
            _ => {}
        }
        self.running.push((id, action));
    }

    fn abandons(&mut self, id: ActionId) {
        assert!(
            self.begun.contains(&id) && self.abandoned.insert(id),
            "{id:?}"
        );
        self.running.retain(|(running, _)| *running != id);
    }
}

fn some_outcome(random: &mut Random) -> Outcome {
    match random.below(12) {
        0 => resolved(&[]),
        1 => resolved(&ADDRESSES),
        2 => Outcome::Heard,
        3 | 4 => Outcome::Credentials {
            clue: LoginClue::Nothing,
        },
        5..=8 => done(),
        9 => failed(ConnectCause::Timeout(ms(1))),
        10 => failed(ConnectCause::Tls(TlsError::NotTls)),
        _ => refused(),
    }
}

/// Whether this is an outcome that the action can have.
fn fits(action: &Action, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Failed(_) => true,
        Outcome::Done => !matches!(action, Action::Ask | Action::Resolve { .. }),
        Outcome::Credentials { .. } => *action == Action::Ask,
        Outcome::Resolved(_) => matches!(action, Action::Resolve { .. }),
        Outcome::Heard => matches!(action, Action::Encrypt { .. }),
    }
}

fn some_options(random: &mut Random) -> ConnectionOptions {
    let tls: ConnectionOptions = "amqps://one,two,three".parse().unwrap();
    let options = tls
        .connection_attempts(1 + u32::try_from(random.below(3)).unwrap())
        .retry_delay(ms(random.below(3) * 100))
        .connect_timeout(ms(1 + random.below(600)));
    match random.below(2) {
        0 => options,
        _ => options.open_timeout(ms(1 + random.below(2000))),
    }
}

/// One run; whether the connection was opened.
fn run(seed: u64) -> bool {
    let mut random = Random::new(seed);
    let options = some_options(&mut random);
    let mut now = Instant::now();
    let mut dialer = Dialer::new(&options, plan_with(&options, seed), now).unwrap();
    let mut watch = Watch::default();
    for _ in 0..10_000 {
        match dialer.poll(now) {
            Step::Begin(id, action) => watch.begins(id, action),
            Step::Abandon(id) => watch.abandons(id),
            Step::Wait(until) => {
                let Step::Wait(again) = dialer.poll(now) else {
                    panic!("it does not wait any more");
                };
                assert_eq!(until, again);
                assert!(until.is_none_or(|until| until > now));
                match random.below(4) {
                    0 => now = until.unwrap_or(now),
                    1 => now += ms(random.below(400)),
                    _ => report(&mut dialer, &mut watch, &mut random, now),
                }
            }
            Step::Opened => return ends(&mut dialer, &watch, &mut random, now, true),
            Step::Failed(_) => return ends(&mut dialer, &watch, &mut random, now, false),
        }
        if random.below(8) == 0 {
            report(&mut dialer, &mut watch, &mut random, now);
        }
    }
    panic!("no end with seed {seed}");
}

/// Reports something of something that runs, or of anything.
fn report(dialer: &mut Dialer, watch: &mut Watch, random: &mut Random, now: Instant) {
    let outcome = some_outcome(random);
    let place = random.index(watch.running.len() + 1);
    let Some((id, action)) = watch.running.get(place).cloned() else {
        let id = some_id(watch, random);
        let is_running = watch.running.iter().any(|(running, _)| *running == id);
        if !is_running {
            assert!(!dialer.report(id, outcome, now));
        }
        return;
    };
    // Otherwise hardly anything would be opened.
    let outcome = match (random.below(4), &action, fine(&action)) {
        (1.., Action::Resolve { .. }, _) => resolved(&ADDRESSES),
        (1.., _, Fate::After(_, fine)) => fine,
        _ => outcome,
    };
    let (may_fit, goes_on) = (fits(&action, &outcome), matches!(outcome, Outcome::Heard));
    let is_of_use = dialer.report(id, outcome, now);
    assert!(may_fit || !is_of_use, "{action:?}");
    if may_fit && !goes_on {
        watch.running.retain(|(running, _)| *running != id);
    }
}

/// One that was told, or may be told later.
fn some_id(watch: &Watch, random: &mut Random) -> ActionId {
    ActionId(random.below(watch.begun.len() as u64 + 5))
}

/// Nothing follows.
fn ends(
    dialer: &mut Dialer,
    watch: &Watch,
    random: &mut Random,
    now: Instant,
    is_opened: bool,
) -> bool {
    assert!(watch.running.is_empty(), "{:?}", watch.running);
    assert!(watch.n_rounds <= 3);
    for n in 0..20 {
        let id = some_id(watch, random);
        assert!(!dialer.report(id, some_outcome(random), now));
        match dialer.poll(now + ms(n * 1000)) {
            Step::Opened => assert!(is_opened),
            Step::Failed(error) => assert!(!is_opened && !error.to_string().is_empty()),
            other => panic!("{other:?}"),
        }
    }
    is_opened
}

#[test]
fn whatever_is_reported_at_whatever_time_it_ends_and_tries_nothing_twice() {
    let n_opened = (0..2000).filter(|seed| run(*seed)).count();
    assert!((100..1900).contains(&n_opened), "{n_opened} of 2000");
}
