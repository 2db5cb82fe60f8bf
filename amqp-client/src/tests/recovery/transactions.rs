//! A transaction that a loss cuts in two: its second half is never committed without the first.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use amqp_spec::wire::TypedMethod as _;
use amqp_spec::{Method, basic, connection, tx};

use super::scene::{self, names};
use crate::consume::{Multiple, Settled};
use crate::error::Outcome;
use crate::tests::support::comeback::{Comeback, Play, reset, usual};
use crate::tests::support::pair::{Pair, all_recover};
use crate::tests::support::schedule::{Model, explore, look_and_go};
use crate::tests::support::task::{Task, done};
use crate::tests::support::wire;
use crate::{Channel, ChannelError, ConnectionError, Consumer, Delivery, QueueDeclare, Requeue};

/// A channel with transactions, and a queue.
struct Scene {
    world: Comeback,
    channel: Channel,
}

impl Scene {
    fn new() -> Self {
        let mut world = Comeback::new();
        let connection = world.pair.connection.clone();
        let channel = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let declare = QueueDeclare::new("orders").durable();
            channel.queue_declare(declare).await.unwrap();
            channel.tx_select().await.unwrap();
            channel
        });
        Self { world, channel }
    }

    /// A message is in the transaction that is open when the stream is lost.
    fn cut() -> Self {
        let mut scene = Self::new();
        scene.publish("first half").unwrap();
        scene.world.lose();
        scene
    }

    #[track_caller]
    fn publish(&mut self, body: &'static str) -> Result<(), ChannelError> {
        let channel = self.channel.clone();
        let publish = async move { channel.basic_publish("", "orders", body).await };
        let published = self.world.done(publish);
        self.world.run();
        published
    }

    #[track_caller]
    fn commit(&mut self) -> Result<(), ChannelError> {
        let channel = self.channel.clone();
        self.world.done(async move { channel.tx_commit().await })
    }

    /// Commits while there is no stream, which waits for the next.
    #[track_caller]
    fn commit_waits(&mut self) -> Result<(), ChannelError> {
        let channel = self.channel.clone();
        let mut committing = Task::start(async move { channel.tx_commit().await });
        self.world.come_back();
        committing.ready()
    }

    /// The numbers of what is unsettled again.
    #[track_caller]
    fn roll_back(&mut self) -> Vec<u64> {
        let channel = self.channel.clone();
        let rolling_back = async move { channel.tx_rollback().await };
        let rolled_back = self.world.done(rolling_back).unwrap();
        rolled_back.delivery_tags().to_vec()
    }

    #[track_caller]
    fn consumer(&mut self) -> Consumer {
        let channel = self.channel.clone();
        let consume = async move { channel.consume("orders").tag("tag").await };
        self.world.done(consume).unwrap()
    }

    fn ready(&self) -> usize {
        let queue = self.world.kernel.queue("/", "orders").unwrap();
        queue.ready()
    }

    fn unacked(&self) -> usize {
        let queue = self.world.kernel.queue("/", "orders").unwrap();
        queue.unacked()
    }

    /// Nothing enters the transaction.
    #[track_caller]
    fn assert_lost(&mut self) {
        assert_is_lost(self.publish("second half"));
        assert_is_lost(self.commit());
        assert!(self.channel.is_open());
    }

    /// The channel takes transactions.
    #[track_caller]
    fn assert_usable(&mut self) {
        let before = self.ready();
        self.publish("whole").unwrap();
        assert_eq!(self.ready(), before);
        self.commit().unwrap();
        assert_eq!(self.ready(), before + 1);
    }
}

