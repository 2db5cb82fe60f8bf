//! A transaction that a loss would cut in two.

use crate::tests::support::comeback::Comeback;
use crate::tests::support::task::Task;
use crate::{ChannelError, ConnectionError, Message, QueueDeclare};

#[test]
fn channel_with_transactions_ends_with_its_stream() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let (channel, consumer, other) = world.done(async move {
        let channel = connection.open_channel().await.unwrap();
        let declare = QueueDeclare::new("orders").durable();
        channel.queue_declare(declare).await.unwrap();
        channel.tx_select().await.unwrap();
        let first = Message::new("the first half");
        channel.basic_publish("", "orders", &first).await.unwrap();
        let consumer = channel.consume("orders").await.unwrap();
        (channel, consumer, connection.open_channel().await.unwrap())
    });
    world.lose();
    let ended = channel.close_reason();
    let lost = matches!(
        ended,
        Some(ChannelError::Connection(ConnectionError::Io(_)))
    );
    assert!(lost, "{ended:?}");
    let mut ending = consumer;
    let end = world.done(async move { ending.next().await });
    assert!(end.unwrap().is_err());
    let second = Message::new("the second half");
    let publishing = channel.clone();
    let refused = world.done(async move { publishing.basic_publish("", "orders", &second).await });
    assert!(refused.is_err());
    world.come_back();
    assert!(other.is_open() && !channel.is_open());
    let queue = world.kernel.queue("/", "orders").unwrap();
    assert_eq!(
        (queue.ready(), queue.unacked(), queue.consumers()),
        (0, 0, 0)
    );
}

#[test]
fn channel_that_waits_to_have_transactions_ends_with_the_next_loss() {
    let mut world = Comeback::new();
    let connection = world.pair.connection.clone();
    let opening = async move { connection.open_channel().await.unwrap() };
    let channel = world.done(opening);
    world.lose();
    let selecting = channel.clone();
    let mut selecting = Task::start(async move { selecting.tx_select().await });
    world.connect();
    // Lost once more before it is sent, it must not come back without.
    world.lose();
    assert!(selecting.ready().is_err());
    assert!(channel.close_reason().is_some());
    world.come_back();
    assert!(!channel.is_open());
}
