//! What the program wants when the connection is lost, as parameters.

use std::time::Duration;

use super::tests::{bad, good};
use crate::ConnectionOptions;
use crate::error::UriError;
use crate::options::{OnFailure, Recovery, Restore};

fn with(recovery: Recovery) -> ConnectionOptions {
    ConnectionOptions::default().host("h").recovery(recovery)
}

#[test]
fn what_the_builder_says_of_recovery_the_uri_says() {
    let seconds = Duration::from_secs;
    let half = Duration::from_millis(500);
    let new = Recovery::new;
    let cases = [
        ("recovery=off", Recovery::off()),
        ("recovery_min_delay=0.200", {
            new().delays(Duration::from_millis(200)..=seconds(5))
        }),
        ("recovery_max_delay=60", new().delays(half..=seconds(60))),
        (
            "recovery_min_delay=40&recovery_max_delay=90",
            new().delays(seconds(40)..=seconds(90)),
        ),
        ("recovery_attempts=20", new().attempts(20)),
        (
            "recovery_give_up_after=600",
            new().give_up_after(seconds(600)),
        ),
        ("recovery_patience=10", new().patience(seconds(10))),
        (
            "recovery_entity_patience=300",
            new().entity_patience(seconds(300)),
        ),
        ("recovery_refused_for=5", new().refused_for(seconds(5))),
        ("recovery_refused_for=0", new().refused_for(Duration::ZERO)),
        ("recovery_exclusive_for=0.500", new().exclusive_for(half)),
        (
            "recovery_restore=transient",
            new().restore(Restore::Transient),
        ),
        (
            "recovery_restore=consumers",
            new().restore(Restore::ConsumersOnly),
        ),
        ("recovery_from_the_start=true", new().from_the_start()),
        // It says nothing, and is not forgotten.
        (
            "recovery=off&recovery_attempts=3&recovery_from_the_start=true",
            Recovery::off().attempts(3).from_the_start(),
        ),
    ];
    for (query, recovery) in cases {
        let uri = format!("amqp://h?{query}");
        let built = with(recovery);
        assert_eq!(good(&uri), built, "{uri}");
        assert_eq!(built.to_string(), uri);
        assert_eq!(built.to_uri_with_secrets(), uri);
        built.validate().unwrap();
    }
}

#[test]
fn recovery_as_it_is_by_default_is_not_written() {
    let usual = "amqp://h?recovery=on&recovery_min_delay=500ms&recovery_max_delay=5s\
                 &recovery_patience=30&recovery_refused_for=60s&recovery_restore=all\
                 &recovery_from_the_start=false";
    assert_eq!(good(usual), with(Recovery::new()));
    assert_eq!(good(usual).to_string(), "amqp://h");
}

#[test]
fn parameters_of_recovery_may_stand_in_any_order() {
    let one = good("amqp://h?recovery_max_delay=60s&recovery_min_delay=45s&recovery=off");
    let other = good("amqp://h?recovery=off&recovery_min_delay=45s&recovery_max_delay=60s");
    assert_eq!(one, other);
}

#[test]
fn shortest_delay_above_the_longest_is_told_when_it_is_used() {
    let options = good("amqp://h?recovery_min_delay=31");
    let error = options.validate().unwrap_err();
    assert_eq!(error.option, "recovery.delays");
}

#[test]
fn functions_of_the_program_are_in_no_uri() {
    let policy = Recovery::new()
        .keep(|_| false)
        .on_failure(|_| OnFailure::Abort)
        .attempts(2);
    assert_eq!(with(policy).to_string(), "amqp://h?recovery_attempts=2");
}

#[test]
fn value_that_a_parameter_of_recovery_cannot_have_is_told_with_what_it_can() {
    for (name, expected, values) in [
        ("recovery", "on or off", &["", "true", "ON"][..]),
        ("recovery_min_delay", "seconds", &["0", "", "x", "-1"]),
        ("recovery_max_delay", "seconds", &["0", "", "x", "1m"]),
        ("recovery_attempts", "at least 1", &["0", "", "x", "-1"]),
        ("recovery_give_up_after", "seconds", &["0", "never"]),
        ("recovery_patience", "seconds", &["0", ""]),
        ("recovery_entity_patience", "seconds", &["0", ""]),
        ("recovery_refused_for", "seconds", &["", "x", "-1"]),
        ("recovery_exclusive_for", "seconds", &["0", ""]),
        (
            "recovery_restore",
            "all, transient or consumers",
            &["", "none"],
        ),
        ("recovery_from_the_start", "true or false", &["", "on"]),
    ] {
        for value in values {
            let uri = format!("amqp://h?{name}={value}");
            let error = bad(&uri);
            let UriError::Parameter { name: told, .. } = error else {
                panic!("{uri}: {error:?}");
            };
            assert_eq!(told, name, "{uri}");
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
    let repeated = bad("amqp://h?recovery=off&recovery=off");
    assert_eq!(repeated, UriError::RepeatedParameter("recovery".to_owned()));
}

#[test]
fn times_of_recovery_are_in_seconds_unless_they_say_their_unit() {
    for name in [
        "recovery_min_delay",
        "recovery_max_delay",
        "recovery_give_up_after",
        "recovery_patience",
        "recovery_entity_patience",
        "recovery_refused_for",
        "recovery_exclusive_for",
    ] {
        let with = |value| good(&format!("amqp://h?{name}={value}"));
        assert_eq!(with("17s"), with("17"), "{name}");
        assert_eq!(with("17000ms"), with("17"), "{name}");
        assert_eq!(with("17s").to_string(), format!("amqp://h?{name}=17"));
    }
}

#[test]
fn what_others_call_it_is_told() {
    for (query, suggestion) in [
        ("recover=off", "is it recovery?"),
        ("automatically_recover=false", "is it recovery?"),
        ("reconnect=off", "is it recovery?"),
        (
            "network_recovery_interval=5",
            "is it recovery_min_delay, in seconds?",
        ),
        (
            "recovery_mindelay=5",
            "is it recovery_min_delay, in seconds?",
        ),
    ] {
        let text = bad(&format!("amqp://h?{query}")).to_string();
        assert!(text.ends_with(suggestion), "{text}");
    }
}
