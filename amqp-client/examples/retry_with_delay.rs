//! Trying again later: a job that fails is refused, dead-lettered into a queue where nobody
//! consumes, and after its time there dead-lettered back. The broker counts how often.
//!
//! ```text
//! attempt 1 fails
//! attempt 2 fails
//! attempt 3 fails
//! given up: unlucky
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Delivery, Message, QueueDeclare, Requeue};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let jobs = QueueDeclare::new("jobs")
        .durable()
        .dead_letter_queue("jobs.wait");
    channel.queue_declare(jobs).await?;
    let delay = Duration::from_millis(200);
    let wait = QueueDeclare::new("jobs.wait")
        .durable()
        .message_ttl(delay)
        .dead_letter_queue("jobs");
    channel.queue_declare(wait).await?;
    let publisher = connection.open_publisher().await?;
    publisher
        .publish("", "jobs", Message::new("unlucky").persistent())
        .await?;

    let mut consumer = channel.consume("jobs").await?;
    while let Some(job) = consumer.next().await {
        let job = job?;
        let attempt = 1 + rejections(&job)?;
        println!("attempt {attempt} fails");
        if attempt == 3 {
            println!("given up: {}", job.text()?);
            job.ack()?;
            break;
        }
        job.reject(Requeue::No)?;
    }
    connection.close().await?;
    Ok(())
}

/// How often the message has been through both queues, as the header `x-death` has it.
fn rejections(job: &Delivery) -> Result<i64, Box<dyn Error>> {
    let headers = job.properties().headers().unwrap_or_default();
    let deaths = headers.get("x-death")?.and_then(|value| value.as_array());
    let Some(latest) = deaths.unwrap_or_default().iter().next() else {
        return Ok(0);
    };
    let count = latest?.as_table().unwrap_or_default().get("count")?;
    Ok(count.and_then(|count| count.as_i64()).unwrap_or(0))
}
