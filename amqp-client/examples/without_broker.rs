//! Testing without a broker: `amqp-testing` plays one that follows a script, so that a test can say
//! what the broker answers, refusals that are hard to provoke included.
//!
//! ```text
//! the order was placed
//! the order was refused by the broker
//! ```

use std::error::Error;

use amqp_client::amqp_spec::{basic, confirm};
use amqp_client::{Connection, Message, PublishError};
use amqp_testing::Peer;

/// What is to be tested.
async fn place_order(connection: &Connection) -> Result<&'static str, Box<dyn Error>> {
    let publisher = connection.open_publisher().await?;
    match publisher
        .publish("", "orders", Message::new("order 42"))
        .await
    {
        Ok(()) => Ok("placed"),
        Err(PublishError::Nacked) => Ok("refused by the broker"),
        Err(error) => Err(error.into()),
    }
}

// A test is the same with `#[tokio::test]` in the place of this line.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let broker = Peer::start(|listener| {
        let mut client = listener.accept();
        client.open_connection();
        for channel in [1, 2] {
            client.open_channel(channel);
            client.expect(channel, "confirm.select");
            client.send(channel, &confirm::SelectOk {});
            client.expect(channel, "basic.publish");
            assert_eq!(client.expect_content(channel).body, b"order 42");
            if channel == 1 {
                client.send(
                    channel,
                    &basic::Ack {
                        delivery_tag: 1,
                        multiple: false,
                    },
                );
            } else {
                client.send(
                    channel,
                    &basic::Nack {
                        delivery_tag: 1,
                        ..Default::default()
                    },
                );
            }
            client.expect(channel, "channel.close");
        }
    })?;
    let connection = Connection::open(broker.url()).await?;
    println!("the order was {}", place_order(&connection).await?);
    println!("the order was {}", place_order(&connection).await?);
    broker.finished().await; // panics if the conversation went another way
    Ok(())
}
