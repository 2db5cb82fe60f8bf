//! Messages in both directions over a stream.

use amqp_client::{Message, PublishError, Publisher};
use amqp_spec::{basic, confirm};

use crate::peer::{Peer, options, soon};
use crate::wire;

async fn publisher(peer: &mut Peer, connection: &amqp_client::Connection) -> Publisher {
    let channel = peer.channel(connection).await;
    let id = channel.id();
    let broker = async {
        peer.expect(&format!("{id} confirm.select")).await;
        peer.say(id, &confirm::SelectOk {}).await;
    };
    let (publisher, ()) = tokio::join!(soon(Publisher::new(channel)), broker);
    publisher.unwrap()
}

#[tokio::test]
async fn publish_is_done_when_the_broker_confirms() {
    let (stream, mut peer) = Peer::pair(4096);
    let connection = peer.open(stream, &options()).await;
    let publisher = publisher(&mut peer, &connection).await;
    let broker = async {
        for n in 1..=2 {
            peer.expect("1 basic.publish orders mandatory").await;
            peer.expect("1 header 8").await;
            peer.expect("1 body 8").await;
            let answer = if n == 1 { wire::ack } else { wire::nack };
            peer.send(&answer(1, n, false)).await;
        }
    };
    let client = async {
        let order = Message::new("order 42");
        publisher.publish("", "orders", &order).await.unwrap();
        let refused = publisher.publish("", "orders", &order).await;
        assert!(matches!(refused, Err(PublishError::Nacked)));
    };
    soon(async { tokio::join!(client, broker) }).await;
}

#[tokio::test]
async fn large_body_passes_a_narrow_stream() {
    let (stream, mut peer) = Peer::pair(777);
    let connection = peer.open(stream, &options()).await;
    let publisher = publisher(&mut peer, &connection).await;
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let broker = async {
        peer.expect("1 basic.publish key mandatory").await;
        peer.expect("1 header 1000000").await;
        let mut left = 1_000_000;
        while left > 0 {
            let line = peer.next().await;
            let size = line.strip_prefix("1 body ").expect("a body frame");
            left -= size.parse::<usize>().unwrap();
        }
        peer.send(&wire::ack(1, 1, false)).await;
    };
    let client = publisher.publish("", "key", Message::new(body));
    let (confirmed, ()) = soon(async { tokio::join!(client, broker) }).await;
    confirmed.unwrap();
}

#[tokio::test]
async fn delivery_in_the_same_segment_as_consume_ok_arrives() {
    let (stream, mut peer) = Peer::pair(65_536);
    let connection = peer.open(stream, &options()).await;
    let channel = peer.channel(&connection).await;
    let broker = async {
        peer.expect("1 basic.qos 100").await;
        peer.expect("1 basic.consume tag").await;
        let answer = [
            wire::method(1, &basic::QosOk {}),
            wire::consume_ok(1, "tag"),
            wire::delivery(1, "tag", 1, b"first"),
            wire::delivery(1, "tag", 2, b"second"),
        ];
        peer.send(&answer.concat()).await;
        peer.expect("1 basic.ack 1").await;
        peer.expect("1 basic.nack 2 requeue").await;
    };
    let client = async {
        let consume = channel.consume("q").prefetch(100).tag("tag");
        let mut consumer = consume.await.unwrap();
        let first = consumer.next().await.unwrap().unwrap();
        assert_eq!(first.body(), b"first");
        first.ack().unwrap();
        // Lets the adapter write, so that each answer is seen on its own.
        tokio::task::yield_now().await;
        let second = consumer.next().await.unwrap().unwrap();
        assert_eq!(second.body(), b"second");
        second.nack(amqp_client::Requeue::Yes).unwrap();
        consumer
    };
    let (_consumer, ()) = soon(async { tokio::join!(client, broker) }).await;
}
