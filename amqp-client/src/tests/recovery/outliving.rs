//! A consumer that outlives the close of its channel by the broker: the channel is opened again for
//! it, and it subscribes again.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use amqp_spec::Method;
use amqp_spec::basic::Properties;

use super::scene::ended;
use crate::consume::{Resubscribe, Settled};
use crate::event::{Event, Events};
use crate::options::Recovery;
use crate::proto::recovery::State;
use crate::tests::support::comeback::{Comeback, Play, usual};
use crate::tests::support::pair::{now, quiet};
use crate::tests::support::task::{Task, done};
use crate::{
    Channel, ChannelError, ConsumeError, Consumer, Delivery, Message, Publisher, QueueDeclare,
};

/// A channel with confirm mode and two consumers, each of its queue, of which that of `a` outlives
/// the channel.
struct Scene {
    world: Comeback,
    events: Events,
    channel: Channel,
    publisher: Publisher,
    a: Option<Consumer>,
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
        let resubscribe = resubscribe.also_when_channel_closes();
        let (channel, publisher, a, b) = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let publisher = Publisher::new(channel.clone()).await.unwrap();
            let a = channel.consume("a").tag("one").prefetch(10);
            let a = a.resubscribe(resubscribe).await.unwrap();
            let b = channel.consume("b").tag("two").await.unwrap();
            (channel, publisher, a, b)
        });
        Self {
            world,
            events,
            channel,
            publisher,
            a: Some(a),
            b,
        }
    }

    fn publish(&mut self, body: &str) {
        let to = ("", "a");
        let body = body.as_bytes();
        self.world.kernel.publish("/", to, &Properties::new(), body);
        self.world.run();
    }

    fn a(&mut self) -> &mut Consumer {
        self.a.as_mut().expect("a consumer")
    }

    #[track_caller]
    fn next(&mut self) -> Delivery {
        self.world.run();
        done(self.a().next()).unwrap().unwrap()
    }

    /// Asks for a queue that is missing, over which the broker closes the channel.
    fn ask_for_what_is_missing(&self) -> Task<'static, ()> {
        let channel = self.channel.clone();
        let mut task = Task::new(async move {
            let declare = QueueDeclare::new("missing").passive();
            let _ = channel.queue_declare(declare).await;
        });
        let _ = task.poll();
        task
    }

    #[track_caller]
    fn close(&mut self) {
        let task = self.ask_for_what_is_missing();
        self.world.run();
        drop(task);
        assert!(!self.channel.is_open());
        assert!(self.channel.close_reason().is_some());
    }

    fn pending(&self) -> usize {
        match self.world.pair.connection.state() {
            State::Open { pending, .. } => pending,
            state => panic!("{state:?}"),
        }
    }

    fn told(&mut self) -> Vec<String> {
        let mut told = Vec::new();
        while let Poll::Ready(Some(event)) = Task::new(self.events.next()).poll() {
            told.push(match event {
                Event::ConsumerCancelled { .. } => "cancelled".to_owned(),
                Event::Pending { entity, .. } => format!("pending: {entity}"),
                Event::Restored { entity } => format!("restored: {entity}"),
                Event::NotRestored { entity, .. } => format!("not restored: {entity}"),
                Event::ChannelClosed { channel, .. } => format!("closed: {channel}"),
                _ => continue,
            });
        }
        told
    }

    /// The channel and the consumer are what they were.
    #[track_caller]
    fn assert_whole(&mut self, what: &str) {
        assert_eq!(self.pending(), 0, "{what}");
        assert!(self.channel.is_open(), "{what}");
        assert!(self.channel.close_reason().is_none(), "{what}");
        let tags = self.channel.consumer_tags();
        assert!(tags.contains(&"one".to_owned()), "{what}: {tags:?}");
        let publisher = self.publisher.clone();
        let publish = async move { publisher.publish("", "a", Message::new("new")).await };
        self.world.done(publish).unwrap();
        loop {
            let delivery = self.next();
            let is_new = delivery.body() == b"new";
            assert_eq!(delivery.ack().unwrap(), Settled::Queued, "{what}");
            if is_new {
                break;
            }
        }
        assert!(Task::new(self.a().next()).poll().is_pending(), "{what}");
        self.world.run();
        let id = self.channel.id();
        let at_broker = self.world.kernel.channel(self.world.client, id);
        let at_broker = at_broker.expect("a channel");
        assert_eq!(at_broker.unacked(), [0_u64; 0], "{what}");
        assert_eq!(at_broker.consumers().len(), tags.len(), "{what}");
        assert_eq!(self.publisher.outstanding(), 0, "{what}");
        let counters = self.world.pair.connection.counters();
        assert_eq!(counters.consumers, tags.len() as u64, "{what}");
        assert_eq!(counters.confirms_outstanding, 0, "{what}");
        self.world.pair.assert_idle();
        let client = self.world.kernel.connection(self.world.client).unwrap();
        assert_eq!(client.channels(), [id], "{what}: a channel is left");
    }
}

