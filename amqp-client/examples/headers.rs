//! Headers: an exchange that routes by what is in a message's headers, not by its routing key.
//!
//! ```text
//! all of format=pdf, kind=report: monthly.pdf
//! any of format=pdf, kind=report: monthly.pdf, monthly.txt
//! ```

use std::error::Error;

use amqp_client::declare::{Binding, Match};
use amqp_client::{Connection, ConnectionOptions, ExchangeDeclare, Message, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .exchange_declare(ExchangeDeclare::headers("files").durable())
        .await?;
    for (queue, how) in [("all", Match::All), ("any", Match::Any)] {
        channel
            .queue_declare(QueueDeclare::new(queue).durable())
            .await?;
        let binding = Binding::headers(how)
            .argument("format", "pdf")
            .argument("kind", "report");
        channel.queue_bind(queue, "files", binding).await?;
    }

    let publisher = connection.open_publisher().await?;
    for (file, format, kind) in [
        ("monthly.pdf", "pdf", "report"),
        ("monthly.txt", "text", "report"),
        ("holidays.jpg", "jpeg", "picture"),
    ] {
        let message = Message::new(file)
            .header("format", format)
            .header("kind", kind);
        publisher.publish("files", "", message).await?;
    }

    for queue in ["all", "any"] {
        let mut files = Vec::new();
        while let Some(got) = channel.basic_get(queue).await? {
            files.push(got.delivery.text()?.to_owned());
            got.delivery.ack()?;
        }
        println!("{queue} of format=pdf, kind=report: {}", files.join(", "));
    }
    connection.close().await?;
    Ok(())
}
