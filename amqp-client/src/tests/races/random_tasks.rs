//! Many tasks on few channels, doing whatever clients do, at random: each gets what is its own, the
//! wire stays in order, and nothing is left over.
//!
//! The broker of [`crate::tests::support::broker`] judges the order as RabbitMQ does: content that is
//! interrupted, a tag it does not know or a method on a channel that is not open fails the test.

use std::cell::RefCell;
use std::rc::Rc;

use crate::tests::support::broker::Broker;
use crate::tests::support::pair::{Pair, quiet};
use crate::tests::support::random::Random;
use crate::tests::support::task::Task;
use crate::{Channel, Connection, Message, PublishError, Publisher, QueueDeclare};

/// The dice of one task.
type Dice = Rc<RefCell<Random>>;

fn roll(dice: &Dice, limit: u64) -> u64 {
    dice.borrow_mut().below(limit)
}

/// A body size as they occur: mostly small, sometimes large, sometimes none.
fn size(dice: &Dice) -> usize {
    let limit = [1, 100, 5000, 30_000, 300_000][usize::try_from(roll(dice, 5)).unwrap()];
    usize::try_from(roll(dice, limit)).unwrap()
}

/// One task: some operations, each of which must give what was asked for.
async fn work(name: usize, connection: Connection, publisher: Publisher, dice: Dice) {
    let channel = publisher.channel().clone();
    for n in 0..12 {
        match roll(&dice, 12) {
            0..=2 => publish(&publisher, &dice).await,
            3 => {
                let message = Message::new(vec![b'.'; size(&dice)]);
                let sent = channel.basic_publish("", "key", &message).await;
                sent.unwrap();
            }
            4..=5 => declare(&channel, &format!("{name}-{n}")).await,
            6 => {
                let got = channel.basic_get("fetched").await.unwrap().unwrap();
                assert_eq!(got.delivery.body(), b"fetched");
                got.delivery.ack().unwrap();
            }
            7 => assert!(channel.basic_get("empty").await.unwrap().is_none()),
            8..=9 => consume(&channel, &dice).await,
            10 => {
                let own = connection.open_channel().await.unwrap();
                declare(&own, &format!("{name}-{n} own")).await;
                if roll(&dice, 2) == 0 {
                    own.close().await.unwrap();
                }
            }
            _ => {
                let mut declares = Vec::new();
                for m in 0..3 {
                    let name = format!("{name}-{n}-{m}");
                    declares.push(Task::new({
                        let channel = channel.clone();
                        async move { declare(&channel, &name).await }
                    }));
                }
                // Abandoned, each at another point.
                drop(declares.pop());
                let _ = declares.iter_mut().map(Task::poll).count();
            }
        }
    }
}

async fn publish(publisher: &Publisher, dice: &Dice) {
    if roll(dice, 4) == 0 {
        let returned = publisher.publish("", "nowhere", Message::new("body")).await;
        assert!(matches!(returned, Err(PublishError::Returned(_))));
        return;
    }
    let message = Message::new(vec![b'.'; size(dice)]);
    let confirmation = publisher.send("", "key", message).await.unwrap();
    if roll(dice, 5) > 0 {
        confirmation.await.unwrap();
    }
}

async fn declare(channel: &Channel, name: &str) {
    let declared = channel.queue_declare(QueueDeclare::new(name)).await;
    assert_eq!(declared.unwrap().name, name);
}

async fn consume(channel: &Channel, dice: &Dice) {
    let mut consumer = channel.consume("q").await.unwrap();
    for _ in 0..roll(dice, 3) {
        let delivery = consumer.next().await.unwrap().unwrap();
        assert_eq!(delivery.body(), b"delivered");
        delivery.ack().unwrap();
    }
    if roll(dice, 2) == 0 {
        consumer.cancel().await.unwrap();
    }
}

/// Runs so many tasks; some are dropped on the way.
fn run(seed: u64) {
    let dice: Dice = Rc::new(RefCell::new(Random::new(seed)));
    let mut pair = Pair::open_with(&quiet().write_buffer_limit(50_000));
    let mut broker = Broker::new();
    let connection = pair.connection.clone();
    let opening = connection.clone();
    let mut preparing = Task::new(async move {
        (
            opening.open_publisher().await.unwrap(),
            opening.open_publisher().await.unwrap(),
        )
    });
    let publishers = loop {
        if let std::task::Poll::Ready(publishers) = preparing.run() {
            break publishers;
        }
        broker.read(&pair.sent_octets());
        while let Some(frame) = broker.outgoing.pop_front() {
            pair.feed(&frame);
        }
    };
    let mut tasks: Vec<Task<'static, ()>> = (0..30)
        .map(|name| {
            let publisher = [&publishers.0, &publishers.1][name % 2].clone();
            Task::new(work(name, connection.clone(), publisher, Rc::clone(&dice)))
        })
        .collect();
    for round in 0.. {
        if tasks.is_empty() {
            break;
        }
        assert!(round < 100_000, "{} tasks never end", tasks.len());
        // A little of everything, in any order.
        tasks.retain_mut(|task| roll(&dice, 3) == 0 || task.run().is_pending());
        if roll(&dice, 200) == 0 && !tasks.is_empty() {
            let at = dice.borrow_mut().index(tasks.len());
            drop(tasks.remove(at));
        }
        if roll(&dice, 2) == 0 {
            broker.read(&pair.sent_octets());
        }
        for _ in 0..roll(&dice, 4) {
            if let Some(frame) = broker.outgoing.pop_front() {
                pair.feed(&frame);
            }
        }
    }
    loop {
        broker.read(&pair.sent_octets());
        let Some(frame) = broker.outgoing.pop_front() else {
            break;
        };
        pair.feed(&frame);
    }
    pair.assert_idle();
    for publisher in [&publishers.0, &publishers.1] {
        let id = publisher.channel().id();
        let at_broker = broker.channel(id);
        assert!(at_broker.consumers().is_empty() && at_broker.unacked().is_empty());
        assert_eq!(publisher.channel().shared().confirms().leftovers(), (0, 0));
    }
    let channels = broker.channels();
    let published = channels
        .iter()
        .map(|number| broker.channel(*number).published());
    assert!(published.sum::<u64>() > 30, "hardly anything happened");
    assert_eq!(channels.len(), 2);
    assert_eq!(pair.core.shared().outbox().channels().n_in_use(), 2);
}

#[test]
fn many_tasks_on_two_channels_do_not_disturb_each_other() {
    for seed in 1..=200 {
        run(seed);
    }
}
