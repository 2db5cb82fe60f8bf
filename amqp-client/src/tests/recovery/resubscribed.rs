//! A consumer that the broker has cancelled subscribes again by itself, on its channel.

use std::cell::Cell;
use std::future::IntoFuture as _;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::basic::Properties;
use amqp_spec::{Method, basic, channel, queue};

use super::scene::ended;
use crate::consume::{Resubscribe, Settled};
use crate::event::{Event, Events};
use crate::options::Recovery;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Comeback, Play, usual};
use crate::tests::support::pair::{Pair, now, quiet};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ConsumeError, Consumer, Delivery, Message, QueueDeclare};

/// Queues `a` and `b` that the connection has not declared, and a consumer of each on one channel: that of `a`
/// subscribes again.
struct Scene {
    world: Comeback,
    events: Events,
    channel: Channel,
    a: Consumer,
    b: Consumer,
}

impl Scene {
    fn new() -> Self {
        Self::with(Recovery::new(), Resubscribe::new())
    }

    fn with(recovery: Recovery, resubscribe: Resubscribe) -> Self {
        let mut world = Comeback::with(quiet().recovery(recovery));
        world.kernel.declare_queue("/", "a");
        world.kernel.declare_queue("/", "b");
        let events = world.pair.connection.events();
        let connection = world.pair.connection.clone();
        let (channel, a, b) = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let a = channel.consume("a").tag("one").prefetch(10);
            let a = a.resubscribe(resubscribe).await.unwrap();
            let b = channel.consume("b").tag("two").await.unwrap();
            (channel, a, b)
        });
        Self {
            world,
            events,
            channel,
            a,
            b,
        }
    }

    fn publish(&mut self, queue: &str, body: &str) {
        self.world
            .kernel
            .publish("/", ("", queue), &Properties::new(), body.as_bytes());
        self.world.run();
    }

    #[track_caller]
    fn next(&mut self) -> Delivery {
        self.world.run();
        done(self.a.next()).unwrap().unwrap()
    }

    /// Another client deletes the queue.
    #[track_caller]
    fn delete(&mut self) {
        assert!(self.world.kernel.delete_queue("/", "a"));
        self.world.run();
    }

    fn declare(&mut self) {
        self.world.kernel.declare_queue("/", "a");
    }

    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Poll::Ready(Some(event)) = Task::new(self.events.next()).poll() {
            told.push(match event {
                Event::ConsumerCancelled { consumer_tag, .. } => {
                    format!("cancelled {consumer_tag}")
                }
                Event::Pending { entity, .. } => format!("pending {}", entity.name()),
                Event::Restored { entity } => format!("restored {}", entity.name()),
                Event::NotRestored { entity, .. } => format!("not restored {}", entity.name()),
                Event::ChannelClosed { .. } => "channel closed".to_owned(),
                Event::Lost { .. } => "lost".to_owned(),
                Event::Recovered(_) => "recovered".to_owned(),
                _ => continue,
            });
        }
        told
    }

    #[track_caller]
    fn assert_pending(&self, n: usize, what: &str) {
        let state = self.world.pair.connection.state();
        let pending = match state {
            State::Open { pending, .. } => pending,
            state => panic!("{what}: {state:?}"),
        };
        assert_eq!(pending, n, "{what}");
    }

    /// Both consumers get what is published, once, and nothing is left behind.
    #[track_caller]
    fn assert_whole(&mut self, what: &str) {
        self.assert_pending(0, what);
        assert!(self.channel.is_open(), "{what}");
        let mut tags = self.channel.consumer_tags();
        tags.sort_unstable();
        assert_eq!(tags, ["one", "two"], "{what}");
        assert_eq!(self.world.pair.connection.counters().consumers, 2, "{what}");
        self.publish("a", "new");
        self.publish("b", "new");
        loop {
            let delivery = self.next();
            let is_new = delivery.body() == b"new";
            assert_eq!(delivery.ack().unwrap(), Settled::Queued, "{what}");
            if is_new {
                break;
            }
        }
        let delivery = done(self.b.next()).unwrap().unwrap();
        assert_eq!(delivery.ack().unwrap(), Settled::Queued, "{what}");
        self.world.run();
        let at_broker = self
            .world
            .kernel
            .channel(self.world.client, self.channel.id());
        let at_broker = at_broker.expect("a channel");
        assert_eq!(at_broker.unacked(), [0_u64; 0], "{what}");
        assert_eq!(at_broker.consumers().len(), 2, "{what}");
        self.world.pair.assert_idle();
        let client = self.world.kernel.connection(self.world.client).unwrap();
        assert_eq!(client.channels().len(), 1, "{what}: a channel is left");
        assert!(Task::new(self.a.next()).poll().is_pending(), "{what}");
    }
}

