//! A connection that is lost and comes back: the handles go on. (What breaks here is a network of
//! the example's own, a proxy of `amqp-testing`.)
//!
//! ```text
//! lost, and about to come back
//! published meanwhile
//! back: 2 channels, 1 queue, 1 consumer
//! received order 42
//! ```

use std::error::Error;

use amqp_client::event::Event;
use amqp_client::{Connection, ConnectionOptions, Message, QueueDeclare};
use amqp_testing::Proxy;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("AMQP_URL").unwrap_or_else(|_| "amqp://localhost:5672".into());
    let network = Proxy::to_url(&url)?;
    let options: ConnectionOptions = url.parse()?;
    let (host, port) = (network.address().ip(), network.address().port());
    let connection = Connection::open_with(&options.host(host.to_string()).port(port)).await?;
    let mut events = connection.events();
    let channel = connection.open_channel().await?;
    let queue = QueueDeclare::new("orders").durable();
    channel.queue_declare(queue).await?;
    let mut orders = channel.consume("orders").await?;
    let publisher = connection.open_publisher().await?;

    network.reset();
    while let Some(event) = events.next().await {
        match event {
            Event::Lost { .. } => {
                println!("lost, and about to come back");
                let order = Message::new("order 42").persistent();
                publisher.publish("", "orders", order).await?; // waits
                println!("published meanwhile");
            }
            Event::Recovered(report) => {
                println!("back: {}", report.restored);
                break;
            }
            _ => {}
        }
    }
    let order = orders.next().await.ok_or("cancelled")??;
    println!("received {}", order.text()?);
    order.ack()?;
    connection.close().await?;
    Ok(())
}
