//! A quorum queue with a delivery limit: a message that fails again and again, perhaps because it
//! kills whoever touches it, ends in a queue for people to look at.
//!
//! ```text
//! delivered, failed before: 0
//! delivered, failed before: 1
//! delivered, failed before: 2
//! set aside: poison
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare, Requeue};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let jobs = QueueDeclare::new("jobs")
        .quorum()
        .delivery_limit(2)
        .dead_letter_queue("set aside");
    channel.queue_declare(jobs).await?;
    channel
        .queue_declare(QueueDeclare::new("set aside").quorum())
        .await?;
    let publisher = connection.open_publisher().await?;
    publisher
        .publish("", "jobs", Message::new("poison"))
        .await?;

    let mut jobs = channel.consume("jobs").await?;
    let mut set_aside = channel.consume("set aside").await?;
    loop {
        tokio::select! {
            Some(job) = jobs.next() => {
                let job = job?;
                println!("delivered, failed before: {}", job.delivery_count().unwrap_or(0));
                // As happens by itself when a consumer's connection breaks.
                job.reject(Requeue::Yes)?;
            }
            Some(job) = set_aside.next() => {
                let job = job?;
                println!("set aside: {}", job.text()?);
                job.ack()?;
                break;
            }
            else => return Err("both consumers have ended".into()),
        }
    }
    connection.close().await?;
    Ok(())
}