fn probes(method: &Method<'_>) -> bool {
    matches!(method, Method::QueueDeclare(declare) if declare.passive && declare.queue == *"a")
}

/// Counts what the broker is asked.
fn counted(scene: &mut Scene, of: fn(&Method<'_>) -> bool) -> Rc<Cell<usize>> {
    let n = Rc::<Cell<usize>>::default();
    let counting = Rc::clone(&n);
    scene.world.script = Box::new(move |_, method| {
        counting.set(counting.get() + usize::from(of(method)));
        Play::Usual
    });
    n
}

#[test]
fn consumer_goes_on_with_its_tag_on_its_channel() {
    for recovery in [Recovery::new(), Recovery::off()] {
        let mut scene = Scene::with(recovery, Resubscribe::new());
        scene.publish("a", "held");
        scene.publish("b", "other");
        let held = scene.next();
        let other = done(scene.b.next()).unwrap().unwrap();
        scene.delete();
        scene.assert_pending(1, "cancelled");
        assert_eq!(scene.world.pair.connection.counters().consumers, 1);
        assert!(scene.channel.consumer_tags() == ["two"]);
        assert_eq!(scene.told(), ["cancelled one"]);
        let mut next = Task::start(scene.a.next());
        scene.world.kernel.declare_queue("/", "a");
        scene.world.pass(Duration::from_millis(249));
        scene
            .world
            .kernel
            .publish("/", ("", "a"), &Properties::new(), b"again");
        scene.world.pass(Duration::from_millis(252));
        let again = next.ready().unwrap().unwrap();
        drop(next);
        assert_eq!(again.body(), b"again");
        // What was under way on the channel is the program's to settle as before.
        assert_eq!(held.ack().unwrap(), Settled::Queued);
        assert_eq!(other.ack().unwrap(), Settled::Queued);
        assert_eq!(again.ack().unwrap(), Settled::Queued);
        assert_eq!(scene.told(), ["restored a"]);
        let counters = scene.world.pair.connection.counters();
        assert_eq!((counters.resubscriptions, counters.recoveries), (1, 0));
        scene.assert_whole("again");
    }
}

#[test]
fn missing_queue_costs_no_channel_and_is_looked_for_ever_less_often() {
    let mut scene = Scene::new();
    let n = counted(&mut scene, probes);
    scene.delete();
    let mut tries = Vec::new();
    let began = now();
    while tries.len() < 9 {
        scene.world.pass(Duration::from_millis(50));
        if n.get() > tries.len() {
            tries.push((now() - began).as_millis());
        }
    }
    let mut intervals = vec![tries[0]];
    intervals.extend(tries.windows(2).map(|pair| pair[1] - pair[0]));
    for (n, interval) in intervals.into_iter().enumerate() {
        let whole = (500_u128 << n).min(30_000);
        assert!(
            (whole / 2..=whole + 100).contains(&interval),
            "{n}: {interval}"
        );
    }
    scene.assert_pending(1, "missing");
    assert_eq!(scene.told(), ["cancelled one", "pending a"]);
    scene.declare();
    scene.world.pass(Duration::from_secs(31));
    assert_eq!(scene.told(), ["restored a"]);
    scene.world.script = usual();
    scene.assert_whole("declared again");
}

#[test]
fn it_ends_with_the_last_cause_when_it_was_tried_often_enough() {
    for recovery in [Recovery::new(), Recovery::off()] {
        // Whatever that says of entities that are not restored, the connection goes on.
        let recovery = recovery.on_failure(|_| crate::options::OnFailure::Abort);
        let mut scene = Scene::with(recovery, Resubscribe::new().attempts(3));
        let n = counted(&mut scene, probes);
        scene.delete();
        scene.world.pass(Duration::from_secs(100));
        assert_eq!(n.get(), 3);
        let ConsumeError::NotRestored(cause) = ended(&mut scene.a) else {
            panic!("another end");
        };
        assert_eq!(cause.reply_code().map(|code| code.0), Some(404));
        assert!(done(scene.a.next()).is_none());
        let told = scene.told();
        assert_eq!(told, ["cancelled one", "pending a", "not restored a"]);
        scene.assert_pending(0, "over");
        assert!(scene.channel.is_open());
        assert!(Task::new(scene.b.next()).poll().is_pending());
    }
}

#[test]
fn what_had_come_is_yielded_first_and_nothing_is_given_back() {
    let mut scene = Scene::new();
    for body in ["1", "2", "3"] {
        scene.publish("a", body);
    }
    let first = scene.next();
    let settles =
        |method: &Method<'_>| matches!(method, Method::BasicNack(_) | Method::BasicReject(_));
    let settled = counted(&mut scene, settles);
    scene.delete();
    scene.declare();
    scene.publish("a", "4");
    scene.world.pass(Duration::from_secs(60));
    // It has not taken what it has.
    scene.assert_pending(1, "it holds some");
    let n = counted(&mut scene, probes);
    let (second, third) = (scene.next(), scene.next());
    scene.world.pass(Duration::from_secs(60));
    assert_eq!((second.body(), third.body()), (&b"2"[..], &b"3"[..]));
    assert_eq!(n.get(), 0);
    let mut next = Task::start(scene.a.next());
    scene.world.pass(Duration::from_millis(1));
    let fourth = next.ready().unwrap().unwrap();
    drop(next);
    assert_eq!(fourth.body(), b"4");
    for delivery in [first, second, third, fourth] {
        assert_eq!(delivery.ack().unwrap(), Settled::Queued);
    }
    assert_eq!(settled.get(), 0);
    scene.world.script = usual();
    scene.assert_whole("taken");
}

/// As RabbitMQ 4.3 does with the consumer of a quorum queue that does not acknowledge in time: it
/// takes the message back, and counts neither that nor a `nack` towards the delivery limit.
#[test]
fn consumer_that_hangs_does_not_get_the_same_message_without_end() {
    let mut scene = Scene::new();
    scene.publish("a", "poison");
    let hangs = scene.next();
    let n = counted(&mut scene, probes);
    for _ in 0..5 {
        scene.delete();
        scene.declare();
        scene.publish("a", "poison");
        scene.world.pass(Duration::from_secs(60));
    }
    assert_eq!((n.get(), scene.a.buffered_count()), (0, 0));
    // Once it asks for the next, it gets that, once.
    drop(hangs);
    assert!(Task::new(scene.a.next()).poll().is_pending());
    for _ in 0..5 {
        scene.world.pass(Duration::from_secs(60));
        scene.delete();
        scene.declare();
        scene.publish("a", "poison");
    }
    assert_eq!((n.get(), scene.a.buffered_count()), (1, 1));
}

#[test]
fn consumer_that_is_cancelled_again_and_again_is_slowed_down() {
    let mut scene = Scene::with(Recovery::new(), Resubscribe::new().attempts(6));
    let n = counted(&mut scene, probes);
    let began = now();
    let mut ends = false;
    for _ in 0..6 {
        scene.delete();
        scene.declare();
        let before = n.get();
        while n.get() == before && !ends {
            let mut next = Task::new(scene.a.next());
            ends = next.poll().is_ready();
            drop(next);
            scene.world.pass(Duration::from_millis(100));
        }
        scene.world.run();
    }
    assert!(!ends);
    // 0.25 + 0.5 + 1 + 2 + 4 + 8 at least.
    assert!(
        now() - began > Duration::from_secs(15),
        "{:?}",
        now() - began
    );
    scene.delete();
    assert!(matches!(
        ended(&mut scene.a),
        ConsumeError::CancelledByBroker { .. }
    ));

    // One that has lived for long enough begins anew.
    let mut scene = Scene::with(Recovery::new(), Resubscribe::new().attempts(1));
    for _ in 0..4 {
        scene.delete();
        scene.declare();
        scene.world.pass(Duration::from_secs(11));
        scene.assert_whole("anew");
    }
}

/// The names of what was sent, with their channels.
fn names(pair: &mut Pair) -> Vec<String> {
    let words = |sent: String| sent.split(' ').take(2).collect::<Vec<_>>().join(" ");
    pair.sent().into_iter().map(words).collect()
}

#[test]
fn one_that_is_cancelled_right_behind_the_answer_is_tried_again() {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("a").tag("one");
    let consume = consume.resubscribe(Resubscribe::new());
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "one"));
    let consumer = starting.ready().unwrap();
    let cancel = wire::method(
        1,
        &basic::Cancel {
            consumer_tag: wire::short("one"),
            no_wait: true,
        },
    );
    pair.feed(&cancel);
    for round in 1..4 {
        pair.advance(Duration::from_secs(5));
        let sent = names(&mut pair);
        if round == 1 {
            assert_eq!(sent, ["2 channel.open"]);
            pair.says(2, &channel::OpenOk {});
            assert_eq!(names(&mut pair), ["2 queue.declare"]);
        } else {
            assert_eq!(sent, ["2 queue.declare"], "round {round}");
        }
        pair.says(2, &queue::DeclareOk::default());
        assert_eq!(names(&mut pair), ["1 basic.cancel"]);
        let consumer_tag = wire::short("one");
        pair.says(1, &basic::CancelOk { consumer_tag });
        assert_eq!(names(&mut pair), ["1 basic.qos", "1 basic.consume"]);
        pair.says(1, &basic::QosOk {});
        pair.feed(&[wire::consume_ok(1, "one"), cancel.clone()].concat());
        assert_eq!(pair.connection.counters().resubscriptions, round);
    }
    drop(consumer);
}

