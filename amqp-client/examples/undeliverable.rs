//! What may become of a message that is not delivered, and how the publisher hears of it.
//!
//! ```text
//! there is no such queue: returned with 312 NO_ROUTE, "order 1" is ours again
//! the queue is full: refused
//! there is no such exchange: refused with 404
//! no queue is bound, and none has to be: confirmed
//! ```

use std::error::Error;

use amqp_client::declare::Overflow;
use amqp_client::{Connection, ConnectionOptions, Message, PublishError, QueueDeclare};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    let full = QueueDeclare::new("full").durable().max_length(0);
    channel
        .queue_declare(full.overflow(Overflow::RejectPublish))
        .await?;
    // With an exchange of a name, `mandatory()` is what has messages without a queue come back.
    let publisher = connection.open_publisher().await?;

    for (number, exchange, key, case) in [
        (1, "", "nobody", "there is no such queue"),
        (2, "", "full", "the queue is full"),
        (3, "nowhere", "key", "there is no such exchange"),
        // The publisher goes on, on another channel.
        (4, "amq.fanout", "", "no queue is bound, and none has to be"),
    ] {
        let order = Message::new(format!("order {number}"));
        let outcome = match publisher.publish(exchange, key, order).await {
            Ok(()) => "confirmed".to_owned(),
            Err(PublishError::Returned(back)) => {
                let (code, reason, text) = (back.reply_code.0, &back.reply_text, back.text()?);
                format!("returned with {code} {reason}, {text:?} is ours again")
            }
            Err(PublishError::Nacked) => "refused".to_owned(),
            Err(PublishError::NotSent(error)) => format!("not sent: {error}"),
            Err(PublishError::Refused(error)) => {
                let code = error.reply_code().map_or(0, |code| code.0);
                format!("refused with {code}")
            }
            // It may be in a queue, or not.
            Err(PublishError::Uncertain(error)) => format!("uncertain: {error}"),
            Err(other) => return Err(other.into()),
        };
        println!("{case}: {outcome}");
    }
    connection.close().await?;
    Ok(())
}
