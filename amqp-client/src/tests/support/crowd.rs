//! A conversation with everything in it: tasks that use the client in every way, and what a broker
//! said to them, recorded in turns. It can be split, cut and damaged anywhere.

use std::fmt::Debug;
use std::future::poll_fn;
use std::task::Poll;

use amqp_spec::{basic, channel, confirm, queue, tx};

use super::pair::{Pair, quiet};
use super::task::Task;
use super::wire;
use crate::{Connection, Message, PublishError, QueueDeclare};

/// What a task has to tell when it ends: each thing that happened to it.
type Log = Vec<String>;

pub(crate) struct Crowd {
    pub(crate) pair: Pair,
    tasks: Vec<(&'static str, Task<'static, Log>)>,
    ended: Vec<(&'static str, Log)>,
}

fn note<T: Debug, E: Debug>(log: &mut Log, result: Result<T, E>) -> Option<T> {
    match result {
        Ok(value) => {
            log.push(format!("{value:?}"));
            Some(value)
        }
        Err(error) => {
            log.push(format!("failed: {error:?}"));
            None
        }
    }
}

/// Declares, consumes, acknowledges, and waits for a delivery in the end.
async fn consume(connection: Connection) -> Log {
    let mut log = Log::new();
    let opened = connection.open_channel().await;
    let Some(channel) = note(&mut log, opened) else {
        return log;
    };
    let declared = channel.queue_declare(QueueDeclare::new("q")).await;
    note(&mut log, declared);
    let consumer = channel.consume("q").tag("tag").await;
    let Some(mut consumer) = note(&mut log, consumer) else {
        return log;
    };
    while let Some(next) = consumer.next().await {
        let Some(delivery) = note(&mut log, next) else {
            break;
        };
        note(&mut log, delivery.ack());
    }
    log
}

/// Publishes messages of every fate, and waits for the last confirm.
async fn publish(connection: Connection) -> Log {
    let mut log = Log::new();
    let opened = connection.open_publisher().await;
    let Some(publisher) = note(&mut log, opened) else {
        return log;
    };
    let mandatory = publisher.mandatory();
    for body in ["returned", "acked", "nacked", "pending"] {
        let outcome = mandatory.publish("", "key", Message::new(body)).await;
        let back = match &outcome {
            Err(PublishError::Returned(back)) => format!(" {:?}", back.received()),
            _ => String::new(),
        };
        note(&mut log, outcome);
        log.last_mut().unwrap().push_str(&back);
    }
    log
}

/// Fetches a message, and waits in the middle of another.
async fn get(connection: Connection) -> Log {
    let mut log = Log::new();
    let opened = connection.open_channel().await;
    let Some(channel) = note(&mut log, opened) else {
        return log;
    };
    for _ in 0..3 {
        let got = channel.basic_get("q").await;
        note(&mut log, got);
    }
    log
}

/// Waits for the answer to a close, while others pipeline.
async fn close(connection: Connection) -> Log {
    let mut log = Log::new();
    let opened = connection.open_channel().await;
    let Some(channel) = note(&mut log, opened) else {
        return log;
    };
    let closed = channel.close().await;
    note(&mut log, closed);
    let opened = connection.open_channel().await;
    let Some(channel) = note(&mut log, opened) else {
        return log;
    };
    let consumer = channel.consume("q").tag("unanswered").await;
    note(&mut log, consumer.map(drop));
    log
}

/// Fills the room behind a commit and waits for more.
async fn commit(connection: Connection) -> Log {
    let mut log = Log::new();
    let opened = connection.open_channel().await;
    let Some(channel) = note(&mut log, opened) else {
        return log;
    };
    let selected = channel.tx_select().await;
    note(&mut log, selected);
    // When this is answered everybody else has sent what he has to.
    let purged = channel.queue_purge("q").await;
    note(&mut log, purged);
    let mut commit = Box::pin(channel.tx_commit());
    let first = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context)));
    if let Poll::Ready(early) = first.await {
        note(&mut log, early);
        return log;
    }
    let message = Message::new(vec![b'.'; 2000]);
    for _ in 0..2 {
        let published = channel.basic_publish("", "key", &message).await;
        note(&mut log, published);
    }
    note(&mut log, commit.await);
    log
}

/// Is told by the broker that its channel is closed; then waits for a declare.
async fn fail(connection: Connection) -> Log {
    let mut log = Log::new();
    for _ in 0..2 {
        let opened = connection.open_channel().await;
        let Some(channel) = note(&mut log, opened) else {
            return log;
        };
        let declared = channel.queue_declare(QueueDeclare::new("nosuch")).await;
        note(&mut log, declared);
    }
    log
}

async fn wait(connection: Connection) -> Log {
    vec![format!("ended: {:?}", connection.closed().await)]
}