#[track_caller]
fn assert_is_lost<T: std::fmt::Debug>(result: Result<T, ChannelError>) {
    match result {
        Err(ChannelError::TransactionLost) => {}
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_may_have_happened(result: Result<(), ChannelError>) {
    let error = result.unwrap_err();
    let is_io = matches!(error, ChannelError::Connection(ConnectionError::Io(_)));
    assert!(is_io && error.outcome() == Outcome::Unknown, "{error:?}");
}

#[test]
fn nothing_follows_what_was_lost_until_it_is_rolled_back() {
    let mut scene = Scene::cut();
    scene.assert_lost();
    scene.world.come_back();
    scene.assert_lost();
    assert_eq!(scene.ready(), 0);
    // It takes everything else.
    let channel = scene.channel.clone();
    let declare = async move { channel.queue_declare(QueueDeclare::new("other")).await };
    scene.world.done(declare).unwrap();
    assert_eq!(scene.roll_back(), [0_u64; 0]);
    assert_eq!(scene.world.pair.sent(), [""; 0]);
    scene.assert_usable();
    // Once more, rolled back before the next stream is there.
    scene.publish("first half").unwrap();
    scene.world.lose();
    assert_is_lost(scene.publish("second half"));
    let channel = scene.channel.clone();
    let rolling_back = async move { channel.tx_rollback().await };
    scene.world.done_while_down(rolling_back).unwrap();
    scene.world.come_back();
    scene.assert_usable();
    assert_eq!(scene.ready(), 2);
}

#[test]
fn nothing_follows_what_was_lost_wherever_the_next_stream_is_lost() {
    for budget in 0.. {
        let mut scene = Scene::cut();
        scene.world.connect();
        scene.world.budget = Some(budget);
        let complete = scene.world.run();
        scene.world.budget = None;
        if !complete {
            scene.world.lose();
            scene.world.come_back();
        }
        scene.assert_lost();
        scene.roll_back();
        scene.assert_usable();
        assert_eq!(scene.ready(), 1, "lost behind {budget} frames");
        if complete {
            assert!(budget > 7, "{budget}");
            return;
        }
    }
}

#[test]
fn transaction_in_which_nothing_stood_goes_on() {
    let mut scene = Scene::new();
    scene.world.lose();
    scene.world.come_back();
    scene.assert_usable();
    // What is committed or rolled back is not in it any more.
    scene.world.lose();
    scene.world.come_back();
    scene.publish("rolled back").unwrap();
    scene.roll_back();
    scene.world.lose();
    let channel = scene.channel.clone();
    let mut committing = Task::start(async move { channel.tx_commit().await });
    scene.world.connect();
    // Nothing is to be committed, so that it has been.
    scene.world.lose();
    committing.ready().unwrap();
    scene.world.come_back();
    scene.assert_usable();
    assert_eq!(scene.ready(), 2);
}

#[test]
fn settlements_are_lost_with_what_they_stood_in() {
    for settle in [
        |channel: &Channel| channel.basic_ack(1, Multiple::No),
        |channel: &Channel| channel.basic_ack(1, Multiple::Yes),
        |channel: &Channel| channel.basic_nack(0, Multiple::Yes, Requeue::No),
    ] {
        let mut scene = Scene::new();
        scene.publish("hello").unwrap();
        scene.commit().unwrap();
        let mut consumer = scene.consumer();
        let mut deliveries = next(&mut scene, &mut consumer);
        let before = deliveries.remove(0);
        settle(&scene.channel).unwrap();
        scene.world.run();
        scene.world.lose();
        // That it is lost is told first, and once that is known that it is stale.
        assert_is_lost(before.ack());
        scene.world.come_back();
        let now = next(&mut scene, &mut consumer).remove(0);
        assert_is_lost(settle(&scene.channel));
        assert!(now.is_current());
        let number = now.delivery_tag();
        assert_is_lost(now.ack());
        assert_is_lost(scene.commit());
        // Its handle is gone, but not its number.
        assert_eq!(scene.roll_back(), [number]);
        assert_eq!(scene.unacked(), 1);
        let stale = scene.channel.basic_ack(1, Multiple::No);
        assert_eq!(stale.unwrap(), Settled::Stale);
        scene.channel.basic_ack(number, Multiple::No).unwrap();
        scene.commit().unwrap();
        assert_eq!((scene.ready(), scene.unacked()), (0, 0));
    }
}

/// What has come for it.
fn next(scene: &mut Scene, consumer: &mut Consumer) -> Vec<Delivery> {
    scene.world.run();
    let mut deliveries = Vec::new();
    while let Poll::Ready(Some(delivery)) = Task::new(consumer.next()).poll() {
        deliveries.push(delivery.unwrap());
    }
    deliveries
}

#[test]
fn commit_that_was_sent_may_have_happened_and_leaves_the_channel_without_what_follows() {
    let mut scene = Scene::new();
    scene.publish("hello").unwrap();
    let channel = scene.channel.clone();
    let mut committing = Task::start(async move { channel.tx_commit().await });
    // Behind it in line: certainly not committed.
    done(scene.channel.basic_publish("", "orders", "n")).unwrap();
    let channel = scene.channel.clone();
    let mut next = Task::start(async move { channel.tx_commit().await });
    drop(scene.world.pair.written_octets());
    scene.world.lose();
    assert_may_have_happened(committing.ready());
    assert_is_lost(next.ready());
    scene.world.come_back();
    scene.assert_lost();
    scene.roll_back();
    scene.assert_usable();
    assert_eq!(scene.ready(), 1);
}

#[test]
fn commit_of_nothing_that_was_sent_is_as_uncertain_as_others() {
    let mut scene = Scene::new();
    let channel = scene.channel.clone();
    let mut committing = Task::start(async move { channel.tx_commit().await });
    drop(scene.world.pair.written_octets());
    scene.world.lose();
    assert_may_have_happened(committing.ready());
    scene.assert_lost();
    scene.world.come_back();
    scene.assert_lost();
    scene.roll_back();
    scene.assert_usable();
}

#[test]
fn what_has_been_rolled_back_is_not_lost_with_the_next_stream() {
    let mut scene = Scene::new();
    scene.publish("hello").unwrap();
    scene.commit().unwrap();
    let mut consumer = scene.consumer();
    scene.publish("first half").unwrap();
    scene.world.lose();
    scene.world.come_back();
    let delivery = next(&mut scene, &mut consumer).remove(0);
    assert_is_lost(delivery.ack());
    assert_eq!(scene.roll_back().len(), 1);
    scene.world.lose();
    scene.commit_waits().unwrap();
    let delivery = next(&mut scene, &mut consumer).remove(0);
    delivery.ack().unwrap();
    scene.commit().unwrap();
    assert_eq!((scene.ready(), scene.unacked()), (0, 0));
}

#[test]
fn rollback_that_has_no_answer_has_come_about() {
    let mut scene = Scene::new();
    scene.publish("hello").unwrap();
    let channel = scene.channel.clone();
    let mut rolling_back = Task::start(async move { channel.tx_rollback().await });
    drop(scene.world.pair.written_octets());
    scene.world.lose();
    let rolled_back = rolling_back.ready().unwrap();
    assert_eq!(rolled_back.delivery_tags(), [0_u64; 0]);
    scene.world.come_back();
    scene.assert_usable();
    // What was published behind it is of the next transaction.
    let channel = scene.channel.clone();
    let mut rolling_back = Task::start(async move { channel.tx_rollback().await });
    done(scene.channel.basic_publish("", "orders", "n")).unwrap();
    scene.world.lose();
    rolling_back.ready().unwrap();
    scene.world.come_back();
    scene.assert_lost();
    scene.roll_back();
    scene.assert_usable();
    assert_eq!(scene.ready(), 2);
}

#[test]
fn publish_that_waits_when_the_transaction_is_lost_is_told() {
    let mut scene = Scene::new();
    scene.publish("first half").unwrap();
    let reason = wire::short("memory");
    scene.world.pair.says(0, &connection::Blocked { reason });
    let channel = scene.channel.clone();
    let mut publishing = Task::start(async move { channel.basic_publish("", "orders", "n").await });
    publishing.pending();
    scene.world.lose();
    assert_is_lost(publishing.ready());
}

#[test]
fn transactions_that_are_asked_for_when_the_stream_is_lost_are_asked_for_again() {
    for (sent, is_awaited) in [(true, true), (false, true), (true, false), (false, false)] {
        let mut world = Comeback::new();
        let connection = world.pair.connection.clone();
        let channel = world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            let declare = QueueDeclare::new("orders").durable();
            channel.queue_declare(declare).await.unwrap();
            channel
        });
        if !sent {
            world.lose();
        }
        let selecting = channel.clone();
        let mut selecting = Task::start(async move { selecting.tx_select().await });
        if sent {
            drop(world.pair.written_octets());
        } else {
            world.connect();
        }
        let selecting = is_awaited.then_some(&mut selecting);
        world.lose();
        world.come_back();
        if let Some(selecting) = selecting {
            selecting.ready().unwrap();
        }
        let mut scene = Scene { world, channel };
        scene.assert_usable();
    }
}