#[test]
fn it_is_whole_wherever_the_stream_is_lost() {
    for declared_before_the_loss in [true, false] {
        for budget in 0.. {
            let mut scene = Scene::new();
            scene.publish("a", "held");
            let held = scene.next();
            scene.world.kernel.delete_queue("/", "a");
            if declared_before_the_loss {
                scene.declare();
            }
            scene.world.budget = Some(budget);
            let mut complete = true;
            let mut waiting = Task::start(scene.a.next());
            for _ in 0..20 {
                scene.world.pair.advance(Duration::from_millis(100));
                complete &= scene.world.run();
            }
            let what = format!("lost behind {budget}, declared: {declared_before_the_loss}");
            assert!(waiting.poll().is_pending(), "{what}");
            drop(waiting);
            scene.world.budget = None;
            scene.world.lose();
            if !declared_before_the_loss {
                scene.world.connect();
                scene.world.run();
                if budget > 0 {
                    // The loss did not make it one that is missing for good, nor cost a channel.
                    scene.world.pass(Duration::from_secs(100));
                    scene.assert_pending(1, &what);
                    assert!(scene.channel.is_open(), "{what}");
                }
                scene.declare();
            } else {
                scene.world.connect();
                scene.world.run();
            }
            scene.world.pass(Duration::from_secs(31));
            if budget == 0 && !declared_before_the_loss {
                // It had not heard of the cancel: it is restored as any other, and is refused.
                assert!(matches!(ended(&mut scene.a), ConsumeError::NotRestored(_)));
                continue;
            }
            assert_eq!(held.ack().unwrap(), Settled::Stale, "{what}");
            scene.assert_whole(&what);
            if complete {
                assert!(budget > 2, "{what}");
                break;
            }
        }
    }
}

