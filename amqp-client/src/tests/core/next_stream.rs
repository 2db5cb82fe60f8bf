//! What a handle holds outlives the stream: a core is given another one, and connection, channels,
//! publishers and consumers go on; what was under way on the first is told, and nothing of it
//! reaches the second.

use std::future::IntoFuture;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use amqp_spec::{basic, channel, confirm, frame, queue, tx};

use crate::consume::{AckMode, Settled};
use crate::error::ConnectionError;
use crate::proto::channel_use::ChannelUse;
use crate::proto::recovery::State;
use crate::proto::shared::consumer::ConsumerQueue;
use crate::proto::shared::place::Place;
use crate::proto::time::clock::Clock;
use crate::proto::{Core, Sequel};
use crate::tests::support::broker::Broker;
use crate::tests::support::operations::{World, operations};
use crate::tests::support::pair::{Pair, all_recover, now, quiet};
use crate::tests::support::schedule::explore;
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{
    Channel, ChannelError, Consumer, Message, PublishError, Publisher, ReplyCode, Requeue,
};

pub(super) fn reset() -> ConnectionError {
    ConnectionError::Io(io::Error::from(io::ErrorKind::ConnectionReset).into())
}

/// The stream is reset, and another one connected.
pub(super) fn replace_stream(core: &mut Core) {
    core.lost(reset());
    core.connected(quiet().to_core(Clock::new(now)), Place::default(), now());
}

impl Pair {
    /// The stream is reset, and another one connected, on which nothing has been said.
    /// Gives the channels that were open.
    pub(super) fn next_stream(&mut self) -> Vec<ChannelUse> {
        let channels = self.loses();
        self.connects();
        channels
    }

    /// The stream is reset. Gives the channels that were open.
    pub(super) fn loses(&mut self) -> Vec<ChannelUse> {
        self.core.lost(reset());
        drop(self.take_written());
        let outbox = self.core.shared().outbox();
        outbox.channels().restoring().collect()
    }

    /// Another stream is connected, when it is time for that.
    pub(super) fn connects(&mut self) {
        let Sequel::Redial { at } = self.core.sequel() else {
            panic!("over");
        };
        self.advance(at - now());
        let options = quiet().to_core(Clock::new(now));
        self.core.connected(options, Place::default(), now());
    }

    /// The broker opens the connection on the next stream.
    #[track_caller]
    pub(super) fn reopens(&mut self, tune: (u16, u32, u16)) {
        self.feed(&wire::start("AMQPLAIN PLAIN"));
        self.feed(&wire::tune(tune.0, tune.1, tune.2));
        let written = self.take_written();
        self.feed(&wire::open_ok());
        assert!(written.starts_with(&frame::PROTOCOL_HEADER), "{written:?}");
        let (frames, rest) = wire::frames(&written[frame::PROTOCOL_HEADER.len()..]);
        let frames: Vec<_> = frames.iter().map(wire::describe).collect();
        assert_eq!(frames[0], "0 connection.start-ok PLAIN");
        assert!(frames[1].starts_with("0 connection.tune-ok"), "{frames:?}");
        assert!(frames[2].starts_with("0 connection.open"), "{frames:?}");
        assert_eq!((frames.len(), rest.len()), (3, 0), "{frames:?}");
    }

    /// The stream is replaced by another one, and the connection opened on it.
    #[track_caller]
    pub(super) fn goes_on(&mut self) -> Vec<ChannelUse> {
        let lost = self.next_stream();
        self.reopens((2047, 131_072, 0));
        lost
    }

