//! The broker in memory against RabbitMQ: the same octets, the same answers.
//!
//! A probe is a short program over raw connections. It runs unchanged over TCP to a real node and
//! over the broker in memory with its virtual clock, and what comes is written down in words: a
//! line for each method with all of its arguments, for each content with all of its properties and
//! how its body is cut into frames, and how the connection ends. The two transcripts have to be the
//! same, but for the freedoms that `normal.rs` lists and the differences that `allowed.rs` does.
//!
//! `cargo xtask test` says in `AMQP_TEST_URL` and `AMQP_TEST_MANAGEMENT_URL` where the node is, and
//! runs this again for the second release. `PROBES` in the environment chooses probes by parts of
//! their names, and has their transcripts printed.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod allowed;
mod compare;
mod lab;
mod normal;
#[macro_use]
mod probe;
mod probes;
mod say;
mod side;
mod words;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Arc;

use amqp_testing::memory::Like;
use amqp_testing::{BrokerOptions, Endpoint};

use crate::compare::{Outcome, stray_names};
use crate::probe::{Probe, run_all};
use crate::side::{Memory, Real};

/// Most of a probe's time is waiting.
const N_THREADS: usize = 64;

/// What each release is compared by at least.
const MIN_PROBES: usize = 200;

/// Runs the probes instead that wait for up to half a minute, as `cargo xtask ci-extra` does.
const SLOW_VARIABLE: &str = "SLOW_PROBES";

/// Chooses probes by parts of their names, separated by commas, and has what RabbitMQ said printed.
const CHOICE_VARIABLE: &str = "PROBES";

#[test]
fn the_broker_in_memory_says_what_rabbitmq_says() {
    let Some((endpoint, version, like)) = played() else {
        return;
    };
    let is_slow = is_slow();
    let probes = chosen(if is_slow {
        probes::slow(like)
    } else {
        probes::all()
    });
    let vhost = endpoint.vhost().unwrap();
    let real = run_all(&probes, N_THREADS, || Box::new(Real::new(&vhost)));
    let memory = run_all(&probes, 1, || Box::new(Memory::new(like, vhost.name())));
    let min_probes = if is_slow || choice().is_some() {
        0
    } else {
        MIN_PROBES
    };
    check(
        &version,
        &Outcome::of(like, &probes, &real, &memory),
        min_probes,
    );
}

#[test]
fn an_alarm_does_what_it_does_in_rabbitmq() {
    let Some((_, version, like)) = played().filter(|_| is_slow()) else {
        return;
    };
    let broker = Arc::new(BrokerOptions::new().start().unwrap());
    let probes = chosen(probes::harmful());
    let vhost = broker.vhost().unwrap();
    let real = run_all(&probes, 1, || Box::new(Real::new(&vhost).owning(&broker)));
    let memory = run_all(&probes, 1, || Box::new(Memory::new(like, vhost.name())));
    check(&version, &Outcome::of(like, &probes, &real, &memory), 0);
}

/// The node to compare with, its version, and who plays it.
fn played() -> Option<(Endpoint, String, Like)> {
    let Some(endpoint) = Endpoint::from_env().unwrap() else {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
        return None;
    };
    let version = endpoint.management().version().unwrap();
    let Some(like) = like(&version) else {
        say(&format!(
            "RabbitMQ {version} is not among those that are played: NOT compared"
        ));
        return None;
    };
    Some((endpoint, version, like))
}

fn check(version: &str, outcome: &Outcome, min_probes: usize) {
    let (n_probes, n_same, n_allowed) = outcome.counts();
    say(&format!(
        "RabbitMQ {version}: {n_probes} probes, {n_same} the same, {n_allowed} may differ"
    ));
    print!("{}", outcome.table());
    if choice().is_some() {
        print!("{}", outcome.transcripts());
    }
    assert!(n_probes - n_allowed >= min_probes, "only {n_probes} probes");
    assert!(outcome.faults().is_empty(), "\n{}", outcome.faults());
}

#[test]
fn probes_have_names_of_their_own() {
    let probes = [
        probes::all(),
        probes::slow(Like::RabbitMq3_10),
        probes::harmful(),
    ]
    .concat();
    let names: BTreeSet<_> = probes.iter().map(|probe| probe.name).collect();
    assert_eq!(names.len(), probes.len());
    assert_eq!(stray_names(&probes), [""; 0]);
}

fn is_slow() -> bool {
    std::env::var_os(SLOW_VARIABLE).is_some()
}

fn choice() -> Option<String> {
    std::env::var(CHOICE_VARIABLE).ok()
}

fn chosen(probes: Vec<Probe>) -> Vec<Probe> {
    let choice = choice();
    let parts: Vec<_> = choice.iter().flat_map(|choice| choice.split(',')).collect();
    let is_chosen =
        |probe: &Probe| parts.is_empty() || parts.iter().any(|part| probe.name.contains(part));
    probes.into_iter().filter(is_chosen).collect()
}

/// Who plays this version.
fn like(version: &str) -> Option<Like> {
    match version.split('.').take(2).collect::<Vec<_>>()[..] {
        ["3", "10"] => Some(Like::RabbitMq3_10),
        ["4", "0"] => Some(Like::RabbitMq4_0),
        _ => None,
    }
}

/// Says something that is heard even if the test passes.
fn say(text: &str) {
    // Only what the macros print is kept back.
    let _ = writeln!(std::io::stderr(), "differential: {text}");
}
