//! What costs the connection to ask for, or has no answer: everything else comes back first.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use amqp_spec::Method;

use super::scene::{Scene, consumes, declares, ended, scene, scene_with};
use crate::error::ConsumeError;
use crate::event::Event;
use crate::options::Recovery;
use crate::proto::Sequel;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Play, Script, usual};
use crate::tests::support::pair::now;
use crate::tests::support::task::Task;

/// The broker closes the connection over one of these, and notes how often.
fn no_majority(of: fn(&Method<'_>) -> bool, n: &Rc<Cell<usize>>) -> Script {
    let n = Rc::clone(n);
    Box::new(move |_, method| match of(method) {
        true => {
            n.set(n.get() + 1);
            Play::CloseConnection(
                541,
                "INTERNAL_ERROR - timed out consuming from quorum queue",
            )
        }
        false => Play::Usual,
    })
}

/// The broker does not answer one of these, nor what is behind it, and notes how often.
fn silence(of: fn(&Method<'_>) -> bool, n: &Rc<Cell<usize>>) -> Script {
    let n = Rc::clone(n);
    Box::new(move |_, method| match of(method) {
        true => {
            n.set(n.get() + 1);
            Play::Stuck
        }
        false => Play::Usual,
    })
}

fn declares_a(method: &Method<'_>) -> bool {
    declares(method, "a")
}

fn declares_x(method: &Method<'_>) -> bool {
    declares(method, "x")
}

fn binds_a(method: &Method<'_>) -> bool {
    matches!(method, Method::QueueBind(bind) if bind.queue == *"a")
}

fn consumes_a(method: &Method<'_>) -> bool {
    consumes(method, "a")
}

impl Scene {
    #[track_caller]
    fn n_pending(&self) -> usize {
        match self.world.pair.connection.state() {
            State::Open { pending, .. } => pending,
            state => panic!("{state:?}"),
        }
    }

    fn is_open(&self) -> bool {
        matches!(self.world.pair.connection.state(), State::Open { .. })
    }

    /// Time passes until the connection is lost; says how much.
    #[track_caller]
    fn until_lost(&mut self) -> Duration {
        let began = now();
        while self.is_open() {
            self.world.pass(Duration::from_secs(1));
            assert!(now() - began < Duration::from_secs(4000), "it is not lost");
        }
        now() - began
    }
}

#[test]
fn queue_without_a_majority_is_pending_and_costs_the_connection_less_and_less_often() {
    for (of, names) in [
        (declares_a as fn(&Method<'_>) -> bool, 2),
        (binds_a, 2),
        (consumes_a, 1),
    ] {
        let n = Rc::default();
        let mut scene = scene();
        scene.world.lose();
        scene.world.script = no_majority(of, &n);
        assert_eq!(scene.attempts_pending(), 2);
        assert_eq!((n.get(), scene.n_pending()), (1, names));
        assert_eq!(scene.report().skipped.len(), 0);
        let mut intervals = Vec::new();
        for _ in 0..6 {
            intervals.push(scene.until_lost().as_secs());
            assert_eq!(scene.attempts_pending(), 1);
            assert_eq!(scene.n_pending(), names);
            scene.assert_consumes_b();
        }
        assert_eq!(intervals, [30, 60, 120, 240, 300, 300]);
        assert_eq!(n.get(), 7);
        scene.told();
        scene.world.script = usual();
        scene.world.pass(Duration::from_secs(301));
        scene.world.assert_open();
        let told = scene.told();
        let restored = told
            .iter()
            .filter(|event| matches!(event, Event::Restored { .. }));
        assert_eq!(restored.count(), 1, "{told:?}");
        scene.assert_consumes();
        // What is known of it is forgotten.
        scene.world.lose();
        scene.world.come_back();
        scene.assert_consumes();
    }
}

/// Its queue was pending, and nothing waits for it any more.
#[test]
fn silence_about_what_comes_back_late_costs_nothing_else() {
    let n = Rc::default();
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
    scene.world.script = silence(consumes_a, &n);
    scene.world.pass(Duration::from_secs(400));
    assert_eq!((n.get(), scene.n_pending()), (1, 1));
    let told = scene.told();
    let losses = told
        .iter()
        .filter(|event| matches!(event, Event::Lost { .. }));
    assert_eq!(losses.count(), 1, "{told:?}");
    scene.world.script = usual();
    scene.world.lose();
    scene.world.come_back();
    scene.assert_consumes();
}

#[test]
fn patience_with_a_queue_without_a_majority_may_end() {
    for of in [declares_a as fn(&Method<'_>) -> bool, consumes_a] {
        let n = Rc::default();
        let patience = Duration::from_secs(100);
        let mut scene = scene_with(Recovery::new().entity_patience(patience));
        scene.world.lose();
        scene.world.script = no_majority(of, &n);
        scene.attempts_pending();
        for _ in 0..2 {
            scene.until_lost();
            scene.attempts_pending();
            scene.told();
        }
        scene.until_lost();
        scene.attempts_pending();
        scene.world.assert_open();
        assert!(!scene.report().skipped.is_empty());
        assert!(matches!(ended(&mut scene.a), ConsumeError::NotRestored(_)));
        assert!(Task::new(scene.b.next()).poll().is_pending());
    }
}

#[test]
fn what_has_no_answer_twice_in_a_row_is_left_until_everything_else_is_back() {
    for (of, pending, b_is_back) in [
        (declares_a as fn(&Method<'_>) -> bool, 2, true),
        (declares_x, 3, false),
        (binds_a, 2, true),
        (consumes_a, 1, true),
    ] {
        let n = Rc::default();
        let mut scene = scene();
        scene.world.lose();
        scene.world.script = silence(of, &n);
        for _ in 0..2 {
            scene.world.connect();
            scene.world.run();
            scene.world.pass(Duration::from_secs(61));
            assert!(matches!(
                scene.world.pair.core.sequel(),
                Sequel::Redial { .. }
            ));
            scene.world.lose();
        }
        let mut told = scene.told();
        scene.world.come_back_pending();
        assert_eq!((n.get(), scene.n_pending()), (2, pending));
        // Tried again, that costs nothing else.
        scene.world.pass(Duration::from_secs(400));
        assert!(n.get() > 2);
        assert_eq!(scene.n_pending(), pending);
        told.extend(scene.told());
        let losses = told
            .iter()
            .filter(|event| matches!(event, Event::Lost { .. }));
        assert_eq!(losses.count(), 1, "{told:?}");
        if b_is_back {
            scene.assert_consumes_b();
        }
    }
}

/// Which would cost the connection once for each.
#[test]
fn of_a_queue_without_a_majority_all_consumers_are_left() {
    let n = Rc::default();
    let mut scene = scene();
    let connection = scene.world.pair.connection.clone();
    let _other = scene.world.done(async move {
        let other = connection.open_channel().await.unwrap();
        let consumer = other.consume("a").tag("three").await.unwrap();
        (other, consumer)
    });
    scene.world.lose();
    scene.world.script = no_majority(consumes_a, &n);
    let attempts = scene.attempts_pending();
    assert_eq!(scene.n_pending(), 2);
    assert!(
        attempts <= 3 && n.get() == attempts - 1,
        "{attempts} {}",
        n.get()
    );
    scene.world.script = usual();
    scene.world.pass(Duration::from_secs(120));
    scene.world.assert_open();
    scene.assert_consumes();
}
