//! Remote procedure calls over direct reply-to: replies come through a pseudo-queue that costs the
//! broker nothing. The queue of the requests is the server's own and goes with it, so that a call
//! without a server fails at once.
//!
//! ```text
//! request returned by the broker: 312 NO_ROUTE (there is no queue 'fib')
//! fib(30) = 832040, fib(40) = 102334155
//! fib(x): invalid digit found in string
//! ```

use std::error::Error;
use std::time::Duration;

use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare, ReceivedMessage, rpc};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = Connection::open_with(&ConnectionOptions::from_env()?).await?;
    let client = rpc::Client::open(&connection).timeout(Duration::from_secs(5));
    let client = client.await?;
    let call = |n: &str| client.call("", "fib", Message::new(n));
    if let Err(error) = call("30").await {
        println!("{error}"); // no server yet, or no longer
    }
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new("fib").exclusive();
    channel.queue_declare(queue).await?;
    let requests = channel.consume("fib").prefetch(8).await?;
    let server = rpc::Server::new(requests, connection.open_publisher().await?)
        .concurrency(8)
        .report(|failure| eprintln!("{failure}")); // of handlers that panic
    let server = tokio::spawn(server.serve(fib));

    let (one, another) = tokio::try_join!(call("30"), call("40"))?;
    println!("fib(30) = {}, fib(40) = {}", one.text()?, another.text()?);
    let reply = call("x").await?;
    if let Some(error) = reply.header("error") {
        println!("fib(x): {}", error.as_str().unwrap_or_default());
    }
    connection.close().await?;
    let _served = server.await?; // counts, and why it ended
    Ok(())
}

/// An error that the caller should know of is a reply; of an `Err` the caller hears nothing.
async fn fib(request: ReceivedMessage) -> Message {
    match compute(&request) {
        Ok(n) => Message::new(n.to_string()),
        Err(error) => Message::new("").header("error", error.to_string()),
    }
}

fn compute(request: &ReceivedMessage) -> Result<u64, Box<dyn Error>> {
    let n: u8 = request.text()?.parse()?;
    Ok((0..n).fold((0_u64, 1), |(a, b), _| (b, a + b)).0)
}
