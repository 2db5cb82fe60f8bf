//! A channel that the broker has closed is opened again: what it was it is, and what was under way
//! has been told.

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use amqp_spec::basic::Properties;
use amqp_spec::{Method, basic, channel, field_table};

use crate::consume::{NextWithin, QosScope, Settled, StreamOffset};
use crate::tests::support::comeback::{Comeback, Play, usual};
use crate::tests::support::pair::Pair;
use crate::tests::support::schedule::{Model, explore};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{
    Channel, ChannelError, ConnectionError, ConsumeError, Consumer, Delivery, Message, Publisher,
    QueueDeclare,
};

/// A channel with confirm mode, a limit of its own and two consumers, each of its queue.
struct Scene {
    world: Comeback,
    channel: Channel,
    publisher: Publisher,
    consumers: Vec<Consumer>,
}

impl Scene {
    fn new() -> Self {
        let mut world = Comeback::new();
        let connection = world.pair.connection.clone();
        let (channel, publisher, consumers) = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            for name in ["a", "b"] {
                let declare = QueueDeclare::new(name).durable();
                channel.queue_declare(declare).await.unwrap();
            }
            channel.basic_qos(7, QosScope::Consumer).await.unwrap();
            let publisher = Publisher::new(channel.clone()).await.unwrap();
            let a = channel.consume("a").tag("one").await.unwrap();
            let b = channel.consume("b").prefetch(3).await.unwrap();
            (channel, publisher, vec![a, b])
        });
        Self {
            world,
            channel,
            publisher,
            consumers,
        }
    }

    #[track_caller]
    fn publish(&mut self, queue: &'static str, body: &'static str) {
        let publisher = self.publisher.clone();
        let publish = async move { publisher.publish("", queue, Message::new(body)).await };
        self.world.done(publish).unwrap();
        self.world.run();
    }

    /// The next delivery of a consumer.
    #[track_caller]
    fn next(&mut self, consumer: usize) -> Delivery {
        self.world.run();
        done(self.consumers[consumer].next()).unwrap().unwrap()
    }

    /// The broker closes the channel over a queue that is missing.
    #[track_caller]
    fn close(&mut self) {
        let channel = self.channel.clone();
        let missing = async move {
            let declare = QueueDeclare::new("missing").passive();
            channel.queue_declare(declare).await
        };
        let error = self.world.done(missing).unwrap_err();
        assert_eq!(error.reply_code().map(|code| code.0), Some(404));
        self.world.run();
        assert!(!self.channel.is_open());
    }

    #[track_caller]
    fn reopen(&mut self) -> Result<(), ChannelError> {
        let channel = self.channel.clone();
        let reopened = self.world.done(async move { channel.reopen().await });
        self.world.run();
        reopened
    }

    /// Everything works that worked before.
    #[track_caller]
    fn assert_whole(&mut self, what: &str) {
        assert!(self.channel.is_open(), "{what}");
        assert!(self.channel.close_reason().is_none(), "{what}");
        let number = self.publisher.next_sequence_number().unwrap();
        for (n, queue) in ["a", "b"].into_iter().enumerate() {
            self.publish(queue, "new");
            loop {
                let delivery = self.next(n);
                let is_new = delivery.body() == b"new";
                assert_eq!(delivery.ack().unwrap(), Settled::Queued, "{what}");
                if is_new {
                    break;
                }
            }
        }
        self.world.run();
        let next = self.publisher.next_sequence_number().unwrap();
        assert_eq!(next, number + 2, "{what}");
        assert_eq!(self.publisher.outstanding(), 0, "{what}");
        let counters = self.world.pair.connection.counters();
        assert_eq!(counters.confirms_outstanding, 0, "{what}");
        assert_eq!(counters.consumers, 2, "{what}");
        let id = self.channel.id();
        let at_broker = self.world.kernel.channel(self.world.client, id).unwrap();
        assert_eq!(at_broker.unacked(), [0_u64; 0], "{what}");
        self.world.pair.assert_idle();
    }
}

