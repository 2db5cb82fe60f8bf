//! Publish and subscribe: a fanout exchange gives every subscriber a copy, in a queue of its own
//! which is gone with the subscriber.
//!
//! ```text
//! the screen got: disk full
//! the file got: disk full
//! ```

use std::error::Error;

use amqp_client::{
    Connection, ConnectionOptions, Consumer, ExchangeDeclare, Message, QueueDeclare,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .exchange_declare(ExchangeDeclare::fanout("logs"))
        .await?;

    let mut screen = subscribe(&connection).await?;
    let mut file = subscribe(&connection).await?;
    // A fanout exchange does not look at the routing key. Without subscribers the message would be
    // dropped: those who come later have missed it.
    let publisher = connection.open_publisher().await?;
    publisher
        .publish("logs", "", Message::new("disk full"))
        .await?;

    for (name, subscriber) in [("screen", &mut screen), ("file", &mut file)] {
        let delivery = subscriber.next().await.ok_or("cancelled")??;
        println!("the {name} got: {}", delivery.text()?);
        delivery.ack()?;
    }
    connection.close().await?;
    Ok(())
}

async fn subscribe(connection: &Connection) -> Result<Consumer, Box<dyn Error>> {
    let channel = connection.open_channel().await?;
    // The broker chooses the name.
    let queue = channel.queue_declare(QueueDeclare::temporary()).await?;
    channel.queue_bind(&queue.name, "logs", "").await?;
    Ok(channel.consume(&queue.name).await?)
}
