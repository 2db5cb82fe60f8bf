//! Work queues: tasks wait in a durable queue and are shared among workers, each of which takes one
//! at a time and acknowledges it when it is done. A task whose worker dies goes to another one.
//!
//! ```text
//! worker 1 is busy with: dig a hole
//! worker 2 took over: fill it in
//! worker 1 is done
//! worker 2 is done
//! tasks left: 0
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    // Both survive a restart of the broker: the queue since it is durable, the tasks since they are
    // persistent as well.
    let tasks = QueueDeclare::new("tasks").durable();
    channel.queue_declare(&tasks).await?;
    let publisher = connection.open_publisher().await?;
    for task in ["dig a hole", "fill it in"] {
        publisher
            .publish("", "tasks", Message::new(task).persistent())
            .await?;
    }

    // With a prefetch of one a worker gets its next task when it has acknowledged the one before.
    let mut worker1 = channel.consume("tasks").prefetch(1).await?;
    let digging = worker1.next().await.ok_or("cancelled")??;
    println!("worker 1 is busy with: {}", digging.text()?);
    let mut worker2 = channel.consume("tasks").prefetch(1).await?;
    let filling = worker2.next().await.ok_or("cancelled")??;
    println!("worker 2 took over: {}", filling.text()?);
    digging.ack()?;
    println!("worker 1 is done");
    filling.ack()?;
    println!("worker 2 is done");

    println!(
        "tasks left: {}",
        channel.queue_declare(tasks).await?.message_count
    );
    connection.close().await?;
    Ok(())
}
