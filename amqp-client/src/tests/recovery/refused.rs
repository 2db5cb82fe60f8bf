//! What the broker refuses while a connection comes back, for good or for a while, or does not
//! answer.

use std::time::Duration;

use amqp_spec::{Method, basic, channel, queue};

use super::scene::{consumes, declares, ended, names, scene, scene_with};
use crate::QueueDeclare;
use crate::error::{ConsumeError, Entity, EntityFailure};
use crate::event::Event;
use crate::options::{OnFailure, Recovery};
use crate::proto::Sequel;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Play, usual};
use crate::tests::support::task::Task;
use crate::tests::support::wire;

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

/// Once it has to be found out, no consumer is asked for while another has no answer.
#[test]
fn consumers_are_asked_for_one_by_one_while_it_is_not_known_which_cost_the_connection() {
    let mut scene = scene();
    let connection = scene.world.pair.connection.clone();
    let _other = scene.world.done(async move {
        let other = connection.open_channel().await.unwrap();
        let queue = QueueDeclare::new("c").durable();
        other.queue_declare(queue).await.unwrap();
        let consumer = other.consume("c").tag("three").await.unwrap();
        (other, consumer)
    });
    scene.world.lose();
    // It does not say over what.
    scene.world.script = Box::new(|_, method| match method {
        Method::BasicConsume(_) if consumes(method, "c") => {
            Play::CloseConnection(503, "COMMAND_INVALID")
        }
        Method::BasicConsume(_) => Play::Stuck,
        _ => Play::Usual,
    });
    scene.world.connect();
    scene.world.run();
    assert!(matches!(
        scene.world.pair.core.sequel(),
        Sequel::Redial { .. }
    ));
    scene.world.script = Box::new(|_, method| {
        assert!(!consumes(method, "c"), "asked for beside another");
        match method {
            Method::BasicConsume(_) => Play::Stuck,
            _ => Play::Usual,
        }
    });
    scene.world.connect();
    scene.world.run();
    scene.world.pass(Duration::from_secs(20));
    scene.world.lose();
    scene.world.script = usual();
    scene.world.come_back();
    scene.assert_consumes();
}

/// A queue that has survived has kept its bindings.
#[test]
fn binding_that_is_refused_ends_the_consumers_of_a_queue_that_is_new() {
    for is_new in [false, true] {
        let mut scene = scene();
        let channel = scene.channel.clone();
        let mut consumer = scene.world.done(async move {
            let queue = QueueDeclare::new("e");
            let queue = match is_new {
                true => queue.exclusive(),
                false => queue.durable(),
            };
            channel.queue_declare(queue).await.unwrap();
            channel.queue_bind("e", "x", "e").await.unwrap();
            channel.consume("e").tag("three").await.unwrap()
        });
        scene.world.lose();
        scene.world.script = Box::new(|_, method| match method {
            Method::QueueBind(bind) if bind.queue == *"e" => {
                Play::CloseChannel(403, "ACCESS_REFUSED")
            }
            _ => Play::Usual,
        });
        scene.world.come_back();
        let skipped = scene.report().skipped;
        assert_eq!(
            skipped.len(),
            1 + usize::from(is_new),
            "{:?}",
            names(&skipped)
        );
        assert!(matches!(skipped[0].entity, Entity::Binding { .. }));
        match is_new {
            true => assert!(matches!(ended(&mut consumer), ConsumeError::NotRestored(_))),
            false => assert!(Task::new(consumer.next()).poll().is_pending()),
        }
        scene.assert_consumes();
    }
}

/// What stands beside it on other channels is neither skipped nor left for later.
#[test]
fn consumer_without_a_majority_leaves_those_of_other_channels_alone() {
    for offender in ["a", "c"] {
        let mut scene = scene();
        let connection = scene.world.pair.connection.clone();
        let (_other, mut third) = scene.world.done(async move {
            let other = connection.open_channel().await.unwrap();
            let queue = QueueDeclare::new("c").durable();
            other.queue_declare(queue).await.unwrap();
            let consumer = other.consume("c").tag("three").await.unwrap();
            (other, consumer)
        });
        scene.world.lose();
        scene.world.script = Box::new(move |_, method| match method {
            Method::BasicConsume(_) if consumes(method, offender) => {
                Play::CloseConnection(541, "INTERNAL_ERROR - timed out")
            }
            _ => Play::Usual,
        });
        let n = scene.attempts_pending();
        assert!(n <= 3, "{n}");
        let state = scene.world.pair.connection.state();
        assert!(matches!(state, State::Open { pending: 1, .. }), "{state:?}");
        let mut pending = scene.told().into_iter().filter_map(|event| match event {
            Event::Pending { entity, .. } => Some(entity.name().to_owned()),
            _ => None,
        });
        assert_eq!(pending.next().as_deref(), Some(offender));
        assert_eq!(pending.next(), None);
        assert!(Task::new(third.next()).poll().is_pending());
    }
}

const DOWN: &str = "NOT_FOUND - queue 'a' in vhost '/' process is down or inaccessible";

