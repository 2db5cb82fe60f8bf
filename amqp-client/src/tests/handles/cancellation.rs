//! Any future may be dropped at any time: others on the channel get what is theirs, and nothing
//! stays behind, neither here nor at the broker.
//!
//! Each operation runs on a busy channel against an honest broker. It is dropped after 0, 1, 2, …
//! frames of the broker's, until it completes; with and without having been polled for the last.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::consume::QosScope;
use crate::tests::support::operations::{After, World};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{
    Channel, ChannelError, Connection, ConnectionOptions, ExchangeDeclare, Message, Publisher,
    QueueDeclare,
};

type Operation = Pin<Box<dyn Future<Output = ()>>>;

type Declared = Result<String, ChannelError>;

async fn declare(channel: Channel, name: &'static str) -> Declared {
    let declared = channel.queue_declare(QueueDeclare::new(name)).await?;
    Ok(declared.name)
}

/// It must have been answered with its own name, unless the channel may be gone.
#[track_caller]
fn assert_own(answer: Poll<Declared>, name: &str, after: After) {
    match answer {
        Poll::Ready(Ok(declared)) => assert_eq!(declared, name),
        Poll::Ready(Err(error)) => assert_ne!(after, After::Usable, "{name}: {error}"),
        Poll::Pending => panic!("{name} is still waiting"),
    }
}

/// Runs the operation and drops it after so many frames. True if it was complete before.
fn run_and_drop(
    operation: &dyn Fn(&World) -> Operation,
    options: &ConnectionOptions,
    n_frames: usize,
    look_again: bool,
    after: After,
) -> bool {
    let mut world = World::new(options);
    let mut before = Task::start(declare(world.channel.clone(), "before"));
    let mut task = Task::new(operation(&world));
    let mut complete = task.poll().is_ready();
    let mut behind = Task::new(declare(world.channel.clone(), "behind"));
    let mut behind_answer = behind.poll();
    for n in 1..=n_frames {
        if complete || !world.turn(1) {
            break;
        }
        if look_again || n < n_frames {
            complete |= task.run().is_ready();
        }
    }
    drop(task);
    world.settle();
    assert_own(before.run(), "before", after);
    if behind_answer.is_pending() {
        behind_answer = behind.run();
    }
    assert_own(behind_answer, "behind", after);
    world.assert_nothing_left(after);
    complete
}

/// Drops the operation everywhere.
#[track_caller]
fn drop_everywhere(after: After, operation: impl Fn(&World) -> Operation) {
    drop_everywhere_with(&quiet(), after, operation);
}

#[track_caller]
fn drop_everywhere_with(
    options: &ConnectionOptions,
    after: After,
    operation: impl Fn(&World) -> Operation,
) {
    for look_again in [false, true] {
        let mut n_frames = 0;
        while !run_and_drop(&operation, options, n_frames, look_again, after) {
            n_frames += 1;
            // Some never complete: those that are not looked at again, or wait for the end.
            if n_frames == 25 {
                break;
            }
        }
    }
}

/// An operation on the channel.
fn on_channel(run: impl AsyncFn(Channel) + Copy + 'static) -> impl Fn(&World) -> Operation {
    move |world| {
        let channel = world.channel.clone();
        Box::pin(async move { run(channel).await })
    }
}

fn on_publisher(run: impl AsyncFn(Publisher) + Copy + 'static) -> impl Fn(&World) -> Operation {
    move |world| {
        let publisher = world.publisher.clone();
        Box::pin(async move { run(publisher).await })
    }
}

fn on_connection(run: impl AsyncFn(Connection) + Copy + 'static) -> impl Fn(&World) -> Operation {
    move |world| {
        let connection = world.connection.clone();
        Box::pin(async move { run(connection).await })
    }
}

/// Each of these, dropped everywhere.
macro_rules! operations {
    ($after:ident, $on:ident: $($run:expr),+ $(,)?) => {
        $(drop_everywhere(After::$after, $on($run));)+
    };
}

#[test]
fn declares_and_deletes() {
    operations!(Usable, on_channel:
        async |c| drop(c.queue_declare(QueueDeclare::new("dropped")).await),
        async |c| drop(c.exchange_declare(ExchangeDeclare::topic("dropped")).await),
        async |c| drop(c.exchange_delete("x").await),
        async |c| drop(c.queue_bind("q", "x", "k").await),
        async |c| drop(c.queue_unbind("q", "x", "k").await),
        async |c| drop(c.queue_purge("q").await),
        async |c| drop(c.queue_delete("q").await),
    );
}

