//! Topics: queues are bound with patterns of words; `*` stands for one word, `#` for any number.
//!
//! ```text
//! kern.#: kern.critical, kern.disk.error
//! *.critical: kern.critical, cron.critical
//! #: kern.critical, cron.critical, kern.disk.error
//! ```

use std::error::Error;

use amqp_client::{Connection, ConnectionOptions, ExchangeDeclare, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .exchange_declare(ExchangeDeclare::topic("facilities"))
        .await?;

    let mut subscribers = Vec::new();
    for pattern in ["kern.#", "*.critical", "#"] {
        let queue = channel.queue_declare(QueueDeclare::temporary()).await?.name;
        channel.queue_bind(&queue, "facilities", pattern).await?;
        subscribers.push((pattern, queue));
    }

    let publisher = connection.open_publisher().await?;
    for key in ["kern.critical", "cron.critical", "kern.disk.error"] {
        publisher
            .publish("facilities", key, Message::new("…"))
            .await?;
    }

    for (pattern, queue) in &subscribers {
        let mut keys = Vec::new();
        while let Some(got) = channel.basic_get(queue).await? {
            keys.push(got.delivery.routing_key().to_string());
            got.delivery.ack()?;
        }
        println!("{pattern}: {}", keys.join(", "));
    }
    connection.close().await?;
    Ok(())
}