/// The broker closes the channel over the first `basic.consume` that it sees from now on.
fn refuse_a_consumer(world: &mut Comeback) {
    let mut refused = false;
    world.script = Box::new(move |_, method| match method {
        Method::BasicConsume(consume) if consume.consumer_tag.as_bytes() == b"z" && !refused => {
            refused = true;
            Play::CloseChannel(404, "NOT_FOUND - no queue 'z' in vhost '/'")
        }
        _ => Play::Usual,
    });
}

#[test]
fn transactions_are_asked_for_again_when_the_broker_closes_the_channel_amid_its_return() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let (channel, _consumer) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("orders").durable();
        channel.queue_declare(declare).await.unwrap();
        let consumer = channel.consume("orders").tag("z").await.unwrap();
        (channel, consumer)
    });
    world.lose();
    let selecting = channel.clone();
    let mut selecting = Task::start(async move { selecting.tx_select().await });
    refuse_a_consumer(&mut world);
    world.come_back();
    world.script = usual();
    selecting.ready().unwrap();
    let mut scene = Scene { world, channel };
    scene.assert_usable();
}

#[test]
fn settlement_amid_the_return_is_lost_when_the_broker_closes_the_channel() {
    let mut scene = Scene::new();
    scene.publish("hello").unwrap();
    scene.commit().unwrap();
    let mut consumer = scene.consumer();
    let channel = scene.channel.clone();
    let other = async move { channel.consume("orders").tag("z").await.unwrap() };
    let _other = scene.world.done(other);
    let _ = next(&mut scene, &mut consumer);
    scene.world.lose();
    scene.world.connect();
    // The first consumer has its delivery before the second is refused.
    scene.world.script = Box::new(|_, method| match method {
        Method::BasicConsume(consume) if consume.consumer_tag.as_bytes() == b"z" => Play::Silence,
        _ => Play::Usual,
    });
    scene.world.run();
    let delivery = next(&mut scene, &mut consumer).remove(0);
    let settled = delivery.ack().unwrap();
    let channel = scene.channel.clone();
    let mut committing = Task::start(async move { channel.tx_commit().await });
    committing.pending();
    let id = scene.channel.id();
    let refusal = (404, "NOT_FOUND - no queue 'orders' in vhost '/'");
    scene.world.close_channel(id, refusal, basic::Consume::ID);
    scene.world.script = usual();
    scene.world.run();
    assert_eq!(settled, Settled::Queued);
    assert_is_lost(committing.ready());
    scene.assert_lost();
    // What was acknowledged comes again, and nothing of before is settled.
    scene.roll_back();
    let again = next(&mut scene, &mut consumer).remove(0);
    assert_eq!(scene.unacked(), 1);
    assert_eq!(again.ack().unwrap(), Settled::Queued);
    scene.commit().unwrap();
    assert_eq!((scene.ready(), scene.unacked()), (0, 0));
}

