//! Sixty-four tasks on one channel: the broker of [`crate::tests::support::broker`] fails the test
//! if anything stands between the frames of a message.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;

use crate::tests::support::operations::World;
use crate::tests::support::pair::quiet;
use crate::tests::support::random::Random;
use crate::tests::support::task::Task;
use crate::{Message, QueueDeclare};

const MIB: usize = 1024 * 1024;

#[test]
fn s7_frames_of_a_message_stay_together_whatever_else_a_channel_is_used_for() {
    // Handed over, not copied: what a body of 10 MiB is made of is told by its length alone.
    let octets = Bytes::from(vec![b'.'; 10 * MIB]);
    let mut world = World::new(&quiet());
    let mut random = Random::new(7);
    let n_published = Rc::new(Cell::new(0));
    let mut tasks: Vec<Task<'static, ()>> = Vec::new();
    for name in 0..64 {
        let size = match name % 8 {
            0 => 0,
            1 => random.index(100),
            2 => random.index(20_000),
            3 => 131_064 + random.index(3),
            4 => random.index(300_000),
            5 if name < 16 => 10 * MIB,
            _ => random.index(2000),
        };
        let body = octets.slice(..size);
        let publisher = world.publisher.clone();
        let n_published = Rc::clone(&n_published);
        tasks.push(Task::new(async move {
            let channel = publisher.channel().clone();
            for n in 0..3 {
                let message = Message::new(body.clone());
                publisher.publish("", "k", message).await.unwrap();
                n_published.set(n_published.get() + 1);
                match (name + n) % 4 {
                    0 => {
                        let own = format!("{name} {n}");
                        let declared = channel.queue_declare(QueueDeclare::new(&own)).await;
                        assert_eq!(declared.unwrap().name, own);
                    }
                    1 => {
                        let got = channel.basic_get("fetched").await.unwrap().unwrap();
                        got.delivery.ack().unwrap();
                    }
                    2 => {
                        let mut consumer = channel.consume("q").await.unwrap();
                        consumer.next().await.unwrap().unwrap().ack().unwrap();
                        consumer.cancel().await.unwrap();
                    }
                    _ => drop(channel.consume("q").await.unwrap()),
                }
            }
        }));
    }
    for round in 0.. {
        assert!(round < 10_000, "{} tasks never end", tasks.len());
        tasks.retain_mut(|task| random.below(3) == 0 || task.run().is_pending());
        let n_frames = random.index(20);
        world.turn(n_frames);
        if tasks.is_empty() {
            break;
        }
    }
    world.settle();
    assert_eq!(n_published.get(), 64 * 3);
    let at_broker = world.broker.channel(world.channel.id());
    assert_eq!(at_broker.published(), 64 * 3);
    assert!(!at_broker.is_amid_content());
    // And at the end, a close behind it all.
    let channel = world.channel.clone();
    let body = octets.slice(..MIB);
    let publishing = channel.clone();
    let message = Message::new(body);
    let mut last = Task::new(async move { publishing.basic_publish("", "k", &message).await });
    assert!(matches!(last.poll(), Poll::Ready(Ok(()))));
    let mut closing = Task::start(async move { channel.close().await });
    world.settle();
    closing.ready().unwrap();
    assert!(world.broker.channels().is_empty());
}
