//! The end of a connection: what is still done, and who learns of it.

use std::future::Future;
use std::time::Duration;

use amqp_client::error::Initiator;
use amqp_client::{
    Channel, ChannelError, Connection, ConnectionError, ConsumeError, Message, PublishError,
};
use amqp_testing::{Broker, BrokerOptions};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;

use crate::support::{
    consumers, declare, endpoint, lasting, limited, ready, run, until, until_ready,
};

#[test]
fn what_was_accepted_before_the_close_is_stored() {
    run(async |site| {
        let watcher = site.channel().await;
        for (queue, size) in [("small", 10), ("large", 100_000)] {
            let connection = site.connect().await;
            let channel = connection.open_channel().await.unwrap();
            declare(&channel, queue).await;
            let message = Message::new(vec![0; size]);
            for _ in 0..500 {
                channel.basic_publish("", queue, &message).await.unwrap();
            }
            connection.close().await.unwrap();
            until_ready(&watcher, queue, 500).await;

            // All handles know, and another close is none.
            assert!(matches!(connection.closed().await, ConnectionError::Closed));
            connection.close().await.unwrap();
            let error = channel.queue_purge(queue).await.unwrap_err();
            assert!(
                matches!(error, ChannelError::Connection(ConnectionError::Closed)),
                "{error}"
            );
            let error = connection.open_channel().await.unwrap_err();
            assert!(
                matches!(error, ChannelError::Connection(ConnectionError::Closed)),
                "{error}"
            );
        }
    });
}

#[test]
fn what_was_accepted_before_the_channel_s_close_is_stored() {
    run(async |site| {
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        declare(&channel, "q").await;
        for n in 0..200 {
            let message = Message::new(vec![0; 1000 * n]);
            channel.basic_publish("", "q", &message).await.unwrap();
        }
        channel.close().await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        until_ready(&channel, "q", 200).await;
    });
}

#[test]
fn dropping_the_last_handle_closes_the_connection() {
    run(async |site| {
        let watcher = site.channel().await;
        declare(&watcher, "q").await;
        let connection = site.connect().await;
        let channel = connection.open_channel().await.unwrap();
        let consumer = channel.consume("q").await.unwrap();
        let message = Message::new("last words");
        channel.basic_publish("", "q", &message).await.unwrap();
        drop((connection, channel));
        assert_eq!(consumers(&watcher, "q").await, 1);
        drop(consumer);
        until("consumers", 0, async || consumers(&watcher, "q").await).await;
        until_ready(&watcher, "q", 1).await;
    });
}

/// Everything that can be under way on a connection; each gives its error.
struct Waiting {
    tasks: Vec<(&'static str, JoinHandle<ChannelError>)>,
}

impl Waiting {
    /// Starts a consumer, a publisher that floods the broker, a declarer and one that waits for the
    /// end. Returns when each of them has begun.
    async fn on(connection: &Connection) -> Self {
        let setup = connection.open_channel().await.unwrap();
        declare(&setup, "idle").await;
        declare(&setup, "busy").await;
        let mut waiting = Self { tasks: Vec::new() };

        let mut consumer = setup.consume("idle").await.unwrap();
        waiting.start("a consumer", async move {
            match consumer.next().await {
                // Only the program's own close ends a stream without a word.
                None => ConnectionError::Closed.into(),
                Some(Err(ConsumeError::Channel(error))) => error,
                Some(other) => panic!("{other:?}"),
            }
        });
        let publisher = connection.open_publisher().await.unwrap();
        waiting.start("a publisher", async move {
            let message = Message::new(vec![0; 10_000]).persistent();
            let mut confirmations = Vec::new();
            let not_sent = loop {
                match publisher.send("", "busy", &message).await {
                    Ok(confirmation) => confirmations.push(confirmation),
                    Err(PublishError::NotSent(error)) => break error,
                    Err(error) => panic!("{error}"),
                }
            };
            // Every single one has an end; what was not sent are the last ones.
            let mut unsent = false;
            for confirmation in confirmations {
                match confirmation.await {
                    Ok(()) => assert!(!unsent, "confirmed behind one that was not sent"),
                    Err(PublishError::Uncertain(error)) => {
                        assert!(!unsent, "uncertain behind one that was not sent");
                        assert_eq!(error.to_string(), not_sent.to_string());
                    }
                    Err(PublishError::NotSent(error)) => {
                        unsent = true;
                        assert_eq!(error.to_string(), not_sent.to_string());
                    }
                    Err(error) => panic!("{error}"),
                }
            }
            not_sent
        });
        let channel = connection.open_channel().await.unwrap();
        waiting.start("a declarer", async move {
            loop {
                if let Err(error) = try_ready(&channel).await {
                    break error;
                }
            }
        });
        let handle = connection.clone();
        waiting.start(
            "the connection",
            async move { handle.closed().await.into() },
        );
        until("messages in the busy queue", true, async || {
            ready(&setup, "busy").await > 100
        })
        .await;
        waiting
    }

    fn start(
        &mut self,
        name: &'static str,
        task: impl Future<Output = ChannelError> + Send + 'static,
    ) {
        self.tasks.push((name, tokio::spawn(task)));
    }

