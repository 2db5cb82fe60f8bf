//! Watching a connection: what happens on it, and what it has done so far.
//!
//! ```text
//! published 3, confirmed 3, delivered 3, acknowledged 3
//! event: a consumer on channel 1 was cancelled by Broker
//! event: channel 1 has ended, Some(404 NOT_FOUND)
//! event: the end, connection closed by the application
//! ```

use std::error::Error;

use amqp_client::event::Event;
use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let mut events = connection.events();
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("work").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    let mut consumer = channel.consume("work").await?;
    for n in 0..3 {
        publisher
            .publish("", "work", Message::new(format!("job {n}")))
            .await?;
        consumer.next().await.ok_or("cancelled")??.ack()?;
    }
    let counters = connection.counters();
    println!(
        "published {}, confirmed {}, delivered {}, acknowledged {}",
        counters.published, counters.confirmed, counters.delivered, counters.acked
    );

    channel.queue_delete("work").await?; // cancels the consumer
    let cancelled = consumer.next().await;
    let gone = channel.basic_get("work").await; // closes the channel
    drop((cancelled, gone));
    connection.close().await?;
    // A program would do this in a task of its own; listening slowly holds up nobody.
    while let Some(event) = events.next().await {
        match event {
            Event::ConsumerCancelled { channel, by, .. } => {
                println!("event: a consumer on channel {channel} was cancelled by {by:?}");
            }
            Event::ChannelClosed { channel, cause } => {
                println!(
                    "event: channel {channel} has ended, {:?}",
                    cause.reply_code()
                );
            }
            Event::ConnectionClosed { cause } => println!("event: the end, {cause}"),
            _ => {}
        }
    }
    Ok(())
}
