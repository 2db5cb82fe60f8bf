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

use amqp_testing::Endpoint;
use amqp_testing::memory::Like;

use crate::compare::{Outcome, stray_names};
use crate::probe::{Probe, Transcripts, run_all};
use crate::side::{Memory, Real};

/// Most of a probe's time is waiting.
const N_THREADS: usize = 64;

/// What each release is compared by at least.
const MIN_PROBES: usize = 200;

/// Runs the probes instead that wait for up to half a minute, as `cargo xtask ci-extra` does.
const SLOW_VARIABLE: &str = "SLOW_PROBES";

/// Chooses probes by parts of their names, separated by commas.
const CHOICE_VARIABLE: &str = "PROBES";

#[test]
fn the_broker_in_memory_says_what_rabbitmq_says() {
    let Some(endpoint) = Endpoint::from_env().unwrap() else {
        eprintln!("not tested: {} is not set", Endpoint::URL_VARIABLE);
        return;
    };
    let version = endpoint.management().version().unwrap();
    let Some(like) = like(&version) else {
        say(&format!(
            "RabbitMQ {version} is not among those that are played: NOT compared"
        ));
        return;
    };
    let choice = std::env::var(CHOICE_VARIABLE).ok();
    let is_slow = std::env::var_os(SLOW_VARIABLE).is_some();
    let probes = chosen(choice.as_deref(), is_slow);
    let vhost = endpoint.vhost().unwrap();
    let real = run_all(&probes, N_THREADS, || Box::new(Real::new(&vhost)));
    let memory = run_all(&probes, 1, || Box::new(Memory::new(like, vhost.name())));
    let outcome = Outcome::of(like, &probes, &real, &memory);
    let (n_probes, n_same, n_allowed) = outcome.counts();
    say(&format!(
        "RabbitMQ {version}: {n_probes} probes, {n_same} the same, {n_allowed} may differ"
    ));
    print!("{}", outcome.table());
    if choice.is_some() {
        show(&real);
    } else if !is_slow {
        assert!(n_probes - n_allowed >= MIN_PROBES, "only {n_probes} probes");
    }
    assert!(outcome.faults().is_empty(), "\n{}", outcome.faults());
}

#[test]
fn probes_have_names_of_their_own() {
    let probes = [probes::all(), probes::slow()].concat();
    let names: BTreeSet<_> = probes.iter().map(|probe| probe.name).collect();
    assert_eq!(names.len(), probes.len());
    assert_eq!(stray_names(&probes), [""; 0]);
}

fn chosen(choice: Option<&str>, is_slow: bool) -> Vec<Probe> {
    let is_chosen = |probe: &Probe| {
        choice.is_none_or(|choice| choice.split(',').any(|part| probe.name.contains(part)))
    };
    let probes = if is_slow {
        probes::slow()
    } else {
        probes::all()
    };
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

fn show(transcripts: &Transcripts) {
    for (name, lines) in transcripts {
        println!("{name}");
        lines.iter().for_each(|line| println!("    {line}"));
    }
}