#[test]
fn channel_is_what_it_was() {
    let mut scene = Scene::new();
    let model = scene.world.model();
    scene.publish("a", "old");
    scene.publish("a", "unseen");
    scene.publish("b", "other");
    let held = scene.next(0);
    let other = scene.next(1);
    scene.close();
    assert!(held.ack().is_err());
    // One has told its end, the other has not, and never will.
    let end = done(scene.consumers[0].next()).unwrap().unwrap_err();
    assert!(
        matches!(end, ConsumeError::Channel(ChannelError::ClosedByBroker(_))),
        "{end}"
    );
    assert!(done(scene.consumers[0].next()).is_none());
    scene.reopen().unwrap();
    assert_eq!(scene.world.model(), model);
    assert_eq!(other.ack().unwrap(), Settled::Stale);
    for body in ["old", "unseen"] {
        let again = scene.next(0);
        assert_eq!(again.body(), body.as_bytes());
        assert!(again.redelivered() && again.is_current());
        assert!(again.delivery_tag() > 3, "{}", again.delivery_tag());
        assert_eq!(again.ack().unwrap(), Settled::Queued);
    }
    scene.assert_whole("once");
    // And once more.
    scene.close();
    scene.reopen().unwrap();
    scene.assert_whole("twice");
}

#[test]
fn its_limits_are_said_again_in_front_of_its_consumers() {
    let mut scene = Scene::new();
    scene.close();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    scene.world.script = Box::new(move |_, method| {
        let words = match method {
            Method::BasicQos(qos) => format!("basic.qos {}", qos.prefetch_count),
            other => other.name().to_owned(),
        };
        heard.lock().unwrap().push(words);
        Play::Usual
    });
    scene.reopen().unwrap();
    let expected = [
        "channel.open",
        "confirm.select",
        "basic.qos 7",
        "basic.qos 3",
        "basic.consume",
        "basic.qos 7",
        "basic.consume",
    ];
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    let mut said = std::mem::take(&mut *said.lock().unwrap());
    assert_eq!(said[..3], ["channel.open", "confirm.select", "basic.qos 7"]);
    said.sort_unstable();
    // A limit that holds already is not said twice.
    assert!(said.len() + 1 >= expected.len(), "{said:?}");
    scene.world.script = usual();
    scene.assert_whole("after");
}

#[test]
fn it_is_whole_wherever_the_stream_is_lost_while_it_is_opened() {
    for drops in [false, true] {
        for budget in 0.. {
            let mut scene = Scene::new();
            let model = scene.world.model();
            scene.publish("a", "old");
            scene.close();
            scene.world.budget = Some(budget);
            let channel = scene.channel.clone();
            let mut reopening = Some(Task::start(async move { channel.reopen().await }));
            let complete = scene.world.run();
            if drops {
                // It goes on by itself.
                reopening = None;
            }
            scene.world.budget = None;
            if !complete {
                scene.world.lose();
                scene.world.come_back();
            }
            let what = format!("lost behind {budget}, dropped: {drops}");
            if let Some(reopening) = &mut reopening {
                let Poll::Ready(reopened) = reopening.run() else {
                    panic!("{what}: pending");
                };
                assert!(reopened.is_ok(), "{what}: {reopened:?}");
            }
            drop(reopening);
            assert_eq!(scene.world.model(), model, "{what}");
            scene.assert_whole(&what);
            if complete {
                assert!(budget > 5, "{budget}");
                break;
            }
        }
    }
}

#[test]
fn while_the_connection_is_down_it_waits_for_the_next_stream() {
    let mut scene = Scene::new();
    let model = scene.world.model();
    scene.close();
    scene.world.lose();
    let channel = scene.channel.clone();
    let mut reopening = Task::start(async move { channel.reopen().await });
    scene.world.come_back();
    reopening.ready().unwrap();
    assert_eq!(scene.world.model(), model);
    scene.assert_whole("on the next stream");

    // One that is closed when the connection comes back stays so, and can be opened afterwards.
    scene.close();
    scene.world.lose();
    scene.world.come_back();
    assert!(!scene.channel.is_open());
    scene.reopen().unwrap();
    scene.assert_whole("behind the next stream");
}

#[test]
fn what_is_refused_again_closes_it_again() {
    let mut scene = Scene::new();
    scene.close();
    let _ = done(scene.consumers[1].next());
    scene.world.kernel.delete_queue("/", "b");
    for _ in 0..3 {
        let error = scene.reopen().unwrap_err();
        let close = error.broker_close().expect("a close");
        assert!(close.to_string().contains("'b'"), "{close}");
        assert!(!scene.channel.is_open());
        let end = done(scene.consumers[1].next()).unwrap();
        assert!(end.is_err(), "{end:?}");
    }
    scene.world.kernel.declare_queue("/", "b");
    scene.reopen().unwrap();
    scene.assert_whole("declared again");

    scene.close();
    scene.world.kernel.delete_queue("/", "b");
    drop(scene.consumers.pop());
    scene.reopen().unwrap();
    scene.publish("a", "new");
    assert_eq!(scene.next(0).body(), b"new");
    assert_eq!(scene.channel.consumer_tags(), ["one"]);
}