/// The broker's part, in turns: within a turn nothing depends on what the client says meanwhile.
pub(crate) fn recording() -> Vec<Vec<u8>> {
    let open_ok = |id| wire::method(id, &channel::OpenOk {});
    let get = |n, body: &[u8]| wire::content(3, &wire::get_ok(n), body);
    let cut = |octets: Vec<u8>| octets[..octets.len() - 3].to_vec();
    vec![
        wire::start("AMQPLAIN PLAIN"),
        wire::tune(2047, 131_072, 60),
        wire::open_ok(),
        (1..=6).flat_map(open_ok).collect(),
        [
            wire::declare_ok(1, "q"),
            wire::method(2, &confirm::SelectOk {}),
            get(1, b"fetched"),
            wire::method(4, &channel::CloseOk {}),
            wire::method(5, &tx::SelectOk {}),
            wire::channel_close(6),
        ]
        .concat(),
        [
            // Into the frames of one content, those of another channel.
            wire::method(1, &basic::QosOk {}),
            wire::consume_ok(1, "tag"),
            wire::method(1, &wire::deliver("tag", 1)),
            wire::returned(2, "key", b"returned"),
            wire::ack(2, 1, false),
            wire::header(1, 5),
            amqp_spec::frame::HEARTBEAT.to_vec(),
            wire::body(1, b"first", 11),
            wire::delivery(1, "tag", 2, b"second"),
            wire::method(3, &basic::GetEmpty {}),
            open_ok(4),
            open_ok(6),
        ]
        .concat(),
        [
            wire::ack(2, 2, true),
            wire::delivery(1, "tag", 3, b""),
            wire::method(4, &basic::QosOk {}),
        ]
        .concat(),
        wire::nack(2, 3, false),
        [
            wire::method(5, &queue::PurgeOk { message_count: 1 }),
            cut(get(2, b"unfinished")),
        ]
        .concat(),
    ]
}

impl Crowd {
    pub(crate) fn new() -> Self {
        let mut crowd = Self {
            pair: Pair::new(&quiet().write_buffer_limit(1000)),
            tasks: Vec::new(),
            ended: Vec::new(),
        };
        let connection = crowd.pair.connection.clone();
        let opening = connection.clone();
        let opened = async move { vec![format!("opened: {:?}", opening.opened().await)] };
        crowd.tasks.push(("opened", Task::new(opened)));
        // In this order they get their channels.
        crowd.join("consume", &connection, consume);
        crowd.join("publish", &connection, publish);
        crowd.join("get", &connection, get);
        crowd.join("close", &connection, close);
        crowd.join("commit", &connection, commit);
        crowd.join("fail", &connection, fail);
        crowd.tasks.push(("wait", Task::new(wait(connection))));
        crowd
    }

    /// A task that starts when the connection is open.
    fn join<F>(&mut self, name: &'static str, connection: &Connection, run: fn(Connection) -> F)
    where
        F: Future<Output = Log> + 'static,
    {
        let connection = connection.clone();
        let task = Task::new(async move {
            if let Err(error) = connection.opened().await {
                return vec![format!("failed: {error:?}")];
            }
            run(connection).await
        });
        self.tasks.push((name, task));
    }

    /// Everybody who was woken goes on.
    pub(crate) fn run(&mut self) {
        for _ in 0..100 {
            let before = self.tasks.iter().filter(|(_, task)| task.is_due()).count();
            if before == 0 {
                return;
            }
            let ended = &mut self.ended;
            self.tasks.retain_mut(|(name, task)| match task.run() {
                Poll::Pending => true,
                Poll::Ready(log) => {
                    ended.push((name, log));
                    false
                }
            });
            drop(self.pair.sent_octets());
        }
        panic!("they wake each other for ever");
    }

    /// The broker sends something and everybody reacts.
    pub(crate) fn feed(&mut self, octets: &[u8]) {
        self.pair.feed(octets);
        self.run();
    }

    /// Those who still wait.
    pub(crate) fn pending(&self) -> Vec<&'static str> {
        self.tasks.iter().map(|(name, _)| *name).collect()
    }

    /// What became of everybody, by name.
    pub(crate) fn into_logs(mut self) -> Vec<(&'static str, Log)> {
        assert_eq!(self.pending(), [""; 0], "still waiting");
        self.ended.sort();
        self.ended
    }
}

/// Answers that come when nobody asked; unused elsewhere but for their octets.
pub(crate) fn stray() -> Vec<Vec<u8>> {
    let mut stray = vec![
        wire::method(1, &queue::PurgeOk { message_count: 1 }),
        wire::cancel_ok(1, "tag"),
        wire::connection_close(),
        wire::channel_close(2),
        wire::method(0, &amqp_spec::connection::CloseOk {}),
    ];
    stray.extend(recording());
    stray
}