/// Its queue would be looked for amid what everything else waits for.
#[test]
fn nothing_is_asked_for_it_before_everything_else_is_back() {
    let mut scene = Scene::new();
    scene.delete();
    scene.world.pass(Duration::from_secs(5));
    scene.world.lose();
    let n = Rc::<Cell<usize>>::default();
    let counting = Rc::clone(&n);
    scene.world.script = Box::new(move |_, method| {
        counting.set(counting.get() + usize::from(probes(method)));
        match method {
            Method::BasicConsume(_) => Play::Silence,
            _ => Play::Usual,
        }
    });
    scene.world.connect();
    scene.world.run();
    scene.world.pass(Duration::from_secs(40));
    assert_eq!(n.get(), 0);
    scene.world.script = usual();
    scene.world.lose();
    scene.declare();
    scene.world.connect();
    scene.world.run();
    scene.world.pass(Duration::from_secs(31));
    scene.assert_whole("everything else");
}

#[test]
fn nothing_is_asked_for_behind_the_close_of_the_connection() {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("a").tag("one");
    let consume = consume.resubscribe(Resubscribe::new());
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "one"));
    let mut consumer = starting.ready().unwrap();
    let connection = pair.connection.clone();
    let mut closing = Task::start(connection.close());
    assert_eq!(names(&mut pair), ["0 connection.close"]);
    let cancel = basic::Cancel {
        consumer_tag: wire::short("one"),
        no_wait: true,
    };
    pair.feed(&wire::method(1, &cancel));
    assert!(matches!(
        ended(&mut consumer),
        ConsumeError::CancelledByBroker { .. }
    ));
    pair.advance(Duration::from_secs(1));
    assert_eq!(names(&mut pair), [""; 0]);
    assert!(closing.poll().is_pending());
}

