//! Remote procedure calls over direct reply-to: answers come through a pseudo-queue that costs the
//! broker nothing. To be used on the channel that publishes the requests.
//!
//! ```text
//! fib(30) = 832040
//! ```

use std::error::Error;

use amqp_client::{Channel, Connection, ConnectionOptions, Message, QueueDeclare};

const REPLY_TO: &str = "amq.rabbitmq.reply-to";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel
        .queue_declare(QueueDeclare::new("fib").durable())
        .await?;
    let server = tokio::spawn(serve(connection.open_channel().await?));

    // Consuming comes first: the broker refuses requests without it.
    let mut replies = channel.consume(REPLY_TO).no_ack().await?;
    let request = Message::new("30").reply_to(REPLY_TO).correlation_id("1");
    channel.basic_publish("", "fib", &request).await?;
    while let Some(reply) = replies.next().await {
        let reply = reply?;
        // Something else would be the late answer to an earlier call.
        if reply.correlation_id() == Some("1") {
            println!("fib(30) = {}", reply.text()?);
            break;
        }
    }
    connection.close().await?;
    server.await?
}

async fn serve(channel: Channel) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut requests = channel.consume("fib").prefetch(1).await?;
    while let Some(Ok(request)) = requests.next().await {
        let n: u32 = request.text()?.parse()?;
        let answer = (0..n).fold((0_u64, 1), |(a, b), _| (b, a + b)).0;
        let reply_to = request.reply_to().unwrap_or_default();
        let id = request.correlation_id().unwrap_or_default();
        let reply = Message::new(answer.to_string()).correlation_id(id);
        channel.basic_publish("", reply_to, &reply).await?;
        request.ack()?;
    }
    Ok(())
}
