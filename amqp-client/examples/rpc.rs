//! Remote procedure calls over direct reply-to: replies come through a pseudo-queue that costs the
//! broker nothing.
//!
//! ```text
//! fib(30) = 832040
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Message, ReceivedMessage, rpc};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let channel = connection.open_channel().await?;
    channel.queue_declare("fib").await?;
    let requests = channel.consume("fib").prefetch(8).await?;
    let server = rpc::Server::new(requests, connection.open_publisher().await?)
        .concurrency(8)
        .report(|failure| eprintln!("{failure}")); // also of handlers that panic
    let server = tokio::spawn(server.serve(fib));

    let client = rpc::Client::open(&connection).timeout(Duration::from_secs(5));
    let reply = client.await?.call("", "fib", Message::new("30")).await?;
    println!("fib(30) = {}", reply.text()?);
    connection.close().await?;
    let _served = server.await?; // counts, and why it ended
    Ok(())
}

async fn fib(request: ReceivedMessage) -> Result<Message, Box<dyn Error + Send + Sync>> {
    let n: u32 = request.text()?.parse()?;
    let answer = (0..n).fold((0_u64, 1), |(a, b), _| (b, a + b)).0;
    Ok(Message::new(answer.to_string()))
}
