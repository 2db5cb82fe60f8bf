//! Consuming with a handler, several messages at a time: what it returns settles the message. One
//! that fails, or panics, is tried once more, and then set aside.
//!
//! ```text
//! calls: 6, acknowledged: 2, tried again: 2, set aside: 2
//! errors: 2, panics: 2
//! ```

use std::error::Error;
use std::num::ParseIntError;
use std::sync::atomic::{AtomicU32, Ordering};

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare, ReceivedMessage};
use tokio::sync::Notify;

static N_CALLS: AtomicU32 = AtomicU32::new(0);
static DONE: Notify = Notify::const_new();

async fn handle(number: ReceivedMessage) -> Result<(), ParseIntError> {
    // A service would go on until `tokio::signal::ctrl_c()`.
    if N_CALLS.fetch_add(1, Ordering::Relaxed) + 1 == 6 {
        DONE.notify_one();
    }
    let text = number.text().unwrap_or_default();
    assert!(text != "boom", "a mistake in the program");
    text.parse::<i32>().map(drop)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let numbers = QueueDeclare::new("numbers")
        .durable()
        .dead_letter_queue("no numbers");
    channel.queue_declare(numbers).await?;
    channel
        .queue_declare(QueueDeclare::new("no numbers").durable())
        .await?;
    let publisher = connection.open_publisher().await?;
    for text in ["1", "x", "boom", "2"] {
        publisher
            .publish("", "numbers", Message::new(text).persistent())
            .await?;
    }

    let numbers = channel.consume("numbers").await?;
    let handled = numbers
        .handle(handle)
        .concurrency(4)
        .until(DONE.notified())
        .await;
    let (acked, again, aside) = (handled.acked, handled.requeued, handled.rejected);
    println!(
        "calls: {}, acknowledged: {acked}, tried again: {again}, set aside: {aside}",
        handled.handled
    );
    println!("errors: {}, panics: {}", handled.failed, handled.panicked);

    connection.close().await?;
    Ok(())
}