#[test]
fn modes_of_the_channel() {
    operations!(Usable, on_channel:
        async |c| drop(c.basic_qos(10, QosScope::Consumer).await),
        async |c| drop(c.basic_recover().await),
        async |c| drop(c.confirm_select().await),
        async |c| drop(c.tx_select().await),
        async |c| drop(c.tx_commit().await),
        async |c| drop(c.tx_rollback().await),
    );
}

#[test]
fn gets() {
    operations!(Usable, on_channel:
        async |c| assert!(c.basic_get("empty").await.unwrap().is_none()),
        // What was got is settled; what was not has been given back.
        async |c| {
            let got = c.basic_get("fetched").await.unwrap().unwrap();
            got.delivery.ack().unwrap();
        },
    );
}

fn message() -> Message {
    Message::new("body")
}

#[test]
fn publishes() {
    operations!(Usable, on_channel:
        async |c| c.basic_publish("", "key", &message()).await.unwrap(),
    );
    operations!(Usable, on_publisher:
        async |p| p.publish("", "key", message()).await.unwrap(),
        async |p| drop(p.publish("", "nowhere", message()).await.unwrap_err()),
        async |p| p.publish("", "key", Message::new(vec![b'.'; 500_000])).await.unwrap(),
        async |p| {
            let first = p.send("", "key", message()).await.unwrap();
            let second = p.send("", "key", message()).await.unwrap();
            second.await.unwrap();
            first.await.unwrap();
        },
    );
}

#[test]
fn publishes_that_wait_for_room() {
    // The declare before fills what room there is.
    let publish = on_publisher(async |p| {
        for _ in 0..3 {
            p.publish("", "key", message()).await.unwrap();
            p.channel()
                .basic_publish("", "key", &message())
                .await
                .unwrap();
        }
    });
    drop_everywhere_with(&quiet().write_buffer_limit(1), After::Usable, publish);
}

#[test]
fn consumes() {
    operations!(Usable, on_channel:
        async |c| drop(c.consume("q").tag("dropped").await.unwrap()),
        async |c| {
            let mut consumer = c.consume("q").tag("a").prefetch(1).await.unwrap();
            for _ in 0..2 {
                consumer.next().await.unwrap().unwrap().ack().unwrap();
            }
            consumer.cancel().await.unwrap();
            consumer.next().await.unwrap().unwrap().ack().unwrap();
            assert!(consumer.next().await.is_none());
        },
        async |c| {
            let mut consumer = c.consume("q").no_ack().tag("z").await.unwrap();
            consumer.next().await.unwrap().unwrap();
        },
    );
}

#[test]
fn waiting_for_deliveries() {
    let mut world = World::new(&quiet());
    let id = world.channel.id();
    let consumer = Rc::clone(&world.consumer);
    let mut consumer = consumer.borrow_mut();
    // Giving up over and over, before and after something has come, loses nothing.
    for tag in 1..=3 {
        drop(Task::new(consumer.next()));
        let next = crate::tests::support::task::done(consumer.next())
            .unwrap()
            .unwrap();
        assert_eq!(next.delivery_tag(), tag);
        if tag == 2 {
            for _ in 0..3 {
                Task::start(consumer.next()).pending();
            }
            let waiting = Task::start(consumer.next());
            world.pair.feed(&crate::tests::support::wire::delivery(
                id, "standing", 3, b"x",
            ));
            assert!(waiting.is_due());
        }
    }
}

#[test]
#[expect(
    clippy::await_holding_refcell_ref,
    reason = "nobody else looks before the operation is dropped"
)]
fn cancels() {
    drop_everywhere(After::Usable, |world| {
        let consumer = Rc::clone(&world.consumer);
        Box::pin(async move { consumer.borrow().cancel().await.unwrap() })
    });
}

#[test]
fn opens() {
    operations!(Usable, on_connection:
        async |c| drop(c.open_channel().await.unwrap()),
        async |c| drop(c.open_publisher().await.unwrap()),
        async |c| {
            let channel = c.open_channel().await.unwrap();
            let consumer = channel.consume("q").await.unwrap();
            channel.queue_purge("q").await.unwrap();
            drop(consumer);
            channel.close().await.unwrap();
        },
        async |c| drop(c.closed().await),
        async |c| c.opened().await.unwrap(),
    );
}

#[test]
fn closes() {
    operations!(ChannelMayBeClosed, on_channel: async |c| c.close().await.unwrap());
    operations!(ConnectionMayBeClosed, on_connection: async |c| c.close().await.unwrap());
}
