//! Handlers that take long: blocking work goes to threads of its own, so that heartbeats, which the
//! connection's task sends by itself, are never late, and acknowledgements come from anywhere.
//!
//! ```text
//! taking jobs, two at a time
//! all 4 jobs are done
//! the connection is open: true
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Delivery, Message, QueueDeclare};
use tokio::task::{JoinSet, spawn_blocking};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("jobs").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    for n in 0..4 {
        publisher
            .publish("", "jobs", Message::new(format!("job {n}")))
            .await?;
    }
    println!("taking jobs, two at a time");

    // The broker sends no more than two before the first is acknowledged.
    let mut jobs = channel.consume("jobs").prefetch(2).await?;
    let mut handlers = JoinSet::new();
    for _ in 0..4 {
        let job = jobs.next().await.ok_or("the consumer was cancelled")??;
        handlers.spawn(handle(job));
    }
    while let Some(handled) = handlers.join_next().await {
        handled??;
    }
    println!("all 4 jobs are done");
    println!(
        "the connection is open: {}",
        channel.close_reason().is_none()
    );
    connection.close().await?;
    Ok(())
}

async fn handle(job: Delivery) -> Result<(), Box<dyn Error + Send + Sync>> {
    let body = job.body().to_vec();
    spawn_blocking(move || compute(&body)).await?;
    job.ack()?;
    Ok(())
}

/// Keeps a processor busy, or a file system.
fn compute(_body: &[u8]) {
    thread::sleep(Duration::from_millis(100));
}
