//! Trying again later: a job that fails is refused, dead-lettered into a queue where nobody
//! consumes, and after its time there dead-lettered back. The broker counts how often. What is
//! given up keeps its properties, and its headers get one more.
//!
//! ```text
//! attempt 1 fails
//! attempt 2 fails
//! attempt 3 fails
//! given up: unlucky
//! kept as Some("lottery"), with Some("out of luck")
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare, Requeue};

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
    let failed = QueueDeclare::new("jobs.failed").durable();
    channel.queue_declare(failed).await?;
    let publisher = connection.open_publisher().await?;
    let unlucky = Message::new("unlucky").kind("lottery").persistent();
    publisher.publish("", "jobs", unlucky).await?;

    let mut consumer = channel.consume("jobs").await?;
    while let Some(job) = consumer.next().await {
        let job = job?;
        let attempt = job.attempts();
        println!("attempt {attempt} fails");
        if attempt == 3 {
            // First kept elsewhere, then acknowledged: the other way round it could be lost.
            let failed = job.to_message().header("error", "out of luck");
            publisher.publish("", "jobs.failed", failed).await?;
            println!("given up: {}", job.text()?);
            job.ack()?;
            break;
        }
        job.reject(Requeue::No)?;
    }
    if let Some(failed) = channel.basic_get_no_ack("jobs.failed").await? {
        let (kind, error) = (failed.delivery.kind(), failed.delivery.header("error"));
        println!("kept as {kind:?}, with {error:?}");
    }
    connection.close().await?;
    Ok(())
}