/// Has the stream lost while this is done on a channel in whose transaction a message stands, in
/// every order. What it gave is shown, with whether the transaction is lost.
fn race_with_the_loss<T: Send + 'static>(act: fn(&Channel) -> T, check: fn(&Channel, bool, T)) {
    all_recover();
    let n_orders = explore(|| {
        let (mut pair, channel) = Pair::with_channel();
        let mut selecting = Task::start(channel.tx_select());
        pair.sent();
        pair.says(1, &tx::SelectOk {});
        selecting.ready().unwrap();
        drop(selecting);
        done(channel.basic_publish("", "q", "first half")).unwrap();
        let Pair {
            mut core,
            connection,
            ..
        } = pair;
        let given = Arc::new(Mutex::new(None));
        let (told, acting) = (Arc::clone(&given), channel.clone());
        let lost = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&lost);
        let program = move || {
            let given = act(&acting);
            *told.lock().unwrap() = Some(given);
        };
        let adapter = move || {
            core.lost(reset());
            *kept.lock().unwrap() = Some(core);
        };
        let check = move || {
            let outbox = channel.shared().connection.outbox();
            let is_lost = outbox.channels().has_lost_transaction(channel.shared().at);
            assert_eq!(outbox.order().queued(), 0, "to be sent on the next stream");
            drop(outbox);
            let given = given.lock().unwrap().take().unwrap();
            check(&channel, is_lost, given);
            drop((connection, lost));
        };
        Model::new()
            .actor("program", program)
            .actor("adapter", adapter)
            .check(check)
    });
    assert!(n_orders > 3, "only {n_orders} orders");
}

