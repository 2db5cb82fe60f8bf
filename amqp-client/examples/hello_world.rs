//! Hello world: one message, from a publisher through a queue to a consumer.
//!
//! ```text
//! sent: hello world
//! received: hello world
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("hello").durable())
        .await?;

    // The default exchange, whose name is empty, routes to the queue that the routing key names.
    let publisher = connection.open_publisher().await?;
    publisher
        .publish("", "hello", Message::new("hello world"))
        .await?;
    println!("sent: hello world");

    let mut consumer = channel.consume("hello").await?;
    let delivery = consumer
        .next()
        .await
        .ok_or("the consumer was cancelled")??;
    println!("received: {}", delivery.text()?);
    delivery.ack()?;

    connection.close().await?;
    Ok(())
}
