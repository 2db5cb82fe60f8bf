//! Every future dropped at every poll, while others are busy on the same channel: they get what is
//! theirs, and nothing stays behind.

use std::cell::Cell;
use std::rc::Rc;
use std::task::Poll;

use crate::tests::support::operations::{After, Operation, Told, World, operations, told};
use crate::tests::support::pair::quiet;
use crate::tests::support::task::Task;
use crate::{Channel, ConnectionOptions, Message, PublishError, Publisher, QueueDeclare};

/// Others on the channel, busy until they are told to stop. Each insists on what is its own.
fn others(world: &World, stop: &Rc<Cell<bool>>) -> Vec<(&'static str, Task<'static, Told>)> {
    let channel = || world.channel.clone();
    let publisher = || world.publisher.clone();
    let until = || Rc::clone(stop);
    vec![
        ("declare", Task::new(declare(channel(), until(), "a"))),
        ("declare too", Task::new(declare(channel(), until(), "b"))),
        ("publish", Task::new(publish(publisher(), until()))),
        ("be returned", Task::new(be_returned(publisher(), until()))),
        ("get", Task::new(get(channel(), until()))),
    ]
}

async fn declare(channel: Channel, stop: Rc<Cell<bool>>, name: &str) -> Told {
    let mut n = 0;
    while !stop.get() {
        n += 1;
        let name = format!("{name}{n}");
        let declared = channel.queue_declare(QueueDeclare::new(&name)).await;
        let declared = declared.map_err(|error| format!("{error:?}"))?;
        assert_eq!(declared.name, name, "somebody else's answer");
    }
    Ok(())
}

async fn publish(publisher: Publisher, stop: Rc<Cell<bool>>) -> Told {
    let mut body = 0;
    while !stop.get() {
        body += 1;
        let sent = publisher
            .send("", "busy", Message::new(vec![b'.'; body]))
            .await;
        let first = sent.map_err(|error| format!("{error:?}"))?;
        let sent = publisher.send("", "busy", Message::new("second")).await;
        told(sent.map_err(|error| format!("{error:?}"))?.await)?;
        told(first.await)?;
    }
    Ok(())
}

async fn be_returned(publisher: Publisher, stop: Rc<Cell<bool>>) -> Told {
    let publisher = publisher.mandatory();
    while !stop.get() {
        match publisher.publish("", "nowhere", Message::new("body")).await {
            Err(PublishError::Returned(returned)) => {
                assert_eq!(returned.routing_key().as_bytes(), b"nowhere");
            }
            other => {
                told(other)?;
                panic!("confirmed in place of returned");
            }
        }
    }
    Ok(())
}

async fn get(channel: Channel, stop: Rc<Cell<bool>>) -> Told {
    while !stop.get() {
        let got = channel.basic_get("fetched").await;
        let got = got.map_err(|error| format!("{error:?}"))?.unwrap();
        assert_eq!(got.delivery.body(), b"fetched");
        // Stale, if another task has given everything back.
        told(got.delivery.ack())?;
    }
    Ok(())
}

/// When to drop an operation.
#[derive(Clone, Copy, Debug)]
struct When {
    /// After so many polls …
    n_polls: usize,
    /// … and when it has been woken to be polled once more.
    woken: bool,
    /// So many of the broker's frames come at a time.
    n_frames: usize,
}

/// Drops the operation then. True if it was complete before.
#[track_caller]
fn run_and_drop(operation: &Operation, options: &ConnectionOptions, when: When) -> bool {
    let mut world = World::new(options);
    let stop = Rc::new(Cell::new(false));
    let mut others = others(&world, &stop);
    let mut results = Vec::new();
    let mut task = Some(Task::new(operation.start(&world)));
    let mut n_polls = 0;
    let mut complete = false;
    // What comes behind a drop must go well too.
    let mut rounds_behind = 0;
    for round in 0.. {
        assert!(round < 5000, "{}: others never end", operation.name);
        let mut go_on = || {
            others.retain_mut(|(name, other)| match other.run() {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    results.push((*name, result));
                    false
                }
            });
        };
        // Everybody has his chance to be the first.
        if round % 2 == 0 {
            go_on();
        }
        if let Some(running) = &mut task {
            let last = n_polls == when.n_polls;
            if last && (!when.woken || running.is_due() || round > 200) {
                task = None;
            } else if !last && running.is_due() {
                n_polls += 1;
                if let Poll::Ready(result) = running.poll() {
                    complete = true;
                    assert_eq!(result, Ok(()), "{} on its own", operation.name);
                    task = None;
                }
            } else if round > 200 {
                // It waits for what does not come.
                task = None;
            }
        }
        if round % 2 == 1 {
            go_on();
        }
        let moved = world.turn(when.n_frames);
        if task.is_none() {
            rounds_behind += 1;
            stop.set(rounds_behind > 3);
            if others.is_empty() && !moved {
                break;
            }
        }
    }
    for (name, result) in results {
        let may_fail = operation.after != After::Usable;
        assert!(result.is_ok() || may_fail, "{name}: {result:?}");
    }
    world.settle();
    world.assert_nothing_left(operation.after);
    complete
}

#[track_caller]
fn drop_everywhere(options: &ConnectionOptions) {
    for operation in operations() {
        for (woken, n_frames) in [(false, 1), (false, 100), (true, 1), (true, 100)] {
            for n_polls in 0..30 {
                let when = When {
                    n_polls,
                    woken,
                    n_frames,
                };
                if run_and_drop(&operation, options, when) {
                    break;
                }
                assert!(
                    n_polls < 29 || !operation.ends,
                    "{} never completes",
                    operation.name
                );
            }
        }
    }
}

#[test]
fn s5_any_future_dropped_at_any_poll_disturbs_nobody_and_leaves_nothing() {
    drop_everywhere(&quiet());
}

#[test]
fn f17_any_future_dropped_at_any_poll_while_there_is_no_room_disturbs_nobody() {
    // Whoever publishes gets in line and waits for everybody before him.
    drop_everywhere(&quiet().write_buffer_limit(1));
}

#[test]
fn f17_whoever_looks_and_goes_leaves_no_waker_behind() {
    let (mut pair, channel) = crate::tests::support::pair::Pair::with_channel();
    let blocked = amqp_spec::connection::Blocked {
        reason: crate::tests::support::wire::short("low on memory"),
    };
    pair.says(0, &blocked);
    for _ in 0..100 {
        // Each is a task of its own, with a waker of its own.
        Task::start(pair.connection.closed()).pending();
        Task::start(pair.connection.unblocked()).pending();
        Task::start(channel.closed()).pending();
    }
    let connection = pair.core.shared();
    assert_eq!(connection.end.n_waiting(), 0);
    assert_eq!(channel.shared().end.n_waiting(), 0);
    assert_eq!(connection.outbox().room().n_gate_watchers(), 0);
    // Whoever stays is told, with the waker that he gave last.
    let connection = pair.connection.clone();
    let mut watcher = Task::start(async move { connection.closed().await });
    watcher.pending();
    pair.eof();
    watcher.ready();
}