#[test]
fn second_half_that_races_with_the_loss_of_the_first_is_lost_as_well() {
    let publish = |channel: &Channel| look_and_go(channel.basic_publish("", "q", "second half"));
    race_with_the_loss(publish, |channel, is_lost, published| {
        assert!(is_lost);
        match published {
            Some(Ok(()) | Err(ChannelError::TransactionLost)) => {}
            other => panic!("{other:?}"),
        }
        assert_is_lost(done(channel.basic_publish("", "q", "third")));
        assert_is_lost(done(channel.tx_commit()));
    });
}

#[test]
fn commit_that_races_with_the_loss_is_not_sent_on_the_next_stream() {
    let commit = |channel: &Channel| look_and_go(channel.tx_commit());
    race_with_the_loss(commit, |channel, is_lost, committed| {
        assert!(is_lost);
        match committed {
            None | Some(Err(ChannelError::TransactionLost | ChannelError::Connection(_))) => {}
            other => panic!("{other:?}"),
        }
        assert_is_lost(done(channel.tx_commit()));
    });
}

#[test]
fn rollback_that_races_with_the_loss_leaves_nothing_lost() {
    let roll_back = |channel: &Channel| {
        let rolled_back = look_and_go(channel.tx_rollback());
        rolled_back.map(|rolled_back| rolled_back.is_ok())
    };
    race_with_the_loss(roll_back, |_, is_lost, rolled_back| {
        assert!(!is_lost);
        assert_ne!(rolled_back, Some(false));
    });
}

/// What the broker would have refused on the first stream it refuses on the next; that costs the
/// channel, and nothing else.
#[test]
fn channel_that_was_asked_for_both_modes_ends_alone() {
    for tx_first in [true, false] {
        let mut scene = scene::scene();
        let connection = scene.world.pair.connection.clone();
        let channel = scene.world.done(async move {
            let channel = connection.open_channel().await.unwrap();
            match tx_first {
                true => channel.tx_select().await.unwrap(),
                false => channel.confirm_select().await.unwrap(),
            }
            channel
        });
        scene.world.script = Box::new(|_, method| match method {
            Method::TxSelect(_) | Method::ConfirmSelect(_) => Play::Silence,
            _ => Play::Usual,
        });
        let one = channel.clone();
        let mut asking = Task::start(async move {
            match tx_first {
                true => one.confirm_select().await,
                false => one.tx_select().await,
            }
        });
        scene.world.run();
        scene.world.lose();
        scene.world.script = usual();
        scene.world.come_back_pending();
        scene.world.assert_open();
        let error = asking.ready().unwrap_err();
        assert_eq!(error.broker_close().unwrap().reply_code, 406);
        assert!(channel.close_reason().is_some());
        assert_eq!(names(&scene.report().skipped), ["channel 2"]);
        scene.assert_consumes();
        scene.world.lose();
        scene.world.come_back();
        assert!(scene.report().skipped.is_empty());
        scene.assert_consumes();
    }
}