#[test]
fn channel_is_opened_again_for_a_consumer_that_outlives_it_and_for_no_other() {
    for recovery in [Recovery::new(), Recovery::off()] {
        let mut scene = Scene::with(recovery, Resubscribe::new());
        scene.publish("held");
        scene.publish("unseen");
        let held = scene.next();
        scene.close();
        assert_eq!(scene.pending(), 1);
        assert_eq!(scene.world.pair.connection.counters().consumers, 0);
        // All else is told as without it.
        assert!(held.ack().is_err());
        let publisher = scene.publisher.clone();
        let refused = done(publisher.publish("", "a", Message::new("refused")));
        assert!(refused.is_err());
        let end = ended(&mut scene.b);
        assert!(matches!(end, ConsumeError::Channel(_)), "{end}");
        let mut next = Task::start(scene.a.as_mut().unwrap().next());
        scene.world.pass(Duration::from_millis(240));
        assert!(!scene.channel.is_open());
        scene.world.pass(Duration::from_millis(262));
        for body in ["held", "unseen"] {
            let again = next.ready().unwrap().unwrap();
            assert_eq!(again.body(), body.as_bytes());
            assert!(again.redelivered() && again.is_current());
            assert_eq!(again.ack().unwrap(), Settled::Queued);
            drop(next);
            next = Task::new(scene.a.as_mut().unwrap().next());
        }
        drop(next);
        let told = scene.told();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[..2], ["closed: 1", "restored: channel 1"]);
        assert!(told[2].starts_with("restored: consumer"), "{told:?}");
        assert_eq!(scene.channel.consumer_tags(), ["one"]);
        assert!(done(scene.b.next()).is_none());
        scene.assert_whole("again");
        assert_eq!(scene.world.pair.connection.counters().resubscriptions, 1);
    }
}

/// Its queue is looked for before it is consumed from, so that the channel stays open.
#[test]
fn missing_queue_does_not_close_the_channel_again() {
    let mut scene = Scene::new();
    scene.world.kernel.delete_queue("/", "a");
    scene.close();
    scene.world.pass(Duration::from_secs(100));
    assert!(scene.channel.is_open());
    assert_eq!(scene.pending(), 1);
    let told = scene.told();
    let closed = told.iter().filter(|one| *one == "closed: 1").count();
    assert_eq!(closed, 1, "{told:?}");
    scene.world.kernel.declare_queue("/", "a");
    scene.world.pass(Duration::from_secs(31));
    scene.assert_whole("declared again");
}

#[test]
fn channel_that_is_closed_again_and_again_is_opened_ever_less_often_and_not_without_end() {
    let mut scene = Scene::with(Recovery::new(), Resubscribe::new().attempts(5));
    let n = Rc::<Cell<u32>>::default();
    let opened = Rc::clone(&n);
    scene.world.script = Box::new(move |_, method| {
        if matches!(method, Method::ChannelOpen(_)) {
            opened.set(opened.get() + 1);
        }
        match method {
            Method::BasicConsume(_) => Play::CloseChannel(403, "ACCESS_REFUSED - not you"),
            _ => Play::Usual,
        }
    });
    scene.close();
    let began = now();
    let mut end = None;
    while end.is_none() {
        scene.world.pass(Duration::from_millis(100));
        let mut next = Task::new(scene.a.as_mut().unwrap().next());
        if let Poll::Ready(next) = next.poll() {
            end = next.map(Result::unwrap_err);
        }
        assert!(now() - began < Duration::from_secs(100), "no end");
    }
    // 0.25 + 0.5 + 1 + 2 + 4 at least.
    let took = now() - began;
    assert!(took >= Duration::from_millis(7750), "{took:?}");
    // The channel, five times, and one to look for the queue.
    assert_eq!(n.get(), 6);
    assert!(matches!(end, Some(ConsumeError::Channel(_))), "{end:?}");
    assert_eq!(scene.pending(), 0);
}

#[test]
fn it_is_whole_wherever_the_stream_is_lost() {
    for budget in 0.. {
        let mut scene = Scene::new();
        scene.publish("held");
        let held = scene.next();
        let mut next = Task::start(scene.a.as_mut().unwrap().next());
        scene.world.budget = Some(budget);
        let channel = scene.channel.clone();
        let mut closing = Task::new(async move {
            let declare = QueueDeclare::new("missing").passive();
            let _ = channel.queue_declare(declare).await;
        });
        let _ = closing.poll();
        let mut complete = scene.world.run();
        for _ in 0..20 {
            scene.world.pair.advance(Duration::from_millis(100));
            complete &= scene.world.run();
        }
        drop(next.poll());
        drop(next);
        drop(closing);
        let what = format!("lost behind {budget}");
        scene.world.budget = None;
        scene.world.lose();
        scene.world.connect();
        scene.world.run();
        scene.world.pass(Duration::from_secs(40));
        scene.world.assert_open();
        // Where the close had not come, there was none.
        assert!(matches!(held.ack(), Ok(Settled::Stale)), "{what}");
        scene.assert_whole(&what);
        if complete {
            assert!(budget > 4, "{what}");
            break;
        }
    }
}