    /// Waits for all, and checks the error that each was given.
    async fn end(self, check: impl Fn(&ConnectionError)) {
        for (name, task) in self.tasks {
            let error = tokio::time::timeout(Duration::from_secs(120), task).await;
            let error = error.unwrap_or_else(|_| panic!("{name} still waits"));
            match error.unwrap() {
                ChannelError::Connection(error) => check(&error),
                error => panic!("{name}: {error}"),
            }
        }
    }
}

async fn try_ready(channel: &Channel) -> Result<(), ChannelError> {
    let passive = amqp_client::QueueDeclare::new("busy").passive();
    channel.queue_declare(passive).await.map(drop)
}

#[test]
fn everybody_learns_that_an_operator_closed_the_connection() {
    run(async |site| {
        let connection = site.connect().await;
        let waiting = Waiting::on(&connection).await;

        let list = format!("/api/vhosts/{}/connections", site.name());
        let (_, rest) = loop {
            let listed = site.management().get(&list).unwrap();
            if let Some((_, rest)) = listed.split_once(r#""name":"127.0.0.1:"#) {
                break ((), rest.to_owned());
            }
            tokio::task::yield_now().await;
        };
        let name = format!("127.0.0.1:{}", rest.split('"').next().unwrap());
        let name = name.replace(' ', "%20").replace('>', "%3E");
        site.management()
            .delete(&format!("/api/connections/{name}"))
            .unwrap();

        waiting
            .end(|error| {
                let ConnectionError::ClosedByBroker(close) = error else {
                    panic!("{error}");
                };
                assert_eq!(close.reply_code.0, 320);
                let text = "CONNECTION_FORCED - Closed via management plugin";
                assert_eq!(close.reply_text, text);
                assert_eq!(close.method, None);
                assert_eq!(error.initiator(), Initiator::Broker);
            })
            .await;
        let error = connection.close().await.unwrap_err();
        assert_eq!(error.broker_close().unwrap().reply_code.0, 320);
    });
}

#[test]
fn closing_under_load_ends_all_that_waits() {
    run(async |site| {
        let connection = site.connect().await;
        let waiting = Waiting::on(&connection).await;
        connection.close().await.unwrap();
        waiting
            .end(|error| {
                assert!(matches!(error, ConnectionError::Closed), "{error}");
                assert_eq!(error.initiator(), Initiator::Application);
            })
            .await;
    });
}

/// Runs a test with a broker that it may harm.
fn run_on_own_broker(test: impl AsyncFnOnce(&Broker, Connection)) {
    if endpoint().is_none() {
        return;
    }
    let broker = BrokerOptions::new().start().unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    limited(&runtime, async {
        let connection = Connection::open_with(&lasting(&broker.url()))
            .await
            .unwrap();
        test(&broker, connection).await;
    });
}

#[test]
fn everybody_learns_that_the_broker_was_killed() {
    run_on_own_broker(async |broker, connection| {
        let waiting = Waiting::on(&connection).await;
        broker.kill().unwrap();
        waiting
            .end(|error| {
                let lost = matches!(error, ConnectionError::Io(_) | ConnectionError::EndOfStream);
                assert!(lost, "{error}");
                assert_eq!(error.initiator(), Initiator::Broker);
            })
            .await;
        assert!(connection.close().await.is_err());
        let error = Connection::open(&broker.url()).await.unwrap_err();
        assert_eq!(error.stage(), amqp_client::error::Stage::Tcp);
    });
}

#[test]
fn everybody_learns_that_the_broker_was_stopped() {
    run_on_own_broker(async |broker, connection| {
        let waiting = Waiting::on(&connection).await;
        let stopping = broker.first();
        tokio::task::block_in_place(|| stopping.stop()).unwrap();
        waiting
            .end(|error| {
                let ConnectionError::ClosedByBroker(close) = error else {
                    panic!("{error}");
                };
                assert_eq!(close.reply_code.0, 320);
                let text =
                    "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'";
                assert_eq!(close.reply_text, text);
            })
            .await;
    });
}

#[test]
fn a_broker_that_falls_silent_is_given_up() {
    run_on_own_broker(async |broker, connection| {
        connection.close().await.unwrap();
        let options = lasting(&broker.url());
        let options = options.heartbeat(Duration::from_secs(1));
        let connection = Connection::open_with(&options).await.unwrap();
        let waiting = Waiting::on(&connection).await;
        broker.pause().unwrap();
        waiting
            .end(|error| {
                let ConnectionError::HeartbeatTimeout(silence) = error else {
                    panic!("{error}");
                };
                assert!(*silence >= Duration::from_secs(2), "{silence:?}");
                assert_eq!(error.initiator(), Initiator::Library);
            })
            .await;
        broker.resume().unwrap();
    });
}

#[test]
fn a_deleted_virtual_host_ends_its_connections() {
    run(async |site| {
        let endpoint = endpoint().unwrap();
        let doomed = endpoint.vhost().unwrap();
        let connection = Connection::open_with(&lasting(&doomed.url()))
            .await
            .unwrap();
        let name = doomed.name().to_owned();
        doomed.delete().unwrap();
        let error = connection.closed().await;
        let close = error.broker_close().expect("no connection.close");
        assert_eq!(close.reply_code.0, 320, "{error}");
        assert!(close.reply_text.contains(&name), "{error}");
        site.connect().await;
    });
}