    /// These channels, which the client opens on the present stream, are opened by the broker.
    /// Nothing else is written.
    #[track_caller]
    pub(super) fn opens_all_again(&mut self, lost: Vec<ChannelUse>) {
        let mut written = self.written_now();
        for at in lost {
            let id = at.channel;
            let taken = |written: &mut Vec<String>, what: String| {
                let found = written.iter().position(|one| *one == what);
                found.map(|at| written.remove(at)).is_some()
            };
            assert!(
                taken(&mut written, format!("{id} channel.open")),
                "{written:?}"
            );
            self.says(id, &channel::OpenOk {});
            if taken(&mut written, format!("{id} confirm.select")) {
                self.says(id, &confirm::SelectOk {});
            }
            if taken(&mut written, format!("{id} tx.select")) {
                self.says(id, &tx::SelectOk {});
            }
        }
        assert_eq!(written, [""; 0]);
    }

    /// Opens a channel on the present stream that was open on the one before.
    #[track_caller]
    pub(super) fn opens_again(&mut self, channel: &Channel) {
        self.opens_all_again(vec![channel.shared().at]);
    }

    /// Starts a consumer on the present stream that was active on the one before.
    #[track_caller]
    pub(super) fn starts_again<A: AckMode>(&mut self, consumer: &Consumer<A>) {
        self.starts_again_of(consumer.channel(), consumer.queue());
    }

    /// The same, without its handle.
    #[track_caller]
    pub(super) fn starts_again_of(&mut self, channel: &Channel, queue: &Arc<ConsumerQueue>) {
        let tag = queue.tag.to_string();
        let id = channel.id();
        let written = self.written_now();
        if queue.no_ack {
            assert_eq!(written, [format!("{id} basic.consume {tag}")]);
        } else {
            let qos = format!("{id} basic.qos 200");
            assert_eq!(written, [qos, format!("{id} basic.consume {tag}")]);
            self.says(id, &basic::QosOk {});
        }
        self.feed(&wire::consume_ok(id, &tag));
    }

    /// What the client writes when its adapter looks, in words.
    #[track_caller]
    pub(super) fn written_now(&mut self) -> Vec<String> {
        while self.write_once() {}
        self.sent()
    }
}

#[test]
fn connection_goes_on_with_what_the_next_broker_proposes() {
    all_recover();
    let mut pair = Pair::open_tuned(&quiet(), (2047, 131_072, 0));
    let connection = pair.connection.clone();
    let mut closed = Task::start(async move { connection.closed().await });
    pair.next_stream();
    assert_eq!(pair.connection.limits().channel_max, 2047);
    pair.reopens((7, 8192, 0));
    assert_eq!(pair.connection.limits().channel_max, 7);
    assert_eq!(pair.connection.limits().frame_max, 8192);
    let channel = pair.channel();
    assert!(channel.close_reason().is_none());
    closed.pending();
    let connection = pair.connection.clone();
    let mut closing = Task::start(async move { connection.close().await });
    assert_eq!(pair.sent(), ["0 connection.close 200"]);
    pair.says(0, &amqp_spec::connection::CloseOk {});
    closing.ready().unwrap();
    assert!(matches!(closed.ready(), ConnectionError::Closed));
    pair.assert_idle();
}

#[test]
fn publisher_goes_on_with_its_numbers_and_hears_what_became_of_each_message() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let owned = Publisher::clone(&publisher);
    let shared = owned.channel().shared();
    let (at, timeout) = (shared.at, shared.connection.request_timeout);
    let mut outbox = shared.connection.outbox();
    outbox.order_mut().renew_when_closed(at, now(), timeout);
    drop(outbox);
    let mut acked = Task::start(done(publisher.send("", "k", "acked")).unwrap());
    let mut sent = Task::start(done(publisher.send("", "k", "sent")).unwrap());
    assert_eq!(pair.sent().len(), 6);
    pair.feed(&wire::ack(1, 1, false));
    acked.ready().unwrap();
    let mut unsent = Task::start(done(publisher.send("", "k", "unsent")).unwrap());
    let lost = pair.goes_on();
    let error = sent.ready().unwrap_err();
    assert!(matches!(error, PublishError::Uncertain(_)), "{error:?}");
    let error = unsent.ready().unwrap_err();
    assert!(matches!(error, PublishError::NotSent(_)), "{error:?}");
    // Its channel is opened with all others.
    pair.opens_all_again(lost);
    let next = done(publisher.send("", "k", "next")).unwrap();
    assert_eq!(next.sequence_number(), 4);
    let mut next = Task::start(next);
    assert_eq!(pair.sent().len(), 3);
    next.pending();
    pair.feed(&wire::ack(1, 1, false));
    next.ready().unwrap();
    assert!(publisher.channel().close_reason().is_none());
    pair.assert_idle();
}