/// What was buffered comes again on the next stream, and is yielded once.
#[test]
fn what_it_held_at_a_loss_is_stale() {
    let mut scene = Scene::new();
    scene.publish("a", "unseen");
    let cancel = basic::Cancel {
        consumer_tag: wire::short("one"),
        no_wait: true,
    };
    scene.world.pair.feed(&wire::method(1, &cancel));
    assert_eq!(scene.a.buffered_count(), 1);
    scene.world.lose();
    assert_eq!(scene.a.buffered_count(), 0);
    scene.world.connect();
    scene.world.run();
    scene.world.pass(Duration::from_secs(2));
    let delivery = scene.next();
    assert_eq!(delivery.body(), b"unseen");
    assert!(delivery.redelivered());
    assert_eq!(delivery.ack().unwrap(), Settled::Queued);
    scene.assert_whole("after");
}

#[test]
fn cancel_drop_and_close_end_it_at_each_step() {
    for how in [
        "cancel",
        "drop",
        "close channel",
        "close connection",
        "shutdown",
    ] {
        for (step, missing) in (0..8).flat_map(|step| [(step, false), (step, true)]) {
            let what = format!("{how} at step {step}, missing: {missing}");
            let mut scene = Scene::new();
            scene.world.kernel.delete_queue("/", "a");
            if !missing {
                scene.declare();
            }
            scene.world.run();
            scene.world.pair.advance(Duration::from_millis(500));
            scene.world.budget = Some(step);
            scene.world.run();
            scene.world.budget = None;
            let Scene {
                mut world,
                channel,
                mut a,
                b,
                ..
            } = scene;
            let connection = world.pair.connection.clone();
            match how {
                "cancel" => {
                    let mut cancelling = Task::new(a.cancel());
                    let _ = cancelling.poll();
                    world.pass(Duration::from_millis(10));
                    cancelling.ready().unwrap();
                    drop(cancelling);
                    assert!(done(a.next()).is_none(), "{what}");
                }
                "drop" => drop(a),
                "close channel" => {
                    let closing = channel.clone();
                    world.done(async move { closing.close().await }).unwrap();
                    assert!(done(a.next()).is_none(), "{what}");
                }
                "close connection" => {
                    let closing = connection.clone();
                    world.done(async move { closing.close().await }).unwrap();
                    assert!(done(a.next()).is_none(), "{what}");
                }
                _ => {
                    let closing = connection.clone();
                    let grace = Duration::from_secs(5);
                    let report = world.done(async move { closing.shutdown(grace).await });
                    assert!(report.is_clean(), "{what}: {report:?}");
                    assert!(done(a.next()).is_none(), "{what}");
                }
            }
            if how.contains("connection") || how == "shutdown" {
                assert!(connection.close_reason().is_some(), "{what}");
                continue;
            }
            world.pass(Duration::from_secs(40));
            world.assert_open();
            let expected: &[&str] = if how == "close channel" {
                &[]
            } else {
                &["two"]
            };
            assert_eq!(channel.consumer_tags(), expected, "{what}");
            let n_channels = usize::from(how != "close channel");
            let client = world.kernel.connection(world.client).unwrap();
            assert_eq!(client.channels().len(), n_channels, "{what}");
            drop(b);
        }
    }
}