/// It was pending, and its queue is gone: asked for, it would cost the channel, which is in use.
#[test]
fn consumer_whose_queue_is_deleted_while_it_is_pending_ends_alone() {
    let mut scene = scene();
    scene.world.lose();
    scene.world.script = Box::new(|_, method| match method {
        Method::QueueDeclare(declare) if declare.passive => Play::CloseChannel(404, DOWN),
        method if consumes(method, "a") => Play::CloseChannel(404, DOWN),
        _ => Play::Usual,
    });
    scene.world.come_back_pending();
    scene.world.script = Box::new(|_, method| match method {
        Method::QueueDeclare(declare) if declare.passive => {
            Play::CloseChannel(404, "NOT_FOUND - no queue 'a' in vhost '/'")
        }
        method => {
            assert!(!consumes(method, "a"), "asked for");
            Play::Usual
        }
    });
    scene.world.pass(Duration::from_secs(60));
    scene.world.assert_open();
    assert!(matches!(ended(&mut scene.a), ConsumeError::NotRestored(_)));
    assert!(scene.channel.is_open());
    assert!(Task::new(scene.b.next()).poll().is_pending());
}

/// It is never left idle.
#[test]
fn consumer_that_is_pending_ends_with_its_channel() {
    for end in ["asked for", "a publish", "a close", "the end"] {
        let mut scene = scene();
        scene.world.lose();
        scene.world.script = Box::new(move |_, method| match method {
            Method::QueueDeclare(declare) if declare.passive && end != "asked for" => {
                Play::CloseChannel(404, DOWN)
            }
            method if consumes(method, "a") => Play::CloseChannel(404, DOWN),
            _ => Play::Usual,
        });
        scene.world.connect();
        scene.world.run();
        let channel = scene.channel.clone();
        match end {
            "asked for" => {}
            "a publish" => scene
                .world
                .done(async move { channel.basic_publish("missing", "", "?").await })
                .unwrap(),
            "a close" => scene
                .world
                .done(async move { channel.close().await })
                .unwrap(),
            _ => {
                let connection = scene.world.pair.connection.clone();
                scene
                    .world
                    .done(async move { connection.close().await })
                    .unwrap();
            }
        }
        scene.world.pass(Duration::from_secs(60));
        assert!(!scene.channel.is_open(), "{end}");
        let mut next = Task::new(scene.a.next());
        assert!(next.poll().is_ready(), "{end}: idle");
        drop(next);
        assert!(Task::new(scene.b.next()).poll().is_ready(), "{end}");
    }
}

/// The program has asked for it meanwhile; its channel is opened once more, and counts once.
#[test]
fn consumer_of_the_program_is_asked_for_again_if_its_channel_is_closed_over_nothing() {
    let mut scene = scene();
    scene.world.lose();
    let channel = scene.channel.clone();
    let starts = async move { channel.consume("b").tag("zzz").await };
    let mut starting = Task::start(starts);
    assert!(starting.run().is_pending());
    let mut is_first = true;
    scene.world.script = Box::new(move |_, method| match method {
        Method::BasicConsume(consume) if consume.consumer_tag == *"zzz" => {
            match std::mem::replace(&mut is_first, false) {
                true => Play::CloseWithoutBlame(406, "PRECONDITION_FAILED"),
                false => Play::Usual,
            }
        }
        _ => Play::Usual,
    });
    scene.world.come_back_pending();
    scene.world.assert_open();
    let _third = starting.ready().unwrap();
    let report = scene.report();
    assert!(report.skipped.is_empty(), "{:?}", names(&report.skipped));
    assert_eq!(
        (report.restored.channels, report.restored.consumers),
        (1, 2)
    );
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

/// Answers that nothing asked for, that come twice or on another channel, and a delivery.
fn wrong_answers() -> [Vec<u8>; 6] {
    let declared = queue::DeclareOk {
        queue: wire::short("a"),
        message_count: 0,
        consumer_count: 0,
    };
    let started = basic::ConsumeOk {
        consumer_tag: wire::short("two"),
    };
    [
        wire::method(1, &queue::BindOk {}),
        wire::method(1, &channel::OpenOk {}),
        wire::method(2, &channel::OpenOk {}),
        wire::method(2, &declared),
        wire::method(1, &started),
        wire::delivery(1, "one", 1, b"x"),
    ]
}

/// It may cost an attempt.
#[test]
fn everything_is_back_whatever_the_broker_says_amid_an_attempt() {
    for budget in 0.. {
        let mut complete = false;
        for (kind, wrong) in wrong_answers().into_iter().enumerate() {
            let mut scene = scene();
            scene.world.lose();
            scene.world.connect();
            scene.world.budget = Some(budget);
            complete = scene.world.run();
            scene.world.budget = None;
            if complete {
                break;
            }
            scene.world.pair.feed(&wrong);
            for _ in 0..12 {
                if matches!(scene.world.pair.core.sequel(), Sequel::Redial { .. }) {
                    scene.world.lose();
                    scene.world.connect();
                }
                scene.world.run();
                scene.world.pass(Duration::from_secs(31));
            }
            scene.world.assert_open();
            let model = scene.world.model().join(" ");
            let is_back = model.contains("one") && model.contains("two");
            assert!(is_back, "{budget} {kind}: {model}");
        }
        if complete {
            assert!(budget > 10);
            return;
        }
    }
}
