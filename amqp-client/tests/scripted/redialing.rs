//! A connection that is lost goes on over another socket.

use std::future::Future;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use amqp_client::connection::State;
use amqp_client::consume::Resubscribe;
use amqp_client::event::Event;
use amqp_client::options::Recovery;
use amqp_client::{Connection, ConnectionOptions, Message};
use amqp_spec::wire::ShortStr;
use amqp_spec::{Method, basic, channel, connection, queue};
use amqp_testing::Peer;
use amqp_testing::peer::Conversation;

use crate::peer::soon;

const MIB: usize = 1 << 20;

fn soon_again() -> Recovery {
    Recovery::new().delays(Duration::from_millis(1)..=Duration::from_millis(5))
}

/// Until the program is told that everything is back.
async fn recovered(connection: &Connection, trigger: impl Future<Output = ()>) {
    let mut events = connection.events();
    trigger.await;
    let recovered = async {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Recovered(_)) {
                return;
            }
        }
        panic!("it has ended: {:?}", connection.close_reason());
    };
    soon(recovered).await;
}

#[tokio::test]
async fn connection_that_is_reset_goes_on_over_another_socket() {
    let broker = Peer::start(|listener| {
        let mut first = listener.accept();
        first.open_connection();
        first.open_channel(1);
        first.expect(1, "basic.publish");
        first.expect_content(1);
        first.reset();
        // A handshake that comes to nothing.
        let mut second = listener.accept();
        second.expect_protocol_header();
        drop(second);
        let mut third = listener.accept();
        third.open_connection();
        third.open_channel(1);
        third.expect(1, "basic.publish");
        assert_eq!(third.expect_content(1).body, b"second");
        third.close_connection();
    })
    .unwrap();
    let options: ConnectionOptions = broker.url().parse().unwrap();
    let connection = Connection::open_with(&options.recovery(soon_again())).await;
    let connection = connection.unwrap();
    let channel = connection.open_channel().await.unwrap();
    recovered(&connection, async {
        let first = Message::new("first");
        channel.basic_publish("", "q", &first).await.unwrap();
    })
    .await;
    assert!(channel.close_reason().is_none());
    let second = Message::new("second");
    channel.basic_publish("", "q", &second).await.unwrap();
    soon(connection.close()).await.unwrap();
    broker.finished().await;
}

/// Answers each request. Cancels the first consumer, whose queue is missing at first, and closes the
/// channel of the second.
fn cancel_and_close(peer: &mut Conversation<TcpStream>) {
    let (mut n_declared, mut n_consumers) = (0, 0);
    loop {
        let received = peer.receive();
        let id = received.channel();
        let close = channel::Close {
            reply_code: 404,
            reply_text: ShortStr::new(b"NOT_FOUND - no queue 'q'").unwrap(),
            class_id: 50,
            method_id: 10,
        };
        match received.method() {
            Method::ChannelOpen(_) => peer.send(id, &channel::OpenOk {}),
            Method::BasicQos(_) => peer.send(id, &basic::QosOk {}),
            Method::BasicConsume(consume) => {
                let consumer_tag = consume.consumer_tag;
                peer.send(id, &basic::ConsumeOk { consumer_tag });
                n_consumers += 1;
                if n_consumers == 1 {
                    let no_wait = true;
                    let cancel = basic::Cancel {
                        consumer_tag,
                        no_wait,
                    };
                    peer.send(id, &cancel);
                } else if n_consumers == 2 {
                    peer.send(id, &close);
                }
            }
            Method::QueueDeclare(declare) => {
                n_declared += 1;
                let queue = declare.queue;
                let ok = queue::DeclareOk {
                    queue,
                    ..queue::DeclareOk::default()
                };
                match n_declared {
                    1 => peer.send(id, &close),
                    _ => peer.send(id, &ok),
                }
            }
            Method::BasicCancel(cancel) => {
                let consumer_tag = cancel.consumer_tag;
                peer.send(id, &basic::CancelOk { consumer_tag });
            }
            Method::ChannelClose(_) => peer.send(id, &channel::CloseOk {}),
            Method::ChannelCloseOk(_) => {}
            Method::ConnectionClose(_) => {
                peer.send(0, &connection::CloseOk {});
                return;
            }
            other => panic!("{}", other.name()),
        }
    }
}

