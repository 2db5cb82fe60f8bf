//! Streams: a queue whose messages stay when they have been consumed, so that any number of
//! consumers can read them, each from where it likes.
//!
//! ```text
//! from the beginning: 0 1 2 3 4
//! from offset 3: 3 4
//! ```

use std::error::Error;

use amqp_client::consume::StreamOffset;
use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    // Old messages go when there are more than a gigabyte of them.
    channel
        .queue_declare(
            QueueDeclare::new("events")
                .stream()
                .max_length_bytes(1 << 30),
        )
        .await?;
    let publisher = connection.open_publisher().await?;
    for n in 0..5 {
        publisher
            .publish("", "events", Message::new(format!("event {n}")))
            .await?;
    }

    for (name, start) in [
        ("the beginning", StreamOffset::First),
        ("offset 3", StreamOffset::Offset(3)),
    ] {
        let mut offsets = Vec::new();
        // Acknowledgements of a stream take nothing away: they make room for more.
        let mut consumer = channel.consume("events").offset(start).await?;
        while let Some(event) = consumer.next().await {
            let event = event?;
            let offset = event.stream_offset().ok_or("no offset")?;
            event.ack()?;
            offsets.push(offset.to_string());
            if offset == 4 {
                break;
            }
        }
        println!("from {name}: {}", offsets.join(" "));
    }
    connection.close().await?;
    Ok(())
}