#[test]
fn delivery_of_an_earlier_stream_is_stale_while_the_same_number_of_the_next_is_settled() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let [first, second, third]: [_; 3] = pair
        .deliver(&mut consumer, 1..=3)
        .try_into()
        .expect("three deliveries");
    pair.goes_on();
    // The channel is not open yet.
    assert_eq!(first.ack().unwrap(), Settled::Stale);
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    let again: [_; 2] = pair
        .deliver(&mut consumer, 1..=2)
        .try_into()
        .expect("two deliveries");
    assert_eq!(second.ack().unwrap(), Settled::Stale);
    assert_eq!(third.reject(Requeue::No).unwrap(), Settled::Stale);
    assert_eq!(pair.sent(), [""; 0]);
    for delivery in again {
        assert_eq!(delivery.ack().unwrap(), Settled::Queued);
    }
    assert_eq!(pair.sent(), ["1 basic.ack 2 multiple"]);
}

#[test]
fn delivery_that_is_settled_while_the_stream_is_replaced_is_not_settled_on_the_next() {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut consumer = pair.consumer(&channel, "tag");
        let mut deliveries = pair.deliver(&mut consumer, 1..=1);
        let delivery = deliveries.pop().expect("a delivery");
        let outcome = Arc::new(Mutex::new(None));
        let told = Arc::clone(&outcome);
        let program = move || *told.lock().unwrap() = Some(delivery.ack());
        let check = move || {
            let queued = channel.shared().connection.outbox().order().queued();
            let expected = frame::PROTOCOL_HEADER.len();
            assert_eq!(queued, expected, "settled on the next stream");
            let outcome = outcome.lock().unwrap().take();
            match outcome.expect("an outcome") {
                // It was queued for the stream that is gone.
                Ok(Settled::Queued | Settled::Stale) => {}
                Err(error) => panic!("{error}"),
            }
            drop(consumer);
        };
        pair.against(program, replace_stream, check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn fetched_message_of_an_earlier_stream_is_stale_on_the_next() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let getting = channel.clone();
    let mut getting = Task::start(async move { getting.basic_get("q").await });
    assert_eq!(pair.sent(), ["1 basic.get q"]);
    pair.feed(&wire::content(1, &wire::get_ok(1), b"fetched"));
    // It has come, and its caller sees it only when the stream has been replaced.
    pair.goes_on();
    pair.opens_again(&channel);
    let fetched = getting.ready().unwrap().expect("a message");
    assert_eq!(fetched.delivery.ack().unwrap(), Settled::Stale);
    assert_eq!(pair.sent(), [""; 0]);
}

#[test]
fn consumer_yields_what_comes_again_and_nothing_of_the_stream_before() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let mut consumer = pair.consumer(&channel, "tag");
    let octets: Vec<u8> = (1..=3)
        .flat_map(|n| wire::delivery(1, "tag", n, format!("first {n}").as_bytes()))
        .collect();
    pair.feed(&octets);
    let first = done(consumer.next()).unwrap().unwrap();
    assert_eq!(first.body(), b"first 1");
    // Two have been taken by the consumer, and this one waits.
    pair.feed(&wire::delivery(1, "tag", 4, b"first 4"));
    pair.goes_on();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    assert_eq!(consumer.buffered_count(), 0);
    pair.feed(&wire::delivery(1, "tag", 1, b"second 1"));
    let second = done(consumer.next()).unwrap().unwrap();
    assert_eq!(second.body(), b"second 1");
    second.ack().unwrap();
    assert_eq!(pair.sent(), ["1 basic.ack 1"]);
    assert!(Task::new(consumer.next()).run().is_pending());
    assert_eq!(channel.shared().connection.reading.manual(), 0);
}

