//! Fetching single messages, for programs that run now and then. To take messages as they come,
//! consume: that is many times cheaper, for the broker too.
//!
//! ```text
//! first, 2 more
//! second, 1 more
//! third, 0 more
//! the queue is empty
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("reports").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    for text in ["first", "second", "third"] {
        publisher
            .publish("", "reports", Message::new(text).persistent())
            .await?;
    }

    while let Some(got) = channel.basic_get("reports").await? {
        println!("{}, {} more", got.delivery.text()?, got.message_count);
        got.delivery.ack()?;
    }
    println!("the queue is empty");
    connection.close().await?;
    Ok(())
}
