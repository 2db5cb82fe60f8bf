//! A world for a dialer: a clock that stands still while there is something to do, and what runs.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::adapter::dial::{Action, ActionId, Dialer, Outcome, Plan, Rounds, Step, Way};
use crate::error::{ConnectCause, ConnectError, LoginClue};
use crate::options::{ConnectionOptions, HostOrder};

/// What becomes of an action.
pub(super) enum Fate {
    /// This, after as many milliseconds.
    After(u64, Outcome),
    Never,
}

pub(super) fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

/// Tests say in which order hosts are tried, unless that is what they are about.
pub(super) fn options(hosts: &[&str]) -> ConnectionOptions {
    ConnectionOptions::default()
        .hosts(hosts)
        .host_order(HostOrder::Given)
}

/// How long a deadline that has passed waits.
pub(super) const LOOK: u64 = 1;

pub(super) fn plan(options: &ConnectionOptions) -> Plan {
    plan_with(options, 0)
}

pub(super) fn plan_with(options: &ConnectionOptions, seed: u64) -> Plan {
    let way = Way::Network { seed };
    Plan::first(way, Rounds::of(options), options, ms(LOOK))
}

pub(super) fn done() -> Outcome {
    Outcome::Done
}

pub(super) fn failed(cause: impl Into<ConnectCause>) -> Outcome {
    Outcome::Failed(cause.into().into())
}