#[test]
fn consumer_without_acknowledgements_keeps_what_does_not_come_again() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let starting = channel.consume("q").tag("tag").no_ack();
    let mut starting = Task::start(starting.into_future());
    assert_eq!(pair.sent(), ["1 basic.consume tag"]);
    pair.feed(&wire::consume_ok(1, "tag"));
    let mut consumer = starting.ready().unwrap();
    pair.feed(&wire::delivery(1, "tag", 1, b"first"));
    pair.goes_on();
    pair.opens_again(&channel);
    pair.starts_again(&consumer);
    pair.feed(&wire::delivery(1, "tag", 1, b"second"));
    for body in ["first", "second"] {
        let message = done(consumer.next()).unwrap().unwrap();
        assert_eq!(message.body(), body.as_bytes());
    }
}

#[test]
fn alarm_ends_with_its_stream_and_publishers_that_waited_go_on() {
    all_recover();
    let (mut pair, publisher) = Pair::with_publisher();
    let channel = publisher.channel().clone();
    let low = amqp_spec::connection::Blocked {
        reason: wire::short("low on memory"),
    };
    pair.says(0, &low);
    let mut waiting = Task::start(async move { publisher.publish("", "k", "waits").await });
    let connection = pair.connection.clone();
    let mut unblocked = Task::start(async move { connection.unblocked().await });
    waiting.pending();
    pair.next_stream();
    assert!(pair.connection.blocked_reason().is_none());
    unblocked.ready().unwrap();
    waiting.pending();
    pair.reopens((2047, 131_072, 0));
    pair.opens_again(&channel);
    waiting.pending();
    assert_eq!(pair.written_now()[0], "1 basic.publish k mandatory");
    pair.feed(&wire::ack(1, 1, false));
    waiting.ready().unwrap();
    pair.assert_idle();
}

#[test]
fn channel_that_was_being_closed_is_closed_and_one_that_was_being_opened_is_opened() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    let connection = pair.connection.clone();
    let mut opening = Task::start(async move { connection.open_channel().await });
    let closing = channel.clone();
    let mut closing = Task::start(async move { closing.close_with(ReplyCode(200), "bye").await });
    assert_eq!(pair.sent(), ["2 channel.open", "1 channel.close 200"]);
    let lost = pair.goes_on();
    closing.ready().unwrap();
    assert!(matches!(channel.close_reason(), Some(ChannelError::Closed)));
    opening.pending();
    pair.opens_all_again(lost);
    let opened = opening.ready().unwrap();
    assert_eq!((opened.id(), opened.is_open()), (2, true));
    pair.assert_idle();
}