#[test]
fn program_may_end_it_at_each_step() {
    for how in [
        "cancel",
        "drop",
        "close channel",
        "close connection",
        "shutdown",
        "driver",
    ] {
        // At once, and when the channel has been opened again, if all of that has come.
        for (step, waited) in (0..10).flat_map(|step| [(step, 0), (step, 6)]) {
            let what = format!("{how} at step {step}, {waited}00 ms on");
            let mut scene = Scene::new();
            let asked = scene.ask_for_what_is_missing();
            scene.world.budget = Some(step);
            scene.world.run();
            for _ in 0..waited {
                scene.world.pair.advance(Duration::from_millis(100));
                scene.world.run();
            }
            scene.world.budget = None;
            drop(asked);
            let was_open = scene.channel.is_open();
            let connection = scene.world.pair.connection.clone();
            match how {
                "cancel" => {
                    let a = scene.a.as_ref().unwrap();
                    let mut cancelling = Task::new(a.cancel());
                    let mut cancelled = cancelling.poll();
                    if cancelled.is_pending() {
                        scene.world.pass(Duration::from_millis(10));
                        cancelled = cancelling.poll();
                    }
                    let Poll::Ready(cancelled) = cancelled else {
                        panic!("{what}: it is not answered");
                    };
                    drop(cancelling);
                    assert!(cancelled.is_ok() || was_open, "{what}: {cancelled:?}");
                }
                "drop" => drop(scene.a.take()),
                "close channel" => {
                    let closing = scene.channel.clone();
                    let _ = scene.world.done(async move { closing.close().await });
                }
                "close connection" => {
                    let _ = scene.world.done(async move { connection.close().await });
                }
                "shutdown" => {
                    let grace = Duration::from_secs(5);
                    let shutdown = async move { connection.shutdown(grace).await };
                    let _ = scene.world.done(shutdown);
                }
                _ => {
                    let error = crate::ConnectionError::DriverGone;
                    scene.world.pair.core.lost(error);
                }
            }
            if let Some(a) = &mut scene.a {
                let Poll::Ready(_) = Task::new(a.next()).poll() else {
                    panic!("{what}: the consumer goes on");
                };
            }
            if ["cancel", "drop", "close channel"].contains(&how) {
                scene.world.pass(Duration::from_secs(40));
                scene.world.assert_open();
                let id = scene.channel.id();
                let client = scene.world.kernel.connection(scene.world.client).unwrap();
                let is_open = client.channels() == [id];
                assert_eq!(is_open, scene.channel.is_open(), "{what}");
                assert!(client.channels().len() <= 1, "{what}");
                let tags = scene.channel.consumer_tags();
                assert!(!tags.contains(&"one".to_owned()), "{what}: {tags:?}");
            }
        }
    }
}

#[test]
fn program_may_open_the_channel_first() {
    let mut scene = Scene::new();
    scene.close();
    let channel = scene.channel.clone();
    let reopened = async move { channel.reopen().await };
    scene.world.done(reopened).unwrap();
    assert_eq!(scene.channel.consumer_tags(), ["one", "two"]);
    scene.world.pass(Duration::from_secs(2));
    scene.assert_whole("at once");
    // It outlives the channel as before.
    scene.close();
    scene.world.pass(Duration::from_secs(2));
    scene.assert_whole("again");
}

#[test]
fn channel_whose_number_another_one_has_ends_the_consumer() {
    let mut scene = Scene::new();
    scene.close();
    let (connection, id) = (scene.world.pair.connection.clone(), scene.channel.id());
    let other = async move { connection.open_channel_with_id(id).await };
    let other = scene.world.done(other).unwrap();
    scene.world.pass(Duration::from_secs(2));
    let ConsumeError::NotRestored(cause) = ended(scene.a()) else {
        panic!("another end");
    };
    assert!(
        matches!(cause, ChannelError::IdInUse { id: taken } if taken == id),
        "{cause}"
    );
    assert_eq!(scene.pending(), 0);
    assert!(other.is_open());
    assert!(other.consumer_tags().is_empty());
}

/// A cancelled consumer waits, and its channel is closed meanwhile.
#[test]
fn one_that_was_cancelled_outlives_the_channel_as_well() {
    let mut scene = Scene::new();
    scene.world.kernel.delete_queue("/", "a");
    scene.world.run();
    scene.world.pass(Duration::from_secs(5));
    scene.close();
    scene.world.pass(Duration::from_secs(60));
    assert!(scene.channel.is_open());
    assert_eq!(scene.pending(), 1);
    scene.world.kernel.declare_queue("/", "a");
    scene.world.pass(Duration::from_secs(31));
    scene.assert_whole("both");
    scene.world.script = usual();
}
