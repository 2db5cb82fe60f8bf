//! A connection that is shut down, step by step, over the adapter; the clock is the test's.

use std::future::{Future, IntoFuture};
use std::time::Duration;

use amqp_client::connection::ShutdownReport;
use amqp_client::consume::HandlerSummary;
use amqp_client::error::Outcome;
use amqp_client::options::Recovery;
use amqp_client::{
    Channel, Connection, ConnectionError, ConnectionOptions, Consumer, Delivery, Message, Publisher,
};
use amqp_spec::wire::ShortStr;
use amqp_spec::{basic, confirm, connection};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::peer::{Peer, options, soon};
use crate::wire;

const GRACE: Duration = Duration::from_secs(20);
/// That of the options.
const CLOSE: Duration = Duration::from_secs(5);

/// A connection with a consumer `c` on its first channel.
struct Scene {
    peer: Peer,
    connection: Connection,
    /// It would be closed behind its last handle.
    channel: Channel,
    consumer: Consumer,
}

async fn consuming() -> Scene {
    let (stream, mut peer) = Peer::pair(65_536);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let broker = async {
        peer.next().await;
        peer.say(1, &basic::QosOk {}).await;
        peer.expect("1 basic.consume c").await;
        peer.send(&wire::consume_ok(1, "c")).await;
    };
    let consume = channel.consume("q").tag("c");
    let (consumer, ()) = soon(async { tokio::join!(consume, broker) }).await;
    Scene {
        peer,
        connection,
        channel,
        consumer: consumer.unwrap(),
    }
}

/// The same, with one delivery in hand and one that has not been taken.
async fn working() -> (Scene, Delivery) {
    let mut scene = consuming().await;
    deliver(&mut scene.peer, 1..=2).await;
    let held = soon(scene.consumer.next()).await.unwrap().unwrap();
    (scene, held)
}

async fn deliver(peer: &mut Peer, numbers: impl IntoIterator<Item = u64>) {
    let octets = numbers
        .into_iter()
        .flat_map(|n| wire::delivery(1, "c", n, b"m"));
    peer.send(&octets.collect::<Vec<_>>()).await;
}

fn shut_down(connection: &Connection, grace: Duration) -> JoinHandle<ShutdownReport> {
    let connection = connection.clone();
    tokio::spawn(async move { connection.shutdown(grace).await })
}

/// Nothing is sent, however long that is waited for.
async fn silent(peer: &mut Peer) {
    let line = timeout(Duration::from_secs(1), peer.next()).await;
    assert!(line.is_err(), "{line:?}");
}

/// The client closes, and is answered.
async fn closed(mut peer: Peer) {
    peer.expect("0 connection.close 200").await;
    peer.say(0, &connection::CloseOk {}).await;
    peer.expect_end().await;
}

/// A handler that runs until it is told to go on, publishes then, and has its message acknowledged.
fn handle(
    consumer: Consumer,
    publisher: Publisher,
    go_on: watch::Receiver<bool>,
) -> impl Future<Output = HandlerSummary> {
    let handling = consumer.handle(move |_| {
        let (publisher, mut go_on) = (publisher.clone(), go_on.clone());
        async move {
            go_on.wait_for(|go_on| *go_on).await.unwrap();
            let publishing = publisher.publish("", "results", "done");
            publishing.await.unwrap();
        }
    });
    handling.into_future()
}

#[tokio::test(start_paused = true)]
async fn s19_each_step_of_a_shutdown_waits_for_the_one_before() {
    let Scene {
        mut peer,
        connection,
        channel: _kept,
        consumer,
    } = consuming().await;
    let channel = peer.channel(&connection).await;
    let select = async {
        peer.expect("2 confirm.select").await;
        peer.say(2, &confirm::SelectOk {}).await;
    };
    let (publisher, ()) = soon(async { tokio::join!(Publisher::new(channel), select) }).await;
    let publisher = publisher.unwrap();
    // One that the broker does not confirm for a long time.
    let early = publisher.send("", "early", &Message::new("?")).await;
    let early = tokio::spawn(early.unwrap());
    published(&mut peer, "early", 1).await;
    let (go_on, may_go_on) = watch::channel(false);
    let handling = tokio::spawn(handle(consumer, publisher.clone(), may_go_on));
    deliver(&mut peer, 1..=4).await;
    silent(&mut peer).await;

    let task = shut_down(&connection, GRACE);
    // At once, before the handler has ended and without waiting for the answer.
    peer.expect("1 basic.cancel c").await;
    for n in 2..=4 {
        peer.expect(&format!("1 basic.nack {n} requeue")).await;
    }
    peer.send(&wire::cancel_ok(1, "c")).await;
    silent(&mut peer).await;

    // The handler settles on the channel that the message came on.
    go_on.send(true).unwrap();
    published(&mut peer, "results", 4).await;
    silent(&mut peer).await;
    peer.send(&wire::ack(2, 2, false)).await;
    peer.expect("1 basic.ack 1").await;
    let handled = soon(handling).await.unwrap();
    assert_eq!((handled.acked, handled.given_back), (1, 3), "{handled:?}");

    // Nothing new is taken, and what was is confirmed.
    silent(&mut peer).await;
    let late = publisher.publish("", "late", "?").await.unwrap_err();
    assert_eq!(late.outcome(), Outcome::NotSent, "{late:?}");
    silent(&mut peer).await;
    assert!(!early.is_finished() && !task.is_finished());
    peer.send(&wire::ack(2, 1, false)).await;
    soon(early).await.unwrap().unwrap();
    closed(peer).await;
    let report = soon(task).await.unwrap();
    assert!(report.is_clean(), "{report}");
}

