//! What the program wants: its functions, and when two policies are the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::scene::{declares, scene_with};
use crate::Connection;
use crate::error::{ConnectionError, Entity, EntityFailure};
use crate::proto::recovery::{OnFailure, Recovery, Restore, State};
use crate::tests::support::comeback::Play;
use crate::tests::support::task::Task;

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

/// They are called by the driver, without a lock.
#[test]
fn functions_may_use_the_connection() {
    let known: Arc<Mutex<Option<Connection>>> = Arc::default();
    let use_it = |known: &Mutex<Option<Connection>>| {
        let connection = known.lock().unwrap().clone();
        let Some(connection) = connection else { return };
        assert!(matches!(connection.state(), State::Recovering { .. }));
        let _ = (connection.counters(), connection.current_name("a"));
        drop(connection.events());
        // Asked for, and not waited for.
        let mut opening = Task::new(connection.open_channel());
        assert!(opening.run().is_pending());
        let mut ready = Task::new(connection.ready());
        assert!(ready.run().is_pending());
    };
    let (one, other) = (Arc::clone(&known), Arc::clone(&known));
    let keep = move |_: &Entity| {
        use_it(&one);
        true
    };
    let judge = move |_: &EntityFailure| {
        use_it(&other);
        OnFailure::Skip
    };
    let mut scene = scene_with(Recovery::new().keep(keep).on_failure(judge));
    *known.lock().unwrap() = Some(scene.world.pair.connection.clone());
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match declares(method, "a") {
        true => Play::CloseChannel(403, "ACCESS_REFUSED"),
        false => Play::Usual,
    });
    scene.world.come_back_pending();
    scene.world.assert_open();
    assert_eq!(scene.report().skipped.len(), 3);
    *known.lock().unwrap() = None;
}
