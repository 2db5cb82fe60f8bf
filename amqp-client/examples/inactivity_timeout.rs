//! Consuming with an inactivity timeout: do something else, or stop, when nothing comes for a while.
//!
//! ```text
//! got: one
//! got: two
//! nothing for 300 ms
//! undelivered: 0
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};
use tokio::time::timeout;

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
    let idle = Duration::from_millis(300);
    // Dropping `next()`, as the timeout does, loses nothing.
    while let Ok(Some(delivery)) = timeout(idle, news.next()).await {
        let delivery = delivery?;
        println!("got: {}", delivery.text()?);
        delivery.ack()?;
    }
    println!("nothing for 300 ms");

    news.cancel().await?;
    // What had come before the broker answered is still here.
    let mut n_undelivered = 0;
    while let Some(delivery) = news.next().await {
        delivery?.ack()?;
        n_undelivered += 1;
    }
    println!("undelivered: {n_undelivered}");
    connection.close().await?;
    Ok(())
}