#[test]
fn one_that_is_open_stays_as_it_is_and_one_that_the_program_has_closed_stays_closed() {
    let mut scene = Scene::new();
    let held = {
        scene.publish("a", "held");
        scene.next(0)
    };
    scene.reopen().unwrap();
    assert_eq!(held.ack().unwrap(), Settled::Queued);
    scene.assert_whole("open");

    let channel = scene.channel.clone();
    let mut closing = Task::start(async move { channel.close().await });
    let refused = done(scene.channel.reopen());
    assert!(matches!(refused, Err(ChannelError::Closed)), "{refused:?}");
    scene.world.run();
    closing.ready().unwrap();
    let refused = done(scene.channel.reopen());
    assert!(matches!(refused, Err(ChannelError::Closed)), "{refused:?}");

    let mut scene = Scene::new();
    scene.close();
    let connection = scene.world.pair.connection.clone();
    scene
        .world
        .done(async move { connection.close().await })
        .unwrap();
    let refused = done(scene.channel.reopen()).unwrap_err();
    assert!(
        matches!(refused, ChannelError::Connection(ConnectionError::Closed)),
        "{refused}"
    );
}

#[test]
fn its_number_may_be_that_of_another_channel() {
    let mut scene = Scene::new();
    scene.close();
    let (connection, id) = (scene.world.pair.connection.clone(), scene.channel.id());
    let other = async move { connection.open_channel_with_id(id).await };
    let other = scene.world.done(other).unwrap();
    let refused = done(scene.channel.reopen());
    assert!(
        matches!(refused, Err(ChannelError::IdInUse { id: taken }) if taken == id),
        "{refused:?}"
    );
    assert!(other.is_open());
    let closing = other;
    scene
        .world
        .done(async move { closing.close().await })
        .unwrap();
    // It has been another channel's since.
    assert!(done(scene.channel.reopen()).is_err());
}

#[test]
fn two_tasks_open_it_once() {
    let mut scene = Scene::new();
    let model = scene.world.model();
    scene.close();
    let mut tasks: Vec<_> = (0..2)
        .map(|_| {
            let channel = scene.channel.clone();
            Task::new(async move { channel.reopen().await })
        })
        .collect();
    assert!(tasks[0].poll().is_pending());
    // It is on its way.
    assert!(tasks[1].ready().is_ok());
    scene.world.run();
    tasks[0].ready().unwrap();
    assert_eq!(scene.world.model(), model);
    scene.assert_whole("once");
}

#[test]
fn half_a_transaction_is_not_committed() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let channel = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("orders").durable();
        channel.queue_declare(declare).await.unwrap();
        channel.tx_select().await.unwrap();
        channel
    });
    let transacting = channel.clone();
    world.done(async move {
        transacting
            .basic_publish("", "orders", "first half")
            .await
            .unwrap();
        let missing = QueueDeclare::new("missing").passive();
        transacting.queue_declare(missing).await.unwrap_err();
        transacting.reopen().await.unwrap();
        let refused = transacting.basic_publish("", "orders", "second half").await;
        assert!(matches!(refused, Err(ChannelError::TransactionLost)));
        transacting.tx_rollback().await.unwrap();
        transacting
            .basic_publish("", "orders", "whole")
            .await
            .unwrap();
        transacting.tx_commit().await.unwrap();
    });
    assert_eq!(world.kernel.queue("/", "orders").unwrap().ready(), 1);
    assert!(channel.is_open());
}

#[test]
fn stream_is_read_on_behind_what_was_yielded() {
    let (mut pair, channel) = Pair::with_channel();
    let consume = channel.consume("s").tag("c").offset(StreamOffset::First);
    let mut starting = Task::start(consume.into_future());
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::consume_ok(1, "c"));
    let mut consumer = starting.ready().unwrap();
    let headers = field_table! { "x-stream-offset" => 41_i64 };
    let properties = Properties::new().headers(headers.as_ref());
    let deliver = wire::method(1, &wire::deliver("c", 1));
    pair.feed(&[deliver, wire::header_with(1, 0, properties.as_ref())].concat());
    let read = done(consumer.next()).unwrap().unwrap();
    pair.feed(&wire::channel_close(1));
    pair.sent();
    let mut reopening = Task::start(channel.reopen());
    let written = pair.sent_octets();
    pair.says(1, &channel::OpenOk {});
    pair.says(1, &basic::QosOk {});
    let written = [written, pair.sent_octets()].concat();
    let (frames, _) = wire::frames(&written);
    let consume = frames
        .iter()
        .find_map(|frame| match Method::decode(frame.payload) {
            Ok(Method::BasicConsume(consume)) => Some(consume),
            _ => None,
        });
    let offset = consume.unwrap().arguments.get("x-stream-offset").unwrap();
    assert_eq!(offset, Some(42_i64.into()));
    pair.feed(&wire::consume_ok(1, "c"));
    reopening.ready().unwrap();
    assert_eq!(read.ack().unwrap(), Settled::Stale);
}

