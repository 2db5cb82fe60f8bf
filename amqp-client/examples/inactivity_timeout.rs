//! Consuming with an inactivity timeout: do something else, or stop, when nothing comes for a
//! while.
//!
//! ```text
//! got: one
//! got: two
//! nothing for 3 s
//! cancelled
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::consume::NextWithin;
use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("news").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    for text in ["one", "two"] {
        publisher.publish("", "news", Message::new(text)).await?;
    }

    let mut news = channel.consume("news").await?;
    while let Some(next) = news.next_within(Duration::from_secs(3)).await {
        match next? {
            NextWithin::Delivery(delivery) => {
                println!("got: {}", delivery.text()?);
                delivery.ack()?;
            }
            NextWithin::Idle => {
                println!("nothing for 3 s");
                // The loop ends when what had come before the broker's answer is taken.
                news.cancel().await?;
            }
        }
    }
    println!("cancelled");
    connection.close().await?;
    Ok(())
}
