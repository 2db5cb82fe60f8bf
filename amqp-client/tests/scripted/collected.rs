//! What programs see that collect errors: through `anyhow`, `eyre`, `thiserror`, a `Box<dyn Error>`
//! and `amqp_client::Error`, each cause stands there exactly once.

use std::error::Error as StdError;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use amqp_client::sasl::Credentials;
use amqp_client::{
    ChannelError, ConnectError, Connection, ConnectionOptions, Message, PublishError, Publisher,
    QueueDeclare, rpc,
};
use amqp_spec::confirm;
use tokio::net::TcpSocket;

use crate::peer::{Peer, options, soon};
use crate::wire;

/// An error of a program, which shows only what it adds.
#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error("the order was not placed")]
    Broker(#[from] amqp_client::Error),
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// Of an error and what is behind it each text once, in whatever it is collected.
#[track_caller]
fn told_once<E>(error: &E, texts: &[&str])
where
    E: Clone + Into<amqp_client::Error> + StdError + Send + Sync + 'static,
{
    for shown in shown(error) {
        for text in texts {
            assert_eq!(shown.matches(text).count(), 1, "{text:?} in {shown:?}");
        }
    }
    let one: amqp_client::Error = error.clone().into();
    for shown in shown(&one) {
        for text in texts {
            assert_eq!(shown.matches(text).count(), 1, "{text:?} in {shown:?}");
        }
    }
    let of_program = OrderError::from(one);
    let text = of_program.to_string();
    let chain = chain(&of_program);
    assert!(!texts.iter().any(|&cause| text.contains(cause)), "{chain}");
    for shown in [chain, format!("{:#}", anyhow::Error::from(of_program))] {
        for text in texts {
            assert_eq!(shown.matches(text).count(), 1, "{text:?} in {shown:?}");
        }
    }
}

/// The ways in which programs print it.
fn shown<E: Clone + StdError + Send + Sync + 'static>(error: &E) -> Vec<String> {
    let by_anyhow = anyhow::Error::from(error.clone());
    let by_eyre = eyre::Report::from(error.clone());
    let boxed: Box<dyn StdError> = Box::new(error.clone());
    vec![
        format!("{by_anyhow:#}"),
        format!("{by_anyhow:?}"),
        format!("{by_eyre:#}"),
        format!("{by_eyre:?}"),
        chain(&*boxed),
        // What `main` prints that returns it.
        format!("{boxed:?}"),
    ]
}

/// As a program prints it by hand.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let texts: Vec<_> = chain.map(ToString::to_string).collect();
    texts.join("\ncaused by: ")
}

/// Opened over a stream in memory, with the broker's end of it.
async fn connection() -> (Peer, Connection) {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    (peer, connection)
}

async fn publisher(peer: &mut Peer, connection: &Connection) -> Publisher {
    let channel = peer.channel(connection).await;
    let broker = async {
        peer.expect("1 confirm.select").await;
        peer.say(1, &confirm::SelectOk {}).await;
    };
    let (publisher, ()) = tokio::join!(soon(Publisher::new(channel)), broker);
    publisher.unwrap()
}

async fn declare(peer: &mut Peer, connection: &Connection) -> ChannelError {
    let channel = peer.channel(connection).await;
    let broker = async {
        peer.expect("1 queue.declare nosuch").await;
        peer.send(&wire::channel_close(1)).await;
        peer.expect("1 channel.close-ok").await;
    };
    let declare = QueueDeclare::new("nosuch").passive();
    let (declared, ()) = tokio::join!(soon(channel.queue_declare(declare)), broker);
    declared.unwrap_err()
}

#[tokio::test]
async fn refused_connection_is_told_once() {
    // Bound and not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let uri = format!("amqp://{}", socket.local_addr().unwrap());
    let refused: ConnectError = soon(Connection::open(&uri)).await.unwrap_err();
    told_once(&refused, &["127.0.0.1", "onnection refused"]);
}

#[tokio::test]
async fn credentials_that_could_not_be_had_are_told_with_all_that_is_behind_them() {
    let source = || async { Err::<Credentials, _>(Asking(std::io::Error::other("no route"))) };
    let options = ConnectionOptions::default().credential_source(source);
    let (stream, _peer) = Peer::pair(4096);
    let error = soon(Connection::open_stream(stream, &options)).await;
    let error = error.unwrap_err();
    told_once(&error, &["no credentials", "the token server", "no route"]);
    let printed = "cannot connect: no credentials: the token server: no route";
    assert_eq!(format!("{:?}", amqp_client::Error::from(error)), printed);
}

/// As errors of other libraries often are: it says what it did, and leaves the rest to its source.
#[derive(Debug)]
struct Asking(std::io::Error);

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token server")
    }
}

impl StdError for Asking {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.0)
    }
}

#[tokio::test]
async fn queue_that_is_not_there_is_told_once() {
    let (mut peer, connection) = connection().await;
    let missing = declare(&mut peer, &connection).await;
    told_once(
        &missing,
        &["404 NOT_FOUND", "no queue 'nosuch'", "queue.declare"],
    );
    let one = amqp_client::Error::from(missing.clone());
    assert!(one.is_not_found() && !one.is_retryable());
    let transparent = OrderError::from(missing.clone());
    assert_eq!(chain(&transparent), chain(&missing));
}