#[test]
fn while_the_connection_is_shut_down_a_cancelled_consumer_ends() {
    let mut scene = Scene::new();
    scene.publish("a", "held");
    let held = scene.next();
    let connection = scene.world.pair.connection.clone();
    let mut shutting = Task::new(connection.shutdown(Duration::from_secs(5)));
    assert!(shutting.poll().is_pending());
    scene.world.kernel.delete_queue("/", "a");
    scene.world.run();
    let _ = held.ack();
    scene.world.pass(Duration::from_secs(1));
    assert!(shutting.ready().is_clean());
    assert!(done(scene.a.next()).is_none());
}

/// A channel that is closed takes a consumer along that waits; opened again, it comes back.
#[test]
fn it_ends_with_its_channel_and_comes_back_with_it() {
    let mut scene = Scene::new();
    scene.delete();
    let channel = scene.channel.clone();
    let missing = async move {
        let declare = QueueDeclare::new("missing").passive();
        channel.queue_declare(declare).await
    };
    scene.world.done(missing).unwrap_err();
    assert!(matches!(ended(&mut scene.a), ConsumeError::Channel(_)));
    scene.world.pass(Duration::from_secs(60));
    scene.assert_pending(0, "closed");
    scene.declare();
    let channel = scene.channel.clone();
    scene
        .world
        .done(async move { channel.reopen().await })
        .unwrap();
    scene.assert_whole("opened again");
    // And it subscribes again as before.
    scene.delete();
    scene.declare();
    scene.world.pass(Duration::from_secs(1));
    scene.assert_whole("again");
}

/// The broker does not answer, or the channels are all in use: it is waited for.
#[test]
fn silence_costs_nothing_else() {
    for silent in ["channel.open", "queue.declare", "basic.consume"] {
        let mut scene = Scene::new();
        scene.world.script = Box::new(move |_, method| match method.name() == silent {
            true if silent == "basic.consume" => Play::Silence,
            true => Play::Stuck,
            false => Play::Usual,
        });
        scene.delete();
        scene.declare();
        scene.world.pass(Duration::from_secs(400));
        scene.assert_pending(1, silent);
        assert!(!scene.told().contains(&"lost".to_owned()), "{silent}");
        assert!(scene.channel.is_open(), "{silent}");
        scene.publish("b", "new");
        let delivery = done(scene.b.next()).unwrap().unwrap();
        delivery.ack().unwrap();
        scene.world.run();
        // On the next stream it comes back.
        scene.world.script = usual();
        scene.world.lose();
        scene.world.connect();
        scene.world.run();
        scene.world.pass(Duration::from_secs(60));
        scene.assert_whole(silent);
    }
}

#[test]
fn without_it_a_cancelled_consumer_ends_and_its_tag_is_free() {
    let mut scene = Scene::new();
    scene.world.kernel.delete_queue("/", "b");
    scene.world.run();
    let end = ended(&mut scene.b);
    assert!(
        matches!(end, ConsumeError::CancelledByBroker { .. }),
        "{end}"
    );
    scene.assert_pending(0, "ended");
    scene.world.kernel.declare_queue("/", "b");
    let channel = scene.channel.clone();
    let again = async move { channel.consume("b").tag("two").await };
    scene.b = scene.world.done(again).unwrap();
    scene.assert_whole("again");
}

#[test]
fn options_that_cannot_be_meant_are_refused() {
    let mut scene = Scene::new();
    let zero = Duration::ZERO..=Duration::from_secs(1);
    let turned = Duration::from_secs(2)..=Duration::from_secs(1);
    for resubscribe in [
        Resubscribe::new().attempts(0),
        Resubscribe::new().delays(zero),
        Resubscribe::new().delays(turned),
    ] {
        let channel = scene.channel.clone();
        let refused = async move { channel.consume("a").resubscribe(resubscribe).await };
        let refused = scene.world.done(refused).unwrap_err();
        assert!(refused.to_string().contains("resubscribe"), "{refused}");
    }
    let _ = Message::new("");
}
