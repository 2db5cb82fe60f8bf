//! A test of a program, as `guide::testing` and `examples/without_broker.rs` describe it.

use amqp_client::{Connection, Message, PublishError};
use amqp_spec::{basic, confirm};
use amqp_testing::Peer;

/// One thread runs the client and waits for the script, which waits for what the client says last.
#[tokio::test]
async fn a_script_s_end_is_awaited_beside_the_client_on_one_thread() {
    let broker = Peer::start(|listener| {
        let mut client = listener.accept();
        client.open_connection();
        client.open_channel(1);
        client.expect(1, "confirm.select");
        client.send(1, &confirm::SelectOk {});
        client.expect(1, "basic.publish");
        let order = client.expect_content(1);
        assert_eq!(order.body, b"order 42");
        assert_eq!(order.properties().message_id().unwrap(), "42");
        client.send(
            1,
            &basic::Nack {
                delivery_tag: 1,
                ..Default::default()
            },
        );
        client.expect(1, "channel.close");
    })
    .unwrap();
    let connection = Connection::open(broker.url()).await.unwrap();
    let publisher = connection.open_publisher().await.unwrap();
    let order = Message::new("order 42").message_id("42");
    let outcome = publisher.publish("", "orders", order).await;
    assert!(matches!(outcome, Err(PublishError::Nacked)));
    drop(publisher);
    broker.finished().await;
}
