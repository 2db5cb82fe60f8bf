//! The demonstration, with a cargo that only tells what it is asked for.

use std::{
    fs,
    io::{BufRead as _, BufReader},
};

use crate::support::{Ended, Place, signal};

/// Notes its arguments and what it is told of brokers.
const NOTE: &str = "echo \"$1 $(env | grep ^AMQP_ | sort | tr '\\n' ' ')\" >> \"${0%/*}/noted\"";

fn noted(place: &Place) -> Vec<String> {
    let text = fs::read_to_string(place.target.join("noted")).unwrap_or_default();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_broker_is_the_one_of_the_option_and_not_that_of_the_environment() {
    let place = Place::new("demo url");
    let mut command = place.command("demo --url amqp://u:s3cret@h:1/v");
    command
        .env("CARGO", place.fake_cargo(NOTE))
        .env("AMQP_URL", "amqp://other")
        .env("AMQP_USER", "other");
    let ended = Ended::of(command.spawn().unwrap()).ok();
    let noted = noted(&place);
    assert_eq!(noted.last().unwrap(), "run AMQP_URL=amqp://u:s3cret@h:1/v");
    assert!(
        noted.iter().any(|line| line.starts_with("build")),
        "{noted:?}"
    );
    assert!(ended.stdout.contains("broker at h:1/v"), "{ended:?}");
    assert!(!ended.stdout.contains("s3cret"), "{ended:?}");
    assert!(place.folders().is_empty());
}

#[test]
fn the_environment_s_broker_is_not_touched() {
    let Some(place) = Place::with_rabbitmq("demo") else {
        return;
    };
    let mut command = place.command("demo");
    command
        .env("CARGO", place.fake_cargo(NOTE))
        .env("AMQP_URL", "amqp://other");
    let ended = Ended::of(command.spawn().unwrap()).ok();
    let noted = noted(&place);
    let last = noted.last().unwrap();
    assert!(
        last.starts_with("run AMQP_URL=amqp://guest:guest@127.0.0.1:"),
        "{last}"
    );
    assert!(
        ended.stdout.contains(last.split_once('=').unwrap().1),
        "{ended:?}"
    );
    // Each step is told of before it is taken.
    let steps: Vec<_> = ended
        .stdout
        .lines()
        .filter_map(|line| line.split_once(". "))
        .collect();
    let numbers: Vec<_> = steps.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers[..5], ["1", "2", "3", "4", "5"], "{ended:?}");
    place.wait_until_nothing_is_left("the demonstration");
}

#[test]
fn what_takes_long_is_told_of_before_and_an_interruption_ends_it() {
    let place = Place::new("demo cold");
    // Cargo's own progress is shown, and it compiles for as long as it may.
    let script = "echo cargo is at work; exec sleep 1000";
    for name in ["INT", "TERM", "HUP"] {
        let mut command = place.command("demo");
        let mut child = command
            .env("CARGO", place.fake_cargo(script))
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("1. Checking"), "{first}");
        let told: Vec<_> = lines.by_ref().take(3).map(Result::unwrap).collect();
        assert!(told[1].starts_with("2. Compiling the client"), "{told:?}");
        assert_eq!(told[2], "cargo is at work");
        signal(name, &child);
        assert!(!child.wait().unwrap().success());
        place.wait_until_nothing_is_left(name);
    }
}

#[test]
fn an_interruption_amid_the_example_leaves_nothing() {
    let Some(place) = Place::with_rabbitmq("demo interrupted") else {
        return;
    };
    let script = "[ \"$1\" = build ] || { echo the example; exec sleep 1000; }";
    let mut command = place.command("demo");
    let mut child = command
        .env("CARGO", place.fake_cargo(script))
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "the example"));
    assert_eq!(place.folders().len(), 1);
    signal("INT", &child);
    assert!(!child.wait().unwrap().success());
    place.wait_until_nothing_is_left("INT");
}