/// Runs an operation until the broker has said `limit` frames, replaces the stream, and has the
/// connection used on the next one. Where `again` says so, that one is replaced as well, when the
/// broker has said so many frames on it. False if the broker had no more to say before.
fn interrupt(nth: usize, limit: usize, again: Option<usize>) -> bool {
    let operation = operations().swap_remove(nth);
    let mut world = World::new(&quiet());
    drop(world.pair.sent_octets());
    let mut task = Task::new(operation.start(&world));
    let mut ended = false;
    for n in 0.. {
        ended = ended || task.run().is_ready();
        let sent = world.pair.sent_octets();
        world.broker.read(&sent);
        if n == limit {
            break;
        }
        let Some(frame) = world.broker.outgoing.pop_front() else {
            return false;
        };
        world.pair.feed(&frame);
    }
    let is_ending = world.pair.core.shared().outbox().is_ending();
    if world.broker.closed || is_ending || !world.pair.core.is_open() {
        return false;
    }
    world.replace_stream();
    for _ in 0..again.unwrap_or_default() {
        ended = ended || task.run().is_ready();
        if !converse_once(&mut world) {
            return false;
        }
    }
    if again.is_some() {
        world.replace_stream();
    }
    // Everything comes back, and the operation ends; what waits for deliveries waits for them to
    // come again.
    let waits = operation.name.starts_with("consume") || !operation.ends;
    ended = ended || converse(&mut world, &mut task);
    // One that had ended has left nothing behind.
    while converse_once(&mut world) {}
    let state = world.connection.state();
    assert!(
        matches!(state, State::Open { .. }),
        "{} after {limit}: {state:?}",
        operation.name
    );
    assert!(
        ended || waits,
        "{} after {limit}: still waiting",
        operation.name
    );
    drop(task);
    let connection = world.connection.clone();
    let mut using = Task::new(async move {
        let channel = connection.open_channel().await.unwrap();
        channel.queue_declare("q").await.unwrap();
        let message = Message::new("hello");
        channel.basic_publish("", "q", &message).await.unwrap();
    });
    assert!(converse(&mut world, &mut using));
    world.pair.assert_idle();
    true
}

impl World {
    fn replace_stream(&mut self) {
        self.pair.next_stream();
        self.pair.reopens((2047, 131_072, 0));
        self.broker = Broker::new();
    }
}

/// Both sides talk until they are silent. True if the operation ends.
fn converse<T>(world: &mut World, task: &mut Task<'_, T>) -> bool {
    for _ in 0..1000 {
        if task.run().is_ready() {
            while converse_once(world) {}
            return true;
        }
        if !converse_once(world) {
            return false;
        }
    }
    panic!("they do not come to an end")
}

/// Each side says what it has to say. False if neither had anything.
fn converse_once(world: &mut World) -> bool {
    let sent = world.pair.written_octets();
    world.broker.read(&sent);
    match world.broker.outgoing.pop_front() {
        Some(frame) => {
            world.pair.feed(&frame);
            true
        }
        None => !sent.is_empty(),
    }
}

#[test]
fn nothing_of_a_stream_reaches_the_next_wherever_an_operation_is_interrupted() {
    all_recover();
    let mut n_interrupted = 0;
    for nth in 0..operations().len() {
        for limit in 0.. {
            if !interrupt(nth, limit, None) {
                break;
            }
            n_interrupted += 1;
        }
    }
    assert!(n_interrupted > 100, "only {n_interrupted}");
}

#[test]
fn nothing_of_two_streams_reaches_the_third() {
    all_recover();
    let mut n_interrupted = 0;
    for nth in 0..operations().len() {
        for limit in 0.. {
            let twice = [0, 3, 6].into_iter();
            let twice = twice.take_while(|&again| interrupt(nth, limit, Some(again)));
            let n = twice.count();
            if n == 0 {
                break;
            }
            n_interrupted += n;
        }
    }
    assert!(n_interrupted > 100, "only {n_interrupted}");
}

#[test]
fn each_of_many_streams_counts_from_its_beginning() {
    all_recover();
    let (mut pair, channel) = Pair::with_channel();
    for _ in 0..3 {
        let asking = channel.clone();
        let mut asking = Task::start(async move { asking.queue_purge("q").await });
        assert_eq!(pair.sent(), ["1 queue.purge q"]);
        // Its time is counted from when it was written on this stream.
        pair.advance(Duration::from_secs(1));
        asking.pending();
        pair.says(1, &queue::PurgeOk { message_count: 0 });
        asking.ready().unwrap();
        pair.goes_on();
        pair.opens_again(&channel);
    }
    let asking = channel.clone();
    let mut asking = Task::start(async move { asking.queue_declare("q").await });
    assert_eq!(pair.sent(), ["1 queue.declare q"]);
    pair.advance(channel.shared().connection.request_timeout);
    let error = asking.ready().unwrap_err();
    assert!(matches!(error, ChannelError::Timeout { .. }), "{error:?}");
}
