//! Routing: a direct exchange gives a message to the queues that are bound with its routing key.
//!
//! ```text
//! everything: info, all is well
//! everything: error, disk full
//! errors only: error, disk full
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, ExchangeDeclare, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .exchange_declare(ExchangeDeclare::direct("severities"))
        .await?;

    let everything = channel.queue_declare(QueueDeclare::temporary()).await?.name;
    channel
        .queue_bind(&everything, "severities", "info")
        .await?;
    channel
        .queue_bind(&everything, "severities", "error")
        .await?;
    let errors = channel.queue_declare(QueueDeclare::temporary()).await?.name;
    channel.queue_bind(&errors, "severities", "error").await?;

    let publisher = connection.open_publisher().await?;
    publisher
        .publish("severities", "info", Message::new("all is well"))
        .await?;
    publisher
        .publish("severities", "error", Message::new("disk full"))
        .await?;

    for (name, queue) in [("everything", &everything), ("errors only", &errors)] {
        // Fetches one message at a time, where that is all there is to do.
        while let Some(got) = channel.basic_get(queue).await? {
            let delivery = got.delivery;
            let severity = String::from_utf8_lossy(delivery.routing_key().as_bytes());
            let text = delivery.text()?;
            println!("{name}: {severity}, {text}");
            delivery.ack()?;
        }
    }
    connection.close().await?;
    Ok(())
}
