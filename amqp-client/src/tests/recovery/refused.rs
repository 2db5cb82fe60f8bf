//! What the broker refuses while a connection comes back, for good or for a while, or does not
//! answer.

use std::time::Duration;

use amqp_spec::Method;

use super::scene::{consumes, declares, ended, names, scene, scene_with};
use crate::QueueDeclare;
use crate::error::{ConsumeError, Entity, EntityFailure};
use crate::event::Event;
use crate::options::{OnFailure, Recovery};
use crate::proto::Sequel;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Play, usual};
use crate::tests::support::task::Task;

#[test]
fn queue_that_is_refused_takes_its_bindings_and_consumers_along_and_nothing_else() {
    for (code, text) in [
        (403, "ACCESS_REFUSED - configure access refused"),
        (406, "PRECONDITION_FAILED - inequivalent arg 'durable'"),
        (404, "NOT_FOUND - no such thing"),
    ] {
        let mut scene = scene();
        scene.world.lose();
        scene.world.script = Box::new(move |_, method| match declares(method, "a") {
            true => Play::CloseChannel(code, text),
            false => Play::Usual,
        });
        scene.world.come_back();
        let report = scene.report();
        assert_eq!(report.skipped.len(), 3, "{:?}", names(&report.skipped));
        assert!(report.skipped[0].entity.is_queue());
        let error = ended(&mut scene.a);
        assert!(matches!(error, ConsumeError::NotRestored(_)), "{error:?}");
        assert!(scene.channel.is_open());
        assert!(Task::new(scene.b.next()).poll().is_pending());
        scene.world.pair.assert_idle();
    }
}

#[test]
fn consumer_that_is_refused_ends_alone() {
    let mut scene = scene();
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match consumes(method, "a") {
        true => Play::CloseChannel(403, "ACCESS_REFUSED - read access refused"),
        false => Play::Usual,
    });
    scene.world.come_back();
    let report = scene.report();
    assert_eq!(report.skipped.len(), 1, "{:?}", names(&report.skipped));
    assert!(matches!(ended(&mut scene.a), ConsumeError::NotRestored(_)));
    assert!(scene.channel.is_open());
    assert!(Task::new(scene.b.next()).poll().is_pending());
    scene.world.pair.assert_idle();
}

#[test]
fn channel_that_is_closed_over_nothing_is_not_opened_for_ever() {
    for consumer in [false, true] {
        let mut scene = scene();
        scene.world.lose();
        let mut n = 0;
        scene.world.script = Box::new(move |_, method| {
            let hit = match consumer {
                true => consumes(method, "a"),
                false => declares(method, "a"),
            };
            n += usize::from(hit);
            assert!(n < 10, "again and again");
            match hit {
                true => Play::CloseWithoutBlame(541, "INTERNAL_ERROR"),
                false => Play::Usual,
            }
        });
        scene.world.come_back_pending();
        scene.world.script = usual();
        scene.world.pass(Duration::from_secs(120));
        scene.world.assert_open();
        assert!(Task::new(scene.b.next()).poll().is_pending());
        assert!(scene.channel.is_open());
    }
}

#[test]
fn what_the_broker_closes_the_connection_over_twice_is_given_up_and_reported_once() {
    for consumer in [false, true] {
        let mut scene = scene();
        scene.world.lose();
        scene.world.script = Box::new(move |_, method| {
            let hit = match consumer {
                true => consumes(method, "a"),
                false => declares(method, "a"),
            };
            match hit {
                true => Play::CloseConnection(503, "COMMAND_INVALID - a"),
                false => Play::Usual,
            }
        });
        assert_eq!(scene.attempts(), 3);
        let report = scene.report();
        let wanted = if consumer { 1 } else { 3 };
        assert_eq!(report.skipped.len(), wanted, "{:?}", names(&report.skipped));
        assert!(matches!(ended(&mut scene.a), ConsumeError::NotRestored(_)));
        assert!(Task::new(scene.b.next()).poll().is_pending());
        assert!(scene.channel.is_open());
    }
}

#[test]
fn connection_that_is_closed_over_one_of_several_finds_out_which() {
    let mut scene = scene();
    let connection = scene.world.pair.connection.clone();
    let other = scene.world.done(async move {
        let other = connection.open_channel().await.unwrap();
        let queue = QueueDeclare::new("c").durable();
        other.queue_declare(queue).await.unwrap();
        (
            other.clone(),
            other.consume("c").tag("three").await.unwrap(),
        )
    });
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match consumes(method, "c") {
        true => Play::CloseConnection(503, "COMMAND_INVALID"),
        false => Play::Usual,
    });
    let n = scene.attempts();
    assert!(n <= 4, "{n}");
    let (channel, mut third) = other;
    assert!(matches!(ended(&mut third), ConsumeError::NotRestored(_)));
    assert!(channel.is_open());
    assert_eq!(scene.report().skipped.len(), 1);
    scene.assert_consumes();
}

