//! Taking deliveries in batches, to write them to a database together, and acknowledging each batch
//! with one frame.
//!
//! ```text
//! 100 readings in batches, none larger than 30: true
//! left in the queue: 0
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new("readings").durable();
    channel.queue_declare(&queue).await?;
    let publisher = connection.open_publisher().await?;
    let mut confirmations = Vec::new();
    for n in 0..100 {
        confirmations.push(
            publisher
                .send("", "readings", Message::new(n.to_string()))
                .await?,
        );
    }
    for confirmation in confirmations {
        confirmation.await?;
    }

    let mut readings = channel.consume("readings").prefetch(60).await?;
    let (mut n_readings, mut largest) = (0, 0);
    while n_readings < 100 {
        let mut batch = Vec::new();
        // Waits for one, then takes what is at hand.
        n_readings += readings.recv_many(&mut batch, 30).await?;
        largest = largest.max(batch.len());
        // Here all of them would be written to the database. The acks of one batch leave as one.
        for reading in batch {
            reading.ack()?;
        }
    }
    println!(
        "{n_readings} readings in batches, none larger than 30: {}",
        largest <= 30
    );

    readings.cancel().await?;
    let left = channel.queue_declare(queue).await?.message_count;
    println!("left in the queue: {left}");
    connection.close().await?;
    Ok(())
}
