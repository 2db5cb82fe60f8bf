//! Messages that are larger than this side accepts.

use amqp_client::consume::WhenOversized;
use amqp_client::{ChannelError, Connection, ConsumeError, Message, QueueDeclare, Requeue};

use crate::support::{declare, ready, run};

#[test]
fn message_that_is_too_large_costs_its_consumer_and_nothing_else() {
    run(async |site| {
        let full = site.channel().await;
        let dead = QueueDeclare::new("dead").durable();
        full.queue_declare(dead).await.unwrap();
        let orders = QueueDeclare::new("orders").durable();
        let orders = orders.dead_letter_queue("dead");
        full.queue_declare(orders).await.unwrap();
        declare(&full, "other").await;
        let publisher = site.connect().await.open_publisher().await.unwrap();
        for size in [10, 300_000, 10] {
            let message = Message::new(vec![b'x'; size]);
            publisher.publish("", "orders", message).await.unwrap();
        }
        publisher
            .publish("", "other", Message::new("x"))
            .await
            .unwrap();

        let options = site.options().max_message_size(1000);
        let connection = Connection::open_with(&options).await.unwrap();
        let channel = connection.open_channel().await.unwrap();
        let mut consumer = channel.consume("orders").prefetch(2).await.unwrap();
        consumer.next().await.unwrap().unwrap().ack().unwrap();
        let told = consumer.next().await.unwrap().unwrap_err();
        let ConsumeError::MessageTooLarge(message) = told else {
            panic!("{told:?}");
        };
        assert_eq!((message.size, message.queue.as_str()), (300_000, "orders"));
        assert!(consumer.next().await.is_none());
        channel
            .basic_reject(message.delivery_tag, Requeue::Yes)
            .unwrap();

        let fetched = loop {
            match channel.basic_get("orders").await {
                Ok(Some(small)) => {
                    small.delivery.ack().unwrap();
                }
                Ok(None) => {}
                Err(error) => break error,
            }
        };
        let ChannelError::MessageTooLarge(message) = fetched else {
            panic!("{fetched:?}");
        };
        channel
            .basic_reject(message.delivery_tag, Requeue::Yes)
            .unwrap();

        let consume = channel
            .consume("orders")
            .when_oversized(WhenOversized::Reject);
        let mut rejecting = consume.await.unwrap();
        while ready(&full, "dead").await == 0 {}
        publisher
            .publish("", "orders", Message::new("small"))
            .await
            .unwrap();
        loop {
            let delivery = rejecting.next().await.unwrap().unwrap();
            let is_last = delivery.body() == b"small";
            delivery.ack().unwrap();
            if is_last {
                break;
            }
        }
        let other = channel.basic_get("other").await.unwrap().unwrap();
        other.delivery.ack().unwrap();
        channel.close().await.unwrap();
        connection.close().await.unwrap();
    });
}