#[tokio::test]
async fn publishes_that_were_not_sent_or_are_uncertain_are_told_once() {
    let (mut peer, connection) = connection().await;
    let publisher = publisher(&mut peer, &connection).await;
    let long = "k".repeat(256);
    let not_sent: PublishError = publisher
        .publish("", &long, Message::new("x"))
        .await
        .unwrap_err();
    told_once(&not_sent, &["message not sent", "routing_key", "256 bytes"]);
    let broker = async {
        peer.expect("1 basic.publish key mandatory").await;
        peer.expect("1 header 1").await;
        peer.expect("1 body 1").await;
        drop(peer);
    };
    let publish = soon(publisher.publish("", "key", Message::new("x")));
    let (published, ()) = tokio::join!(publish, broker);
    let uncertain = published.unwrap_err();
    told_once(&uncertain, &["may or may not be routed", "connection lost"]);
}

#[tokio::test(start_paused = true)]
async fn call_without_a_reply_in_time_is_told_once() {
    let (mut peer, connection) = connection().await;
    let broker = async {
        peer.expect("1 channel.open").await;
        peer.say(1, &amqp_spec::channel::OpenOk {}).await;
        peer.expect("1 confirm.select").await;
        peer.say(1, &confirm::SelectOk {}).await;
        let consume = peer.next().await;
        let tag = consume.strip_prefix("1 basic.consume ").unwrap();
        peer.send(&wire::consume_ok(1, tag)).await;
    };
    let (client, ()) = tokio::join!(rpc::Client::open(&connection), broker);
    let call = client.unwrap();
    let call = call.call("", "server", Message::new("?"));
    let late: rpc::Error = call.timeout(Duration::from_secs(5)).await.unwrap_err();
    told_once(&late, &["no reply within 5 s (queue 'server')"]);
    let one = amqp_client::Error::from(late);
    assert!(one.is_retryable());
}

/// As a program is written with it.
mod programs {
    use amqp_client::{Channel, Error, Message, Publisher, QueueDeclare};

    type Result<T> = std::result::Result<T, Error>;

    /// What each `?` meets is another type, and one is enough for all of them.
    pub(super) async fn work(channel: &Channel, publisher: &Publisher) -> Result<String> {
        let queue = channel
            .queue_declare(QueueDeclare::new("nosuch").passive())
            .await?;
        publisher
            .publish("", &queue.name, Message::new("x"))
            .await?;
        publisher.wait_for_confirms().await?;
        let mut consumer = channel.consume(&queue.name).await?;
        let mut text = String::new();
        if let Some(delivery) = consumer.next().await {
            let delivery = delivery?;
            text.push_str(delivery.text()?);
            text.push_str(delivery.routing_key().as_str()?);
            delivery.ack()?;
        }
        Ok(text)
    }

    pub(super) async fn with_anyhow(
        channel: &Channel,
        publisher: &Publisher,
    ) -> anyhow::Result<String> {
        use anyhow::Context as _;
        work(channel, publisher)
            .await
            .context("the order was not placed")
    }

    pub(super) async fn with_eyre(
        channel: &Channel,
        publisher: &Publisher,
    ) -> eyre::Result<String> {
        use eyre::WrapErr as _;
        work(channel, publisher)
            .await
            .wrap_err("the order was not placed")
    }

    pub(super) async fn with_thiserror(
        channel: &Channel,
        publisher: &Publisher,
    ) -> std::result::Result<String, super::OrderError> {
        Ok(work(channel, publisher).await?)
    }

    pub(super) async fn boxed(
        channel: &Channel,
        publisher: &Publisher,
    ) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
        Ok(work(channel, publisher).await?)
    }
}

#[tokio::test]
async fn programs_print_what_their_first_operation_failed_over() {
    let (mut peer, connection) = connection().await;
    let publisher = publisher(&mut peer, &connection).await;
    let channel = publisher.channel();
    let broker = async {
        peer.expect("1 queue.declare nosuch").await;
        peer.send(&wire::channel_close(1)).await;
        peer.expect("1 channel.close-ok").await;
    };
    let (worked, ()) = tokio::join!(soon(programs::work(channel, &publisher)), broker);
    let text = "channel 1 closed by the broker: 404 NOT_FOUND - no queue 'nosuch' (answering \
                queue.declare of queue 'nosuch')";
    assert_eq!(format!("{:?}", worked.unwrap_err()), text);
    // What comes later is told the same.
    let with_context = format!("the order was not placed: {text}");
    let by_anyhow = programs::with_anyhow(channel, &publisher).await;
    assert_eq!(format!("{:#}", by_anyhow.unwrap_err()), with_context);
    let by_eyre = programs::with_eyre(channel, &publisher).await;
    assert_eq!(format!("{:#}", by_eyre.unwrap_err()), with_context);
    let by_thiserror = programs::with_thiserror(channel, &publisher).await;
    let by_thiserror = chain(&by_thiserror.unwrap_err());
    assert_eq!(
        by_thiserror,
        with_context.replacen(": ", "\ncaused by: ", 1)
    );
    let boxed = programs::boxed(channel, &publisher).await.unwrap_err();
    assert_eq!(format!("{boxed:?}"), text);
}