/// A message on the second channel.
async fn published(peer: &mut Peer, key: &str, len: usize) {
    peer.expect(&format!("2 basic.publish {key} mandatory"))
        .await;
    peer.expect(&format!("2 header {len}")).await;
    peer.expect(&format!("2 body {len}")).await;
}

#[tokio::test(start_paused = true)]
async fn s19_grace_that_runs_out_closes_and_tells_what_is_left() {
    let (mut scene, held) = working().await;
    let begun = Instant::now();
    let task = shut_down(&scene.connection, GRACE);
    scene.peer.expect("1 basic.cancel c").await;
    scene.peer.expect("1 basic.nack 2 requeue").await;
    scene.peer.send(&wire::cancel_ok(1, "c")).await;
    closed(scene.peer).await;
    let report = soon(task).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), GRACE.as_secs());
    assert_eq!(
        (report.unsettled, report.unconfirmed, report.unsent),
        (1, 0, 0)
    );
    assert!(report.cause.is_none());
    held.ack().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn s19_shutdown_goes_on_though_its_future_is_dropped() {
    let (mut scene, held) = working().await;
    let polled = timeout(Duration::from_millis(1), scene.connection.shutdown(GRACE)).await;
    assert!(polled.is_err());
    scene.peer.expect("1 basic.cancel c").await;
    scene.peer.expect("1 basic.nack 2 requeue").await;
    scene.peer.send(&wire::cancel_ok(1, "c")).await;
    silent(&mut scene.peer).await;
    held.ack().unwrap();
    scene.peer.expect("1 basic.ack 1").await;
    closed(scene.peer).await;
    let report = soon(scene.connection.shutdown(GRACE)).await;
    assert!(report.is_clean(), "{report}");
}

/// It reads, and says nothing any more.
#[tokio::test(start_paused = true)]
async fn s19_silence_of_the_broker_is_bounded_by_the_grace_and_a_close() {
    let (mut scene, held) = working().await;
    let begun = Instant::now();
    let task = shut_down(&scene.connection, GRACE);
    scene.peer.expect("1 basic.cancel c").await;
    scene.peer.expect("1 basic.nack 2 requeue").await;
    held.ack().unwrap();
    scene.peer.expect("1 basic.ack 1").await;
    scene.peer.expect("0 connection.close 200").await;
    let report = soon(task).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), (GRACE + CLOSE).as_secs());
    assert_eq!(report.unsettled, 0);
    let late = ConnectionError::CloseTimeout {
        unwritten_bytes: 0,
        unwritten_messages: 0,
    };
    assert_eq!(
        report.cause.map(|cause| cause.to_string()),
        Some(late.to_string())
    );
    scene.peer.expect_end().await;
}

/// With recovery, which a shutdown ends.
#[tokio::test]
async fn s19_connection_that_is_lost_amid_a_shutdown_does_not_come_back() {
    let broker = amqp_testing::Peer::start(|listener| {
        let mut first = listener.accept();
        first.open_connection();
        first.open_channel(1);
        first.expect(1, "basic.qos");
        first.send(1, &basic::QosOk {});
        first.expect(1, "basic.consume");
        let consumer_tag = ShortStr::new(b"c").unwrap();
        first.send(1, &basic::ConsumeOk { consumer_tag });
        let deliver = basic::Deliver {
            consumer_tag,
            delivery_tag: 1,
            ..basic::Deliver::default()
        };
        first.send_content(1, &deliver, &basic::Properties::default(), b"m");
        first.expect(1, "basic.cancel");
        // Those who come again would find it listening.
        first.reset();
    })
    .unwrap();
    let options: ConnectionOptions = broker.url().parse().unwrap();
    let connection = Connection::open_with(&options.recovery(Recovery::new())).await;
    let connection = connection.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let mut consumer = channel.consume("q").tag("c").await.unwrap();
    let held = soon(consumer.next()).await.unwrap().unwrap();
    let report = soon(connection.shutdown(GRACE)).await;
    assert_eq!(report.unsettled, 1);
    let cause = report.cause.unwrap();
    assert!(
        !matches!(cause, ConnectionError::NotRecovered { .. }),
        "{cause:?}"
    );
    held.ack().unwrap_err();
    assert!(soon(consumer.next()).await.is_none());
    broker.finished().await;
}
