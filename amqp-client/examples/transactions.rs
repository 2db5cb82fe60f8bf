//! Transactions: what is published and acknowledged between two commits takes effect together, as
//! far as one queue is concerned. Confirms are much faster; use them unless you need just this.
//!
//! ```text
//! rolled back: 0 in the queue
//! committed: 2 in the queue
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let accounts = QueueDeclare::new("accounts").durable();
    channel.queue_declare(&accounts).await?;
    channel.tx_select().await?;

    channel
        .basic_publish("", "accounts", &Message::new("debit"))
        .await?;
    channel.tx_rollback().await?;
    let count = channel.queue_declare(&accounts).await?.message_count;
    println!("rolled back: {count} in the queue");

    channel
        .basic_publish("", "accounts", &Message::new("debit"))
        .await?;
    channel
        .basic_publish("", "accounts", &Message::new("credit"))
        .await?;
    channel.tx_commit().await?;
    let count = channel.queue_declare(accounts).await?.message_count;
    println!("committed: {count} in the queue");
    connection.close().await?;
    Ok(())
}