#[test]
fn it_waits_for_the_rest_of_a_large_body() {
    let (mut pair, channel) = Pair::with_channel();
    let large = Message::new(vec![b'.'; 300_000]);
    let mut publishing = Task::new(channel.basic_publish("", "q", &large));
    publishing.ready().unwrap();
    pair.write_limit = 50_000;
    assert!(pair.write_once());
    pair.feed(&wire::channel_close(1));
    let mut reopening = Task::start(channel.reopen());
    pair.write_limit = usize::MAX;
    while pair.write_once() {}
    assert!(reopening.poll().is_pending());
    pair.advance(std::time::Duration::from_millis(20));
    assert!(reopening.poll().is_pending());
    let sent = pair.sent();
    let end = &sent[sent.len() - 2..];
    assert_eq!(end, ["1 channel.close-ok", "1 channel.open"]);
    pair.says(1, &channel::OpenOk {});
    reopening.ready().unwrap();
}

#[test]
fn strays_of_the_life_before_are_not_delivered() {
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "c");
    let old = pair.deliver(&mut consumer, 1..=2);
    pair.feed(&wire::channel_close(1));
    pair.sent();
    let mut reopening = Task::start(channel.reopen());
    pair.sent();
    pair.says(1, &channel::OpenOk {});
    pair.sent();
    pair.says(1, &basic::QosOk {});
    pair.feed(&wire::delivery(1, "c", 3, b"stray"));
    pair.feed(&wire::consume_ok(1, "c"));
    reopening.ready().unwrap();
    pair.feed(&wire::delivery(1, "c", 4, b"stray"));
    pair.feed(&wire::delivery(1, "c", 1, b"again"));
    let again = done(consumer.next()).unwrap().unwrap();
    assert_eq!((again.body(), again.delivery_tag()), (&b"again"[..], 3));
    for delivery in old {
        assert_eq!(delivery.ack().unwrap(), Settled::Stale);
    }
    assert_eq!(again.ack().unwrap(), Settled::Queued);
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    let idle = Task::new(consumer.next_within(std::time::Duration::from_secs(1))).poll();
    assert!(!matches!(
        idle,
        Poll::Ready(Some(Ok(NextWithin::Delivery(_))))
    ));
}

#[test]
fn handle_and_outbox_agree_however_it_races_with_the_close() {
    explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let reopening = channel.clone();
        // The connection ends with its core.
        let kept = Arc::new(Mutex::new(None));
        let keeps = Arc::clone(&kept);
        Model::new()
            .actor("adapter", move || {
                pair.feed(&wire::channel_close(1));
                *keeps.lock().unwrap() = Some(pair);
            })
            .actor("reopening", move || {
                let mut task = Task::new(reopening.reopen());
                let _ = task.poll();
            })
            .check(move || {
                assert_eq!(channel.is_open(), channel.close_reason().is_none());
                // It can be opened now, if it is not.
                let _ = Task::new(channel.reopen()).poll();
                assert!(channel.is_open() && channel.close_reason().is_none());
                drop(kept.lock().unwrap().take());
            })
    });
}

#[test]
fn consumer_that_is_dropped_meanwhile_is_not_left_at_the_broker() {
    explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let consumer = pair.consumer(&channel, "c");
        pair.feed(&wire::channel_close(1));
        pair.sent();
        let reopening = channel.clone();
        Model::new()
            .actor("reopening", move || {
                let mut task = Task::new(reopening.reopen());
                assert!(task.poll().is_pending());
            })
            .actor("dropping", move || drop(consumer))
            .check(move || {
                let mut asked = pair.sent();
                pair.says(1, &channel::OpenOk {});
                asked.extend(pair.sent());
                if asked.iter().any(|sent| sent.contains("basic.qos")) {
                    pair.says(1, &basic::QosOk {});
                    asked.extend(pair.sent());
                }
                if asked.contains(&"1 basic.consume c".to_owned()) {
                    pair.feed(&wire::consume_ok(1, "c"));
                    assert_eq!(pair.sent(), ["1 basic.cancel c"]);
                }
                assert!(channel.is_open());
            })
    });
}