#[test]
fn refusal_may_end_the_attempt() {
    let judge = |_: &EntityFailure| OnFailure::Abort;
    let mut scene = scene_with(Recovery::new().on_failure(judge));
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match declares(method, "a") {
        true => Play::CloseChannel(403, "ACCESS_REFUSED"),
        false => Play::Usual,
    });
    scene.world.connect();
    scene.world.run();
    assert!(matches!(
        scene.world.pair.core.sequel(),
        Sequel::Redial { .. }
    ));
    scene.world.lose();
    scene.world.script = usual();
    scene.world.come_back();
    assert_eq!(scene.report().skipped.len(), 0);
    scene.assert_consumes();
}

#[test]
fn what_is_not_answered_ends_the_attempt_and_is_never_skipped() {
    for n in 0.. {
        let mut scene = scene();
        scene.world.lose();
        let mut left = n;
        let hit = std::rc::Rc::new(std::cell::Cell::new(false));
        let seen = std::rc::Rc::clone(&hit);
        scene.world.script = Box::new(move |number, _| {
            if number == 0 || seen.get() {
                return Play::Usual;
            }
            if left == 0 {
                seen.set(true);
                return Play::Silence;
            }
            left -= 1;
            Play::Usual
        });
        scene.world.connect();
        scene.world.run();
        if !hit.get() {
            assert!(n > 10);
            return;
        }
        if matches!(scene.world.pair.connection.state(), State::Open { .. }) {
            // What closes the plan's own channel is of no importance.
            continue;
        }
        scene.world.pass(Duration::from_secs(61));
        let sequel = scene.world.pair.core.sequel();
        assert!(matches!(sequel, Sequel::Redial { .. }), "frame {n}");
        scene.world.lose();
        scene.world.come_back();
        assert_eq!(scene.report().skipped.len(), 0, "frame {n}");
        scene.assert_consumes();
    }
}

#[test]
fn queue_whose_node_is_down_is_pending_and_its_consumer_comes_back_by_itself() {
    let mut scene = scene();
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match declares(method, "a") {
        true => Play::CloseChannel(
            404,
            "NOT_FOUND - queue 'a' in vhost '/' process is down or inaccessible",
        ),
        false => Play::Usual,
    });
    scene.world.come_back_pending();
    let state = scene.world.pair.connection.state();
    assert!(matches!(state, State::Open { pending: 2, .. }), "{state:?}");
    scene.world.pass(Duration::from_secs(20));
    let told = scene.told();
    let pending: Vec<_> = told
        .iter()
        .filter(|event| matches!(event, Event::Pending { .. }))
        .collect();
    assert_eq!(pending.len(), 1, "{pending:?}");
    scene.world.script = usual();
    scene.world.pass(Duration::from_secs(40));
    scene.world.assert_open();
    let told = scene.told();
    let restored = told.iter().any(|event| {
        matches!(event, Event::Restored { entity } if **entity == Entity::Queue("a".into()))
    });
    assert!(restored, "{told:?}");
    scene.assert_consumes();
}

/// Its channel is in use meanwhile, and must not be closed by a further refusal.
#[test]
fn consumer_that_is_refused_for_a_while_costs_its_channel_nothing_once_that_is_in_use() {
    for text in [
        "NOT_FOUND - queue 'a' in vhost '/' process is down or inaccessible",
        "ACCESS_REFUSED - queue 'a' in vhost '/' in exclusive use",
    ] {
        let code = if text.starts_with("NOT") { 404 } else { 403 };
        let mut scene = scene();
        scene.world.lose();
        let is_restored = std::rc::Rc::new(std::cell::Cell::new(false));
        let restored = std::rc::Rc::clone(&is_restored);
        let mut other = None;
        if code == 403 {
            // Another connection consumes from it.
            other = Some(scene.world.other_consumer("a"));
        }
        scene.world.script = Box::new(move |_, method| match method {
            Method::QueueDeclare(declare) if code == 404 && declare.passive => {
                Play::CloseChannel(code, text)
            }
            method if consumes(method, "a") => {
                assert!(!restored.get(), "asked for on a channel that is in use");
                Play::CloseChannel(code, text)
            }
            _ => Play::Usual,
        });
        scene.world.come_back_pending();
        scene.world.pass(Duration::from_millis(1600));
        is_restored.set(true);
        let state = scene.world.pair.connection.state();
        assert!(matches!(state, State::Open { pending: 1, .. }), "{state:?}");
        let channel = scene.channel.clone();
        scene
            .world
            .done(async move { channel.basic_publish("", "b", "body").await })
            .unwrap();
        scene.world.pass(Duration::from_secs(5));
        assert!(scene.channel.is_open());
        if let Some(other) = other {
            scene
                .world
                .kernel
                .disconnected(other, crate::tests::support::pair::now());
        }
        scene.world.script = usual();
        scene.world.pass(Duration::from_secs(35));
        scene.world.assert_open();
        let mut next = Task::new(scene.b.next());
        assert!(next.poll().is_ready());
        drop(next);
        scene.assert_consumes();
    }
}