#[tokio::test]
async fn consumer_that_the_broker_ends_subscribes_again() {
    let broker = Peer::start(|listener| {
        let mut peer = listener.accept();
        peer.open_connection();
        cancel_and_close(&mut peer);
    })
    .unwrap();
    let options: ConnectionOptions = broker.url().parse().unwrap();
    let options = options.recovery(Recovery::off());
    let connection = Connection::open_with(&options).await.unwrap();
    let mut events = connection.events();
    let channel = connection.open_channel().await.unwrap();
    let delays = Duration::from_millis(1)..=Duration::from_millis(5);
    let resubscribe = Resubscribe::new().delays(delays);
    let resubscribe = resubscribe.also_when_channel_closes();
    let consume = channel.consume("q").tag("steady").resubscribe(resubscribe);
    let mut consumer = consume.await.unwrap();
    let waiting = tokio::spawn(async move { consumer.next().await });
    let again = async {
        let mut n_restored = 0;
        while n_restored < 2 {
            let event = events.next().await;
            if let Event::Restored { entity } = event.expect("a connection") {
                n_restored += usize::from(entity.is_consumer());
            }
        }
    };
    soon(again).await;
    assert_eq!(connection.counters().resubscriptions, 2);
    assert_eq!(channel.consumer_tags(), ["steady"]);
    soon(connection.close()).await.unwrap();
    assert!(soon(waiting).await.unwrap().is_none());
    broker.finished().await;
}

/// Nothing was read any more when the connection was lost.
#[tokio::test]
async fn connection_is_opened_again_though_the_program_has_not_taken_what_it_was_sent() {
    let asked = Arc::new(AtomicBool::new(false));
    let was_asked = Arc::clone(&asked);
    let broker = Peer::start(move |listener| {
        let mut first = listener.accept();
        first.open_connection();
        first.open_channel(1);
        first.expect(1, "basic.consume");
        let consumer_tag = ShortStr::new(b"u").unwrap();
        first.send(1, &basic::ConsumeOk { consumer_tag });
        let (properties, body) = (basic::Properties::default(), vec![7; MIB]);
        for delivery_tag in 1..=16 {
            let deliver = basic::Deliver {
                consumer_tag,
                delivery_tag,
                ..basic::Deliver::default()
            };
            first.send_content(1, &deliver, &properties, &body);
        }
        first.expect(1, "basic.publish");
        first.expect_content(1);
        first.reset();
        let mut second = listener.accept();
        second.open_connection();
        second.open_channel(1);
        second.expect(1, "basic.consume");
        asked.store(true, Ordering::Relaxed);
        second.send(1, &basic::ConsumeOk { consumer_tag });
        second.close_connection();
    })
    .unwrap();
    let options: ConnectionOptions = broker.url().parse().unwrap();
    let connection = Connection::open_with(&options.recovery(soon_again())).await;
    let connection = connection.unwrap();
    let channel = connection.open_channel().await.unwrap();
    let mut consumer = channel.consume("q").tag("u").no_ack().await.unwrap();
    let held = async {
        while connection.counters().bytes_buffered < 16 << 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(held).await;
    recovered(&connection, async {
        // Only writing tells of the reset.
        while matches!(connection.state(), State::Open { .. }) {
            let message = Message::new("m");
            let _ = channel.basic_publish("", "q", &message).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while !was_asked.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for _ in 0..16 {
            soon(consumer.next()).await.unwrap().unwrap();
        }
    })
    .await;
    soon(connection.close()).await.unwrap();
    broker.finished().await;
}

#[cfg(unix)]
#[tokio::test]
async fn connection_over_a_unix_socket_is_connected_again() {
    use std::os::unix::net::UnixListener;

    use amqp_testing::peer::Conversation;

    let folder = std::env::temp_dir().join(format!("amqp-client-again-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("broker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let broker = std::thread::spawn(move || {
        let mut first = Conversation::over(listener.accept().unwrap().0);
        first.open_connection();
        first.open_channel(1);
        drop(first);
        let mut second = Conversation::over(listener.accept().unwrap().0);
        second.open_connection();
        second.open_channel(1);
        second.close_connection();
    });
    let options = ConnectionOptions::default().recovery(soon_again());
    let connection = Connection::open_unix(&path, &options).await.unwrap();
    let opening = connection.clone();
    let mut channel = None;
    recovered(&connection, async {
        channel = opening.open_channel().await.ok();
    })
    .await;
    assert!(channel.is_some());
    assert_eq!(connection.address(), path.display().to_string());
    soon(connection.close()).await.unwrap();
    broker.join().unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
}
