//! Publisher confirms: the broker takes responsibility for a message, and says so. One at a time is
//! simplest; handing over many and looking at their confirmations later is many times faster.
//!
//! ```text
//! one at a time: 10 confirmed
//! in batches: 1000 confirmed
//! with a window: 1000 confirmed
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("orders").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    let order = Message::new("order 42").persistent();

    for _ in 0..10 {
        // Returns when the order is on the broker's disk.
        publisher.publish("", "orders", &order).await?;
    }
    println!("one at a time: 10 confirmed");

    for _ in 0..10 {
        let mut batch = Vec::new();
        for _ in 0..100 {
            batch.push(publisher.send("", "orders", &order).await?);
        }
        for confirmation in batch {
            confirmation.await?;
        }
    }
    println!("in batches: 1000 confirmed");

    // Never more than 100 without an answer, and never idle.
    let limited = publisher.max_outstanding(100);
    for _ in 0..1000 {
        drop(limited.send("", "orders", &order).await?);
    }
    // Tells which were refused or came back, if any.
    limited.wait_for_confirms().await?;
    println!("with a window: 1000 confirmed");
    connection.close().await?;
    Ok(())
}
