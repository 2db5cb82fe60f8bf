//! What the program wants: its functions, and when two policies are the same.

use std::time::Duration;

use crate::error::{ConnectionError, Entity, EntityFailure};
use crate::proto::recovery::{OnFailure, Recovery, Restore};

fn queue(name: &str) -> Entity {
    Entity::Queue(name.to_owned())
}

fn failure(name: &str) -> EntityFailure {
    EntityFailure::new(queue(name), ConnectionError::EndOfStream)
}

#[test]
fn functions_of_the_program_decide() {
    let policy = Recovery::new();
    assert!(policy.keeps(&queue("tmp.1")));
    assert_eq!(policy.judge(&failure("orders")), OnFailure::Skip);
    let policy = policy
        .keep(|entity| !entity.name().starts_with("tmp."))
        .on_failure(|failure| match failure.entity.name() {
            "orders" => OnFailure::Abort,
            _ => OnFailure::Skip,
        });
    assert!(policy.keeps(&queue("orders")) && !policy.keeps(&queue("tmp.1")));
    assert_eq!(policy.judge(&failure("orders")), OnFailure::Abort);
    assert_eq!(policy.judge(&failure("logs")), OnFailure::Skip);
}

#[test]
fn function_that_panics_keeps_and_skips() {
    let policy = Recovery::new()
        .keep(|_| panic!("of the program"))
        .on_failure(|_| panic!("of the program"));
    for _ in 0..2 {
        assert!(policy.keeps(&queue("q")));
        assert_eq!(policy.judge(&failure("q")), OnFailure::Skip);
    }
}

#[test]
fn functions_are_the_same_if_one_is_a_clone_of_the_other() {
    let keep = |_: &Entity| true;
    let judge = |_: &EntityFailure| OnFailure::Skip;
    for policy in [
        Recovery::new().keep(keep),
        Recovery::new().on_failure(judge),
        Recovery::new().keep(keep).on_failure(judge),
    ] {
        assert_eq!(policy, policy.clone());
        assert_ne!(policy, Recovery::new());
    }
    // Though they do the same.
    assert_ne!(Recovery::new().keep(keep), Recovery::new().keep(keep));
    let on_failure = || Recovery::new().on_failure(judge);
    assert_ne!(on_failure(), on_failure());
}

#[test]
fn policies_that_say_something_else_are_not_the_same() {
    let second = Duration::from_secs(1);
    let policies = [
        Recovery::new(),
        Recovery::off(),
        Recovery::new().from_the_start(),
        Recovery::new().delays(second..=Duration::from_secs(30)),
        Recovery::new().delays(Duration::from_millis(500)..=second),
        Recovery::new().attempts(1),
        Recovery::new().give_up_after(second),
        Recovery::new().patience(second),
        Recovery::new().entity_patience(second),
        Recovery::new().refused_for(second),
        Recovery::new().exclusive_for(second),
        Recovery::new().restore(Restore::Transient),
        Recovery::new().restore(Restore::ConsumersOnly),
    ];
    for (i, one) in policies.iter().enumerate() {
        for (j, other) in policies.iter().enumerate() {
            assert_eq!(one == other, i == j, "{one:?} {other:?}");
        }
    }
    assert_eq!(Recovery::default(), Recovery::new());
}

#[test]
fn exclusive_queue_is_held_for_three_heartbeats_and_a_bit() {
    let seconds = Duration::from_secs;
    let policy = Recovery::new();
    assert_eq!(policy.exclusive_limit(seconds(60)), seconds(190));
    // Without heartbeats the broker notices when it may.
    assert_eq!(policy.exclusive_limit(Duration::ZERO), seconds(10));
    let policy = policy.exclusive_for(seconds(1));
    assert_eq!(policy.exclusive_limit(seconds(60)), seconds(1));
}
