//! Shutting down: nothing new is taken on, what was begun is finished, and what was delivered but
//! not begun goes back to the queue for somebody else.
//!
//! ```text
//! working on job 0
//! asked to stop
//! finished job 0
//! left for others: 4
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};
use tokio::sync::oneshot;
use tokio::time::{Duration, sleep};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("jobs").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    for n in 0..5 {
        publisher
            .publish("", "jobs", Message::new(format!("job {n}")))
            .await?;
    }

    // A service would wait for `tokio::signal::ctrl_c()`.
    let (ask_to_stop, mut stop) = oneshot::channel();
    let mut ask_to_stop = Some(ask_to_stop);
    let mut jobs = channel.consume("jobs").prefetch(10).await?;
    loop {
        // Dropping `next()` loses nothing. Between jobs, stopping comes first.
        let job = tokio::select! {
            biased;
            _ = &mut stop => break,
            job = jobs.next() => job.ok_or("the consumer was cancelled")??,
        };
        println!("working on {}", job.text()?);
        if let Some(ask) = ask_to_stop.take() {
            ask.send(()).map_err(|()| "nobody listens")?;
            println!("asked to stop");
        }
        sleep(Duration::from_millis(10)).await;
        println!("finished {}", job.text()?);
        job.ack()?;
    }
    // Cancels at the broker, and gives back what was prefetched.
    drop(jobs);
    // Written behind all of it, so that the acknowledgement has arrived when this returns.
    channel.close().await?;

    let jobs = QueueDeclare::new("jobs").durable();
    let left = connection
        .open_channel()
        .await?
        .queue_declare(jobs)
        .await?
        .message_count;
    println!("left for others: {left}");
    connection.close().await?;
    Ok(())
}