pub(super) fn refused() -> Outcome {
    failed(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
}

pub(super) fn resolved(addresses: &[&str]) -> Outcome {
    Outcome::Resolved(addresses.iter().map(|address| at(address)).collect())
}

/// Everything succeeds at once: the hosts `one`, `two` … have the addresses 10.0.0.1, 10.0.0.2 …
pub(super) fn fine(action: &Action) -> Fate {
    let outcome = match action {
        Action::Ask => Outcome::Credentials {
            clue: LoginClue::Nothing,
        },
        Action::Resolve { host, port } => {
            let names = ["one", "two", "three", "four"];
            let place = names.iter().position(|name| name == host);
            let address = format!("10.0.0.{}:{port}", place.map_or(9, |place| place + 1));
            resolved(&[&address])
        }
        Action::ReadFiles
        | Action::Connect(_)
        | Action::ConnectLocal
        | Action::Encrypt { .. }
        | Action::ShakeHands { .. } => done(),
    };
    Fate::After(0, outcome)
}

/// Nothing listens at any address.
pub(super) fn dead(action: &Action) -> Fate {
    match action {
        Action::Connect(_) => Fate::After(0, refused()),
        other => fine(other),
    }
}

/// A dialer that has begun this action, all before it having succeeded; and the action's id.
pub(super) fn dialer_at(
    options: &ConnectionOptions,
    now: Instant,
    is_this: impl Fn(&Action) -> bool,
) -> (Dialer, ActionId) {
    let mut dialer = Dialer::new(options, plan(options), now).unwrap();
    loop {
        match dialer.poll(now) {
            Step::Begin(id, action) if is_this(&action) => return (dialer, id),
            Step::Begin(id, action) => {
                let Fate::After(_, outcome) = fine(&action) else {
                    panic!("{action:?} is never done");
                };
                assert!(dialer.report(id, outcome, now));
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(super) struct World {
    pub(super) dialer: Dialer,
    start: Instant,
    now: Instant,
    running: Vec<Running>,
    log: String,
}

struct Running {
    id: ActionId,
    name: String,
    ends: Option<(Instant, Outcome)>,
}

impl World {
    pub(super) fn new(options: &ConnectionOptions) -> Self {
        Self::with(options, plan(options))
    }

    pub(super) fn with(options: &ConnectionOptions, plan: Plan) -> Self {
        let now = Instant::now();
        Self {
            dialer: Dialer::new(options, plan, now).unwrap(),
            start: now,
            now,
            running: Vec::new(),
            log: String::new(),
        }
    }

    /// Milliseconds since the beginning.
    pub(super) fn time(&self) -> u128 {
        (self.now - self.start).as_millis()
    }

    /// What was begun and abandoned, with the milliseconds, one a line.
    #[track_caller]
    pub(super) fn did(&self, expected: &[&str]) {
        let log: Vec<_> = self.log.lines().collect();
        assert_eq!(log, expected);
    }

    /// What was begun or abandoned whose lines begin so, without that and the time.
    pub(super) fn begun(&self, name: &str) -> Vec<&str> {
        let lines = self.log.lines().filter_map(|line| line.split_once(' '));
        let found = lines.filter_map(|(_, line)| line.strip_prefix(name));
        found.collect()
    }

    /// When the actions that begin so were begun.
    pub(super) fn times(&self, name: &str) -> Vec<&str> {
        let lines = self.log.lines().filter_map(|line| line.split_once(' '));
        let found = lines.filter(|(_, line)| line.starts_with(name));
        found.map(|(time, _)| time).collect()
    }

    /// Until the connection is open, or cannot be.
    pub(super) fn run(
        &mut self,
        mut fate: impl FnMut(&Action) -> Fate,
    ) -> Result<(), ConnectError> {
        loop {
            match self.dialer.poll(self.now) {
                Step::Begin(id, action) => self.begin(id, &action, fate(&action)),
                Step::Abandon(id) => self.abandon(id),
                Step::Wait(until) => self.wait(until),
                Step::Opened => {
                    assert!(self.running.is_empty(), "{}", self.log);
                    return Ok(());
                }
                Step::Failed(error) => {
                    assert!(self.running.is_empty(), "{}", self.log);
                    return Err(error);
                }
            }
        }
    }

    fn begin(&mut self, id: ActionId, action: &Action, fate: Fate) {
        let name = name(action);
        writeln!(self.log, "{} {name}", self.time()).unwrap();
        let ends = match fate {
            Fate::After(time, outcome) => Some((self.now + ms(time), outcome)),
            Fate::Never => None,
        };
        self.running.push(Running { id, name, ends });
    }

    fn abandon(&mut self, id: ActionId) {
        let place = self.running.iter().position(|running| running.id == id);
        let running = self.running.remove(place.unwrap());
        writeln!(self.log, "{} abandon {}", self.time(), running.name).unwrap();
    }

    /// Until then, or until the first that ends, which is reported.
    fn wait(&mut self, until: Option<Instant>) {
        let ends = |running: &Running| running.ends.as_ref().map(|(time, _)| *time);
        let first = self.running.iter().filter_map(ends).min();
        match (first, until) {
            (Some(time), until) if until.is_none_or(|until| time <= until) => {
                let is_first = |running: &Running| ends(running) == Some(time);
                let place = self.running.iter().position(is_first);
                let running = self.running.remove(place.unwrap());
                self.now = self.now.max(time);
                let (_, outcome) = running.ends.unwrap();
                assert!(self.dialer.report(running.id, outcome, self.now));
            }
            (_, Some(until)) => {
                assert!(until > self.now, "waits for what has been");
                self.now = until;
            }
            (_, None) => panic!("waits for ever: {}", self.log),
        }
    }
}

fn name(action: &Action) -> String {
    match action {
        Action::ReadFiles => "read".to_owned(),
        Action::Ask => "ask".to_owned(),
        Action::Resolve { host, port } => format!("resolve {host}:{port}"),
        Action::Connect(address) => format!("connect {address}"),
        Action::ConnectLocal => "connect".to_owned(),
        Action::Encrypt { host } => format!("encrypt {host}"),
        Action::ShakeHands {
            address,
            peer,
            within,
        } => match peer {
            Some(peer) => format!("shake {address} {peer} {}", within.as_millis()),
            None => format!("shake {address} {}", within.as_millis()),
        },
    }
}
